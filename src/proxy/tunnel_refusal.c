/* What a proxy of HTTP refuses, in words, and what is shown to it where it wants a login. Must
 * never show a password that was not asked for, nor a wrong one twice. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "proxy/dialogue_internal.h"
#include "proxy/digest.h"

#define STALE_MAX 2 /* nonces that were too old */
#define NAMES_SHOWN_MAX 120

typedef struct StatusRow {
    unsigned code;
    FaultReason reason;
    const char *advice;
} StatusRow;

#define ASK_OWNER "ask who runs it to let this machine go to that host and port"
#define CHECK_TARGET "check host and port, and that the proxy can get there"

/* RFC 9110, 15. */
static const StatusRow rows[] = {
    {400, REASON_PROXY_REFUSED, "see its log, and check proxy_data"},
    {401, REASON_PROXY_LOGIN, "check proxy_user and proxy_password"},
    {403, REASON_PROXY_REFUSED, ASK_OWNER ": many allow port 443 alone"},
    {404, REASON_PROXY_REFUSED, "it may be a web server: check proxy_host and proxy_port"},
    {405, REASON_PROXY_REFUSED, "it does not do CONNECT here: " ASK_OWNER},
    {429, REASON_PROXY_REFUSED, "it has been asked too often: it is tried again"},
    {500, REASON_PROXY_TARGET, CHECK_TARGET},
    {501, REASON_PROXY_REFUSED, "it does not do CONNECT: use another proxy"},
    {502, REASON_PROXY_TARGET, CHECK_TARGET},
    {503, REASON_PROXY_TARGET, CHECK_TARGET},
    {504, REASON_PROXY_TARGET, CHECK_TARGET},
};

int tunnel_refused(const ProxyDialogue *dialogue, Failure *f)
{
    const Tunnel *t = &dialogue->tunnel;
    StatusRow row = {t->code, REASON_PROXY_REFUSED, "the proxy's log may say more"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (rows[i].code == t->code)
            row = rows[i];
    return proxy_fail(dialogue, -ECONNREFUSED, row.reason, f, "did not connect to %s (%s): %s",
        dialogue->target, t->status, row.advice);
}

/* ---- 407 ---- */

static int fail_login(const ProxyDialogue *dialogue, Failure *f)
{
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "does not take the login of %s (%s): check proxy_user and proxy_password",
        dialogue->options.user, dialogue->tunnel.status);
}

/* Nothing it offers can be answered, or there is nothing to answer with. */
static int fail_offer(const ProxyDialogue *dialogue, const Buffer *names, Failure *f)
{
    _cleanup_free_
    char *shown =
        proxy_printable(dialogue, buffer_data(names) ?: "", buffer_size(names), NAMES_SHOWN_MAX);

    if (!shown)
        return -ENOMEM;
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "wants a login (%s, it offers %s): %s", dialogue->tunnel.status, *shown ? shown : "none",
        dialogue->options.user
            ? "outbox can do Basic, and Digest with MD5 and SHA-256; ask who runs it for one of "
              "these"
            : "set proxy_user and proxy_password, or correct what proxy_data says");
}

static int answer(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    char cnonce[DIGEST_CNONCE_MAX];
    const Credentials credentials = {
        .user = dialogue->options.user,
        .password = dialogue->options.password,
        .method = "CONNECT",
        .target = dialogue->target,
        .cnonce = cnonce,
    };
    int r;

    digest_cnonce(cnonce);
    r = challenge_answer(&t->challenge, &credentials, &t->authentication);
    if (r == -EINVAL)
        return proxy_fail(dialogue, r, REASON_PROXY_LOGIN, f,
            "wants basic authentication, which takes no user with a colon: correct proxy_user");
    if (r == -ENOTSUP)
        return proxy_fail(dialogue, r, REASON_PROXY_LOGIN, f,
            "wants a digest with MD5, which this machine's OpenSSL forbids: ask who runs it for "
            "SHA-256 or Basic");
    return r;
}

int tunnel_answer_challenge(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    _cleanup_buffer_ Buffer names = {0};
    bool answered = t->authentication;
    int r;

    challenge_done(&t->challenge);
    r = challenge_choose(
        buffer_data(&t->challenges) ?: "", buffer_size(&t->challenges), &t->challenge, &names);
    if (r < 0)
        return r;
    if (answered && (!t->challenge.stale || t->n_stale++ >= STALE_MAX))
        return fail_login(dialogue, f);
    if (!dialogue->options.user || t->challenge.scheme == CHALLENGE_NONE)
        return fail_offer(dialogue, &names, f);
    proxy_wipe(&t->authentication);
    return answer(dialogue, f);
}
