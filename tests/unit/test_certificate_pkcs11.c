/* Certificates and keys on a token: a real one of SoftHSM's, made for the test, through what
 * OpenSSL has for PKCS#11 here (pkcs11-provider, or libp11's engine). */
#include <errno.h>
#include <openssl/provider.h>

#include "certificate/pkcs11.h"
#include "certificate_files.h"

/* libp11 leaves a few allocations of its own behind, always the same, when it gave no key. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:CRYPTO_zalloc\nleak:CRYPTO_strdup\nleak:RSA_meth_dup\n";
}

static char directory[] = "/tmp/outbox-test-XXXXXX";

static void run(const char *format, const char *argument)
{
    char command[3 * PATH_MAX] = "export SOFTHSM2_CONF=";
    size_t n = strlen(command);

    n += (size_t)snprintf(command + n, sizeof(command) - n, "%s/softhsm2.conf; ", directory);
    for (; *format; format++)
        if (*format == '@')
            n += (size_t)snprintf(command + n, sizeof(command) - n, "%s", argument);
        else
            command[n++] = *format;
    n += (size_t)snprintf(command + n, sizeof(command) - n, " >%s/log 2>&1", directory);
    ck_assert_msg(system(command) == 0, "%s", command);
}

#define TOOL "pkcs11-tool --module $(find /usr/lib* -name libsofthsm2.so | head -n 1)"

static void make_token(void)
{
    char path[100];
    FILE *file;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/softhsm2.conf", directory);
    file = fopen(path, "w");
    fprintf(file, "directories.tokendir = %s\nobjectstore.backend = file\n", directory);
    fclose(file);
    ck_assert_int_eq(setenv("SOFTHSM2_CONF", path, 1), 0);
    run("softhsm2-util --init-token --free --label mail --pin 1234 --so-pin 5678", "");
    run("softhsm2-util --import @ --token mail --label client --id 01 --pin 1234",
        data_file("rsa.key"));
    run(TOOL " --login --pin 1234 --write-object @ --type cert --label client --id 01",
        data_file("rsa.der"));
    run("softhsm2-util --import @ --token mail --label bare --id 02 --pin 1234",
        data_file("ec.key"));
}

static void remove_token(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* cstPKCS11, Certificate.PrivateKeyContainer: the key signs where it is, and does not come out. */
START_TEST(a_token_is_a_store)
{
    static const char *const uris[] = {"pkcs11:token=mail;object=client",
        "pkcs11:token=mail;id=%01", "pkcs11:token=mail;object=client;type=private",
        "pkcs11:token=mail;object=client;type=cert"};
    _cleanup_certificate_ Certificate *file = load_file("rsa.pem", NULL);

    for (size_t i = 0; i < ELEMENTSOF(uris); i++) {
        CertificateStoreType type = i % 2 == 0 ? CERTIFICATE_AUTO : CERTIFICATE_PKCS11;
        _cleanup_certificate_ Certificate *c = load_store(type, uris[i], "1234", NULL);

        check_same_key(c, file);
        ck_assert_ptr_nonnull(certificate_key(c));
        ck_assert_ptr_nonnull(certificate_x509(c));
        ck_assert_ptr_null(certificate_private_key(c));
        check_text(c, CERTIFICATE_PRIVATE_KEY_AVAILABLE, "1");
        check_text(c, CERTIFICATE_STORE_TYPE, "23");
        check_text(c, CERTIFICATE_PRIVATE_KEY_CONTAINER, uris[i]);
    }
}
END_TEST

static void check_signs(const Certificate *c)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[1024];
    size_t n = sizeof(signature);

    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, certificate_key(c)), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &n, (const unsigned char *)"x", 1), 1);
    EVP_MD_CTX_free(context);
}

/* Several stores at a time, in any order of their ends. */
START_TEST(keys_on_tokens_sign)
{
    _cleanup_certificate_ Certificate *a =
        load_store(CERTIFICATE_AUTO, "pkcs11:token=mail;object=client", "1234", NULL);
    _cleanup_certificate_ Certificate *b =
        load_store(CERTIFICATE_AUTO, "pkcs11:token=mail;object=bare", "1234", NULL);

    check_signs(a);
    check_signs(b);
    a = certificate_unref(a);
    check_signs(b);
    check_text(b, CERTIFICATE_PUBLIC_KEY_ALGORITHM, "EC");
}
END_TEST

