/* Closing the files of delivered messages beside the caller's thread.
 *
 * The last close of a deleted file is where the file system gives back its blocks and its inode: a
 * quarter of what a message costs there, and a wait for the device where it is told of each block
 * (ext4 without a journal, mounted with `discard`). It changes nothing that anybody can see, so
 * that it needs no order. Descriptors are handed to the worker in batches. One thread closes them;
 * more are started as long as those that there are do not keep up. */
#pragma once

#include "base/macros.h"
#include "base/worker.h"

#define CLOSER_KEPT_MAX 200 /* descriptors that may wait to be closed, or just are */

typedef struct Closer Closer;

/* References the worker. 0 or -ENOMEM. */
int closer_new(Worker *worker, Closer **ret);

/* Closes what waits for its batch to fill; the worker closes what it was given. Accepts NULL. */
void closer_free(Closer *closer);

/* Takes the descriptor of a deleted file. */
void closer_take(Closer *closer, int fd);

/* Closes what waits for its batch to fill. Accepts NULL. */
void closer_flush(Closer *closer);

DEFINE_CLEANUP(Closer, closer_free);
