/* Messages on their way out of the database: claimed in batches, read, and their content fetched in
 * pieces where it is large. */
#pragma once

#include "database/held.h"
#include "database/source_state.h"

/* Claims as many as there is room for, in every lane; nothing while that is under way. */
void database_claim(DatabaseSource *database);

/* The same where a look has found something, and without another: it finds what others have locked,
 * and no claim takes that. */
void database_claim_found(DatabaseSource *database);

/* The same, and where there is no room for more a few of each lane of which there is none: what is
 * urgent does not wait until most of what is not has been sent. For a tick, and no oftener. */
void database_claim_of_each(DatabaseSource *database);

/* The same as database_claim() where something has become ready. */
void database_look_again(DatabaseSource *database);

/* All that was asked for has been answered. */
void database_have_claimed(DatabaseSource *database);

/* Goes on with what is claimed and not read yet. */
void database_read_on(DatabaseSource *database);

/* Learns which lanes there are. */
void database_learn_lanes(DatabaseSource *database);

/* Lets go of one that is claimed and not taken yet, out of its list. */
void database_drop(DatabaseMessage *message);

/* Lets go of what is claimed and not taken yet: it is nobody's, or others' now. */
void database_drop_waiting(DatabaseSource *database);
