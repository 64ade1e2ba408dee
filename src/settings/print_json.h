/* Settings as JSON; a part of settings/print.h. */
#pragma once

#include "settings/print.h"
#include "settings/table.h"
#include "settings/target.h"

/* Appends all sections (SECTION_ANY), or the content of one. 0 or -ENOMEM. */
int print_json(const Config *config, SettingSection section, Buffer *out);

/* Appends text that is no setting's. 0 or -ENOMEM. */
int print_json_text(const char *text, Buffer *out);

/* Appends one value, as the component has it where the target is its name; of a setting that
 * several relays have, an object by relay. 0 or -ENOMEM. */
int print_json_value(
    const Config *config, const Setting *setting, const Target *target, Buffer *out);
