/* Certificates and keys out of every kind of store, by file and as bytes, with the right password,
 * the wrong one and none; and which one is chosen. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "certificate/octets.h"
#include "certificate_files.h"

typedef struct Expected {
    const char *file, *key; /* `key`: whose public half it must have */
    const char *password;
    CertificateStoreType file_type, blob_type;
    bool has_certificate, has_private_key;
    unsigned chain;
} Expected;

/* clang-format off */
static const Expected stores[] = {
    {"rsa.key", "rsa", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-traditional.key", "rsa", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-encrypted.key", "rsa", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-scrypt.key", "rsa", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-dek.key", "rsa", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-des.key", "rsa", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ec-traditional.key", "ec", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ec-encrypted.key", "ec", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519.key", "ed25519", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ec.key.der", "ec", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa.ssh", "rsa", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ec.ssh", "ec", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519.ssh", "ed25519", NULL, CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa.pem", "rsa", NULL, CERTIFICATE_PUBLIC_KEY_FILE, CERTIFICATE_PUBLIC_KEY_BLOB, true, false, 0},
    {"rsa.der", "rsa", NULL, CERTIFICATE_PUBLIC_KEY_FILE, CERTIFICATE_PUBLIC_KEY_BLOB, true, false, 0},
    {"rsa.pub.pem", "rsa", NULL, CERTIFICATE_PUBLIC_KEY_FILE, CERTIFICATE_PUBLIC_KEY_BLOB, false, false, 0},
    {"ed25519.pub.pem", "ed25519", NULL, CERTIFICATE_PUBLIC_KEY_FILE, CERTIFICATE_PUBLIC_KEY_BLOB, false, false, 0},
    {"rsa.p12", "rsa", "sesame", CERTIFICATE_PFX_FILE, CERTIFICATE_PFX_BLOB, true, true, 1},
    {"ec.p12", "ec", "sesame", CERTIFICATE_PFX_FILE, CERTIFICATE_PFX_BLOB, true, true, 1},
    {"ed25519.p12", "ed25519", "sesame", CERTIFICATE_PFX_FILE, CERTIFICATE_PFX_BLOB, true, true, 1},
    {"rsa-old.p12", "rsa", "sesame", CERTIFICATE_PFX_FILE, CERTIFICATE_PFX_BLOB, true, true, 1},
    {"ec-open.p12", "ec", NULL, CERTIFICATE_PFX_FILE, CERTIFICATE_PFX_BLOB, true, true, 0},
    {"rsa.p7b", "rsa", NULL, CERTIFICATE_P7B_FILE, CERTIFICATE_P7B_BLOB, true, false, 1},
    {"rsa.p7b.der", "rsa", NULL, CERTIFICATE_P7B_FILE, CERTIFICATE_P7B_BLOB, true, false, 1},
    {"rsa.ssh.pub", "rsa", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"ec.ssh.pub", "ec", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"ed25519.ssh.pub", "ed25519", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"rsa.ssh2", "rsa", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"ec.ssh2", "ec", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"ed25519.ssh2", "ed25519", NULL, CERTIFICATE_SSH_PUBLIC_KEY_FILE, CERTIFICATE_SSH_PUBLIC_KEY_BLOB, false, false, 0},
    {"rsa-2.ppk", "rsa", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ec-2.ppk", "ec", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ed25519-2.ppk", "ed25519", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"rsa-3.ppk", "rsa", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ec-3.ppk", "ec", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ed25519-3.ppk", "ed25519", NULL, CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"rsa-2-encrypted.ppk", "rsa", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ec-2-encrypted.ppk", "ec", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ed25519-2-encrypted.ppk", "ed25519", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"rsa-3-encrypted.ppk", "rsa", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ec-3-encrypted.ppk", "ec", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"ed25519-3-encrypted.ppk", "ed25519", "sesame", CERTIFICATE_PPK_FILE, CERTIFICATE_PPK_BLOB, false, true, 0},
    {"rsa.xml", "rsa", NULL, CERTIFICATE_XML_FILE, CERTIFICATE_XML_BLOB, false, true, 0},
    {"rsa.pub.xml", "rsa", NULL, CERTIFICATE_XML_FILE, CERTIFICATE_XML_BLOB, false, false, 0},
    {"rsa.jwk", "rsa", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, true, 0},
    {"ec.jwk", "ec", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, true, 0},
    {"ed25519.jwk", "ed25519", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, true, 0},
    {"rsa.pub.jwk", "rsa", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, false, 0},
    {"ec.pub.jwk", "ec", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, false, 0},
    {"ed25519.pub.jwk", "ed25519", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, false, false, 0},
    {"set.jwk", "ec", NULL, CERTIFICATE_JWK_FILE, CERTIFICATE_JWK_BLOB, true, true, 1},
};
/* clang-format on */

static void check_loaded(const Certificate *c, const Expected *expected)
{
    char name[64];
    _cleanup_certificate_ Certificate *key = NULL;

    snprintf(name, sizeof(name), "%s.pub.pem", expected->key);
    key = load_file(name, NULL);
    check_same_key(c, key);
    ck_assert_msg((certificate_x509(c) != NULL) == expected->has_certificate, "%s", expected->file);
    ck_assert_msg((certificate_key(c) != NULL) == expected->has_private_key, "%s", expected->file);
    ck_assert_int_eq(
        certificate_number(c, CERTIFICATE_PRIVATE_KEY_AVAILABLE), expected->has_private_key);
    ck_assert_msg(certificate_chain_length(c) == expected->chain, "%s: a chain of %zu",
        expected->file, certificate_chain_length(c));
}

/* A key that is to be used is one that signs. */
static void check_signs(const Certificate *c)
{
    static const unsigned char text[] = "text";
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *key = certificate_key(c);
    const char *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : "SHA256";
    unsigned char signature[1024];
    size_t n = sizeof(signature);

    ck_assert_int_eq(EVP_DigestSignInit_ex(context, NULL, hash, NULL, NULL, key, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &n, text, sizeof(text)), 1);
    EVP_MD_CTX_free(context);
}

/* Certificate.Store, Certificate.StoreType, Certificate.StorePassword and
 * Certificate.PrivateKeyAvailable: the type is told by what is in the file. */
START_TEST(each_kind_of_file_is_detected)
{
    const Expected *expected = &stores[_i];
    _cleanup_certificate_ Certificate *c = load_file(expected->file, expected->password);
    _cleanup_secret_ Secret *password = certificate_store_password(c);
    long type = certificate_number(c, CERTIFICATE_STORE_TYPE);

    check_loaded(c, expected);
    if (certificate_key(c))
        check_signs(c);
    check_text(c, CERTIFICATE_STORE, data_file(expected->file));
    ck_assert_str_eq(password ? secret_text(password) : "", expected->password ?: "");
    ck_assert_int_eq(type, expected->file_type);
}
END_TEST

START_TEST(each_type_takes_its_kind)
{
    const Expected *expected = &stores[_i];
    _cleanup_certificate_ Certificate *c =
        load_store(expected->file_type, data_file(expected->file), expected->password, "*");

    check_loaded(c, expected);
    ck_assert_int_eq(certificate_number(c, CERTIFICATE_STORE_TYPE), expected->file_type);
}
END_TEST

static Certificate *load_bytes(
    CertificateStoreType type, const void *data, size_t n, const char *password)
{
    _cleanup_secret_ Secret *secret = password ? secret_new(password, strlen(password)) : NULL;
    const CertificateSource source = {
        .type = type, .store = data, .n_store = n, .password = secret};
    _cleanup_failure_ Failure f = {0};
    Certificate *certificate = NULL;
    int r = certificate_load(&source, &certificate, &f);

    ck_assert_msg(r == 0, "%d, %s", r, failure_text(&f));
    return certificate;
}

/* Certificate.StoreB: bytes in the place of a file, binary, and in base64. */
START_TEST(bytes_are_a_store_as_a_file_is)
{
    const Expected *expected = &stores[_i];
    _cleanup_octets_ Octets content = {0};
    _cleanup_certificate_ Certificate *typed = NULL, *detected = NULL, *encoded = NULL;
    _cleanup_free_
    void *store = NULL;
    unsigned char *base64;
    size_t n;

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file(expected->file), 100000, &content), 0);
    typed = load_bytes(expected->blob_type, content.data, content.n, expected->password);
    check_loaded(typed, expected);
    ck_assert_int_eq(certificate_number(typed, CERTIFICATE_STORE_TYPE), expected->blob_type);
    ck_assert_int_eq(certificate_store(typed, &store, &n), 0);
    ck_assert_uint_eq(n, content.n);
    ck_assert_mem_eq(store, content.data, n);
    detected = load_bytes(CERTIFICATE_AUTO, content.data, content.n, expected->password);
    check_loaded(detected, expected);
    base64 = calloc(content.n * 2 + 100, 1);
    n = (size_t)EVP_EncodeBlock(base64, content.data, (int)content.n);
    encoded = load_bytes(expected->blob_type, base64, n, expected->password);
    check_loaded(encoded, expected);
    free(base64);
}
END_TEST

