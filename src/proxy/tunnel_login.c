/* What is shown to a proxy of HTTP that wants a login: an answer, or the messages of NTLM (MS-NTHT)
 * and Negotiate (RFC 4559), which go over one connection. Must never show a password that was not
 * asked for, nor a wrong one twice. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/errors.h"
#include "base/text.h"
#include "proxy/dialogue_internal.h"
#include "proxy/digest.h"
#include "smtp/ntlm.h"

#define STALE_MAX 2  /* nonces that were too old */
#define ROUNDS_MAX 4 /* answers to a proxy that goes on and on */
#define NAMES_SHOWN_MAX 120

static int fail_login(const ProxyDialogue *dialogue, Failure *f)
{
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "does not take the login of %s (%s): check %s", dialogue->options.user ?: "this machine",
        dialogue->tunnel.status,
        dialogue->options.login == PROXY_LOGIN_GSSAPI ? "proxy_kerberos_service and the proxy's log"
                                                      : "proxy_user and proxy_password");
}

static bool has_known(const char *names)
{
    static const char *const known[] = {"Basic", "Digest", "NTLM", "Negotiate"};
    bool found = false;

    for (size_t i = 0; i < ELEMENTSOF(known); i++)
        found |= strcasestr(names, known[i]) != NULL;
    return found;
}

#define OURS                                                                                 \
    "outbox can do Basic, Digest with MD5 and SHA-256, NTLM and Negotiate; ask who runs it " \
    "for one of these"

/* What would help. */
static const char *advise(const ProxyDialogue *dialogue, const char *names)
{
    const ProxyOptions *o = &dialogue->options;

    if (*names && !has_known(names))
        return OURS;
    switch (o->login) {
    case PROXY_LOGIN_BASIC:
    case PROXY_LOGIN_DIGEST:
    case PROXY_LOGIN_NTLM: return "proxy_auth allows none of these: correct it, or leave it out";
    case PROXY_LOGIN_GSSAPI:
        return "proxy_auth = \"gssapi\" takes Negotiate alone: leave it out, or ask who runs it "
               "for that";
    case PROXY_LOGIN_AUTO: break;
    }
    if (!o->user && strcasestr(names, "Negotiate"))
        return "set proxy_user and proxy_password, or for Kerberos proxy_auth = \"gssapi\"";
    if (!o->user || !o->password)
        return "set proxy_user and proxy_password, or correct what proxy_data says";
    if (strcasestr(names, "Negotiate"))
        return "for Kerberos set proxy_auth = \"gssapi\"";
    return OURS;
}

/* What is wrong with the Digest that it offers. */
static int fail_digest(const ProxyDialogue *dialogue, Failure *f)
{
    static const char *const flaws[] = {
        [DIGEST_FLAW_REALM] =
            "has no realm, without which nobody can answer it (RFC 7616, 3.3): ask "
            "who runs it to mend that",
        [DIGEST_FLAW_NONCE] =
            "has no nonce, without which nobody can answer it (RFC 7616, 3.3): ask "
            "who runs it to mend that",
        [DIGEST_FLAW_QOP] =
            "wants the body of the request to be signed, which CONNECT does not have "
            "(its qop lacks \"auth\"): ask who runs it for qop=\"auth\"",
        [DIGEST_FLAW_SESSION] = "has an algorithm that needs a qop, and none: ask who runs it for "
                                "qop=\"auth\", or an algorithm without \"-sess\"",
    };
    const Challenge *c = &dialogue->tunnel.challenge;
    _cleanup_free_
    char *algorithm = NULL;

    if (c->flaw != DIGEST_FLAW_ALGORITHM)
        return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
            "wants a login (%s), and its Digest %s, or for another way to log in",
            dialogue->tunnel.status, flaws[c->flaw]);
    algorithm = proxy_printable(dialogue, c->algorithm, strlen(c->algorithm), NAMES_SHOWN_MAX);
    if (!algorithm)
        return -ENOMEM;
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "wants a login (%s), and its Digest has the algorithm \"%s\", which outbox cannot do: ask "
        "who runs it for SHA-256 or MD5, or for another way to log in",
        dialogue->tunnel.status, algorithm);
}

/* Nothing it offers can be answered, or there is nothing to answer with. */
static int fail_offer(const ProxyDialogue *dialogue, const Buffer *names, Failure *f)
{
    bool is_flawed = dialogue->options.user && dialogue->tunnel.challenge.flaw;
    _cleanup_free_
    char *shown =
        proxy_printable(dialogue, buffer_data(names) ?: "", buffer_size(names), NAMES_SHOWN_MAX);

    if (!shown)
        return -ENOMEM;
    if (is_flawed)
        return fail_digest(dialogue, f);
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "wants a login (%s, it offers %s): %s", dialogue->tunnel.status, *shown ? shown : "none",
        advise(dialogue, shown));
}

