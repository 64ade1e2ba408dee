/* Counted jobs. Must never cancel what somebody waits for. */
#include "net/answer.h"

#include <errno.h>
#include <sys/epoll.h>

struct Answer {
    unsigned references; /* of one thread */
    Job *job;
    usec_t seen;
};

int answer_new(Worker *worker, const JobKind *kind, const char *key, void *argument, Answer **ret)
{
    Answer *answer = calloc(1, sizeof(Answer));
    int r;

    if (!answer)
        return -ENOMEM;
    answer->references = 1;
    answer->seen = USEC_NEVER;
    r = worker_submit(worker, kind, key, argument, &answer->job);
    if (r < 0)
        free(answer);
    else
        *ret = answer;
    return r;
}

Answer *answer_ref(Answer *answer)
{
    answer->references++;
    return answer;
}

Answer *answer_unref(Answer *answer)
{
    if (!answer || --answer->references > 0)
        return NULL;
    job_free(answer->job);
    free(answer);
    return NULL;
}

bool answer_is_shared(const Answer *answer)
{
    return answer->references > 1;
}

void *answer_result(Answer *answer, usec_t now)
{
    if (!job_has_ended(answer->job))
        return NULL;
    answer->seen = MIN(answer->seen, now);
    return job_argument(answer->job);
}

void *answer_argument(const Answer *answer)
{
    return job_argument(answer->job);
}

usec_t answer_seen(const Answer *answer)
{
    return answer->seen;
}

/* A descriptor cannot be in an epoll set twice, and a copy of it stays there when it is closed. */
int answer_watch(const Answer *answer)
{
    _cleanup_close_ int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, job_fd(answer->job), &event) < 0)
        return -errno;
    return TAKE_FD(fd);
}
