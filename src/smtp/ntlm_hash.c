/* What NTLM hashes with (MS-NLMP, 3.3). Must never leave a password, or what stands for one,
 * behind.
 *
 * MD4 is written here: OpenSSL 3 has it in its legacy provider alone, which Debian 13 has in a
 * package of its own, and which would come with a dozen other weak things. Single DES is triple DES
 * with the same key three times, which the default provider has. */
#include <errno.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <wctype.h>

#include "base/text.h"
#include "smtp/ntlm.h"

#define MD4_BLOCK 64

/* ---- MD4 (RFC 1320) ---- */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return (x << n) | (x >> (32 - n));
}

static uint32_t word_at(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

static uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
    if (round == 0)
        return (x & y) | (~x & z);
    if (round == 1)
        return ((x & y) | (x & z) | (y & z)) + 0x5a827999u;
    return (x ^ y ^ z) + 0x6ed9eba1u;
}

static void md4_block(uint32_t state[static 4], const uint8_t *data)
{
    static const uint8_t order[3][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
        {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}};
    static const uint8_t shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    uint32_t s[4];

    memcpy(s, state, sizeof(s));
    for (unsigned i = 0; i < 48; i++) {
        unsigned round = i / 16;
        uint32_t next = rotate(
            s[0] + mix(round, s[1], s[2], s[3]) + word_at(data + 4 * (size_t)order[round][i % 16]),
            shifts[round][i % 4]);

        s[0] = s[3];
        s[3] = s[2];
        s[2] = s[1];
        s[1] = next;
    }
    for (size_t i = 0; i < 4; i++)
        state[i] += s[i];
}

void ntlm_md4(const void *data, size_t n, uint8_t ret[static NTLM_HASH_SIZE])
{
    uint32_t state[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};
    uint8_t last[2 * MD4_BLOCK] = {0};
    const uint8_t *at = data;
    size_t left = n, padded;

    for (; left >= MD4_BLOCK; at += MD4_BLOCK, left -= MD4_BLOCK)
        md4_block(state, at);
    if (left > 0)
        memcpy(last, at, left);
    last[left] = 0x80;
    padded = left < MD4_BLOCK - 8 ? MD4_BLOCK : 2 * MD4_BLOCK;
    for (size_t i = 0; i < 8; i++)
        last[padded - 8 + i] = (uint8_t)((uint64_t)n * 8 >> (8 * i));
    for (at = last; at < last + padded; at += MD4_BLOCK)
        md4_block(state, at);
    for (size_t i = 0; i < NTLM_HASH_SIZE; i++)
        ret[i] = (uint8_t)(state[i / 4] >> (8 * (i % 4)));
    OPENSSL_cleanse(last, sizeof(last));
}

/* ---- text ---- */

static uint32_t character_at(const char *text, size_t size)
{
    const uint8_t *data = (const uint8_t *)text;
    uint32_t c = size == 1 ? data[0] : data[0] & (0xffu >> (size + 1));

    for (size_t i = 1; i < size; i++)
        c = c << 6 | (data[i] & 0x3fu);
    return c;
}

static void locale_done(locale_t *locale)
{
    if (*locale)
        freelocale(*locale);
}

static int append_units(Buffer *out, uint32_t c)
{
    uint8_t units[4] = {(uint8_t)c, (uint8_t)(c >> 8)};

    if (c < 0x10000)
        return buffer_append(out, units, 2);
    c -= 0x10000;
    units[0] = (uint8_t)(c >> 10);
    units[1] = (uint8_t)(0xd8 | c >> 18);
    units[2] = (uint8_t)c;
    units[3] = (uint8_t)(0xdc | (c >> 8 & 3));
    return buffer_append(out, units, 4);
}

/* Capitals beyond ASCII are those of the C library's tables, which are not the process's locale's.
 */
int ntlm_append_utf16(Buffer *out, const char *text, size_t n, bool capitals)
{
    _cleanup_(locale_done) locale_t locale = NULL;
    size_t size;
    int r = 0;

    if (capitals && !text_is_ascii(text, n))
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    for (; n > 0 && r >= 0; text += size, n -= size) {
        uint32_t c;

        size = text_character(text, n);
        if (size == 0)
            return -EBADMSG;
        c = character_at(text, size);
        if (capitals && c < 0x80)
            c = (uint32_t)(unsigned char)text_upper((char)c);
        else if (capitals && locale)
            c = (uint32_t)towupper_l((wint_t)c, locale);
        r = append_units(out, c);
    }
    return r;
}

