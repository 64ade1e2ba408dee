/* The client certificate in a handshake with a server that demands one, from each kind of store
 * that has a key; and what is said where the settings name none that can be used. */
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "base/errors.h"
#include "legacy_provider.h"
#include "tls_client.h"

static TestCertificate authority, good;

static void make_certificates(void)
{
    const TestCertificateSpec spec_authority = {"Test Authority", NULL, 0, 0, true};
    const TestCertificateSpec spec_good = {"mail", "DNS:mail.test", 0, 0, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    authority = test_certificate_new(&spec_authority, NULL);
    good = test_certificate_new(&spec_good, &authority);
    test_certificate_save(&authority, in_directory("ca.pem"), NULL, NULL);
}

static void remove_certificates(void)
{
    (void)unlink(in_directory("ca.pem"));
    (void)rmdir(directory);
    test_certificate_done(&authority);
    test_certificate_done(&good);
}

static char *data_file(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, PATH_MAX, "%s/%s", DATA_DIR, name);
    return path;
}

typedef struct Named {
    const char *certificate, *key, *password, *subject;
} Named;

static const Named usable[] = {
    {"rsa.p12", NULL, "sesame", NULL},
    {"rsa-old.p12", NULL, "sesame", NULL},
    {"ec.p12", NULL, "sesame", "ec client"},
    {"ed25519.p12", NULL, "sesame", "*"},
    {"set.jwk", NULL, NULL, NULL},
    {"rsa.p7b", "rsa.key", NULL, NULL},
    {"rsa.p7b", "rsa-traditional.key", NULL, "CN=rsa client"},
    {"rsa.p7b", "rsa-encrypted.key", "sesame", NULL},
    {"rsa.p7b", "rsa-scrypt.key", "sesame", NULL},
    {"rsa.p7b", "rsa-dek.key", "sesame", NULL},
    {"rsa.p7b", "rsa-des.key", "sesame", NULL},
    {"rsa.p7b.der", "rsa.ssh", NULL, NULL},
    {"rsa.p7b.der", "rsa-2.ppk", NULL, NULL},
    {"rsa.p7b.der", "rsa-3.ppk", NULL, NULL},
    {"rsa.p7b", "rsa-2-encrypted.ppk", "sesame", NULL},
    {"rsa.p7b", "rsa-3-encrypted.ppk", "sesame", NULL},
    {"rsa.p7b", "rsa.xml", NULL, NULL},
    {"rsa.p7b", "rsa.jwk", NULL, NULL},
    {"rsa.p7b", "rsa.p12", "sesame", NULL},
    {"set.jwk", "ec.key.der", NULL, NULL},
    {"set.jwk", "ec-traditional.key", NULL, NULL},
    {"set.jwk", "ec-encrypted.key", "sesame", NULL},
    {"set.jwk", "ec.ssh", NULL, NULL},
    {"set.jwk", "ec-2.ppk", NULL, NULL},
    {"set.jwk", "ec-3-encrypted.ppk", "sesame", NULL},
    {"set.jwk", "ec.jwk", NULL, NULL},
    {"ed25519.p12", "ed25519.key", "sesame", NULL},
    {"ed25519.p12", "ed25519.ssh", "sesame", NULL},
    {"ed25519.p12", "ed25519-2.ppk", "sesame", NULL},
    {"ed25519.p12", "ed25519-3-encrypted.ppk", "sesame", NULL},
    {"ed25519.p12", "ed25519.jwk", "sesame", NULL},
};

static RelayConfig relay_of(const Named *named)
{
    RelayConfig relay = relay_for("mail.test");

    relay.tls_certificate = data_file(named->certificate);
    relay.tls_key = named->key ? data_file(named->key) : NULL;
    relay.tls_certificate_subject = TEXT(named->subject);
    return relay;
}

static Credentials *load(const RelayConfig *relay, const char *password)
{
    _cleanup_secret_ Secret *secret = password ? secret_new(password, strlen(password)) : NULL;
    Credentials *credentials = credentials_load(relay, secret);

    ck_assert_ptr_nonnull(credentials);
    return credentials;
}

