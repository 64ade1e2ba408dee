/* Stores that were made to cost time or memory: each limit of certificate/limits.h, at it and past
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "certificate/bag.h"
#include "certificate/limits.h"
#include "certificate/octets.h"
#include "certificate_files.h"

/* What comes of bytes as a store. */
static int load(const void *data, size_t n, const char *password, Certificate **ret, Failure *f)
{
    _cleanup_secret_ Secret *secret = password ? secret_new(password, strlen(password)) : NULL;
    const CertificateSource source = {
        .type = CERTIFICATE_AUTO, .store = data, .n_store = n, .password = secret};

    failure_done(f);
    *ret = NULL;
    return certificate_load(&source, ret, f);
}

static int result_of(const void *data, size_t n, const char *password)
{
    _cleanup_certificate_ Certificate *c = NULL;
    _cleanup_failure_ Failure f = {0};

    return load(data, n, password, &c, &f);
}

static int result_of_buffer(const Buffer *b, const char *password)
{
    return result_of(buffer_data(b), buffer_size(b), password);
}

/* ---- key derivation ---- */

/* A key that is encrypted by that algorithm, with what nobody can open. */
static int result_of_encrypted(X509_ALGOR *algorithm)
{
    X509_SIG *encrypted = X509_SIG_new();
    ASN1_OCTET_STRING *digest;
    X509_ALGOR *place;
    unsigned char *der = NULL, noise[64] = "";
    int n, r;

    ck_assert_ptr_nonnull(algorithm);
    X509_SIG_getm(encrypted, &place, &digest);
    ck_assert_int_eq(X509_ALGOR_copy(place, algorithm), 1);
    X509_ALGOR_free(algorithm);
    ck_assert_int_eq(ASN1_OCTET_STRING_set(digest, noise, sizeof(noise)), 1);
    n = i2d_X509_SIG(encrypted, &der);
    ck_assert_int_gt(n, 0);
    r = result_of(der, (size_t)n, "sesame");
    OPENSSL_free(der);
    X509_SIG_free(encrypted);
    return r;
}

static int result_of_pbkdf2(int rounds, int salt_bytes)
{
    unsigned char salt[4096] = "salt";

    return result_of_encrypted(
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), rounds, salt, salt_bytes, NULL, NID_hmacWithSHA256));
}

START_TEST(rounds_have_a_limit)
{
    ck_assert_int_eq(result_of_pbkdf2(2048, 16), -EKEYREJECTED);
    ck_assert_int_eq(result_of_pbkdf2(ROUNDS_MAX, 16), -EKEYREJECTED);
    ck_assert_int_eq(result_of_pbkdf2(ROUNDS_MAX + 1, 16), -E2BIG);
    ck_assert_int_eq(result_of_pbkdf2(INT_MAX, 16), -E2BIG);
    ck_assert_int_eq(result_of_pbkdf2(2048, SALT_BYTES_MAX), -EKEYREJECTED);
    ck_assert_int_lt(result_of_pbkdf2(2048, SALT_BYTES_MAX + 1), 0);
    ck_assert_int_ne(result_of_pbkdf2(2048, SALT_BYTES_MAX + 1), -EKEYREJECTED);
}
END_TEST

static int result_of_scrypt(uint64_t n, uint64_t r, uint64_t p)
{
    X509_ALGOR *algorithm =
        PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), (const unsigned char *)"salt", 4, NULL, n, r, p);

    return result_of_encrypted(algorithm);
}

START_TEST(scrypt_has_a_limit)
{
    ck_assert_int_eq(result_of_scrypt(16384, 8, 1), -EKEYREJECTED);
    ck_assert_int_eq(result_of_scrypt(2, 1, 65536), -EKEYREJECTED);
    ck_assert_int_eq(result_of_scrypt(32768, 1, 32768), -E2BIG);
}
END_TEST

