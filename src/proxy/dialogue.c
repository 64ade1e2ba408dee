/* What the kinds of proxies have in common. Must never show a secret, nor do I/O. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "proxy/dialogue_internal.h"

#define QUOTED_MAX 60 /* bytes of what a proxy said, in a failure */

void proxy_trace(const ProxyDialogue *dialogue, bool from_proxy, const char *format, ...)
{
    va_list arguments;
    char line[512];
    int n;

    if (!dialogue->options.trace)
        return;
    va_start(arguments, format);
    n = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (n > 0)
        dialogue->options.trace(
            dialogue->options.trace_user, from_proxy, line, MIN((size_t)n, sizeof(line) - 1));
}

int proxy_fail(const ProxyDialogue *dialogue, int error, FaultReason reason, Failure *f,
    const char *format, ...)
{
    _cleanup_free_
    char *words = NULL;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vasprintf(&words, format, arguments);
    va_end(arguments);
    if (n < 0) {
        words = NULL;
        return -ENOMEM;
    }
    return failure_reason(f, reason,
        failure_set(f, error, ERROR_FIREWALL, "the proxy %s %s", dialogue->options.proxy, words));
}

int proxy_fail_login(const ProxyDialogue *dialogue, int error, const Failure *why, Failure *f)
{
    if (error == -ENOMEM)
        return error;
    return proxy_fail(
        dialogue, error, REASON_PROXY_LOGIN, f, "cannot be logged in at: %s", failure_text(why));
}

int proxy_fail_garbage(const ProxyDialogue *dialogue, const char *data, size_t n, Failure *f)
{
    static const char *const protocols[] = {[PROXY_TUNNEL] = "HTTP",
        [PROXY_SOCKS4] = "SOCKS version 4",
        [PROXY_SOCKS4A] = "SOCKS version 4a",
        [PROXY_SOCKS5] = "SOCKS version 5"};
    _cleanup_free_
    char *shown = proxy_printable(dialogue, data, n, QUOTED_MAX);

    if (!shown)
        return -ENOMEM;
    return proxy_fail(dialogue, -EPROTO, REASON_PROXY_NOT_SPOKEN, f,
        "does not speak %s (\"%s\"): check proxy_type and proxy_port",
        protocols[dialogue->options.kind], shown);
}

void proxy_wipe(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

int proxy_reserve(Buffer *output, size_t n)
{
    return buffer_reserve(output, n) ? 0 : -ENOMEM;
}

const char *proxy_advise_on_target(const ProxyDialogue *dialogue, char ret[static PROXY_ADVICE_MAX])
{
    const char *setting = dialogue->options.host_setting ?: "host and port";

    snprintf(ret, PROXY_ADVICE_MAX, "%s%.100s%sthat the proxy can get there",
        *setting ? "check " : "see ", setting, *setting ? ", and " : "");
    return ret;
}

/* ---- the dialogue ---- */

static bool is_tunnel(const ProxyDialogue *dialogue)
{
    return dialogue->options.kind == PROXY_TUNNEL;
}

/* False when the name is too long. */
static bool write_target(ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;
    char address[INET6_ADDRSTRLEN] = "";
    const char *host = o->host;
    int n;

    if (o->address &&
        inet_ntop(o->address_bytes == 4 ? AF_INET : AF_INET6, o->address, address, sizeof(address)))
        host = address;
    n = snprintf(dialogue->target, sizeof(dialogue->target),
        strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, o->port);
    return n > 0 && (size_t)n < sizeof(dialogue->target) && strlen(host) <= 255;
}

static int begin(ProxyDialogue *dialogue, Failure *f)
{
    return is_tunnel(dialogue) ? tunnel_begin(dialogue, f) : socks_begin(dialogue, f);
}

int proxy_dialogue_new(const ProxyOptions *options, ProxyDialogue **ret, Failure *f)
{
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = calloc(1, sizeof(ProxyDialogue));
    int r = 0;

    if (!dialogue)
        return -ENOMEM;
    dialogue->options = *options;
    if (!write_target(dialogue))
        r = proxy_fail(dialogue, -EINVAL, REASON_PROXY_REFUSED, f,
            "cannot be told a name of more than 255 bytes: correct host");
    else if (!is_tunnel(dialogue))
        r = socks_check(dialogue, f);
    if (r >= 0)
        r = begin(dialogue, f);
    if (r >= 0)
        *ret = TAKE_PTR(dialogue);
    return r;
}

static void wipe_output(ProxyDialogue *dialogue)
{
    if (dialogue->output.memory)
        explicit_bzero(dialogue->output.memory, dialogue->output.allocated);
    buffer_clear(&dialogue->output);
}

void proxy_dialogue_free(ProxyDialogue *dialogue)
{
    if (!dialogue)
        return;
    wipe_output(dialogue);
    buffer_done(&dialogue->output);
    if (is_tunnel(dialogue))
        tunnel_done(dialogue);
    else
        socks_done(dialogue);
    free(dialogue);
}

void proxy_dialogue_bind(ProxyDialogue *dialogue, const void *end_point, size_t n)
{
    dialogue->end_point_size = end_point && n <= sizeof(dialogue->end_point) ? n : 0;
    if (dialogue->end_point_size > 0)
        memcpy(dialogue->end_point, end_point, n);
}

const Buffer *proxy_dialogue_output(const ProxyDialogue *dialogue)
{
    return &dialogue->output;
}

void proxy_dialogue_written(ProxyDialogue *dialogue, size_t n)
{
    buffer_consume(&dialogue->output, n);
    if (buffer_size(&dialogue->output) == 0)
        wipe_output(dialogue);
}

int proxy_dialogue_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f)
{
    *ret_used = 0;
    return is_tunnel(dialogue) ? tunnel_receive(dialogue, data, n, ret_used, f)
                               : socks_receive(dialogue, data, n, ret_used, f);
}

int proxy_dialogue_closed(ProxyDialogue *dialogue, Failure *f)
{
    if (is_tunnel(dialogue) && tunnel_is_worth_another(dialogue))
        return PROXY_ANEW;
    if (is_tunnel(dialogue) && dialogue->tunnel.bound == BOUND_ANSWERS)
        return proxy_fail(dialogue, -ECONNRESET, REASON_PROXY_CLOSED, f,
            "closed the connection in the middle of the login: look into its log");
    return proxy_fail(dialogue, -ECONNRESET, REASON_PROXY_CLOSED, f,
        "closed the connection without a word about %s: check proxy_type and proxy_port, and "
        "whether it lets this machine in",
        dialogue->target);
}

ProxyWrap *proxy_dialogue_take_wrap(ProxyDialogue *dialogue)
{
    return is_tunnel(dialogue) ? NULL : TAKE_PTR(dialogue->socks.wrap);
}

int proxy_dialogue_anew(ProxyDialogue *dialogue, Failure *f)
{
    wipe_output(dialogue);
    dialogue->end_point_size = 0;
    return begin(dialogue, f);
}

ProxyPhase proxy_dialogue_phase(const ProxyDialogue *dialogue)
{
    if (is_tunnel(dialogue) || dialogue->socks.state == SOCKS_REPLY)
        return PROXY_CONNECTS;
    return dialogue->socks.state == SOCKS_METHOD ? PROXY_IS_GREETED : PROXY_LOGS_IN;
}
