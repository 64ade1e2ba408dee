/* Fetching a secret from where the configuration says it is. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "settings/command.h"
#include "settings/config.h"

/* True when any of the four places is named. */
bool secret_source_is_set(const SecretSource *source);

/* Reads the secret. May block (a command is run with a time limit of 30 s, a file may be on a slow
 * disk): call it beside an event loop, not in it. 0 with a reference the caller drops, or a
 * negative errno with a Failure that names the file, command or credential and what to do. *ret is
 * NULL when no source is set. A file that others can
 * read, too, is refused (settings/privacy.h). `stop` is of a command; it may be NULL. */
int secret_source_fetch(const SecretSource *source, CommandStop *stop, Secret **ret, Failure *f);
