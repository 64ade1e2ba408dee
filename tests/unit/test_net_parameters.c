/* What the settings allow a handshake to come to, and what of a certificate they forgive: each with
 * a server that fits and one that does not. */
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "net/tls_parameters.h"
#include "net_client.h"

#define CONVERSATION "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT
#define LEFT "TLS\nEOF\n"

typedef struct Row {
    const char *settings[4];
    TestServerOptions options;
    DeliveryStage stage; /* where it fails; STAGE_QUIT: it does not */
    int error;
    const char *words; /* of the failure, or of the trace */
} Row;

/* One connection that ends as the row says. */
static void check_row(const Row *row)
{
    bool works = row->stage == STAGE_QUIT;
    TestServerOptions options = row->options;
    TestServer *server;
    Client client;

    if (!options.certificate)
        options.certificate = &certificate;
    server = test_server_start(SCRIPTS(works ? CONVERSATION : LEFT), &options);
    client = client_for(
        test_server_port(server), (const char *const[]){"tls=implicit", row->settings[0],
                                      row->settings[1], row->settings[2], row->settings[3], NULL});
    client_run(&client, 0);
    check_outcome(&client, works ? DELIVERY_DELIVERED : DELIVERY_CUT_OFF, row->stage, row->error);
    if (row->words)
        ck_assert_msg(strstr(works ? client.trace : client.text, row->words), "\"%s\" lacks \"%s\"",
            works ? client.trace : client.text, row->words);
    test_server_stop(server);
    client_done(&client);
}

/* One that does not come as far as to connect. */
static void check_unusable(
    const char *const *settings, int error, FaultReason reason, const char *words)
{
    uint16_t port;
    int listening = test_listen(4, &port);
    Client client = client_for(port, settings);

    client_run(&client, 0);
    ck_assert_int_eq(client.outcome.error, error);
    ck_assert_int_eq(client.outcome.reason, reason);
    ck_assert_int_eq(client.outcome.cause, CAUSE_OWN);
    ck_assert_msg(strstr(client.text, words), "\"%s\" lacks \"%s\"", client.text, words);
    close(listening);
    client_done(&client);
}

#define FAILS STAGE_TLS, ERROR_TLS_HANDSHAKE
#define UNTRUSTED STAGE_CERTIFICATE
#define WORKS STAGE_QUIT, 0

/* SSLCipherStrength, SSLEnabledCipherSuites, SSLEnabledProtocols */
START_TEST(suites_are_as_strong_as_the_settings_ask)
{
    static const Row rows[] = {
        {{"tls_cipher_strength=256"}, {NULL}, WORKS, "TLSv1.3 TLS_AES_256_GCM_SHA384"},
        {{"tls_cipher_strength=256"}, {.ciphers = "AES256", .max_version = TLS1_2_VERSION}, WORKS,
            "TLSv1.2 ECDHE-ECDSA-AES256"},
        {{"tls_cipher_strength=256"}, {.ciphers = "AES128", .max_version = TLS1_2_VERSION}, FAILS,
            "check tls_ciphers"},
        {{"tls_ciphers=TLS_AES_128_GCM_SHA256"}, {NULL}, WORKS, "TLSv1.3 TLS_AES_128_GCM_SHA256"},
        {{"SSLEnabledProtocols=3072"}, {NULL}, WORKS, "TLSv1.2 "},
        {{"tls_protocols=TLSv1.3"}, {.max_version = TLS1_2_VERSION}, FAILS, "tls_protocols"},
        /* TLS 1.3 has nothing left, and 1.2 goes on */
        {{"tls_ciphers=TLS_AES_128_GCM_SHA256:HIGH", "tls_cipher_strength=256"}, {NULL}, WORKS,
            "TLSv1.2 "},
    };

    check_row(&rows[_i]);
}
END_TEST

/* TLS12SupportedGroups, TLS13SupportedGroups, TLS13KeyShareGroups */
START_TEST(groups_are_those_of_the_settings)
{
    static const Row rows[] = {
        {{"tls13_groups=secp384r1 x25519"}, {.groups = "P-384"}, WORKS},
        {{"tls13_groups=secp384r1"}, {.groups = "X25519"}, FAILS, "tls_ciphers"},
        {{"tls12_groups=secp256r1"}, {.groups = "P-256", .max_version = TLS1_2_VERSION}, WORKS},
        {{"tls12_groups=secp256r1"}, {.groups = "X25519", .max_version = TLS1_2_VERSION}, FAILS,
            NULL},
        /* offered for TLS 1.3, and taken for 1.2 */
        {{"tls12_groups=secp256r1", "tls13_groups=x25519"},
            {.groups = "X25519", .max_version = TLS1_2_VERSION}, FAILS,
            "chose x25519 for TLSv1.2, which tls12_groups leaves out"},
        {{"tls12_groups=secp256r1", "tls13_groups=x25519"}, {.groups = "P-256"}, FAILS,
            "chose secp256r1 for TLSv1.3, which tls13_groups leaves out"},
        {{"tls13_groups=ffdhe2048"}, {.groups = "ffdhe2048"}, WORKS},
    };

    check_row(&rows[_i]);
}
END_TEST