/* Certificate.PrivateKey: whatever it came from, it is the same. */
START_TEST(private_keys_are_exported_as_pem)
{
    const Expected *expected = &stores[_i];
    _cleanup_certificate_ Certificate *c = load_file(expected->file, expected->password);
    _cleanup_secret_ Secret *pem = certificate_private_key(c);
    _cleanup_certificate_ Certificate *again = NULL;

    ck_assert_int_eq(pem != NULL, expected->has_private_key);
    if (!pem)
        return;
    ck_assert_ptr_nonnull(strstr(secret_text(pem), "-----BEGIN PRIVATE KEY-----\n"));
    again = load_bytes(CERTIFICATE_PEM_KEY_BLOB, secret_text(pem), secret_size(pem), NULL);
    check_same_key(c, again);
    ck_assert_ptr_nonnull(certificate_key(again));
}
END_TEST

/* Error 273: no credentials. */
START_TEST(a_password_that_is_wrong_or_missing_is_told)
{
    const Expected *expected = &stores[_i];
    _cleanup_failure_ Failure f = {0};
    Certificate *c;

    if (!expected->password)
        return;
    ck_assert_int_eq(
        try_store(CERTIFICATE_AUTO, data_file(expected->file), NULL, NULL, &c, &f), -ENOKEY);
    ck_assert_int_eq(f.number, 273);
    check_fails(CERTIFICATE_AUTO, data_file(expected->file), "Sesame", NULL, ERROR_TLS_CREDENTIALS,
        WORDS(expected->file, "is encrypted, and the password does not open it"));
    ck_assert_msg(strstr(failure_text(&f), "there is no password"), "%s", failure_text(&f));
}
END_TEST

