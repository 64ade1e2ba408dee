/* The messages of a run: what is queued, and how a relay knows one again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MESSAGES_MAX 32
#define RECIPIENTS_MAX 6

/* What a relay makes of a recipient. */
typedef enum RecipientKind {
    RECIPIENT_GOOD,
    RECIPIENT_REFUSED,    /* 550 */
    RECIPIENT_DEFERRED,   /* 450, as long as there are faults */
    RECIPIENT_LATE,       /* 450 the first two times */
    RECIPIENT_OVER_LIMIT, /* 552 the first time, which is said of a limit as well */
    RECIPIENT_KIND_MAX,
} RecipientKind;

/* What it makes of a message, as long as there are faults. */
typedef enum PoisonKind {
    POISON_NONE,
    POISON_CLOSES_AT_END, /* the connection is closed at the end of its content */
    POISON_421_AT_RCPT,
    POISON_RESETS_WITHIN, /* within its content */
    POISON_SILENCE,       /* at the end of its content */
    POISON_REFUSED,       /* 554 to its content, for ever */
    POISON_CLOSES_AT_MAIL,
    POISON_DEFERRED, /* 451 to its content */
    POISON_KIND_MAX,
} PoisonKind;

typedef struct SimMessage {
    unsigned n_recipients;
    RecipientKind kinds[RECIPIENTS_MAX];
    unsigned tries[RECIPIENTS_MAX]; /* RCPTs so far */
    PoisonKind poison;
    unsigned lane; /* a number, LANE_NONE for none */
    unsigned hint; /* what the store takes it for */
    char *file;    /* what is queued */
    size_t file_bytes;
    char *sent; /* what comes in, with CRLF */
    size_t sent_bytes;
} SimMessage;

#define LANES_COUNT 4u /* of messages, with none */

extern SimMessage messages[MESSAGES_MAX];
extern unsigned n_messages;

void messages_begin(void);
void messages_end(void);

/* "r2.m13@..." and "m13@...": the numbers, or false. */
bool message_parse_sender(const char *address, unsigned *ret_message);
bool message_parse_recipient(const char *address, unsigned *ret_message, unsigned *ret_recipient);
