/* Settings as JSON; a part of settings/print.h. */
#pragma once

#include "settings/print.h"
#include "settings/table.h"
#include "settings/target.h"

/* Appends all sections (SECTION_ANY), or the content of one, or of one relay; without what is as in
 * `defaults`, where that is not NULL. 0 or -ENOMEM. */
int print_json(const Config *config, const Config *defaults, SettingSection section, Buffer *out);
int print_json_relay(const RelayConfig *relay, const Config *defaults, Buffer *out);

/* Appends text that is no setting's. 0 or -ENOMEM. */
int print_json_text(const char *text, Buffer *out);

/* Appends one value, as the component has it where the target is its name; of a setting that
 * several relays have, an object by relay. What is as in `defaults` is null there, or left out. 0
 * or -ENOMEM. */
int print_json_value(const Config *config, const Config *defaults, const Setting *setting,
    const Target *target, Buffer *out);
