/* Certificates and keys out of every kind of store, by file and as bytes, with the right password,
 * the wrong one and none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "certificate/octets.h"
#include "certificate_files.h"
#include "legacy_provider.h"

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
    {"ed25519-aes128-ctr.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes192-ctr.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes256-ctr.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes128-cbc.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes192-cbc.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes256-cbc.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes128-gcm.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-aes256-gcm.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-chacha20-poly1305.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ed25519-3des-cbc.ssh", "ed25519", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"rsa-16.ssh", "rsa", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
    {"ec-100.ssh", "ec", "sesame", CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PEM_KEY_BLOB, false, true, 0},
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

/* Where there are none, that is told with what to do. */
START_TEST(old_algorithms_are_missed)
{
    const Expected *expected = &stores[_i];

    check_fails(CERTIFICATE_AUTO, data_file(expected->file), expected->password, NULL,
        ERROR_CERTIFICATE_STORE, WORDS(expected->file, "install openssl-provider-legacy"));
}
END_TEST

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

/* What looks like no store may be a damaged key. */
START_TEST(what_is_not_understood_is_not_quoted)
{
    static const char *const blobs[] = {
        "----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", "c2VjcmV0!c2VjcmV0\n"};

    for (size_t i = 0; i < ELEMENTSOF(blobs); i++) {
        _cleanup_failure_ Failure f = {0};
        Certificate *c;

        ck_assert_int_lt(try_store(CERTIFICATE_AUTO, blobs[i], NULL, NULL, &c, &f), 0);
        ck_assert_int_eq(f.number, ERROR_CERTIFICATE_STORE);
        ck_assert_ptr_null(strstr(failure_text(&f), "c2VjcmV0"));
    }
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

/* The mark of UTF-8, line ends of Windows, and text in front, as OpenSSL writes it. */
START_TEST(what_editors_do_to_a_file_does_not_matter)
{
    static const char *const names[] = {
        "rsa.key", "ec-2.ppk", "ec.jwk", "rsa.xml", "ec.ssh.pub", "rsa.ssh2", "rsa.p7b"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        _cleanup_certificate_ Certificate *plain = load_file(names[i], NULL), *edited = NULL;
        _cleanup_octets_ Octets content = {0};
        _cleanup_buffer_ Buffer text = {0};

        ck_assert_int_eq(octets_load(AT_FDCWD, data_file(names[i]), 100000, &content), 0);
        ck_assert_int_eq(buffer_append_string(&text, "\xef\xbb\xbf"), 0);
        if (strstr((const char *)content.data, "-----BEGIN"))
            ck_assert_int_eq(buffer_append_string(&text, "Bag Attributes\r\n    a: b\r\n"), 0);
        for (size_t k = 0; k < content.n; k++)
            ck_assert_int_eq(content.data[k] == '\n' ? buffer_append_string(&text, "\r\n")
                                                     : buffer_append(&text, &content.data[k], 1),
                0);
        edited = load_bytes(CERTIFICATE_AUTO, buffer_data(&text), buffer_size(&text), NULL);
        check_same_key(plain, edited);
    }
}
END_TEST

/* Some who write keys leave out the zeros in front of a number, and some do not. */
START_TEST(zeros_in_front_of_numbers_do_not_matter)
{
    static const char *const keys[] = {
        "\"x\":\"AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo\",\"d\":\"AXs\"",
        "\"x\":\"VUOJSvPQDtfXQKvb11yWsGh3t4fbX3Dup4uQqNfACg\",\"d\":"
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXs\""};
    _cleanup_certificate_ Certificate *first = NULL;

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        _cleanup_certificate_ Certificate *c = NULL;
        char jwk[400];

        snprintf(jwk, sizeof(jwk),
            "{\"kty\":\"EC\",\"crv\":\"P-256\",%s,\"y\":"
            "\"u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I\"}",
            keys[i]);
        c = load_bytes(CERTIFICATE_JWK_BLOB, jwk, strlen(jwk), NULL);
        check_signs(c);
        if (!first)
            first = certificate_ref(c);
        check_same_key(first, c);
    }
}
END_TEST

/* A private half of another key, and a number that is none. */
START_TEST(a_key_that_does_not_fit_itself_is_refused)
{
    static const char *const keys[] = {
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo\","
        "\"y\":\"u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I\",\"d\":\"AXw\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo\","
        "\"y\":\"AQ\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"-w\",\"e\":\"Aw\",\"d\":\"Aw\"}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-999\",\"x\":\"AA\",\"y\":\"AA\"}", "{\"kty\":1}",
        "{\"keys\":[]}", "{\"keys\":{}}", "{", "<RSAKeyValue><Modulus>AQAB</Modulus>",
        "<RSAKeyValue><Modulus>!</Modulus></RSAKeyValue>",
        "<!DOCTYPE a><RSAKeyValue></RSAKeyValue>", "<a></a>", "ssh-rsa AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAAAB", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n"};

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        _cleanup_failure_ Failure f = {0};
        Certificate *c;
        int r = try_store(CERTIFICATE_AUTO, keys[i], NULL, NULL, &c, &f);

        ck_assert_msg(r < 0, "%s", keys[i]);
        ck_assert_msg(f.number == ERROR_CERTIFICATE_STORE || f.number == ERROR_TLS_CREDENTIALS,
            "%s: %s", keys[i], failure_text(&f));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate load");
    TCase *tests = tcase_create("all");
    const int n = (int)ELEMENTSOF(stores);

    tcase_set_timeout(tests, 120); /* a hundred rounds of bcrypt, on a busy machine */
    for (int i = 0; i < n; i++) {
        if (needs_legacy_provider(stores[i].file) && !legacy_provider_is_there()) {
            tcase_add_loop_test(tests, old_algorithms_are_missed, i, i + 1);
            continue;
        }
        tcase_add_loop_test(tests, each_kind_of_file_is_detected, i, i + 1);
        tcase_add_loop_test(tests, each_type_takes_its_kind, i, i + 1);
        tcase_add_loop_test(tests, bytes_are_a_store_as_a_file_is, i, i + 1);
        tcase_add_loop_test(tests, private_keys_are_exported_as_pem, i, i + 1);
        tcase_add_loop_test(tests, a_password_that_is_wrong_or_missing_is_told, i, i + 1);
    }
    tcase_add_test(tests, a_type_that_does_not_fit_is_told);
    tcase_add_test(tests, what_is_not_understood_is_not_quoted);
    tcase_add_test(tests, java_stores_are_refused_by_name);
    tcase_add_test(tests, what_cannot_be_opened_is_told);
    tcase_add_test(tests, a_store_has_a_limit);
    tcase_add_test(tests, types_have_the_component_s_numbers_and_names);
    tcase_add_test(tests, what_editors_do_to_a_file_does_not_matter);
    tcase_add_test(tests, zeros_in_front_of_numbers_do_not_matter);
    tcase_add_test(tests, a_key_that_does_not_fit_itself_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
