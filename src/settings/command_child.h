/* The process of a command, for settings/command.c. */
#pragma once

#include "settings/command.h"

/* Starts it with these descriptors as its output and errors. 0, or a negative errno. */
int command_child_start(const char *command, int out_fd, int error_fd, CommandStop *stop);

/* Readable once it is over; -1 where the kernel has no such thing. The caller closes it. */
int command_child_fd(CommandStop *stop);

/* Waits until it is over. 0, or -ETIMEDOUT. */
int command_child_wait(CommandStop *stop, usec_t deadline, int *ret_status);

/* Ends it with all it started, if it runs, and reaps it. Returns whether it has been stopped. */
bool command_child_end(CommandStop *stop);
