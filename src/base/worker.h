/* Work that may block, beside the caller's loop: name lookup, secrets, closing of files, long
 * parses. Threads are started when they are wanted and end when they had nothing to do for long;
 * they take no signals.
 *
 * What hangs must hold up nothing else. So a kind of job has a bound of its own and the worker has
 * none over all kinds: with one bound for all, a kind that hangs would use it up. There are as many
 * threads as the bounds of the kinds in use come to, at most. Within a kind, a key keeps what goes
 * to one peer (a host's name) from using the kind's bound up.
 *
 * All functions but job_has_ended() are for any thread; a Job is for one thread at a time. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

typedef struct Worker Worker;
typedef struct Job Job;

/* A constant; jobs are of one kind when they have the same address. */
typedef struct JobKind {
    const char *name;             /* for a debugger */
    void (*run)(void *argument);  /* on a thread; puts its results into the argument */
    void (*drop)(void *argument); /* frees it, whether it ran or not; may be called on any thread */
    void (*stop)(void *argument); /* that runs, and whose result nobody wants any more: called on
                                   * the thread that says so, and may not wait; NULL: it goes on */
    unsigned limit;               /* so many run at a time; at least 1 */
    unsigned limit_of_key;        /* so many of the same key; 0: no such limit */
    unsigned backlog;     /* so many may wait, while one runs, before another thread is started for
                           * them: for jobs that are short and never urgent */
    unsigned waiting_max; /* so many may wait at all, beside `limit` that run; 0: any number */
} JobKind;

/* Starts no thread. 0 or -ENOMEM. */
int worker_new(Worker **ret);
Worker *worker_ref(Worker *worker);

/* Waits for nothing: what nobody waits for goes on, and the last thread to end frees the worker.
 * At the end of the process what still runs ends with it. Accepts NULL. Returns NULL. */
Worker *worker_unref(Worker *worker);

/* Has kind->run(argument) called on a thread. `key` may be NULL; else it lives as long as the
 * argument does. 0, and the argument is the worker's: it calls kind->drop(argument), at the latest
 * in job_free(). `ret` may be NULL when nobody waits for the job; it costs no descriptor then.
 *
 * Otherwise the argument remains the caller's: -EBUSY when `waiting_max` jobs wait already, -EAGAIN
 * when it needs a thread and none can be started, another negative errno when there is no memory or
 * no descriptor. */
int worker_submit(Worker *worker, const JobKind *kind, const char *key, void *argument, Job **ret);

/* Readable once the job has ended; the job's, until job_free(). Where several wait for it in one
 * epoll set each needs an epoll descriptor of its own with this one in it: a dup() stays in the set
 * when it is closed. */
int job_fd(const Job *job);
bool job_has_ended(const Job *job);

/* What was submitted, until job_free(): to be looked at when the job has ended, and before for
 * nothing but what has a lock of its own. */
void *job_argument(const Job *job);

/* Cancels: what has not begun never runs, what runs is told to stop, and dropped when it ends.
 * Returns whether it does not run, so that no thread has the argument. Accepts NULL. */
bool job_free(Job *job);

static inline void worker_unref_p(Worker **worker)
{
    (void)worker_unref(*worker);
}
#define _cleanup_worker_ _cleanup_(worker_unref_p)

DEFINE_CLEANUP(Job, job_free);
