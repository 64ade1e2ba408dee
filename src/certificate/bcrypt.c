/* bcrypt_pbkdf. Must never leave a state of the cipher behind: it is as good as the pass-phrase.
 *
 * What Blowfish begins with is the fraction of pi, 33344 bits of it. It is computed, in some
 * hundredths of a second, where a round alone takes a few milliseconds: a table of 1042 numbers is
 * nothing that anybody could read over. */
#include "certificate/bcrypt.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOWFISH_ROUNDS 16
#define KEYS (BLOWFISH_ROUNDS + 2)
#define HASH_WORDS 8
#define HASH_BYTES (HASH_WORDS * 4)
#define HASH_TEXT "OxychromaticBlowfishSwatDynamite"
#define COST 64       /* 2 to the sixth, of bcrypt itself */
#define GUARD_BITS 32 /* behind those that are used, for what is cut off on the way */
#define WORDS (KEYS + 4 * 256)

/* What a key makes of it is a secret. */
typedef struct Blowfish {
    uint32_t p[KEYS];
    uint32_t s[4][256];
} Blowfish;

static_assert(sizeof(Blowfish) == WORDS * sizeof(uint32_t), "one word behind the other");

static void number_p(BIGNUM **number)
{
    BN_clear_free(*number);
}

#define _cleanup_number_ _cleanup_(number_p)

/* ---- pi ---- */

/* To `sum` is added factor * arctan(1 / x) in units of 2^-bits, or it is taken from it: the series
 * of Gregory, 1/x - 1/3x^3 + 1/5x^5 and so on. */
static bool add_arctan(BIGNUM *sum, int bits, BN_ULONG factor, BN_ULONG x, bool negative)
{
    _cleanup_number_ BIGNUM *power = BN_new(), *term = BN_new();
    bool good = power && term && BN_one(power) && BN_lshift(power, power, bits) &&
                BN_mul_word(power, factor) && BN_div_word(power, x) != (BN_ULONG)-1;

    for (BN_ULONG n = 1; good && !BN_is_zero(power); n += 2) {
        good = BN_copy(term, power) && BN_div_word(term, n) != (BN_ULONG)-1 &&
               (negative ? BN_sub(sum, sum, term) : BN_add(sum, sum, term)) &&
               BN_div_word(power, x * x) != (BN_ULONG)-1;
        negative = !negative;
    }
    return good;
}

