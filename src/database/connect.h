/* Making a connection beside the loop: libpq looks names up, and tries one host after the other,
 * synchronously. */
#pragma once

#include "base/worker.h"
#include "database/libpq.h"

/* A job, whose end is told by job_fd(). 0 or a negative errno. */
int database_connect_begin(Worker *worker, const Libpq *pq, const char *conninfo, Job **ret);

/* What came of a job that has ended: the caller's to finish, and perhaps CONNECTION_BAD. NULL when
 * memory was short. */
PGconn *database_connect_take(Job *job);
