/* One answer for all who ask the same thing: a job that several wait for, and its result. */
#pragma once

#include "base/clock.h"
#include "base/worker.h"

typedef struct Answer Answer;

/* Submits the job. 0, or a negative errno as worker_submit(), after which the argument is still the
 * caller's. */
int answer_new(Worker *worker, const JobKind *kind, const char *key, void *argument, Answer **ret);
Answer *answer_ref(Answer *answer);
Answer *answer_unref(Answer *answer); /* cancels with the last; accepts NULL; returns NULL */

/* Whether there is more than one reference. */
bool answer_is_shared(const Answer *answer);

/* The job's argument with the result in it, or NULL as long as it is not there. Notes when it was
 * first seen. */
void *answer_result(Answer *answer, usec_t now);

/* The same before it is there: to be looked at only for what any thread may see meanwhile. */
void *answer_argument(const Answer *answer);

/* When answer_result() first gave it; USEC_NEVER: not yet. */
usec_t answer_seen(const Answer *answer);

/* A descriptor of the caller's own, readable when the result is there, or a negative errno. */
int answer_watch(const Answer *answer);
