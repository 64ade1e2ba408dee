/* Long lists of choices. Of the table of settings alone. */
#pragma once

#include "settings/table.h"

/* Extensions that a relay may offer (RFC 5321, 2.2.2). */
extern const SettingChoice settings_ehlo_choices[];
