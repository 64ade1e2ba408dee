/* A daemon whose relays take nothing. Must never give back what somebody has taken, or is just
 * being claimed. */
#include "database/rest.h"

#include "database/held.h"
#include "database/lanes.h"
#include "database/lease.h"
#include "database/reading.h"

#define PATIENCE (3 * USEC_PER_SEC)

void database_rest_init(DatabaseSource *d)
{
    d->rest.ahead = AHEAD_ALL;
}

/* Those of these lanes. */
static void give_back(DatabaseSource *d, uint32_t lanes)
{
    DatabaseMessage *next;
    size_t before = d->ready.n;

    for (DatabaseMessage *m = d->ready.first; m; m = next) {
        next = m->next;
        if (!(lanes >> m->base.lane & 1))
            continue;
        (void)database_list_remove(&d->ready, m);
        database_rest_remember(d, m->number);
        database_message_free(m);
    }
    if (d->ready.n < before) {
        database_lanes_gave_back(d, lanes);
        database_keep_what_is_known(d);
    }
}

static void rest_all(DatabaseSource *d)
{
    give_back(d, UINT32_MAX);
    d->rest.resting = true;
    d->rest.ahead = AHEAD_FEW;
}

/* What is held of a lane that is closed may be another daemon's, too. */
static void rest_lanes(DatabaseSource *d)
{
    uint32_t lanes = database_lanes_closed(d, PATIENCE);

    if (lanes && d->claims.n_asking == 0 && !d->stopping && !d->passing)
        give_back(d, lanes);
}

void database_rest(DatabaseSource *d)
{
    rest_lanes(d);
    if (d->ready.n > 0 && d->claims.n_asking == 0 && !d->stopping && !d->passing &&
        clock_monotonic() >= usec_add(d->rest.since, PATIENCE))
        rest_all(d);
}

void database_rest_end(DatabaseSource *d)
{
    if (!d->rest.resting)
        return;
    d->rest.resting = false;
    database_look_again(d);
}

void database_rest_taken(DatabaseSource *d)
{
    d->rest.since = clock_monotonic();
    ahead_grow(&d->rest.ahead);
}

void database_rest_remember(DatabaseSource *d, int64_t message)
{
    d->rest.given_back[d->rest.n_given_back++ % AHEAD_ALL] = message;
}

bool database_rest_knows(const DatabaseSource *d, int64_t message)
{
    size_t n = MIN(d->rest.n_given_back, (size_t)AHEAD_ALL);

    for (size_t i = 0; i < n; i++)
        if (d->rest.given_back[i] == message)
            return true;
    return false;
}
