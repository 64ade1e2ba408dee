/* Recipients under whom connections were lost, as a message's record has it: `deferred` lines at
 * RCPT or later that no verdict on the recipient brought about. Private to the spool. */
#pragma once

#include <stdbool.h>

#include "spool/record.h"

/* Takes a `deferred` line in; `opens` says that it is the first of its attempt. 0 or -ENOMEM. */
int spool_losses_add(SpoolLosses *losses, const char *line, size_t n, bool opens);

/* After the last line, for spool_losses_latest(). */
void spool_losses_sort(SpoolLosses *losses);
void spool_losses_done(SpoolLosses *losses); /* empty again */