/* SSLCert: the server takes what is signed by that authority, and the chain is sent with it. */
START_TEST(each_store_with_a_key_logs_in)
{
    const TestServerOptions options = {
        .certificate = &good, .client_authority = data_file("ca.pem")};
    const Named *named = &usable[_i];
    const RelayConfig relay = relay_of(named);
    TestServer *server = test_server_start((const char *const[]){HELLO, NULL}, &options);
    _cleanup_(credentials_unref_p) Credentials *client = load(&relay, named->password);
    _cleanup_failure_ Failure f = {0};
    TlsContext *context = NULL;
    Client c;

    ck_assert_msg(tls_context_new(&relay, client, &context, &f) == 0, "%s: %s", named->certificate,
        failure_text(&f));
    c = client_open(context, test_server_port(server));
    client_converse(&c);
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

static void expect(const RelayConfig *relay, const char *password, int number, FaultReason reason,
    const char *const *words)
{
    _cleanup_(credentials_unref_p) Credentials *client = load(relay, password);
    _cleanup_failure_ Failure f = {0};
    TlsContext *context = NULL;

    ck_assert_int_lt(tls_context_new(relay, client, &context, &f), 0);
    ck_assert_msg(f.number == number, "%d: %s", f.number, failure_text(&f));
    ck_assert_int_eq(f.reason, reason);
    for (; *words; words++)
        ck_assert_msg(
            strstr(failure_text(&f), *words), "\"%s\" lacks \"%s\"", failure_text(&f), *words);
}

/* Errors 271 (the store), 272 (nothing in it fits), 273 (password, key) and 281 (no certificate, or
 * one without its key). */
START_TEST(settings_that_name_nothing_of_use_are_told)
{
    RelayConfig relay = relay_of(&(const Named){"nothing.pem", NULL, NULL, NULL});

    expect(&relay, NULL, 271, REASON_TLS_CLIENT_CERTIFICATE,
        WORDS("tls_certificate: ", "nothing.pem", "No such file"));
    relay = relay_of(&(const Named){"rsa.p12", NULL, NULL, "CN=bob"});
    expect(&relay, "sesame", 272, REASON_TLS_CLIENT_CERTIFICATE,
        WORDS("tls_certificate: ", "rsa.p12: ", "\"CN=bob\"", "check tls_certificate_subject"));
    relay = relay_of(&(const Named){"rsa.p12", NULL, NULL, NULL});
    expect(&relay, NULL, 273, REASON_TLS_CLIENT_KEY,
        WORDS("tls_certificate: ", "rsa.p12", "there is no password", "set tls_key_password_file"));
    expect(&relay, "Sesame", 273, REASON_TLS_CLIENT_KEY,
        WORDS("rsa.p12", "the password does not open it", "check tls_key_password"));
    relay = relay_of(&(const Named){"rsa.pem", "ec.key", NULL, NULL});
    expect(&relay, NULL, 273, REASON_TLS_CLIENT_KEY,
        WORDS("tls_key: ", "ec.key: ", "does not belong to the certificate"));
    relay = relay_of(&(const Named){"rsa.pem", "rsa.ssh.pub", NULL, NULL});
    expect(&relay, NULL, 273, REASON_TLS_CLIENT_KEY,
        WORDS("tls_key: ", "rsa.ssh.pub: ", "no private key in it"));
    relay = relay_of(&(const Named){"rsa.pem", "nothing.key", NULL, NULL});
    expect(&relay, NULL, 271, REASON_TLS_CLIENT_KEY, WORDS("tls_key: ", "nothing.key"));
    relay = relay_of(&(const Named){"rsa.pem", NULL, NULL, NULL});
    expect(&relay, NULL, 281, REASON_TLS_CLIENT_KEY,
        WORDS("rsa.pem", "CN=rsa client", "without its private key", "name the key in tls_key"));
    relay = relay_of(&(const Named){"rsa.key", NULL, NULL, NULL});
    expect(&relay, NULL, 281, REASON_TLS_CLIENT_CERTIFICATE,
        WORDS("rsa.key", "a key and no certificate"));
}
END_TEST

static PKCS7 *make_pkcs7(void)
{
    PKCS7 *pkcs7 = PKCS7_new();

    ck_assert_int_eq(PKCS7_set_type(pkcs7, NID_pkcs7_signed), 1);
    ck_assert_int_eq(PKCS7_content_new(pkcs7, NID_pkcs7_data), 1);
    ck_assert_int_eq(PKCS7_add_certificate(pkcs7, authority.x509), 1);
    return pkcs7;
}

/* SSLCACerts: in whichever format the authority's certificate is. */
START_TEST(authorities_are_read_from_other_formats)
{
    PKCS7 *pkcs7 = make_pkcs7();
    RelayConfig relay = relay_for("mail.test");

    relay.tls_ca_file = TEXT(in_directory("other"));
    for (unsigned i = 0; i < 3; i++) {
        FILE *file = fopen(relay.tls_ca_file, "w");

        ck_assert_int_eq(i == 0   ? i2d_X509_fp(file, authority.x509)
                         : i == 1 ? i2d_PKCS7_fp(file, pkcs7)
                                  : PEM_write_PKCS7(file, pkcs7),
            1);
        fclose(file);
        check_works(&relay, SHOWS(good), "TLSv1.3 ");
    }
    ck_assert_int_eq(unlink(relay.tls_ca_file), 0);
    PKCS7_free(pkcs7);
}
END_TEST

/* Nothing could ever be trusted by it. */
START_TEST(a_file_without_authorities_is_refused)
{
    static const char *const files[] = {"rsa.key", "rsa.pub.pem", "rsa.xml", "make.py"};
    RelayConfig relay = relay_for("mail.test");

    for (size_t i = 0; i < ELEMENTSOF(files); i++) {
        _cleanup_failure_ Failure f = {0};
        TlsContext *context = NULL;

        relay.tls_ca_file = data_file(files[i]);
        ck_assert_int_lt(tls_context_new(&relay, NULL, &context, &f), 0);
        ck_assert_int_eq(f.number, 271);
        ck_assert_int_eq(f.reason, REASON_TLS_AUTHORITIES);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), files[i]));
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "(PEM, DER or PKCS#7)"));
    }
}
END_TEST

START_TEST(a_relay_without_a_certificate_has_none)
{
    const RelayConfig relay = relay_for("mail.test");

    ck_assert_ptr_null(credentials_load(&relay, NULL));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net credentials");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    for (int i = 0; i < (int)ELEMENTSOF(usable); i++) {
        const Named *named = &usable[i];

        if ((!needs_legacy_provider(named->certificate) &&
                !needs_legacy_provider(named->key ?: "")) ||
            legacy_provider_is_there())
            tcase_add_loop_test(tests, each_store_with_a_key_logs_in, i, i + 1);
    }
    tcase_add_test(tests, settings_that_name_nothing_of_use_are_told);
    tcase_add_test(tests, authorities_are_read_from_other_formats);
    tcase_add_test(tests, a_file_without_authorities_is_refused);
    tcase_add_test(tests, a_relay_without_a_certificate_has_none);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
