/* Who delivers from the queue directory: each process that does keeps a file there, `.state-N`, in
 * which it says how it is. It is locked as long as the process lives, so that what is read in it
 * can be told from what a dead process has left. doc/spool.md has the rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "spool/spool.h"

#define PRESENCE_MAX 16                        /* processes at a time that can be told of */
#define PRESENCE_BYTES_MAX ((size_t)64 * 1024) /* of what one says */

typedef struct Presence Presence;

/* Takes a place among those who deliver from the directory, which is borrowed. 0; -EBUSY when there
 * are PRESENCE_MAX already; or another negative errno, as on a disk that is full. Without it mail
 * is delivered all the same, and presence_is_anybody() tells as long as the Spool lives. */
int presence_new(const Spool *spool, Presence **ret);

/* The same for a process that delivers what is there, and no more: it takes a place from the other
 * end, where no daemon has left what it said last, and leaves nothing there itself. */
int presence_new_passing(const Spool *spool, Presence **ret);

/* Lets go of the place. What was said last stays, for whoever asks when nobody delivers; unless it
 * was a passing process. Accepts NULL. */
void presence_free(Presence *presence);

/* Says how this process is, in place of what it said before; at most PRESENCE_BYTES_MAX bytes, and
 * no blanks at its end. The file keeps twice the room, so that there is more to say on a disk that
 * is full. Costs one write. 0 or a negative errno: -EFBIG for what is too long. */
int presence_say(Presence *presence, const void *text, size_t n);

/* Somebody has read what this process says, or another, and closed the file, which its directory's
 * watch tells: says the same again where it was this one's, unless that was done a second ago. So a
 * process that goes on can be told from one that is stopped or hangs, and nothing has to wake up
 * when nobody asks. */
void presence_answer(Presence *presence, const char *file_name, usec_t now_monotonic);

/* Whether the process that lives at the place `n` answers to having been looked at, which was
 * `asked` (monotonic): 0; or, three seconds after that, when it gave its last sign of life
 * (realtime). It is half a second where another has asked in vain before, as far as the disk keeps
 * times of reading. */
usec_t presence_await_answer(const Spool *spool, unsigned n, usec_t asked);

/* What was last said at the place `n`, below PRESENCE_MAX, in place of what `out` held, and whether
 * who said it lives. 0; -ENOENT: nobody has ever been there; or another negative errno. Files that
 * are not of the directory's owner, or root's, are nobody's, and so is a lock of anybody else's. */
int presence_look(const Spool *spool, unsigned n, Buffer *out, bool *ret_lives);

/* Whether somebody delivers from the directory, who may not have been able to say how he is. */
bool presence_is_anybody(const Spool *spool);

/* The number of one who does; 0 where it cannot be known. */
long presence_find_process(const Spool *spool);

/* Whether directories have the names of all places, which do not make way. */
bool presence_has_no_place(const Spool *spool);

DEFINE_CLEANUP(Presence, presence_free);
