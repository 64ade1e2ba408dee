/* System calls on simulated descriptors. Must never let a byte go out or come in once the process
 * has crashed. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "ledger.h"
#include "relay.h"
#include "world.h"

#define FD_FIRST 1000 /* of the real ones there are few */
#define FD_MAX 1024
#define MEMBERS_MAX 24
#define MARKS_MAX 8
#define HASTE_SPAN (5 * USEC_PER_SEC)
#define HASTE_MAX 300 /* connections in that time */

typedef enum ObjectKind {
    OBJECT_SOCKET,
    OBJECT_EPOLL,
    OBJECT_EVENT,
} ObjectKind;

typedef enum SocketState {
    SOCKET_NEW,
    SOCKET_CONNECTING,
    SOCKET_STANDS,
    SOCKET_FAILED,
} SocketState;

/* The end of a reply that tells of an acceptance. */
typedef struct Mark {
    uint64_t at;
    unsigned acceptance;
} Mark;

typedef struct Object Object;

struct Socket {
    SocketState state;
    Peer *peer;
    int error;
    Buffer received;
    uint64_t n_read, n_received;
    unsigned in_flight; /* written, and not taken by the peer */
    unsigned window;
    bool ended, reset;
    Mark marks[MARKS_MAX];
    unsigned n_marks;
    usec_t since;    /* monotonic: the last that got on */
    usec_t patience; /* USEC_NEVER: it may be left alone */
};

struct Object {
    ObjectKind kind;
    unsigned references;
    Socket socket;
    Object *members[MEMBERS_MAX];
    uint32_t events[MEMBERS_MAX];
    unsigned n_members;
    bool set;
};

static Object *table[FD_MAX];
static int top; /* no descriptor is in use from there on */

/* The first of the program's own; the linker makes them. */
int __real_close(int fd);