/* Keys one after the other have the rounds together. */
START_TEST(rounds_are_those_of_the_whole_store)
{
    static const char *const names[] = {"rsa-encrypted.key", "ec-encrypted.key"};
    _cleanup_buffer_ Buffer store = {0};
    Bag bag;

    ck_assert_int_eq(bag_init(&bag, NULL), 0);
    ck_assert_int_eq(bag_spend(&bag, ROUNDS_MAX - 1, NULL), 0);
    ck_assert_int_eq(bag_spend(&bag, 2, NULL), -E2BIG);
    ck_assert_int_eq(bag_spend(&bag, 1, NULL), 0);
    ck_assert_int_eq(bag_spend(&bag, 1, NULL), -E2BIG);
    ck_assert_int_eq(bag_spend(&bag, UINT64_MAX, NULL), -E2BIG);
    bag_done(&bag);
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        _cleanup_octets_ Octets file = {0};

        ck_assert_int_eq(octets_load(AT_FDCWD, data_file(names[i]), 100000, &file), 0);
        ck_assert_int_eq(buffer_append(&store, file.data, file.n), 0);
    }
    ck_assert_int_eq(result_of_buffer(&store, "sesame"), 0);
}
END_TEST

/* ---- PKCS#12 ---- */

static PKCS12 *load_pkcs12(void)
{
    FILE *file = fopen(data_file("rsa.p12"), "r");
    PKCS12 *pkcs12 = d2i_PKCS12_fp(file, NULL);

    fclose(file);
    ck_assert_ptr_nonnull(pkcs12);
    return pkcs12;
}

static int result_of_pkcs12(PKCS12 *pkcs12)
{
    unsigned char *der = NULL;
    int n = i2d_PKCS12(pkcs12, &der), r;

    ck_assert_int_gt(n, 0);
    r = result_of(der, (size_t)n, "sesame");
    OPENSSL_free(der);
    PKCS12_free(pkcs12);
    return r;
}

static int result_of_mac(long rounds)
{
    PKCS12 *pkcs12 = load_pkcs12();
    const ASN1_INTEGER *count;

    PKCS12_get0_mac(NULL, NULL, NULL, &count, pkcs12);
    ck_assert_int_eq(ASN1_INTEGER_set((ASN1_INTEGER *)count, rounds), 1);
    return result_of_pkcs12(pkcs12);
}

/* RFC 9579: the rounds are elsewhere. Its parameters are those of PBES2, with a MAC for the cipher.
 */
static int result_of_pbmac1(int rounds)
{
    PKCS12 *pkcs12 = load_pkcs12();
    X509_ALGOR *made = PKCS5_pbe2_set_iv(
        EVP_aes_256_cbc(), rounds, (unsigned char *)"salt", 4, NULL, NID_hmacWithSHA256);
    PBE2PARAM *both = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), made->parameter);
    ASN1_OBJECT *mac = OBJ_nid2obj(NID_hmacWithSHA256);
    const X509_ALGOR *algorithm;

    ck_assert_int_eq(X509_ALGOR_set0(both->encryption, mac, V_ASN1_NULL, NULL), 1);
    (void)ASN1_TYPE_pack_sequence(ASN1_ITEM_rptr(PBE2PARAM), both, &made->parameter);
    PBE2PARAM_free(both);
    PKCS12_get0_mac(NULL, &algorithm, NULL, NULL, pkcs12);
    ck_assert_int_eq(X509_ALGOR_copy((X509_ALGOR *)algorithm, made), 1);
    X509_ALGOR_free(made);
    ASN1_OBJECT_free(algorithm->algorithm);
    ((X509_ALGOR *)algorithm)->algorithm = OBJ_txt2obj("1.2.840.113549.1.5.14", 1);
    return result_of_pkcs12(pkcs12);
}

START_TEST(a_mac_has_a_limit)
{
    bool is_known = OpenSSL_version_num() >= 0x30400000L;

    ck_assert_int_eq(result_of_pbmac1(1000), is_known ? -EKEYREJECTED : -EOPNOTSUPP);
    ck_assert_int_eq(result_of_pbmac1(ROUNDS_MAX + 1), is_known ? -E2BIG : -EOPNOTSUPP);
    ck_assert_int_eq(result_of_mac(2048), 0);
    ck_assert_int_eq(result_of_mac(2049), -EKEYREJECTED);
    ck_assert_int_eq(result_of_mac(ROUNDS_MAX / 2 + 1), -E2BIG);
    ck_assert_int_eq(result_of_mac(LONG_MAX), -E2BIG);
    ck_assert_int_eq(result_of_mac(-1), -EBADMSG);
}
END_TEST

