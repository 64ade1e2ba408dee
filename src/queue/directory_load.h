/* Claimed messages that are large or whose records are long: these are read beside the loop. Inside
 * the layer only. */
#pragma once

#include "queue/directory_state.h"
#include "queue/file_message.h"

/* Reads the record of a claimed message, and a large one whole; it comes up with take_loaded(). 0,
 * or a negative errno: it is the caller's still. */
int directory_load_beside(Directory *directory, FileMessage *message, NameKind kind);

/* Whether so many are being read that another one is to wait: each holds a descriptor and memory.
 */
bool directory_loads_enough(const Directory *directory);

/* A message whose record has been read, or NULL. */
FileMessage *directory_take_loaded(Directory *directory, NameKind *ret_kind);

/* Lets go of those that are being read. */
void directory_drop_loading(Directory *directory);