static Object *object_of(int fd)
{
    return fd >= FD_FIRST && fd < FD_FIRST + FD_MAX ? table[fd - FD_FIRST] : NULL;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static int install(Object *object)
{
    for (int i = 0; i < FD_MAX; i++) {
        if (table[i])
            continue;
        table[i] = object;
        top = MAX(top, i + 1);
        object->references++;
        return FD_FIRST + i;
    }
    abort();
}

static Object *object_new(ObjectKind kind)
{
    Object *object = calloc(1, sizeof(*object));

    if (!object)
        abort();
    object->kind = kind;
    return object;
}

/* ---- closing ---- */

/* What had come and was not read is lost. */
static void abandon_unread(const Socket *s)
{
    for (unsigned i = 0; i < s->n_marks; i++)
        if (s->marks[i].at <= s->n_received)
            ledger_unread(s->marks[i].acceptance);
}

static void object_free(Object *object)
{
    if (object->kind == OBJECT_SOCKET) {
        abandon_unread(&object->socket);
        if (object->socket.peer)
            relay_client_closed(object->socket.peer, buffer_size(&object->socket.received) > 0);
        buffer_done(&object->socket.received);
    }
    for (int i = 0; i < top; i++) {
        Object *other = table[i];

        for (unsigned k = 0; other && k < other->n_members; k++)
            if (other->members[k] == object)
                other->members[k--] = other->members[--other->n_members];
    }
    free(object);
}

void kernel_close(int fd)
{
    Object *object = object_of(fd);

    if (!object) {
        world_wrong(FAULT_WRONG, "descriptor %d is closed, and is none", fd);
        return;
    }
    table[fd - FD_FIRST] = NULL;
    while (top > 0 && !table[top - 1])
        top--;
    if (--object->references == 0)
        object_free(object);
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
    if (fd >= 0 && fd < FD_FIRST)
        return __real_close(fd);
    kernel_close(fd);
    return 0;
}

unsigned kernel_count(void)
{
    unsigned n = 0;

    for (int i = 0; i < top; i++)
        n += table[i] != NULL;
    return n;
}

unsigned kernel_count_sockets(void)
{
    unsigned n = 0;

    for (int i = 0; i < top; i++)
        n += table[i] && table[i]->kind == OBJECT_SOCKET;
    return n;
}

void kernel_end(void)
{
    for (int i = 0; i < top; i++)
        if (table[i])
            kernel_close(FD_FIRST + i);
}

/* ---- readiness ---- */

/* How much may be on its way; small ones are a fault. */
static unsigned window_of(const Socket *s)
{
    return world_has_faults() ? s->window : MAX(s->window, 100000u);
}

static uint32_t socket_ready(const Socket *s)
{
    switch (s->state) {
    case SOCKET_NEW: return EPOLLHUP;
    case SOCKET_CONNECTING: return 0;
    case SOCKET_FAILED: return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
    default:
        return (buffer_size(&s->received) > 0 || s->ended ? EPOLLIN : 0u) |
               (s->in_flight < window_of(s) || s->reset ? EPOLLOUT : 0u) |
               (s->reset ? EPOLLERR | EPOLLHUP : 0u);
    }
}

static uint32_t object_ready(const Object *object, uint32_t events)
{
    events |= EPOLLERR | EPOLLHUP;
    if (object->kind == OBJECT_SOCKET)
        return socket_ready(&object->socket) & events;
    if (object->kind == OBJECT_EVENT)
        return object->set ? EPOLLIN & events : 0;
    for (unsigned i = 0; i < object->n_members; i++)
        if (object_ready(object->members[i], object->events[i]))
            return EPOLLIN & events;
    return 0;
}

uint32_t kernel_ready(int fd, uint32_t events)
{
    const Object *object = object_of(fd);

    if (object)
        return object_ready(object, events);
    world_wrong(FAULT_WRONG, "descriptor %d is watched, and is none", fd);
    return 0;
}

int kernel_event_new(void)
{
    return install(object_new(OBJECT_EVENT));
}

void kernel_event_set(int fd)
{
    Object *object = object_of(fd);

    if (object)
        object->set = true;
    world.work++;
}

int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(_unused_ int flags)
{
    return install(object_new(OBJECT_EPOLL));
}

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    Object *epoll = object_of(epoll_fd), *object = object_of(fd);

    if (!epoll || !object || operation != EPOLL_CTL_ADD)
        return fail(EBADF);
    if (epoll->n_members == MEMBERS_MAX)
        abort();
    epoll->events[epoll->n_members] = event->events;
    epoll->members[epoll->n_members++] = object;
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    int ready = 0;

    if (timeout != 0)
        world_wrong(FAULT_WRONG, "poll() would wait");
    for (nfds_t i = 0; i < n; i++) {
        fds[i].revents = (short)kernel_ready(fds[i].fd, (uint32_t)fds[i].events);
        ready += fds[i].revents != 0;
    }
    return ready;
}

int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    Object *object = object_of(fd);

    if (!object || command != F_DUPFD_CLOEXEC)
        return fail(EBADF);
    return install(object);
}

/* ---- sockets, by the client ---- */

int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(_unused_ int family, _unused_ int type, _unused_ int protocol)
{
    Object *object = object_new(OBJECT_SOCKET);

    object->socket.patience = USEC_NEVER;
    return install(object);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t n);
int __wrap_setsockopt(_unused_ int fd, _unused_ int level, _unused_ int name,
    _unused_ const void *value, _unused_ socklen_t n)
{
    return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n);
int __wrap_getsockopt(
    int fd, _unused_ int level, _unused_ int name, void *value, _unused_ socklen_t *n)
{
    Object *object = object_of(fd);

    if (!object)
        return fail(EBADF);
    *(int *)value = object->socket.error;
    object->socket.error = 0;
    object->socket.since = world_clock(CLOCK_MONOTONIC); /* it sees that it is connected */
    return 0;
}

/* Nobody is called again and again without anything coming of it. */
static void look_for_haste(void)
{
    if (world.now > world.connects_since + HASTE_SPAN) {
        world.connects = 0;
        world.connects_since = world.now;
    }
    if (++world.connects > HASTE_MAX)
        world_wrong(FAULT_SPUN, "%u connections in a few seconds came to nothing", world.connects);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *address, _unused_ socklen_t n)
{
    Socket *s = &object_of(fd)->socket;

    world.work++;
    look_for_haste();
    if (world_is_dead())
        return fail(EINPROGRESS);
    s->state = SOCKET_CONNECTING;
    s->since = world_clock(CLOCK_MONOTONIC);
    s->peer = relay_connect(s, address, &s->window);
    return s->peer ? fail(EINPROGRESS) : fail(relay_connect_error());
}