/* TLS12SignatureAlgorithms, TLS13SignatureAlgorithms: the server's key is on P-256 */
START_TEST(signatures_are_those_of_the_settings)
{
    static const Row rows[] = {
        {{"tls13_signature_algorithms=ed25519 ecdsa_secp256r1_sha256"}, {NULL}, WORKS},
        {{"tls13_signature_algorithms=ed25519 rsa_pss_sha256"}, {NULL}, FAILS, NULL},
        {{"tls12_signature_algorithms=sha256-ecdsa"}, {.max_version = TLS1_2_VERSION}, WORKS},
        {{"tls12_signature_algorithms=sha256-rsa"}, {.max_version = TLS1_2_VERSION}, FAILS, NULL},
        {{"tls12_signature_algorithms=sha256-ecdsa", "tls13_signature_algorithms=ed25519"}, {NULL},
            FAILS, "chose a signature for TLSv1.3, which tls13_signature_algorithms leaves out"},
        {{"tls12_signature_algorithms=ed25519",
             "tls13_signature_algorithms=ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384"},
            {.max_version = TLS1_2_VERSION}, FAILS,
            "chose a signature for TLSv1.2, which tls12_signature_algorithms leaves out"},
    };

    check_row(&rows[_i]);
}
END_TEST

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static bool is_openssl_3_5(void)
{
    return OpenSSL_version_num() >= 0x30500000UL;
}

