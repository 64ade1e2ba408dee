/* Daemons that deliver from one source keep the limits of relays and lanes together: the part of
 * them that is this engine's. Inside the layer only. */
#pragma once

#include "delivery/state.h"

/* Takes what the source says of the others, and this engine's part, if that has changed. */
void fleet_look(Engine *engine);

/* Restrains by that part what a configuration has brought. */
void fleet_apply(Engine *engine);