/* What a safe holds, and around it so many safes: DER by hand, for OpenSSL makes no such thing. */
static Octets wrap(unsigned char tag, Octets *inner)
{
    const unsigned char header[4] = {
        tag, 0x82, (unsigned char)(inner->n >> 8), (unsigned char)inner->n};
    Octets outer;

    ck_assert_int_eq(octets_new(&outer, inner->n + sizeof(header)), 0);
    memcpy(outer.data, header, sizeof(header));
    memcpy(outer.data + sizeof(header), inner->data, inner->n);
    octets_done(inner);
    return outer;
}

/* SafeBag ::= SEQUENCE { bagId safeContentsBag, bagValue [0] EXPLICIT SEQUENCE OF SafeBag }. */
static Octets nest(Octets *safes)
{
    static const unsigned char oid[] = {6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 12, 10, 1, 6};
    Octets value = wrap(0xa0, safes), bag;

    ck_assert_int_eq(octets_new(&bag, sizeof(oid) + value.n), 0);
    memcpy(bag.data, oid, sizeof(oid));
    memcpy(bag.data + sizeof(oid), value.data, value.n);
    octets_done(&value);
    value = wrap(0x30, &bag);
    return wrap(0x30, &value);
}

static int result_of_nested(unsigned depth)
{
    _cleanup_certificate_ Certificate *c = load_file("rsa.pem", NULL);
    STACK_OF(PKCS12_SAFEBAG) *safes = NULL;
    STACK_OF(PKCS7) *contents = NULL;
    PKCS12 *pkcs12;
    PKCS7 *content;
    Octets der = {0};

    ck_assert_ptr_nonnull(PKCS12_add_cert(&safes, certificate_x509(c)));
    ck_assert_int_eq(PKCS12_add_safe(&contents, safes, -1, 0, NULL), 1);
    content = sk_PKCS7_value(contents, 0);
    ck_assert_int_eq(octets_new(&der, (size_t)ASN1_STRING_length(content->d.data)), 0);
    memcpy(der.data, ASN1_STRING_get0_data(content->d.data), der.n);
    for (unsigned i = 0; i < depth; i++)
        der = nest(&der);
    ck_assert_int_eq(ASN1_STRING_set(content->d.data, der.data, (int)der.n), 1);
    octets_done(&der);
    pkcs12 = PKCS12_add_safes(contents, 0);
    sk_PKCS7_pop_free(contents, PKCS7_free);
    sk_PKCS12_SAFEBAG_pop_free(safes, PKCS12_SAFEBAG_free);
    return result_of_pkcs12(pkcs12);
}

START_TEST(safes_within_safes_have_a_limit)
{
    for (unsigned depth = 0; depth <= STORE_NESTING_MAX; depth++)
        ck_assert_int_eq(result_of_nested(depth), 0);
    ck_assert_int_eq(result_of_nested(STORE_NESTING_MAX + 1), -EBADMSG);
    ck_assert_int_lt(result_of_nested(1000), 0);
}
END_TEST

/* ---- keys ---- */

static void put(Buffer *out, const void *data, size_t n)
{
    const unsigned char size[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
        (unsigned char)(n >> 8), (unsigned char)n};

    ck_assert_int_eq(buffer_append(out, size, 4), 0);
    ck_assert_int_eq(buffer_append(out, data, n), 0);
}

static int result_of_rsa(size_t bytes)
{
    _cleanup_buffer_ Buffer blob = {0};
    unsigned char *number = malloc(bytes);
    int r;

    memset(number, 0xff, bytes);
    put(&blob, "ssh-rsa", 7);
    put(&blob, "\1\0\1", 3);
    put(&blob, number, bytes);
    free(number);
    r = result_of_buffer(&blob, NULL);
    return r;
}

START_TEST(keys_have_a_length)
{
    ck_assert_int_eq(result_of_rsa(KEY_BITS_MAX / 8), 0);
    ck_assert_int_lt(result_of_rsa(KEY_BITS_MAX / 8 + 1), 0);
    ck_assert_int_lt(result_of_rsa(100000), 0);
}
END_TEST

