/* Settings for the user to read: what `outbox config` prints. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "settings/config.h"

typedef enum ConfigFormat {
    CONFIG_FORMAT_TEXT, /* as outbox.conf has it */
    CONFIG_FORMAT_JSON,
} ConfigFormat;

/* Appends the effective settings, secrets as "***". `name` NULL: all of them; a section, or
 * "relays.NAME": that; of these only what is not as it is by default where `defaults` (a
 * configuration without any settings but a host) is not NULL; a setting by any of its names
 * ("spool.settle", "relays.primary.port", "MailPort"): its value alone, or where there are several
 * relays one line each, "relays.NAME.port = 25" (in JSON an object by relay), likewise only if it
 * is not as in `defaults` (in JSON null). 0; -ENOENT for an
 * unknown name, with a Failure (ERROR_USAGE) that says which was probably meant; -ENOMEM. */
int config_print(const Config *config, const Config *defaults, const char *name,
    ConfigFormat format, Buffer *out, Failure *f);

/* Appends what there is to know about one setting, those of a section, or all: names, values,
 * default, help. Results as above. */
int config_print_help(const char *name, Buffer *out, Failure *f);
