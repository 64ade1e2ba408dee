/* A keyed hash (SipHash-1-3, Aumasson and Bernstein) for tables whose keys strangers choose:
 * without the key nobody can make many of them meet in one place. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct HashKey {
    uint64_t half[2];
} HashKey;

/* A key that nobody can guess: one a table. */
HashKey hash_key_new(void);

uint64_t hash_keyed(const HashKey *key, const void *data, size_t n);
