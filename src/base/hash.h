/* A keyed hash for tables of what others name: addresses, file names.
 *
 * Who knows the function of a table can make thousands of names that share a chain, and each then
 * costs a walk over all before it. SipHash-2-4 (Aumasson and Bernstein, 2012) under a key that
 * nobody outside knows makes chains as short for chosen names as for others. A multiplication with
 * a random factor would be faster, but its collisions can be computed; for names of some thirty
 * bytes the difference is less than the allocation of their copy. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct HashKey {
    uint64_t words[2];
} HashKey;

/* A key of its own for each table: nothing is shared between threads, and what was found out about
 * one table is of no use for the next. Never blocks. */
void hash_key_init(HashKey *key);

uint64_t hash_bytes(const HashKey *key, const void *data, size_t n);
