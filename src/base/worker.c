/* Threads and what they are to do. Must never let jobs of one kind wait for those of another, nor
 * keep the mutex while a job runs. */
#include "base/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define IDLE_SECONDS 30 /* a thread without work for so long ends */

typedef enum JobState {
    JOB_WAITING,
    JOB_RUNNING,
    JOB_ENDED,
} JobState;

/* The jobs of one kind. */
typedef struct KindQueue {
    const JobKind *kind;
    struct KindQueue *next;
    Job *waiting, **waiting_end; /* oldest first; where the next one goes */
    Job *running;
    unsigned n_waiting, n_running;
} KindQueue;

struct Job {
    Worker *worker; /* referenced while the job has an owner */
    KindQueue *queue;
    Job *next; /* waiting or running */
    const char *key;
    void *argument;
    int fd;         /* the owner's; -1: never had one */
    bool owned;     /* under the mutex */
    JobState state; /* written under the mutex */
};

struct Worker {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* there is something to do, or no more will come */
    /* All under the mutex. */
    unsigned references; /* the users', and one a job with an owner */
    unsigned n_threads;  /* that there are; each keeps the worker too */
    unsigned n_running;  /* of them, with a job */
    KindQueue *queues;
};

int worker_new(Worker **ret)
{
    Worker *worker = calloc(1, sizeof(Worker));
    pthread_condattr_t attributes;

    if (!worker)
        return -ENOMEM;
    worker->references = 1;
    (void)pthread_mutex_init(&worker->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&worker->work, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *ret = worker;
    return 0;
}

static void free_worker(Worker *worker)
{
    for (KindQueue *queue = worker->queues, *next; queue; queue = next) {
        next = queue->next;
        assert(!queue->waiting && !queue->running);
        free(queue);
    }
    (void)pthread_cond_destroy(&worker->work);
    (void)pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

Worker *worker_ref(Worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->references++;
    pthread_mutex_unlock(&worker->mutex);
    return worker;
}

/* Unlocks, and frees a worker that nobody has any more. */
static void release(Worker *worker)
{
    bool last = worker->references == 0 && worker->n_threads == 0;

    if (worker->references == 0)
        pthread_cond_broadcast(&worker->work);
    pthread_mutex_unlock(&worker->mutex);
    if (last)
        free_worker(worker);
}

Worker *worker_unref(Worker *worker)
{
    if (!worker)
        return NULL;
    pthread_mutex_lock(&worker->mutex);
    worker->references--;
    release(worker);
    return NULL;
}

/* ---- queues ---- */

/* NULL when memory is short. */
static KindQueue *queue_of(Worker *worker, const JobKind *kind)
{
    KindQueue *queue = worker->queues;

    while (queue && queue->kind != kind)
        queue = queue->next;
    if (queue)
        return queue;
    queue = calloc(1, sizeof(KindQueue));
    if (!queue)
        return NULL;
    queue->kind = kind;
    queue->waiting_end = &queue->waiting;
    queue->next = worker->queues;
    worker->queues = queue;
    return queue;
}

static void let_wait(KindQueue *queue, Job *job)
{
    job->next = NULL;
    *queue->waiting_end = job;
    queue->waiting_end = &job->next;
    queue->n_waiting++;
}

/* Returns the place that `job` had in the list. */
static Job **take_out(Job **list, Job *job)
{
    while (*list != job)
        list = &(*list)->next;
    *list = job->next;
    return list;
}

static void let_wait_no_more(KindQueue *queue, Job *job)
{
    Job **place = take_out(&queue->waiting, job);

    if (!*place)
        queue->waiting_end = place;
    queue->n_waiting--;
}

static void set_state(Job *job, JobState state)
{
    __atomic_store_n(&job->state, state, __ATOMIC_RELEASE);
}

static unsigned count_key(const Job *list, const Job *end, const char *key)
{
    unsigned n = 0;

    for (const Job *job = list; job && job != end; job = job->next)
        n += job->key && strcmp(job->key, key) == 0;
    return n;
}

/* Whether the key of a waiting job lets it run beside those that run, and `ahead` of it beside
 * those that wait before it. */
static bool key_allows(const KindQueue *queue, const Job *job, bool ahead)
{
    unsigned n;

    if (queue->kind->limit_of_key == 0 || !job->key)
        return true;
    n = count_key(queue->running, NULL, job->key);
    if (ahead)
        n += count_key(queue->waiting, job, job->key);
    return n < queue->kind->limit_of_key;
}

/* How many threads more the waiting jobs of a kind should have now. */
static unsigned count_wanted(const KindQueue *queue)
{
    const JobKind *kind = queue->kind;
    unsigned n = 0;

    if (kind->limit_of_key == 0)
        n = queue->n_waiting;
    else
        for (const Job *job = queue->waiting; job; job = job->next)
            n += key_allows(queue, job, true);
    if (n > kind->backlog)
        n -= kind->backlog;
    else
        n = n > 0 && queue->n_running == 0;
    return MIN(n, kind->limit - queue->n_running);
}

static unsigned count_all_wanted(const Worker *worker)
{
    unsigned n = 0;

    for (const KindQueue *queue = worker->queues; queue; queue = queue->next)
        n += count_wanted(queue);
    return n;
}

/* The oldest job of a kind that may run, or NULL. */
static Job *first_runnable(KindQueue *queue)
{
    if (queue->n_running >= queue->kind->limit)
        return NULL;
    for (Job *job = queue->waiting; job; job = job->next)
        if (key_allows(queue, job, false))
            return job;
    return NULL;
}

/* ---- threads ---- */

static Job *begin_job(Worker *worker)
{
    for (KindQueue *queue = worker->queues; queue; queue = queue->next) {
        Job *job = first_runnable(queue);

        if (!job)
            continue;
        let_wait_no_more(queue, job);
        job->next = queue->running;
        queue->running = job;
        queue->n_running++;
        worker->n_running++;
        set_state(job, JOB_RUNNING);
        return job;
    }
    return NULL;
}

static void end_job(Worker *worker, Job *job)
{
    (void)take_out(&job->queue->running, job);
    job->queue->n_running--;
    worker->n_running--;
    if (job->owned) {
        set_state(job, JOB_ENDED);
        (void)eventfd_write(job->fd, 1);
        return;
    }
    pthread_mutex_unlock(&worker->mutex);
    job->queue->kind->drop(job->argument);
    free(job);
    pthread_mutex_lock(&worker->mutex);
}

/* False when nothing came for long, or nothing can come any more. */
static bool wait_for_work(Worker *worker)
{
    struct timespec until;

    if (worker->references == 0)
        return false;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    return pthread_cond_timedwait(&worker->work, &worker->mutex, &until) == 0;
}

static void *thread_main(void *user)
{
    Worker *worker = user;
    Job *job;

    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        job = begin_job(worker);
        if (job) {
            pthread_mutex_unlock(&worker->mutex);
            job->queue->kind->run(job->argument);
            pthread_mutex_lock(&worker->mutex);
            end_job(worker, job);
        } else if (!wait_for_work(worker) && count_all_wanted(worker) == 0)
            break;
    }
    worker->n_threads--;
    release(worker);
    return NULL;
}

/* Detached, for a job that hangs must not be waited for; and without signals, which are the
 * caller's. */
static int start_thread(Worker *worker)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int r;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&thread, &attributes, thread_main, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (r == 0)
        worker->n_threads++;
    return -r;
}

