/* A queue directory as a source of messages: streams through it, listens to what others change in
 * it, keeps the times of deferred messages, and claims one file after the other.
 *
 * It survives the loss of the directory: when the path comes to lead elsewhere, or nowhere, nothing
 * new is claimed, what is in flight ends over the descriptor that is still open, and the path is
 * opened again beside it as soon as that can be done. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "queue/source.h"
#include "settings/config.h"

typedef struct Directory Directory;

typedef struct DirectoryOptions {
    const char *path; /* borrowed for the call */
    Config *config;
    bool quiet; /* nobody is told of messages that fail: whoever runs it hears of them */
    bool watch; /* listen to changes; else what is there at the start is all there is */
} DirectoryOptions;

/* Opens the directory, and watches it before anything in it is read. Loop and worker are
 * referenced. 0, or a negative errno with a Failure that says what to do. */
int directory_new(
    sd_event *loop, Worker *worker, const DirectoryOptions *options, Directory **ret, Failure *f);

/* Every held message must have been settled or abandoned. Accepts NULL. */
void directory_free(Directory *directory);

Source *directory_source(Directory *directory);

/* From now on by these settings; the path stays the same. Looks whether it still leads to the same
 * directory. */
void directory_configure(Directory *directory, Config *config);

/* Whether there is a directory that messages are taken from. */
bool directory_is_open(const Directory *directory);

/* Says in the directory how this process is (presence_say()), one that does not listen as a passing
 * one; nothing where there is none. 0 or a negative errno. */
int directory_say(Directory *directory, const void *text, size_t n);

/* As spool_check_leases(), of the directory that is open. */
int directory_check_leases(const Directory *directory, Failure *f);

DEFINE_CLEANUP(Directory, directory_free);
