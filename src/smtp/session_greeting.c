/* The session from the greeting to the login: EHLO or HELO, STARTTLS (RFC 3207). Must
 * never use what the server said before TLS, nor go on without TLS where it is required. */
#include <errno.h>
#include <stdio.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

/* Introduces ourselves. */
static int say_hello(SmtpSession *s, SmtpStep step)
{
    int r;

    r = smtp_say(s, step, NULL);
    if (r == -EINVAL)
        return smtp_end_own(s, STAGE_EHLO, ERROR_CONFIGURATION,
            "the name for EHLO holds characters that no command may hold: correct the setting "
            "\"hello\"");
    return r;
}

static int authenticate_or_ready(SmtpSession *s)
{
    if (smtp_auth_wanted(&s->options->auth))
        return smtp_begin_auth(s);
    smtp_become_ready(s);
    return 0;
}

/* TLS is required and cannot be had. */
static int end_without_tls(SmtpSession *s)
{
    const DeliveryOutcome like = {.cause = CAUSE_PROTOCOL,
        .stage = STAGE_STARTTLS,
        .error = ERROR_TLS_HANDSHAKE,
        .reason = REASON_TLS_NOT_OFFERED};
    int r;

    if (!s->options->extensions)
        return smtp_end_own(s, STAGE_STARTTLS, ERROR_CONFIGURATION,
            "TLS is required, but STARTTLS needs extensions = true: set that, or use tls = "
            "\"implicit\"");
    r = smtp_outcome_own(s, &like, "%s",
        "the relay does not offer STARTTLS, and TLS is required: use its port for implicit TLS "
        "(tls "
        "= \"implicit\"), or allow mail in clear (tls = \"opportunistic\" or \"none\")");
    return r < 0 ? r : smtp_give_up(s);
}

/* EHLO or HELO is done. */
static int go_on(SmtpSession *s)
{
    bool wanted = s->options->tls == SMTP_TLS_REQUIRED || s->options->tls == SMTP_TLS_IF_OFFERED;

    if (!wanted || s->tls.active)
        return authenticate_or_ready(s);
    if (smtp_has(&s->capabilities, SMTP_CAP_STARTTLS))
        return smtp_say(s, SMTP_STEP_STARTTLS, NULL);
    if (s->options->tls == SMTP_TLS_REQUIRED)
        return end_without_tls(s);
    return authenticate_or_ready(s);
}

bool smtp_hello_suffices(const SmtpSession *s)
{
    bool tls_due = s->options->tls == SMTP_TLS_REQUIRED && !s->tls.active;

    return !tls_due && !s->options->lmtp && !smtp_auth_wanted(&s->options->auth);
}

int smtp_greet(SmtpSession *s)
{
    bool extended = (s->options->extensions || s->options->lmtp) &&
                    !(s->now < s->memory->ehlo_again && smtp_hello_suffices(s));

    memset(&s->capabilities, 0, sizeof(s->capabilities));
    return say_hello(s, extended ? SMTP_STEP_EHLO : SMTP_STEP_HELO);
}

/* The server speaks first (RFC 5321, 3.1). */
int smtp_send_greeting(_unused_ SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return 0;
}

int smtp_on_greeting_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    if (smtp_reply_refused(s))
        return smtp_end_reply(s, STAGE_GREETING, ERROR_SMTP_PROTOCOL);
    if (s->reply.code != 220)
        return smtp_end_unexpected(s);
    return smtp_greet(s);
}

int smtp_send_ehlo(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_command_simple(&s->output, s->options->lmtp ? "LHLO" : "EHLO", s->options->hello);
}

/* The reply is a refusal, and the session goes on. */
static int note_reply(SmtpSession *s, DeliveryStage stage)
{
    int r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, stage);

    if (r >= 0)
        smtp_note_refusal(s);
    return r;
}

int smtp_explain_ehlo(SmtpSession *s)
{
    if (s->options->lmtp)
        return smtp_outcome_append(
            s, "it does not speak LMTP here: check host and port, or set protocol = \"smtp\"");
    return smtp_outcome_append(
        s, "without EHLO there is neither TLS nor a login, and one of them is required");
}

