/* Mail that nobody delivers. Must never be told of where somebody does. */
#include "daemon/unserved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/errors.h"
#include "queue/timer.h"
#include "spool/presence.h"
#include "spool/spool.h"

#define LOOK_EVERY USEC_PER_MINUTE

struct Unserved {
    sd_event *loop;
    Worker *worker;
    char *directory;
    UnservedTell tell;
    void *user;
    Job *job; /* NULL: nobody looks at the moment */
    sd_event_source *ended, *timer;
    size_t told; /* messages */
};

/* ---- beside the loop ---- */

typedef struct Task {
    char *directory;
    size_t n; /* messages; 0 as well where the directory cannot be read, or somebody serves it */
} Task;

static bool waits(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED || state == SPOOL_SENDING;
}

static size_t count(const Spool *spool)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    _cleanup_failure_ Failure f = {0};
    SpoolEntry entry;
    size_t n = 0;
    int r = spool_scan_new(spool, &scan, &f);

    while (r >= 0 && (r = spool_scan_next(scan, &entry)) > 0)
        n += waits(entry.state);
    return n;
}

static void run(void *argument)
{
    Task *task = argument;
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_failure_ Failure f = {0};

    if (spool_open_to_read(task->directory, &spool, &f) >= 0 && !presence_is_anybody(spool))
        task->n = count(spool);
}

static void drop(void *argument)
{
    Task *task = argument;

    free(task->directory);
    free(task);
}

static const JobKind kind = {"mail that nobody delivers", run, drop, .limit = 1};

/* ---- on the loop ---- */

static void tell_of(Unserved *unserved, size_t n, bool news)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set(&f, -EBUSY, ERROR_SPOOL,
        "%s: %zu message%s wait%s there, and nobody delivers from it: this outboxd does from the "
        "database (spool.database). `outbox move --to database --all` brings %s along; who put %s "
        "there since may not read the configuration: let all read it, the secrets in other files",
        unserved->directory, n, n == 1 ? "" : "s", n == 1 ? "s" : "", n == 1 ? "it" : "them",
        n == 1 ? "it" : "them");
    unserved->tell(unserved->user, unserved->directory, &f, news);
}

static int on_ended(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Unserved *unserved = user;
    size_t n = ((const Task *)job_argument(unserved->job))->n, told = unserved->told;

    unserved->ended = sd_event_source_disable_unref(unserved->ended);
    (void)job_free(TAKE_PTR(unserved->job));
    unserved->told = n;
    timer_arm(unserved->timer, LOOK_EVERY);
    if (n > 0)
        tell_of(unserved, n, n > told);
    else if (told > 0)
        unserved->tell(unserved->user, unserved->directory, NULL, true);
    return 0;
}

static int begin(Unserved *unserved)
{
    Task *task = calloc(1, sizeof(*task));
    int r;

    if (!task)
        return -ENOMEM;
    task->directory = strdup(unserved->directory);
    r = task->directory ? worker_submit(unserved->worker, &kind, NULL, task, &unserved->job)
                        : -ENOMEM;
    if (r < 0) {
        drop(task);
        return r;
    }
    r = sd_event_add_io(
        unserved->loop, &unserved->ended, job_fd(unserved->job), EPOLLIN, on_ended, unserved);
    if (r < 0)
        (void)job_free(TAKE_PTR(unserved->job));
    return r;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Unserved *unserved = user;

    if (!unserved->job && begin(unserved) < 0)
        timer_arm(unserved->timer, LOOK_EVERY);
    return 0;
}

int unserved_new(sd_event *loop, Worker *worker, const Config *config, UnservedTell tell,
    void *user, Unserved **ret)
{
    _cleanup_(unserved_free_p) Unserved *unserved = NULL;
    int r;

    if (!config->spool.database)
        return 0;
    unserved = calloc(1, sizeof(*unserved));
    if (!unserved)
        return -ENOMEM;
    *unserved = (Unserved){.loop = loop,
        .worker = worker,
        .directory = strdup(config->spool.directory),
        .tell = tell,
        .user = user};
    r = unserved->directory ? timer_new(loop, on_timer, unserved, &unserved->timer) : -ENOMEM;
    if (r >= 0)
        r = begin(unserved);
    if (r >= 0)
        *ret = TAKE_PTR(unserved);
    return MIN(r, 0);
}

void unserved_free(Unserved *unserved)
{
    if (!unserved)
        return;
    (void)sd_event_source_disable_unref(unserved->ended);
    (void)sd_event_source_disable_unref(unserved->timer);
    (void)job_free(unserved->job);
    free(unserved->directory);
    free(unserved);
}
