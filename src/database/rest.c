/* A daemon whose relays take nothing. Must never give back what somebody has taken, or is just
 * being claimed. */
#include "database/rest.h"

#include "database/held.h"
#include "database/lease.h"
#include "database/reading.h"

#define PATIENCE (3 * USEC_PER_SEC)
#define AHEAD_FIRST 2 /* after a rest: twice as many with each that is taken */

void database_rest_init(DatabaseSource *d)
{
    d->rest.ahead = DATABASE_AHEAD;
}

static void give_back(DatabaseSource *d)
{
    Rest *rest = &d->rest;
    DatabaseMessage *m;

    while ((m = database_list_take(&d->ready))) {
        rest->given_back[rest->n_given_back++ % DATABASE_AHEAD] = m->number;
        database_message_free(m);
    }
    database_keep_what_is_known(d);
    rest->resting = true;
    rest->ahead = AHEAD_FIRST;
}

void database_rest(DatabaseSource *d)
{
    if (d->ready.n > 0 && d->claims.n_asking == 0 && !d->stopping && !d->passing &&
        clock_monotonic() >= usec_add(d->rest.since, PATIENCE))
        give_back(d);
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
    d->rest.ahead = MIN(2 * d->rest.ahead, (size_t)DATABASE_AHEAD);
}

bool database_rest_knows(const DatabaseSource *d, int64_t message)
{
    size_t n = MIN(d->rest.n_given_back, (size_t)DATABASE_AHEAD);

    for (size_t i = 0; i < n; i++)
        if (d->rest.given_back[i] == message)
            return true;
    return false;
}
