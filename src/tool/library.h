/* The rest of the tool, which is in liboutbox.so: all commands but what queues. It is loaded when a
 * command needs it. Of the library it is one function, in a version node of its own that says the
 * exact version (configure.ac), and no part of what programs may use. */
#pragma once

#include <outbox/base.h>

/* Runs the command that this command line names; what it needs is read from the command line alone,
 * for outbox and the library have each their own copy of what they share. Expects tool_begin() to
 * have been called. Returns the exit status, and has written all output. */
OUTBOX_API int outbox_tool_main(int argc, char **argv);
#define TOOL_ENTRY "outbox_tool_main"

/* Loads the library and runs outbox_tool_main(). The exit status; where the library cannot be
 * loaded, after having said why. */
int tool_run_rest(int argc, char **argv);
