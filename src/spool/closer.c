/* Batches of files for the worker to close. Must never keep more descriptors than CLOSER_KEPT_MAX,
 * nor hold one for good. */
#include "spool/closer.h"

#include <errno.h>

#define BATCH ((size_t)8)
#define WAITING_MAX ((size_t)8)  /* batches */
#define THREADS_MAX ((size_t)16) /* they wait for a device, not for a processor */

_Static_assert(BATCH + (WAITING_MAX + THREADS_MAX) * BATCH == CLOSER_KEPT_MAX, "the stated bound");

typedef struct Batch {
    size_t n;
    int fds[BATCH];
} Batch;

struct Closer {
    Worker *worker;
    Batch *gathering; /* NULL: nothing */
};

static void close_all(void *argument)
{
    Batch *batch = argument;

    for (size_t i = 0; i < batch->n; i++)
        (void)close(batch->fds[i]);
    batch->n = 0;
}

static void drop(void *argument)
{
    close_all(argument);
    free(argument);
}

/* One thread as long as it keeps up: what is closed in memory is closed faster than it comes. */
static const JobKind closing = {
    .name = "closing",
    .run = close_all,
    .drop = drop,
    .limit = THREADS_MAX,
    .backlog = WAITING_MAX,
    .waiting_max = WAITING_MAX,
};

int closer_new(Worker *worker, Closer **ret)
{
    Closer *closer = calloc(1, sizeof(Closer));

    if (!closer)
        return -ENOMEM;
    closer->worker = worker_ref(worker);
    *ret = closer;
    return 0;
}

void closer_take(Closer *closer, int fd)
{
    if (!closer->gathering)
        closer->gathering = calloc(1, sizeof(Batch));
    if (!closer->gathering) {
        (void)close(fd);
        return;
    }
    closer->gathering->fds[closer->gathering->n++] = fd;
    if (closer->gathering->n < BATCH)
        return;
    if (worker_submit(closer->worker, &closing, NULL, closer->gathering, NULL) >= 0)
        closer->gathering = NULL;
    else
        close_all(closer->gathering); /* the threads do not keep up */
}

void closer_flush(Closer *closer)
{
    if (closer && closer->gathering)
        close_all(closer->gathering);
}

void closer_free(Closer *closer)
{
    if (!closer)
        return;
    if (closer->gathering)
        drop(closer->gathering);
    (void)worker_unref(closer->worker);
    free(closer);
}
