/* Where messages are put: what the command line and the configuration say. */
#pragma once

#include "lib/put.h"
#include "tool/command.h"

/* As tool_directory(). */
int queue_target_open(const Tool *tool, const char *directory, QueueTarget *ret);
