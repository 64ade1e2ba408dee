/* How long a message waits that this machine could not read or write just now: a little at first,
 * longer as long as it goes on. Nothing is held against it, and no other waits for it. What goes on
 * for very long is known, for a file on a bad sector stays as it is. */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "base/hash.h"

#define ASIDE_MAX 256

/* Of the names that met with trouble of late; of more of them, the oldest is forgotten and begins
 * anew. */
typedef struct Aside {
    HashKey key;
    struct AsideRow {
        uint64_t name; /* keyed hash; 0: free */
        usec_t pause;  /* the last */
        usec_t until;
        usec_t unread_since; /* it could not be read since then; 0: it could */
    } rows[ASIDE_MAX];
    unsigned next; /* the place of the next new one */
} Aside;

void aside_init(Aside *aside);

/* It met with trouble again: how long it waits now. `unread`: its file could not be read. */
usec_t aside_pause(Aside *aside, const char *name, bool unread, usec_t now);

/* For how long it could not be read, at every look since then; 0 when it could. */
usec_t aside_unread(const Aside *aside, const char *name, usec_t now);
