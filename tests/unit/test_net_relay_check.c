/* What is told of a relay's settings before a connection needs them: what is wrong with each file
 * and list, and that nothing is asked, made or waited for meanwhile. */
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "net/relay_check.h"
#include "tls_client.h"

static TestCertificate authority, good, expired;

static void write_file(const char *name, const void *data, size_t n)
{
    FILE *file = fopen(in_directory(name), "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

/* A list of the authority's that revokes nothing, in DER. */
static void make_list(void)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *time = X509_gmtime_adj(NULL, 0);
    unsigned char *der = NULL;
    int n;

    ck_assert_int_eq(X509_CRL_set_issuer_name(list, X509_get_subject_name(authority.x509)), 1);
    ck_assert_int_eq(X509_CRL_set1_lastUpdate(list, time), 1);
    ck_assert_int_eq(X509_CRL_set1_nextUpdate(list, X509_gmtime_adj(time, 3600)), 1);
    ck_assert_int_gt(X509_CRL_sign(list, authority.key, EVP_sha256()), 0);
    n = i2d_X509_CRL(list, &der);
    ck_assert_int_gt(n, 0);
    write_file("list.der", der, (size_t)n);
    write_file("cut.der", der, (size_t)n - 1);
    OPENSSL_free(der);
    ASN1_TIME_free(time);
    X509_CRL_free(list);
}

static void make_files(void)
{
    const TestCertificateSpec spec_authority = {"Test Authority", NULL, 0, 0, true};
    const TestCertificateSpec spec_good = {"mail", "DNS:mail.test", 0, 0, false};
    const TestCertificateSpec spec_expired = {"mail", "DNS:mail.test", -7200, -3600, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    authority = test_certificate_new(&spec_authority, NULL);
    good = test_certificate_new(&spec_good, &authority);
    expired = test_certificate_new(&spec_expired, &authority);
    test_certificate_save(&authority, in_directory("ca.pem"), NULL, NULL);
    test_certificate_save(&good, in_directory("good.pem"), in_directory("good.key"), NULL);
    test_certificate_save(&expired, in_directory("expired.pem"), in_directory("expired.key"), NULL);
    test_certificate_save(
        &good, in_directory("again.pem"), in_directory("encrypted.key"), "sesame");
    write_file("text", "Dear Ann,\n", 10);
    write_file("empty", "", 0);
    write_file("password", "sesam\n", 6);
    ck_assert_int_eq(chmod(in_directory("password"), 0600), 0);
    make_list();
    ck_assert_int_eq(mkfifo(in_directory("pipe"), 0600), 0);
}

static void remove_files(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
    test_certificate_done(&authority);
    test_certificate_done(&good);
    test_certificate_done(&expired);
}

static RelayConfig relay(void)
{
    RelayConfig config = relay_for("mail.test");

    config.auth = TEXT("none");
    return config;
}

static char *path(const char *name)
{
    return TEXT(in_directory(name));
}

static void check_good(const RelayConfig *config)
{
    RelayJudgement judgement;

    relay_check(config, false, &judgement);
    ck_assert_msg(judgement.error == 0, "%s", failure_text(&judgement.failure));
    ck_assert_ptr_null(judgement.notice);
    relay_judgement_done(&judgement);
}

static void check_told(const RelayConfig *config, int number, const char *const *words)
{
    RelayJudgement judgement;

    relay_check(config, false, &judgement);
    ck_assert_int_lt(judgement.error, 0);
    ck_assert_msg(judgement.failure.number == number, "%d: %s", judgement.failure.number,
        failure_text(&judgement.failure));
    for (; *words; words++)
        ck_assert_msg(strstr(failure_text(&judgement.failure), *words), "\"%s\" lacks \"%s\"",
            failure_text(&judgement.failure), *words);
    relay_judgement_done(&judgement);
}

START_TEST(what_can_be_used_is_good)
{
    RelayConfig config = relay();

    check_good(&config);
    config.tls_certificate = path("good.pem");
    config.tls_key = path("good.key");
    config.tls_check_crl = TLS_CHECK_TRY;
    config.tls_crl_file = path("list.der");
    config.tls_accept_certificate = path("good.pem");
    check_good(&config);
}
END_TEST

START_TEST(authorities_must_be_some)
{
    static const char *const names[] = {"text", "empty", "good.key", "pipe"};
    RelayConfig config = relay();

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        config.tls_ca_file = path(names[i]);
        check_told(&config, 271, WORDS("tls_ca_file: cannot read certificates from", names[i]));
    }
    config = relay();
    config.tls_ca_file = TEXT("/dev/zero");
    check_told(&config, 271, WORDS("/dev/zero", "device"));
}
END_TEST

START_TEST(lists_must_be_some)
{
    static const char *const names[] = {"text", "empty", "good.pem", "cut.der", "pipe"};
    RelayConfig config = relay();

    config.tls_check_crl = TLS_CHECK_REQUIRE;
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        config.tls_crl_file = path(names[i]);
        check_told(&config, 271, WORDS("tls_crl_file: cannot read lists", names[i]));
    }
}
END_TEST

