/* Opening TCP connections. Must never block, nor give up while an address is untried. */
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "net/address.h"
#include "net/socket_advice.h"
#include "net/socket_options.h"

#define ATTEMPT_DELAY (250 * USEC_PER_MSEC) /* RFC 8305, 8 */
#define BUSY_DELAY (100 * USEC_PER_MSEC)    /* between looks at a socket whose queue is full */
#define RESUME_LIMIT (5 * USEC_PER_SEC)     /* what a further dial has, whatever was used up */
#define TRIED_MAX 800                       /* bytes of text */

typedef struct Attempt {
    size_t address; /* an index */
    int fd;
    usec_t begun;
} Attempt;

struct SocketDial {
    SocketDialOptions options;
    size_t next;                         /* the address to begin with when it is time */
    bool done[RESOLVE_ADDRESSES_MAX];    /* tried to its end */
    Attempt open[RESOLVE_ADDRESSES_MAX]; /* under way */
    size_t n_open;
    Attempt won;  /* `fd` -1: none has */
    int epoll_fd; /* -1 unless several are or were under way */
    unsigned watches;
    usec_t limit, used; /* of connecting in all; 0: none */
    usec_t begun, end;  /* of this dial */
    usec_t next_begin;
    int error;      /* the most telling one so far, negative */
    bool blamed;    /* an address failed that was not kept from it by this side */
    bool at_bind;   /* the last attempt to begin has failed at its local address */
    bool forbidden; /* that was `error`, and a matter of rights */
    bool busy;      /* the queue of a socket of this machine is full: it is tried again */
    bool stopped;   /* this side has no descriptors or no memory for another attempt */
    Buffer tried;   /* NUL-terminated where it is not empty */
};

static void start_clock(SocketDial *dial, usec_t now)
{
    usec_t left = dial->limit > dial->used ? dial->limit - dial->used : 0;

    dial->begun = now;
    dial->next_begin = now;
    dial->end = USEC_NEVER;
    if (dial->limit > 0)
        dial->end = usec_add(now, MAX(left, MIN(dial->limit, RESUME_LIMIT)));
}

int socket_dial_new(const SocketDialOptions *options, usec_t now, SocketDial **ret)
{
    const RelayConfig *relay = options->relay;
    SocketDial *dial = calloc(1, sizeof(SocketDial));

    if (!dial)
        return -ENOMEM;
    dial->options = *options;
    dial->epoll_fd = dial->won.fd = -1;
    dial->limit = relay->connect_timeout > 0 ? relay->connect_timeout : relay->timeout;
    start_clock(dial, now);
    *ret = dial;
    return 0;
}

static void close_attempts(SocketDial *dial)
{
    while (dial->n_open > 0)
        (void)close(dial->open[--dial->n_open].fd);
    close_p(&dial->epoll_fd);
}

void socket_dial_free(SocketDial *dial)
{
    if (!dial)
        return;
    close_attempts(dial);
    close_p(&dial->won.fd);
    buffer_done(&dial->tried);
    free(dial);
}

static const struct sockaddr_storage *address_of(const SocketDial *dial, size_t i)
{
    return &dial->options.found->addresses[i];
}

static size_t count_addresses(const SocketDial *dial)
{
    return MIN(dial->options.found->n_addresses, (size_t)RESOLVE_ADDRESSES_MAX);
}

/* ---- one socket ---- */

/* The port to come from may be set without an address: then any address of the family. */
static int bind_local(const SocketDialOptions *options, int fd, int family)
{
    struct sockaddr_storage any = {.ss_family = (sa_family_t)family};
    const struct sockaddr_storage *local = NULL;
    uint16_t port = options->relay->local_port;
    int r;

    for (size_t i = 0; i < options->found->n_local && !local; i++)
        if (options->found->local[i].ss_family == family)
            local = &options->found->local[i];
    if (!local && options->found->n_local > 0)
        return -EAFNOSUPPORT;
    if (!local && port == 0)
        return 0;
    if (!local) {
        ((struct sockaddr_in *)&any)->sin_port = htons(port); /* the same place in sockaddr_in6 */
        local = &any;
    }
    /* A fixed port may still wait in TIME_WAIT; a free one is chosen when connecting, so that it
     * need be free for this peer only. */
    r = port > 0 ? socket_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
                 : socket_set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (r < 0)
        return r;
    return bind(fd, (const struct sockaddr *)local, address_size(local)) < 0 ? -errno : 0;
}

