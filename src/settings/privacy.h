/* Who may read a file with a secret in it: the daemon's user and root. Whoever may only put
 * messages into the queue must not. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "settings/config.h"

/* Whose that queue directory is, and who may queue; where there is none (yet), it is this process's
 * and nobody else may. */
QueueOwner privacy_queue_owner(const char *directory);

/* Whether all who may queue, whoever that is, may read the file as well, by its mode and group. */
bool privacy_is_readable_by_writers(const struct stat *st, const QueueOwner *queue);

/* 0 when nobody but those who may can read the file; 1 when others can: `*ret`, which the caller
 * frees, says who, and the command that mends it; -ENOMEM. An ACL that names further groups or
 * users is who made it to answer for. */
int privacy_check(const struct stat *st, const char *path, const QueueOwner *queue, char **ret);