/* A DSA key would be computed with when it is read, whatever its length. */
START_TEST(dsa_is_refused_unread)
{
    PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();
    unsigned char *der = NULL, *secret = OPENSSL_zalloc(5);
    _cleanup_certificate_ Certificate *c = NULL;
    _cleanup_failure_ Failure f = {0};
    int n;

    ck_assert_int_eq(
        PKCS8_pkey_set0(info, OBJ_nid2obj(NID_dsa), 0, V_ASN1_NULL, NULL, secret, 5), 1);
    n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    ck_assert_int_eq(load(der, (size_t)n, NULL, &c, &f), -EOPNOTSUPP);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "such as DSA"));
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
}
END_TEST

static int result_of_lines(unsigned count)
{
    _cleanup_buffer_ Buffer lines = {0};

    for (unsigned i = 0; i < count; i++) {
        _cleanup_buffer_ Buffer blob = {0};
        unsigned char point[32] = {1};

        point[1] = (unsigned char)i;
        point[2] = (unsigned char)(i >> 8);
        put(&blob, "ssh-ed25519", 11);
        put(&blob, point, sizeof(point));
        ck_assert_int_eq(buffer_append_string(&lines, "ssh-ed25519 "), 0);
        ck_assert_int_eq(encode_base64(buffer_data(&blob), buffer_size(&blob), &lines), 0);
        ck_assert_int_eq(buffer_append_string(&lines, " comment\n"), 0);
    }
    return result_of_buffer(&lines, NULL);
}

START_TEST(keys_are_counted)
{
    ck_assert_int_eq(result_of_lines(STORE_KEYS_MAX), 0);
    ck_assert_int_eq(result_of_lines(STORE_KEYS_MAX + 1), -E2BIG);
}
END_TEST

static int result_of_bundle(unsigned count)
{
    _cleanup_octets_ Octets file = {0};
    _cleanup_buffer_ Buffer bundle = {0};

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("ca.pem"), 100000, &file), 0);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(buffer_append(&bundle, file.data, file.n), 0);
    return result_of_buffer(&bundle, NULL);
}

START_TEST(certificates_are_counted)
{
    ck_assert_int_eq(result_of_bundle(STORE_CERTIFICATES_MAX), 0);
    ck_assert_int_eq(result_of_bundle(STORE_CERTIFICATES_MAX + 1), -E2BIG);
}
END_TEST

/* ---- the rest ---- */

START_TEST(a_password_has_a_limit)
{
    char password[PASSWORD_BYTES_MAX + 2] = "";
    _cleanup_octets_ Octets file = {0};
    _cleanup_certificate_ Certificate *c = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("rsa-2-encrypted.ppk"), 100000, &file), 0);
    memset(password, 'x', PASSWORD_BYTES_MAX);
    ck_assert_int_eq(load(file.data, file.n, password, &c, &f), -EKEYREJECTED);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "does not open it"));
    password[PASSWORD_BYTES_MAX] = 'x';
    ck_assert_int_eq(load(file.data, file.n, password, &c, &f), -EKEYREJECTED);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "more than 1024 bytes"));
}
END_TEST

/* The PPK file with another line in the place of one. */
static int result_of_ppk(const char *line, const char *in_place)
{
    _cleanup_octets_ Octets file = {0};
    _cleanup_buffer_ Buffer text = {0};
    const char *at;

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("ec-3-encrypted.ppk"), 100000, &file), 0);
    at = strstr((const char *)file.data, line);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(buffer_append(&text, file.data, (size_t)(at - (const char *)file.data)), 0);
    ck_assert_int_eq(buffer_append_string(&text, in_place), 0);
    ck_assert_int_eq(buffer_append_string(&text, at + strlen(line)), 0);
    return result_of_buffer(&text, "sesame");
}

/* The library with Argon2 as the loader finds it, or none. */
static bool argon2_is_missing;
static int times_loaded;

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
    times_loaded++;
    return argon2_is_missing ? NULL : __real_dlopen(name, flags);
}