START_TEST(a_type_that_does_not_fit_is_told)
{
    check_fails(CERTIFICATE_PFX_FILE, data_file("rsa.ssh.pub"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("rsa.ssh.pub", "cstPFXFile", "cstSSHPublicKeyFile"));
    check_fails(CERTIFICATE_PFX_FILE, data_file("ec.key.der"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("ec.key.der", "PKCS#12"));
    check_fails(CERTIFICATE_JWK_FILE, data_file("rsa.xml"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("cstJWKFile", "cstXMLFile"));
    check_fails(
        (CertificateStoreType)20, "x", NULL, NULL, ERROR_CERTIFICATE_STORE, WORDS("20", "cstAuto"));
}
END_TEST

/* Java's stores. */
START_TEST(java_stores_are_refused_by_name)
{
    static const CertificateStoreType blobs[] = {CERTIFICATE_JKS_BLOB, CERTIFICATE_BCFKS_BLOB};

    for (size_t i = 0; i < ELEMENTSOF(blobs); i++)
        check_fails(blobs[i], "\xfe\xed\xfe\xed", NULL, NULL, ERROR_CERTIFICATE_STORE,
            WORDS("Java", "keytool -importkeystore"));
    check_fails(CERTIFICATE_AUTO, "\xfe\xed\xfe\xed\x01\x01", NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("Java", "keytool"));
    check_fails(CERTIFICATE_JKS_FILE, data_file("rsa.key"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("rsa.key", "keytool"));
    check_fails(CERTIFICATE_BCFKS_FILE, data_file("rsa.key"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("rsa.key", "keytool"));
}
END_TEST

/* Error 271: the store cannot be opened. */
START_TEST(what_cannot_be_opened_is_told)
{
    char directory[] = "/tmp/outbox-test-XXXXXX", path[64];

    ck_assert_int_eq(ERROR_CERTIFICATE_STORE, 271);
    check_fails(CERTIFICATE_AUTO, "/nowhere/client.pem", NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("/nowhere/client.pem", "No such file", "check its name"));
    check_fails(CERTIFICATE_PFX_FILE, "/tmp", NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("/tmp is a directory"));
    check_fails(CERTIFICATE_AUTO, "/dev/zero", NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("/dev/zero", "device"));
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/pipe", directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    check_fails(CERTIFICATE_AUTO, path, NULL, NULL, ERROR_CERTIFICATE_STORE, WORDS("pipe"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    check_fails(CERTIFICATE_AUTO, data_file("make.py"), NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("make.py", "of a kind that is known"));
    check_fails(CERTIFICATE_AUTO, data_file("encrypted.ssh"), "sesame", NULL,
        ERROR_CERTIFICATE_STORE, WORDS("encrypted.ssh", "ssh-keygen -p -m PKCS8"));
}
END_TEST

/* A file of exactly the limit, and one that is longer by one. */
START_TEST(a_store_has_a_limit)
{
    const size_t limit = 4 * 1024 * 1024;
    char path[] = "/tmp/outbox-test-XXXXXX";
    _cleanup_octets_ Octets content = {0};
    _cleanup_certificate_ Certificate *c = NULL;
    int fd = mkstemp(path);

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("rsa.pem"), 100000, &content), 0);
    ck_assert_int_eq(write(fd, content.data, content.n), (ssize_t)content.n);
    ck_assert_int_eq(ftruncate(fd, (off_t)limit), 0);
    c = load_store(CERTIFICATE_PUBLIC_KEY_FILE, path, NULL, NULL);
    ck_assert_ptr_nonnull(certificate_x509(c));
    ck_assert_int_eq(ftruncate(fd, (off_t)limit + 1), 0);
    check_fails(CERTIFICATE_PUBLIC_KEY_FILE, path, NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("more than 4194304 bytes"));
    close(fd);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(types_have_the_component_s_numbers_and_names)
{
    CertificateStoreType type;

    for (int i = 0; i < 200; i++) {
        const char *name = certificate_store_type_name((CertificateStoreType)i);
        char number[16];

        snprintf(number, sizeof(number), "%d", i);
        ck_assert_int_eq(certificate_store_type_find(number, &type), name != NULL);
        ck_assert_int_eq(name != NULL, i <= 19 || (i >= 21 && i <= 23) || i == 99);
        if (!name)
            continue;
        ck_assert_int_eq((int)type, i);
        ck_assert(certificate_store_type_find(name, &type));
        ck_assert_int_eq((int)type, i);
        ck_assert(certificate_store_type_find(name + strlen("cst"), &type));
        ck_assert_int_eq((int)type, i);
    }
    ck_assert(certificate_store_type_find("CSTpfxfile", &type));
    ck_assert(!certificate_store_type_find("", &type));
    ck_assert(!certificate_store_type_find("cst", &type));
}
END_TEST

/* ---- selecting ---- */

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

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate load");
    TCase *tests = tcase_create("all");
    const int n = (int)ELEMENTSOF(stores);

    tcase_add_loop_test(tests, each_kind_of_file_is_detected, 0, n);
    tcase_add_loop_test(tests, each_type_takes_its_kind, 0, n);
    tcase_add_loop_test(tests, bytes_are_a_store_as_a_file_is, 0, n);
    tcase_add_loop_test(tests, private_keys_are_exported_as_pem, 0, n);
    tcase_add_loop_test(tests, a_password_that_is_wrong_or_missing_is_told, 0, n);
    tcase_add_test(tests, a_type_that_does_not_fit_is_told);
    tcase_add_test(tests, java_stores_are_refused_by_name);
    tcase_add_test(tests, what_cannot_be_opened_is_told);
    tcase_add_test(tests, a_store_has_a_limit);
    tcase_add_test(tests, types_have_the_component_s_numbers_and_names);
    tcase_add_test(tests, a_certificate_is_chosen_by_its_subject);
    tcase_add_test(tests, a_certificate_that_is_not_there_is_told);
    tcase_add_test(tests, a_certificate_is_chosen_by_its_thumbprint);
    tcase_add_test(tests, the_key_of_a_given_certificate_is_found);
    tcase_add_test(tests, a_directory_is_a_store);
    tcase_add_test(tests, the_user_s_store_is_a_directory);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
