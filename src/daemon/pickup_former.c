/* Former pickup directories. Must never be given up while there is no database. */
#include "daemon/pickup_former.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "daemon/events.h"
#include "daemon/pickup_database.h"
#include "daemon/submit_database.h"
#include "queue/timer.h"
#include "spool/pickup.h"

#define ASK_AGAIN (5 * USEC_PER_SEC) /* for a database that is there again */
#define LOOK_AGAIN USEC_PER_HOUR     /* for a copy that could not be used, and was mended */

struct PickupFormer {
    sd_event *loop;
    Worker *worker;
    Log *log;
    Config *config; /* referenced */
    Job *job;       /* NULL: it has ended, or waits */
    sd_event_source *ended, *timer;
    char *told; /* what was wrong, the last time */
};

/* ---- beside the loop ---- */

typedef struct Task {
    Config *config;   /* referenced */
    SubmitLink *link; /* NULL: messages go into the queue directory */
    int error;
    bool waits; /* for the database: the error is none of the copies' */
    Failure failure;
} Task;

static void run(void *argument)
{
    Task *task = argument;
    const SpoolPickupSink sink = pickup_database_sink(task->link);
    size_t n;
    const PickupDirectory *directories = pickup_list_directories(task->config->spool.pickup, &n);
    const char **paths = calloc(MAX(n, (size_t)1), sizeof(*paths));

    if (!paths) {
        task->waits = true;
        task->error = failure_set_errno(&task->failure, -ENOMEM,
            "cannot look for messages that former pickup directories left");
        return;
    }
    for (size_t i = 0; i < n; i++)
        paths[i] = directories[i].path;
    task->error = spool_pickup_recover_others(task->config->spool.directory,
        task->link ? &sink : NULL, paths, n, &task->waits, &task->failure);
    free(paths);
}

static void drop(void *argument)
{
    Task *task = argument;

    submit_link_free(task->link);
    (void)config_unref(task->config);
    failure_done(&task->failure);
    free(task);
}

static const JobKind kind = {"former pickup directories", run, drop, .limit = 1};

/* ---- on the loop ---- */

static void tell(PickupFormer *former, const Failure *failure)
{
    if (text_equal(former->told ?: "", failure_text(failure)))
        return;
    free(former->told);
    former->told = strdup(failure_text(failure));
    event_problem(former->log, &(ProblemReport){.failure = failure});
}

static int on_ended(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    PickupFormer *former = user;
    const Task *task = job_argument(former->job);

    if (task->error < 0)
        tell(former, &task->failure);
    if (task->error < 0 && task->link)
        timer_arm(former->timer, task->waits ? ASK_AGAIN : LOOK_AGAIN);
    former->ended = sd_event_source_disable_unref(former->ended);
    (void)job_free(TAKE_PTR(former->job));
    return 0;
}

static int begin(PickupFormer *former)
{
    const char *database = former->config->spool.database;
    Task *task = calloc(1, sizeof(*task));
    int r;

    if (!task)
        return -ENOMEM;
    task->config = config_ref(former->config);
    r = database ? submit_link_new(database, &task->link) : 0;
    if (r >= 0)
        r = worker_submit(former->worker, &kind, NULL, task, &former->job);
    if (r < 0) {
        drop(task);
        return r;
    }
    return sd_event_add_io(
        former->loop, &former->ended, job_fd(former->job), EPOLLIN, on_ended, former);
}

static int on_timer(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    PickupFormer *former = user;

    if (!former->job && begin(former) < 0)
        timer_arm(former->timer, ASK_AGAIN);
    return 0;
}

int pickup_former_new(
    sd_event *loop, Worker *worker, Log *log, const Config *config, PickupFormer **ret)
{
    _cleanup_(pickup_former_free_p) PickupFormer *former = calloc(1, sizeof(*former));
    int r;

    if (!former)
        return -ENOMEM;
    *former = (PickupFormer){
        .loop = loop, .worker = worker, .log = log, .config = config_ref((Config *)config)};
    r = timer_new(loop, on_timer, former, &former->timer);
    if (r >= 0)
        r = begin(former);
    if (r >= 0)
        *ret = TAKE_PTR(former);
    return MIN(r, 0);
}

void pickup_former_configure(PickupFormer *former, const Config *config)
{
    if (!former)
        return;
    (void)config_unref(former->config);
    former->config = config_ref((Config *)config);
}

void pickup_former_free(PickupFormer *former)
{
    if (!former)
        return;
    (void)sd_event_source_disable_unref(former->ended);
    (void)sd_event_source_disable_unref(former->timer);
    (void)job_free(former->job);
    (void)config_unref(former->config);
    free(former->told);
    free(former);
}
