/* One connection of the engine and the messages on it. Inside the layer only. */
#pragma once

#include "delivery/state.h"

int link_open(Engine *engine, Relay *relay);
void link_fill(Link *link); /* takes a message */
void link_quit(Link *link);
void link_close(Link *link); /* gives it up; the pump frees it */
void link_free(Link *link);  /* the attempts of what is on it end here */
