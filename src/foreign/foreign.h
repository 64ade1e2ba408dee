/* Messages in the queues of other mail systems: what each is from and for, and its content.
 *
 * Their files are read, and never changed. A system that runs delivers what is read here as well:
 * where it can be seen to run, the queue is not opened. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

typedef enum ForeignFormat {
    FOREIGN_NULLMAILER, /* a file a message, its envelope in its first lines */
    FOREIGN_MSMTPQ,     /* two files a message: .mail, and msmtp's command line, .msmtp */
    FOREIGN_DMA,        /* two files a recipient: Q and M */
    FOREIGN_BSMTP,      /* what an SMTP client says, in a file (RFC 2442) */
    FOREIGN_EML,        /* a file a message, as pickup directories have them */
    FOREIGN_POSTFIX,    /* Postfix's queue files, without its programs */
    FOREIGN_FORMAT_MAX,
} ForeignFormat;

/* "nullmailer"; NULL for FOREIGN_FORMAT_MAX. */
const char *foreign_format_name(ForeignFormat format);

/* FOREIGN_FORMAT_MAX: there is none of that name. */
ForeignFormat foreign_format_find(const char *name);

typedef struct ForeignQueue ForeignQueue;

/* Opens a queue, or a single file of it; "-" is standard input, for FOREIGN_BSMTP. 0 or a negative
 * errno with a Failure: -EBUSY when the system is running. */
int foreign_open(ForeignFormat format, const char *path, ForeignQueue **ret, Failure *f);
void foreign_close(ForeignQueue *queue);

/* One of its messages. Strings are borrowed from it. */
typedef struct ForeignMessage ForeignMessage;

/* The next one, which the caller frees before it asks for another, with what it is called. 1; 0
 * when there is no other; or a negative errno with a Failure, with the name too: the next may still
 * be read, but for -ECANCELED. */
int foreign_next(ForeignQueue *queue, ForeignMessage **ret, const char **ret_name, Failure *f);
void foreign_message_free(ForeignMessage *message);

/* Who it is from and for. Its sender is NULL, and it has no recipient, where the header says it. */
const Envelope *foreign_envelope(const ForeignMessage *message);

/* What is said of each recipient, those of the header too ("NOTIFY=NEVER"); NULL: nothing is. */
const char *foreign_recipient_parameters(const ForeignMessage *message);

/* Appends the next bytes of its content: a QueueRead (queue/put.h). 1, 0 at the end, or a negative
 * errno with a Failure. */
int foreign_read(void *message, Buffer *out, Failure *f);

/* Deletes its own files, which nobody needs any more; of a stream it has none. 0 or a negative
 * errno with a Failure. */
int foreign_remove(ForeignMessage *message, Failure *f);

DEFINE_CLEANUP(ForeignQueue, foreign_close);
DEFINE_CLEANUP(ForeignMessage, foreign_message_free);