/* 1 connected, 0 under way, or a negative errno; the descriptor is the caller's in any case. */
static int start(SocketDial *dial, const struct sockaddr_storage *address, int *ret_fd)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

    *ret_fd = fd;
    dial->at_bind = false;
    if (fd < 0)
        return -errno;
    r = socket_set_options(dial->options.relay, fd, address->ss_family);
    if (r < 0)
        return r;
    if (address->ss_family != AF_UNIX)
        r = bind_local(&dial->options, fd, address->ss_family);
    dial->at_bind = r < 0;
    if (r < 0)
        return r;
    if (connect(fd, (const struct sockaddr *)address, address_size(address)) >= 0)
        return 1;
    return errno == EINPROGRESS ? 0 : -errno;
}

/* ---- failures ---- */

/* Whatever the address: another attempt would fail as well. */
static bool is_exhaustion(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* This side has no address to come from, so that the other one was not asked. */
static bool is_own(int error)
{
    return is_exhaustion(error) || error == -EADDRNOTAVAIL || error == -EADDRINUSE ||
           error == -EAFNOSUPPORT || error == -ETIME;
}

/* How much an error says of what is wrong: a host that refuses is there, and a silent one may be.
 */
static unsigned telling(int error)
{
    static const int order[] = {-EHOSTUNREACH, -ETIMEDOUT, -EACCES, -EPERM, -EADDRNOTAVAIL,
        -EADDRINUSE, -ECONNRESET, -ECONNREFUSED};

    for (unsigned i = 0; i < ELEMENTSOF(order); i++)
        if (order[i] == error)
            return i + 1;
    return 0;
}

static bool is_forbidden(const SocketDial *dial, int error)
{
    return dial->at_bind && (error == -EACCES || error == -EPERM);
}

static const char *describe(const SocketDial *dial, int error)
{
    if (is_forbidden(dial, error))
        return "this process may not use that local_port";
    if (error == -EAFNOSUPPORT && dial->at_bind)
        return "local_host is of another family";
    if (error == -ETIME)
        return "no time was left to try it";
    return strerrordesc_np(-error);
}

/* An address has failed, or this side for it. 0 or -ENOMEM. */
static int note_failed(SocketDial *dial, size_t i, int error, usec_t now)
{
    char text[ADDRESS_TEXT_MAX];
    size_t n = buffer_size(&dial->tried);

    dial->done[i] = true;
    dial->stopped |= is_exhaustion(error);
    if (!is_own(error) && !is_forbidden(dial, error)) {
        dial->blamed = true;
        if (dial->options.avoid)
            avoid_note(dial->options.avoid, address_of(dial, i), now);
    }
    if (dial->error == 0 || is_exhaustion(error) ||
        (!is_exhaustion(dial->error) && telling(error) > telling(dial->error))) {
        dial->error = error;
        dial->forbidden = is_forbidden(dial, error);
    }
    if (n > TRIED_MAX)
        return 0;
    if (n > 0)
        buffer_truncate(&dial->tried, n - 1);
    address_format_host(address_of(dial, i), text);
    return buffer_appendf(&dial->tried, "%s%s: %s", n > 0 ? ", " : "", text, describe(dial, error))
               ?: buffer_append(&dial->tried, "", 1);
}

static FaultReason reason_of(int error)
{
    switch (error) {
    case -ENOENT: /* a socket of this machine */
    case -ECONNREFUSED: return REASON_CONNECT_REFUSED;
    case -ETIMEDOUT: return REASON_CONNECT_TIMEOUT;
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case -ENONET:
    case -EINVAL:
    case -EACCES:
    case -EPERM: return REASON_CONNECT_UNREACHABLE;
    case -EADDRNOTAVAIL:
    case -EADDRINUSE:
    case -EAFNOSUPPORT: return REASON_LOCAL_ADDRESS;
    default: return is_exhaustion(error) ? REASON_NO_RESOURCES : REASON_NONE;
    }
}

/* What became of the addresses, without the name of one that the relay is called by itself. */
static const char *tried_of(const SocketDial *dial, const char *host)
{
    const char *tried = socket_dial_tried(dial);
    size_t n = strlen(host);
    bool alone = strncmp(tried, host, n) == 0 && tried[n] == ':' && !strchr(tried, ',');

    return alone ? tried + n + strlen(": ") : tried;
}

static int give_up(const SocketDial *dial, Failure *f)
{
    const RelayConfig *relay = dial->options.relay;
    const char *host = dial->options.to_proxy ? relay->proxy_host : relay->host;
    unsigned number = dial->options.to_proxy ? relay->proxy_port : relay->port;
    int error = dial->error == -ENOMEM ? -ENOBUFS : dial->error, r; /* ENOMEM is the caller's */
    const SocketFault fault = {
        .relay = relay,
        .error = dial->error,
        .at_proxy = dial->options.to_proxy && !socket_dial_is_own(dial),
        .forbidden = dial->forbidden,
        .from_address = dial->options.found->n_local > 0,
    };
    char port[24] = "", text[SOCKET_ADVICE_MAX];
    const char *advice = socket_advise(&fault, text);

    if (!relay_socket_path(relay))
        snprintf(port, sizeof(port), " port %u", number);
    if (fault.at_proxy)
        return failure_reason(f, REASON_PROXY_UNREACHABLE,
            failure_set(f, error, ERROR_FIREWALL, "cannot connect to the proxy %s%s (%s); %s", host,
                port, tried_of(dial, host), advice));
    r = failure_set(f, error, error_from_socket(dial->error), "cannot connect to %s%s (%s); %s",
        host, port, tried_of(dial, host), advice);
    return failure_reason(f, dial->forbidden ? REASON_LOCAL_ADDRESS : reason_of(dial->error), r);
}

/* ---- attempts ---- */

/* Watches a further attempt beside those under way. 0 or a negative errno. */
static int watch(SocketDial *dial, int fd)
{
    struct epoll_event event = {.events = EPOLLOUT};

    if (dial->epoll_fd < 0 && dial->n_open == 0) {
        dial->watches++;
        return 0;
    }
    if (dial->epoll_fd < 0) {
        dial->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        dial->watches++;
        if (dial->epoll_fd < 0 ||
            epoll_ctl(dial->epoll_fd, EPOLL_CTL_ADD, dial->open[0].fd, &event) < 0)
            return -errno;
    }
    return epoll_ctl(dial->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Those that had their time before it began are slower, or dead: it comes before them for a while.
 */
static void win(SocketDial *dial, Attempt winner, usec_t now)
{
    for (size_t i = 0; i < dial->n_open; i++) {
        const Attempt *other = &dial->open[i];

        if (other->fd == winner.fd)
            dial->open[i].fd = -1;
        else if (dial->options.avoid && usec_add(other->begun, ATTEMPT_DELAY) <= winner.begun)
            avoid_note(dial->options.avoid, address_of(dial, other->address), now);
    }
    for (; dial->n_open > 0; dial->n_open--)
        close_p(&dial->open[dial->n_open - 1].fd);
    close_attempts(dial);
    dial->watches++;
    dial->won = winner;
    dial->done[winner.address] = true;
    dial->used = usec_add(dial->used, now - dial->begun);
}

/* When the one after this is begun: all have their turn before the end. */
static usec_t delay_next(const SocketDial *dial, usec_t now)
{
    size_t left = 1;

    for (size_t i = dial->next; i < count_addresses(dial); i++)
        left += !dial->done[i];
    if (dial->end == USEC_NEVER)
        return ATTEMPT_DELAY;
    return MIN(ATTEMPT_DELAY, (dial->end - now) / left);
}

/* The system does not tell when a full queue has room again (unix(7): EAGAIN). */
static int wait_for_room(SocketDial *dial, size_t address, usec_t now)
{
    dial->next = address;
    dial->next_begin = usec_add(now, BUSY_DELAY);
    return 3;
}

/* The next address's turn. 1 connected, 0 under way, 2 failed, 3 to be tried again, or -ENOMEM. */
static int begin(SocketDial *dial, usec_t now)
{
    Attempt attempt = {.address = dial->next++, .begun = now};
    const struct sockaddr_storage *address = address_of(dial, attempt.address);
    int r = start(dial, address, &attempt.fd);

    if (r >= 0 && dial->options.begun)
        dial->options.begun(dial->options.user, address);
    if (r > 0) {
        win(dial, attempt, now);
        return 1;
    }
    if (r == 0)
        r = watch(dial, attempt.fd);
    dial->busy = r == -EAGAIN && address->ss_family == AF_UNIX;
    if (dial->busy) {
        close_p(&attempt.fd);
        return wait_for_room(dial, attempt.address, now);
    }
    if (r < 0) {
        close_p(&attempt.fd);
        return note_failed(dial, attempt.address, r, now) < 0 ? -ENOMEM : 2;
    }
    dial->open[dial->n_open++] = attempt;
    dial->next_begin = usec_add(now, delay_next(dial, now));
    return 0;
}

/* 1 connected, 0 under way, or a negative errno. */
static int check(const struct pollfd *p)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (p->revents == 0)
        return 0;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        return -errno;
    return error != 0 ? -error : 1;
}

static int fail(SocketDial *dial, size_t i, int error, usec_t now)
{
    Attempt attempt = dial->open[i];

    for (dial->n_open--; i < dial->n_open; i++)
        dial->open[i] = dial->open[i + 1];
    (void)close(attempt.fd);
    dial->next_begin = now;
    dial->at_bind = false;
    return note_failed(dial, attempt.address, error, now);
}

/* Looks at what is under way. 1 connected, 0, or -ENOMEM: also where that cannot be looked at, for
 * it would be found ready again and again. */
static int check_all(SocketDial *dial, usec_t now)
{
    struct pollfd p[RESOLVE_ADDRESSES_MAX];
    size_t n = dial->n_open;
    int ready;

    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = dial->open[i].fd, .events = POLLOUT};
    ready = n > 0 ? poll(p, n, 0) : 0;
    if (ready <= 0)
        return ready < 0 && errno != EINTR ? -ENOMEM : 0;
    for (size_t i = n; i-- > 0;) {
        int r = check(&p[i]);

        if (r > 0) {
            win(dial, dial->open[i], now);
            return 1;
        }
        if (r < 0 && fail(dial, i, r, now) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The time is over for all. -ENOMEM, or 0. */
static int fail_all(SocketDial *dial, usec_t now)
{
    while (dial->n_open > 0)
        if (fail(dial, 0, -ETIMEDOUT, now) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < count_addresses(dial); i++)
        if (!dial->done[i] && !dial->stopped &&
            note_failed(dial, i, dial->busy ? -EAGAIN : -ETIME, now) < 0)
            return -ENOMEM;
    return 0;
}

static bool has_next(SocketDial *dial)
{
    while (dial->next < count_addresses(dial) && dial->done[dial->next])
        dial->next++;
    return !dial->stopped && dial->next < count_addresses(dial);
}

int socket_dial_step(SocketDial *dial, usec_t now, Failure *f)
{
    for (;;) {
        int r = check_all(dial, now);

        if (r == 0 && now >= dial->end)
            r = fail_all(dial, now);
        if (r != 0)
            return r;
        if (dial->busy && now < dial->next_begin)
            return 0;
        if (has_next(dial) && (dial->n_open == 0 || now >= dial->next_begin)) {
            r = begin(dial, now);
            if (r == 3)
                return 0;
            if (r == 1 || r < 0 || (r == 0 && dial->n_open == 1))
                return r;
        } else
            return dial->n_open > 0 ? 0 : give_up(dial, f);
    }
}

bool socket_dial_is_own(const SocketDial *dial)
{
    return dial->stopped || !dial->blamed;
}

int socket_dial_take(SocketDial *dial, const struct sockaddr_storage **ret_address)
{
    *ret_address = address_of(dial, dial->won.address);
    return TAKE_FD(dial->won.fd);
}

size_t socket_dial_left(const SocketDial *dial)
{
    size_t n = 0;

    for (size_t i = 0; i < count_addresses(dial); i++)
        n += !dial->done[i];
    return n;
}

void socket_dial_resume(SocketDial *dial, usec_t now)
{
    dial->next = 0;
    dial->error = 0;
    dial->blamed = dial->stopped = dial->busy = false;
    start_clock(dial, now);
}

void socket_dial_again(SocketDial *dial)
{
    dial->done[dial->won.address] = false;
}

int socket_dial_fd(const SocketDial *dial)
{
    if (dial->epoll_fd >= 0)
        return dial->epoll_fd;
    return dial->n_open > 0 ? dial->open[0].fd : -1;
}

short socket_dial_events(const SocketDial *dial)
{
    return dial->epoll_fd >= 0 ? POLLIN : POLLOUT;
}

unsigned socket_dial_watches(const SocketDial *dial)
{
    return dial->watches;
}

usec_t socket_dial_deadline(const SocketDial *dial)
{
    size_t next = dial->next;

    while (next < count_addresses(dial) && dial->done[next])
        next++;
    return dial->stopped || next >= count_addresses(dial) ? dial->end
                                                          : MIN(dial->next_begin, dial->end);
}

void socket_dial_put_off(SocketDial *dial, usec_t time)
{
    dial->begun = usec_add(dial->begun, time);
    dial->end = usec_add(dial->end, time);
}

const char *socket_dial_tried(const SocketDial *dial)
{
    return buffer_size(&dial->tried) > 0 ? buffer_data(&dial->tried) : "";
}
