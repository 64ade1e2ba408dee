/* What goes between this host and a proxy of SOCKS5 once GSSAPI has agreed to protect it:
 * everything is in envelopes (RFC 1961, 5), the relay's bytes, too. Without I/O.
 *
 * A proxy is a stranger: an envelope that is none, or less than what was agreed to, is an error,
 * and no more is kept than one envelope and what was in those that came. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "base/gssapi.h"

/* Of the frames of RFC 1961: version, type, length in two bytes, and a token. */
#define WRAP_HEAD 4
#define WRAP_TOKEN_MAX 65535
#define WRAP_VERSION 1
typedef enum WrapType {
    WRAP_CONTEXT = 1, /* words of the context */
    WRAP_LEVEL = 2,   /* how it is to be protected */
    WRAP_DATA = 3,
    WRAP_ABORT = 0xff, /* that is all: neither length nor token */
} WrapType;

/* Appends a frame. 0; -EMSGSIZE where the token is too long for one; -ENOMEM. */
int wrap_frame(Buffer *out, WrapType type, const void *token, size_t n);

typedef struct ProxyWrap ProxyWrap;

/* Takes the context over when it succeeds; `gssapi` is borrowed, and to outlive it. 0 or -ENOMEM.
 */
int proxy_wrap_new(const Gssapi *gssapi, void *context, bool encrypted, ProxyWrap **ret);
void proxy_wrap_free(ProxyWrap *wrap); /* accepts NULL; ends the context */

/* Appends an envelope with the first of these bytes; returns how many, or a negative errno:
 * -ENOMEM, or with a Failure (ERROR_FIREWALL). */
#define PROXY_WRAP_BYTES ((size_t)16 * 1024)
ssize_t proxy_wrap_out(ProxyWrap *wrap, const void *data, size_t n, Buffer *out, Failure *f);

/* So many envelopes one after the other may have nothing in them. */
#define PROXY_WRAP_EMPTY_MAX 32

/* Takes what came, cut anywhere. 0, or a negative errno as above. */
int proxy_wrap_in(ProxyWrap *wrap, const char *data, size_t n, Failure *f);

/* What was in the envelopes that have come, to be consumed. */
Buffer *proxy_wrap_clear(ProxyWrap *wrap);

DEFINE_CLEANUP(ProxyWrap, proxy_wrap_free);
