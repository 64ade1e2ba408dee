/* What operators want of messages that this daemon has claimed. For the files of this folder alone.
 */
#pragma once

#include "database/source_state.h"

/* Lets go of messages that somebody wants to hold or delete, where nothing has been done with them.
 * With each tick, and when somebody rings. */
void database_look_for_wishes(DatabaseSource *database);

/* Says which are being sent. With each tick. */
void database_tell_sending(DatabaseSource *database);
