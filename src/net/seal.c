/* Sealing. Must never use a key and nonce twice, nor give out a byte that has not been verified. */
#include "net/seal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MARK "sealed:"
#define VERSION MARK "1:"
#define SALT_BYTES 32
#define KEY_BYTES 32
#define NONCE_BYTES 12
#define NAME_BYTES 8
#define TAG_BYTES 16
#define HEAD_SIZE (strlen(VERSION) + 2 * SALT_BYTES + 1 + 2 * NAME_BYTES + 1)

/* What is made of the key for one sealing. */
typedef struct Derived {
    unsigned char key[KEY_BYTES], nonce[NONCE_BYTES], name[NAME_BYTES];
} Derived;

static void derived_done(Derived *derived)
{
    OPENSSL_cleanse(derived, sizeof(*derived));
}

static void kdf_p(EVP_KDF_CTX **context)
{
    EVP_KDF_CTX_free(*context);
}

static void cipher_p(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

bool seal_is_sealed(const char *text)
{
    return strncmp(text, MARK, strlen(MARK)) == 0;
}

/* ---- hexadecimal ---- */

static char *put_hex(char *to, const unsigned char *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *to++ = digits[data[i] >> 4];
        *to++ = digits[data[i] & 15];
    }
    return to;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 2 * n characters. */
static bool take_hex(const char *text, unsigned char *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

        if (low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* ---- the cipher ---- */

static int derive(
    const Secret *key, const char *purpose, unsigned char salt[static SALT_BYTES], Derived *ret)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    _cleanup_(kdf_p) EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char hash[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret_text(key), secret_size(key)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, SALT_BYTES),
        OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)purpose, strlen(purpose)),
        OSSL_PARAM_construct_end(),
    };

    EVP_KDF_free(kdf);
    return context && EVP_KDF_derive(context, (unsigned char *)ret, sizeof(*ret), parameters) == 1
               ? 0
               : -EIO;
}

/* Both ways; the head counts for the tag. */
static bool run(EVP_CIPHER_CTX *context, const Derived *derived, bool encrypt, const char *head,
    const unsigned char *in, unsigned char *out, size_t n, unsigned char tag[static TAG_BYTES])
{
    int done = 0, rest = 0;

    return n <= INT32_MAX &&
           EVP_CipherInit_ex(
               context, EVP_aes_256_gcm(), NULL, derived->key, derived->nonce, encrypt) == 1 &&
           EVP_CipherUpdate(context, NULL, &done, (const unsigned char *)head, (int)HEAD_SIZE) ==
               1 &&
           EVP_CipherUpdate(context, out, &done, in, (int)n) == 1 &&
           (encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
           EVP_CipherFinal_ex(context, out + done, &rest) == 1 && (size_t)done == n &&
           (!encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
}

int seal_close(const Secret *key, const char *purpose, const Secret *plain, char **ret)
{
    _cleanup_(cipher_p) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t n = secret_size(plain);
    _cleanup_(derived_done) Derived derived = {0};
    unsigned char salt[SALT_BYTES];
    _cleanup_free_
    unsigned char *sealed = malloc(n + TAG_BYTES);
    _cleanup_free_
    char *line = malloc(HEAD_SIZE + 2 * (n + TAG_BYTES) + 1);
    char *at;
    int r;

    if (secret_size(key) < SEAL_KEY_MIN)
        return -EKEYREJECTED;
    if (!context || !sealed || !line)
        return -ENOMEM;
    r = RAND_bytes(salt, sizeof(salt)) == 1 ? derive(key, purpose, salt, &derived) : -EIO;
    if (r < 0)
        return r;
    at = put_hex(stpcpy(line, VERSION), salt, sizeof(salt));
    *at++ = ':';
    at = put_hex(at, derived.name, sizeof(derived.name));
    *at++ = ':';
    if (!run(context, &derived, true, line, (const unsigned char *)secret_text(plain), sealed, n,
            sealed + n))
        return -EIO;
    *put_hex(at, sealed, n + TAG_BYTES) = '\0';
    *ret = TAKE_PTR(line);
    return 0;
}

static int open_bytes(
    const Derived *derived, const char *head, unsigned char *bytes, size_t n, Secret **ret)
{
    _cleanup_(cipher_p) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char *plain = context ? malloc(n) : NULL;
    int r = -ENOMEM;

    n -= TAG_BYTES;
    if (plain && !run(context, derived, false, head, bytes, plain, n, bytes + n))
        r = -EBADMSG;
    else if (plain) {
        *ret = secret_new(plain, n);
        r = *ret ? 0 : -ENOMEM;
    }
    if (plain)
        explicit_bzero(plain, n);
    free(plain);
    return r;
}

int seal_open(const Secret *key, const char *purpose, const char *text, Secret **ret)
{
    _cleanup_(derived_done) Derived derived = {0};
    unsigned char salt[SALT_BYTES], name[NAME_BYTES];
    size_t n = strlen(text), size;
    const char *salt_at = text + strlen(VERSION), *name_at = salt_at + 2 * SALT_BYTES + 1;
    _cleanup_free_
    unsigned char *bytes = NULL;
    int r;

    if (seal_is_sealed(text) && strncmp(text, VERSION, strlen(VERSION)) != 0)
        return -EPROTONOSUPPORT;
    if (!seal_is_sealed(text) || n < HEAD_SIZE + (size_t)2 * TAG_BYTES ||
        (n - HEAD_SIZE) % 2 != 0 || name_at[-1] != ':' || text[HEAD_SIZE - 1] != ':' ||
        !take_hex(salt_at, salt, SALT_BYTES) || !take_hex(name_at, name, NAME_BYTES))
        return -EBADMSG;
    r = derive(key, purpose, salt, &derived);
    if (r < 0)
        return r;
    if (CRYPTO_memcmp(name, derived.name, NAME_BYTES) != 0)
        return -EKEYREJECTED;
    size = (n - HEAD_SIZE) / 2;
    bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    return take_hex(text + HEAD_SIZE, bytes, size) ? open_bytes(&derived, text, bytes, size, ret)
                                                   : -EBADMSG;
}
