/* Which certificate of a store is chosen: by subject, thumbprint, or a certificate whose key is
 * wanted; and stores that are directories. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certificate_files.h"
#include "certificates.h"

static void check_selected(const char *store, const char *subject, const char *expected)
{
    _cleanup_certificate_ Certificate *c = load_store(CERTIFICATE_AUTO, store, "sesame", subject);

    check_text(c, CERTIFICATE_SUBJECT, expected);
}

#define RSA_SUBJECT "E=ann@example.com, CN=rsa client, O=\"Example, Inc.\", S=Wien, C=AT"
#define MIDDLE_SUBJECT "CN=Test Middle"

/* Certificate.Subject: the whole, in either order and any case, then a part of it. */
START_TEST(a_certificate_is_chosen_by_its_subject)
{
    const char *store = data_file("rsa.p12");

    check_selected(store, NULL, RSA_SUBJECT);
    check_selected(store, "", RSA_SUBJECT);
    check_selected(store, "*", RSA_SUBJECT);
    check_selected(store, RSA_SUBJECT, RSA_SUBJECT);
    check_selected(
        store, "C=AT, S=Wien, O=\"Example, Inc.\", CN=rsa client, E=ann@example.com", RSA_SUBJECT);
    check_selected(store, "cn=test middle", MIDDLE_SUBJECT);
    check_selected(store, "rsa client", RSA_SUBJECT);
    check_selected(store, "CN=Test", MIDDLE_SUBJECT);
}
END_TEST

/* Error 272: not in the store. */
START_TEST(a_certificate_that_is_not_there_is_told)
{
    ck_assert_int_eq(ERROR_CERTIFICATE_NOT_FOUND, 272);
    check_fails(CERTIFICATE_AUTO, data_file("rsa.p12"), "sesame", "CN=bob",
        ERROR_CERTIFICATE_NOT_FOUND, WORDS("\"CN=bob\"", "2 certificates and 1 keys"));
    check_fails(CERTIFICATE_AUTO, data_file("rsa.p12"), "sesame", "Thumbprint=12:34",
        ERROR_CERTIFICATE_NOT_FOUND, WORDS("32 (MD5), 40 (SHA-1) or 64 (SHA-256)"));
    check_fails(CERTIFICATE_AUTO, data_file("rsa.p12"), "sesame",
        "Thumbprint=00112233445566778899aabbccddeeff", ERROR_CERTIFICATE_NOT_FOUND,
        WORDS("Thumbprint=0011"));
    check_fails(CERTIFICATE_PEM_KEY_BLOB, "-----BEGIN X-----\nQUJD\n-----END X-----\n", NULL, NULL,
        ERROR_CERTIFICATE_NOT_FOUND, WORDS("neither a certificate nor a key"));
}
END_TEST

/* Certificate.ThumbprintMD5, Certificate.ThumbprintSHA1, Certificate.ThumbprintSHA256. */
START_TEST(a_certificate_is_chosen_by_its_thumbprint)
{
    static const CertificateField fields[] = {CERTIFICATE_THUMBPRINT_MD5,
        CERTIFICATE_THUMBPRINT_SHA1, CERTIFICATE_THUMBPRINT_SHA256, CERTIFICATE_FINGERPRINT,
        CERTIFICATE_FINGERPRINT_SHA1, CERTIFICATE_FINGERPRINT_SHA256};
    _cleanup_certificate_ Certificate *middle = load_file("middle.pem", NULL);

    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        _cleanup_free_
        char *hash = certificate_text(middle, fields[i]);
        char subject[200];

        snprintf(subject, sizeof(subject), "thumbprint=%s", hash);
        check_selected(data_file("rsa.p12"), subject, MIDDLE_SUBJECT);
    }
}
END_TEST

/* Certificate.Encoded, Certificate.EncodedB: the key of a certificate is searched in the store. */
START_TEST(the_key_of_a_given_certificate_is_found)
{
    _cleanup_certificate_ Certificate *given = load_file("ec.pem", NULL), *found = NULL;
    _cleanup_free_
    char *pem = certificate_text(given, CERTIFICATE_ENCODED);
    _cleanup_free_
    unsigned char *der = NULL;
    _cleanup_failure_ Failure f = {0};
    CertificateSource source = {.type = CERTIFICATE_AUTO,
        .store = data_file("set.jwk"),
        .n_store = strlen(data_file("set.jwk")),
        .encoded = pem,
        .n_encoded = strlen(pem)};

    ck_assert_int_eq(certificate_load(&source, &found, &f), 0);
    ck_assert_ptr_nonnull(certificate_key(found));
    check_same_key(found, given);
    found = certificate_unref(found);
    ck_assert_int_eq(certificate_encoded(given, &der, &source.n_encoded), 0);
    source.encoded = der;
    ck_assert_int_eq(certificate_load(&source, &found, &f), 0);
    found = certificate_unref(found);
    source.store = data_file("rsa.key");
    source.n_store = strlen(source.store);
    ck_assert_int_eq(certificate_load(&source, &found, &f), -ENOENT);
    ck_assert_int_eq(f.number, ERROR_CERTIFICATE_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "does not belong to the certificate"));
    source.encoded = pem + 100;
    source.n_encoded = 10;
    ck_assert_int_lt(certificate_load(&source, &found, &f), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "the certificate that was given"));
}
END_TEST

/* ---- directories ---- */

