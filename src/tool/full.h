/* The other program of the tool, outbox-full, which has all commands. It lies beside outbox where
 * they were built, and in libexec where they are installed, wherever the tree was copied to. */
#pragma once

/* What stands before the command line that outbox-full is given: outbox and it are of one version,
 * or it refuses. */
#define FULL_HANDSHAKE "--of=" PACKAGE_VERSION

/* Becomes outbox-full with this command line. Comes back only when that fails, with an exit status,
 * after having said why. */
int tool_become_full(char **argv);