static int end_ehlo(SmtpSession *s)
{
    int r;

    r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, STAGE_EHLO);
    if (r >= 0 && s->reply.code >= 500)
        r = smtp_explain_ehlo(s);
    return r < 0 ? r : smtp_give_up(s);
}

int smtp_on_ehlo_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    if (s->reply.code >= 500 && smtp_hello_suffices(s)) {
        s->ehlo_refused = true;
        return note_reply(s, STAGE_EHLO) ?: say_hello(s, SMTP_STEP_HELO);
    }
    if (smtp_reply_refused(s))
        return end_ehlo(s);
    if (!smtp_reply_done_mail(s))
        return smtp_end_unexpected(s);
    smtp_capabilities_parse(&s->reply, s->options->discarded, &s->capabilities);
    s->capabilities.refused = s->memory->lacks;
    s->memory->ehlo_taken = true;
    return go_on(s);
}

int smtp_send_helo(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_command_simple(&s->output, "HELO", s->options->hello);
}

int smtp_on_helo_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    if (smtp_reply_refused(s))
        return smtp_end_reply(s, STAGE_EHLO, ERROR_SMTP_PROTOCOL);
    if (!smtp_reply_done_mail(s))
        return smtp_end_unexpected(s);
    return go_on(s);
}

int smtp_send_starttls(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_command_simple(&s->output, "STARTTLS", NULL);
}

int smtp_refuse_plaintext(SmtpSession *s)
{
    const DeliveryOutcome like = {
        .cause = CAUSE_PROTOCOL, .stage = STAGE_STARTTLS, .error = ERROR_SMTP_PROTOCOL};
    int r;

    r = smtp_outcome_own(s, &like, "%s",
        "plaintext behind the reply to STARTTLS: somebody may be "
        "tampering with the connection; use tls = \"implicit\" if the relay has a port for it");
    return r < 0 ? r : smtp_give_up(s);
}

int smtp_on_starttls_reply(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    if (s->reply.code == 220) {
        if (buffer_size(&s->input) > 0)
            return smtp_refuse_plaintext(s);
        s->state = SMTP_SESSION_TLS;
        s->tls_due = true;
        return 0;
    }
    if (!smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    if (s->options->tls == SMTP_TLS_REQUIRED)
        return smtp_end_reply(s, STAGE_STARTTLS, ERROR_SMTP_PROTOCOL);
    return note_reply(s, STAGE_STARTTLS) ?: authenticate_or_ready(s);
}

/* Copies what TLS said about itself, whose memory is the driver's. */
static int copy_tls_info(SmtpSession *s, const SmtpTlsInfo *info)
{
    size_t description = strlen(info->description ? info->description : "") + 1;
    char *data;

    buffer_clear(&s->tls_data);
    data =
        buffer_reserve(&s->tls_data, description + info->binding_exporter_size +
                                         info->binding_unique_size + info->binding_end_point_size);
    if (!data)
        return -ENOMEM;
    s->tls = *info;
    memcpy(data, info->description ? info->description : "", description);
    s->tls.description = data;
    data += description;
    if (info->binding_exporter_size > 0)
        s->tls.binding_exporter = memcpy(data, info->binding_exporter, info->binding_exporter_size);
    data += info->binding_exporter_size;
    if (info->binding_unique_size > 0)
        s->tls.binding_unique = memcpy(data, info->binding_unique, info->binding_unique_size);
    data += info->binding_unique_size;
    if (info->binding_end_point_size > 0)
        s->tls.binding_end_point =
            memcpy(data, info->binding_end_point, info->binding_end_point_size);
    return 0;
}

int smtp_session_tls_started(SmtpSession *s, const SmtpTlsInfo *info, usec_t now)
{
    s->now = s->progress = now;
    if (copy_tls_info(s, info) < 0)
        return -ENOMEM;
    s->tls.active = true;
    if (s->state != SMTP_SESSION_TLS)
        return 0;
    s->state = SMTP_SESSION_OPENING;
    if (buffer_size(&s->input) > 0)
        return smtp_refuse_plaintext(s);
    return smtp_greet(s);
}
