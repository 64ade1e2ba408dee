/* The queue: a directory (doc/spool.md), where messages are files, or a database (doc/cluster.md).
 * They are delivered by outboxd, by `outbox process`, or by outbox_process_queue(). */
#ifndef OUTBOX_QUEUE_H
#define OUTBOX_QUEUE_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* Puts a message (NULL: the client's own) into the queue directory; NULL: into the queue of the
 * configuration that was loaded, or the programs'. When it returns the message is on disk, and its
 * file's path is the result; of one in a database (spool.database) the transaction has committed,
 * and its number there is the result, as `outbox show` takes it. With "*" nothing is written, and
 * the result is the text that the file would have. Needs no relay. NULL: outbox_error_text() says
 * why not. */
OUTBOX_API const char *outbox_queue(
    OutboxClient *client, OutboxMessage *message, const char *directory);

/* Delivers what is in the queue directory (NULL: in the queue of the configuration), once, over the
 * client's relays, as the daemon would: files in `.queued`, and deferred ones that are due. Events
 * `recipient`, `error` and `trace` tell what happens. 0: everything was delivered; 161: some were
 * refused, 162: or are to be tried again; or why nothing could be done. Nobody else is told of a
 * message that fails: no report is written to its sender, as the daemon would. It blocks, whatever
 * outbox_set_blocking() says, and takes a connection of its own. */
OUTBOX_API int outbox_process_queue(OutboxClient *client, const char *directory);

OUTBOX_END

#endif
