/* This host's name, as EHLO wants it (RFC 5321, 4.1.4). */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Whether a name is a full one of letters, digits, hyphens and dots that says which host it is:
 * "localhost.localdomain" and the like do not. */
bool host_name_is_usable(const char *name);

/* Whether the host name as it is set can be used as it stands, so that asking cannot block. */
bool host_name_is_qualified(void);

/* The same, with the name. */
bool host_name_get_qualified(char ret[static HOST_NAME_MAX + 1]);

/* A fully qualified name made of letters, digits, hyphens and dots; NULL in `*ret` when there is
 * none, so that the caller uses an address literal. May block on a name server. 0 or -ENOMEM.
 * Caller frees. */
int host_name_get(char **ret);