/* The certificate from a file, its key from the token. */
START_TEST(the_key_alone_may_be_on_the_token)
{
    _cleanup_secret_ Secret *pin = secret_new("1234", 4);
    _cleanup_certificate_ Certificate *file = load_file("ec.pem", NULL), *c = NULL;
    const char *uri = "pkcs11:token=mail;object=bare";
    CertificateSource source = {
        .type = CERTIFICATE_AUTO, .store = uri, .n_store = strlen(uri), .password = pin};
    _cleanup_free_
    unsigned char *der = NULL;
    _cleanup_failure_ Failure f = {0};
    int r;

    ck_assert_int_eq(certificate_encoded(file, &der, &source.n_encoded), 0);
    source.encoded = der;
    r = certificate_load(&source, &c, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    check_signs(c);
}
END_TEST

/* Nobody is asked on a terminal. */
START_TEST(a_pin_that_is_wrong_or_missing_is_told)
{
    check_fails(CERTIFICATE_AUTO, "pkcs11:token=mail;object=bare", NULL, NULL,
        ERROR_TLS_CREDENTIALS, WORDS("the token wants its PIN"));
    check_fails(CERTIFICATE_AUTO, "pkcs11:token=mail;object=bare", "9999", NULL,
        ERROR_TLS_CREDENTIALS, WORDS("the token does not take the PIN"));
    check_fails(CERTIFICATE_AUTO, "pkcs11:token=mail;object=client", "9999", NULL,
        ERROR_TLS_CREDENTIALS, WORDS("the token does not take the PIN"));
}
END_TEST

/* The provider does not tell a wrong PIN from a wrong name. */
START_TEST(what_a_token_does_not_give_is_told)
{
    bool by_provider = OSSL_PROVIDER_try_load(NULL, "pkcs11", 1);

    check_fails(CERTIFICATE_AUTO, "pkcs11:token=mail;object=other", "1234", NULL,
        by_provider ? ERROR_TLS_CREDENTIALS : ERROR_CERTIFICATE_NOT_FOUND,
        WORDS("pkcs11:token=mail;object=other", "no such certificate or key"));
    check_fails(CERTIFICATE_AUTO, "pkcs11:token=nothing;object=client", "1234", NULL,
        ERROR_CERTIFICATE_NOT_FOUND, WORDS("pkcs11:token=nothing"));
}
END_TEST

/* Of p11-kit's module, which is in a package of its own on Debian 13, and of any other. */
START_TEST(a_module_that_cannot_be_used_is_told)
{
    const char *by_provider = "pkcs11-provider cannot open it (Module initialization failed!)";

    ck_assert_int_eq(setenv("PKCS11_PROVIDER_MODULE", "/nonexistent/module.so", 1), 0);
    ck_assert_int_eq(setenv("PKCS11_MODULE_PATH", "/nonexistent/module.so", 1), 0);
    check_fails(CERTIFICATE_AUTO, "pkcs11:token=mail;object=client", "1234", NULL,
        ERROR_CERTIFICATE_STORE,
        WORDS(OSSL_PROVIDER_try_load(NULL, "pkcs11", 1) ? by_provider : "PKCS#11 module"));
}
END_TEST

/* A PIN in a URI is used, and is nowhere to be seen. */
START_TEST(the_pin_of_a_uri_is_not_shown)
{
    _cleanup_certificate_ Certificate *c =
        load_store(CERTIFICATE_AUTO, "pkcs11:token=mail;object=client?pin-value=1234", NULL, NULL);
    _cleanup_free_
    char *shown = pkcs11_shown("pkcs11:a=b&c?pin-value=1;2&module-name=x&pin-value=3");

    check_signs(c);
    check_text(c, CERTIFICATE_STORE, "pkcs11:token=mail;object=client");
    check_text(c, CERTIFICATE_PRIVATE_KEY_CONTAINER, "pkcs11:token=mail;object=client");
    ck_assert_str_eq(shown, "pkcs11:a=b&c?module-name=x");
}
END_TEST

START_TEST(uris_are_taken_apart)
{
    static const struct {
        const char *uri, *shown;
    } cases[] = {{"pkcs11:", "pkcs11:"}, {"pkcs11:?pin-value=1", "pkcs11:"},
        {"pkcs11:pin-value=1", "pkcs11:"}, {"pkcs11:a=b;c=d?e=f&g=h", "pkcs11:a=b;c=d?e=f&g=h"},
        {"pkcs11:?pin-value=1&e=f", "pkcs11:?e=f"}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_
        char *shown = pkcs11_shown(cases[i].uri);

        ck_assert_str_eq(shown, cases[i].shown);
    }
    ck_assert(!pkcs11_is_uri("/pkcs11:"));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate pkcs11");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_token, remove_token);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_token_is_a_store);
    tcase_add_test(tests, keys_on_tokens_sign);
    tcase_add_test(tests, the_key_alone_may_be_on_the_token);
    tcase_add_test(tests, a_pin_that_is_wrong_or_missing_is_told);
    tcase_add_test(tests, what_a_token_does_not_give_is_told);
    tcase_add_test(tests, a_module_that_cannot_be_used_is_told);
    tcase_add_test(tests, the_pin_of_a_uri_is_not_shown);
    tcase_add_test(tests, uris_are_taken_apart);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
