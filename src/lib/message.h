/* The inside of a message, for src/lib alone. */
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

/* As outbox_message_clear_recipients(), whose ever it is. */
void message_clear_recipients(OutboxMessage *message);

/* What a configuration says of messages, where nothing else is set. 0, or an error number with
 * message->failure. */
int message_take_style(OutboxMessage *message, const MessageConfig *style);

/* Whether the name is a property's. */
bool message_has(const char *name);

/* Makes the file (anew where `again`). 0, or a negative errno with message->failure. */
int message_compose(OutboxMessage *message, bool again);

/* The file, after message_compose(); borrowed. */
Input *message_file(OutboxMessage *message);

/* The envelope that the properties ask for, for a raw message: no recipients and no sender where
 * they say nothing. 0 or a negative errno with message->failure. */
int message_asked(OutboxMessage *message, Envelope *ret);

/* Which kind of recipient an address is listed as (OUTBOX_RECIPIENT_TO ...); -1: it is not. */
int message_kind_of(OutboxMessage *message, const char *address);

/* Closes streams that are to be closed, which have been read. */
void message_end_streams(OutboxMessage *message);

/* A client is done with it; one that was freed meanwhile goes now. */
void message_release(OutboxMessage *message);

/* Sets a Failure to words that may hold what a program gave: fit to be shown. Returns the number.
 */
int failure_set_printable(Failure *f, int number, const char *format, va_list arguments)
    _printf_(3, 0);

/* The same with words that are there. */
void failure_show(Failure *f);

/* Something has changed: what was made of it does not hold any more. */
void message_changed(OutboxMessage *message);

/* For outbox_message_get(): NULL where it cannot be made. */
const char *message_header_text(OutboxMessage *message);
const char *message_body_text(OutboxMessage *message);

/* Sets message->failure; returns the number. */
int message_fail(OutboxMessage *message, int number, const char *format, ...) _printf_(3, 4);
