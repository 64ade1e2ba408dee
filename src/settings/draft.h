/* A Config while it is being made: which settings were set where, and every mistake found so far.
 *
 * Functions that return int give 0 also where the user made a mistake: that is noted in the draft
 * and the work goes on, so that all mistakes are told at once. Negative results are our own
 * (-ENOMEM). */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "settings/config.h"
#include "settings/table.h"
#include "settings/value.h"

#define SETTINGS_MAX 192 /* rows of the table, at most */
#define DRAFT_LABEL_MAX 256

/* Where something was written: a file and line, or file "--set" and line 0. Borrowed. */
typedef struct Origin {
    const char *file; /* NULL: nowhere */
    unsigned line;
    const struct stat *st; /* of that file; NULL: none */
    const char *alias;     /* the component's name by which it was set there, static; or NULL */
} Origin;

typedef struct DraftRelay {
    Origin group;                  /* where the relay begins */
    Origin settings[SETTINGS_MAX]; /* by setting_index() */
    bool wrong;                    /* as in DraftPlace */
} DraftRelay;

#define PLACE_SETTINGS_MAX 8 /* rows of a rule or a lane, at most */

/* A rule or a lane. */
typedef struct DraftPlace {
    Origin group;
    Origin settings[PLACE_SETTINGS_MAX]; /* by their place among the rows of the section */
    bool wrong;                          /* something in it could not be read */
} DraftPlace;

typedef struct Draft {
    Config *config;
    const char *directory; /* relative paths of the file are taken from here, or NULL */
    Origin settings[SETTINGS_MAX];
    DraftRelay *relays;          /* as config->relays */
    DraftPlace *routes;          /* as config->routes */
    DraftPlace *lanes;           /* as config->lanes */
    bool wrong[SECTION_MAX + 1]; /* by section: something in it could not be read */
    bool is_program;     /* overrides are a program's, not a command line's: secrets may be */
    const Setting *only; /* this one is wanted alone, without a word about others; NULL: all */
    bool only_section;   /* what is wanted alone is all of that one's section */
    const Setting *beside, *aside; /* and these of the same section, where they are right */
    Buffer mistakes;
    unsigned n_mistakes;
    Buffer notices; /* what is no mistake, and worth knowing; as `mistakes` */
    int number;     /* of base/errors.h, of the last mistake */
} Draft;

/* The number that goes with the mistakes: several have ERROR_CONFIGURATION. */
int draft_number(const Draft *draft);

/* A Config in which everything has its default and no relays. */
int draft_init(Draft *draft);
void draft_done(Draft *draft);

/* Appends a relay with default settings. */
int draft_add_relay(Draft *draft, Origin group);

/* Appends a rule without conditions. */
int draft_add_route(Draft *draft, Origin group);

/* Appends a lane with default settings. */
int draft_add_lane(Draft *draft, Origin group);

/* Whether a mistake in it is not told: it is one that is wanted beside another. */
bool draft_is_spare(const Draft *draft, const Setting *setting);

/* Whether that setting is to be looked at. */
bool draft_wants(const Draft *draft, const Setting *setting);

/* Something in the section (SECTION_ANY: nobody knows where), at that place of a list, could not be
 * read and was told: what goes with it is not held against it, for one mistake is told once. */
void draft_note_wrong(Draft *draft, SettingSection section, size_t place);

/* Whether that is so: there, or anywhere in the section. */
bool draft_is_wrong_at(const Draft *draft, SettingSection section, size_t place);
bool draft_is_wrong(const Draft *draft, SettingSection section);

/* Sets a setting of a section, or of relay or rule `relay`, that `name` was written for; an origin
 * outside a file ("--set") takes no `directory`. */
int draft_set(Draft *draft, const Setting *setting, const char *name, size_t relay, ValueKind kind,
    const char *text, Origin origin);

/* Where a setting was set; `file` is NULL when it has its default. */
const Origin *draft_origin(const Draft *draft, const Setting *setting, size_t relay);

/* "spool.settle", "relays.primary.port"; a relay without a name is told by its host or number, and
 * a rule or a lane by its number.
 * Returns `label`. */
char *draft_label(
    const Draft *draft, const Setting *setting, size_t relay, char label[static DRAFT_LABEL_MAX]);

/* Notes "FILE:LINE: LABEL: what; what would be right". */
int draft_mistake(Draft *draft, Origin origin, const char *label, const char *format, ...)
    _printf_(4, 5);

/* The same about a setting, where it was set and with its label; where it was not set, the relay
 * begins. */
int draft_mistake_in(Draft *draft, const Setting *setting, size_t relay, const char *format, ...)
    _printf_(4, 5);

/* Notes what a setting says that is no mistake and changes nothing. */
int draft_notice_in(Draft *draft, const Setting *setting, size_t relay, const char *notice);

/* Notes a name that is no setting's: one of the component's that changes nothing here becomes a
 * notice, any other a mistake, with the one that was probably meant. `text`: its value. */
int draft_unknown(Draft *draft, Origin origin, SettingSection section, const char *label,
    const char *name, const char *text);

#define _cleanup_draft_ _cleanup_(draft_done)
