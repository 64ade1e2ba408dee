/* Asking for the message that has waited longest. Must never ask again while no answer has come. */
#include <inttypes.h>
#include <stdio.h>

#include "database/source_state.h"

static void on_oldest(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    int64_t waited;

    d->asking_oldest = false;
    if (!rows || database_result_count(rows) != 1)
        return;
    waited = database_result_integer(rows, 0, 2);
    d->oldest = (DatabaseOldest){
        .known = true,
        .watches = database_result_truth(rows, 0, 0),
        .message = database_result_integer(rows, 0, 1),
        .waited = waited > 0 ? (usec_t)waited : 0,
    };
}

static void ask(DatabaseSource *d, usec_t every)
{
    static const char statement[] =
        "SELECT watches, message, waited FROM outbox.oldest($1, $2::interval)";
    char daemon[DAEMON_TEXT_MAX], interval[48];
    const char *const values[] = {daemon, interval};

    (void)database_format_daemon(d, daemon);
    (void)snprintf(interval, sizeof(interval), "%" PRIu64 " microseconds", (uint64_t)every);
    d->asking_oldest = database_ask(d->connection, statement, values, 2, on_oldest, d) >= 0;
}

void database_source_oldest(DatabaseSource *d, usec_t every, DatabaseOldest *ret)
{
    *ret = d->oldest;
    if (d->away > 0)
        *ret = (DatabaseOldest){.away = MAX(clock_monotonic() - d->away, 1u)};
    if (d->alive && !d->asking_oldest)
        ask(d, every);
}
