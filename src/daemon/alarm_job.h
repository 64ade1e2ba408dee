/* What alarms need and what may block: looking for the oldest message, and running the command. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/worker.h"

/* Looks for the message that has waited longest in that directory. 0 or a negative errno, as all
 * that are submitted. */
int alarm_job_look(Worker *worker, const char *directory, Job **ret);

typedef struct AlarmOldest {
    usec_t arrival; /* realtime; 0: none waits, or it cannot be told */
    char id[256];
} AlarmOldest;

/* Of a job that has ended; borrowed from it. */
const AlarmOldest *alarm_job_oldest(Job *job);

/* Runs a shell command with that text for its standard input. */
int alarm_job_run(Worker *worker, const char *command, const Buffer *input, Job **ret);

/* How that ended: 0, or a negative errno with a Failure, borrowed from the job. */
int alarm_job_result(Job *job, const Failure **ret);
