/* Mail transactions up to the content (RFC 5321, 3.3): RSET, MAIL, RCPT, DATA, in one go where
 * pipelining is allowed (RFC 2920). Must never write anything behind DATA before its reply, nor
 * send content for no one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

/* Whether RSET is due in front of MAIL. BDAT that is refused may leave the transaction open
 * (RFC 3030, 2), so that what goes behind one whose fate is open begins with RSET. */
static bool wants_rset(SmtpSession *s, const SmtpFlight *flight)
{
    const SmtpFlight *before = smtp_oldest_flight(s);

    if (s->unclean || (s->options->send_rset && s->transactions > 0 && !s->no_rset))
        return true;
    return before != flight && before->bdat && before->outstanding > 0;
}

/* Whether the replies to all RCPT are in. */
static bool all_answered(const SmtpFlight *flight)
{
    return flight->next == flight->transaction->n_recipients && flight->rcpt_due == 0;
}

/* The server may not have ended the transaction. The RSET that went behind it, if any, belongs to
 * the other one. */
static void leave_unclean(SmtpSession *s, const SmtpFlight *flight)
{
    if (flight->rset_behind)
        s->flights[flight == &s->flights[0]].rset_needed = true;
    else if (flight->mail_written)
        s->unclean = true;
}

void smtp_flight_stop(SmtpSession *s, SmtpFlight *flight)
{
    switch (flight->phase) {
    case SMTP_FLIGHT_ASKED: return; /* the reply to DATA decides how it ends */
    case SMTP_FLIGHT_SENT:
        if (flight->bdat)
            leave_unclean(s, flight);
        return;
    case SMTP_FLIGHT_CONTENT: smtp_chunk_drop(s); break;
    default: break;
    }
    leave_unclean(s, flight);
    flight->phase = SMTP_FLIGHT_SENT;
}

/* Refuses, on our own, one recipient or (SIZE_MAX) all. */
static int refuse_own(SmtpSession *s, SmtpFlight *flight, size_t recipient, int code,
    const char *enhanced, const char *text)
{
    DeliveryOutcome like = {
        .kind = DELIVERY_REFUSED,
        .cause = CAUSE_OWN,
        .stage = STAGE_MESSAGE,
        .code = code,
        .error = ERROR_MESSAGE,
    };
    int r;

    memcpy(like.enhanced, enhanced, strlen(enhanced) + 1);
    r = smtp_outcome_own(s, &like, "%s", text);
    if (r < 0)
        return r;
    if (recipient == SIZE_MAX)
        smtp_announce_all(s, flight);
    else
        smtp_announce(s, flight, recipient);
    return 0;
}

/* The same for what the server does not offer, and with why no other server is asked. */
static int refuse_here(SmtpSession *s, SmtpFlight *flight, size_t recipient, int code,
    const char *enhanced, const char *text)
{
    const char *nowhere = flight->transaction->nowhere;
    _cleanup_free_
    char *both = NULL;

    if (!nowhere)
        return refuse_own(s, flight, recipient, code, enhanced, text);
    return asprintf(&both, "%s; %s", text, nowhere) < 0
               ? -ENOMEM
               : refuse_own(s, flight, recipient, code, enhanced, both);
}

static int refuse_size(SmtpSession *s, SmtpFlight *flight)
{
    char text[160];

    snprintf(text, sizeof(text),
        "the message has %llu bytes, more than the relay takes (%llu, its SIZE limit)",
        (unsigned long long)flight->transaction->size,
        (unsigned long long)s->capabilities.size_max);
    flight->phase = SMTP_FLIGHT_SENT;
    return refuse_here(s, flight, SIZE_MAX, 552, "5.3.4", text);
}

static int refuse_verb(SmtpSession *s, SmtpFlight *flight)
{
    char text[64];

    snprintf(text, sizeof(text), "the relay does not offer the command %s",
        smtp_verb_name(flight->transaction->verb));
    return refuse_own(s, flight, SIZE_MAX, 502, "5.5.1", text);
}

/* What the sender needs cannot be promised here. */
static int refuse_need(SmtpSession *s, SmtpFlight *flight, const char *keyword)
{
    bool tls = strcmp(keyword, "REQUIRETLS") == 0;
    char text[160];

    snprintf(text, sizeof(text), "the message asks for %s, %s", keyword,
        !tls || !smtp_has(&s->capabilities, SMTP_CAP_REQUIRETLS)
            ? "which the relay does not offer"
            : "and the connection has no TLS with a verified certificate");
    flight->phase = SMTP_FLIGHT_SENT;
    return refuse_here(s, flight, SIZE_MAX, 550, tls ? "5.7.30" : "5.3.3", text);
}

