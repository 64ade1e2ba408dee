/* Certificates by TLSA records: what they name counts, whatever else it is; what nobody has signed
 * does not count. The name server is the test's, all else is real. */
#include <arpa/nameser.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <resolv.h>

#undef MIN /* <resolv.h> brings its own */
#undef MAX
#include "net/job_tlsa.h"
#include "net_client.h"

#define CONVERSATION "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT
#define LEFT "TLS\nEOF\n"

/* ---- the name server ---- */

typedef enum Zone {
    ZONE_SIGNED,
    ZONE_UNSIGNED,
    ZONE_BROKEN, /* no answer about TLSA, and the rest is signed */
    ZONE_BROKEN_UNSIGNED,
    ZONE_EMPTY,
    ZONE_JUNK,
} Zone;

static struct {
    Zone zone;
    unsigned char records[4][140];
    size_t sizes[4], n;
    unsigned asked;    /* for TLSA records */
    unsigned policies; /* for an MTA-STS policy: there is none */
    char question[200];
} dns;

int __wrap_res_nquery(
    res_state state, const char *name, int class, int type, unsigned char *answer, int size);

static size_t put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
    return 2;
}

/* The question is the root's, which no reader minds. */
static int make_answer(unsigned char *answer, bool authentic, bool empty)
{
    static const unsigned char question[] = {0, 0, 52, 0, 1};
    size_t n = 12;

    memset(answer, 0, 12);
    answer[2] = 0x81;
    answer[3] = authentic ? 0xa0 : 0x80;
    put16(answer + 4, 1);
    put16(answer + 6, empty ? 0 : (unsigned)dns.n);
    memcpy(answer + n, question, sizeof(question));
    n += sizeof(question);
    for (size_t i = 0; i < dns.n && !empty; i++) {
        answer[n++] = 0;
        n += put16(answer + n, TLSA_TYPE);
        n += put16(answer + n, ns_c_in);
        n += put16(answer + n, 0);
        n += put16(answer + n, 300);
        n += put16(answer + n, (unsigned)dns.sizes[i]);
        memcpy(answer + n, dns.records[i], dns.sizes[i]);
        n += dns.sizes[i];
    }
    return (int)n;
}

static int say_nothing(res_state state, int why)
{
    state->res_h_errno = why;
    return -1;
}

int __wrap_res_nquery(res_state state, const char *name, _unused_ int class, int type,
    unsigned char *answer, _unused_ int size)
{
    if (type == ns_t_txt) {
        ck_assert_str_eq(name, "_mta-sts.relay.test");
        __atomic_add_fetch(&dns.policies, 1, __ATOMIC_SEQ_CST);
        return say_nothing(state, HOST_NOT_FOUND);
    }
    if (type != TLSA_TYPE) {
        ck_assert_int_eq(strncmp(name, "_", 1) != 0, 1);
        return make_answer(answer, dns.zone == ZONE_BROKEN, true);
    }
    __atomic_add_fetch(&dns.asked, 1, __ATOMIC_SEQ_CST);
    snprintf(dns.question, sizeof(dns.question), "%s", name);
    switch (dns.zone) {
    case ZONE_SIGNED: return make_answer(answer, true, false);
    case ZONE_UNSIGNED: return make_answer(answer, false, false);
    case ZONE_BROKEN:
    case ZONE_BROKEN_UNSIGNED: return say_nothing(state, TRY_AGAIN);
    case ZONE_EMPTY: return say_nothing(state, HOST_NOT_FOUND);
    case ZONE_JUNK: memset(answer, 0xff, 40); return 40;
    }
    return -1;
}

/* ---- records ---- */

typedef enum Of { OF_SELF, OF_STRANGER, OF_MIDDLE, OF_ROOT, OF_GOOD } Of;

static TestCertificate self_signed, stranger, root, middle, good, elsewhere, old;

static const TestCertificate *certificate_of(Of of)
{
    const TestCertificate *const all[] = {&self_signed, &stranger, &middle, &root, &good};

    return all[of];
}