ssize_t __wrap_send(int fd, const void *data, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t n, _unused_ int flags)
{
    Socket *s = &object_of(fd)->socket;

    if (s->reset || s->state == SOCKET_FAILED)
        return fail(s->n_read == s->n_received ? EPIPE : ECONNRESET);
    if (world_is_dead())
        return (ssize_t)n;
    n = MIN(n, window_of(s) - MIN(s->in_flight, window_of(s)));
    if (n == 0)
        return fail(EAGAIN);
    world.work++;
    s->in_flight += (unsigned)n;
    s->since = world_clock(CLOCK_MONOTONIC);
    relay_sent(s->peer, data, (unsigned)n);
    return (ssize_t)n;
}

/* Replies that have been read to their end tell of acceptances. */
static void pass_marks(Socket *s)
{
    unsigned n = 0;

    while (n < s->n_marks && s->marks[n].at <= s->n_read)
        ledger_read(s->marks[n++].acceptance);
    s->n_marks -= n;
    memmove(s->marks, s->marks + n, s->n_marks * sizeof(Mark));
}

ssize_t __wrap_recv(int fd, void *data, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t n, _unused_ int flags)
{
    Socket *s = &object_of(fd)->socket;

    if (world_is_dead())
        return fail(ECONNRESET);
    n = MIN(n, buffer_size(&s->received));
    if (n == 0) {
        world.work += s->ended;
        return s->reset ? fail(ECONNRESET) : s->ended ? 0 : fail(EAGAIN);
    }
    world.work++;
    memcpy(data, buffer_data(&s->received), n);
    if (memchr(data, '\n', n))
        s->since = world_clock(CLOCK_MONOTONIC);
    buffer_consume(&s->received, n);
    s->n_read += n;
    pass_marks(s);
    return (ssize_t)n;
}

ssize_t __wrap_getrandom(void *data, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t n, _unused_ unsigned flags)
{
    for (size_t i = 0; i < n; i++)
        ((char *)data)[i] = (char)schedule_random(world.schedule, world.randoms++);
    return (ssize_t)n;
}

/* ---- sockets, by the relay ---- */

void socket_connected(Socket *s)
{
    s->state = SOCKET_STANDS;
    s->since = world_clock(CLOCK_MONOTONIC);
    world.work++;
}

void socket_refuse(Socket *s, int error)
{
    s->state = SOCKET_FAILED;
    s->error = error;
    world.work++;
}

void socket_arrive(Socket *s, const char *data, unsigned n, unsigned mark)
{
    if (s->ended)
        return;
    if (buffer_append(&s->received, data, n) < 0)
        abort();
    s->n_received += n;
    if (mark > 0 && s->n_marks < MARKS_MAX)
        s->marks[s->n_marks++] = (Mark){s->n_received, mark};
    world.work++;
}

void socket_end(Socket *s, bool reset)
{
    s->ended = true;
    s->reset |= reset;
    world.work++;
}

void socket_took(Socket *s, unsigned n)
{
    s->in_flight -= n;
}

void socket_detach(Socket *s)
{
    s->peer = NULL;
}

void socket_expect(Socket *s, usec_t patience)
{
    s->patience = patience;
}

/* ---- what should always hold ---- */

static usec_t ends_at(const Socket *s)
{
    if (s->state == SOCKET_NEW || s->patience == USEC_NEVER)
        return USEC_NEVER;
    return usec_add(s->since, s->patience) + world.suspended;
}

static const Socket *most_impatient(void)
{
    const Socket *first = NULL;

    for (int i = 0; i < top; i++)
        if (table[i] && table[i]->kind == OBJECT_SOCKET &&
            (!first || ends_at(&table[i]->socket) < ends_at(first)))
            first = &table[i]->socket;
    return first;
}

void kernel_excuse(void)
{
    for (int i = 0; i < top; i++)
        if (table[i] && table[i]->kind == OBJECT_SOCKET)
            table[i]->socket.since = world_clock(CLOCK_MONOTONIC);
}

usec_t kernel_patience_ends(void)
{
    const Socket *s = most_impatient();

    return s ? ends_at(s) : USEC_NEVER;
}