/* The parameter that is needed and cannot be said, or NULL. */
static const char *find_unmet_need(const SmtpSession *s, const SmtpTransaction *t)
{
    const char *keyword;

    if (!t->sender_parameters)
        return NULL;
    keyword = smtp_command_mail_missing(t, &s->capabilities);
    if (!keyword && !smtp_session_is_verified(s) && smtp_command_requires_tls(t))
        return "REQUIRETLS";
    return keyword;
}

static int refuse_sender(SmtpSession *s, SmtpFlight *flight, int reason)
{
    flight->phase = SMTP_FLIGHT_SENT;
    if (reason == -EOPNOTSUPP)
        return refuse_verb(s, flight);
    if (reason == -EILSEQ)
        return refuse_here(s, flight, SIZE_MAX, 553, "5.6.7",
            "the sender's address needs SMTPUTF8, which the relay does not offer");
    return refuse_own(s, flight, SIZE_MAX, 553, "5.1.7",
        "the sender's address holds characters that no command may hold");
}

static int refuse_recipient(SmtpSession *s, SmtpFlight *flight, int reason)
{
    size_t recipient = flight->next++;

    flight->states[recipient] = SMTP_RECIPIENT_UNSENDABLE;
    smtp_recipient_refused(s, flight, recipient);
    if (reason == -EILSEQ)
        return refuse_here(s, flight, recipient, 553, "5.6.7",
            "the address needs SMTPUTF8, which the relay does not offer");
    return refuse_own(s, flight, recipient, 553, "5.1.3",
        "the address holds characters that no command may hold");
}

/* Looks at a transaction before a word of it is written: the message's size, the sender, and
 * whether there is any recipient that can be written at all. */
static int start(SmtpSession *s, SmtpFlight *flight)
{
    const SmtpTransaction *t = flight->transaction;
    const SmtpCapabilities *capabilities = &s->capabilities;
    const char *need;
    int r;

    if (flight->next == t->n_recipients) {
        flight->phase = SMTP_FLIGHT_SENT;
        return 0;
    }
    if (t->unfit) {
        flight->phase = SMTP_FLIGHT_SENT;
        return refuse_here(s, flight, SIZE_MAX, 554, "5.6.3", t->unfit);
    }
    if (capabilities->size_max > 0 && t->size > capabilities->size_max)
        return refuse_size(s, flight);
    if (smtp_command_mail_expired(t)) {
        flight->phase = SMTP_FLIGHT_SENT;
        return refuse_own(s, flight, SIZE_MAX, 550, "5.4.7",
            "the time in which the message was to be delivered (BY) is over");
    }
    need = find_unmet_need(s, t);
    if (need)
        return refuse_need(s, flight, need);
    buffer_clear(&s->scratch);
    r = smtp_command_mail(&s->scratch, t, capabilities);
    if (r < 0 && r != -ENOMEM)
        return refuse_sender(s, flight, r);
    if (r >= 0)
        r = smtp_command_rcpt(&s->scratch, &t->recipients[flight->next], capabilities);
    if (r < 0 && r != -ENOMEM)
        return refuse_recipient(s, flight, r);
    if (r >= 0)
        flight->phase = SMTP_FLIGHT_RSET;
    flight->bdat = s->chunking;
    return r;
}

/* RSET is due to a server that does not know it: what went before is waited for, and the next may
 * follow where that came to a good end. 1 when nothing may be written. */
static int begin_without_rset(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (smtp_oldest_flight(s) != flight)
        return 1;
    flight->phase = SMTP_FLIGHT_MAIL;
    if (!s->unclean)
        return 0;
    r = smtp_end_own(s, STAGE_RSET, ERROR_SMTP_PROTOCOL,
        "the server does not know RSET, and another message would meet what is left of the one "
        "before: it needs a new connection");
    return r < 0 ? r : 1;
}

static int reset(SmtpSession *s, SmtpFlight *flight)
{
    SmtpFlight *before = smtp_oldest_flight(s);
    int r = 0;

    if (wants_rset(s, flight)) {
        if (s->no_rset)
            return begin_without_rset(s, flight);
        r = smtp_say(s, SMTP_STEP_RSET, flight);
        flight->rset_needed = s->unclean;
        s->unclean = false;
        if (before != flight)
            before->rset_behind = true;
    }
    flight->phase = SMTP_FLIGHT_MAIL;
    return r;
}

