/* Where the queue is, for people. */
#pragma once

#include "settings/config.h"

/* "/var/spool/outbox", or "the database dbname=shop", with no secret in it. Caller frees; NULL when
 * memory is short. */
char *place_name(const Config *config);
