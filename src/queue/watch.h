/* The watch on the queue directory: what others change in it, at the price of few wake-ups and of
 * none while nothing happens. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/failure.h"

typedef struct Watch Watch;

/* All are called from the loop; none may free the watch. */
typedef struct WatchHandlers {
    /* A file is there that may be ready to go, `.queued` or `.deferred`, or was put aside, `.held`.
     * `complete`: it was closed after writing, or renamed; else its writer may not be done
     * (IN_CREATE). */
    void (*notice)(void *user, const char *file_name, bool complete);
    /* Whoever held a `.sending` file open has closed it and left it as it is: its process died, or
     * could not end what it began. The lock is dropped only after this was told. */
    void (*abandoned)(void *user);
    /* A file that a process keeps there, with a dot in front, was read. */
    void (*read)(void *user, const char *file_name);
    /* Events were lost: only a scan tells what is in the directory. */
    void (*overflow)(void *user);
    /* The path may lead somewhere else now, or nowhere: spool_is_current() tells. */
    void (*doubt)(void *user);
} WatchHandlers;

/* Watches the directory, the one above it (a removal of an open directory is seen only there),
 * every symbolic link on the way to it, and the table of mounts; all but the first as far as they
 * may be read. 0, or a negative errno with a Failure that says what to do. */
int watch_new(sd_event *loop, const char *path, const WatchHandlers *handlers, void *user,
    Watch **ret, Failure *f);
void watch_free(Watch *watch); /* accepts NULL */

/* This process has just given a file that name: the event that comes of it is no news. */
void watch_expect(Watch *watch, const char *file_name);

DEFINE_CLEANUP(Watch, watch_free);