START_TEST(pins_must_be_some)
{
    RelayConfig config = relay();

    config.tls_accept_certificate = path("text");
    check_told(&config, 272, WORDS("tls_accept_certificate: ", "text"));
    config.tls_accept_certificate = path("pipe");
    check_told(&config, 272, WORDS("tls_accept_certificate: ", "pipe", "and not a file"));
}
END_TEST

START_TEST(lists_of_names_must_leave_something)
{
    static const struct {
        const char *ciphers, *protocols, *groups, *signatures, *provider, *word;
        int number;
    } cases[] = {
        {"!ALL", NULL, NULL, NULL, NULL, "tls_ciphers = \"!ALL\"", ERROR_CONFIGURATION},
        {"NOPE", NULL, NULL, NULL, NULL, "tls_ciphers = \"NOPE\"", ERROR_CONFIGURATION},
        {"ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.1", NULL, NULL, NULL, "tls_ciphers",
            ERROR_TLS_HANDSHAKE},
        {NULL, "TLSv1.2 TLSv9", NULL, NULL, NULL, "TLSv9", ERROR_CONFIGURATION},
        {NULL, NULL, "x25519 x25518", NULL, NULL, "tls13_groups", ERROR_CONFIGURATION},
        {NULL, NULL, NULL, "ed25519 rsa_md5", NULL, "tls13_signature_algorithms",
            ERROR_CONFIGURATION},
        {NULL, NULL, NULL, NULL, "nosuch", "tls_provider: OpenSSL's provider \"nosuch\"",
            ERROR_TLS_LIBRARY},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        RelayConfig config = relay();

        config.tls_ciphers = TEXT(cases[i].ciphers);
        config.tls_protocols = TEXT(cases[i].protocols);
        config.tls13_groups = TEXT(cases[i].groups);
        config.tls13_signature_algorithms = TEXT(cases[i].signatures);
        config.tls_provider = TEXT(cases[i].provider);
        check_told(&config, cases[i].number, WORDS(cases[i].word));
    }
}
END_TEST

START_TEST(our_own_certificate_must_be_whole)
{
    RelayConfig config = relay();

    config.tls_certificate = path("good.pem");
    check_told(&config, 281, WORDS("without its private key", "name the key in tls_key"));
    config.tls_key = path("expired.key");
    check_told(&config, 273, WORDS("tls_key: ", "expired.key"));
    config.tls_key = path("encrypted.key");
    check_told(&config, 273, WORDS("tls_key: ", "there is no password"));
    config.tls_key_password.file = path("password");
    check_told(&config, 273, WORDS("tls_key: ", "the password does not open it"));
    config.tls_certificate = path("pipe");
    check_told(&config, 271, WORDS("tls_certificate: ", "pipe"));
}
END_TEST

/* It may still be wanted, and is no reason not to run. */
START_TEST(an_end_is_noticed)
{
    RelayConfig config = relay();
    RelayJudgement judgement;

    config.tls_certificate = path("expired.pem");
    config.tls_key = path("expired.key");
    relay_check(&config, false, &judgement);
    ck_assert_msg(judgement.error == 0, "%s", failure_text(&judgement.failure));
    ck_assert_ptr_nonnull(judgement.notice);
    ck_assert_ptr_nonnull(strstr(judgement.notice, "tls_certificate: has ended on"));
    relay_judgement_done(&judgement);
}
END_TEST

START_TEST(key_shares_that_are_not_sent_are_noticed)
{
    RelayConfig config = relay();
    RelayJudgement judgement;

    config.tls13_key_shares = TEXT("x25519");
    check_good(&config);
    config.tls13_key_shares = TEXT("x25519 secp384r1");
    relay_check(&config, false, &judgement);
    ck_assert_int_eq(judgement.error, 0);
    ck_assert_int_eq(judgement.notice == NULL, OpenSSL_version_num() >= 0x30500000L);
    ck_assert_ptr_nonnull(strstr(judgement.notice ?: "tls13_key_shares", "tls13_key_shares"));
    relay_judgement_done(&judgement);
}
END_TEST

