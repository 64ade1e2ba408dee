/* The AUTH exchange (RFC 4954): its lines and their limits; the answers are computed by a backend.
 * Must never tell more of a secret than the answer itself. */
#include "smtp/auth.h"

#include <errno.h>
#include <gsasl.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth_mechanism.h"

#define COMMAND_MAX 512  /* RFC 4954, 4: the line with an initial response, its end included */
#define ANSWER_MAX 12288 /* RFC 4954, 4: any other line */
#define CHALLENGES_MAX 16

static void make_title(SmtpAuth *auth)
{
    static const char *const words[SMTP_AUTH_BINDING_MAX] = {
        [SMTP_AUTH_EXPORTER] = " (tls-exporter)",
        [SMTP_AUTH_UNIQUE] = " (tls-unique)",
        [SMTP_AUTH_END_POINT] = " (tls-server-end-point)",
    };

    snprintf(auth->title, sizeof(auth->title), "%s%s", auth->mechanism->name,
        words[auth->way.binding] ?: "");
}

const char *smtp_auth_title(const SmtpAuth *auth)
{
    return auth->title;
}

static int new_way(const SmtpAuthOptions *options, const AuthWay *way, const SmtpTlsInfo *tls,
    SmtpAuth **ret, Failure *f)
{
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = calloc(1, sizeof(*auth));
    int r;

    if (!auth)
        return -ENOMEM;
    auth->options = *options;
    auth->options.user = options->user ?: "";
    auth->options.host = options->host ?: "";
    auth->way = *way;
    auth->mechanism = way->mechanism;
    make_title(auth);
    r = auth->mechanism->backend->start(auth, tls, f);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(auth);
    return 0;
}

int smtp_auth_new(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays excluded, SmtpAuthWays preferred, SmtpAuth **ret,
    Failure *f)
{
    bool failed = false;
    AuthWay way;
    int r;

    for (;;) {
        r = smtp_auth_choose(options, capabilities, tls, excluded, preferred, &way, f);
        if (r < 0)
            return failed ? -EPROTONOSUPPORT : r;
        r = new_way(options, &way, tls, ret, f);
        if (r != -EPROTONOSUPPORT)
            return r;
        /* What one cannot say (a user or password, say) another may. */
        excluded |= smtp_auth_bits(way.mechanism);
        failed = true;
    }
}

void smtp_auth_free(SmtpAuth *auth)
{
    if (!auth)
        return;
    if (auth->mechanism && auth->mechanism->backend->stop)
        auth->mechanism->backend->stop(auth);
    buffer_wipe(&auth->initial);
    smtp_auth_forget_said(auth);
    free(auth->server_error);
    free(auth);
}

SmtpAuthWays smtp_auth_way(const SmtpAuth *auth)
{
    return smtp_auth_bit(&auth->way);
}

SmtpAuthWays smtp_auth_all_ways(const SmtpAuth *auth)
{
    return smtp_auth_bits(auth->mechanism);
}

/* Whether the code says that the mechanism is not to be had, and nothing of user or password
 * (RFC 4954, 4: 504 unrecognized, 534 too weak, 538 needs encryption). */
static bool is_about_mechanism(int code)
{
    return code == 500 || code == 502 || code == 504 || code == 534 || code == 538;
}

/* Whether it is about the words of the exchange: servers stumble over what SCRAM says of binding.
 */
static bool is_about_words(int code)
{
    return code == 501 || code == 553;
}

SmtpAuthWays smtp_auth_ruled_out(
    const SmtpAuth *auth, const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, int code)
{
    bool binds = auth->mechanism->flags & AUTH_BINDING;
    SmtpAuthWays clear = smtp_auth_bits_flagged(AUTH_CLEAR);

    if (code == 0)
        return auth->unproven ? SMTP_AUTH_WAYS_ALL : smtp_auth_bits(auth->mechanism);
    if (is_about_mechanism(code))
        return smtp_auth_bits(auth->mechanism);
    if (is_about_words(code) || (binds && code == 535 && auth->challenges == 0))
        return smtp_auth_way(auth);
    if (code != 535 || auth->mechanism->flags & AUTH_CLEAR)
        return SMTP_AUTH_WAYS_ALL;
    if (smtp_auth_offers_clear(capabilities, tls))
        return ~clear;
    if (auth->way.binding == SMTP_AUTH_COULD_BIND && auth->challenges == 0)
        return smtp_auth_way(auth);
    return binds ? ~smtp_auth_bits_unbound(auth->mechanism) : SMTP_AUTH_WAYS_ALL;
}

int smtp_auth_append_name(Buffer *out, const char *name)
{
    int r = 0;

    for (; *name && r >= 0; name++)
        if (*name == ',')
            r = buffer_append(out, "=2C", 3);
        else if (*name == '=')
            r = buffer_append(out, "=3D", 3);
        else
            r = buffer_append(out, name, 1);
    return r;
}

int smtp_auth_check_password(const SmtpAuth *auth, Failure *f)
{
    const Secret *secret = auth->options.secret;

    if (!secret || !memchr(secret_text(secret), '\0', secret_size(secret)))
        return 0;
    return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
        "the password holds a NUL byte, which no mechanism can send: check where it comes from");
}

