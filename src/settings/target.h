/* What a NAME on the command line stands for: "spool.settle", "relays.primary.port", "MailPort". */
#pragma once

#include <stdbool.h>

#include "settings/config.h"
#include "settings/table.h"

typedef struct Target {
    SettingSection section; /* SECTION_ANY for a bare name */
    char *relay;            /* the NAME of relays.NAME.x, or NULL for every relay */
    const char *setting;    /* borrowed from the text */
} Target;

/* Splits the text; a relay's name may hold dots. 0, -EINVAL for an unknown section, -ENOMEM. */
int target_parse(const char *text, Target *ret);
void target_done(Target *target);

/* Whether relay `relay` is meant: by its name; where no relay has that name, by its host, with or
 * without ":PORT". */
bool target_selects(const Target *target, const Config *config, size_t relay);
