/* Options of `outbox check` that have no letter. */
#pragma once

#include "tool/command.h"

enum {
    CHECK_OPTION_AS_DAEMON = TOOL_LETTER_MAX + 1,
    CHECK_OPTION_AS_ME,
    CHECK_OPTION_PROBE,
    CHECK_OPTION_FROM,
};