/* The password may be right: each nonce is too old for it, those that it has just given as well. */
static int fail_stale(const ProxyDialogue *dialogue, Failure *f)
{
    return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
        "calls each nonce of its own stale, even one that it has just given (%s), and so takes no "
        "login by Digest: ask who runs it to look at the time that nonces are good for, and, where "
        "it is several machines, at whether they know each other's; or for another way to log in",
        dialogue->tunnel.status);
}

/* ---- one answer ---- */

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

/* ---- several messages ---- */

static bool is_bound(ChallengeScheme scheme)
{
    return scheme == CHALLENGE_NTLM || scheme == CHALLENGE_NEGOTIATE;
}

static const char *scheme_name(const Tunnel *t)
{
    return t->challenge.scheme == CHALLENGE_NTLM ? "NTLM" : "Negotiate";
}

void tunnel_end_login(ProxyDialogue *dialogue)
{
    Tunnel *t = &dialogue->tunnel;

    if (t->context)
        dialogue->options.gssapi->end(t->context);
    t->context = NULL;
    t->bound = BOUND_NOT;
}

/* The message becomes the value of Proxy-Authorization. */
static int say(Tunnel *t, const Buffer *message)
{
    _cleanup_wiped_ Buffer value = {0};
    size_t n = buffer_size(message);
    int r = proxy_reserve(&value, encode_base64_size(n) + sizeof("Negotiate ") + 1);

    r = r
            ?: buffer_appendf(&value, "%s ", scheme_name(t))
            ?: encode_base64(buffer_data(message) ?: "", n, &value)
            ?: buffer_append(&value, "", 1);
    proxy_wipe(&t->authentication);
    if (r >= 0)
        t->authentication = strdup(buffer_data(&value));
    if (r >= 0 && !t->authentication)
        r = -ENOMEM;
    return r;
}

static NtlmLogin ntlm_login(const ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;

    return (NtlmLogin){.user = o->user,
        .password = o->password,
        .end_point = dialogue->end_point_size > 0 ? dialogue->end_point : NULL,
        .end_point_size = dialogue->end_point_size};
}

static int begin_context(ProxyDialogue *dialogue, Buffer *message, Failure *f)
{
    const Gssapi *gssapi = dialogue->options.gssapi;
    Tunnel *t = &dialogue->tunnel;
    int r;

    /* A proxy refuses words that it has seen. */
    tunnel_end_login(dialogue);
    r = gssapi->begin(gssapi->user, &t->context, message, f);
    if (r != -EAGAIN)
        return r;
    return failure_set(f, -EBADMSG, ERROR_FIREWALL,
        "the Kerberos tickets of this connection are used up; the next one gets more");
}

int tunnel_begin_login(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    _cleanup_failure_ Failure why = {0};
    NtlmLogin login = ntlm_login(dialogue);
    _cleanup_wiped_ Buffer message = {0};
    int r = t->challenge.scheme == CHALLENGE_NTLM ? ntlm_negotiate(&login, &message)
                                                  : begin_context(dialogue, &message, &why);

    t->n_rounds = 0;
    if (r >= 0)
        r = say(t, &message);
    else
        r = proxy_fail_login(dialogue, r, &why, f);
    t->bound = BOUND_BEGUN;
    return r;
}

/* Base64 as the proxy said it; -EBADMSG where it is none. */
static int decode(const char *text, Buffer *token)
{
    size_t n = strlen(text);
    char *to = buffer_reserve(token, n + 3);
    int size;

    if (!to)
        return -ENOMEM;
    if (n % 4 != 0 || n > PROXY_HEADER_MAX)
        return -EBADMSG;
    size = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text, (int)n);
    if (size < 0)
        return -EBADMSG;
    for (; n > 0 && text[n - 1] == '='; n--)
        size--;
    buffer_commit(token, (size_t)MAX(size, 0));
    return 0;
}

static int answer_token(ProxyDialogue *dialogue, const Buffer *token, Buffer *message, Failure *f)
{
    const ProxyOptions *o = &dialogue->options;
    Tunnel *t = &dialogue->tunnel;
    NtlmLogin login = ntlm_login(dialogue);
    NtlmFresh fresh;
    bool complete = false;
    int r;

    if (t->challenge.scheme == CHALLENGE_NEGOTIATE)
        return o->gssapi->step(
            t->context, buffer_data(token), buffer_size(token), message, &complete, f);
    r = ntlm_fresh_at(o->realtime, &fresh);
    if (r < 0)
        return failure_set(f, -EBADMSG, ERROR_FIREWALL, "there are no random numbers for NTLM");
    return ntlm_authenticate(&login, &fresh, buffer_data(token), buffer_size(token), message, f);
}

