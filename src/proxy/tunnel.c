/* HTTP CONNECT: the request, and reading the answers (RFC 9112, 4 and 5). Must never take a byte of
 * the relay's for the proxy's, nor keep more than one line and what its fields are worth. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proxy/dialogue_internal.h"

#define STATUS_SHOWN_MAX 100 /* bytes of a status line, in words */

static void forget_answer(Tunnel *t)
{
    free(t->status);
    t->status = NULL;
    t->code = 0;
    t->keeps = t->length_is_known = t->chunked = false;
    t->body = 0;
    buffer_clear(&t->challenges);
    t->state = TUNNEL_STATUS;
}

void tunnel_done(ProxyDialogue *dialogue)
{
    Tunnel *t = &dialogue->tunnel;

    forget_answer(t);
    tunnel_end_login(dialogue);
    buffer_done(&t->line);
    buffer_done(&t->challenges);
    challenge_done(&t->challenge);
    proxy_wipe(&t->authentication);
}

bool tunnel_goes_on(const Tunnel *t)
{
    return t->keeps && (t->length_is_known || t->chunked);
}

/* Where a 407 has come, some close the connection though they have said that it goes on. */
bool tunnel_is_worth_another(const ProxyDialogue *dialogue)
{
    const Tunnel *t = &dialogue->tunnel;

    if ((!t->authentication && t->bound != BOUND_BEGINS) || t->bound == BOUND_ANSWERS)
        return false;
    return t->state >= TUNNEL_BODY ||
           (t->used && t->state == TUNNEL_STATUS && buffer_size(&t->line) == 0);
}

/* ---- the request ---- */

/* Lines that the settings add, however they end there; what they say may be a secret. */
static int append_data(ProxyDialogue *dialogue)
{
    const Secret *data = dialogue->options.data;
    const char *line = data ? secret_text(data) : "";
    int r = 0;

    while (r >= 0 && *line) {
        size_t n = strcspn(line, "\r\n");

        if (n > 0) {
            r = buffer_append(&dialogue->output, line, n)
                    ?: buffer_append(&dialogue->output, "\r\n", 2);
            proxy_trace(dialogue, false, "%.*s: ***", (int)strcspn(line, ":"), line);
        }
        line += n + strspn(line + n, "\r\n");
    }
    return r;
}

static int append_authentication(ProxyDialogue *dialogue)
{
    const char *value = dialogue->tunnel.authentication;

    if (!value)
        return 0;
    proxy_trace(dialogue, false, "Proxy-Authorization: %.*s ***", (int)strcspn(value, " "), value);
    return buffer_append_string(&dialogue->output, "Proxy-Authorization: ")
               ?: buffer_append_string(&dialogue->output, value)
               ?: buffer_append(&dialogue->output, "\r\n", 2);
}

static int request(ProxyDialogue *dialogue, Failure *f)
{
    static const char keeps[] = "Proxy-Connection: keep-alive\r\n";
    Tunnel *t = &dialogue->tunnel;
    const Secret *data = dialogue->options.data;
    int r = t->bound == BOUND_BEGINS ? tunnel_begin_login(dialogue, f) : 0;
    size_t room = sizeof("CONNECT  HTTP/1.1\r\nHost: \r\nProxy-Authorization: \r\n\r\n") +
                  sizeof(keeps) + 2 * strlen(dialogue->target) +
                  (data ? 2 * secret_size(data) + 2 : 0) +
                  (t->authentication ? strlen(t->authentication) : 0);

    r = r
            ?: proxy_reserve(&dialogue->output, room)
            ?: buffer_appendf(&dialogue->output, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n",
                   dialogue->target, dialogue->target);
    proxy_trace(dialogue, false, "CONNECT %s HTTP/1.1", dialogue->target);
    /* What else would a proxy of HTTP/1.0 do. */
    if (r >= 0 && t->bound != BOUND_NOT)
        r = buffer_append_string(&dialogue->output, keeps);
    r = r ?: append_authentication(dialogue) ?: append_data(dialogue);
    return r ?: buffer_append(&dialogue->output, "\r\n", 2);
}

int tunnel_begin(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;

    forget_answer(t);
    buffer_clear(&t->line);
    t->header = 0;
    t->used = false;
    if (t->bound != BOUND_NOT)
        t->bound = BOUND_BEGINS;
    return request(dialogue, f);
}

/* ---- lines of the answer ---- */

