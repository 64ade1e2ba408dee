/* The lookup of this host's own name, as a job beside the caller's loop. */
#pragma once

#include "net/answer.h"

/* 0, or a negative errno as worker_submit(). */
int job_name_start(Worker *worker, Answer **ret);

/* NULL: it is not there yet. Else the place of the name, whose owner may take it; in it NULL: this
 * host has none with a dot in it. */
char **job_name_result(Answer *answer, usec_t now);
