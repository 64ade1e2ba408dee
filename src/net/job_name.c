/* A job that asks for this host's name, which may ask name servers. */
#include "net/job_name.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hostname.h"

static void run(void *argument)
{
    (void)host_name_get(argument); /* without memory there is no name */
}

static void drop(void *argument)
{
    free(*(char **)argument);
    free(argument);
}

static const JobKind kind = {"host name", run, drop, .limit = 4};

int job_name_start(Worker *worker, Answer **ret)
{
    char **task = calloc(1, sizeof(char *));
    int r;

    if (!task)
        return -ENOMEM;
    r = answer_new(worker, &kind, NULL, task, ret);
    if (r < 0)
        free(task);
    return r;
}

char **job_name_result(Answer *answer, usec_t now)
{
    return answer_result(answer, now);
}
