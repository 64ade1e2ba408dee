/* From a libconfig file and NAME=VALUE overrides to a Config, by way of the table in
 * settings/table.h. */
#pragma once

#include "base/failure.h"
#include "settings/config.h"

#define SETTINGS_DEFAULT_PATH SYSCONFDIR "/outbox/outbox.conf"

/* Reads and validates. `path` NULL means SETTINGS_DEFAULT_PATH. `overrides` is a NULL-terminated
 * list of "NAME=VALUE" (as for --set: "spool.keep_sent=true", "relays.primary.port=2525", or a
 * relay setting's bare or component name, which then holds for every relay: "MailPort=2525"), or
 * NULL.
 *
 * Results: 0 and a Config with one reference; -EBADMSG for anything wrong in what the user wrote,
 * with a Failure (ERROR_CONFIGURATION) that holds every mistake found, one a line, each as
 * "FILE:LINE: setting: what is wrong; what would be right"; other negative errno values when the
 * file cannot be read (the Failure says so too).
 *
 * Relative paths in the file are taken from its directory, in overrides from the working directory.
 * A secret is refused as an override, a command line being public; its _file, _command and
 * _credential are not, and put the file's source aside. An override without a relay in the file
 * makes one ("MailServer=..."). Where the default file does not exist, overrides hold on their own.
 */
int config_load(const char *path, const char *const *overrides, Config **ret, Failure *f);

/* spool.directory and spool.senders (a reference, or NULL; `ret_senders` NULL: not wanted) alone,
 * for who only puts mail there: relays may be missing and files unreadable, and without the default
 * file the defaults hold. The caller frees *ret. Results as above. */
int config_load_directory(const char *path, const char *const *overrides, char **ret,
    SenderRules **ret_senders, Failure *f);

/* As config_load() for `n` bytes of text in memory, which mistakes call `name`. Relative paths are
 * taken from the working directory. Here overrides are a program's and may be secrets. */
int config_load_text(const char *name, const char *text, size_t n, const char *const *overrides,
    Config **ret, Failure *f);
