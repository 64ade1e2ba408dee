/* Envelopes of GSSAPI for SOCKS5 (RFC 1961, 5). Must never hand on a byte that was protected less
 * than was agreed to. */
#include "proxy/wrap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/errors.h"

struct ProxyWrap {
    const Gssapi *gssapi;
    void *context;
    bool encrypted;
    unsigned n_empty; /* envelopes one after the other with nothing in them */
    Buffer frame;     /* as far as it has come */
    Buffer clear;
};

int wrap_frame(Buffer *out, WrapType type, const void *token, size_t n)
{
    if (n > WRAP_TOKEN_MAX)
        return -EMSGSIZE;
    return buffer_append(
               out, (char[]){WRAP_VERSION, (char)type, (char)(n >> 8), (char)n}, WRAP_HEAD)
               ?: (n > 0 ? buffer_append(out, token, n) : 0);
}

int proxy_wrap_new(const Gssapi *gssapi, void *context, bool encrypted, ProxyWrap **ret)
{
    ProxyWrap *wrap = calloc(1, sizeof(ProxyWrap));

    if (!wrap)
        return -ENOMEM;
    wrap->gssapi = gssapi;
    wrap->context = context;
    wrap->encrypted = encrypted;
    *ret = wrap;
    return 0;
}

static void wipe(Buffer *b)
{
    if (b->memory)
        explicit_bzero(b->memory, b->allocated);
    buffer_done(b);
}

void proxy_wrap_free(ProxyWrap *wrap)
{
    if (!wrap)
        return;
    wrap->gssapi->end(wrap->context);
    wipe(&wrap->clear);
    buffer_done(&wrap->frame);
    free(wrap);
}

Buffer *proxy_wrap_clear(ProxyWrap *wrap)
{
    return &wrap->clear;
}

static int fail(int error, const Failure *why, Failure *f)
{
    if (error == -ENOMEM)
        return error;
    return failure_reason(f, REASON_PROXY_NOT_SPOKEN,
        failure_set(f, -EPROTO, ERROR_FIREWALL,
            "what goes through the proxy in envelopes of GSSAPI (RFC 1961) is broken: %s",
            failure_text(why)));
}

static int fail_frame(const char *words, Failure *f)
{
    _cleanup_failure_ Failure why = {0};

    return fail(failure_set(&why, -EPROTO, ERROR_FIREWALL, "%s", words), &why, f);
}

ssize_t proxy_wrap_out(ProxyWrap *wrap, const void *data, size_t n, Buffer *out, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    _cleanup_buffer_ Buffer token = {0};
    int r;

    n = MIN(n, PROXY_WRAP_BYTES);
    r = wrap->gssapi->wrap(wrap->context, wrap->encrypted, data, n, &token, &why);
    if (r < 0)
        return fail(r, &why, f);
    r = wrap_frame(out, WRAP_DATA, buffer_data(&token), buffer_size(&token));
    if (r == -EMSGSIZE)
        return fail_frame("an envelope of ours is too long for it", f);
    return r < 0 ? r : (ssize_t)n;
}

/* A whole frame. */
static int open_frame(ProxyWrap *wrap, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    size_t before = buffer_size(&wrap->clear);
    bool encrypted = false;
    int r = wrap->gssapi->unwrap(wrap->context, buffer_at(&wrap->frame, WRAP_HEAD),
        buffer_size(&wrap->frame) - WRAP_HEAD, &wrap->clear, &encrypted, &why);

    if (r < 0)
        return fail(r, &why, f);
    if (wrap->encrypted && !encrypted)
        return fail_frame("one has come that is not encrypted, which was agreed to", f);
    buffer_clear(&wrap->frame);
    wrap->n_empty = buffer_size(&wrap->clear) > before ? 0 : wrap->n_empty + 1;
    if (wrap->n_empty > PROXY_WRAP_EMPTY_MAX)
        return fail_frame("one empty envelope comes after the other", f);
    return 0;
}

/* How many bytes the frame has in all, as far as can be told. */
static size_t frame_size(const Buffer *frame)
{
    const unsigned char *head = (const unsigned char *)buffer_data(frame);

    if (buffer_size(frame) < WRAP_HEAD)
        return WRAP_HEAD;
    return WRAP_HEAD + ((size_t)head[2] << 8 | head[3]);
}

static bool is_frame(const Buffer *frame)
{
    const char *head = buffer_data(frame);
    size_t n = buffer_size(frame);

    return (n < 1 || head[0] == WRAP_VERSION) && (n < 2 || head[1] == WRAP_DATA);
}

int proxy_wrap_in(ProxyWrap *wrap, const char *data, size_t n, Failure *f)
{
    int r = 0;

    while (n > 0 && r >= 0) {
        size_t part = MIN(n, frame_size(&wrap->frame) - buffer_size(&wrap->frame));

        r = buffer_append(&wrap->frame, data, part);
        data += part;
        n -= part;
        if (r >= 0 && !is_frame(&wrap->frame))
            return fail_frame("what has come is none", f);
        if (r >= 0 && buffer_size(&wrap->frame) >= WRAP_HEAD &&
            buffer_size(&wrap->frame) == frame_size(&wrap->frame))
            r = open_frame(wrap, f);
    }
    return r;
}
