/* Writing a message (RFC 5322, MIME) from its parts, with GMime. Only the tool and the library link
 * this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"

typedef enum ComposePriority {
    COMPOSE_UNSET,
    COMPOSE_HIGH,
    COMPOSE_NORMAL,
    COMPOSE_LOW
} ComposePriority;

/* Everything borrowed; NULL is "not given"; lists are NULL-terminated or NULL. */
typedef struct Compose {
    const char *from;      /* an address with or without display name; required */
    const char *const *to; /* each an RFC 5322 address list */
    const char *const *cc;
    const char *const *bcc; /* goes into the envelope, never into the header */
    const char *reply_to;
    const char *return_path; /* envelope sender; NULL: the address of `from` */
    const char *subject;
    const char *date;                     /* "*" or NULL: `now`; "": none; else as given */
    const char *message_id;               /* "*" or NULL: generated; "": none */
    const char *delivery_notification_to; /* Return-Receipt-To */
    const char *read_receipt_to;          /* Disposition-Notification-To */
    const char *importance;               /* "high", "normal", "low" */
    const char *priority;                 /* "normal", "urgent", "non-urgent" */
    const char *sensitivity;              /* "personal", "private", "company-confidential" */
    const char *const *headers;           /* "Name: value", appended in order */
    const char *body;                     /* UTF-8 text; NULL: empty */
    const char *const *attachments;       /* paths of files */
    usec_t now;
} Compose;

/* Appends the message, preceded by its envelope block (X-Sender, X-Receiver), with LF line ends.
 * 0; -EBADMSG with a Failure for bad input (ERROR_NO_SENDER, ERROR_NO_RECIPIENT, ERROR_MESSAGE;
 * ERROR_ATTACHMENT names the file); -ENOMEM. */
int compose_message(const Compose *compose, Buffer *out, Failure *f);
