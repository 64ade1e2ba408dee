/* proxy/dialogue: whatever a proxy says, in two pieces it is the same as in one, it comes to an
 * end, every line of ours is one line, and the password is never said but where SOCKS5 asks for it.
 * The first byte of the input chooses the kind of proxy, and whether there is a login; a byte 0xfe,
 * where HTTP has no use for it, closes the connection. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "proxy/dialogue.h"
#include "target.h"

#define PASSWORD "pass\"word"
#define OUTPUTS_MAX                                                               \
    12 /* answers of ours: two that were stale, and one more over each connection \
        */

typedef struct Seen {
    int result;
    FaultReason reason;
    size_t used, said;
    bool knows; /* the proxy says the password itself */
} Seen;

/* ---- a context that is played: "end" completes it, and an envelope is a byte more ---- */

static int begin(_unused_ void *user, void **ret_context, Buffer *out, _unused_ Failure *f)
{
    static char context;

    *ret_context = &context;
    return buffer_append_string(out, "ticket");
}

static int step(_unused_ void *context, const void *token, size_t n, Buffer *out,
    bool *ret_complete, Failure *f)
{
    if (n == 0)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "no word");
    *ret_complete = n == 3 && memcmp(token, "end", 3) == 0;
    return *ret_complete ? 0 : buffer_append_string(out, "more");
}

static int unwrap(_unused_ void *context, const void *token, size_t n, Buffer *out,
    bool *ret_encrypted, Failure *f)
{
    const char *text = token;

    if (n == 0)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "no envelope");
    if (ret_encrypted)
        *ret_encrypted = *text == '#';
    return n > 1 ? buffer_append(out, text + 1, n - 1) : 0;
}

static int wrap(_unused_ void *context, bool encrypted, const void *data, size_t n, Buffer *out,
    _unused_ Failure *f)
{
    return buffer_append(out, encrypted ? "#" : "~", 1) ?: buffer_append(out, data, n);
}

static void end(_unused_ void *context)
{
}

static const Gssapi gssapi = {
    .begin = begin, .step = step, .unwrap = unwrap, .wrap = wrap, .end = end};

static const ProxyOptions kinds[] = {
    {.kind = PROXY_TUNNEL, .host = "relay.test", .port = 25, .user = "a\"nn"},
    {.kind = PROXY_TUNNEL, .host = "relay.test", .port = 25},
    {.kind = PROXY_SOCKS5, .host = "relay.test", .port = 25, .user = "ann"},
    {.kind = PROXY_SOCKS5, .host = "relay.test", .port = 25},
    {.kind = PROXY_SOCKS4A, .host = "relay.test", .port = 25, .user = "ann"},
    {.kind = PROXY_SOCKS5,
        .host = "relay.test",
        .port = 25,
        .login = PROXY_LOGIN_GSSAPI,
        .gssapi = &gssapi},
    {.kind = PROXY_TUNNEL,
        .host = "relay.test",
        .port = 25,
        .login = PROXY_LOGIN_GSSAPI,
        .gssapi = &gssapi},
    {.kind = PROXY_TUNNEL,
        .host = "relay.test",
        .port = 25,
        .user = "ann",
        .login = PROXY_LOGIN_NTLM},
};

/* No header of ours may hold a line end that its proxy has thought of. */
static void check_request(const char *data, size_t n)
{
    size_t lines = 0;

    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            abort();
        if (data[i] == '\r' && (i + 1 == n || data[i + 1] != '\n'))
            abort();
        lines += data[i] == '\n';
    }
    if (n > 0 && (lines < 3 || lines > 5 || memcmp(data, "CONNECT relay.test:25 ", 22) != 0))
        abort();
}

static void hear(ProxyDialogue *dialogue, const ProxyOptions *options, Seen *seen)
{
    const Buffer *output = proxy_dialogue_output(dialogue);
    const char *data = buffer_data(output);
    size_t n = buffer_size(output);

    if (n == 0)
        return;
    if (options->kind == PROXY_TUNNEL)
        check_request(data, n);
    if (!seen->knows && memmem(data, n, PASSWORD, strlen(PASSWORD)) &&
        (options->kind != PROXY_SOCKS5 || *data != 1))
        abort();
    seen->said += n;
    proxy_dialogue_written(dialogue, n);
}

/* The piece up to the next that closes the connection, or to `end`. */
static size_t piece_of(const uint8_t *data, size_t at, size_t end, bool closes)
{
    const uint8_t *mark = closes ? memchr(data + at, 0xfe, end - at) : NULL;

    return mark ? (size_t)(mark - data) - at : end - at;
}

static void run(ProxyDialogue *dialogue, const ProxyOptions *options, const uint8_t *data,
    size_t size, size_t cut, Seen *seen, Failure *f)
{
    bool closes = options->kind == PROXY_TUNNEL;
    unsigned anew = 0;

    hear(dialogue, options, seen);
    while (seen->used < size && (seen->result == PROXY_MORE || seen->result == PROXY_ANEW)) {
        size_t end = seen->used < cut ? cut : size, used = 0;
        size_t n = piece_of(data, seen->used, end, closes);

        if (seen->result == PROXY_ANEW &&
            (++anew > OUTPUTS_MAX || proxy_dialogue_anew(dialogue, f) < 0))
            abort();
        hear(dialogue, options, seen);
        if (n > 0)
            seen->result =
                proxy_dialogue_receive(dialogue, (const char *)data + seen->used, n, &used, f);
        else {
            seen->result = proxy_dialogue_closed(dialogue, f);
            used = 1;
        }
        if (used > n + (n == 0) || (seen->result == PROXY_MORE && used < n &&
                                       buffer_size(proxy_dialogue_output(dialogue)) == 0))
            abort();
        seen->used += used;
        hear(dialogue, options, seen);
    }
}

static Seen talk(const uint8_t *data, size_t size, size_t cut)
{
    _cleanup_secret_ Secret *password = secret_new(PASSWORD, strlen(PASSWORD));
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;
    _cleanup_failure_ Failure f = {0};
    ProxyOptions options = kinds[size > 0 ? data[0] % ELEMENTSOF(kinds) : 0];
    Seen seen = {.used = size > 0, .knows = memmem(data, size, PASSWORD, strlen(PASSWORD))};

    options.proxy = "proxy.test port 1";
    options.password = options.user ? password : NULL;
    if (proxy_dialogue_new(&options, &dialogue, &f) < 0)
        abort();
    run(dialogue, &options, data, size, cut, &seen, &f);
    if (seen.result < 0 && seen.result != -ENOMEM &&
        (f.number != ERROR_FIREWALL || f.reason == REASON_NONE))
        abort();
    if (seen.result < 0 && !seen.knows && strstr(failure_text(&f), PASSWORD))
        abort();
    seen.reason = f.reason;
    return seen;
}

/* What is shown of a line is looked through for secrets in each writing. */
const FuzzBudget fuzz_budget = {.steps = 60000, .steps_per_byte = 220};

void fuzz_input(const uint8_t *data, size_t size)
{
    Seen whole = talk(data, size, size), split = talk(data, size, size / 2);

    if (whole.result != split.result || whole.reason != split.reason || whole.said != split.said ||
        (whole.result >= 0 && whole.used != split.used))
        abort();
}
