/* The one table of settings: parser, errors, overrides, `outbox config`, manual page and sample all
 * follow from its rows.
 *
 * Names are compared without regard to case and underscores, so "MaxLineLength" is
 * "max_line_length". All text is static. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SettingSection {
    SECTION_SPOOL,
    SECTION_RELAYS, /* a list of groups, as is the next; the others are one group each */
    SECTION_ROUTES,
    SECTION_RETRY,
    SECTION_BOUNCE,
    SECTION_ALARM,
    SECTION_DAEMON,
    SECTION_MESSAGE,
    SECTION_LOCAL,
    SECTION_MAX,
} SettingSection;

#define SECTION_ANY SECTION_MAX

typedef enum SettingType {
    SETTING_BOOL,        /* bool */
    SETTING_UNSIGNED,    /* unsigned */
    SETTING_PORT,        /* uint16_t */
    SETTING_SIZE,        /* size_t, bytes */
    SETTING_DURATION,    /* usec_t */
    SETTING_FACTOR,      /* double */
    SETTING_FLAGS,       /* unsigned: the `value` of each choice is a bit */
    SETTING_ENUM,        /* an enum: `value` of the choice */
    SETTING_KEYWORD,     /* char *: the first name of the choice */
    SETTING_STRING,      /* char *: no control characters */
    SETTING_WORD,        /* char *: no blanks either */
    SETTING_WORDS,       /* char *: words with blanks or commas between them; a list of texts */
    SETTING_URL,         /* char *: https; shown without the secrets in it */
    SETTING_CONNINFO,    /* char *: to a PostgreSQL database (base/conninfo.h); likewise */
    SETTING_HOST,        /* char *: a host name or address */
    SETTING_PATH,        /* char *: relative to the configuration's directory */
    SETTING_FILE,        /* char *: a path to a file that exists */
    SETTING_DIRECTORY,   /* char *: a path to a directory that exists */
    SETTING_CERTIFICATE, /* char *: paths to files that exist, or SHA-256 fingerprints */
    SETTING_STORE,       /* char *: a file or directory that exists, a pkcs11: URI, store:user or
                            store:machine */
    SETTING_PROTOCOLS,   /* char *: TLS versions, "TLSv1.2 TLSv1.3" */
    SETTING_KEYWORDS,    /* char *: some of the choices, with single blanks between them */
    SETTING_CIPHERS,     /* char *: names of cipher suites */
    SETTING_NETWORKS,    /* char *: networks of IP addresses */
    SETTING_USER,        /* char *: the name or the number of a user */
    SETTING_SECRET,      /* Secret * */
    SETTING_HEADERS,     /* Secret *: lines of an HTTP header; shown as a secret */
    SETTING_SENDERS,     /* SenderRules * */
    SETTING_USERS,       /* UserList * */
    SETTING_PICKUP,      /* PickupList * */
    SETTING_TYPE_MAX,
} SettingType;

/* One value of an enum or keyword; a list of them ends with names NULL. */
typedef struct SettingChoice {
    const char *names; /* "starttls|sslExplicit|2": the first is the one that is printed */
    int value;
    const char *refusal; /* why this one cannot be had, or NULL */
} SettingChoice;

typedef struct Setting {
    SettingSection section;
    const char *name;
    const char *aliases; /* the component's names, separated by blanks; "" when it has none */
    SettingType type;
    size_t offset;            /* in the section's struct of settings/config.h */
    const char *default_text; /* NULL: not set */
    uint64_t min, max;        /* of numbers, sizes and durations, in the unit of the field */
    const SettingChoice *choices;
    bool required; /* cannot be set to nothing */
    const char *help;
} Setting;

/* All rows, in the order in which they are shown; a section's rows are neighbours. */
const Setting *settings_table(size_t *ret_n);

/* The place of a row in the table. */
size_t setting_index(const Setting *setting);

/* Whether it is a list of groups. */
static inline bool section_is_list(SettingSection section)
{
    return section == SECTION_RELAYS || section == SECTION_ROUTES;
}

/* "spool", "relays", "routes", "retry", "bounce", "alarm", "daemon", "message", "local". */
const char *section_name(SettingSection section);

/* SECTION_ANY when there is none of that name. */
SettingSection section_find(const char *name);

/* By name or alias; NULL when there is none. With SECTION_ANY all sections are searched but that of
 * routes, whose settings have no place without a rule: no other name is used twice. */
const Setting *setting_find(SettingSection section, const char *name);

/* The row whose name or alias is most like a misspelt name, or NULL when none is near. */
const Setting *setting_suggest(SettingSection section, const char *name);

/* For a setting of the component that outbox does not have here: why not and what to do, as the
 * rest of a sentence; else NULL. */
const char *setting_unavailable(const char *name);

/* Whether two names are the same but for case and underscores. */
bool setting_name_equal(const char *a, const char *b);
