/* SOCKS: version 5 (RFC 1928) with user and password (RFC 1929), or with GSSAPI, version 4, and 4a,
 * by which the proxy looks the name up. Must never say a password before it was asked for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/dialogue_internal.h"

#define WORD_MAX 255 /* of version 5: a name, a user, a password */

#define METHOD_NONE 0x00
#define METHOD_GSSAPI 0x01
#define METHOD_PASSWORD 0x02
#define METHOD_REFUSED 0xff
#define COMMAND_CONNECT 0x01
#define TYPE_IPV4 0x01
#define TYPE_NAME 0x03
#define TYPE_IPV6 0x04
#define GRANTED_5 0x00
#define GRANTED_4 90

typedef struct SocksCode {
    unsigned char code;
    FaultReason reason;
    const char *words, *advice;
    bool on_target; /* behind the advice, if any, comes that on the target */
} SocksCode;

#define SEE_LOG "the proxy's log may say more"

/* RFC 1928, 6. */
static const SocksCode codes_5[] = {
    {1, REASON_PROXY_TARGET, "general failure", SEE_LOG, true},
    {2, REASON_PROXY_REFUSED, "not allowed by its rules", PROXY_ASK_OWNER},
    {3, REASON_PROXY_TARGET, "network unreachable", NULL, true},
    {4, REASON_PROXY_TARGET, "host unreachable", NULL, true},
    {5, REASON_PROXY_TARGET, "connection refused", "nothing listens there", true},
    {6, REASON_PROXY_TARGET, "time to live expired", NULL, true},
    {7, REASON_PROXY_REFUSED, "command not supported", "it makes no connections: use another"},
    {8, REASON_PROXY_TARGET, "address type not supported",
        "set proxy_resolve or ip_version to what it can do"},
};

static const SocksCode codes_4[] = {
    {91, REASON_PROXY_TARGET, "rejected or failed", SEE_LOG, true},
    {92, REASON_PROXY_LOGIN, "it cannot ask this machine's identd who we are", PROXY_ASK_OWNER},
    {93, REASON_PROXY_LOGIN, "identd says that we are somebody else", "check proxy_user"},
};

static bool is_version_5(const ProxyDialogue *dialogue)
{
    return dialogue->options.kind == PROXY_SOCKS5;
}

static const char *version(const ProxyDialogue *dialogue)
{
    static const char *const names[] = {
        [PROXY_SOCKS4] = "SOCKS4", [PROXY_SOCKS4A] = "SOCKS4a", [PROXY_SOCKS5] = "SOCKS5"};

    return names[dialogue->options.kind];
}

int socks_check(const ProxyDialogue *dialogue, Failure *f)
{
    const ProxyOptions *o = &dialogue->options;

    if (is_version_5(dialogue)) {
        if ((o->user && strlen(o->user) > WORD_MAX) ||
            (o->password && secret_size(o->password) > WORD_MAX))
            return proxy_fail(dialogue, -EINVAL, REASON_PROXY_LOGIN, f,
                "cannot be told a user or a password of more than 255 bytes (RFC 1929): correct "
                "proxy_user or proxy_password");
        return 0;
    }
    if (o->address && o->address_bytes != 4)
        return proxy_fail(dialogue, -EINVAL, REASON_PROXY_TARGET, f,
            "cannot be told the IPv6 address %s, %s has none: set proxy_type = \"socks5\", or "
            "ip_version = 0",
            dialogue->target, version(dialogue));
    if (!o->address && o->kind == PROXY_SOCKS4)
        return proxy_fail(dialogue, -EINVAL, REASON_PROXY_REFUSED, f,
            "cannot look up %s, SOCKS4 has no names: set proxy_type = \"socks4a\"", o->host);
    return 0;
}

static int append_port(const ProxyDialogue *dialogue, Buffer *out)
{
    unsigned port = dialogue->options.port;

    return buffer_append(out, (char[]){(char)(port >> 8), (char)port}, 2);
}

static int request_4(ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;
    const char *user = o->user ?: "";
    /* No address at all asks for the name behind the user. */
    const unsigned char *address = o->address ?: (const unsigned char[]){0, 0, 0, 1};
    Buffer *out = &dialogue->output;
    int r = buffer_append(out, (char[]){4, COMMAND_CONNECT}, 2) ?: append_port(dialogue, out);

    r = r ?: buffer_append(out, address, 4) ?: buffer_append(out, user, strlen(user) + 1);
    if (r >= 0 && !o->address)
        r = buffer_append(out, o->host, strlen(o->host) + 1);
    proxy_trace(dialogue, false, "%s: connect to %s%s%s", version(dialogue), dialogue->target,
        *user ? " as user " : "", user);
    dialogue->socks.state = SOCKS_REPLY;
    return r;
}

