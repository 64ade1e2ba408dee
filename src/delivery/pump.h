/* The rounds of the engine: asks the plan, and acts on it. Inside the layer only. */
#pragma once

#include "delivery/state.h"

void engine_pump(Engine *engine);