/* Neither is a command run, nor a token asked. */
START_TEST(nobody_is_asked)
{
    RelayConfig config = relay();
    char command[100];

    snprintf(command, sizeof(command), "touch %s", in_directory("ran"));
    config.tls_certificate = path("good.pem");
    config.tls_key = path("nothing.key");
    config.tls_key_password.command = command;
    check_good(&config);
    ck_assert_int_lt(access(in_directory("ran"), F_OK), 0);
    config = relay();
    config.tls_certificate = TEXT("pkcs11:token=nothing;object=nothing");
    check_good(&config);
}
END_TEST

START_TEST(a_key_log_is_not_made)
{
    RelayConfig config = relay();

    config.tls_key_log_file = path("keys.log");
    check_good(&config);
    ck_assert_int_lt(access(in_directory("keys.log"), F_OK), 0);
    config.tls_key_log_file = path("nowhere/keys.log");
    check_told(&config, ERROR_FILE, WORDS("tls_key_log_file: cannot open", "No such file"));
    config.tls_key_log_file = path("pipe");
    check_told(&config, error_from_errno(-ENXIO), WORDS("tls_key_log_file: cannot open", "pipe"));
}
END_TEST

START_TEST(examples_are_no_relays)
{
    static const char *const names[] = {"smtp.example.com", "SMTP.EXAMPLE.ORG"};
    RelayConfig config = relay();

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        config.host = TEXT(names[i]);
        check_told(&config, ERROR_CONFIGURATION, WORDS("host: ", names[i], "example"));
    }
    config.host = TEXT("mail.notexample.com");
    check_good(&config);
}
END_TEST

static void check_stage(const RelayConfig *config, DeliveryStage stage)
{
    RelayJudgement judgement;

    relay_check(config, false, &judgement);
    ck_assert_int_lt(judgement.error, 0);
    ck_assert_str_eq(delivery_stage_name(judgement.stage), delivery_stage_name(stage));
    relay_judgement_done(&judgement);
}

/* Where a connection would meet with it. */
START_TEST(faults_have_their_stage)
{
    RelayConfig config = relay();

    config.password.file = path("empty");
    check_stage(&config, STAGE_AUTH);
    config = relay();
    config.oauth_client_secret.file = path("empty");
    check_stage(&config, STAGE_AUTH);
    config = relay();
    config.proxy_password.file = path("empty");
    check_stage(&config, STAGE_PROXY);
    config = relay();
    config.host = TEXT("smtp.example.com");
    check_stage(&config, STAGE_LOOKUP);
    config = relay();
    config.tls_ca_file = path("text");
    check_stage(&config, STAGE_TLS);
    config = relay();
    config.tls_check_crl = TLS_CHECK_REQUIRE;
    config.tls_crl_file = path("text");
    check_stage(&config, STAGE_CERTIFICATE);
    config = relay();
    config.oauth_token_url = TEXT("https://localhost/token");
    config.oauth_ca_file = path("text");
    check_stage(&config, STAGE_AUTH);
}
END_TEST

START_TEST(other_peers_are_judged_too)
{
    RelayConfig config = relay();

    config.oauth_token_url = TEXT("https://localhost:99999/token");
    check_told(&config, ERROR_CONFIGURATION, WORDS("oauth_token_url", "99999"));
    config.oauth_token_url = TEXT("https://localhost/token");
    config.oauth_ca_file = path("text");
    check_told(&config, 271, WORDS("oauth_ca_file: cannot read certificates"));
    config.oauth_ca_file = path("ca.pem");
    check_good(&config);
    config.proxy_type = PROXY_MODE_TUNNEL;
    config.proxy_host = TEXT("proxy.test");
    config.proxy_tls = config.proxy_tls_verify = true;
    config.proxy_tls_ca_file = path("empty");
    check_told(&config, 271, WORDS("proxy_tls_ca_file: cannot read certificates"));
    config.proxy_tls_ca_file = path("ca.pem");
    check_good(&config);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net relay check");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_files, remove_files);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_can_be_used_is_good);
    tcase_add_test(tests, authorities_must_be_some);
    tcase_add_test(tests, lists_must_be_some);
    tcase_add_test(tests, pins_must_be_some);
    tcase_add_test(tests, lists_of_names_must_leave_something);
    tcase_add_test(tests, our_own_certificate_must_be_whole);
    tcase_add_test(tests, an_end_is_noticed);
    tcase_add_test(tests, key_shares_that_are_not_sent_are_noticed);
    tcase_add_test(tests, nobody_is_asked);
    tcase_add_test(tests, a_key_log_is_not_made);
    tcase_add_test(tests, examples_are_no_relays);
    tcase_add_test(tests, faults_have_their_stage);
    tcase_add_test(tests, other_peers_are_judged_too);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
