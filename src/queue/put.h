/* Putting messages into a queue directory: what the tool, which has few libraries to load for it,
 * and liboutbox have in common. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/message.h"
#include "settings/senders.h"
#include "spool/enqueue.h"

/* What is kept open from one message to the next. */
typedef struct QueueLink {
    void *what; /* NULL: nothing so far */
    void (*drop)(void *what);
    int error; /* it cannot be opened, and is not waited for again; 0: it is not known */
} QueueLink;

/* Where messages go, and what is known of who may queue what there. */
typedef struct QueueTarget {
    char *directory;                  /* NULL: to no directory */
    uid_t owner;                      /* of it; FILE_OWNER_UNKNOWN where that does not matter */
    SenderRules *senders;             /* NULL: none are known */
    char *database;                   /* its connection string; NULL: the directory has the queue */
    const char *key;                  /* there, what makes a second message none; borrowed */
    QueueLink *link;                  /* there, of many messages; NULL: none; borrowed */
    char *socket;                     /* for who may not write into the directory; NULL: none */
    void (*on_silence)(void *socket); /* nothing was heard there for some time; NULL: not told */
} QueueTarget;

/* Finds out whose the directory is; where there is none, who writes says so. */
void queue_target_look(QueueTarget *target);
void queue_target_done(QueueTarget *target);

/* Looks at a message as the daemon will, so that who queues garbage hears it at once. `asked` is as
 * of message_open_as(). 0 with the message, which borrows the input; or a negative errno with a
 * Failure. */
int queue_look(Input *input, const Envelope *asked, Message **ret, Failure *f);

/* Whether this user may name its sender. 0, or a negative errno with a Failure. */
int queue_check_sender(const QueueTarget *target, const Message *message, Failure *f);

/* Appends the next bytes of what is behind a message's start. 1, 0 at the end, or a negative errno
 * with a Failure. */
typedef int (*QueueRead)(void *source, Buffer *out, Failure *f);

/* Takes them. 0 or a negative errno with a Failure. */
typedef int (*QueueWrite)(void *sink, const void *data, size_t n, Failure *f);

/* Copies a whole message. 0, or what either of the two returned. */
int queue_copy(
    const Buffer *start, QueueRead read, void *source, QueueWrite write, void *sink, Failure *f);

/* A QueueWrite of a SpoolWriter. */
int queue_write_file(void *writer, const void *data, size_t n, Failure *f);

/* Whether a message that the directory did not take, with this negative errno, may go through the
 * submission socket: who asks may not write there, or does not see it, as in a service or a
 * container that has a /var of its own. */
bool queue_has_socket(const QueueTarget *target, int error);

/* Queues a message through the socket, as queue_put(). `why` says why the directory was of no use,
 * or the database. `ret_path` is the path of its file, or where outboxd has the queue in a database
 * its id there. */
int queue_submit(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    const Failure *why, char **ret_path, Failure *f);

/* Queues a message, through the socket where the directory cannot be written to. The path of its
 * file, which the caller frees; on disk when this returns. 0 or a negative errno with a Failure,
 * and no file. */
int queue_put(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f);

#define _cleanup_queue_target_ _cleanup_(queue_target_done)
