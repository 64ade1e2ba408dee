/* Messages that met with the end of a connection before the relay had its say, at which relay, and
 * how often: for delivery/blame.h. A small table of the latest; what it has forgotten counts as met
 * for the first time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define SUSPECTS_MAX 256

typedef struct Suspect {
    uint64_t id;  /* keyed hash; 0: free */
    size_t relay; /* its place in the order of preference */
    unsigned times;
    uint64_t served; /* how many verdicts the relays had given when it met the last */
} Suspect;

typedef struct Suspects {
    HashKey key;
    Suspect rows[SUSPECTS_MAX];
    unsigned next; /* the oldest, which a new one takes the place of */
    unsigned n;
} Suspects;

void suspects_init(Suspects *suspects);

/* What a message is known by here. Never 0. */
uint64_t suspects_key(const Suspects *suspects, const char *id);

/* The row of that message at that relay, or NULL. */
const Suspect *suspects_find(const Suspects *suspects, const char *id, size_t relay);

/* It met with another there. */
void suspects_add(Suspects *suspects, const char *id, size_t relay, uint64_t served);

/* Something was said of it, or it is no more. */
void suspects_forget(Suspects *suspects, const char *id);
