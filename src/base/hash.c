/* SipHash-2-4. Must never hash the same under two keys but by chance. */
#include "base/hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

void hash_key_init(HashKey *key)
{
    if (getrandom(key, sizeof(*key), GRND_INSECURE) == (ssize_t)sizeof(*key))
        return;
    /* Without the call: what nobody can foresee to the microsecond, and where memory happens to be
     */
    *key = (HashKey){{clock_realtime() ^ (uintptr_t)key, clock_monotonic() ^ (uintptr_t)&key}};
}

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void mix(uint64_t v[static 4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void take_word(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    mix(v, 2);
    v[0] ^= word;
}

uint64_t hash_bytes(const HashKey *key, const void *data, size_t n)
{
    const unsigned char *at = data;
    uint64_t last = (uint64_t)n << 56, word;
    uint64_t v[4] = {
        key->words[0] ^ 0x736f6d6570736575u,
        key->words[1] ^ 0x646f72616e646f6du,
        key->words[0] ^ 0x6c7967656e657261u,
        key->words[1] ^ 0x7465646279746573u,
    };

    for (size_t rest = n; rest >= sizeof(word); rest -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        take_word(v, le64toh(word));
    }
    for (size_t i = 0; i < n % sizeof(word); i++)
        last |= (uint64_t)at[i] << (8 * i);
    take_word(v, last);
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