static int mail(SmtpSession *s, SmtpFlight *flight)
{
    uint64_t at = s->written + buffer_size(&s->output);
    int r;

    r = smtp_say(s, SMTP_STEP_MAIL, flight);
    if (r < 0)
        return r;
    s->transactions++;
    flight->mail_at = at;
    flight->mail_written = true;
    flight->refused = s->capabilities.refused;
    flight->phase = SMTP_FLIGHT_RCPT;
    return 0;
}

static int next_recipient(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (flight->next == flight->transaction->n_recipients) {
        flight->phase = SMTP_FLIGHT_DATA;
        return 0;
    }
    r = smtp_say(s, SMTP_STEP_RCPT, flight);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return refuse_recipient(s, flight, r);
    flight->next++;
    flight->rcpt_due++;
    return 0;
}

/* DATA, or the first BDAT, unless it is known already that no one takes the message. 1 when replies
 * must be awaited. */
static int data(SmtpSession *s, SmtpFlight *flight)
{
    bool small = flight->transaction->size <= SMTP_CONTENT_SMALL_BYTES;

    if (flight->n_open == 0) {
        smtp_flight_stop(s, flight);
        return 0;
    }
    if (flight->waits && !all_answered(flight))
        return 1;
    if (flight->bdat) {
        if (!small && !all_answered(flight))
            return 1;
        smtp_content_begin(s, flight);
        return 0;
    }
    flight->phase = SMTP_FLIGHT_ASKED;
    return smtp_say(s, SMTP_STEP_DATA, flight);
}

/* Where BDAT is taken away by a middlebox without a reply, the reply to the command behind it would
 * be taken for that to the message. So nothing goes behind the first one. */
static bool may_follow(SmtpSession *s)
{
    return s->knows_bdat || !smtp_oldest_flight(s)->bdat;
}

/* Writes a transaction's next command. 0; 1 when nothing may be written now. */
static int advance(SmtpSession *s, SmtpFlight *flight)
{
    if (s->announced || buffer_size(&s->output) >= SMTP_OUTPUT_HIGH_BYTES)
        return 1;
    if (!s->pipelining && s->n_expected > 0)
        return 1;
    if (flight != smtp_oldest_flight(s) && !may_follow(s))
        return 1;
    switch (flight->phase) {
    case SMTP_FLIGHT_START: return start(s, flight);
    case SMTP_FLIGHT_RSET: return reset(s, flight);
    case SMTP_FLIGHT_MAIL: return mail(s, flight);
    case SMTP_FLIGHT_RCPT: return next_recipient(s, flight);
    case SMTP_FLIGHT_DATA: return data(s, flight);
    case SMTP_FLIGHT_ASKED:
    case SMTP_FLIGHT_CONTENT:
    case SMTP_FLIGHT_SENT: return 1;
    }
    return 1;
}

int smtp_pump(SmtpSession *s)
{
    if (s->state != SMTP_SESSION_READY || s->lost)
        return 0;
    for (size_t i = 0; i < s->n_flights; i++) {
        SmtpFlight *flight = &s->flights[s->first_flight ^ i];
        int r;

        do
            r = advance(s, flight);
        while (r == 0);
        if (r < 0)
            return r;
        if (flight->phase != SMTP_FLIGHT_SENT)
            return 0;
    }
    return 0;
}

int smtp_send_rset(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_command_simple(&s->output, "RSET", NULL);
}

/* RSET is our own choice: that the server does not know it is no verdict, and no harm unless a
 * transaction is left that it should have ended. */
