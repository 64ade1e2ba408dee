/* Lists of messages that are held, first in, first out. Inside the layer only. */
#pragma once

#include "delivery/state.h"

static inline void held_append(Lane *lane, HeldMessage *message)
{
    if (lane->n++ == 0)
        lane->end = &lane->first;
    message->next = NULL;
    *lane->end = message;
    lane->end = &message->next;
}

static inline HeldMessage *held_remove(Lane *lane, HeldMessage **at)
{
    HeldMessage *message = *at;

    *at = message->next;
    if (lane->end == &message->next)
        lane->end = at;
    lane->n--;
    return message;
}
