/* SipHash-1-3. Must never be used where a hash has to stay the same between two runs. */
#include "base/hash.h"

#include <endian.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

typedef struct State {
    uint64_t v0, v1, v2, v3;
} State;

HashKey hash_key_new(void)
{
    HashKey key = {{0x6f7574626f780001, 0x6b65796564686173}};

    /* The kernel gives each process sixteen random bytes; getrandom() may not be ready early at
     * boot.
     */
    if (getrandom(&key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key)) {
        const void *seed = (const void *)getauxval(AT_RANDOM);

        if (seed)
            memcpy(&key, seed, sizeof(key));
    }
    return key;
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void stir(State *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void take_word(State *s, uint64_t word)
{
    s->v3 ^= word;
    stir(s);
    s->v0 ^= word;
}

uint64_t hash_keyed(const HashKey *key, const void *data, size_t n)
{
    State s = {key->half[0] ^ 0x736f6d6570736575, key->half[1] ^ 0x646f72616e646f6d,
        key->half[0] ^ 0x6c7967656e657261, key->half[1] ^ 0x7465646279746573};
    const unsigned char *at = data;
    uint64_t word = 0;
    size_t left = n;

    for (; left >= 8; at += 8, left -= 8) {
        memcpy(&word, at, 8);
        take_word(&s, le64toh(word));
    }
    word = 0;
    memcpy(&word, at, left);
    take_word(&s, le64toh(word) | (uint64_t)n << 56);
    s.v2 ^= 0xff;
    for (unsigned i = 0; i < 3; i++)
        stir(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
