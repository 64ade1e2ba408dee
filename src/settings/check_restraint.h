/* What keeps a relay or a lane from taking more, checked. */
#pragma once

#include "settings/draft.h"

/* Those settings of the group at that place; NULL where one is not set. As draft_set(). */
int check_restraints(Draft *draft, SettingSection section, size_t place, const char *message_rate,
    const char *recipient_rate, const char *quiet);
