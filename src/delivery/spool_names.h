/* Which names of a queue directory to look at next: those that the watch told, those whose time has
 * come, and those that a pass over the directory finds, none of them keeping another from its turn.
 * It knows names and times and does not change messages. */
#pragma once

#include "delivery/backlog.h"
#include "delivery/due.h"
#include "spool/spool.h"

typedef enum NameTag {
    NAME_QUEUED,
    NAME_QUEUED_SETTLED, /* its writer is known to be done */
    NAME_DEFERRED,
    NAME_DEFERRED_NOW, /* whatever its time: somebody asked for it */
} NameTag;

/* The state of a file that comes up with this tag. */
static inline SpoolState spool_names_state(uint8_t tag)
{
    return tag >= NAME_DEFERRED ? SPOOL_DEFERRED : SPOOL_QUEUED;
}

#define NAMES_LEFT_MAX 16

typedef struct SpoolNames {
    const Spool *spool;
    Backlog backlog;
    unsigned ahead;  /* so many of its oldest are being read from the disk already */
    DueIndex *due;   /* deferred messages, and queued ones that must settle */
    DueIndex *fresh; /* being filled by the pass under way; takes the place of `due` at its end */
    SpoolScan *scan; /* the pass under way, or NULL */
    bool again;      /* another pass is wanted */
    bool flushes;    /* the pass under way, or the next one, takes deferred messages whatever their
                        time */
    bool due_turn;   /* whose turn it is, so that neither new nor deferred messages starve the
                        others */
    char left[NAMES_LEFT_MAX][SPOOL_NAME_MAX]; /* left alone until the pass at `left_until` */
    unsigned n_left;
    usec_t left_until; /* realtime */
} SpoolNames;

/* The spool is borrowed. 0 or -ENOMEM. */
int spool_names_init(SpoolNames *names, const Spool *spool);
void spool_names_done(SpoolNames *names);

/* Puts a name at the end of the queue, or among those that wait for a time (realtime). What there
 * is no room for is found by another pass over the directory. */
void spool_names_push(SpoolNames *names, const char *id, NameTag tag);
void spool_names_push_at(SpoolNames *names, const char *id, NameTag tag, usec_t due);

/* The next name: 1 with it in `ret_id` (at least SPOOL_NAME_MAX bytes), or 0. */
int spool_names_pop(SpoolNames *names, usec_t now, char *ret_id, uint8_t *ret_tag);

/* A file had to be waited for: has the disk read those that come up next, side by side. */
void spool_names_read_ahead(SpoolNames *names);

/* Whether pop() may have one, and how many are known. */
bool spool_names_any(const SpoolNames *names, usec_t now);
size_t spool_names_waiting(const SpoolNames *names);

/* Whether a pass over the directory is due or under way. */
bool spool_names_is_unread(const SpoolNames *names, usec_t now);

/* A bounded step of it: 1 with the id of a `.sending` file, 0, or a negative errno with a Failure.
 */
int spool_names_read(SpoolNames *names, usec_t now, char *ret_id, Failure *f);

/* The realtime from which on one of these has something; USEC_NEVER: when told. */
usec_t spool_names_next_due(const SpoolNames *names);
size_t spool_names_deferred(const SpoolNames *names);

/* Wants another pass over the whole directory, after the one under way. */
void spool_names_rescan(SpoolNames *names);

/* Everything that waits for a time is due now. */
void spool_names_flush(SpoolNames *names);

/* Leaves a name alone for some minutes, whoever brings it up; then a pass finds it again. False
 * when there are too many of them already. */
bool spool_names_leave(SpoolNames *names, const char *id, usec_t now);
bool spool_names_is_left(const SpoolNames *names, const char *id);
