/* What the server offers in its reply to EHLO (RFC 5321, 4.1.1.1). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "smtp/reply.h"

typedef enum SmtpCapability {
    SMTP_CAP_PIPELINING = 1 << 0,          /* RFC 2920 */
    SMTP_CAP_CHUNKING = 1 << 1,            /* RFC 3030 */
    SMTP_CAP_8BITMIME = 1 << 2,            /* RFC 6152 */
    SMTP_CAP_SMTPUTF8 = 1 << 3,            /* RFC 6531 */
    SMTP_CAP_SIZE = 1 << 4,                /* RFC 1870 */
    SMTP_CAP_ENHANCEDSTATUSCODES = 1 << 5, /* RFC 2034 */
    SMTP_CAP_DSN = 1 << 6,                 /* RFC 3461 */
    SMTP_CAP_STARTTLS = 1 << 7,            /* RFC 3207 */
    SMTP_CAP_AUTH = 1 << 8,                /* RFC 4954 */
    SMTP_CAP_BINARYMIME = 1 << 9,          /* RFC 3030 */
    SMTP_CAP_DELIVERBY = 1 << 10,          /* RFC 2852 */
    SMTP_CAP_MT_PRIORITY = 1 << 11,        /* RFC 6710 */
    SMTP_CAP_REQUIRETLS = 1 << 12,         /* RFC 8689 */
    SMTP_CAP_LIMITS = 1 << 13,             /* RFC 9422 */
    SMTP_CAP_VRFY = 1 << 14,
    SMTP_CAP_FUTURERELEASE = 1 << 15, /* RFC 4865 */
    SMTP_CAP_SEND = 1 << 16,          /* this and the next two: RFC 821, 3.4 */
    SMTP_CAP_SOML = 1 << 17,
    SMTP_CAP_SAML = 1 << 18,
} SmtpCapability;

typedef struct SmtpCapabilities {
    bool esmtp;        /* EHLO was accepted */
    unsigned flags;    /* SmtpCapability */
    unsigned refused;  /* of these, not known after all when they were used (CHUNKING: BDAT; SIZE,
                          8BITMIME, SMTPUTF8, DSN, MT-PRIORITY: a parameter of MAIL or RCPT): the
                          session does without them, SMTPUTF8 where no address needs it */
    bool bare_dots;    /* not said by the server, but known of it: "a..b"@c is a..b@c to it */
    uint64_t size_max; /* 0: no limit stated */
    char mechanisms[512]; /* upper case, separated by single blanks, "AUTH=" forms merged; cut at a
                             word when longer */
    unsigned limit_rcpt;  /* LIMITS RCPTMAX (RFC 9422, 5.2): recipients a transaction, up to 999999;
                             0: none stated. The session does not hold transactions to it */
    unsigned limit_mail;  /* LIMITS MAILMAX (5.1): transactions a session; likewise */
    char domain[256];     /* the server's name from the first line, printable, cut */
} SmtpCapabilities;

/* Reads a 250 reply to EHLO. Unknown keywords, those `discarded` (SmtpCapability), and parameters
 * that make no sense, are ignored. */
void smtp_capabilities_parse(const SmtpReply *reply, unsigned discarded, SmtpCapabilities *ret);

/* The capabilities whose keywords stand in the list, in any case, with blanks between them; words
 * that are no keyword are ignored. */
unsigned smtp_capabilities_named(const char *list);

/* Of the capabilities, the keywords, with blanks between them. Returns `ret`. */
#define SMTP_CAPABILITIES_TEXT_MAX 256
char *smtp_capabilities_format(unsigned flags, char ret[static SMTP_CAPABILITIES_TEXT_MAX]);

static inline bool smtp_has(const SmtpCapabilities *capabilities, SmtpCapability flag)
{
    return (capabilities->flags & flag) != 0;
}

/* Whether it is offered and was not refused when it was used. */
static inline bool smtp_uses(const SmtpCapabilities *capabilities, SmtpCapability flag)
{
    return (capabilities->flags & ~capabilities->refused & flag) != 0;
}

/* Whether the AUTH mechanism (any case) is offered. */
bool smtp_capabilities_offer(const SmtpCapabilities *capabilities, const char *mechanism);
