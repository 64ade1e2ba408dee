/* Fetching a secret from where the configuration says it is. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "settings/command.h"
#include "settings/config.h"

/* True when any of the four places is named. */
bool secret_source_is_set(const SecretSource *source);

/* Whether the secret could be had, without running a command: to be asked before anything depends
 * on it. `name` is the setting's without its ending, "password". What this user may not look at is
 * left to its use, and so are credentials where there are none. May block. 0, or a negative errno
 * with a Failure. */
int secret_source_check(const SecretSource *source, const char *name, Failure *f);

/* The same of a file that holds something secret that is no line of text. It need not be there. */
int secret_file_check(const char *path, const char *setting, bool or_directory, Failure *f);

/* Reads the secret. May block (a command is run with a time limit of 30 s, a file may be on a slow
 * disk): call it beside an event loop, not in it. 0 with a reference the caller drops, or a
 * negative errno with a Failure that names the file, command or credential and what to do. *ret is
 * NULL when no source is set. A file that others can
 * read, too, is refused (settings/privacy.h). `stop` is of a command; it may be NULL. */
int secret_source_fetch(const SecretSource *source, CommandStop *stop, Secret **ret, Failure *f);