/* The proxy's message, and the answer to it. */
static int answer_message(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    _cleanup_failure_ Failure why = {0};
    _cleanup_buffer_ Buffer token = {0};
    _cleanup_wiped_ Buffer message = {0};
    int r = decode(t->challenge.token, &token);

    if (r == -EBADMSG)
        r = failure_set(
            &why, r, ERROR_FIREWALL, "what it sent for %s is no base64", scheme_name(t));
    r = r ?: answer_token(dialogue, &token, &message, &why);
    if (r >= 0 && buffer_size(&message) == 0)
        return fail_login(dialogue, f); /* it has all there is, and is not content with it */
    r = r < 0 ? proxy_fail_login(dialogue, r, &why, f) : say(t, &message);
    t->bound = BOUND_ANSWERS;
    return r;
}

static int go_on_with_login(ProxyDialogue *dialogue, bool by_ntlm, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    unsigned most = by_ntlm ? 1 : ROUNDS_MAX;

    if (!t->challenge.token && t->bound == BOUND_BEGUN && by_ntlm)
        return proxy_fail(dialogue, -EACCES, REASON_PROXY_LOGIN, f,
            "offers NTLM and does not go on with it (%s): ask who runs it, or set proxy_auth to "
            "another way",
            t->status);
    if (!t->challenge.token || t->n_rounds >= most)
        return fail_login(dialogue, f);
    if (!tunnel_goes_on(t))
        return proxy_fail(dialogue, -EPROTO, REASON_PROXY_LOGIN, f,
            "closes the connection in the middle of %s, which needs one that stays open (%s): ask "
            "who runs it, or set proxy_auth to another way",
            scheme_name(t), t->status);
    t->n_rounds++;
    return answer_message(dialogue, f);
}

/* ---- 407 ---- */

/* What may be answered; a bit each. */
static unsigned allowed(const ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;

    switch (o->login) {
    case PROXY_LOGIN_BASIC: return CHALLENGE_BIT(CHALLENGE_BASIC);
    case PROXY_LOGIN_DIGEST: return CHALLENGE_BITS_DIGEST;
    case PROXY_LOGIN_NTLM: return CHALLENGE_BIT(CHALLENGE_NTLM);
    case PROXY_LOGIN_GSSAPI: return CHALLENGE_BIT(CHALLENGE_NEGOTIATE);
    case PROXY_LOGIN_AUTO: break;
    }
    return CHALLENGE_BIT(CHALLENGE_BASIC) | CHALLENGE_BITS_DIGEST |
           (o->password ? CHALLENGE_BIT(CHALLENGE_NTLM) : 0);
}

static bool has_login(const ProxyDialogue *dialogue)
{
    const ProxyOptions *o = &dialogue->options;

    switch (dialogue->tunnel.challenge.scheme) {
    case CHALLENGE_NONE: return false;
    case CHALLENGE_NEGOTIATE: return o->gssapi;
    case CHALLENGE_NTLM: return o->user && o->password;
    default: return o->user;
    }
}

int tunnel_answer_challenge(ProxyDialogue *dialogue, Failure *f)
{
    Tunnel *t = &dialogue->tunnel;
    _cleanup_buffer_ Buffer names = {0};
    unsigned wanted =
        t->bound == BOUND_NOT ? allowed(dialogue) : CHALLENGE_BIT(t->challenge.scheme);
    bool answered = t->authentication;
    int r;

    challenge_done(&t->challenge);
    r = challenge_choose(buffer_data(&t->challenges) ?: "", buffer_size(&t->challenges), wanted,
        &t->challenge, &names);
    if (r < 0)
        return r;
    if (t->bound != BOUND_NOT)
        return go_on_with_login(dialogue, wanted == CHALLENGE_BIT(CHALLENGE_NTLM), f);
    if (answered && !t->challenge.stale)
        return fail_login(dialogue, f);
    if (answered && t->n_stale++ >= STALE_MAX)
        return fail_stale(dialogue, f);
    if (!has_login(dialogue))
        return fail_offer(dialogue, &names, f);
    proxy_wipe(&t->authentication);
    if (!is_bound(t->challenge.scheme))
        return answer(dialogue, f);
    t->bound = BOUND_BEGINS;
    return 0;
}