static int write_request_5(const ProxyDialogue *dialogue, Buffer *out)
{
    const ProxyOptions *o = &dialogue->options;
    unsigned char type = TYPE_NAME, n = 0;
    int r;

    if (o->address)
        type = o->address_bytes == 4 ? TYPE_IPV4 : TYPE_IPV6;
    r = buffer_append(out, (char[]){5, COMMAND_CONNECT, 0, (char)type}, 4);
    if (r >= 0 && o->address)
        r = buffer_append(out, o->address, o->address_bytes);
    if (r >= 0 && !o->address) {
        n = (unsigned char)strlen(o->host);
        r = buffer_append(out, &n, 1) ?: buffer_append(out, o->host, n);
    }
    return r ?: append_port(dialogue, out);
}

int socks_request(ProxyDialogue *dialogue, Failure *f)
{
    Socks *s = &dialogue->socks;
    _cleanup_buffer_ Buffer request = {0};
    ssize_t r = write_request_5(dialogue, &request);

    proxy_trace(dialogue, false, "SOCKS5: connect to %s", dialogue->target);
    s->state = SOCKS_REPLY;
    if (r >= 0)
        r = s->wrap
                ? proxy_wrap_out(
                      s->wrap, buffer_data(&request), buffer_size(&request), &dialogue->output, f)
                : buffer_append(&dialogue->output, buffer_data(&request), buffer_size(&request));
    return (int)MIN(r, 0);
}

/* The ways to log in; the proxy chooses. */
static int offer_5(ProxyDialogue *dialogue)
{
    static const char methods[] = {5, 2, METHOD_NONE, METHOD_PASSWORD};
    static const char none[] = {5, 1, METHOD_NONE};
    static const char gssapi[] = {5, 1, METHOD_GSSAPI};

    dialogue->socks.state = SOCKS_METHOD;
    if (dialogue->options.login == PROXY_LOGIN_GSSAPI) {
        proxy_trace(dialogue, false, "SOCKS5: GSSAPI");
        return buffer_append(&dialogue->output, gssapi, sizeof(gssapi));
    }
    proxy_trace(dialogue, false, "SOCKS5: no login%s",
        dialogue->options.user ? ", or user and password" : "");
    return dialogue->options.user ? buffer_append(&dialogue->output, methods, sizeof(methods))
                                  : buffer_append(&dialogue->output, none, sizeof(none));
}

void socks_done(ProxyDialogue *dialogue)
{
    Socks *s = &dialogue->socks;

    proxy_wrap_free(s->wrap);
    if (s->context)
        dialogue->options.gssapi->end(s->context);
    buffer_done(&s->frame);
    *s = (Socks){0};
}

int socks_begin(ProxyDialogue *dialogue, _unused_ Failure *f)
{
    socks_done(dialogue);
    return is_version_5(dialogue) ? offer_5(dialogue) : request_4(dialogue);
}

/* RFC 1929, 2. */
static int log_in(ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;
    unsigned char n_user = (unsigned char)strlen(o->user);
    unsigned char n_password = o->password ? (unsigned char)secret_size(o->password) : 0;
    Buffer *out = &dialogue->output;
    int r = proxy_reserve(out, 3 + 2 * WORD_MAX);

    r = r ?: buffer_append(out, (char[]){1, (char)n_user}, 2);
    r = r ?: buffer_append(out, o->user, n_user) ?: buffer_append(out, &n_password, 1);
    if (r >= 0 && n_password > 0)
        r = buffer_append(out, secret_text(o->password), n_password);
    proxy_trace(dialogue, false, "SOCKS5: user %s, password ***", o->user);
    dialogue->socks.state = SOCKS_LOGIN;
    return r;
}

/* ---- what it answers ---- */

static int fail_with_code(
    const ProxyDialogue *dialogue, const SocksCode *codes, size_t n, unsigned char code, Failure *f)
{
    SocksCode found = {code, REASON_PROXY_TARGET, "which means nothing", SEE_LOG};

    char target[PROXY_ADVICE_MAX] = "";

    for (size_t i = 0; i < n; i++)
        if (codes[i].code == code)
            found = codes[i];
    if (found.on_target)
        proxy_advise_on_target(dialogue, target);
    proxy_trace(dialogue, true, "%s: code %u, %s", version(dialogue), code, found.words);
    return proxy_fail(dialogue, -ECONNREFUSED, found.reason, f,
        "did not connect to %s (%s code %u, %s): %s%s%s", dialogue->target, version(dialogue), code,
        found.words, found.advice ?: "", found.advice && *target ? "; " : "", target);
}

int socks_fail_login(const ProxyDialogue *dialogue, Failure *f)
{
    if (dialogue->options.login == PROXY_LOGIN_GSSAPI)
        return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
            "does not take the Kerberos ticket: check proxy_kerberos_service, proxy_user and the "
            "proxy's log");
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "does not take the login of %s: check proxy_user and proxy_password",
        dialogue->options.user);
}

static int fail_method(const ProxyDialogue *dialogue, unsigned char method, Failure *f)
{
    if (method != METHOD_REFUSED)
        return proxy_fail(dialogue, -EPROTO, REASON_PROXY_LOGIN, f,
            "wants a login of a kind that was not offered to it (SOCKS5 method %u): outbox can do "
            "without one, user and password, and GSSAPI (proxy_auth)",
            method);
    if (dialogue->options.login == PROXY_LOGIN_GSSAPI)
        return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
            "does not do GSSAPI (SOCKS5 method 255): leave proxy_auth out, or ask who runs it");
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f, "%s",
        dialogue->options.user
            ? "takes neither user and password nor no login (SOCKS5 method 255): ask who runs "
              "it what it wants, and whether it lets this machine in"
            : "wants a login (SOCKS5 method 255): set proxy_user and proxy_password, or for "
              "Kerberos proxy_auth = \"gssapi\", or ask who runs it to let this machine in");
}

