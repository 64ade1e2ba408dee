/* The submission socket (doc/submit.md): messages of users who may not write into the queue
 * directory. What is written and synced is so beside the loop. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "settings/config.h"

#define SUBMIT_CLIENTS_MAX 256 /* connections at a time */
#define SUBMIT_CLIENTS_EACH 64 /* of one user */
#define SUBMIT_FILES_SHARE 4   /* one part in so many of the descriptors is theirs at most */
#define SUBMIT_FILES_EACH 2    /* descriptors of a connection */

typedef struct Submit Submit;

/* Takes the socket from the service manager, or makes it where the configuration says. 0 with NULL
 * when there is to be none, or the default's directory does not exist; a negative errno with a
 * Failure. The loop and the overrides of the configuration are borrowed, worker and configuration
 * are referenced. */
int submit_new(sd_event *loop, Worker *worker, Config *config, const char *const *overrides,
    Submit **ret, Failure *f);

/* From now on by this configuration, but for where the socket is. */
void submit_configure(Submit *submit, Config *config);

/* Messages that were queued by it, since the start. Accepts NULL. */
uint64_t submit_count_accepted(const Submit *submit);

/* Nobody new is let in; whoever has sent a message is answered. Both accept NULL. */
void submit_stop(Submit *submit);
void submit_free(Submit *submit);

DEFINE_CLEANUP(Submit, submit_free);
