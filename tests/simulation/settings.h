/* The configuration of a run, from the schedule. */
#pragma once

#include "settings/config.h"

/* `number` of the reload, 0 at first. Tells the relays how patient their client is. */
Config *settings_make(unsigned number);

/* After the last run. */
void settings_end(void);

/* Longer than anything takes to end once everything works. */
usec_t settings_bound(const Config *config);

/* Longer than a message has to wait beside a relay that works. */
usec_t settings_patience(const Config *config);
