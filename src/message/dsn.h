/* Delivery status notifications (RFC 3461, 3464): what is told of a message that could not be
 * delivered, or not yet, to whom. Pure, but that the message it is about is read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/input.h"

typedef enum DsnAction { DSN_FAILED, DSN_DELAYED } DsnAction;

/* A recipient, and what was said of it last. */
typedef struct DsnRecipient {
    const char *address;    /* of the envelope */
    const char *parameters; /* of it, for ORCPT; or NULL */
    bool refused;           /* for good; else for now */
    int code;               /* of the reply; 0: it was no reply */
    const char *enhanced;   /* "5.1.1"; "" when there was none */
    const char *text;       /* printable or not, UTF-8 or not */
    const char *host;       /* the relay's; NULL when none was in play */
    usec_t last_attempt;    /* realtime; 0: not known */
} DsnRecipient;

/* All borrowed for the call. */
typedef struct Dsn {
    DsnAction action;
    const char *to;                /* a mailbox */
    const char *id;                /* of the message it is about */
    const char *sender_parameters; /* of its envelope, for ENVID and RET; or NULL */
    usec_t arrival;                /* realtime; 0: not known */
    usec_t until;                  /* realtime: it is tried until then; 0: not known */
    const char *reason;            /* of the whole, a sentence without its end; or NULL */
    bool to_sender;                /* else to somebody who looks after the queue */
    const char *hint;              /* what the latter can do; or NULL */
    const DsnRecipient *recipients;
    size_t n_recipients;
    size_t n_more;            /* that are not named */
    Input *original;          /* the message, from its header on; NULL: it cannot be read */
    size_t original_size_max; /* with its body up to that size; the header alone otherwise */
} Dsn;

/* Appends a whole queue file, envelope included: from the null reverse-path, so that nothing is
 * ever told of what becomes of it. Its content is 7-bit, so that it is delivered where its message
 * could not be converted. An original that cannot be read is left out. 0 or -ENOMEM. */
int dsn_format(const Dsn *dsn, Buffer *out);
