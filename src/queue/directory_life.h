/* The life of a directory source: opening it, losing it, finding it again, and time. Inside the
 * layer only. */
#pragma once

#include "base/failure.h"
#include "queue/directory_state.h"

int directory_add_timers(Directory *directory);
int directory_attach(Directory *directory, Failure *f);

/* What the settings say of names. */
void directory_tell_names(Directory *directory);

/* Whether the path still leads to the open directory is looked at from the loop. */
void directory_check(Directory *directory);

/* Lets go of the directory and of the timers. */
void directory_end(Directory *directory);
