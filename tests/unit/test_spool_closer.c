/* spool: descriptors that are closed beside the caller. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spool/closer.h"
#include "unit.h"

#define PIPES 400
#define SLOW 60

typedef struct Ends {
    int read, write;
} Ends;

static Ends open_pipe(void)
{
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    return (Ends){fds[0], fds[1]};
}

/* Whether the writing end of it has been closed. */
static bool is_closed(int read_end)
{
    struct pollfd p = {.fd = read_end, .events = POLLIN};

    ck_assert_int_ge(poll(&p, 1, 0), 0);
    return p.revents & POLLHUP;
}

/* What the worker has is closed in its own time. */
static void wait_until_closed(const Ends *ends)
{
    struct pollfd p = {.fd = ends->read};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    ck_assert_int_ne(p.revents & POLLHUP, 0);
}

static Closer *make_closer(void)
{
    _cleanup_worker_ Worker *worker = NULL;
    Closer *closer;

    ck_assert_int_eq(worker_new(&worker), 0);
    ck_assert_int_eq(closer_new(worker, &closer), 0);
    return closer;
}

static size_t count_open(const Ends *pipes, size_t n)
{
    size_t open = 0;

    for (size_t i = 0; i < n; i++)
        open += !is_closed(pipes[i].read);
    return open;
}

/* A socket whose close() takes a second: it has said what its peer does not read. */
static int open_slow(int listener, int *ret_peer)
{
    static const char noise[65536];
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    struct sockaddr_in address;
    socklen_t n = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &n), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, n), 0);
    *ret_peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_peer, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    while (send(fd, noise, sizeof(noise), MSG_DONTWAIT) > 0)
        ;
    return fd;
}

static int listen_small(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes = 4096;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, SLOW), 0);
    return fd;
}

START_TEST(all_are_closed)
{
    Ends pipes[PIPES];
    Closer *closer = make_closer();

    for (size_t i = 0; i < PIPES; i++) {
        pipes[i] = open_pipe();
        closer_take(closer, pipes[i].write);
        ck_assert_uint_le(count_open(pipes, i + 1), CLOSER_KEPT_MAX);
    }
    closer_free(closer);
    for (size_t i = 0; i < PIPES; i++) {
        wait_until_closed(&pipes[i]);
        close(pipes[i].read);
    }
}
END_TEST

START_TEST(a_flush_closes_what_no_thread_has)
{
    Ends one = open_pipe();
    Closer *closer = make_closer();

    closer_take(closer, one.write);
    ck_assert(!is_closed(one.read)); /* it waits for others */
    closer_flush(closer);
    ck_assert(is_closed(one.read));
    closer_flush(closer);
    closer_free(closer);
    closer_free(NULL);
    close(one.read);
}
END_TEST

/* The first to be handed over keep their threads waiting; those behind are closed all the same. */
START_TEST(slow_ones_do_not_hold_up_the_others)
{
    int listener = listen_small(), slow[SLOW], peers[SLOW];
    Ends pipes[PIPES];
    Closer *closer = make_closer();

    for (size_t i = 0; i < SLOW; i++)
        slow[i] = open_slow(listener, &peers[i]);
    for (size_t i = 0; i < PIPES; i++) {
        pipes[i] = open_pipe();
        closer_take(closer, pipes[i].write);
        if (i % 8 == 0 && i / 8 < SLOW)
            closer_take(closer, slow[i / 8]);
    }
    ck_assert_uint_le(count_open(pipes, PIPES), CLOSER_KEPT_MAX);
    for (size_t i = 0; i < SLOW; i++)
        close(peers[i]); /* what is still being closed ends */
    closer_free(closer);
    for (size_t i = 0; i < PIPES; i++) {
        wait_until_closed(&pipes[i]);
        close(pipes[i].read);
    }
    close(listener);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("spool closer");
    TCase *tests = tcase_create("closer");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, all_are_closed);
    tcase_add_test(tests, a_flush_closes_what_no_thread_has);
    tcase_add_test(tests, slow_ones_do_not_hold_up_the_others);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
