/* From a name of the directory to a held message. Inside the layer only. */
#pragma once

#include "queue/directory_state.h"
#include "queue/file_message.h"

/* Claims a name that has come up. 1 with the message in `ret`; 0 when there is none to deliver now
 * (what was found was reported, and what to look at again is known); or a negative errno after a
 * failure that every message would meet with. */
int directory_claim(
    Directory *directory, const char *id, NameKind kind, usec_t now, HeldMessage **ret);

/* The same for one that is claimed already, and whose record has been read. */
int directory_open_message(
    Directory *directory, FileMessage *message, NameKind kind, usec_t now, HeldMessage **ret);

/* Takes up `id.sending` of a dead process. 0, or a negative errno as above. */
int directory_recover(Directory *directory, const char *id);
