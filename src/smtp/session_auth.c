/* The login (RFC 4954): one way after the other, until one is taken or none is left that makes
 * sense. Must never try a password more often than it takes to find out whether it is right. */
#include <errno.h>
#include <stdio.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

void smtp_become_ready(SmtpSession *s)
{
    s->pipelining = s->options->pipelining && smtp_has(&s->capabilities, SMTP_CAP_PIPELINING);
    s->chunking = s->options->chunking && !s->options->lmtp &&
                  smtp_uses(&s->capabilities, SMTP_CAP_CHUNKING) && s->now >= s->memory->bdat_again;
    s->capabilities.bare_dots = s->options->bare_dots;
    s->state = SMTP_SESSION_READY;
    s->ready_due = true;
}

/* Makes `outcome` from why the login failed: what our side found, else the reply. */
static int describe(SmtpSession *s)
{
    const DeliveryOutcome own = {
        .cause = CAUSE_OWN, .stage = STAGE_AUTH, .error = ERROR_AUTHENTICATION};
    const char *more = s->auth ? smtp_auth_server_error(s->auth) : NULL;
    char tried[sizeof(s->auth_tried) + 8];
    int r;

    if (s->auth_failure.number != ERROR_NONE)
        r = smtp_outcome_own(s, &own, "%s", failure_text(&s->auth_failure));
    else
        r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, STAGE_AUTH);
    if (r >= 0 && more)
        r = smtp_outcome_append(s, more);
    snprintf(tried, sizeof(tried), "tried %s", s->auth_tried);
    if (r >= 0 && strchr(s->auth_tried, ','))
        r = smtp_outcome_append(s, tried);
    /* What is refused for now says nothing of user and password. */
    if (s->outcome.code == 0 || s->outcome.code >= 500)
        s->outcome.error = ERROR_AUTHENTICATION;
    return r;
}

static int end_auth(SmtpSession *s)
{
    int r = describe(s);

    s->memory->auth_excluded = 0;
    return r < 0 ? r : smtp_give_up(s);
}

/* Which offer a way was good for. */
static uint64_t hash_offer(const SmtpSession *s)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (const char *c = s->capabilities.mechanisms; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash ^ s->tls.active;
}

static SmtpAuthWays known_way(const SmtpSession *s)
{
    return s->memory->auth_offered == hash_offer(s) ? s->memory->auth_worked : 0;
}

static int choose(SmtpSession *s, SmtpAuth **ret, Failure *f)
{
    return smtp_auth_new(
        &s->options->auth, &s->capabilities, &s->tls, s->auth_excluded, known_way(s), ret, f);
}

static int go_on(SmtpSession *s, int code);

/* Says AUTH in this way. */
static int say_auth(SmtpSession *s, SmtpAuth *auth)
{
    size_t n = strlen(s->auth_tried);
    int r;

    smtp_auth_free(s->auth);
    s->auth = auth;
    s->masked = 0;
    failure_done(&s->auth_failure);
    s->auth_failure = (Failure){0};
    snprintf(s->mechanism, sizeof(s->mechanism), "%s", smtp_auth_mechanism(auth));
    snprintf(s->auth_tried + n, sizeof(s->auth_tried) - n, "%s%s", n > 0 ? ", " : "",
        smtp_auth_title(auth));
    r = smtp_say(s, SMTP_STEP_AUTH, NULL);
    return r == -EBADMSG ? go_on(s, 0) : r;
}

int smtp_begin_auth(SmtpSession *s)
{
    SmtpAuth *auth = NULL;
    int r;

    if (!s->capabilities.esmtp)
        return smtp_end_own(s, STAGE_AUTH, ERROR_CONFIGURATION,
            "a login is configured, but AUTH needs EHLO: set extensions = true");
    s->auth_excluded = s->memory->auth_excluded;
    r = choose(s, &auth, &s->auth_failure);
    if (r == -EAGAIN) {
        s->auth_excluded = 0;
        r = choose(s, &auth, &s->auth_failure);
    }
    if (r == -ENOMEM)
        return r;
    if (r >= 0)
        return say_auth(s, auth);
    /* Where TLS was refused before, what the server offers now is not all that it has. */
    s->memory->auth_excluded = 0;
    return describe(s) ?: smtp_end_after_refusal(s);
}

