/* Writing a message (RFC 5322, MIME) from its parts: all of it 7-bit, but for addresses that cannot
 * be (RFC 6532), its lines no longer than RFC 5322 allows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"

/* Everything borrowed; NULL is "not given"; lists are NULL-terminated or NULL. All text is UTF-8.
 */
typedef struct Compose {
    const char *from;      /* an address with or without display name; required */
    const char *const *to; /* each an RFC 5322 address list */
    const char *const *cc;
    const char *const *bcc;  /* goes into the envelope, never into the header */
    const char *reply_to;    /* an address list, like the two notifications */
    const char *return_path; /* envelope sender, "" for none, ESMTP parameters allowed behind it;
                              * NULL: the address of `from` */
    const char *subject;
    const char *date;                     /* "*" or NULL: `now`; "": none; else as given */
    const char *message_id;               /* "*" or NULL: generated; "": none; else as given */
    const char *delivery_notification_to; /* Return-Receipt-To */
    const char *read_receipt_to;          /* Disposition-Notification-To */
    const char *importance;               /* "high", "normal", "low" */
    const char *priority;                 /* "normal", "urgent", "non-urgent" */
    const char *sensitivity;              /* "personal", "private", "company-confidential" */
    const char *const *headers;           /* "Name: value", appended in order. Where the first is
                                           * empty, the others replace the computed header; else
                                           * each replaces the computed field of its name, and the
                                           * envelope stays as it is. With a MIME field among them
                                           * the body goes in as it is. */
    const char *body;                     /* text; NULL: empty */
    const char *const *attachments;       /* paths of files */
    usec_t now;
} Compose;

/* Appends the message, preceded by its envelope block (X-Sender, X-Receiver), with LF line ends.
 * 0; -EBADMSG with a Failure that names the part and says what is wrong (ERROR_NO_SENDER,
 * ERROR_NO_RECIPIENT, ERROR_CHARSET for what is not UTF-8, ERROR_MESSAGE; ERROR_ATTACHMENT names
 * the file); -ENOMEM. Nothing is appended on failure, except with -ENOMEM. */
int compose_message(const Compose *compose, Buffer *out, Failure *f);
