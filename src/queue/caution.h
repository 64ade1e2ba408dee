/* Caution after a process has died: which message it died of is not known, and it may be any that
 * it had in hand.
 *
 * Each message that is read is marked on disk meanwhile, so that the next process knows which one
 * its reading killed the last of, and leaves that for later. What is in hand at a time begins with
 * one message and doubles, so that one that kills when it is sent takes few others along.
 *
 * It begins with the first message that a dead process left, or with a mark, and ends when there is
 * nothing left to do and no mark. Inside the layer only. */
#pragma once

#include <limits.h>

#include "base/failure.h"
#include "spool/reading.h"

/* So long nothing needs to have ended for more to be taken in hand. */
#define CAUTION_STEP (250 * USEC_PER_MSEC)

typedef struct Caution {
    ReadingMarks marks;
    bool on;
    bool marked;     /* there were marks when it was last looked */
    usec_t since;    /* realtime */
    usec_t stepped;  /* monotonic; when the window was made wider */
    unsigned window; /* messages in hand; UINT_MAX: no bound any more */
    unsigned passed; /* of this window */
} Caution;

void caution_init(Caution *caution);
void caution_done(Caution *caution);

/* Begins when there are marks. The spool is borrowed; `now` is realtime. */
void caution_look(Caution *caution, const Spool *spool, usec_t now);

/* A message was found that a dead process left; so many are in hand. */
void caution_begin(Caution *caution, unsigned held, usec_t now);

/* How many more messages may be taken in hand. */
unsigned caution_room(const Caution *caution, unsigned held);

/* Some time has passed; a message is not in hand any more, and the process is alive. */
void caution_tick(Caution *caution, usec_t monotonic);
void caution_passed(Caution *caution);

/* There is nothing to do: it ends, unless there is a mark still. */
void caution_rest(Caution *caution);

/* A claimed message is going to be read: true, and it is marked; false with a Failure: reading it
 * has killed a process, and it is to come up at `ret_due` (realtime), behind others. */
bool caution_read(Caution *caution, const char *id, usec_t now, usec_t *ret_due, Failure *f);

/* It was read. */
void caution_was_read(const Caution *caution, const char *id);
