/* The groups of spool.pickup as the text that they stand for. */
#pragma once

#include <libconfig.h>

#include "base/buffer.h"
#include "base/failure.h"

/* Of a group, or a list of groups and texts: 0; -EINVAL with a Failure that says what is wrong, and
 * `ret_where` is what it is about; -ENOMEM. The text ends with a NUL. */
int read_pickup(
    const config_setting_t *setting, Buffer *ret, const config_setting_t **ret_where, Failure *f);
