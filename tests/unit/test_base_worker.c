/* base: jobs beside the caller. What hangs is a job that reads from a pipe into which nobody
 * writes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/worker.h"
#include "unit.h"

#define PATIENCE_MS 20000

/* Counters that runs and drops of all jobs of a test share. */
typedef struct Tally {
    unsigned run, dropped;
    unsigned now, most; /* that run */
} Tally;

typedef struct Task {
    Tally *tally;
    int wait_fd; /* read from before it ends; -1: none */
    int result;
} Task;

static void run(void *argument)
{
    Task *task = argument;
    unsigned now = __atomic_add_fetch(&task->tally->now, 1, __ATOMIC_SEQ_CST), most;
    char byte;

    most = __atomic_load_n(&task->tally->most, __ATOMIC_SEQ_CST);
    while (now > most && !__atomic_compare_exchange_n(&task->tally->most, &most, now, false,
                             __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    if (task->wait_fd >= 0)
        (void)!read(task->wait_fd, &byte, 1);
    task->result = 42;
    __atomic_sub_fetch(&task->tally->now, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&task->tally->run, 1, __ATOMIC_SEQ_CST);
}

static void drop(void *argument)
{
    Task *task = argument;

    __atomic_add_fetch(&task->tally->dropped, 1, __ATOMIC_SEQ_CST);
    free(task);
}

static const JobKind one_at_a_time = {"one", run, drop, .limit = 1};
static const JobKind two_at_a_time = {"two", run, drop, .limit = 2};
static const JobKind keyed = {"keyed", run, drop, .limit = 8, .limit_of_key = 2};
static const JobKind patient = {"patient", run, drop, .limit = 3, .backlog = 4, .waiting_max = 4};

static Task *task_new(Tally *tally, int wait_fd)
{
    Task *task = malloc(sizeof(Task));

    ck_assert_ptr_nonnull(task);
    *task = (Task){.tally = tally, .wait_fd = wait_fd};
    return task;
}

static Job *submit(Worker *worker, const JobKind *kind, const char *key, Tally *tally, int wait_fd)
{
    Job *job = NULL;

    ck_assert_int_eq(worker_submit(worker, kind, key, task_new(tally, wait_fd), &job), 0);
    return job;
}

static void wait_for(const Job *job)
{
    struct pollfd p = {.fd = job_fd(job), .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
    ck_assert(job_has_ended(job));
    ck_assert_int_eq(((Task *)job_argument(job))->result, 42);
}

static unsigned value(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void wait_until(const unsigned *counter, unsigned wanted)
{
    for (unsigned i = 0; value(counter) != wanted; i++) {
        ck_assert_uint_lt(i, PATIENCE_MS);
        (void)poll(NULL, 0, 1);
    }
}

/* A pipe: what reads `ends[0]` hangs until a byte comes, or ends[1] is closed. */
static void open_pipe(int ends[static 2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void close_pipe(const int ends[static 2])
{
    close(ends[0]);
    close(ends[1]);
}

START_TEST(a_job_runs_and_tells_its_end)
{
    Tally tally = {0};
    Worker *worker;
    Job *job;

    ck_assert_int_eq(worker_new(&worker), 0);
    job = submit(worker, &one_at_a_time, NULL, &tally, -1);
    ck_assert_int_ne(fcntl(job_fd(job), F_GETFD) & FD_CLOEXEC, 0);
    wait_for(job);
    ck_assert_uint_eq(value(&tally.run), 1);
    ck_assert_uint_eq(value(&tally.dropped), 0);
    job_free(job);
    ck_assert_uint_eq(value(&tally.dropped), 1);
    job_free(NULL);
    ck_assert_ptr_null(worker_unref(worker));
    ck_assert_ptr_null(worker_unref(NULL));
}
END_TEST

START_TEST(many_jobs_of_several_kinds_all_run)
{
    enum { JOBS = 500 };
    Tally tally = {0};
    Job *jobs[JOBS];
    Worker *worker;

    ck_assert_int_eq(worker_new(&worker), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = submit(worker, i % 2 ? &two_at_a_time : &keyed, i % 3 ? "a" : "b", &tally, -1);
        ck_assert_int_eq(
            worker_submit(worker, &one_at_a_time, NULL, task_new(&tally, -1), NULL), 0);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        wait_for(jobs[i]);
        job_free(jobs[i]);
    }
    worker_unref(worker); /* what nobody waits for goes on */
    wait_until(&tally.dropped, 2 * JOBS);
    ck_assert_uint_eq(value(&tally.run), 2 * JOBS);
}
END_TEST

START_TEST(a_kind_that_hangs_holds_up_no_other)
{
    Tally hung = {0}, tally = {0};
    Job *hanging[10], *job;
    Worker *worker;
    int ends[2];

    open_pipe(ends);
    ck_assert_int_eq(worker_new(&worker), 0);
    for (unsigned i = 0; i < 10; i++)
        hanging[i] = submit(worker, &two_at_a_time, NULL, &hung, ends[0]);
    for (unsigned i = 0; i < 20; i++) {
        job = submit(worker, &one_at_a_time, NULL, &tally, -1);
        wait_for(job);
        job_free(job);
    }
    wait_until(&hung.now, 2);
    ck_assert_uint_eq(value(&hung.run), 0);
    close(ends[1]);
    for (unsigned i = 0; i < 10; i++) {
        wait_for(hanging[i]);
        job_free(hanging[i]);
    }
    ck_assert_uint_eq(value(&hung.most), 2);
    worker_unref(worker);
    close(ends[0]);
}
END_TEST

START_TEST(a_key_that_hangs_holds_up_no_other)
{
    Tally hung = {0}, tally = {0};
    Job *hanging[10], *job;
    Worker *worker;
    int ends[2];

    open_pipe(ends);
    ck_assert_int_eq(worker_new(&worker), 0);
    for (unsigned i = 0; i < 10; i++)
        hanging[i] = submit(worker, &keyed, "a", &hung, ends[0]);
    wait_until(&hung.now, 2);
    for (unsigned i = 0; i < 20; i++) {
        job = submit(worker, &keyed, i % 2 ? "b" : NULL, &tally, -1);
        wait_for(job);
        job_free(job);
    }
    close(ends[1]);
    for (unsigned i = 0; i < 10; i++) {
        wait_for(hanging[i]);
        job_free(hanging[i]);
    }
    ck_assert_uint_eq(value(&hung.most), 2);
    worker_unref(worker);
    close(ends[0]);
}
END_TEST

START_TEST(what_is_cancelled_never_runs_and_what_runs_is_dropped_at_its_end)
{
    Tally tally = {0};
    Job *running, *waiting, *last;
    Worker *worker;
    int ends[2];

    open_pipe(ends);
    ck_assert_int_eq(worker_new(&worker), 0);
    running = submit(worker, &one_at_a_time, NULL, &tally, ends[0]);
    wait_until(&tally.now, 1);
    waiting = submit(worker, &one_at_a_time, NULL, &tally, -1);
    last = submit(worker, &one_at_a_time, NULL, &tally, -1);
    job_free(last);
    ck_assert_uint_eq(value(&tally.dropped), 1);
    last = submit(worker, &one_at_a_time, NULL, &tally, -1);
    job_free(waiting);
    ck_assert_uint_eq(value(&tally.dropped), 2);
    job_free(running);
    ck_assert_uint_eq(value(&tally.dropped), 2);
    ck_assert(!job_has_ended(last));
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    wait_for(last);
    job_free(last);
    worker_unref(worker);
    ck_assert_uint_eq(value(&tally.run), 2);
    ck_assert_uint_eq(value(&tally.dropped), 4);
    close_pipe(ends);
}
END_TEST

START_TEST(the_last_reference_waits_for_no_job)
{
    Tally tally = {0};
    Worker *worker;
    Job *job;
    int ends[2];

    open_pipe(ends);
    ck_assert_int_eq(worker_new(&worker), 0);
    job = submit(worker, &two_at_a_time, NULL, &tally, ends[0]);
    ck_assert_int_eq(
        worker_submit(worker, &two_at_a_time, NULL, task_new(&tally, ends[0]), NULL), 0);
    ck_assert_int_eq(worker_submit(worker, &two_at_a_time, NULL, task_new(&tally, -1), NULL), 0);
    wait_until(&tally.now, 2);
    ck_assert_ptr_eq(worker_ref(worker), worker);
    worker_unref(worker);
    worker_unref(worker);
    ck_assert_uint_eq(value(&tally.dropped), 0);
    job_free(job);
    close(ends[1]);
    wait_until(&tally.dropped, 3);
    close(ends[0]);
}
END_TEST

static unsigned count_threads(void)
{
    char line[256];
    unsigned n = 0;
    FILE *file = fopen("/proc/self/status", "re");

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Threads: %u", &n) == 1)
            break;
    fclose(file);
    return n;
}

/* One thread as long as it keeps up; then more, up to the limit; then the caller is told. */
START_TEST(a_backlog_bears_waiting_and_has_an_end)
{
    Tally tally = {0};
    unsigned with_one = 0;
    Worker *worker;
    Task *task;
    int ends[2];

    open_pipe(ends);
    ck_assert_int_eq(worker_new(&worker), 0);
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_int_eq(worker_submit(worker, &patient, NULL, task_new(&tally, ends[0]), NULL), 0);
        wait_until(&tally.now, i < 5 ? 1 : i - 3);
        if (i == 0)
            with_one = count_threads();
        ck_assert_uint_eq(count_threads(), with_one + (i < 5 ? 0 : i - 4));
    }
    task = task_new(&tally, -1);
    ck_assert_int_eq(worker_submit(worker, &patient, NULL, task, NULL), -EBUSY);
    free(task);
    close(ends[1]);
    wait_until(&tally.dropped, 7);
    ck_assert_uint_eq(value(&tally.most), 3);
    worker_unref(worker);
    close(ends[0]);
}
END_TEST

static void note_signals(void *argument)
{
    sigset_t *set = argument;

    pthread_sigmask(SIG_BLOCK, NULL, set);
}

static void leave_alone(_unused_ void *argument)
{
}

START_TEST(threads_take_no_signals)
{
    static const JobKind kind = {"signals", note_signals, leave_alone, .limit = 1};
    struct pollfd p = {.events = POLLIN};
    Worker *worker;
    sigset_t set;
    Job *job;

    ck_assert_int_eq(worker_new(&worker), 0);
    sigemptyset(&set);
    ck_assert_int_eq(worker_submit(worker, &kind, NULL, &set, &job), 0);
    p.fd = job_fd(job);
    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
    job_free(job);
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            ck_assert_msg(sigismember(&set, signal) == 1, "signal %d", signal);
    worker_unref(worker);
}
END_TEST

START_TEST(without_a_descriptor_the_argument_stays_the_callers)
{
    struct rlimit before;
    Tally tally = {0};
    Task *task = task_new(&tally, -1);
    Worker *worker;
    Job *job;

    ck_assert_int_eq(worker_new(&worker), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
    ck_assert_int_eq(worker_submit(worker, &one_at_a_time, NULL, task, &job), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_uint_eq(value(&tally.dropped), 0);
    free(task);
    worker_unref(worker);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base worker");
    TCase *tests = tcase_create("worker");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_job_runs_and_tells_its_end);
    tcase_add_test(tests, many_jobs_of_several_kinds_all_run);
    tcase_add_test(tests, a_kind_that_hangs_holds_up_no_other);
    tcase_add_test(tests, a_key_that_hangs_holds_up_no_other);
    tcase_add_test(tests, what_is_cancelled_never_runs_and_what_runs_is_dropped_at_its_end);
    tcase_add_test(tests, the_last_reference_waits_for_no_job);
    tcase_add_test(tests, a_backlog_bears_waiting_and_has_an_end);
    tcase_add_test(tests, threads_take_no_signals);
    tcase_add_test(tests, without_a_descriptor_the_argument_stays_the_callers);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
