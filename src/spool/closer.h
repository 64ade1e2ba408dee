/* Closing the files of delivered messages beside the caller's thread.
 *
 * The last close of a deleted file is where the file system gives back its blocks and its inode: a
 * quarter of what a message costs there. It changes nothing that anybody can see, so that it needs
 * no order. Descriptors are handed over in batches; with none to hand over the thread sleeps. */
#pragma once

#include "base/macros.h"

typedef struct Closer Closer;

/* Starts no thread yet. 0 or -ENOMEM. */
int closer_new(Closer **ret);

/* Closes what is left and ends the thread. Accepts NULL. */
void closer_free(Closer *closer);

/* Takes the descriptor of a deleted file. */
void closer_take(Closer *closer, int fd);

/* Closes what waits for its batch to fill. */
void closer_flush(Closer *closer);

DEFINE_CLEANUP(Closer, closer_free);
