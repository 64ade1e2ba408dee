/* Judging configurations. Must never have the loop wait for a file. */
#include "daemon/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/errors.h"
#include "daemon/events.h"

struct Judge {
    Job *job;
    sd_event_source *ended;
    JudgeDone done;
    void *user;
};

typedef struct Task {
    Config *config; /* referenced */
    JudgeResult *results;
} Task;

static void run(void *argument)
{
    Task *task = argument;

    for (size_t i = 0; i < task->config->n_relays; i++)
        relay_check(task->config->relays[i], false, &task->results[i]);
}

static void drop(void *argument)
{
    Task *task = argument;

    for (size_t i = 0; task->results && i < task->config->n_relays; i++)
        relay_judgement_done(&task->results[i]);
    free(task->results);
    (void)config_unref(task->config);
    free(task);
}

static const JobKind kind = {"judging", run, drop, .limit = 4};

static int on_ended(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Judge *judge = user;
    Task *task = job_argument(judge->job);

    judge->done(judge->user, task->config, task->results);
    return 0;
}

int judge_start(
    sd_event *loop, Worker *worker, Config *config, JudgeDone done, void *user, Judge **ret)
{
    Judge *judge = calloc(1, sizeof(Judge));
    Task *task = calloc(1, sizeof(Task));
    int r = -ENOMEM;

    if (!judge || !task) {
        free(judge);
        free(task);
        return r;
    }
    *judge = (Judge){.done = done, .user = user};
    task->config = config_ref(config);
    task->results = calloc(MAX(config->n_relays, (size_t)1), sizeof(JudgeResult));
    if (task->results)
        r = worker_submit(worker, &kind, NULL, task, &judge->job);
    if (r < 0)
        drop(task);
    else
        r = sd_event_add_io(loop, &judge->ended, job_fd(judge->job), EPOLLIN, on_ended, judge);
    if (r < 0)
        judge_free(judge);
    else
        *ret = judge;
    return MIN(r, 0);
}

void judge_free(Judge *judge)
{
    if (!judge)
        return;
    (void)sd_event_source_disable_unref(judge->ended);
    (void)job_free(judge->job);
    free(judge);
}

int judge_explain(const RelayConfig *relay, const JudgeResult *result, Failure *f)
{
    return failure_set(f, result->error, result->failure.number ?: error_from_errno(result->error),
        "relay %s: %s", relay->name, failure_text(&result->failure));
}

void judge_tell_notices(Log *log, const Config *config, const JudgeResult *results)
{
    for (size_t i = 0; i < config->n_relays; i++) {
        _cleanup_failure_ Failure f = {0};

        if (!results[i].notice)
            continue;
        failure_set(&f, 0, ERROR_TLS_CREDENTIALS, "relay %s: %s", config->relays[i]->name,
            results[i].notice);
        event_problem(log, &(ProblemReport){.failure = &f});
    }
}
