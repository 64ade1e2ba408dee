/* In which order the names of a share come. For table*.c alone. */
#pragma once

#include "queue/table_entry.h"

/* Room for one more: 0 or -ENOMEM. */
int share_reserve(Share *s, bool ready);

/* Adds a place; there is room. */
void share_push(const NameTable *t, Share *s, Place place, bool ready);

/* Exchanges the first that is ready for one of the others. */
void share_mix(Share *s, uint64_t random);

/* Passes over what was taken out, so that the first of heap and ring is a live one. */
void share_trim(const NameTable *t, Share *s);

/* Restores the heap after due times were changed. */
void share_order_heap(const NameTable *t, Share *s);

/* Leaves out the dead, and has the others be where `move` says that they went. */
void share_follow(const NameTable *t, Share *s, Place (*move)(const NameTable *t, Place place));

void share_done(Share *s);