/* ---- jobs ---- */

/* Under the mutex. 0, or a negative errno after which nothing has changed. */
static int enqueue(Worker *worker, const JobKind *kind, Job *job)
{
    KindQueue *queue = queue_of(worker, kind);
    int r = 0;

    if (!queue)
        return -ENOMEM;
    if (kind->waiting_max > 0 &&
        queue->n_waiting + queue->n_running >= kind->waiting_max + kind->limit)
        return -EBUSY;
    job->queue = queue;
    let_wait(queue, job);
    if (count_all_wanted(worker) > worker->n_threads - worker->n_running)
        r = start_thread(worker);
    if (r < 0) {
        let_wait_no_more(queue, job);
        return r;
    }
    pthread_cond_signal(&worker->work);
    return 0;
}

int worker_submit(Worker *worker, const JobKind *kind, const char *key, void *argument, Job **ret)
{
    Job *job = calloc(1, sizeof(Job));
    int r;

    assert(kind->limit > 0);
    if (!job)
        return -ENOMEM;
    *job = (Job){.worker = worker, .key = key, .argument = argument, .fd = -1, .owned = ret};
    if (ret) {
        job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (job->fd < 0) {
            r = -errno;
            free(job);
            return r;
        }
    }
    pthread_mutex_lock(&worker->mutex);
    r = enqueue(worker, kind, job);
    if (r >= 0 && ret)
        worker->references++;
    pthread_mutex_unlock(&worker->mutex);
    if (r < 0) {
        close_p(&job->fd);
        free(job);
    } else if (ret)
        *ret = job;
    return r;
}

int job_fd(const Job *job)
{
    return job->fd;
}

bool job_has_ended(const Job *job)
{
    return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_ENDED;
}

void *job_argument(const Job *job)
{
    return job->argument;
}

bool job_free(Job *job)
{
    Worker *worker;
    bool runs;
    int fd;

    if (!job)
        return true;
    worker = job->worker;
    fd = job->fd;
    pthread_mutex_lock(&worker->mutex);
    runs = job->state == JOB_RUNNING;
    job->owned = false;
    if (job->state == JOB_WAITING)
        let_wait_no_more(job->queue, job);
    if (runs && job->queue->kind->stop)
        job->queue->kind->stop(job->argument); /* which cannot be dropped meanwhile */
    pthread_mutex_unlock(&worker->mutex);
    /* A job that runs is its thread's from here on. The descriptor never was. */
    close_p(&fd);
    if (!runs) {
        job->queue->kind->drop(job->argument);
        free(job);
    }
    (void)worker_unref(worker);
    return !runs;
}
