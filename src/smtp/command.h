/* Formatting commands (RFC 5321, 4.1). Nothing that holds a control character is ever formatted,
 * nor an address that could end before its ">": such a call gives -EINVAL. After any failure the
 * buffer is as it was. Pure. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "smtp/capabilities.h"

typedef struct SmtpRecipient {
    const char *address;
    const char *parameters; /* "NOTIFY=... ORCPT=...", or NULL: sent as far as the server offers the
                               extension */
    bool required; /* when it is refused the message goes to nobody: the others get the same
                      outcome. The message waits for the replies to all RCPT then, and is in
                      one transaction with all its recipients or the promise is void */
} SmtpRecipient;

/* The command that begins a transaction: MAIL, or one that shows the message on the user's terminal
 * instead (SEND), where that is not possible (SOML), or as well (SAML; RFC 821, 3.4). */
typedef enum SmtpVerb {
    SMTP_VERB_MAIL,
    SMTP_VERB_SEND,
    SMTP_VERB_SOML,
    SMTP_VERB_SAML,
    SMTP_VERB_MAX,
} SmtpVerb;

/* "MAIL", "SEND", ... */
const char *smtp_verb_name(SmtpVerb verb);

/* One mail transaction (RFC 5321, 3.3). Everything is borrowed until its
 * SMTP_EVENT_TRANSACTION_DONE. */
typedef struct SmtpTransaction {
    SmtpVerb verb;
    const char *sender; /* "" is <> */
    const char *sender_parameters;
    const SmtpRecipient *recipients;
    size_t n_recipients;
    uint64_t size; /* bytes of the content on the wire (RFC 1870, 4), for SIZE= and for the look at
                      the server's limit */
    uint64_t waited;     /* seconds since it was handed over, which BY and HOLDFOR count from */
    usec_t now;          /* realtime, for HOLDUNTIL; 0: it is said in any case */
    const char *unfit;   /* why the server cannot be given the content: all recipients are refused
                            with that, without a word said; or NULL */
    const char *nowhere; /* said behind a refusal of ours for what the server does not offer: why no
                            other is asked; or NULL */
    bool is_8bit;        /* BODY=8BITMIME where offered */
    bool wants_utf8;     /* SMTPUTF8 where offered */
    void *user;          /* the caller's */
} SmtpTransaction;

int smtp_command_simple(
    Buffer *out, const char *verb, const char *argument); /* "EHLO name", "STARTTLS" with NULL */

/* MAIL FROM with SIZE, BODY, SMTPUTF8 and the sender's own parameters.
 *
 * Of these go out RET and ENVID (DSN), MT-PRIORITY, BY (DELIVERBY), HOLDFOR and HOLDUNTIL
 * (FUTURERELEASE) and REQUIRETLS where the extension is offered, each once and as it stands, but
 * that the seconds of BY and HOLDFOR are those that are left. BODY and SMTPUTF8 are asked for where
 * the transaction or the sender's own parameters say so; a binary body goes out as 8BITMIME, for
 * its line ends are made CRLF. Everything else is left out: SIZE is ours to say, and a parameter of
 * an extension that is not known here cannot be known to be wanted.
 *
 * What is in SmtpCapabilities.refused is not said; SMTPUTF8 is all the same where an address needs
 * it.
 *
 * An address whose local part has bytes above 127 needs SMTPUTF8, and is -EILSEQ where that is not
 * offered; a domain alone is turned into A-labels (RFC 5890). What cannot be, and bytes that are
 * not UTF-8, are -EINVAL. A verb that is not offered is -EOPNOTSUPP. */
int smtp_command_mail(
    Buffer *out, const SmtpTransaction *transaction, const SmtpCapabilities *capabilities);

/* The parameters of MAIL that go out for this transaction because they are offered and because it
 * is better to say them, and that it can do without: of SIZE, 8BITMIME (BODY), SMTPUTF8 (where no
 * address needs it), DSN (RET, ENVID) and MT-PRIORITY. SmtpCapability. */
unsigned smtp_command_mail_chosen(
    const SmtpTransaction *transaction, const SmtpCapabilities *capabilities);

/* Likewise of RCPT: DSN (NOTIFY, ORCPT). */
unsigned smtp_command_rcpt_chosen(
    const SmtpRecipient *recipient, const SmtpCapabilities *capabilities);

/* The parameter that the sender needs to be said and the server does not offer: it would be broken
 * without a word. REQUIRETLS (RFC 8689, 4.2.1), HOLDFOR and HOLDUNTIL (RFC 4865), and BY where the
 * message is to be returned when its time is over (RFC 2852, 4.1.3). NULL: none. */
const char *smtp_command_mail_missing(
    const SmtpTransaction *transaction, const SmtpCapabilities *capabilities);

/* Whether the time in which it was to be delivered, or else returned, is over (RFC 2852, 4.1). */
bool smtp_command_mail_expired(const SmtpTransaction *transaction);

/* Whether REQUIRETLS is asked for. */
bool smtp_command_requires_tls(const SmtpTransaction *transaction);

/* Whether the address can only be said with SMTPUTF8: its local part is not ASCII. */
bool smtp_command_needs_utf8(const char *address);

/* Of those `chosen`, the ones that a reply speaks of; all of them when it speaks of none. */
unsigned smtp_command_told(const char *text, unsigned chosen);

/* RCPT TO with NOTIFY and ORCPT where DSN is offered; the address as above. */
int smtp_command_rcpt(
    Buffer *out, const SmtpRecipient *recipient, const SmtpCapabilities *capabilities);

/* "BDAT n" or "BDAT n LAST" (RFC 3030). */
int smtp_command_bdat(Buffer *out, size_t n, bool last);
