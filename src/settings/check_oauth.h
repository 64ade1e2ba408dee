/* The settings by which OAuth tokens are got. */
#pragma once

#include "settings/draft.h"

/* As check_settings(), for one relay. */
int check_oauth(Draft *draft, size_t relay);
