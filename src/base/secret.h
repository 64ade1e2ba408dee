/* A password, token or key pass-phrase: memory that is wiped when freed and that no format string
 * takes. */
#pragma once

#include <stddef.h>

#include "base/macros.h"

typedef struct Secret Secret;

/* Copies `n` bytes; the caller wipes its own copy. NULL when memory is short. */
Secret *secret_new(const void *data, size_t n);

/* The same secret, counted; NULL gives NULL. */
Secret *secret_ref(Secret *secret);

/* Drops one reference and wipes with the last. Accepts NULL. Returns NULL. */
Secret *secret_unref(Secret *secret);

/* NUL-terminated bytes, valid while a reference is held. */
const char *secret_text(const Secret *secret);
size_t secret_size(const Secret *secret);

/* How many of the `n` bytes at `at` are a secret of `size` bytes, the whole or so much of its
 * beginning that it is no accident; 0: none, or one so short that any text would have it. */
size_t secret_told(const char *at, size_t n, const char *secret, size_t size);

/* Where it is told first among the `n` bytes, and how many of them are; NULL: nowhere. */
const char *secret_find(
    const char *data, size_t n, const char *secret, size_t size, size_t *ret_told);

/* From now on the memory of this process is its own and root's to read: the system writes no core
 * dump of it, and other processes of its user can neither trace it nor open its files below /proc.
 * For who is going to hold secrets, copies of which are in the memory of libraries as well. */
void secret_hide_process(void);

static inline void secret_unref_p(Secret **secret)
{
    (void)secret_unref(*secret);
}
#define _cleanup_secret_ _cleanup_(secret_unref_p)
