/* The inside of a Directory, shared by directory.c (what is taken from it), directory_life.c
 * (opening, losing and finding it again; time) and directory_load.c (long records, beside the
 * loop). */
#pragma once

#include "queue/attachment.h"
#include "queue/directory.h"
#include "queue/file_message.h"

typedef struct Loading Loading; /* a message whose record is being read */

struct Directory {
    Source base;
    sd_event *loop;
    Worker *worker;
    char *path;
    bool watches;
    usec_t settle, retry_max;
    bool keep_sent;
    Attachment *current; /* NULL while the directory is lost */
    unsigned findings;   /* of the step under way */

    Loading *loading; /* all of them */
    unsigned n_loading;

    sd_event_source *turn;    /* defer: wakes the engine once, before the loop waits */
    sd_event_source *due;     /* realtime: what waits for a time */
    sd_event_source *clock;   /* tells that the clock was set */
    sd_event_source *check;   /* armed while the directory is in doubt or lost */
    sd_event_source *recover; /* armed while a `.sending` file may have lost its process */
    sd_event_source *again;   /* the whole directory is read anew at long intervals */
    int clock_fd;
    usec_t due_at;
    usec_t reopen_delay, recover_delay, recovered_at;
};

usec_t directory_now(const Directory *directory); /* realtime */

/* Has the engine take() from the loop, once, however often it is called. */
void directory_wake(Directory *directory);

/* ---- directory_life.c ---- */

int directory_add_timers(Directory *directory);
int directory_attach(Directory *directory, Failure *f);

/* Whether the path still leads to the open directory is looked at from the loop. */
void directory_check(Directory *directory);

/* Before take() ends with nothing: has the engine woken when there may be something. */
void directory_arm(Directory *directory, usec_t now);

/* ---- directory_load.c ---- */

/* Reads the record of a claimed message beside the loop; it comes up with take_loaded(). 0, or a
 * negative errno: it is the caller's still. */
int directory_load_beside(Directory *directory, FileMessage *message, NameKind kind);

/* A message whose record has been read: 1 with it, 0, or a negative errno of everybody's. */
int directory_take_loaded(Directory *directory, usec_t now, HeldMessage **ret);

/* Lets go of those that are being read. */
void directory_drop_loading(Directory *directory);

/* ---- directory.c ---- */

/* A claimed message whose record has been read: 1 with it, 0, or a negative errno of everybody's.
 */
int directory_open_message(
    Directory *directory, FileMessage *message, NameKind kind, usec_t now, HeldMessage **ret);
