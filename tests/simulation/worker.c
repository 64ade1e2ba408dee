/* base/worker.h without threads, and the name lookup that its jobs do: when a job ends, and how,
 * the schedule says. */
#include "base/worker.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "relay.h"
#include "world.h"

typedef enum LookupFault {
    LOOKUP_PLAIN,
    LOOKUP_SLOW,
    LOOKUP_HANGS,
    LOOKUP_AGAIN,
    LOOKUP_NO_NAME,
    LOOKUP_NO_THREAD,
    LOOKUP_FAULT_MAX,
} LookupFault;

struct Job {
    Worker *worker;
    const JobKind *kind;
    void *argument;
    int fd;
    bool ended;
    LookupFault fault;
};

struct Worker {
    unsigned references;
};

static LookupFault lookup_fault; /* of the job that runs */

int worker_new(Worker **ret)
{
    *ret = calloc(1, sizeof(Worker));
    if (!*ret)
        abort();
    (*ret)->references = 1;
    return 0;
}

Worker *worker_ref(Worker *worker)
{
    worker->references++;
    return worker;
}

Worker *worker_unref(Worker *worker)
{
    if (worker && --worker->references == 0)
        free(worker);
    return NULL;
}

static void on_end(void *user, _unused_ uint64_t argument)
{
    Job *job = user;

    lookup_fault = job->fault;
    job->kind->run(job->argument);
    job->ended = true;
    kernel_event_set(job->fd);
}

static usec_t duration(LookupFault fault)
{
    switch (fault) {
    case LOOKUP_SLOW: return 3 * USEC_PER_SEC;
    case LOOKUP_HANGS: return 20 * USEC_PER_MINUTE;
    default: return USEC_PER_MSEC;
    }
}

int worker_submit(
    Worker *worker, const JobKind *kind, _unused_ const char *key, void *argument, Job **ret)
{
    unsigned number = world.jobs++;
    bool plain = world.is_calm || !world_has_faults();
    LookupFault fault =
        plain ? LOOKUP_PLAIN : seldom(DECIDE_LOOKUP, (Which){number}, LOOKUP_FAULT_MAX, 60);
    Job *job;

    world.work++;
    if (fault == LOOKUP_NO_THREAD)
        return -EAGAIN;
    job = calloc(1, sizeof(Job));
    if (!job)
        abort();
    *job = (Job){worker_ref(worker), kind, argument, kernel_event_new(), .fault = fault};
    world_at(world.now + duration(fault), on_end, job, 0);
    *ret = job;
    return 0;
}

int job_fd(const Job *job)
{
    return job->fd;
}

bool job_has_ended(const Job *job)
{
    return job->ended;
}

void *job_argument(const Job *job)
{
    return job->argument;
}

bool job_free(Job *job)
{
    if (!job)
        return true;
    world_forget(job);
    kernel_close(job->fd);
    job->kind->drop(job->argument);
    (void)worker_unref(job->worker);
    free(job);
    return true;
}

/* ---- name lookup ---- */

int __wrap_getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
void __wrap_freeaddrinfo(struct addrinfo *list);

int __wrap_getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (lookup_fault == LOOKUP_AGAIN)
        return EAI_AGAIN;
    if (lookup_fault == LOOKUP_NO_NAME)
        return EAI_NONAME;
    *ret = relay_addresses(name, (unsigned)strtoul(service ? service : "0", NULL, 10));
    return *ret ? 0 : EAI_NONAME;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}
