/* What is known of the files of a queue directory: one keyed table, file name -> what it waits for.
 *
 * A name is known once, whoever brings it up and however often. It is ready (it comes in its turn),
 * or it waits for a time. Each belongs to a share, and shares take turns, however many names each
 * has: one of many names keeps no other waiting. Deferred messages cost fifteen bytes and their
 * name, so that a million of them fit into memory. Memory is bounded: when the bound is met, the
 * later half of what waits is forgotten and name_table_horizon() says from which time on the table
 * is incomplete; whoever owns it reads the directory again then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"
#include "queue/name_kind.h"

typedef struct NameTable NameTable;

/* 0 or -ENOMEM. `limit_bytes` bounds names and indices together. */
int name_table_new(size_t limit_bytes, NameTable **ret);
void name_table_free(NameTable *table);

/* Has the name come up in the turn of its share (< NAME_SHARES; `due` 0), or at that time
 * (realtime, kept in whole seconds, rounded up). A name that is there gets the new time; one that
 * is ready stays so, in its place. 1; 0 when there is no room, so that a pass over the directory
 * must bring it; or -ENOMEM. */
int name_table_put(NameTable *table, const char *id, NameKind kind, unsigned share, usec_t due);

/* For an entry of the directory: 1 when its name is known, which is noted for the pass under way
 * (name_table_end_pass()), else 0. */
int name_table_see(NameTable *table, const char *id, NameKind kind);

/* Forgets a name, if it is known: whether it was. */
bool name_table_drop(NameTable *table, const char *id, NameKind kind);

/* Takes the next name out: shares take turns, and in each what is ready and what is due. 1 with it,
 * or 0. */
int name_table_take(
    NameTable *table, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind);

/* Has one of the names that are ready come first, in each share, which one a random number says. */
void name_table_mix(NameTable *table, uint64_t random);

/* The names that are ready, in about the order in which they will come: as take(), leaving them
 * there. `at` begins with 0. */
int name_table_peek(
    const NameTable *table, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind);

/* Everything that waits for a time is due. */
void name_table_flush(NameTable *table);

/* Due no later than that: for when the clock was set back, or a time is beyond all reason. */
void name_table_cap(NameTable *table, usec_t latest);

/* A pass over the directory begins; at its end the names that were there before and that nobody saw
 * or put since are forgotten: their files are gone. */
void name_table_begin_pass(NameTable *table);
void name_table_end_pass(NameTable *table);

size_t name_table_ready(const NameTable *table);    /* names that come in their turn */
size_t name_table_size(const NameTable *table);     /* all of them */
size_t name_table_deferred(const NameTable *table); /* of deferred messages, due or not */
bool name_table_has_room(const NameTable *table);   /* for another name that is ready */
size_t name_table_of_share(const NameTable *table, unsigned share); /* of it, taken out ones too */

/* The earliest time that a name waits for, the horizon included; USEC_NEVER when there is none. */
usec_t name_table_next(const NameTable *table);
usec_t name_table_horizon(const NameTable *table); /* USEC_NEVER while the table is complete */

DEFINE_CLEANUP(NameTable, name_table_free);
