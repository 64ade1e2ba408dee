/* inotify on the queue directory. Must never look at a file: names and events are all it has. */
#include "queue/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/hash.h"
#include "base/text.h"

#define WATCH_BUFFER_BYTES ((size_t)64 * 1024)
#define EVENT_BYTES_MAX (sizeof(struct inotify_event) + NAME_MAX + 1)

/* IN_CLOSE_NOWRITE shows the end of a process that held a `.sending` file. A delivered message is
 * unlinked before it is closed, so that IN_EXCL_UNLINK spares that event. */
#define DIRECTORY_EVENTS                                                                           \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CLOSE_NOWRITE | IN_DELETE_SELF | IN_MOVE_SELF | \
        IN_EXCL_UNLINK | IN_ONLYDIR)
#define PARENT_EVENTS \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR)

/* A directory that the path leads through takes what is below it along when it is renamed. */
#define WAY_EVENTS (IN_MOVE_SELF | IN_ONLYDIR)

/* Names that the path leads through, and the watches of the directories they are in. */
#define WAYPOINTS_MAX 64

/* Links that a path may lead through, as the kernel has it. */
#define LINKS_MAX 40

/* Changes of our own whose events have not come yet; they come in the order they were made in. */
#define EXPECTED_MAX 256

typedef struct Waypoint {
    int directory;
    char *name;
} Waypoint;

struct Watch {
    int inotify_fd, mounts_fd;
    int directory; /* watch descriptor; -1 for none */
    Waypoint waypoints[WAYPOINTS_MAX];
    unsigned n_waypoints;
    HashKey key;
    uint64_t expected[EXPECTED_MAX]; /* hashes of names; a ring */
    unsigned expected_first, n_expected;
    sd_event_source *events_source, *mounts_source;
    const WatchHandlers *handlers;
    void *user;
    char buffer[WATCH_BUFFER_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
};

/* ---- changes of our own ---- */

void watch_expect(Watch *watch, const char *file_name)
{
    unsigned last = (watch->expected_first + watch->n_expected) % EXPECTED_MAX;

    if (watch->n_expected == EXPECTED_MAX) { /* the oldest is taken for somebody else's */
        watch->expected_first = (watch->expected_first + 1) % EXPECTED_MAX;
        watch->n_expected--;
    }
    watch->expected[last] = hash_bytes(&watch->key, file_name, strlen(file_name));
    watch->n_expected++;
}

/* Whether the event is of a change of our own. Those before it whose events never came, for the
 * change failed or two events were made one, are given up with it. */
static bool is_own(Watch *watch, const char *name)
{
    uint64_t hash;

    if (watch->n_expected == 0)
        return false;
    hash = hash_bytes(&watch->key, name, strlen(name));
    for (unsigned i = 0; i < watch->n_expected; i++) {
        if (watch->expected[(watch->expected_first + i) % EXPECTED_MAX] != hash)
            continue;
        watch->expected_first = (watch->expected_first + i + 1) % EXPECTED_MAX;
        watch->n_expected -= i + 1;
        return true;
    }
    return false;
}

/* ---- events ---- */

static void on_file_event(Watch *watch, const struct inotify_event *event)
{
    const char *name = event->name;

    /* Programs write below dotted names first; records and finished messages are of no interest. */
    if (name[0] == '.') {
        if (event->mask & IN_CLOSE_NOWRITE)
            watch->handlers->read(watch->user, name);
        return;
    }
    if (event->mask & IN_CLOSE_NOWRITE) {
        if (text_ends(name, ".sending"))
            watch->handlers->abandoned(watch->user);
        return;
    }
    if ((text_ends(name, ".queued") || text_ends(name, ".deferred") || text_ends(name, ".held")) &&
        !is_own(watch, name))
        watch->handlers->notice(watch->user, name, !(event->mask & IN_CREATE));
}

static bool is_waypoint(const Watch *watch, const struct inotify_event *event)
{
    for (unsigned i = 0; i < watch->n_waypoints; i++)
        if (event->wd == watch->waypoints[i].directory &&
            (event->len == 0 || text_equal(event->name, watch->waypoints[i].name)))
            return true;
    return false;
}

static void on_inotify_event(Watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        watch->n_expected = 0;
        watch->handlers->overflow(watch->user);
        watch->handlers->doubt(watch->user); /* one of the lost events may have been that one */
    } else if (is_waypoint(watch, event)) {
        watch->handlers->doubt(watch->user);
    } else if (event->wd != watch->directory) {
        return;
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
    bool all = n < (ssize_t)(sizeof(watch->buffer) - EVENT_BYTES_MAX);

    /* One buffer a round, so that a flood of files does not keep connections waiting. */
    for (const char *at = watch->buffer; n > 0 && at < watch->buffer + n;) {
        const struct inotify_event *event = (const struct inotify_event *)at;

        on_inotify_event(watch, event);
        at += sizeof(*event) + event->len;
    }
    if (all) /* what has not come by now never will: nobody's later event must be taken for it */
        watch->n_expected = 0;
    return 0;
}

static int on_mounts(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents, void *user)
{
    Watch *watch = user;

    watch->handlers->doubt(watch->user);
    return 0;
}

static int too_many(const char *path, Failure *f)
{
    return failure_set(f, -ENOSPC, ERROR_SPOOL,
        "cannot watch %s: too many watches; raise the sysctl fs.inotify.max_user_watches", path);
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
        return too_many(path, f);
    return failure_set(f, -errno, ERROR_SPOOL,
        "cannot watch %s: %s; see that it is a directory that outboxd may read", path,
        strerrordesc_np(errno));
}

/* A name in `directory`, or "" for that directory's own: an event of it means that the way may lead
 * elsewhere. Best effort: a directory that may not be read leaves only what the others tell. 0;
 * -ENOMEM; or -ENOSPC, for then nothing would tell of the directory's loss. */
static int add_waypoint(Watch *watch, const char *directory, const char *name, uint32_t events)
{
    Waypoint *waypoint = &watch->waypoints[watch->n_waypoints];

    if (watch->n_waypoints == WAYPOINTS_MAX)
        return 0;
    waypoint->directory = inotify_add_watch(watch->inotify_fd, directory, events | IN_MASK_ADD);
    if (waypoint->directory < 0)
        return errno == ENOSPC || errno == ENOMEM ? -errno : 0;
    waypoint->name = strdup(name);
    if (!waypoint->name)
        return -ENOMEM;
    watch->n_waypoints++;
    return 0;
}

/* Where the walk along a path is: a real directory, and what of the path is left. */
typedef struct Walk {
    char at[PATH_MAX], rest[PATH_MAX];
    unsigned links;
} Walk;

/* Takes the next name off the rest. False at the end. */
static bool next_name(Walk *walk, char name[static NAME_MAX + 1])
{
    size_t skip = strspn(walk->rest, "/"), n = strcspn(walk->rest + skip, "/");

    if (n == 0 || n > NAME_MAX)
        return false;
    memcpy(name, walk->rest + skip, n);
    name[n] = '\0';
    memmove(walk->rest, walk->rest + skip + n, strlen(walk->rest + skip + n) + 1);
    return true;
}

/* Goes on where the link `path` leads. False when that cannot be told. */
static bool follow(Walk *walk, const char *path)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);

    if (n <= 0 || ++walk->links > LINKS_MAX)
        return false;
    target[n] = '\0';
    if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest) >= sizeof(rest))
        return false;
    strcpy(walk->rest, rest);
    if (target[0] == '/')
        strcpy(walk->at, "/");
    return true;
}