/* TLS13KeyShareGroups: with the right one a server need not ask for it. LogSSLPackets shows it. */
START_TEST(key_shares_spare_a_round)
{
    const struct {
        const char *setting;
        unsigned hellos;
    } rows[] = {
        {"tls13_key_shares=secp384r1", 1},
        {"tls13_key_shares=x25519", 2},
        {"tls13_key_shares=x25519 secp384r1", is_openssl_3_5() ? 1 : 2},
        {"tls13_key_shares=x25519 x448 secp521r1 secp384r1", is_openssl_3_5() ? 1 : 2},
        {"tls13_key_shares=x25519 x448 secp256r1 secp521r1 secp384r1", 2},
    };
    const TestServerOptions options = {.certificate = &certificate, .groups = "P-384"};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", "tls_log_packets=true", rows[_i].setting));

    client_run(&client, 0);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(count(client.trace, "TLS: sent handshake client_hello, "), rows[_i].hellos);
    ck_assert_ptr_nonnull(strstr(client.trace, "TLS: received handshake certificate, "));
    ck_assert_ptr_nonnull(strstr(client.trace, "TLS: received handshake new_session_ticket, "));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(packets_are_not_told_where_nobody_asked)
{
    TestServer *server = test_server_start(
        SCRIPTS(CONVERSATION), &(const TestServerOptions){.certificate = &certificate});
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    client_run(&client, 0);
    ck_assert_ptr_null(strstr(client.trace, "TLS: "));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

#define AGAIN "TLS\nS: 220 server.test\n" EHLO "RENEGOTIATE\n"
#define TLS12 .max_version = TLS1_2_VERSION

/* SSLEnableRenegotiation */
PATIENT_TEST(a_server_renegotiates_where_it_may)
{
    const TestServerOptions same = {.certificate = &certificate, TLS12};
    const TestServerOptions other = {.certificate = &certificate, .renegotiated = &expired, TLS12};
    const struct {
        const char *setting;
        const TestServerOptions *options;
        unsigned handshakes; /* that were begun */
        bool works;
    } rows[] = {
        {"tls_renegotiation=true", &same, 2, true},
        {"tls_renegotiation=true", &other, 2, false},
        {"tls_renegotiation=false", &same, 1, false},
    };
    TestServer *server = test_server_start(
        SCRIPTS(rows[_i].works ? AGAIN MESSAGE QUIT : AGAIN "SILENCE\n"), rows[_i].options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", rows[_i].works ? "timeout=60s" : BRIEF("timeout", 3000),
            "timeout_by_stage=false", "tls_log_packets=true", rows[_i].setting));

    client_run(&client, 0);
    ck_assert_int_eq(client.delivered, rows[_i].works);
    ck_assert_uint_eq(
        count(client.trace, "TLS: sent handshake client_hello, "), rows[_i].handshakes);
    if (rows[_i].options == &other)
        ck_assert_msg(strstr(client.text, "certificate"), "%s", client.text);
    test_server_stop(server);
    client_done(&client);
}

#define TOKEN_EHLO \
    "C: EHLO client.test\nS: 250-server.test\nS: 250-PIPELINING\nS: 250 AUTH XOAUTH2\n"
/* user=ann^Aauth=Bearer token^A^A */
#define TOKEN "C: AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rZW4BAQ==\n"
#define GREETED "TLS\nS: 220 server.test\n" TOKEN_EHLO

/* In the loop, and by poll(): before the token, behind it, and within its refusal. */
START_TEST(a_server_renegotiates_within_a_login_by_token)
{
    static const char *const scripts[] = {
        GREETED "RENEGOTIATE\n" TOKEN "S: 235 welcome\n" MESSAGE QUIT,
        GREETED TOKEN "RENEGOTIATE\nS: 235 welcome\n" MESSAGE QUIT,
        GREETED TOKEN "S: 334 e30=\nRENEGOTIATE\nC: \nS: 535 no\nEOF\n",
    };
    const TestServerOptions options = {.certificate = &certificate, TLS12};
    size_t which = (size_t)_i / 2;
    bool refused = which == 2;

    TestServer *server = test_server_start(SCRIPTS(scripts[which]), &options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", "timeout=60s", "user=ann", "auth=xoauth2",
            "password_command=echo token", "tls_renegotiation=true"));

    client_run(&client, _i % 2);
    ck_assert_msg(client.delivered == !refused, "%s", client.text);
    if (refused)
        ck_assert_msg(strstr(client.text, "no: {}"), "%s", client.text);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

static TestCertificate lonely, not_for_servers, elsewhere, middle, mine;
static char client_path[64], key_path[64], middle_path[64];

static void make_more(void)
{
    const TestCertificateSpec spec_lonely = {"lonely", "IP:127.0.0.1", 0, 0, false};
    const TestCertificateSpec spec_elsewhere = {"other", "DNS:other.test", 0, 0, false};
    const TestCertificateSpec spec_middle = {"Test Middle", NULL, 0, 0, true};
    const TestCertificateSpec spec_mine = {"mine", "DNS:client.test", 0, 0, false};

    make_certificates();
    lonely = test_certificate_new(&spec_lonely, NULL);
    not_for_servers = test_certificate_new(
        &(const TestCertificateSpec){"client", "IP:127.0.0.1", 0, 0, false, .usage = "clientAuth"},
        &authority);
    elsewhere = test_certificate_new(&spec_elsewhere, &authority);
    middle = test_certificate_new(&spec_middle, &authority);
    mine = test_certificate_new(&spec_mine, &middle);
    snprintf(client_path, sizeof(client_path), "%s/mine.pem", directory);
    snprintf(key_path, sizeof(key_path), "%s/mine.key", directory);
    snprintf(middle_path, sizeof(middle_path), "%s/middle.pem", directory);
    test_certificate_save(&mine, client_path, key_path, NULL);
    ck_assert_int_eq(chmod(key_path, 0600), 0);
    test_certificate_save(&middle, middle_path, NULL, NULL);
}

static void remove_more(void)
{
    TestCertificate *const all[] = {&lonely, &not_for_servers, &elsewhere, &middle, &mine};

    (void)unlink(client_path);
    (void)unlink(key_path);
    (void)unlink(middle_path);
    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        test_certificate_done(all[i]);
    remove_certificates();
}

/* A server that shows no certificate: 282. */
START_TEST(a_server_without_a_certificate_is_not_trusted)
{
    static const Row row = {{"tls_protocols=TLSv1.2", "tls_ciphers=AECDH-AES128-SHA:@SECLEVEL=0"},
        {.ciphers = "AECDH-AES128-SHA:@SECLEVEL=0", .max_version = TLS1_2_VERSION}, UNTRUSTED,
        ERROR_SERVER_CERTIFICATE, "showed no certificate"};

    check_row(&row);
}
END_TEST

/* SSLSecurityFlags: each forgives its own and nothing else. */
START_TEST(flags_forgive_what_they_name)
{
    static const Row rows[] = {
        {{"tls_security_flags=ignore-time"}, {&expired}, WORKS},
        {{"tls_security_flags=0x80000030"}, {&expired}, UNTRUSTED, ERROR_CERTIFICATE_VERIFY,
            "it expired"},
        {{"tls_security_flags=allow-unknown-authority"}, {&lonely}, WORKS},
        {{"tls_security_flags=0x80000021"}, {&lonely}, UNTRUSTED, ERROR_CERTIFICATE_CHAIN,
            "self-signed"},
        {{"tls_security_flags=ignore-usage"}, {&not_for_servers}, WORKS},
        {{"tls_security_flags=0x80000011"}, {&not_for_servers}, UNTRUSTED, ERROR_CERTIFICATE_CHAIN,
            "purpose"},
        {{"tls_security_flags=ignore-name"}, {&elsewhere}, WORKS},
        {{"tls_security_flags=0x31"}, {&elsewhere}, UNTRUSTED, ERROR_CERTIFICATE_VERIFY,
            "it is for other.test"},
        /* the key that signed it is another's: no flag forgives that */
        {{"tls_security_flags=allow-unknown-authority", "tls_accept_certificate="}, {&elsewhere},
            UNTRUSTED, ERROR_CERTIFICATE_VERIFY, "it is for other.test"},
    };

    check_row(&rows[_i]);
}
END_TEST

static void base64_of_key(const TestCertificate *is, char out[static 64])
{
    unsigned char *der = NULL, digest[32];
    int n = i2d_PUBKEY(is->key, &der);

    ck_assert_int_eq(EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
    ck_assert_int_eq(EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest)), 44);
    OPENSSL_free(der);
}

