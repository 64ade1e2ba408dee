/* Messages that go to another queue, or come from one. A message changes hands by one change of a
 * name here, and one transaction there, in such an order that after a death it can be told who has
 * it:
 *
 * - It goes: it is written down there, where nobody delivers it yet; `X.sending` (or `X.held`, ...)
 *   becomes `.given-MARK`, which nobody delivers either; then it is delivered there, and
 *   `.given-MARK` is removed.
 * - It comes: it is held there; it is written here as `.coming-MARK`, with its record beside it; it
 *   is deleted there; then `.coming-MARK` becomes `X.queued` (or another state).
 *
 * A MARK tells which message of which other queue it is. */
#pragma once

#include <sys/stat.h>

#include "base/buffer.h"
#include "spool/spool.h"

#define SPOOL_GIVEN_PREFIX ".given-"
#define SPOOL_COMING_PREFIX ".coming-"

/* Of a mark, NUL included. */
#define SPOOL_MARK_MAX 64

/* One process at a time moves messages from or to a directory: a lock on its `.moving`, which is
 * held until the descriptor is closed. A descriptor, or a negative errno with a Failure; -EBUSY
 * when another process has it. */
int spool_moving_lock(const Spool *spool, Failure *f);

/* The message `id.state`, of which `fd` is open, is given: on disk when it returns. 0; -ENOENT when
 * another file, or none, has that name now; or another negative errno, each with a Failure. */
int spool_give(
    const Spool *spool, const char *id, SpoolState state, int fd, const char *mark, Failure *f);

/* What was given, as a file. 0 or a negative errno with a Failure. */
int spool_given_stat(const Spool *spool, const char *mark, struct stat *ret, Failure *f);

/* Removes what was given, which was called `id`, and its record. 0, also when it is not there; or a
 * negative errno with a Failure. */
int spool_given_remove(const Spool *spool, const char *mark, const char *id, Failure *f);

/* Begins what comes anew: what was there under that mark, and the record of `id` that belongs to
 * it, are removed. 0, -EEXIST when another message has that id, or another negative errno, each
 * with a Failure. */
int spool_coming_drop(const Spool *spool, const char *mark, const char *id, Failure *f);

/* What comes was queued then (realtime). 0 or a negative errno with a Failure. */
int spool_coming_date(const Spool *spool, const char *mark, usec_t queued, Failure *f);

/* Writes the record of what comes, in the place of one it may have: `lines`, with the time of its
 * next attempt (realtime; 0: it has none). On disk when it returns. */
int spool_coming_record(const Spool *spool, const char *mark, const char *id, const Buffer *lines,
    usec_t next, Failure *f);

/* What comes is there: `id.state`, on disk when it returns. 0; -EEXIST when another message has
 * come under that name meanwhile, and it stays as it was; or another negative errno; each with a
 * Failure. */
int spool_coming_arrive(
    const Spool *spool, const char *mark, const char *id, SpoolState state, Failure *f);

/* Calls `visit` with what stands behind the prefix in each such name. Not 0 ends it. 0, what visit
 * returned, or a negative errno. */
int spool_moved_each(
    const Spool *spool, const char *prefix, int (*visit)(void *user, const char *rest), void *user);