/* One name of the way. A symbolic link is watched by its name, for one that is switched leads to
 * another directory, of which this one hears nothing; so is the last name. A directory between is
 * watched itself. 1 to go on, 0 at the end of what can be seen, or -ENOMEM. */
static int watch_name(Watch *watch, Walk *walk, const char *name)
{
    char path[PATH_MAX];
    bool last = walk->rest[strspn(walk->rest, "/")] == '\0';
    struct stat st;
    int r;

    if (text_equal(name, "..")) {
        (void)dirname(walk->at);
        return 1;
    }
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", walk->at, name) >= sizeof(path) ||
        lstat(path, &st) < 0)
        return 0;
    if (S_ISLNK(st.st_mode)) {
        r = add_waypoint(watch, walk->at, name, PARENT_EVENTS);
        return r < 0 ? r : follow(walk, path);
    }
    r = last ? add_waypoint(watch, walk->at, name, PARENT_EVENTS)
             : add_waypoint(watch, path, "", WAY_EVENTS);
    strcpy(walk->at, path);
    return r < 0 ? r : 1;
}

/* Every name that the path leads through, those that its links lead through included. */
static int watch_way(Watch *watch, const char *path)
{
    Walk walk = {.at = "."};
    char name[NAME_MAX + 1];
    int r = 1;

    if (strlen(path) >= sizeof(walk.rest))
        return 0;
    strcpy(walk.rest, path);
    if (path[0] == '/')
        strcpy(walk.at, "/");
    while (r > 0 && next_name(&walk, name))
        if (!text_equal(name, "."))
            r = watch_name(watch, &walk, name);
    return r;
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
    watch->inotify_fd = watch->mounts_fd = watch->directory = -1;
    hash_key_init(&watch->key);
    watch->handlers = handlers;
    watch->user = user;
    r = watch_directory(watch, path, f);
    if (r < 0)
        return r;
    r = watch_way(watch, path);
    if (r == -ENOSPC)
        return too_many(path, f);
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
    for (unsigned i = 0; i < watch->n_waypoints; i++)
        free(watch->waypoints[i].name);
    free(watch);
}
