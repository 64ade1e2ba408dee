/* A simulated store of messages, behind queue/source.h: what is durable survives the process. */
#pragma once

#include "message.h"
#include "queue/source.h"
#include "settings/config.h"

typedef enum StoredState {
    STORED_NOTHING, /* not there yet, or deleted */
    STORED_QUEUED,
    STORED_SENDING, /* held by a process, alive or dead */
    STORED_DEFERRED,
    STORED_FAILED,
    STORED_HELD,
    STORED_SENT,
} StoredState;

/* Once a run. */
void store_begin(void);

/* For a new process: what the dead one held is deliverable again. The Config is borrowed. */
Source *store_open(const Config *config);
void store_configure(const Config *config);
void store_close(void);

/* ---- what others do ---- */

void store_put(unsigned message); /* it is queued */
void store_hold(unsigned message);
void store_release(unsigned message);
void store_retry(unsigned message);
void store_delete(unsigned message);
void store_clock_was_set(void);

/* ---- what there is ---- */

/* Whether everything has come to an end, held or deleted by somebody included; a message that has
 * not is named. */
bool store_is_done(unsigned *ret_message);
StoredState store_state(unsigned message);
bool store_had_trouble(void);           /* since the process was started */
bool store_is_settling(const char *id); /* its end is yet to be written */

/* At the end of a run: nobody was forgotten. */
void store_check(void);
