/* The inside of a Directory, and how it wakes the engine. For directory*.c alone. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "queue/attachment.h"
#include "queue/source.h"
#include "settings/config.h"
#include "settings/senders.h"

typedef struct Directory Directory;
typedef struct Loading Loading; /* a message whose record is being read */

struct Directory {
    Source base;
    sd_event *loop;
    Worker *worker;
    char *path;
    bool watches, quiet;
    usec_t settle, retry_max, give_up_after;
    bool keep_sent;
    SenderRules *senders;
    Config *config;
    Notices notices;
    Attachment *current; /* NULL while the directory is lost */
    char *lost_for;      /* why, as it was told last; NULL while it is not lost */
    unsigned findings;   /* of the step under way */

    Loading *loading; /* all of them */
    unsigned n_loading;

    sd_event_source *turn;    /* defer: wakes the engine once, before the loop waits */
    sd_event_source *due;     /* realtime: what waits for a time */
    sd_event_source *clock;   /* tells that the clock was set */
    sd_event_source *check;   /* armed while the directory is in doubt or lost */
    sd_event_source *recover; /* armed while a `.sending` file may have lost its process */
    sd_event_source *step;    /* armed while caution keeps messages waiting */
    sd_event_source *sync;    /* armed while a message has ended that the disk does not know of */
    sd_event_source *again;   /* the whole directory is read anew at long intervals */
    bool unsynced;            /* that timer is armed */
    int clock_fd;
    usec_t due_at;
    usec_t reopen_delay, recover_delay, recovered_at;
};

usec_t directory_now(const Directory *directory); /* realtime */

/* Has the engine take() from the loop, once, however often it is called. */
void directory_wake(Directory *directory);

/* Before take() ends with nothing: has the engine woken when there may be something. */
void directory_arm(Directory *directory, usec_t now);
