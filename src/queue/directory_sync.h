/* Has the file system keep what became of messages. The removal or rename that ends a message is
 * not waited for, and a power failure takes it back, so that the message is sent again: for as long
 * as nobody syncs the directory, which can be half a minute. It is synced once a second, then,
 * beside the loop, while such changes are made. Inside the layer only. */
#pragma once

#include "queue/directory_state.h"

#define SYNC_PERIOD USEC_PER_SEC

/* Makes the timer. 0 or a negative errno. */
int directory_sync_init(Directory *directory);

/* A message has ended. */
void directory_sync_later(Directory *directory);

/* Waits for what is not on the disk yet, and frees the timer: the process is about to end. */
void directory_sync_end(Directory *directory);
