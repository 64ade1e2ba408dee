/* The login of SOCKS5 by GSSAPI (RFC 1961): the context's words, then how all that follows is
 * protected. Must never go on with a proxy that has not proved itself. */
#include <errno.h>

#include "base/errors.h"
#include "proxy/dialogue_internal.h"

#define ROUNDS_MAX 8
#define LEVEL_INTEGRITY 1
#define LEVEL_CONFIDENTIALITY 2

static int say(ProxyDialogue *dialogue, WrapType type, const Buffer *token, Failure *f)
{
    int r = wrap_frame(&dialogue->output, type, buffer_data(token), buffer_size(token));

    return r == -EMSGSIZE
               ? proxy_fail(dialogue, r, REASON_PROXY_LOGIN, f,
                     "cannot be shown a Kerberos ticket of more than 64K (RFC 1961): have it "
                     "hold fewer groups")
               : r;
}

int socks_gssapi_begin(ProxyDialogue *dialogue, Failure *f)
{
    const Gssapi *gssapi = dialogue->options.gssapi;
    _cleanup_failure_ Failure why = {0};
    _cleanup_wiped_ Buffer token = {0};
    int r = gssapi->begin(gssapi->user, &dialogue->socks.context, &token, &why);

    if (r == -EAGAIN)
        return proxy_fail(dialogue, -EBADMSG, REASON_PROXY_LOGIN, f,
            "has been asked so often that the Kerberos tickets of this connection are used up; the "
            "next one gets more");
    if (r < 0)
        return proxy_fail_login(dialogue, r, &why, f);
    proxy_trace(dialogue, false, "SOCKS5: a Kerberos ticket");
    dialogue->socks.state = SOCKS_TOKEN;
    return say(dialogue, WRAP_CONTEXT, &token, f);
}

/* What is asked for is the most there is: the proxy knows what it must not see of it anyway. */
static int ask_for_level(ProxyDialogue *dialogue, Failure *f)
{
    static const char wanted[] = {LEVEL_CONFIDENTIALITY};
    _cleanup_failure_ Failure why = {0};
    _cleanup_buffer_ Buffer token = {0};
    int r = dialogue->options.gssapi->wrap(
        dialogue->socks.context, false, wanted, sizeof(wanted), &token, &why);

    if (r < 0)
        return proxy_fail_login(dialogue, r, &why, f);
    dialogue->socks.state = SOCKS_LEVEL;
    return say(dialogue, WRAP_LEVEL, &token, f);
}

static int take_token(ProxyDialogue *dialogue, const char *token, size_t n, Failure *f)
{
    Socks *s = &dialogue->socks;
    _cleanup_failure_ Failure why = {0};
    _cleanup_wiped_ Buffer answer = {0};
    bool complete = false;
    int r = dialogue->options.gssapi->step(s->context, token, n, &answer, &complete, &why);

    if (r < 0)
        return proxy_fail_login(dialogue, r, &why, f);
    if (!complete && (buffer_size(&answer) == 0 || ++s->n_rounds >= ROUNDS_MAX))
        return proxy_fail(dialogue, -EPROTO, REASON_PROXY_LOGIN, f,
            "goes on and on with GSSAPI: ask who runs it");
    if (buffer_size(&answer) > 0)
        r = say(dialogue, WRAP_CONTEXT, &answer, f);
    return r < 0 || !complete ? r : ask_for_level(dialogue, f);
}

static int take_level(ProxyDialogue *dialogue, const char *token, size_t n, Failure *f)
{
    Socks *s = &dialogue->socks;
    _cleanup_failure_ Failure why = {0};
    _cleanup_buffer_ Buffer level = {0};
    int r = dialogue->options.gssapi->unwrap(s->context, token, n, &level, NULL, &why);
    unsigned char agreed;

    if (r < 0)
        return proxy_fail_login(dialogue, r, &why, f);
    agreed = buffer_size(&level) == 1 ? (unsigned char)*buffer_data(&level) : 0;
    if (agreed != LEVEL_INTEGRITY && agreed != LEVEL_CONFIDENTIALITY)
        return proxy_fail(dialogue, -EPROTO, REASON_PROXY_LOGIN, f,
            "does not protect what follows GSSAPI (it answers level %u; 1 and 2 are known, RFC "
            "1961): have it do so",
            agreed);
    r = proxy_wrap_new(
        dialogue->options.gssapi, s->context, agreed == LEVEL_CONFIDENTIALITY, &s->wrap);
    if (r < 0)
        return r;
    s->context = NULL; /* the envelopes' now */
    proxy_trace(dialogue, true, "SOCKS5: logged in, what follows is %s",
        agreed == LEVEL_CONFIDENTIALITY ? "encrypted" : "signed");
    return socks_request(dialogue, f);
}

/* How many bytes the frame has in all, as far as can be told. */
static size_t frame_size(const Buffer *frame)
{
    const unsigned char *head = (const unsigned char *)buffer_data(frame);
    size_t n = buffer_size(frame);

    if (n >= 2 && head[1] == WRAP_ABORT)
        return 2;
    return n < WRAP_HEAD ? n + 1 : WRAP_HEAD + ((size_t)head[2] << 8 | head[3]);
}

/* One more byte, or several, of the frame. */
static int check_head(const ProxyDialogue *dialogue, const Buffer *frame, Failure *f)
{
    unsigned char wanted = dialogue->socks.state == SOCKS_TOKEN ? WRAP_CONTEXT : WRAP_LEVEL;
    const unsigned char *head = (const unsigned char *)buffer_data(frame);
    size_t n = buffer_size(frame);

    if (head[0] == WRAP_VERSION && (n < 2 || head[1] == wanted || head[1] == WRAP_ABORT))
        return 0;
    return proxy_fail_garbage(dialogue, buffer_data(frame), n, f);
}

static int take_frame(ProxyDialogue *dialogue, Failure *f)
{
    Socks *s = &dialogue->socks;
    const char *token = buffer_data(&s->frame) + WRAP_HEAD;
    size_t n = buffer_size(&s->frame);
    int r;

    if ((unsigned char)buffer_data(&s->frame)[1] == WRAP_ABORT)
        return socks_fail_login(dialogue, f);
    r = s->state == SOCKS_TOKEN ? take_token(dialogue, token, n - WRAP_HEAD, f)
                                : take_level(dialogue, token, n - WRAP_HEAD, f);
    buffer_clear(&s->frame);
    return r;
}

int socks_gssapi_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    Socks *s = &dialogue->socks;

    while (n > 0) {
        size_t part = MIN(n, frame_size(&s->frame) - buffer_size(&s->frame));
        int r = buffer_append(&s->frame, data, part) ?: check_head(dialogue, &s->frame, f);

        *ret_used += part;
        data += part;
        n -= part;
        if (r < 0)
            return r;
        if (buffer_size(&s->frame) >= 2 && buffer_size(&s->frame) == frame_size(&s->frame))
            return take_frame(dialogue, f);
    }
    return PROXY_MORE;
}
