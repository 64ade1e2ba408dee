/* One setting's value: from text to its field in the Config and back. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "settings/config.h"
#include "settings/table.h"

/* How the value was written: in a configuration file a number is not a string. */
typedef enum ValueKind {
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_UNTYPED, /* an override or a default: all are text there */
} ValueKind;

/* The struct that a section's fields are in; `place` counts for lists (section_is_list()) alone. */
void *value_group(const Config *config, SettingSection section, size_t place);

/* How many of them there are: one, but for lists. */
size_t value_groups(const Config *config, SettingSection section);

/* Sets the field of `setting` in `group` (a SpoolConfig, RelayConfig, ...). Empty text unsets.
 * Relative paths are taken from `directory`, or left alone where that is NULL. 0; -EINVAL with a
 * Failure "what is wrong; what would be right" that never quotes a secret; -ENOMEM. */
int value_parse(const Setting *setting, ValueKind kind, const char *text, const char *directory,
    void *group, Failure *f);

/* Appends the field as value_parse() reads it: `5m`, `64K`, `starttls`; nothing when it is not set,
 * "***" for a secret. 0 or -ENOMEM. */
int value_format(const Setting *setting, const void *group, Buffer *out);

/* Whether the field is as it is in that configuration: 1, 0, or -ENOMEM. NULL: no. */
int value_is_default(const Setting *setting, const void *group, const Config *defaults);

#define VALUE_NUMBER_MAX 48

/* A number as the file has it, whatever the locale. Returns `text`. */
char *value_number_text(double number, char text[static VALUE_NUMBER_MAX]);

/* Whether the field is set (numbers always are). */
bool value_is_set(const Setting *setting, const void *group);

/* Whether `n` bytes are a SHA-256 fingerprint: what is no path in a SETTING_CERTIFICATE. */
bool value_is_fingerprint(const char *text, size_t n);

/* Whether it is no path in a SETTING_STORE but names a token or a store. */
bool value_is_store_name(const char *text);

/* Whether a formatted value stands without quotes in the file and in JSON (numbers and true or
 * false). */
bool value_is_bare(const Setting *setting, const char *text);

/* Appends what a value may be: "a duration from 1s to 1d such as \"90s\" or \"5m\"". 0 or -ENOMEM.
 */
int value_describe(const Setting *setting, Buffer *out);

/* Frees what the field owns and leaves it unset. */
void value_done(const Setting *setting, void *group);

/* Digits, and nothing else; and with a sign before them, of which what is beyond all ranges is as
 * far as there are numbers. */
bool value_parse_whole(const char *text, uint64_t *ret);
bool value_parse_signed(const char *text, int64_t *ret);

/* Digits, of which some may be behind a point. */
bool value_parse_decimal(const char *text, double *ret);

/* The number of a whole, size or duration setting, in the unit of its field. 0, -EINVAL, -ERANGE.
 */
int value_parse_quantity(const Setting *setting, const char *text, uint64_t *ret);
