/* The other program of the tool, which has all commands. */
#pragma once

/* Becomes outbox-full with this command line. Comes back only when that fails, with an exit status,
 * after having said why. */
int tool_become_full(char **argv);
