/* Putting messages into the database's queue. */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"
#include "database/client.h"
#include "message/envelope.h"

/* What is said of a message beside its content. All borrowed. */
typedef struct DatabaseMessage {
    const Envelope *envelope;
    const char *key; /* NULL: none; a second message with it is none */
    uid_t uid;       /* of whoever hands it over; kept where the role may say so */
} DatabaseMessage;

/* Appends the next bytes of the content. 1, 0 at the end, or a negative errno with a Failure. */
typedef int (*DatabaseRead)(void *source, Buffer *out, Failure *f);

/* Queues it: `start` and what is read behind that, of which only a piece is in memory at a time.
 * Its id, which is committed when this returns. 0 or a negative errno with a Failure; where the
 * answer to the commit was lost, it says so. */
int database_put(Database *database, const DatabaseMessage *message, const void *start, size_t n,
    DatabaseRead read, void *source, char **ret_id, Failure *f);

/* The same in a transaction of the caller's, which has to roll back what fails. */
int database_put_within(Database *database, const DatabaseMessage *message, const void *start,
    size_t n, DatabaseRead read, void *source, char **ret_id, Failure *f);

/* Whether the answer to what was done may be lost, so that it is done or not. */
bool database_is_doubtful(int error);

/* Appends it piece by piece to what the transaction, which is the caller's, has of a message. 0 or
 * a negative errno with a Failure. */
int database_append(Database *database, const char *data, size_t n, Failure *f);
