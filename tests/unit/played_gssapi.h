/* A context of GSSAPI that is played: the other side's word "bad" is none, "end" completes it, and
 * anything else wants more. An envelope is a byte more: '#' where it is encrypted, '~' where not.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/gssapi.h"

typedef struct Played {
    unsigned begun, ended;
    bool none; /* there are no contexts left */
} Played;

static inline int played_begin(void *user, void **ret_context, Buffer *out, _unused_ Failure *f)
{
    Played *played = user;

    if (played->none)
        return -EAGAIN;
    *ret_context = played;
    return buffer_appendf(out, "ticket %u", ++played->begun % 10);
}

static inline int played_step(_unused_ void *context, const void *token, size_t n, Buffer *out,
    bool *ret_complete, Failure *f)
{
    if (n == 3 && memcmp(token, "bad", 3) == 0)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "not one of who has the key");
    *ret_complete = n == 3 && memcmp(token, "end", 3) == 0;
    return *ret_complete ? 0 : buffer_append_string(out, "more");
}

static inline int played_unwrap(_unused_ void *context, const void *token, size_t n, Buffer *out,
    bool *ret_encrypted, Failure *f)
{
    const char *text = token;

    if (n == 0 || (*text != '~' && *text != '#'))
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "its envelope cannot be opened");
    if (ret_encrypted)
        *ret_encrypted = *text == '#';
    return n > 1 ? buffer_append(out, text + 1, n - 1) : 0;
}

static inline int played_wrap(_unused_ void *context, bool encrypted, const void *data, size_t n,
    Buffer *out, _unused_ Failure *f)
{
    return buffer_append(out, encrypted ? "#" : "~", 1) ?: buffer_append(out, data, n);
}

static inline void played_end(void *context)
{
    ((Played *)context)->ended++;
}

#define PLAYED_GSSAPI(played)                                                                  \
    {                                                                                          \
        .user = (played), .begin = played_begin, .step = played_step, .unwrap = played_unwrap, \
        .wrap = played_wrap, .end = played_end                                                 \
    }
