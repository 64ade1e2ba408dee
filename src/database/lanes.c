/* Must never keep a message waiting behind those of a lane that may not be sent. */
#include "database/lanes.h"

#include <string.h>

#include "base/text.h"
#include "database/held.h"
#include "database/lease.h"
#include "database/reading.h"

#define ALL UINT32_MAX

/* A pass goes by a lane that is closed for so long: the engine does after PLAN_SILENT. */
#define PASSED_BY (12 * USEC_PER_SEC)

static bool is_open(const DatabaseSource *d, unsigned lane)
{
    return d->lanes.open >> lane & 1;
}

void database_lanes_find(const DatabaseSource *d, DatabaseMessage *m)
{
    m->base.lane = config_find_lane(d->lanes.settings, message_envelope(m->opened)->lane);
}

static void number(const DatabaseSource *d, ClaimsLane *lane)
{
    lane->number = config_find_lane(d->lanes.settings, lane->name);
}

int database_lanes_know(DatabaseSource *d, const char *name)
{
    size_t known = d->claims.n;
    int r = claims_add_lane(&d->claims, name);

    if (d->claims.n > known)
        number(d, &d->claims.lanes[known]);
    return r;
}

/* As the database writes it. Claimed from the beginning, before a message is in it. */
static void know_configured(DatabaseSource *d, const char *lane)
{
    char name[LANE_NAME_MAX + 1];
    size_t n = strnlen(lane, LANE_NAME_MAX);

    for (size_t i = 0; i < n; i++)
        name[i] = text_fold(lane[i]);
    name[n] = '\0';
    (void)database_lanes_know(d, name); /* where there is no memory it is learnt later */
}

void database_lanes_configure(DatabaseSource *d, const Config *config)
{
    (void)config_unref(d->lanes.settings);
    d->lanes.settings = config->n_lanes > 0 ? config_ref((Config *)config) : NULL;
    d->lanes.open = d->lanes.chosen = ALL;
    for (unsigned i = 0; i < LANES_MAX; i++)
        d->lanes.ahead[i] = AHEAD_ALL;
    for (size_t i = 0; i < d->claims.n; i++)
        number(d, &d->claims.lanes[i]);
    for (size_t i = 0; i < config->n_lanes; i++)
        know_configured(d, config->lanes[i]->name);
    for (DatabaseMessage *m = d->ready.first; m; m = m->next)
        database_lanes_find(d, m);
}

void database_lanes_done(DatabaseSource *d)
{
    (void)config_unref(d->lanes.settings);
}

DatabaseMessage *database_lanes_take(DatabaseSource *d)
{
    for (DatabaseMessage *m = d->ready.first; m; m = m->next)
        if (d->lanes.chosen >> m->base.lane & 1) {
            (void)database_list_remove(&d->ready, m);
            ahead_grow(&d->lanes.ahead[m->base.lane]);
            return m;
        }
    return NULL;
}

size_t database_lanes_count_ready(const DatabaseSource *d, const ClaimsLane *lane)
{
    size_t n = 0;

    for (const DatabaseMessage *m = d->ready.first; m; m = m->next)
        n += m->base.lane == lane->number;
    return n;
}

size_t database_lanes_want(const DatabaseSource *d, const ClaimsLane *lane, size_t most)
{
    size_t ahead = d->lanes.ahead[lane->number], have;

    if (!is_open(d, lane->number))
        return 0;
    if (ahead >= AHEAD_ALL)
        return most;
    have = database_lanes_count_ready(d, lane);
    return MIN(most, ahead - MIN(ahead, have));
}

int database_lanes_want_any(const DatabaseSource *d, size_t *most, Buffer *closed)
{
    int r = buffer_append(closed, "{", 1);

    for (size_t i = 0; i < d->claims.n && r >= 0; i++) {
        const ClaimsLane *lane = &d->claims.lanes[i];

        if (is_open(d, lane->number))
            *most = MIN(*most, d->lanes.ahead[lane->number]);
        else /* quoted: one may be called null */
            r = buffer_appendf(closed, "%s\"%s\"", buffer_size(closed) > 1 ? "," : "", lane->name);
    }
    return r < 0 ? r : buffer_append(closed, "}", 2);
}

/* Those of them that have been open since, or are not in `left_out`. */
static bool have_more(const DatabaseSource *d, uint32_t left_out)
{
    for (size_t i = 0; i < d->claims.n; i++) {
        const ClaimsLane *lane = &d->claims.lanes[i];

        if (lane->more && !(left_out >> lane->number & 1))
            return true;
    }
    return false;
}

bool database_lanes_have_more(const DatabaseSource *d)
{
    uint32_t opened = d->lanes.chosen & ~d->lanes.open; /* it is seen at the end of the turn */

    return opened || have_more(d, ~d->lanes.open);
}

bool database_lanes_have_more_soon(const DatabaseSource *d)
{
    return have_more(d, database_lanes_closed(d, PASSED_BY));
}

void database_lanes_gave_back(DatabaseSource *d, uint32_t lanes)
{
    for (unsigned i = 0; i < LANES_MAX; i++)
        if (lanes >> i & 1)
            d->lanes.ahead[i] = AHEAD_FEW;
}

size_t database_lanes_have(const DatabaseSource *d)
{
    size_t n = d->loading.n;

    if (d->lanes.open == ALL)
        return n + d->ready.n;
    for (const DatabaseMessage *m = d->ready.first; m; m = m->next)
        n += is_open(d, m->base.lane);
    return n;
}

uint32_t database_lanes_closed(const DatabaseSource *d, usec_t patience)
{
    usec_t now = database_now();
    uint32_t closed = 0;

    for (unsigned i = 0; i < LANES_MAX; i++)
        if (!is_open(d, i) && now >= usec_add(d->lanes.closed[i], patience))
            closed |= (uint32_t)1 << i;
    return closed;
}

bool database_lanes_wait(const DatabaseSource *d)
{
    return d->lanes.open != ALL;
}

void database_lanes_look(DatabaseSource *d)
{
    uint32_t opened = d->lanes.chosen & ~d->lanes.open;

    for (unsigned i = 0; i < LANES_MAX; i++)
        if (is_open(d, i) && !(d->lanes.chosen >> i & 1))
            d->lanes.closed[i] = database_now();
    d->lanes.open = d->lanes.chosen;
    for (size_t i = 0; i < d->claims.n && opened; i++) {
        ClaimsLane *lane = &d->claims.lanes[i];

        if (opened >> lane->number & 1)
            lane->more = true;
    }
}

/* ---- what the engine asks ---- */

/* Now and then it chooses one lane for a moment, so that the next message is of that: which are
 * open is seen at the end of its turn. */
void database_lanes_choose(Source *base, uint32_t lanes)
{
    DatabaseSource *d = database_source_from(base);

    d->lanes.chosen = lanes | ALL << (d->lanes.settings ? d->lanes.settings->n_lanes + 1 : 0);
    if (d->lanes.chosen != d->lanes.open)
        (void)sd_event_source_set_enabled(d->claim, SD_EVENT_ONESHOT);
}

void database_lanes_count(const Source *base, size_t ret[static LANES_MAX])
{
    const DatabaseSource *d = (const DatabaseSource *)base;

    for (unsigned i = 0; i < LANES_MAX; i++)
        ret[i] = 0;
    for (const DatabaseMessage *m = d->ready.first; m; m = m->next)
        ret[m->base.lane]++;
}
