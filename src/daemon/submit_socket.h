/* Where programs connect to submit: taken from the service manager, or made. */
#pragma once

#include "settings/config.h"

/* A listening socket, which does not block, and the path that submit_socket_close() is to remove:
 * NULL for one that was handed over. 0; with -1 where there is to be none, or the directory of the
 * default one is not there. A negative errno with a Failure. */
int submit_socket_open(const SpoolConfig *spool, int *ret_fd, char **ret_path, Failure *f);

/* Whether that would come to something, as far as it can be told without making it: a socket that
 * is there is left to who serves it. 0, or a negative errno with a Failure. */
int submit_socket_check(const SpoolConfig *spool, Failure *f);

/* Makes it again where somebody has removed what this process had made at `path`. The new listening
 * socket; -EEXIST where it is there, or another negative errno. */
int submit_socket_renew(const char *path);

void submit_socket_close(int fd, char *path);