START_TEST(argon2_is_loaded_where_it_is_needed)
{
    _cleanup_octets_ Octets plain = {0}, locked = {0};
    _cleanup_certificate_ Certificate *c = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("ec-3.ppk"), 100000, &plain), 0);
    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("ec-3-encrypted.ppk"), 100000, &locked), 0);
    ck_assert_int_eq(result_of(plain.data, plain.n, NULL), 0);
    ck_assert_int_eq(times_loaded, 0);
    ck_assert_int_eq(result_of(locked.data, locked.n, "sesame"), 0);
    ck_assert_int_eq(times_loaded, 1);
    argon2_is_missing = true;
    ck_assert_int_eq(load(locked.data, locked.n, "sesame", &c, &f), -EOPNOTSUPP);
    ck_assert_ptr_null(c);
    ck_assert_msg(strstr(failure_text(&f), "libargon2.so.1 cannot be loaded: install libargon2-1"),
        "%s", failure_text(&f));
}
END_TEST

START_TEST(argon2_has_limits)
{
    ck_assert_int_eq(result_of_ppk("Argon2-Passes: 2", "Argon2-Passes: 2"), 0);
    ck_assert_int_eq(result_of_ppk("Argon2-Passes: 2", "Argon2-Passes: 3"), -EKEYREJECTED);
    ck_assert_int_eq(result_of_ppk("Argon2-Passes: 2", "Argon2-Passes: 99999"), -E2BIG);
    ck_assert_int_eq(result_of_ppk("Argon2-Passes: 2", "Argon2-Passes: 9999999999"), -EBADMSG);
    ck_assert_int_eq(result_of_ppk("Argon2-Passes: 2", "Argon2-Passes: 0"), -EBADMSG);
    ck_assert_int_eq(result_of_ppk("Argon2-Memory: 256", "Argon2-Memory: 262144"), -EKEYREJECTED);
    ck_assert_int_eq(result_of_ppk("Argon2-Memory: 256", "Argon2-Memory: 262145"), -EOPNOTSUPP);
    ck_assert_int_eq(result_of_ppk("Argon2-Memory: 256", "Argon2-Memory: 1"), -EBADMSG);
    ck_assert_int_eq(result_of_ppk("Key-Derivation: Argon2id", "Key-Derivation: MD5"), -EBADMSG);
    ck_assert_int_eq(result_of_ppk("Public-Lines: ", "Public-Lines: 9"), -EBADMSG);
    ck_assert_int_eq(result_of_ppk("User-Key-File-3", "User-Key-File-4"), -EOPNOTSUPP);
    ck_assert_int_eq(result_of_ppk("Comment: ", "Comment: x"), -EKEYREJECTED);
}
END_TEST

START_TEST(base64_is_not_undone_for_ever)
{
    _cleanup_octets_ Octets file = {0};
    _cleanup_buffer_ Buffer text = {0};

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file("ec.key.der"), 100000, &file), 0);
    ck_assert_int_eq(buffer_append(&text, file.data, file.n), 0);
    for (unsigned i = 0; i <= STORE_NESTING_MAX; i++) {
        _cleanup_buffer_ Buffer outer = {0};

        ck_assert_int_eq(result_of_buffer(&text, NULL), 0);
        ck_assert_int_eq(encode_base64(buffer_data(&text), buffer_size(&text), &outer), 0);
        buffer_clear(&text);
        ck_assert_int_eq(buffer_append(&text, buffer_data(&outer), buffer_size(&outer)), 0);
    }
    ck_assert_int_eq(result_of_buffer(&text, NULL), -EBADMSG);
}
END_TEST