static void wipe(Buffer *b)
{
    if (b->memory)
        OPENSSL_cleanse(b->memory, b->allocated);
    buffer_done(b);
}

int ntlm_hash_password(const Secret *password, uint8_t ret[static NTLM_HASH_SIZE])
{
    _cleanup_(wipe) Buffer text = {0};
    int r;

    /* in one piece, for growing leaves copies behind */
    if (!buffer_reserve(&text, 2 * secret_size(password) + 1))
        return -ENOMEM;
    r = ntlm_append_utf16(&text, secret_text(password), secret_size(password), false);
    if (r >= 0)
        ntlm_md4(buffer_data(&text), buffer_size(&text), ret);
    return r;
}

/* ---- keyed ---- */

int ntlm_mac(const uint8_t key[static NTLM_HASH_SIZE], const void *a, size_t a_n, const void *b,
    size_t b_n, uint8_t ret[static NTLM_HASH_SIZE])
{
    _cleanup_buffer_ Buffer data = {0};
    unsigned n = 0;
    int r = buffer_append(&data, a, a_n);

    if (r >= 0 && b_n > 0)
        r = buffer_append(&data, b, b_n);
    if (r < 0)
        return r;
    return HMAC(EVP_md5(), key, NTLM_HASH_SIZE, (const unsigned char *)buffer_data(&data),
               buffer_size(&data), ret, &n) &&
                   n == NTLM_HASH_SIZE
               ? 0
               : -ENOTSUP;
}

int ntlm_hash_login(const Secret *password, const char *user, size_t user_n, const char *domain,
    size_t domain_n, uint8_t ret[static NTLM_HASH_SIZE])
{
    uint8_t key[NTLM_HASH_SIZE];
    _cleanup_buffer_ Buffer name = {0};
    int r = ntlm_append_utf16(&name, user, user_n, true)
                ?: ntlm_append_utf16(&name, domain, domain_n, false)
                ?: ntlm_hash_password(password, key);

    if (r >= 0)
        r = ntlm_mac(key, buffer_size(&name) > 0 ? buffer_data(&name) : "", buffer_size(&name),
            NULL, 0, ret);
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

/* ---- DES ---- */

static void cipher_done(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

/* Seven bytes become the eight of a DES key, the lowest bit of each being for parity. */
static void spread_key(const uint8_t from[static 7], uint8_t to[static 8])
{
    uint64_t bits = 0;

    for (size_t i = 0; i < 7; i++)
        bits = bits << 8 | from[i];
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(bits >> (49 - 7 * i) << 1);
}

static int des(const uint8_t from[static 7], const uint8_t *block, uint8_t *ret)
{
    _cleanup_(cipher_done) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t key[24];
    int n = 0, ok;

    spread_key(from, key);
    memcpy(key + 8, key, 8);
    memcpy(key + 16, key, 8);
    ok = cipher && EVP_EncryptInit_ex(cipher, EVP_des_ede3_ecb(), NULL, key, NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
         EVP_EncryptUpdate(cipher, ret, &n, block, 8) == 1 && n == 8;
    OPENSSL_cleanse(key, sizeof(key));
    return ok ? 0 : -ENOTSUP;
}

int ntlm_answer_1(const uint8_t hash[static NTLM_HASH_SIZE],
    const uint8_t challenge[static NTLM_CHALLENGE_SIZE], uint8_t ret[static NTLM_ANSWER_1_SIZE])
{
    uint8_t key[21] = {0};
    int r = 0;

    memcpy(key, hash, NTLM_HASH_SIZE);
    for (size_t i = 0; i < 3 && r >= 0; i++)
        r = des(key + 7 * i, challenge, ret + 8 * i);
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

/* ---- the channel ---- */

int ntlm_hash_binding(const void *end_point, size_t n, uint8_t ret[static NTLM_BINDING_SIZE])
{
    static const char prefix[] = "tls-server-end-point:";
    size_t size = strlen(prefix) + n;
    /* gss_channel_bindings_struct without addresses: four numbers of nought, and the length */
    uint8_t header[20] = {[16] = (uint8_t)size, (uint8_t)(size >> 8)};
    _cleanup_buffer_ Buffer data = {0};
    int r = buffer_append(&data, header, sizeof(header))
                ?: buffer_append_string(&data, prefix)
                ?: buffer_append(&data, end_point, n);

    if (r < 0)
        return r;
    return EVP_Digest(buffer_data(&data), buffer_size(&data), ret, NULL, EVP_md5(), NULL) == 1
               ? 0
               : -ENOTSUP;
}
