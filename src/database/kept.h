/* What the engine wants to find again, beside the lease: a row of the daemon's, which one that
 * comes after it goes on with. For the files of this folder alone. */
#pragma once

#include "database/source_state.h"

int database_keep(Source *base, const void *data, size_t n);
int database_kept(Source *base, Buffer *out);

/* The daemon has begun: what one has left becomes its own. Called again after what met with a
 * conflict. */
void database_take_kept(DatabaseSource *database);

/* Writes what is not written. */
void database_write_kept(DatabaseSource *database);

/* Asks for what others keep, as long as it is of use. */
void database_ask_others(DatabaseSource *database);
void database_forget_others(DatabaseSource *database);
int database_others(Source *base, Buffer *out);

void database_kept_done(DatabaseSource *database);
