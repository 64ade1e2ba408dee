/* A connection driven by an sd-event loop. Must never make a system call that the connection's
 * state does not call for: the epoll mask and the timer are touched only when they must be. */
#include "delivery/drive_event.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#define TIMER_ACCURACY (50 * USEC_PER_MSEC)

struct ConnectionSource {
    sd_event *loop;
    Connection *connection;
    ConnectionHandler handler;
    ConnectionSettled settled;
    void *user;
    sd_event_source *io;    /* NULL while there is no descriptor */
    sd_event_source *timer; /* also what runs the first step */
    unsigned generation;
    short events; /* what the loop watches for */
    usec_t armed; /* when the timer fires; USEC_NEVER: never */
    bool running; /* in a round: a kick from inside starts another one after it */
    bool again;
    bool over;   /* CLOSED or a failure: nothing is called any more */
    bool *freed; /* set while `settled` runs, which may free the source */
};

static void run(ConnectionSource *s);

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
    ConnectionSource *s = user;

    (void)source;
    (void)fd;
    /* The four bits are the same in poll() and epoll. */
    connection_ready(s->connection, (short)(events & (POLLIN | POLLOUT | POLLERR | POLLHUP)));
    run(s);
    return 0;
}

/* The timer is armed for a moment at which nothing may be due any more: the round finds out, and
 * arms it for the next. */
static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
    ConnectionSource *s = user;

    (void)source;
    (void)usec;
    s->armed = USEC_NEVER;
    run(s);
    return 0;
}

/* The loop watches a descriptor of its own, which it takes out of its epoll set before it closes
 * it. The connection closes its own whenever it likes; where a child of this process, of a password
 * command say, has it for a moment longer, the kernel would go on telling of it, to a source that
 * is gone. */
static int add_io(ConnectionSource *s, int fd, short events)
{
    _cleanup_close_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int r;

    if (own < 0)
        return -errno;
    r = sd_event_add_io(s->loop, &s->io, own, (uint32_t)events, on_io, s);
    if (r < 0)
        return r;
    TAKE_FD(own);
    return sd_event_source_set_io_fd_own(s->io, true);
}

static int watch_fd(ConnectionSource *s)
{
    int fd = connection_fd(s->connection);
    short events = connection_poll_events(s->connection);
    int r = 0;

    if (s->generation != connection_generation(s->connection)) {
        s->io = sd_event_source_disable_unref(s->io);
        s->generation = connection_generation(s->connection);
    }
    if (!s->io && fd >= 0)
        r = add_io(s, fd, events);
    else if (s->io && events != s->events)
        r = sd_event_source_set_io_events(s->io, (uint32_t)events);
    s->events = events;
    return r;
}

/* Deadlines move forward with every message; the timer follows only when it fires. */
static int watch_time(ConnectionSource *s)
{
    usec_t deadline = connection_deadline(s->connection);
    int r;

    if (deadline >= s->armed)
        return 0;
    r = sd_event_source_set_time(s->timer, deadline);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
    s->armed = deadline;
    return r;
}

/* Events until there is none. 0 or a negative errno. */
static int run_round(ConnectionSource *s)
{
    SmtpEvent event;

    for (;;) {
        usec_t now;
        int r = sd_event_now(s->loop, CLOCK_MONOTONIC, &now);

        if (r >= 0)
            r = connection_step(s->connection, now, &event);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        s->over = event.type == SMTP_EVENT_CLOSED;
        /* Before anybody else can open a descriptor that takes a closed one's number. */
        r = watch_fd(s);
        if (r >= 0)
            r = s->handler(s->user, s->connection, &event);
        if (r < 0 || s->over)
            return r < 0 ? r : 0;
    }
    return 0;
}

static int finish_round(ConnectionSource *s, int r)
{
    if (r >= 0)
        r = watch_fd(s);
    if (r >= 0)
        r = watch_time(s);
    if (r < 0)
        s->over = true;
    if (s->over) {
        s->io = sd_event_source_disable_unref(s->io);
        s->timer = sd_event_source_disable_unref(s->timer);
    }
    return r;
}

static void run(ConnectionSource *s)
{
    bool freed = false;

    if (s->running || s->over) {
        s->again = true;
        return;
    }
    s->running = true;
    s->freed = &freed;
    do {
        int r;

        s->again = false;
        r = finish_round(s, run_round(s));
        if (s->settled)
            s->settled(s->user, s->connection, r);
        if (freed)
            return;
    } while (s->again && !s->over);
    s->freed = NULL;
    s->running = false;
}

int connection_source_new(sd_event *loop, Connection *connection, ConnectionHandler handler,
    ConnectionSettled settled, void *user, ConnectionSource **ret)
{
    _cleanup_(connection_source_free_p) ConnectionSource *s = calloc(1, sizeof(ConnectionSource));
    int r;

    if (!s)
        return -ENOMEM;
    s->loop = sd_event_ref(loop);
    s->connection = connection;
    s->handler = handler;
    s->settled = settled;
    s->user = user;
    s->generation = connection_generation(connection);
    s->armed = 0;
    r = sd_event_add_time(loop, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, on_timer, s);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void connection_source_kick(ConnectionSource *source)
{
    run(source);
}

void connection_source_free(ConnectionSource *s)
{
    if (!s)
        return;
    if (s->freed)
        *s->freed = true;
    (void)sd_event_source_disable_unref(s->io);
    (void)sd_event_source_disable_unref(s->timer);
    (void)sd_event_unref(s->loop);
    free(s);
}
