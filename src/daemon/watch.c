/* inotify on the queue directory. Must never look at a file: names and events are all it has. */
#include "daemon/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/errors.h"
#include "base/text.h"

#define WATCH_BUFFER_BYTES ((size_t)64 * 1024)

/* IN_CLOSE_NOWRITE shows the end of a process that held a `.sending` file. A delivered message is
 * unlinked before it is closed, so that IN_EXCL_UNLINK spares that event. */
#define DIRECTORY_EVENTS                                                                           \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CLOSE_NOWRITE | IN_DELETE_SELF | IN_MOVE_SELF | \
        IN_EXCL_UNLINK | IN_ONLYDIR)
#define PARENT_EVENTS \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR)

struct Watch {
    int inotify_fd, mounts_fd;
    int directory, parent; /* watch descriptors; -1 for none */
    char *name;            /* of the directory, in its parent */
    sd_event_source *events_source, *mounts_source;
    const WatchHandlers *handlers;
    void *user;
    char buffer[WATCH_BUFFER_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
};

static void on_file_event(Watch *watch, const struct inotify_event *event)
{
    const char *name = event->name;

    /* Programs write below dotted names first; records and finished messages are of no interest. */
    if (name[0] == '.')
        return;
    if (event->mask & IN_CLOSE_NOWRITE) {
        if (text_ends(name, ".sending"))
            watch->handlers->abandoned(watch->user);
        return;
    }
    if (text_ends(name, ".queued") || text_ends(name, ".deferred"))
        watch->handlers->notice(watch->user, name,
            event->mask & IN_CREATE ? ENGINE_NOTICE_CREATED : ENGINE_NOTICE_READY);
}

static void on_inotify_event(Watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        watch->handlers->overflow(watch->user);
        watch->handlers->doubt(watch->user); /* one of the lost events may have been that one */
    } else if (event->wd == watch->parent) {
        if (event->len == 0 || text_equal(event->name, watch->name))
            watch->handlers->doubt(watch->user);
    } else if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
        watch->handlers->doubt(watch->user);
    } else if (event->len > 0) {
        on_file_event(watch, event);
    }
}

static int on_inotify(
    _unused_ sd_event_source *source, int fd, _unused_ uint32_t revents, void *user)
{
    Watch *watch = user;
    ssize_t n = read(fd, watch->buffer, sizeof(watch->buffer));

    /* One buffer a round, so that a flood of files does not keep connections waiting. */
    for (const char *at = watch->buffer; n > 0 && at < watch->buffer + n;) {
        const struct inotify_event *event = (const struct inotify_event *)at;

        on_inotify_event(watch, event);
        at += sizeof(*event) + event->len;
    }
    return 0;
}

static int on_mounts(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents, void *user)
{
    Watch *watch = user;

    watch->handlers->doubt(watch->user);
    return 0;
}

static int watch_directory(Watch *watch, const char *path, Failure *f)
{
    watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->inotify_fd < 0)
        return failure_set(f, -errno, ERROR_SPOOL,
            "cannot watch directories (%s); raise the sysctl fs.inotify.max_user_instances",
            strerrordesc_np(errno));
    watch->directory = inotify_add_watch(watch->inotify_fd, path, DIRECTORY_EVENTS);
    if (watch->directory >= 0)
        return 0;
    if (errno == ENOSPC)
        return failure_set(f, -errno, ERROR_SPOOL,
            "cannot watch %s: too many watches; raise the sysctl fs.inotify.max_user_watches",
            path);
    return failure_set(f, -errno, ERROR_SPOOL,
        "cannot watch %s: %s; see that it is a directory that outboxd may read", path,
        strerrordesc_np(errno));
}

/* Best effort: a parent that may not be read leaves only what the directory itself tells. */
static int watch_parent(Watch *watch, const char *path)
{
    _cleanup_free_
    char *real = realpath(path, NULL), *above = NULL;

    if (!real)
        return errno == ENOMEM ? -ENOMEM : 0;
    watch->name = strdup(basename(real));
    above = strdup(real);
    if (!watch->name || !above)
        return -ENOMEM;
    watch->parent = inotify_add_watch(watch->inotify_fd, dirname(above), PARENT_EVENTS);
    return 0;
}

static int add_sources(Watch *watch, sd_event *loop)
{
    int r;

    r = sd_event_add_io(loop, &watch->events_source, watch->inotify_fd, EPOLLIN, on_inotify, watch);
    if (r < 0)
        return r;
    /* A mount over the directory, or a lazy unmount, makes no inotify event. */
    watch->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    return watch->mounts_fd < 0 ? 0
                                : sd_event_add_io(loop, &watch->mounts_source, watch->mounts_fd,
                                      EPOLLPRI, on_mounts, watch);
}

int watch_new(sd_event *loop, const char *path, const WatchHandlers *handlers, void *user,
    Watch **ret, Failure *f)
{
    _cleanup_(watch_free_p) Watch *watch = malloc(sizeof(*watch));
    int r;

    if (!watch)
        return failure_set_errno(f, -ENOMEM, "cannot watch %s", path);
    memset(watch, 0, offsetof(Watch, buffer)); /* the buffer costs nothing until events come */
    watch->inotify_fd = watch->mounts_fd = watch->directory = watch->parent = -1;
    watch->handlers = handlers;
    watch->user = user;
    r = watch_directory(watch, path, f);
    if (r < 0)
        return r;
    r = watch_parent(watch, path);
    if (r >= 0)
        r = add_sources(watch, loop);
    if (r < 0)
        return failure_set_errno(f, r, "cannot watch %s", path);
    *ret = TAKE_PTR(watch);
    return 0;
}

void watch_free(Watch *watch)
{
    if (!watch)
        return;
    (void)sd_event_source_disable_unref(watch->events_source);
    (void)sd_event_source_disable_unref(watch->mounts_source);
    close_p(&watch->inotify_fd);
    close_p(&watch->mounts_fd);
    free(watch->name);
    free(watch);
}
