/* Messages that wait for a time: a heap of names, small enough for a million of them.
 *
 * Memory is bounded. When the bound is met the later half is forgotten and `due_index_horizon()`
 * says from which time on the index is incomplete: whoever owns it reads the directory again then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"

typedef struct DueIndex DueIndex;

/* `limit_bytes` bounds names and heap together. */
int due_index_new(size_t limit_bytes, DueIndex **ret);
void due_index_free(DueIndex *index);

/* Remembers `id` under a tag of the caller's until `due` (realtime, kept in whole seconds, rounded
 * up). 0 or -ENOMEM. */
int due_index_add(DueIndex *index, const char *id, uint8_t tag, usec_t due);

/* Takes the earliest entry when it is due. 1 with a copy of the id in `ret_id` (at least 256
 * bytes), or 0. */
int due_index_take(DueIndex *index, usec_t now, char *ret_id, uint8_t *ret_tag);

/* Makes every entry with tag `from` due at once, under tag `to`. */
void due_index_make_due(DueIndex *index, uint8_t from, uint8_t to);

/* The earliest time, the horizon included; USEC_NEVER when there is none. */
usec_t due_index_next(const DueIndex *index);

/* Entries due from here on may be missing; USEC_NEVER while the index is complete. */
usec_t due_index_horizon(const DueIndex *index);

size_t due_index_count(const DueIndex *index);

DEFINE_CLEANUP(DueIndex, due_index_free);
