/* Security contexts of GSSAPI (RFC 2743), made ready by who lends them: their first words are
 * there, and nothing that follows waits for anybody. Each function returns 0, -EBADMSG with a
 * Failure, or -ENOMEM. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

typedef struct Gssapi {
    void *user;
    /* Begins with a context that has not been used; appends its first words. -EAGAIN when there is
     * none left. */
    int (*begin)(void *user, void **ret_context, Buffer *out, Failure *f);
    /* Goes on with what the server said; appends what is to be said, if anything. */
    int (*step)(
        void *context, const void *token, size_t n, Buffer *out, bool *ret_complete, Failure *f);
    /* Opens and closes envelopes: with a code alone, or encrypted, too. */
    int (*unwrap)(
        void *context, const void *token, size_t n, Buffer *out, bool *ret_encrypted, Failure *f);
    int (*wrap)(void *context, bool encrypted, const void *data, size_t n, Buffer *out, Failure *f);
    void (*end)(void *context);
} Gssapi;
