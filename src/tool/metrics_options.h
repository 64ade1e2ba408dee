/* Options of `outbox metrics` that have no letter. */
#pragma once

#include "tool/command.h"

enum {
    METRICS_FORMAT = TOOL_LETTER_MAX + 1,
    METRICS_HTTP,
};
