/* Putting messages where the configuration has the queue: what the tool and outbox_queue() have in
 * common. */
#pragma once

#include "queue/put.h"

/* Into the directory, or the database; by the submission socket for who may not write, or log in,
 * there. As queue_put(); of a message in a database `ret_path` is its id. */
int put_message(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f);