static void add_record(unsigned usage, unsigned selector, unsigned matching, Of of)
{
    const TestCertificate *is = certificate_of(of);
    unsigned char *der = NULL, *out = dns.records[dns.n];
    int n = selector == 1 ? i2d_PUBKEY(is->key, &der) : i2d_X509(is->x509, &der);
    unsigned size = (unsigned)n;

    out[0] = (unsigned char)usage;
    out[1] = (unsigned char)selector;
    out[2] = (unsigned char)matching;
    if (matching == 1 || matching == 2)
        ck_assert_int_eq(EVP_Digest(der, (size_t)n, out + 3, &size,
                             matching == 1 ? EVP_sha256() : EVP_sha512(), NULL),
            1);
    else {
        ck_assert_uint_le(size, sizeof(dns.records[0]) - 3);
        memcpy(out + 3, der, size);
    }
    dns.sizes[dns.n++] = size + 3;
    OPENSSL_free(der);
}

static void begin(void)
{
    const TestCertificateSpec authority_spec = {"Test Root", NULL, 0, 0, true};
    const TestCertificateSpec middle_spec = {"Test Middle", NULL, 0, 0, true};
    const TestCertificateSpec self_spec = {"nobody", NULL, -7200, -3600, false};
    const TestCertificateSpec stranger_spec = {"relay", "DNS:relay.test", 0, 0, false};
    const TestCertificateSpec good_spec = {"relay", "DNS:relay.test", 0, 0, false};
    const TestCertificateSpec elsewhere_spec = {"other", "DNS:other.test", 0, 0, false};
    const TestCertificateSpec old_spec = {"relay", "DNS:relay.test", -7200, -3600, false};

    make_certificates();
    root = test_certificate_new(&authority_spec, NULL);
    middle = test_certificate_new(&middle_spec, &root);
    self_signed = test_certificate_new(&self_spec, NULL);
    stranger = test_certificate_new(&stranger_spec, NULL);
    good = test_certificate_new(&good_spec, &middle);
    elsewhere = test_certificate_new(&elsewhere_spec, &middle);
    old = test_certificate_new(&old_spec, &middle);
    memset(&dns, 0, sizeof(dns));
}

static void end(void)
{
    TestCertificate *const all[] = {
        &self_signed, &stranger, &root, &middle, &good, &elsewhere, &old};

    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        test_certificate_done(all[i]);
    remove_certificates();
}

/* The relay is at 127.0.0.1, and is called relay.test. One connection; `words` are of the failure,
 * NULL: it works. */
static void check(const TestCertificate *shown, const char *dane, int error, FaultReason reason,
    const char *words)
{
    static int driver;
    const TestServerOptions options = {.certificate = shown, .intermediate = &middle};
    TestServer *server = test_server_start(SCRIPTS(words ? LEFT : CONVERSATION), &options);
    Client client =
        client_for(test_server_port(server), SETTINGS("tls=implicit", "tls_name=relay.test", dane));

    client_run(&client, driver);
    driver = 1 - driver;
    check_outcome(&client, words ? DELIVERY_CUT_OFF : DELIVERY_DELIVERED,
        words ? STAGE_CERTIFICATE : STAGE_QUIT, error);
    ck_assert_int_eq(client.outcome.reason, reason);
    if (words)
        ck_assert_msg(strstr(client.text, words), "\"%s\" lacks \"%s\"", client.text, words);
    test_server_stop(server);
    client_done(&client);
}

#define FINE 0, REASON_NONE, NULL
#define TRY "tls_dane=try"
#define REQUIRE "tls_dane=require"
#define ANOTHER ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_DANE, "not what the TLSA records"
#define UNKNOWN_AUTHORITY ERROR_CERTIFICATE_CHAIN_MISSING, REASON_CERTIFICATE_AUTHORITY, "issuer"

/* Expired, for nobody, and signed by itself: RFC 7672, 3.1.1. */
START_TEST(the_servers_own_certificate_may_be_whatever_it_is)
{
    static const unsigned char kinds[][2] = {{0, 1}, {1, 1}, {0, 2}, {1, 2}, {1, 0}};
    char question[60];

    add_record(TLSA_USAGE_EE, kinds[_i][0], kinds[_i][1], OF_SELF);
    check(&self_signed, TRY, FINE);
    check(&self_signed, REQUIRE, FINE);
    check(&stranger, TRY, ANOTHER);
    ck_assert_uint_eq(dns.asked, 3);
    snprintf(question, sizeof(question), "._tcp.relay.test");
    ck_assert_ptr_nonnull(strstr(dns.question, question));
}
END_TEST

/* Name and time count then. */
START_TEST(an_authority_may_be_named)
{
    add_record(TLSA_USAGE_TA, (unsigned)_i, 1, OF_MIDDLE);
    check(&good, REQUIRE, FINE);
    check(&elsewhere, REQUIRE, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        "it is for other.test");
    check(&old, REQUIRE, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_EXPIRED, "it expired");
    check(&stranger, REQUIRE, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_SELF_SIGNED, "signed");
}
END_TEST

