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
 * Results: 0 and a Config with one reference (what was set and changes nothing is told in its
 * notices); -EBADMSG for anything wrong in what the user wrote,
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

/* spool.directory, and where they are right and wanted (not NULL) spool.senders, a reference or
 * NULL, and spool.submit_socket, which the caller frees, or NULL, for who only puts mail there, of
 * the configuration as far as it can be read: what is wrong elsewhere in it, or in other overrides,
 * is the daemon's matter. Without the default file the defaults hold.
 *
 * 0; 1 where the default holds because the default file, or a part of a file, cannot be read: it
 * may name another directory, and the Failure says why where the whole cannot be read (else it is
 * empty). -EBADMSG when the directory itself is wrong, or the section it stands in, or when an
 * override is no setting; other negative errno values when a file that `path` names cannot be read,
 * or when nothing could be read now. The caller frees *ret. */
int config_load_directory(const char *path, const char *const *overrides, char **ret,
    SenderRules **ret_senders, char **ret_socket, Failure *f);

/* spool.database, which the caller frees, or NULL, of the configuration as far as it can be read,
 * as config_load_directory() has the directory. 0, or -EBADMSG when it is wrong. */
int config_load_database(const char *path, const char *const *overrides, char **ret, Failure *f);

/* spool.keep_sent; true also where the configuration is there and cannot be read whole, or is wrong
 * in it: what is kept in vain can still be deleted. */
bool config_keeps_sent(const char *path, const char *const *overrides);

/* How far a configuration is looked at. */
typedef enum ConfigCheck {
    CONFIG_CHECK_VALUES, /* each setting alone: relays may have no host yet */
    CONFIG_CHECK_WHOLE,  /* as config_load() */
} ConfigCheck;

/* As config_load() for a program that sets settings by itself: `path` NULL is no file, and
 * overrides may be secrets. Relative paths among them are taken from the working directory. */
int config_load_program(
    const char *path, const char *const *overrides, ConfigCheck check, Config **ret, Failure *f);

/* The section `message` alone, for who composes: what is wrong elsewhere is the daemon's matter.
 * Where the default file is missing or cannot be read the defaults hold. 0 and a Config of which no
 * other section counts; -EBADMSG for what is wrong in this one, or an override that is no setting;
 * another negative errno when a file that `path` names cannot be read, or nothing could now. */
int config_load_message(const char *path, const char *const *overrides, Config **ret, Failure *f);

/* The same of the section `local`, for who queues mail of this machine's programs. */
int config_load_local(const char *path, const char *const *overrides, Config **ret, Failure *f);

/* The same of the section `spool`, for who lets others queue. */
int config_load_spool(const char *path, const char *const *overrides, Config **ret, Failure *f);

/* As config_load() for `n` bytes of text in memory, which mistakes call `name`. Relative paths are
 * taken from the working directory. Here overrides are a program's and may be secrets. */
int config_load_text(const char *name, const char *text, size_t n, const char *const *overrides,
    Config **ret, Failure *f);
