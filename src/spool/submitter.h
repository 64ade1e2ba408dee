/* Who queued a message that the daemon wrote for another: one that came by the submission socket.
 * Its file is the daemon's, has a mode that no other message has, and says in its first line whose
 * it is (doc/spool.md). Private to the spool, but for what spool.h has. */
#pragma once

#include <sys/stat.h>

#include "spool/spool.h"

#define SPOOL_SUBMITTED_MODE 0400

/* Of the first line, its end and a NUL. */
#define SPOOL_SUBMITTER_MAX 32

/* The first line of a message of that user's. Returns its length. */
size_t spool_submitter_format(uid_t user, char ret[static SPOOL_SUBMITTER_MAX]);

/* Whether the file may be such a one; a look at its first line tells. */
bool spool_may_be_submitted(const Spool *spool, const struct stat *st);

/* Who queued the message of that file, by its name: the owner where it is no such one. */
uid_t spool_submitter_at(const Spool *spool, const char *name, const struct stat *st);

/* Whether the message whose file that is, is there for who looks: spool_show_only(). */
bool spool_shows(const Spool *spool, const char *name, const struct stat *st);