static int take_status(ProxyDialogue *dialogue, const char *line, size_t n, Failure *f)
{
    static const char start[] = "HTTP/1.";
    Tunnel *t = &dialogue->tunnel;
    const size_t n_start = sizeof(start) - 1;

    /* "HTTP/1.1 200 OK"; the reason may be missing, and the blank before it, too. */
    if (n < n_start + 5 || !text_starts_nocase(line, start) ||
        strspn(line + n_start + 2, "0123456789") != 3 || line[n_start + 1] != ' ' ||
        (n > n_start + 5 && line[n_start + 5] != ' '))
        return proxy_fail_garbage(dialogue, line, n, f);
    t->code = (unsigned)strtoul(line + n_start + 2, NULL, 10);
    t->status = proxy_printable(dialogue, line + n_start + 2, n - n_start - 2, STATUS_SHOWN_MAX);
    if (!t->status)
        return -ENOMEM;
    if (t->code < 100 || t->code == 101 || t->code > 599)
        return proxy_fail_garbage(dialogue, line, n, f);
    t->keeps = line[n_start] != '0';
    t->state = TUNNEL_FIELDS;
    return 0;
}

static bool has_option(const char *value, size_t n, const char *option)
{
    for (size_t at = 0; at < n;) {
        size_t word = strcspn(value + at, ", \t");

        if (word == strlen(option) && strncasecmp(value + at, option, word) == 0)
            return true;
        at += word + 1;
    }
    return false;
}

/* Two that differ, or one that is no number: as if it were not there, so that the connection is not
 * used again. */
static void take_length(Tunnel *t, const char *value)
{
    char *end;
    unsigned long length = strtoul(value, &end, 10);
    bool good = *value >= '0' && *value <= '9' && *end == '\0' && length <= PROXY_HEADER_MAX;

    if (!good || (t->length_is_known && t->body != length))
        t->keeps = false;
    t->length_is_known = good;
    t->body = good ? length : 0;
}

/* One that is not known, or twice: as above. */
static void take_encoding(Tunnel *t, const char *value, size_t n)
{
    bool good = n == strlen("chunked") && strncasecmp(value, "chunked", n) == 0 && !t->chunked;

    t->keeps = t->keeps && good;
    t->chunked = true;
}

static int take_field(ProxyDialogue *dialogue, const char *line, size_t n, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    size_t name = strcspn(line, ":");
    const char *value = line + name + 1;

    if (*line == ' ' || *line == '\t')
        return 0; /* the rest of a folded line (RFC 9112, 5.2): of nothing that is looked at */
    if (name == 0 || name >= n)
        return proxy_fail_garbage(dialogue, line, n, f);
    value += strspn(value, " \t");
    n -= (size_t)(value - line);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (text_starts_nocase(line, "Content-Length:"))
        take_length(t, value);
    else if (text_starts_nocase(line, "Transfer-Encoding:"))
        take_encoding(t, value, n);
    else if (text_starts_nocase(line, "Connection:") ||
             text_starts_nocase(line, "Proxy-Connection:"))
        t->keeps =
            (t->keeps && !has_option(value, n, "close")) || has_option(value, n, "keep-alive");
    else if (text_starts_nocase(line, "Proxy-Authenticate:"))
        return buffer_append(&t->challenges, value, n) ?: buffer_append(&t->challenges, ", ", 2);
    return 0;
}

/* ---- whole answers ---- */

/* The answer was read; its request is made again, with the login. */
static int go_on(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;

    if (!tunnel_goes_on(t))
        return PROXY_ANEW;
    forget_answer(t);
    t->used = true;
    return request(dialogue, f);
}

/* The empty line behind the fields. */
static int take_answer(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    int r;

    if (t->code < 200) {
        forget_answer(t);
        return PROXY_MORE;
    }
    proxy_trace(dialogue, true, "HTTP %s", t->status);
    if (t->code < 300)
        return PROXY_STANDS;
    if (t->code != 407)
        return tunnel_refused(dialogue, f);
    /* Two ways to tell where it ends are for two readers (RFC 9112, 6.1). */
    t->keeps = t->keeps && !(t->chunked && t->length_is_known);
    r = tunnel_answer_challenge(dialogue, f);
    if (r < 0)
        return r;
    t->state = t->chunked ? TUNNEL_CHUNK_SIZE : TUNNEL_BODY;
    return !tunnel_goes_on(t) || (!t->chunked && t->body == 0) ? go_on(dialogue, f) : PROXY_MORE;
}