static void copy_to(const char *directory, const char *name)
{
    char command[2 * PATH_MAX];

    snprintf(command, sizeof(command), "mkdir -p '%s' && cp '%s' '%s'", directory, data_file(name),
        directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_directory_is_a_store)
{
    char directory[] = "/tmp/outbox-test-XXXXXX", command[100];
    _cleanup_certificate_ Certificate *c = NULL;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    copy_to(directory, "rsa.pem");
    copy_to(directory, "ec.pem");
    copy_to(directory, "ec-3.ppk");
    copy_to(directory, "middle.pem");
    copy_to(directory, "make.py");
    c = load_store(CERTIFICATE_AUTO, directory, NULL, NULL);
    ck_assert_ptr_nonnull(certificate_key(c));
    ck_assert_uint_eq(certificate_chain_length(c), 1);
    check_selected(directory, "rsa client", RSA_SUBJECT);
    check_fails(CERTIFICATE_AUTO, directory, NULL, "CN=bob", ERROR_CERTIFICATE_NOT_FOUND,
        WORDS("CN=bob", "not all of it could be read, at first", "make.py"));
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* cstUser and cstMachine: the user's directory, and OpenSSL's authorities. */
START_TEST(the_user_s_store_is_a_directory)
{
    char directory[] = "/tmp/outbox-test-XXXXXX", path[100], command[100];
    _cleanup_certificate_ Certificate *user = NULL, *detected = NULL, *authority = NULL;
    _cleanup_free_
    char *name = NULL, *machine = certificate_directory(false);

    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(setenv("XDG_CONFIG_HOME", directory, 1), 0);
    ck_assert_int_eq(setenv("SSL_CERT_FILE", data_file("ca.pem"), 1), 0);
    name = certificate_directory(true);
    snprintf(path, sizeof(path), "%s/outbox/certificates", directory);
    ck_assert_str_eq(name, path);
    ck_assert_ptr_nonnull(strstr(machine, "/outbox/certificates"));
    check_fails(CERTIFICATE_USER, "MY", NULL, NULL, ERROR_CERTIFICATE_STORE, WORDS(path));
    copy_to(path, "rsa.p12");
    user = load_store(CERTIFICATE_USER, "MY", "sesame", NULL);
    check_text(user, CERTIFICATE_SUBJECT, RSA_SUBJECT);
    ck_assert_int_eq(certificate_number(user, CERTIFICATE_STORE_TYPE), CERTIFICATE_USER);
    detected = load_store(CERTIFICATE_AUTO, "store:user", "sesame", "rsa client");
    check_text(detected, CERTIFICATE_SUBJECT, RSA_SUBJECT);
    authority = load_store(CERTIFICATE_MACHINE, "ROOT", NULL, NULL);
    check_text(authority, CERTIFICATE_SUBJECT, "CN=Test Authority");
    check_fails(CERTIFICATE_MACHINE, "TrustedPeople", NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("TrustedPeople", "MY, CA and ROOT"));
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

typedef struct Copy {
    long from, to;
    bool has_key;
} Copy;

/* Appends certificates of one subject to a file, some with their keys; `ret` says which is which.
 */
static void make_copies(const char *path, const Copy *copies, size_t n, char **ret_thumbprints)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < n; i++) {
        const TestCertificateSpec spec = {"ann", NULL, copies[i].from, copies[i].to, false};
        TestCertificate made = test_certificate_new(&spec, NULL);
        _cleanup_certificate_ Certificate *c = certificate_from_x509(made.x509, NULL);

        ck_assert_int_eq(PEM_write_X509(file, made.x509), 1);
        if (copies[i].has_key)
            ck_assert_int_eq(PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL), 1);
        ret_thumbprints[i] = certificate_text(c, CERTIFICATE_THUMBPRINT_SHA256);
        test_certificate_done(&made);
    }
    fclose(file);
}

/* As after a renewal: the key counts most, then that it is valid, then for how long it will be. */
START_TEST(of_several_the_one_of_use_is_chosen)
{
    static const Copy copies[] = {{-7200, -3600, true}, {-3600, 1000, true}, {-3600, 5000, true},
        {-3600, 3000, true}, {3600, 9000, true}, {-3600, 9000, false}};
    char path[] = "/tmp/outbox-test-XXXXXX", *thumbprints[ELEMENTSOF(copies)];
    int fd = mkstemp(path);

    close(fd);
    make_copies(path, copies, ELEMENTSOF(copies), thumbprints);
    for (unsigned i = 0; i < 2; i++) {
        _cleanup_certificate_ Certificate *c =
            load_store(CERTIFICATE_AUTO, path, NULL, i == 0 ? "ann" : "CN=ann");

        check_text(c, CERTIFICATE_THUMBPRINT_SHA256, thumbprints[2]);
        ck_assert_ptr_nonnull(certificate_key(c));
    }
    for (size_t i = 0; i < ELEMENTSOF(copies); i++)
        free(thumbprints[i]);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate select");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, a_certificate_is_chosen_by_its_subject);
    tcase_add_test(tests, a_certificate_that_is_not_there_is_told);
    tcase_add_test(tests, a_certificate_is_chosen_by_its_thumbprint);
    tcase_add_test(tests, the_key_of_a_given_certificate_is_found);
    tcase_add_test(tests, a_directory_is_a_store);
    tcase_add_test(tests, the_user_s_store_is_a_directory);
    tcase_add_test(tests, of_several_the_one_of_use_is_chosen);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
