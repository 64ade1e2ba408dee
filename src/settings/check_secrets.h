/* Checks of where secrets come from, and of who else can read them. */
#pragma once

#include "settings/draft.h"

/* At most one source a secret (an override puts those of the file aside); none in a file that
 * others than the daemon's user and root can read, private keys included. To be called after
 * check_files(). 0 or -ENOMEM. */
int check_secrets(Draft *draft, size_t relay);

/* The same of a password in spool.database; and whether this program can use a database at all. 0
 * or -ENOMEM. */
int check_database(Draft *draft);

/* Whoever may queue must be able to read in the default configuration which directory that is,
 * unless it is the default one. 0 or -ENOMEM. */
int check_directory_is_known(Draft *draft);