/* SSLAcceptServerCert: any of several, by certificate or key, whatever else is wrong with it; and
 * nobody else. */
START_TEST(pins_accept_whatever_the_verification_says)
{
    _cleanup_free_
    char *hex = test_certificate_fingerprint(&lonely, false);
    char key[64], setting[400];
    const Row works[] = {{{setting}, {&lonely}, WORKS}, {{setting}, {&expired}, WORKS},
        {{setting}, {&certificate}, WORKS},
        {{setting}, {&elsewhere}, UNTRUSTED, ERROR_CERTIFICATE_VERIFY, "it is for other.test"}};

    base64_of_key(&expired, key);
    snprintf(setting, sizeof(setting), "SSLAcceptServerCert=%s; sha256//%s;%s", hex, key,
        authority_path);
    check_row(&works[_i]);
}
END_TEST

/* SSLClientCACerts; with SSLProvider too, whose library context is another than the key's */
START_TEST(the_client_certificate_comes_from_the_authorities_that_are_named)
{
    const TestServerOptions options = {
        .certificate = &certificate, .client_authority = authority_path};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    char certificate_setting[96], key_setting[96], authorities[96], both[64];
    FILE *file;
    Client client;

    snprintf(certificate_setting, sizeof(certificate_setting), "tls_certificate=%s", client_path);
    snprintf(key_setting, sizeof(key_setting), "tls_key=%s", key_path);
    snprintf(both, sizeof(both), "%s/both.pem", directory);
    file = fopen(both, "w");
    ck_assert_int_eq(PEM_write_X509(file, authority.x509), 1);
    ck_assert_int_eq(PEM_write_X509(file, middle.x509), 1);
    fclose(file);
    /* The server knows the root alone: what is between is sent. */
    snprintf(authorities, sizeof(authorities), "SSLClientCACerts=%s", both);
    client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", certificate_setting, key_setting, authorities,
            _i == 0 ? "tls_provider=" : "tls_provider=default"));
    client_run(&client, 0);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    test_server_stop(server);
    client_done(&client);
    snprintf(authorities, sizeof(authorities), "SSLClientCACerts=%s", authority_path);
    check_unusable(SETTINGS("tls=implicit", certificate_setting, key_setting, authorities),
        ERROR_CLIENT_CERTIFICATE, REASON_TLS_CLIENT_CERTIFICATE, "tls_client_ca_file");
    snprintf(authorities, sizeof(authorities), "SSLClientCACerts=%s", key_path);
    check_unusable(SETTINGS("tls=implicit", certificate_setting, key_setting, authorities),
        ERROR_CERTIFICATE_STORE, REASON_TLS_AUTHORITIES, "tls_client_ca_file");
    (void)unlink(both);
}
END_TEST