/* Those that the server trusts in tls_ca_file do not count beside records. */
START_TEST(any_of_several_records_will_do)
{
    add_record(TLSA_USAGE_EE, 1, 1, OF_STRANGER);
    add_record(1, 0, 1, OF_SELF);
    add_record(TLSA_USAGE_EE, 0, 2, OF_SELF);
    check(&self_signed, TRY, FINE);
    check(&stranger, TRY, FINE);
    check(&good, TRY, ANOTHER);
}
END_TEST

/* As ever, then. */
static void check_without(void)
{
    test_certificate_save(&root, authority_path, NULL, NULL);
    check(&good, TRY, FINE);
    check(&stranger, TRY, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_SELF_SIGNED, "self-signed");
    check(&good, REQUIRE, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_DANE,
        "there are no TLSA records");
}

START_TEST(what_does_not_count_is_as_if_it_were_not_there)
{
    add_record(TLSA_USAGE_EE, 1, 1, OF_STRANGER);
    dns.zone = ZONE_UNSIGNED;
    check_without();
    dns.zone = ZONE_EMPTY;
    check_without();
    dns.zone = ZONE_BROKEN_UNSIGNED;
    check_without();
    dns.zone = ZONE_SIGNED;
    dns.records[0][0] = 1; /* PKIX-EE, which mail does not know */
    check_without();
    dns.records[0][0] = TLSA_USAGE_EE;
    dns.sizes[0]--;
    check_without();
}
END_TEST

/* Or whoever is in between has only to keep the answer away. */
START_TEST(what_cannot_be_had_of_a_signed_zone_is_waited_for)
{
    dns.zone = _i == 0 ? ZONE_BROKEN : ZONE_JUNK;
    test_certificate_save(&root, authority_path, NULL, NULL);
    check(&good, TRY, ERROR_TRY_AGAIN, REASON_NAME_SERVER_FAILED, "cannot be had");
}
END_TEST

START_TEST(an_answer_is_kept_for_its_time)
{
    const TestServerOptions options = {.certificate = &self_signed};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, CONVERSATION), &options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", "tls_name=relay.test", REQUIRE, "tls_reuse_session=false"));

    add_record(TLSA_USAGE_EE, 1, 1, OF_SELF);
    for (unsigned i = 0; i < 2; i++) {
        client_run(&client, 0);
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    }
    ck_assert_uint_eq(dns.asked, 1);
    ck_assert_ptr_nonnull(strstr(client.trace, "TLSA records: 1 of use\n"));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* RFC 8461, 2: where there are records nobody asks for a policy. */
START_TEST(records_come_before_a_policy)
{
    const char *const both[] = {"tls=implicit", "tls_name=relay.test", "tls_dane=try",
        "tls_mta_sts=require", "tls_mta_sts_domain=relay.test", "tls_reuse_session=false", NULL};
    const TestServerOptions options = {.certificate = &good, .intermediate = &middle};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, LEFT), &options);
    Client client = client_for(test_server_port(server), both);

    test_certificate_save(&root, authority_path, NULL, NULL);
    add_record(TLSA_USAGE_TA, 0, 1, OF_MIDDLE);
    client_run(&client, 0);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(dns.policies, 0);
    client_done(&client);
    dns.zone = ZONE_EMPTY;
    client = client_for(test_server_port(server), both);
    client_run(&client, 1);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    ck_assert_int_eq(client.outcome.reason, REASON_CERTIFICATE_POLICY);
    ck_assert_uint_eq(dns.policies, 1);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* An address has no records. */
START_TEST(nobody_is_asked_about_an_address)
{
    const TestServerOptions options = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit", TRY));

    client_run(&client, 0);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(dns.asked, 0);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net dane");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, begin, end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_servers_own_certificate_may_be_whatever_it_is, 0, 5);
    tcase_add_loop_test(tests, an_authority_may_be_named, 0, 2);
    tcase_add_test(tests, any_of_several_records_will_do);
    tcase_add_test(tests, what_does_not_count_is_as_if_it_were_not_there);
    tcase_add_loop_test(tests, what_cannot_be_had_of_a_signed_zone_is_waited_for, 0, 2);
    tcase_add_test(tests, an_answer_is_kept_for_its_time);
    tcase_add_test(tests, records_come_before_a_policy);
    tcase_add_test(tests, nobody_is_asked_about_an_address);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
