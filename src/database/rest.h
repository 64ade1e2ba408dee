/* Giving back what the engine does not take. For the files of this folder alone. */
#pragma once

#include "database/source_state.h"

void database_rest_init(DatabaseSource *database);

/* Where what is ready has not been asked for in a while, it goes back. With each tick. */
void database_rest(DatabaseSource *database);

/* The engine asks, and there is none for it, or there is. */
void database_rest_end(DatabaseSource *database);
void database_rest_taken(DatabaseSource *database);

/* It goes back, and is no news when it comes again. */
void database_rest_remember(DatabaseSource *database, int64_t message);

/* Whether a message was given back, so that it is no news. */
bool database_rest_knows(const DatabaseSource *database, int64_t message);