/* SSLProvider, 270 */
START_TEST(providers_are_loaded_for_one_relay)
{
    static const Row rows[] = {
        {{"tls_provider=default"}, {NULL}, WORKS, "TLSv1.3 "},
        {{"tls_provider=default legacy"}, {NULL}, WORKS, "TLSv1.3 "},
    };

    check_row(&rows[0]);
    check_row(&rows[1]);
    ck_assert_int_eq(OSSL_PROVIDER_available(NULL, "legacy"), 0);
    check_unusable(SETTINGS("tls=implicit", "tls_provider=default nonesuch"), ERROR_TLS_LIBRARY,
        REASON_TLS_LIBRARY, "OpenSSL's provider \"nonesuch\" cannot be loaded");
    check_unusable(SETTINGS("tls=implicit", "tls_provider=null"), ERROR_TLS_LIBRARY,
        REASON_TLS_LIBRARY, "OpenSSL cannot be used");
}
END_TEST

/* What the names are, the table knows; what this OpenSSL has got of them is found out here. */
START_TEST(what_openssl_has_not_got_is_told)
{
    check_unusable(SETTINGS("tls=implicit", "tls_ciphers=TLS_AES_128_GCM_SHA256:AES128",
                       "tls_cipher_strength=192"),
        ERROR_CONFIGURATION, REASON_TLS_CIPHERS, "tls_cipher_strength = 192 leaves no cipher");
}
END_TEST

/* Groups with ML-KEM, which OpenSSL has from 3.5 on. */
START_TEST(hybrid_groups_are_used)
{
    static const Row rows[] = {
        {{"tls13_groups=X25519MLKEM768"}, {.groups = "X25519MLKEM768"}, WORKS},
        {{"tls13_groups=SecP256r1MLKEM768 x25519"}, {.groups = "SecP256r1MLKEM768"}, WORKS},
        {{"tls13_groups=SecP384r1MLKEM1024"}, {.groups = "SecP384r1MLKEM1024:X25519"}, WORKS},
        {{"tls13_key_shares=x25519 X25519MLKEM768"}, {.groups = "X25519MLKEM768"}, WORKS},
        {{"tls13_groups=X25519MLKEM768 x25519", "tls13_key_shares=x25519"},
            {.groups = "X25519MLKEM768"}, WORKS},
        {{"tls13_groups=X25519MLKEM768"}, {.groups = "X25519"}, FAILS, "tls_ciphers"},
        {{"tls13_groups=X25519MLKEM768 x25519 secp256r1"},
            {.groups = "X25519", .max_version = TLS1_2_VERSION}, WORKS},
        {{"tls13_groups=X25519MLKEM768", "tls12_groups=x25519"}, {.groups = "X25519"}, FAILS,
            "chose x25519 for TLSv1.3, which tls13_groups leaves out"},
    };

    check_row(&rows[_i]);
}
END_TEST

START_TEST(hybrid_groups_are_missed)
{
    static const char *const settings[] = {
        "tls13_groups=X25519MLKEM768", "tls13_key_shares=x25519 X25519MLKEM768"};

    for (size_t i = 0; i < ELEMENTSOF(settings); i++)
        check_unusable(SETTINGS("tls=implicit", settings[i]), ERROR_CONFIGURATION,
            REASON_TLS_PARAMETERS, "X25519MLKEM768");
    check_unusable(SETTINGS("tls=implicit", settings[0]), ERROR_CONFIGURATION,
        REASON_TLS_PARAMETERS, "tls13_groups = \"X25519MLKEM768\" cannot be used");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net parameters");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_more, remove_more);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, suites_are_as_strong_as_the_settings_ask, 0, 7);
    tcase_add_loop_test(tests, groups_are_those_of_the_settings, 0, 7);
    tcase_add_loop_test(tests, signatures_are_those_of_the_settings, 0, 6);
    tcase_add_loop_test(tests, key_shares_spare_a_round, 0, 5);
    if (is_openssl_3_5())
        tcase_add_loop_test(tests, hybrid_groups_are_used, 0, 8);
    else
        tcase_add_test(tests, hybrid_groups_are_missed);
    tcase_add_test(tests, packets_are_not_told_where_nobody_asked);
    tcase_add_loop_test(tests, a_server_renegotiates_where_it_may, 0, 3);
    tcase_add_loop_test(tests, a_server_renegotiates_within_a_login_by_token, 0, 6);
    tcase_add_test(tests, a_server_without_a_certificate_is_not_trusted);
    tcase_add_loop_test(tests, flags_forgive_what_they_name, 0, 9);
    tcase_add_loop_test(tests, pins_accept_whatever_the_verification_says, 0, 4);
    tcase_add_loop_test(
        tests, the_client_certificate_comes_from_the_authorities_that_are_named, 0, 2);
    tcase_add_test(tests, providers_are_loaded_for_one_relay);
    tcase_add_test(tests, what_openssl_has_not_got_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