static int take_method(ProxyDialogue *dialogue, unsigned char method, Failure *f)
{
    bool is_gssapi = dialogue->options.login == PROXY_LOGIN_GSSAPI;

    if (method == METHOD_NONE && !is_gssapi)
        return socks_request(dialogue, f);
    if (method == METHOD_PASSWORD && dialogue->options.user && !is_gssapi)
        return log_in(dialogue);
    if (method == METHOD_GSSAPI && is_gssapi && dialogue->options.gssapi)
        return socks_gssapi_begin(dialogue, f);
    return fail_method(dialogue, method, f);
}

/* How many bytes the answer has in all, as far as can be told by those that have come. Only one
 * that is granted has to be whole: others may just end. */
static size_t answer_size(const ProxyDialogue *dialogue)
{
    const Socks *s = &dialogue->socks;

    if (s->n < 2)
        return s->n + 1;
    if (s->state != SOCKS_REPLY)
        return 2;
    if (!is_version_5(dialogue))
        return s->answer[1] == GRANTED_4 ? 8 : 2;
    if (s->answer[1] != GRANTED_5)
        return 2;
    if (s->n < 5)
        return s->n + 1;
    switch (s->answer[3]) {
    case TYPE_IPV4: return 4 + 4 + 2;
    case TYPE_IPV6: return 4 + 16 + 2;
    case TYPE_NAME: return 4 + 1 + (size_t)s->answer[4] + 2;
    default: return s->n;
    }
}

/* Some answer a login with their own version and not with that of RFC 1929. */
static bool is_first_byte(const ProxyDialogue *dialogue, unsigned char c)
{
    if (!is_version_5(dialogue))
        return c == 0;
    return c == 5 || (dialogue->socks.state == SOCKS_LOGIN && c == 1);
}

static int take_answer(ProxyDialogue *dialogue, Failure *f)
{
    Socks *s = &dialogue->socks;
    unsigned char code = s->answer[1];

    if (s->state == SOCKS_METHOD)
        return take_method(dialogue, code, f);
    if (s->state == SOCKS_LOGIN)
        return code == 0 ? socks_request(dialogue, f) : socks_fail_login(dialogue, f);
    if (is_version_5(dialogue) && code != GRANTED_5)
        return fail_with_code(dialogue, codes_5, ELEMENTSOF(codes_5), code, f);
    if (!is_version_5(dialogue) && code != GRANTED_4)
        return fail_with_code(dialogue, codes_4, ELEMENTSOF(codes_4), code, f);
    if (is_version_5(dialogue) && s->n == 5)
        return proxy_fail_garbage(dialogue, (const char *)s->answer, s->n, f);
    proxy_trace(dialogue, true, "%s: connected", version(dialogue));
    return PROXY_STANDS;
}

static int receive_answer(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    Socks *s = &dialogue->socks;

    for (size_t i = 0; i < n && buffer_size(&dialogue->output) == 0;) {
        int r;

        s->answer[s->n++] = (unsigned char)data[i++];
        *ret_used += 1;
        if (s->n == 1 && !is_first_byte(dialogue, s->answer[0]))
            return proxy_fail_garbage(dialogue, data + i - 1, n - i + 1, f);
        if (s->n < answer_size(dialogue))
            continue;
        r = take_answer(dialogue, f);
        if (r != 0)
            return r;
        s->n = 0;
        if (s->state == SOCKS_TOKEN)
            break;
    }
    return PROXY_MORE;
}

/* From out of envelopes; what is behind the answer stays in them. */
static int receive_wrapped(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    Socks *s = &dialogue->socks;
    Buffer *clear = proxy_wrap_clear(s->wrap);
    size_t used = 0;
    int r = proxy_wrap_in(s->wrap, data, n, f);

    *ret_used += n;
    if (r >= 0 && buffer_size(clear) > 0) {
        r = receive_answer(dialogue, buffer_data(clear), buffer_size(clear), &used, f);
        buffer_consume(clear, used);
    }
    return r;
}

int socks_receive(ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    const Socks *s = &dialogue->socks;
    int r = PROXY_MORE;

    while (r == PROXY_MORE && *ret_used < n && buffer_size(&dialogue->output) == 0) {
        const char *rest = data + *ret_used;
        size_t left = n - *ret_used;

        if (s->state == SOCKS_TOKEN || s->state == SOCKS_LEVEL)
            r = socks_gssapi_receive(dialogue, rest, left, ret_used, f);
        else
            r = s->wrap ? receive_wrapped(dialogue, rest, left, ret_used, f)
                        : receive_answer(dialogue, rest, left, ret_used, f);
    }
    return r;
}
