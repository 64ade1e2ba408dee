/* Which certificates are trusted, and what is said of those that are not: chains, anchors, names.
 */
#include <openssl/ssl.h>

#include "base/errors.h"
#include "tls_client.h"

static TestCertificate root, middle, leaf, common_name_only, international, address_as_name,
    address, nul, control, good_beside_nul, short_address;

static void make_certificates(void)
{
    const TestCertificateSpec spec_root = {"Test Root", NULL, 0, 0, true};
    const TestCertificateSpec spec_middle = {"Test Intermediate", NULL, 0, 0, true};
    const TestCertificateSpec spec_leaf = {"mail", "DNS:mail.test", 0, 0, false};
    const TestCertificateSpec spec_common = {"mail.test", NULL, 0, 0, false};
    const TestCertificateSpec spec_international = {
        "books", "DNS:xn--bcher-kva.example", 0, 0, false};

    const TestCertificateSpec spec_as_name = {"as name", "DNS:127.0.0.1", 0, 0, false};
    const TestCertificateSpec spec_address = {"address", "IP:fe80::1", 0, 0, false};
    /* mail.test, NUL, .evil.test; m, ESC, x.test; both mail.test and that with NUL; 127.0.0 */
    const TestCertificateSpec spec_nul = {
        "nul", "DER:3016:8214:6d61696c2e74657374:00:2e6576696c2e74657374", 0, 0, false};
    const TestCertificateSpec spec_control = {
        "control", "DER:300a:8208:6d:1b:782e74657374", 0, 0, false};
    const TestCertificateSpec spec_good = {"good",
        "DER:3021:8214:6d61696c2e74657374:00:2e6576696c2e74657374:8209:6d61696c2e74657374", 0, 0,
        false};
    const TestCertificateSpec spec_short = {"short", "DER:3005:8703:7f0000", 0, 0, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    root = test_certificate_new(&spec_root, NULL);
    middle = test_certificate_new(&spec_middle, &root);
    leaf = test_certificate_new(&spec_leaf, &middle);
    common_name_only = test_certificate_new(&spec_common, &root);
    international = test_certificate_new(&spec_international, &root);
    address_as_name = test_certificate_new(&spec_as_name, &root);
    address = test_certificate_new(&spec_address, &root);
    nul = test_certificate_new(&spec_nul, &root);
    control = test_certificate_new(&spec_control, &root);
    good_beside_nul = test_certificate_new(&spec_good, &root);
    short_address = test_certificate_new(&spec_short, &root);
    test_certificate_save(&root, in_directory("ca.pem"), NULL, NULL);
    test_certificate_save(&middle, in_directory("middle.pem"), NULL, NULL);
    test_certificate_save(&leaf, in_directory("leaf.pem"), NULL, NULL);
}

static void remove_certificates(void)
{
    static const char *const names[] = {"ca.pem", "middle.pem", "leaf.pem"};
    TestCertificate *const all[] = {&root, &middle, &leaf, &common_name_only, &international,
        &address_as_name, &address, &nul, &control, &good_beside_nul, &short_address};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        (void)unlink(in_directory(names[i]));
    (void)rmdir(directory);
    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        test_certificate_done(all[i]);
}

static const TestServerOptions whole = {.certificate = &leaf, .intermediate = &middle};

START_TEST(a_whole_chain_is_trusted)
{
    const RelayConfig relay = relay_for("mail.test");

    check_works(&relay, &whole, "TLSv1.3 ");
}
END_TEST

/* Whoever names a certificate means that one, and not whoever signed it. */
/* CACertFilePaths, SSLServerCACerts, SSLCACerts */
START_TEST(what_tls_ca_file_names_is_an_anchor_though_another_signed_it)
{
    RelayConfig relay = relay_for("mail.test");

    relay.tls_ca_file = TEXT(in_directory("middle.pem"));
    check_works(&relay, SHOWS(leaf), "TLSv1.3 ");
    check_works(&relay, &whole, "TLSv1.3 ");
    relay.tls_ca_file = TEXT(in_directory("leaf.pem"));
    check_works(&relay, SHOWS(leaf), "TLSv1.3 ");
    /* And its name counts as ever. */
    relay.host = TEXT("other.test");
    check_refused(&relay, SHOWS(leaf), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for mail.test, and not for other.test"));
}
END_TEST

START_TEST(what_the_server_did_not_send_is_named)
{
    RelayConfig relay = relay_for("mail.test");

    check_refused(&relay, SHOWS(leaf), ERROR_CERTIFICATE_CHAIN_MISSING,
        REASON_CERTIFICATE_INTERMEDIATE,
        WORDS("\"CN = Test Intermediate\", was not sent by the server", "number 0",
            "install the whole chain"));
    relay.tls_ca_file = NULL;
    relay.tls_ca_directory = NULL;
    check_refused(&relay, &whole, ERROR_CERTIFICATE_CHAIN_MISSING, REASON_CERTIFICATE_AUTHORITY,
        WORDS("\"CN = Test Root\", was not sent by the server", "number 1", "ca-certificates"));
}
END_TEST

START_TEST(a_common_name_does_not_count)
{
    RelayConfig relay = relay_for("mail.test");

    check_refused(&relay, SHOWS(common_name_only), ERROR_CERTIFICATE_VERIFY,
        REASON_CERTIFICATE_NO_NAME, WORDS("names no host in its subjectAltName", "common name"));
}
END_TEST

START_TEST(an_address_has_a_kind_of_its_own)
{
    RelayConfig relay = relay_for("127.0.0.1");

    check_refused(&relay, SHOWS(address_as_name), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for 127.0.0.1 (as a name, which is none), and not for 127.0.0.1"));
    relay.host = TEXT("fe80::1%lo");
    check_works(&relay, SHOWS(address), "TLSv1.3 ");
}
END_TEST

/* A name is all its bytes: it is neither taken for what stands before a NUL, nor shown so. */
START_TEST(a_name_with_a_nul_is_no_host_s)
{
    RelayConfig relay = relay_for("mail.test");

    check_refused(&relay, SHOWS(nul), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for mail.test\\x00.evil.test, and not for mail.test; a name with",
            "made to be taken for another's", "do not accept it"));
    check_refused(&relay, SHOWS(control), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for m\\x1bx.test, and not for mail.test; a name with"));
    check_works(&relay, SHOWS(good_beside_nul), "TLSv1.3 ");
    relay.host = TEXT("mail.test.evil.test");
    check_refused(&relay, SHOWS(nul), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("and not for mail.test.evil.test; a name with"));
}
END_TEST

START_TEST(an_address_of_a_wrong_length_is_none)
{
    RelayConfig relay = relay_for("127.0.0.0");

    check_refused(&relay, SHOWS(short_address), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for an address of a wrong length, and not for 127.0.0.0"));
}
END_TEST

/* Both for the question (SNI) and for the answer. */
START_TEST(tls_name_is_another_than_the_host)
{
    const TestServerOptions asked = {
        .certificate = &leaf, .intermediate = &middle, .server_name = "mail.test"};
    RelayConfig relay = relay_for("127.0.0.1");

    relay.tls_name = TEXT("mail.test");
    check_works(&relay, &asked, "TLSv1.3 ");
    relay.host = TEXT("relay-7.cloud.test");
    check_works(&relay, &asked, "TLSv1.3 ");
    relay.tls_name = TEXT("MAIL.test.");
    check_works(&relay, &whole, "TLSv1.3 ");
    relay.host = TEXT("mail.test");
    relay.tls_name = TEXT("other.test");
    check_refused(&relay, &whole, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("of mail.test", "and not for other.test", "tls_name"));
}
END_TEST

START_TEST(an_international_name_is_its_alabel_in_tls)
{
    const TestServerOptions asked = {
        .certificate = &international, .server_name = "xn--bcher-kva.example"};
    RelayConfig relay = relay_for("b\xc3\xbc"
                                  "cher.example");
    _cleanup_failure_ Failure f = {0};
    TlsContext *context = NULL;

    check_works(&relay, &asked, "TLSv1.3 ");
    relay.host = TEXT("B\xc3\x9c"
                      "CHER.example");
    check_works(&relay, &asked, "TLSv1.3 ");
    relay.host = TEXT("\xef\xbc\x9e"
                      ".example"); /* U+FF1E becomes ">" */
    ck_assert_int_eq(tls_context_new(&relay, NULL, &context, &f), -EINVAL);
    ck_assert_int_eq(f.reason, REASON_HOST_MALFORMED);
}
END_TEST

/* Encryption is all that is asked for, unless a password is to be said. */
START_TEST(a_bad_certificate_does_not_matter_to_opportunistic_tls)
{
    RelayConfig relay = relay_for("other.test");

    relay.tls = TLS_MODE_OPPORTUNISTIC;
    check_works(&relay, SHOWS(leaf), "TLSv1.3 ");
    relay.user = TEXT("ann");
    check_refused(&relay, &whole, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for mail.test"));
    relay.tls_verify = false;
    check_works(&relay, SHOWS(leaf), "TLSv1.3 ");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net trust");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_whole_chain_is_trusted);
    tcase_add_test(tests, what_tls_ca_file_names_is_an_anchor_though_another_signed_it);
    tcase_add_test(tests, what_the_server_did_not_send_is_named);
    tcase_add_test(tests, a_common_name_does_not_count);
    tcase_add_test(tests, an_address_has_a_kind_of_its_own);
    tcase_add_test(tests, a_name_with_a_nul_is_no_host_s);
    tcase_add_test(tests, an_address_of_a_wrong_length_is_none);
    tcase_add_test(tests, tls_name_is_another_than_the_host);
    tcase_add_test(tests, an_international_name_is_its_alabel_in_tls);
    tcase_add_test(tests, a_bad_certificate_does_not_matter_to_opportunistic_tls);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
