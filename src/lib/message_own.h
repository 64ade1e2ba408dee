/* The inside of a message, for src/lib alone: what its files have in common. */
#pragma once

#include <outbox/message.h>
#include <outbox/recipients.h>
#include <stdarg.h>
#include <stdbool.h>

#include "base/failure.h"
#include "base/input.h"
#include "message/compose.h"
#include "message/message.h"
#include "settings/config.h"

/* Of the properties that are text. */
typedef enum Property {
    PROPERTY_FROM,
    PROPERTY_TO,
    PROPERTY_CC,
    PROPERTY_BCC,
    PROPERTY_REPLY_TO,
    PROPERTY_RETURN_PATH,
    PROPERTY_SUBJECT,
    PROPERTY_DATE,
    PROPERTY_MESSAGE_ID,
    PROPERTY_DELIVERY_NOTIFICATION_TO,
    PROPERTY_READ_RECEIPT_TO,
    PROPERTY_IMPORTANCE,
    PROPERTY_PRIORITY,
    PROPERTY_SENSITIVITY,
    PROPERTY_OTHER_HEADERS,
    PROPERTY_CHARSET,
    PROPERTY_MESSAGE_ID_ALGORITHM,
    PROPERTY_ALLOW_EMPTY_TO,
    PROPERTY_FOLD_HEADERS,
    PROPERTY_MAX_HEADER_LENGTH,
    PROPERTY_CLOSE_STREAM,
    PROPERTY_LANE,
    PROPERTY_MAX,
} Property;

#define CONTENTS (OUTBOX_RAW + 1)

/* A text, HTML or raw message. */
typedef struct MessageContent {
    char *data; /* with a NUL behind it; NULL: not set */
    size_t n;
    OutboxStream stream;
    bool streams;  /* it is one, */
    bool was_read; /* which has been read, */
    bool closed;   /* and is not to be closed any more */
} MessageContent;

typedef struct MessagePart {
    char *path, *name, *type, *content_id;
    void *data;
    size_t n;
} MessagePart;

struct OutboxMessage {
    pid_t process;                  /* whose it is: a child of fork() only frees it */
    char *properties[PROPERTY_MAX]; /* NULL: the default */
    MessageContent contents[CONTENTS];
    MessagePart *parts;
    size_t n_parts;
    OutboxRecipient *added; /* by outbox_message_add_recipient(); strings owned */
    size_t n_added;
    OutboxRecipient *all; /* with those of the lists; NULL: to be made */
    size_t n_all;
    Failure failure;
    bool is_clients;   /* which frees it, and nobody else */
    bool freed;        /* as soon as no client is sending it */
    bool own_envelope; /* of a raw message: its lists name, and do not address */
    unsigned in_use;   /* clients that are sending it: it cannot be changed */

    /* What it is as a file: its envelope block, header and body; made when it is sent or queued. */
    bool composed;
    Buffer memory;  /* of a small one */
    int scratch_fd; /* of a large one; -1: none */
    uint64_t size;
    size_t n_envelope, n_header; /* bytes of them in front of the body */
    InputMemory in_memory;
    InputFile in_file;
    Buffer header, body; /* with a NUL, for outbox_message_get() */
    char *fields_text;
    OutboxHeader *fields;
    size_t n_fields;
};

/* Whether there is one, of this process. */
bool message_is_here(const OutboxMessage *message);

/* Whether it may be changed now: 0, or an error number with the words. */
int message_check(OutboxMessage *message);

/* Something has changed: what was made of it does not hold any more. */
void message_changed(OutboxMessage *message);

/* Whether it has a stream that can give no more. What was made of it is kept until something is
 * changed. */
bool message_was_read(const OutboxMessage *message);

/* As outbox_message_clear_recipients(), whose ever it is. */
void message_clear_recipients(OutboxMessage *message);

/* Frees what it points to. */
void recipient_done(OutboxRecipient *recipient);

/* Sets message->failure; returns the number. */
int message_fail(OutboxMessage *message, int number, const char *format, ...) _printf_(3, 4);

/* Sets a Failure to words that may hold what a program gave: fit to be shown. Returns the number.
 */
int failure_set_printable(Failure *f, int number, const char *format, va_list arguments)
    _printf_(3, 0);

/* The same with words that are there. */
void failure_show(Failure *f);