/* The login failed by a reply with this code, or (0) for a reason of our own: once more in another
 * way, if there is one that makes sense. */
static int go_on(SmtpSession *s, int code)
{
    bool known = smtp_auth_way(s->auth) & known_way(s);
    _cleanup_failure_ Failure f = {0};
    SmtpAuth *next = NULL;
    int r;

    if (code / 100 == 5)
        s->auth_refused |= smtp_auth_way(s->auth);
    if (code / 100 == 4 || (code == 535 && known))
        return end_auth(s);
    s->auth_excluded |= smtp_auth_ruled_out(s->auth, &s->capabilities, &s->tls, code);
    r = choose(s, &next, &f);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return end_auth(s);
    r = describe(s);
    if (r < 0) {
        smtp_auth_free(next);
        return r;
    }
    if (code > 0)
        smtp_note_refusal(s);
    return say_auth(s, next);
}

void smtp_note_login_cut_off(SmtpSession *s)
{
    if (s->refusal.stage != STAGE_AUTH || (s->auth_excluded & ~s->memory->auth_excluded) == 0)
        return;
    s->memory->auth_excluded = s->auth_excluded;
    s->memory->lessons++;
}

/* What was put into the output from `before` on: as it is only where the user of this process asked
 * to see it. */
static void trace_said(const SmtpSession *s, size_t before, const char *masked)
{
    if (s->options->shows_secrets)
        smtp_trace(
            s, SMTP_TRACE_CLIENT, buffer_at(&s->output, before), buffer_size(&s->output) - before);
    else
        smtp_trace(s, SMTP_TRACE_CLIENT, masked, strlen(masked));
}

int smtp_send_auth(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    size_t before = buffer_size(&s->output);
    char line[64];
    const char *sent;
    bool initial;
    int r;

    r = smtp_auth_start(s->auth, &s->output, &s->auth_failure);
    if (r < 0)
        return r;
    s->output_secret = true;
    sent = buffer_at(&s->output, before + strlen("AUTH "));
    initial = memchr(sent, ' ', buffer_size(&s->output) - before - strlen("AUTH ")) != NULL;
    snprintf(line, sizeof(line), "AUTH %s%s", s->mechanism, initial ? " ***" : "");
    trace_said(s, before, line);
    return 0;
}

static int answer_challenge(SmtpSession *s)
{
    size_t before = buffer_size(&s->output);
    int r;

    buffer_truncate(&s->reply.text, buffer_size(&s->reply.text) - 1);
    *(s->reply.text.memory + s->reply.text.end) = '\0';
    r = smtp_auth_challenge(s->auth, buffer_data(&s->reply.text), &s->output, &s->auth_failure);
    if (r < 0 && r != -EBADMSG)
        return r;
    s->output_secret = true;
    trace_said(s, before, r < 0 ? "*" : "***");
    smtp_expect(s, SMTP_STEP_AUTH, NULL, before);
    return 0;
}

/* The code of the refusal. Some servers say 535 of a mechanism that they do not have. */
static int refusal_code(const SmtpSession *s)
{
    bool names = strcasestr(buffer_data(&s->reply.text), "authentication mechanism") != NULL;

    return s->reply.code == 535 && names ? 504 : s->reply.code;
}

int smtp_on_auth_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    bool own = s->auth_failure.number != ERROR_NONE;
    int r;

    if (s->reply.code == 334 && !own)
        return answer_challenge(s);
    if (s->reply.code == 334)
        return end_auth(s);
    if (smtp_reply_refused(s))
        return go_on(s, own ? 0 : refusal_code(s));
    if (s->reply.code != 235)
        return smtp_end_unexpected(s);
    r = own ? -EBADMSG : smtp_auth_finish(s->auth, &s->auth_failure);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return end_auth(s);
    s->auth_refused &= ~smtp_auth_all_ways(s->auth);
    s->memory->auth_worked = smtp_auth_way(s->auth);
    s->memory->auth_offered = hash_offer(s);
    s->memory->auth_excluded = 0;
    smtp_auth_free(TAKE_PTR(s->auth));
    smtp_become_ready(s);
    return 0;
}