static int too_long(const ProxyDialogue *dialogue, const char *what, Failure *f)
{
    return proxy_fail(dialogue, -EMSGSIZE, REASON_PROXY_NOT_SPOKEN, f,
        "answers with %s: check proxy_type and proxy_port, or look into the proxy's log", what);
}

/* ---- a body in chunks ---- */

/* "1a", and what an extension has behind it. */
static int take_chunk_size(ProxyDialogue *dialogue, const char *line, size_t n, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    unsigned long size = digits > 0 && digits <= 8 ? strtoul(line, NULL, 16) : ULONG_MAX;

    if (digits == 0 || (digits < n && !strchr("; \t", line[digits])))
        return proxy_fail_garbage(dialogue, line, n, f);
    if (size > PROXY_HEADER_MAX)
        return too_long(dialogue, "a body without end", f);
    t->state = size == 0 ? TUNNEL_TRAILERS : TUNNEL_CHUNK;
    t->body = size;
    return 0;
}

static int take_chunk_line(ProxyDialogue *dialogue, const char *line, size_t n, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;

    if (t->state == TUNNEL_CHUNK_SIZE)
        return take_chunk_size(dialogue, line, n, f);
    if (t->state == TUNNEL_TRAILERS)
        return n == 0 ? go_on(dialogue, f) : 0;
    if (n > 0)
        return proxy_fail_garbage(dialogue, line, n, f);
    t->state = TUNNEL_CHUNK_SIZE;
    return 0;
}

static int take_line(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    size_t n = buffer_size(&t->line) - 1; /* without LF */
    const char *line;

    if (n > 0 && *buffer_at(&t->line, n - 1) == '\r')
        n--;
    buffer_truncate(&t->line, n);
    if (buffer_append(&t->line, "", 1) < 0)
        return -ENOMEM;
    line = buffer_data(&t->line);
    /* What it says of itself is said back to it: nothing that could begin another line. */
    if (memchr(line, '\0', n) || memchr(line, '\r', n))
        return proxy_fail_garbage(dialogue, line, n, f);
    if (t->state == TUNNEL_STATUS)
        return take_status(dialogue, line, n, f);
    if (t->state > TUNNEL_BODY)
        return take_chunk_line(dialogue, line, n, f);
    return n == 0 ? take_answer(dialogue, f) : take_field(dialogue, line, n, f);
}

/* A part of a line, or the end of one; as socks_receive(). */
static int receive_line(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    const char *end = memchr(data, '\n', n);
    size_t part = end ? (size_t)(end - data) + 1 : n;
    int r;

    if (buffer_size(&t->line) + part > PROXY_LINE_MAX)
        return too_long(dialogue, "a line without end", f);
    if (t->header + part > PROXY_HEADER_MAX)
        return too_long(dialogue, "a header without end", f);
    if (buffer_append(&t->line, data, part) < 0)
        return -ENOMEM;
    t->header += part;
    *ret_used += part;
    if (!end)
        return PROXY_MORE;
    r = take_line(dialogue, f);
    buffer_clear(&t->line);
    return r;
}

static int skip_body(ProxyDialogue *dialogue, size_t n, size_t *ret_used, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    size_t part = MIN(n, t->body);

    if (t->state == TUNNEL_CHUNK && t->header + part > PROXY_HEADER_MAX)
        return too_long(dialogue, "a body without end", f);
    t->header += t->state == TUNNEL_CHUNK ? part : 0;
    t->body -= part;
    *ret_used += part;
    if (t->body > 0)
        return PROXY_MORE;
    if (t->state == TUNNEL_BODY)
        return go_on(dialogue, f);
    t->state = TUNNEL_CHUNK_END;
    return PROXY_MORE;
}

int tunnel_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    const Tunnel *t = &dialogue->tunnel;
    int r = PROXY_MORE;

    while (r == PROXY_MORE && *ret_used < n && buffer_size(&dialogue->output) == 0) {
        const char *rest = data + *ret_used;
        size_t left = n - *ret_used;

        r = t->state == TUNNEL_BODY || t->state == TUNNEL_CHUNK
                ? skip_body(dialogue, left, ret_used, f)
                : receive_line(dialogue, rest, left, ret_used, f);
    }
    return r;
}
