/* Syncs of the directory, beside the loop. Must never be waited for while messages are delivered,
 * nor pile up where a disk hangs. */
#include "queue/directory_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/timer.h"

static void run_sync(void *user)
{
    (void)file_sync(*(int *)user); /* what fails is as it would be without */
}

static void drop_sync(void *user)
{
    (void)close(*(int *)user);
    free(user);
}

static const JobKind sync_kind = {
    .name = "sync",
    .run = run_sync,
    .drop = drop_sync,
    .limit = 1,
    .waiting_max = 1,
};

/* 0 or a negative errno; the job has a descriptor of its own, for it may outlive the directory. */
static int submit(Directory *d)
{
    int *fd = malloc(sizeof(int)), r;

    if (!fd)
        return -ENOMEM;
    *fd = fcntl(spool_directory_fd(d->current->spool), F_DUPFD_CLOEXEC, 0);
    r = *fd < 0 ? -errno : worker_submit(d->worker, &sync_kind, NULL, fd, NULL);
    if (r >= 0)
        return 0;
    if (*fd >= 0)
        (void)close(*fd);
    free(fd);
    return r;
}

static int on_sync(_unused_ sd_event_source *source, _unused_ uint64_t when, void *user)
{
    Directory *d = user;

    d->unsynced = false;
    if (d->current && d->worker && submit(d) < 0)
        directory_sync_later(d); /* it is busy, or something is short */
    return 0;
}

int directory_sync_init(Directory *d)
{
    return timer_new(d->loop, on_sync, d, &d->sync);
}

void directory_sync_later(Directory *d)
{
    if (d->unsynced)
        return;
    d->unsynced = true;
    timer_arm(d->sync, SYNC_PERIOD);
}

void directory_sync_end(Directory *d)
{
    if (d->unsynced && d->current)
        (void)file_sync(spool_directory_fd(d->current->spool));
    d->sync = sd_event_source_disable_unref(d->sync);
}