const char *smtp_auth_mechanism(const SmtpAuth *auth)
{
    return auth->mechanism->name;
}

bool smtp_auth_is_clear(const SmtpAuth *auth)
{
    return auth->mechanism->flags & AUTH_CLEAR;
}

const char *smtp_auth_server_error(const SmtpAuth *auth)
{
    return auth->server_error;
}

/* Lets the backend answer and appends the base64 of it to `ret`, which is empty. */
static int compute(SmtpAuth *auth, const char *challenge, size_t n, Buffer *ret, Failure *f)
{
    _cleanup_wiped_buffer_ Buffer response = {0};
    char *base64 = NULL;
    size_t size = 0;
    int r = auth->mechanism->backend->step(auth, challenge, n, &response, f);

    if (r < 0 || buffer_size(&response) == 0)
        return r;
    if (gsasl_base64_to(buffer_data(&response), buffer_size(&response), &base64, &size) != GSASL_OK)
        return -ENOMEM;
    r = buffer_append(ret, base64, size) ?: smtp_auth_note_said(auth, base64, size);
    explicit_bzero(base64, size);
    gsasl_free(base64);
    if (r >= 0 && size + strlen("\r\n") > ANSWER_MAX)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the answer of %s would be %zu bytes long, and servers take no more than %d (RFC 4954, "
            "4): use a shorter password or token",
            auth->mechanism->name, size, ANSWER_MAX);
    return r;
}

static int append_answer(const Buffer *answer, Buffer *out)
{
    return buffer_append(out, buffer_data(answer), buffer_size(answer))
               ?: buffer_append(out, "\r\n", 2);
}

int smtp_auth_start(SmtpAuth *auth, Buffer *out, Failure *f)
{
    const char *name = auth->mechanism->name;
    Buffer *initial = &auth->initial;
    int r;

    if (!(auth->mechanism->flags & AUTH_CLIENT_FIRST))
        return buffer_appendf(out, "AUTH %s\r\n", name);
    r = compute(auth, NULL, 0, initial, f);
    if (r < 0)
        return r;
    if (strlen("AUTH ") + strlen(name) + strlen(" \r\n") + buffer_size(initial) > COMMAND_MAX)
        return buffer_appendf(out, "AUTH %s\r\n", name);
    r = buffer_appendf(out, "AUTH %s ", name);
    if (r >= 0 && buffer_size(initial) == 0)
        r = buffer_append(out, "=", 1);
    r = r ?: append_answer(initial, out);
    buffer_wipe(initial);
    return r;
}

/* Decodes the challenge and computes the answer to it. */
static int answer(SmtpAuth *auth, const char *text, size_t n, Buffer *ret, Failure *f)
{
    char *challenge = NULL;
    size_t size = 0;
    int code = n > 0 ? gsasl_base64_from(text, n, &challenge, &size) : GSASL_OK, r;

    if (code == GSASL_MALLOC_ERROR)
        return -ENOMEM;
    if (code != GSASL_OK && !(auth->mechanism->flags & AUTH_ANY_PROMPT))
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server's challenge for %s is not base64 (RFC 4954, 4): the server is at fault",
            auth->mechanism->name);
    r = compute(auth, challenge ?: "", size, ret, f);
    if (challenge) {
        explicit_bzero(challenge, size); /* a server may tell what it was told */
        gsasl_free(challenge);
    }
    return r;
}

/* Whether one more challenge makes sense: not once the mechanism is at its end, though a server
 * may still find fault with a token. */
static bool may_be_challenged(SmtpAuth *auth)
{
    if (++auth->challenges > CHALLENGES_MAX || auth->server_error)
        return false;
    return !auth->satisfied || auth->mechanism->flags & AUTH_TOKEN;
}

int smtp_auth_challenge(SmtpAuth *auth, const char *text, Buffer *out, Failure *f)
{
    _cleanup_wiped_buffer_ Buffer line = {0};
    size_t n;
    int r;

    text += strspn(text, " \t"); /* some servers put more than one blank in front of it */
    n = strcspn(text, " \t\r\n");
    if (buffer_size(&auth->initial) > 0) {
        auth->challenges++;
        r = append_answer(&auth->initial, out);
        buffer_wipe(&auth->initial);
        return r;
    }
    if (may_be_challenged(auth))
        r = answer(auth, text, n, &line, f);
    else
        r = failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server asks on where %s is at its end: the server is at fault",
            auth->mechanism->name);
    if (r == -EBADMSG)
        return buffer_append_string(out, "*\r\n") ?: -EBADMSG;
    return r ?: append_answer(&line, out);
}

int smtp_auth_finish(SmtpAuth *auth, Failure *f)
{
    if (auth->satisfied)
        return 0;
    auth->unproven = true;
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "the server accepted %s before it was at its end, and has not shown that it knows the "
        "password: it may not be the server that it should be; check host and tls_verify",
        auth->mechanism->name);
}
