/* Putting messages where the configuration has the queue: a directory or a database. */
#pragma once

#include "queue/put.h"
#include "tool/command.h"

/* As queue_put(); of a message in a database `ret_path` is its id. */
int tool_put(const QueueTarget *target, const Buffer *start, QueueRead read, void *source,
    char **ret_path, Failure *f);

/* As tool_directory(). */
int queue_target_open(const Tool *tool, const char *directory, QueueTarget *ret);