/* Machin: pi / 4 = 4 arctan(1/5) - arctan(1/239). */
static int begin(Blowfish *ret)
{
    const int bits = WORDS * 32;
    unsigned char bytes[WORDS * 4];
    _cleanup_number_ BIGNUM *pi = BN_new();
    const unsigned char *at = bytes;

    if (!pi || !add_arctan(pi, bits + GUARD_BITS, 16, 5, false) ||
        !add_arctan(pi, bits + GUARD_BITS, 4, 239, true) || !BN_rshift(pi, pi, GUARD_BITS))
        return -ENOMEM;
    (void)BN_mask_bits(pi, bits); /* the three in front */
    if (BN_bn2binpad(pi, bytes, sizeof(bytes)) != sizeof(bytes))
        return -ENOMEM;
    for (size_t i = 0; i < WORDS; i++, at += 4)
        (i < KEYS ? &ret->p[i] : &ret->s[(i - KEYS) / 256][(i - KEYS) % 256])[0] =
            (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return 0;
}

/* ---- Blowfish (Schneier, 1993), with the expensive schedule of bcrypt ---- */

static inline uint32_t mix(const Blowfish *b, uint32_t x)
{
    return ((b->s[0][x >> 24] + b->s[1][x >> 16 & 0xff]) ^ b->s[2][x >> 8 & 0xff]) +
           b->s[3][x & 0xff];
}

static void encrypt(const Blowfish *b, uint32_t *left, uint32_t *right)
{
    uint32_t l = *left ^ b->p[0], r = *right;

    for (size_t i = 1; i <= BLOWFISH_ROUNDS; i += 2) {
        r ^= mix(b, l) ^ b->p[i];
        l ^= mix(b, r) ^ b->p[i + 1];
    }
    *left = r ^ b->p[KEYS - 1];
    *right = l;
}

/* The next word of a hash, which is gone through again and again. */
static uint32_t next_word(const unsigned char hash[static SHA512_DIGEST_LENGTH], size_t *at)
{
    const unsigned char *p = hash + *at;

    *at = (*at + 4) % SHA512_DIGEST_LENGTH;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Both halves of a pair, and what they become is the next pair's; `salt` may be NULL. */
static void fill(Blowfish *b, uint32_t *words, size_t n, const unsigned char *salt, size_t *at,
    uint32_t *left, uint32_t *right)
{
    for (size_t i = 0; i < n; i += 2) {
        if (salt) {
            *left ^= next_word(salt, at);
            *right ^= next_word(salt, at);
        }
        encrypt(b, left, right);
        words[i] = *left;
        words[i + 1] = *right;
    }
}

static void expand(Blowfish *b, const unsigned char *salt, const unsigned char *key)
{
    uint32_t left = 0, right = 0;
    size_t at = 0;

    for (size_t i = 0; i < KEYS; i++)
        b->p[i] ^= next_word(key, &at);
    at = 0;
    fill(b, b->p, KEYS, salt, &at, &left, &right);
    for (size_t i = 0; i < 4; i++)
        fill(b, b->s[i], 256, salt, &at, &left, &right);
}

/* ---- bcrypt ---- */

static void hash(const Blowfish *pi, Blowfish *b, const unsigned char *password,
    const unsigned char *salt, unsigned char ret[static HASH_BYTES])
{
    uint32_t words[HASH_WORDS];

    *b = *pi;
    expand(b, salt, password);
    for (unsigned i = 0; i < COST; i++) {
        expand(b, NULL, salt);
        expand(b, NULL, password);
    }
    for (size_t i = 0; i < HASH_WORDS; i++) {
        const unsigned char *p = (const unsigned char *)HASH_TEXT + i * 4;

        words[i] =
            (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
    }
    for (size_t i = 0; i < HASH_WORDS; i += 2)
        for (unsigned k = 0; k < COST; k++)
            encrypt(b, &words[i], &words[i + 1]);
    for (size_t i = 0; i < HASH_BYTES; i++)
        ret[i] = (unsigned char)(words[i / 4] >> i % 4 * 8);
    OPENSSL_cleanse(words, sizeof(words));
}

/* The rounds of one block of the key: their results over each other. */
static bool derive_block(const Blowfish *pi, Blowfish *b, const unsigned char *password,
    Octets *salt, unsigned rounds, unsigned char ret[static HASH_BYTES])
{
    unsigned char salted[SHA512_DIGEST_LENGTH], result[HASH_BYTES];
    bool good = SHA512(salt->data, salt->n, salted);

    memset(ret, 0, HASH_BYTES);
    for (unsigned i = 0; i < rounds && good; i++) {
        hash(pi, b, password, salted, result);
        for (size_t k = 0; k < HASH_BYTES; k++)
            ret[k] ^= result[k];
        good = SHA512(result, sizeof(result), salted);
    }
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(result, sizeof(result));
    return good;
}

/* Of a block come the bytes of the key that lie as far apart as there are blocks. */
static bool derive(
    Blowfish states[2], const unsigned char *password, Octets *salt, unsigned rounds, Octets *key)
{
    size_t n_blocks = (key->n + HASH_BYTES - 1) / HASH_BYTES;
    unsigned char block[HASH_BYTES];
    bool good = true;

    for (size_t count = 1; count <= n_blocks && good; count++) {
        salt->data[salt->n - 2] = (unsigned char)(count >> 8);
        salt->data[salt->n - 1] = (unsigned char)count;
        good = derive_block(&states[0], &states[1], password, salt, rounds, block);
        for (size_t i = 0; i * n_blocks + count - 1 < key->n; i++)
            key->data[i * n_blocks + count - 1] = block[i];
    }
    OPENSSL_cleanse(block, sizeof(block));
    return good;
}

int bcrypt_derive(Bytes password, Bytes salt, unsigned rounds, Octets *key)
{
    unsigned char hashed[SHA512_DIGEST_LENGTH];
    Blowfish *states = malloc(2 * sizeof(Blowfish));
    _cleanup_octets_ Octets counted = {0};
    int r = states ? octets_new(&counted, salt.n + 4) : -ENOMEM;

    assert(rounds > 0 && key->n > 0 && key->n <= BCRYPT_KEY_MAX);
    if (r >= 0)
        r = begin(&states[0]);
    if (r >= 0) {
        if (salt.n > 0)
            memcpy(counted.data, salt.data, salt.n);
        if (!SHA512(password.data, password.n, hashed) ||
            !derive(states, hashed, &counted, rounds, key))
            r = -ENOMEM;
        OPENSSL_cleanse(hashed, sizeof(hashed));
    }
    if (states)
        OPENSSL_cleanse(states, 2 * sizeof(Blowfish));
    free(states);
    return r;
}