int smtp_on_rset_reply(SmtpSession *s, SmtpFlight *flight)
{
    if (smtp_reply_done_well(s))
        return 0;
    if (!smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    s->no_rset |= smtp_reply_is_about_command(s);
    return flight->rset_needed ? smtp_end_reply(s, STAGE_RSET, ERROR_SMTP_PROTOCOL) : 0;
}

int smtp_send_mail(SmtpSession *s, SmtpFlight *flight)
{
    return smtp_command_mail(&s->output, flight->transaction, &s->capabilities);
}

/* The capabilities as they were when the transaction began. */
SmtpCapabilities smtp_capabilities_then(const SmtpSession *s, const SmtpFlight *flight)
{
    SmtpCapabilities then = s->capabilities;

    then.refused = flight->refused;
    return then;
}

/* What the reply holds against parameters that we chose to say, because the server offered them;
 * 0: nothing. */
static unsigned mail_disputed(const SmtpSession *s, const SmtpFlight *flight)
{
    const SmtpCapabilities then = smtp_capabilities_then(s, flight);
    unsigned chosen = smtp_command_mail_chosen(flight->transaction, &then);

    if (chosen == 0 || !smtp_reply_is_about_command(s))
        return 0;
    return smtp_command_told(buffer_data(&s->reply.text), chosen);
}

/* Those are not the server's to hold against the message: it goes again without them. */
DeliveryKind smtp_do_without(SmtpSession *s, unsigned disputed)
{
    s->capabilities.refused |= disputed;
    return DELIVERY_POSTPONED;
}

/* It is refused without them too, so it was not they. */
void smtp_use_again(SmtpSession *s)
{
    s->capabilities.refused &= s->memory->lacks;
    s->disputed = 0;
}

static DeliveryKind mail_kind(SmtpSession *s, unsigned disputed)
{
    s->disputed |= disputed;
    if (disputed != 0)
        return smtp_do_without(s, disputed);
    if (smtp_reply_is_about_command(s))
        smtp_use_again(s);
    return smtp_reply_kind(s);
}

/* Login or TLS is wanted first (RFC 4954, 6; RFC 3207, 4), or no MAIL at all: no message's fault.
 */
static bool mail_is_not_for_us(const SmtpSession *s, unsigned disputed)
{
    return s->reply.code == 530 ||
           (disputed == 0 && (s->reply.code == 502 || s->reply.code == 503));
}

static int end_at_mail(SmtpSession *s, SmtpFlight *flight)
{
    flight->mail_refused = true;
    return s->reply.code == 530 ? smtp_end_reply(s, STAGE_AUTH, ERROR_AUTHENTICATION)
                                : smtp_end_reply(s, STAGE_MAIL, ERROR_SMTP_PROTOCOL);
}

/* All recipients get an outcome that the reply decided. */
static int announce_reply(
    SmtpSession *s, SmtpFlight *flight, DeliveryKind kind, DeliveryStage stage)
{
    int r;

    r = smtp_outcome_verdict(s, flight, kind, stage);
    if (r < 0)
        return r;
    smtp_announce_all(s, flight);
    return 0;
}

int smtp_postpone(SmtpSession *s, SmtpFlight *flight, DeliveryStage stage)
{
    return announce_reply(s, flight, DELIVERY_POSTPONED, stage);
}

/* Whether the server may come to take the message, although MAIL was refused: it has the rest, or
 * is about to be given it. */
static bool goes_on(const SmtpFlight *flight)
{
    return flight->end_due || flight->phase == SMTP_FLIGHT_ASKED;
}

int smtp_on_mail_reply(SmtpSession *s, SmtpFlight *flight)
{
    unsigned disputed;
    int r;

    if (smtp_reply_done_well(s)) {
        smtp_lacks(s, flight->refused & s->disputed);
        return 0;
    }
    if (!smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    disputed = mail_disputed(s, flight);
    if (mail_is_not_for_us(s, disputed))
        return end_at_mail(s, flight);
    r = smtp_end_used_up(s, flight, STAGE_MAIL);
    if (r != 0)
        return MIN(r, 0);
    smtp_flight_stop(s, flight);
    r = smtp_outcome_reply(s, mail_kind(s, disputed), STAGE_MAIL);
    if (r < 0)
        return r;
    if (goes_on(flight))
        smtp_withhold(s, flight);
    else
        smtp_announce_all(s, flight);
    return 0;
}

int smtp_send_data(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return smtp_command_simple(&s->output, "DATA", NULL);
}

/* DATA was accepted although nobody takes the message: nothing of it is sent (RFC 2920, 3.1). */
static int send_nothing(SmtpSession *s, SmtpFlight *flight)
{
    flight->phase = SMTP_FLIGHT_SENT;
    leave_unclean(s, flight);
    return smtp_say(s, SMTP_STEP_NOTHING, flight);
}

int smtp_on_data_reply(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (s->reply.code / 100 == 3) {
        if (flight->n_open == 0)
            return send_nothing(s, flight);
        smtp_content_begin(s, flight);
        return 0;
    }
    if (!smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    flight->phase = SMTP_FLIGHT_SENT;
    leave_unclean(s, flight);
    if (flight->n_open == 0)
        return 0;
    r = smtp_end_used_up(s, flight, STAGE_DATA);
    return r != 0 ? MIN(r, 0) : announce_reply(s, flight, smtp_reply_kind(s), STAGE_DATA);
}

int smtp_send_nothing(SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return buffer_append_string(&s->output, ".\r\n");
}

/* Whatever it says, it is said of no message. */
int smtp_on_nothing_reply(_unused_ SmtpSession *s, _unused_ SmtpFlight *flight)
{
    return 0;
}
