/* A connection made on a thread. Must never be waited for. */
#include "database/connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "database/client.h"

typedef struct Connecting {
    const Libpq *pq;
    char *conninfo;
    PGconn *pg;
} Connecting;

static void drop_notice(_unused_ void *user, _unused_ const char *message)
{
}

static void run_connect(void *argument)
{
    Connecting *c = argument;
    DatabaseParameters parameters;

    database_parameters(c->conninfo, &parameters);
    c->pg = c->pq->connectdbParams(parameters.keywords, parameters.values, 1);
    if (c->pg)
        (void)c->pq->setNoticeProcessor(c->pg, drop_notice, NULL);
}

static void drop_connecting(void *argument)
{
    Connecting *c = argument;

    if (c->pg)
        c->pq->finish(c->pg);
    explicit_bzero(c->conninfo, strlen(c->conninfo));
    free(c->conninfo);
    free(c);
}

static const JobKind connect_kind = {
    .name = "database",
    .run = run_connect,
    .drop = drop_connecting,
    .limit = 2, /* one that nobody waits for any more may hang */
};

int database_connect_begin(Worker *worker, const Libpq *pq, const char *conninfo, Job **ret)
{
    Connecting *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->pq = pq;
    c->conninfo = strdup(conninfo);
    r = c->conninfo ? worker_submit(worker, &connect_kind, NULL, c, ret) : -ENOMEM;
    if (r < 0) {
        free(c->conninfo);
        free(c);
    }
    return r;
}

PGconn *database_connect_take(Job *job)
{
    Connecting *c = job_argument(job);

    return TAKE_PTR(c->pg);
}