/* Whoever signed whom, a chain ends. */
static X509 *make_signed(const char *subject, const char *issuer, EVP_PKEY *key)
{
    X509 *x509 = X509_new();

    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(x509), "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
    X509_NAME_add_entry_by_txt(
        X509_get_issuer_name(x509), "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
    X509_set_pubkey(x509, key);
    ck_assert_int_gt(X509_sign(x509, key, EVP_sha256()), 0);
    return x509;
}

START_TEST(a_chain_that_goes_round_ends)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_certificate_ Certificate *c = NULL;
    _cleanup_failure_ Failure f = {0};
    char name[16], issuer[16], *data;
    long n;

    for (unsigned i = 0; i < 2 * CHAIN_MAX; i++) {
        X509 *x509;

        snprintf(name, sizeof(name), "%u", i);
        snprintf(issuer, sizeof(issuer), "%u", (i + 1) % (2 * CHAIN_MAX));
        x509 = make_signed(name, issuer, key);
        ck_assert_int_eq(PEM_write_bio_X509(bio, x509), 1);
        X509_free(x509);
    }
    n = BIO_get_mem_data(bio, &data);
    ck_assert_int_eq(load(data, (size_t)n, NULL, &c, &f), 0);
    ck_assert_uint_eq(certificate_chain_length(c), CHAIN_MAX);
    c = certificate_unref(c);
    (void)BIO_reset(bio);
    for (unsigned i = 0; i < 2; i++) {
        X509 *x509 = make_signed(i == 0 ? "a" : "b", i == 0 ? "b" : "a", key);

        ck_assert_int_eq(PEM_write_bio_X509(bio, x509), 1);
        X509_free(x509);
    }
    n = BIO_get_mem_data(bio, &data);
    ck_assert_int_eq(load(data, (size_t)n, NULL, &c, &f), 0);
    ck_assert_uint_eq(certificate_chain_length(c), 1);
    BIO_free(bio);
    EVP_PKEY_free(key);
}
END_TEST

static void fill(const char *directory, unsigned count)
{
    char path[200];

    for (unsigned i = 0; i < count; i++) {
        FILE *file;

        snprintf(path, sizeof(path), "%s/%04u", directory, i);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fclose(file);
    }
}

START_TEST(files_of_a_directory_are_counted)
{
    char directory[] = "/tmp/outbox-test-XXXXXX", command[100];

    ck_assert_ptr_nonnull(mkdtemp(directory));
    fill(directory, STORE_FILES_MAX);
    check_fails(CERTIFICATE_AUTO, directory, NULL, NULL, ERROR_CERTIFICATE_NOT_FOUND,
        WORDS("neither a certificate nor a key", "not all of it could be read"));
    fill(directory, STORE_FILES_MAX + 1);
    check_fails(CERTIFICATE_AUTO, directory, NULL, NULL, ERROR_CERTIFICATE_STORE,
        WORDS("more than 1000 files"));
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Each file cut at each of its bytes: nothing but a failure, with words. */
START_TEST(stores_cut_off_are_told)
{
    static const char *const names[] = {"ec-3-encrypted.ppk", "ec-2.ppk", "ec.jwk", "rsa.pub.xml",
        "ec.ssh.pub", "ec.ssh2", "ec.key.der", "ec.p12", "ec-encrypted.key", "rsa.p7b.der",
        "rsa.der", "ed25519-aes256-gcm.ssh", "ed25519-chacha20-poly1305.ssh"};
    _cleanup_octets_ Octets file = {0};

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file(names[_i]), 100000, &file), 0);
    for (size_t n = 0; n < file.n; n++) {
        _cleanup_certificate_ Certificate *c = NULL;
        _cleanup_failure_ Failure f = {0};
        char *bytes = malloc(n + 1);
        int r;

        memcpy(bytes, file.data, n);
        r = load(bytes, n, "sesame", &c, &f);
        if (r < 0)
            ck_assert_msg(f.text && f.number >= 271 && f.number <= 273, "%s to %zu: %d %s",
                names[_i], n, f.number, failure_text(&f));
        free(bytes);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate limits");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, rounds_have_a_limit);
    tcase_add_test(tests, scrypt_has_a_limit);
    tcase_add_test(tests, rounds_are_those_of_the_whole_store);
    tcase_add_test(tests, a_mac_has_a_limit);
    tcase_add_test(tests, safes_within_safes_have_a_limit);
    tcase_add_test(tests, keys_have_a_length);
    tcase_add_test(tests, dsa_is_refused_unread);
    tcase_add_test(tests, keys_are_counted);
    tcase_add_test(tests, certificates_are_counted);
    tcase_add_test(tests, a_password_has_a_limit);
    tcase_add_test(tests, argon2_is_loaded_where_it_is_needed);
    tcase_add_test(tests, argon2_has_limits);
    tcase_add_test(tests, base64_is_not_undone_for_ever);
    tcase_add_test(tests, a_chain_that_goes_round_ends);
    tcase_add_test(tests, files_of_a_directory_are_counted);
    tcase_add_loop_test(tests, stores_cut_off_are_told, 0, 13);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
