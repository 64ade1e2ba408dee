/* Which names of a queue directory to look at next: those that the watch told, those whose time has
 * come, and those that a pass over the directory finds, none of them keeping another from its turn.
 * It knows names and times and does not change messages. */
#pragma once

#include "base/buffer.h"
#include "base/hash.h"
#include "queue/aside.h"
#include "queue/lane_tables.h"
#include "queue/shares.h"
#include "settings/config.h"
#include "spool/spool.h"

typedef struct Names {
    Spool *spool;
    usec_t retry_max; /* no time further away than this is believed */
    LaneTables tables;
    Config *config; /* whose lanes they are; NULL: there are none */
    Shares shares;
    unsigned ahead;  /* so many of the next that are ready are being read from the disk already */
    SpoolScan *scan; /* the pass under way, or NULL */
    Buffer last;     /* names that come up when the pass is over: kind, name and NUL */
    Aside aside;     /* those that this machine could not read or write */
    bool mixes;      /* those that are ready come in random order */
    HashKey order;   /* of it */
    uint64_t taken;
    bool keeps_sent;  /* messages that are sent are not taken away */
    bool cleans;      /* the pass under way, or the next one, removes what crashes have left */
    bool surveys;     /* the pass under way goes on though there is no room, to find every owner */
    bool again;       /* another pass is wanted */
    unsigned flushed; /* so often by now */
    bool flushes;     /* the pass under way, or the next one, takes deferred messages whatever their
                         time */
} Names;

/* The spool is borrowed. 0 or -ENOMEM. */
int names_init(Names *names, Spool *spool, usec_t retry_max);
void names_done(Names *names);

/* Has names be in the lanes of that configuration. Where its lanes are others than before, all is
 * found anew. 0 or -ENOMEM, and nothing is changed. */
int names_use_lanes(Names *names, Config *config);

/* The state of a file that comes up so. */
static inline SpoolState names_state(NameKind kind)
{
    return name_is_deferred(kind) ? SPOOL_DEFERRED : SPOOL_QUEUED;
}

/* As name_table_put(); what there is no room for is found by another pass over the directory. */
void names_put(Names *names, const char *id, NameKind kind, usec_t due);

/* It comes up behind all others, those that the pass under way has yet to find included. */
void names_put_last(Names *names, const char *id, NameKind kind);

/* A file of that name has appeared; `complete` says that its writer is done, else it is looked at
 * after `settle`. */
void names_event(Names *names, const char *file_name, bool complete, usec_t settle, usec_t now);

/* The next name: 1 with it, or 0. */
int names_take(Names *names, usec_t now, char ret_id[static SPOOL_NAME_MAX], NameKind *ret_kind);

/* A file had to be waited for: has the disk read those that come up next, side by side. */
void names_read_ahead(Names *names);

/* Whether a pass over the directory is due or under way, and whether a name may be taken. */
bool names_is_unread(const Names *names, usec_t now);
bool names_any(const Names *names, usec_t now);

/* Whether the pass under way, or due, is to find the files of every owner: it goes on beside what
 * is taken, and does not wait until nothing is ready. */
bool names_is_survey(const Names *names);

/* A bounded step of the pass: 1 with the id of a `.sending` file, 0, or a negative errno with a
 * Failure: the pass begins anew later. */
int names_read(Names *names, usec_t now, char ret_id[static SPOOL_NAME_MAX], Failure *f);

/* The realtime from which on there may be something; USEC_NEVER: when told. */
usec_t names_next_due(const Names *names);

/* Wants another pass over the whole directory, after the one under way. */
void names_rescan(Names *names);

/* The same, and it removes what crashes have left. */
void names_clean(Names *names);

/* Everything that waits for a time is due now, and the directory is read anew. */
void names_flush(Names *names);

/* When a name comes up again that met with trouble in a look which began when names_flush() had
 * been called `flushed` times: after a pause, or at once where it was called since then, for what
 * was mended before that is to be tried. `unread`: the file could not be read. */
usec_t names_after_trouble(Names *names, const char *id, unsigned flushed, bool unread, usec_t now);

/* The clock was set: no time that is known may be further away than it could be. */
void names_distrust_clock(Names *names, usec_t now);
