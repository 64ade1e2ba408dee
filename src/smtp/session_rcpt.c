/* The recipients of a transaction (RFC 5321, 4.1.1.3): what the replies to RCPT make of them, and
 * of the others where the message is not to go without one. Must never judge a recipient twice. */
#include <string.h>

#include "smtp/session_internal.h"

/* All RCPT of a transaction say what its MAIL could. */
int smtp_send_rcpt(SmtpSession *s, SmtpFlight *flight)
{
    unsigned now = s->capabilities.refused;
    int r;

    s->capabilities.refused = flight->refused;
    r = smtp_command_rcpt(
        &s->output, &flight->transaction->recipients[flight->next], &s->capabilities);
    s->capabilities.refused = now;
    return r;
}

size_t smtp_answered_recipient(SmtpFlight *flight)
{
    while (flight->states[flight->answered] == SMTP_RECIPIENT_UNSENDABLE)
        flight->answered++;
    flight->rcpt_due--;
    return flight->answered++;
}

/* Where the enhanced code tells, it is not a mailbox that is full, or a disk. */
static bool may_be_limit(const SmtpSession *s)
{
    const char *code = s->reply.enhanced;

    return code[0] == '\0' || strcmp(code + 1, ".5.3") == 0 || strcmp(code + 1, ".0.0") == 0;
}

/* What is refused for now behind a recipient that was accepted may be over a limit of the server's
 * (RFC 5321, 4.5.3.1.10, where 552 is to be read as 452): it goes in a further transaction at once,
 * and is judged where none that was accepted stands in front of it. But not one that the message is
 * not to go without: the others cannot have it before. */
static DeliveryKind rcpt_kind_by_code(SmtpSession *s, SmtpFlight *flight, bool required)
{
    bool limit = (s->reply.code == 452 || s->reply.code == 552) && may_be_limit(s);

    if (limit && flight->limit == 0)
        flight->limit = flight->accepted;
    if (smtp_reply_kind(s) == DELIVERY_REFUSED && !(limit && flight->accepted > 0))
        return DELIVERY_REFUSED;
    return flight->accepted > 0 && s->reply.code != 503 && !required ? DELIVERY_POSTPONED
                                                                     : DELIVERY_DEFERRED;
}

/* As with MAIL, it may be but the parameters. */
static DeliveryKind rcpt_kind(SmtpSession *s, SmtpFlight *flight, size_t recipient)
{
    const SmtpCapabilities then = smtp_capabilities_then(s, flight);
    unsigned chosen = smtp_command_rcpt_chosen(&flight->transaction->recipients[recipient], &then);

    if (!smtp_reply_is_about_command(s) || flight->withheld)
        return rcpt_kind_by_code(s, flight, flight->transaction->recipients[recipient].required);
    if (chosen != 0)
        return smtp_do_without(s, chosen);
    smtp_use_again(s);
    return smtp_reply_kind(s);
}

/* Accepted without DSN: whether it was refused with it, and said any. */
static void note_rcpt_lacks(SmtpSession *s, const SmtpFlight *flight, size_t recipient)
{
    SmtpCapabilities offered;

    if (!(flight->refused & SMTP_CAP_DSN))
        return;
    offered = s->capabilities;
    offered.refused = 0;
    smtp_lacks(s, smtp_command_rcpt_chosen(&flight->transaction->recipients[recipient], &offered));
}

int smtp_on_rcpt_reply(SmtpSession *s, SmtpFlight *flight)
{
    size_t recipient = smtp_answered_recipient(flight);
    int r;

    if (!smtp_reply_refused(s)) {
        smtp_note_rcpt_reply(s, flight, recipient);
        if (smtp_reply_done_well(s))
            note_rcpt_lacks(s, flight, recipient);
        return smtp_reply_done_well(s) ? 0 : smtp_end_unexpected(s);
    }
    if (flight->states[recipient] != SMTP_RECIPIENT_OPEN)
        return 0;
    if (flight->n_open == 1)
        smtp_flight_stop(s, flight);
    r = smtp_outcome_verdict(s, flight, rcpt_kind(s, flight, recipient), STAGE_RCPT);
    if (r < 0)
        return r;
    smtp_recipient_refused(s, flight, recipient);
    smtp_announce(s, flight, recipient);
    return 0;
}

void smtp_recipient_refused(SmtpSession *s, SmtpFlight *flight, size_t recipient)
{
    if (!flight->transaction->recipients[recipient].required)
        return;
    flight->stopped = true;
    smtp_flight_stop(s, flight);
}
