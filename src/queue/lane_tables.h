/* What is known of the files of a queue directory, a NameTable a lane, so that what is in one lane
 * keeps nothing in another from its turn, however much it is.
 *
 * Where there are no lanes one table has everything. Else the lane of a name counts from when its
 * time has come: until then it is with the others that wait, and nobody has looked at its file. */
#pragma once

#include <stdint.h>

#include "queue/table.h"
#include "settings/lanes.h"

typedef struct LaneTables {
    NameTable *tables[LANES_MAX + 1];
    unsigned n;    /* lanes; with more than one, tables[n] has what waits for a time */
    uint32_t open; /* bits: of these lanes names are taken */
    uint32_t left; /* bits: of these, there was no room for all in the last pass, or since */
} LaneTables;

/* 0 or -ENOMEM. `limit_bytes`: as of name_table_new(), of the largest table. */
int lane_tables_init(LaneTables *tables, unsigned n_lanes, size_t limit_bytes);
void lane_tables_done(LaneTables *tables);

static inline bool lane_tables_several(const LaneTables *tables)
{
    return tables->n > 1;
}

/* The lane that a name has which is known to have come up; UINT_MAX: there is no such. */
unsigned lane_tables_find(const LaneTables *tables, const char *id, NameKind kind);

/* As name_table_put(). The lane does not count where `due` is not 0. */
int lane_tables_put(
    LaneTables *tables, const char *id, NameKind kind, unsigned lane, unsigned share, usec_t due);

/* The table that such a name goes into. */
const NameTable *lane_tables_of(const LaneTables *tables, unsigned lane, usec_t due);

int lane_tables_see(LaneTables *tables, const char *id, NameKind kind);

/* The next name of a lane that is open. 1 with it, or 0. */
int lane_tables_take(
    LaneTables *tables, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind);

/* The next name whose time has come and whose lane is not known. */
int lane_tables_take_due(
    LaneTables *tables, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind);

void lane_tables_mix(LaneTables *tables, uint64_t random);
int lane_tables_peek(
    const LaneTables *tables, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind);
void lane_tables_flush(LaneTables *tables);
void lane_tables_cap(LaneTables *tables, usec_t latest);
void lane_tables_begin_pass(LaneTables *tables);
void lane_tables_end_pass(LaneTables *tables);

size_t lane_tables_ready(const LaneTables *tables); /* in lanes that are open */
size_t lane_tables_all_ready(const LaneTables *tables);
size_t lane_tables_of_lane(const LaneTables *tables, unsigned lane); /* that have come up */
size_t lane_tables_deferred(const LaneTables *tables);
bool lane_tables_has_room(const LaneTables *tables);

/* Whether a lane that is open has come to its end, and there was no room for all of it. */
bool lane_tables_want_more(const LaneTables *tables);

usec_t lane_tables_next(const LaneTables *tables);
usec_t lane_tables_horizon(const LaneTables *tables);
