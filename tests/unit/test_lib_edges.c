/* A client at the edges of its time and of what a server says: whose time it is, commands that go
 * on, words that are none, and how a server parts. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib_edges.h"

/* ---- Time ---- */

#define PATIENCE "0.3s" /* the client's with the server */
#define BUSY_MS 450     /* the program, at a time */

static void be_busy(void)
{
    (void)poll(NULL, 0, BUSY_MS);
}

static void on_trace(void *user, int direction, const char *line, size_t n)
{
    (void)user;
    (void)line;
    (void)n;
    if (direction == OUTBOX_DIRECTION_CLIENT)
        be_busy();
}

static void on_transfer(void *user, int direction, uint64_t bytes, uint64_t total, int percent,
    const char *text, size_t n)
{
    (void)user;
    (void)direction;
    (void)bytes;
    (void)total;
    (void)percent;
    (void)text;
    (void)n;
    be_busy();
}

static void be_impatient(void)
{
    set("timeout", PATIENCE);
    set("timeout_by_stage", "false");
}

/* What a program does in an event is not the server's silence. */
START_TEST(events_may_take_longer_than_the_time_out)
{
    const OutboxEvents events = {
        .size = sizeof(events), .trace = on_trace, .transfer = on_transfer};

    for (int absolute = 0; absolute < 2; absolute++) {
        start(NULL, NULL);
        ck_assert_int_eq(outbox_set_events(client, &events), 0);
        be_impatient();
        set("absolute_timeout", absolute ? "yes" : "no");
        ck_assert_msg(outbox_send(client, NULL) == 0, "%s", outbox_error_text(client));
        ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
        stop();
    }
}
END_TEST

/* Nor is what it does between the steps. */
START_TEST(steps_may_come_later_than_the_time_out)
{
    int r;

    start(NULL, NULL);
    be_impatient();
    ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
    r = outbox_send(client, NULL);
    while (r == 135) {
        struct pollfd p = {.fd = outbox_fd(client), .events = outbox_events(client)};

        (void)poll(&p, 1, -1);
        be_busy();
        r = outbox_step(client);
    }
    ck_assert_msg(r == 0, "%d: %s", r, outbox_error_text(client));
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
    stop();
}
END_TEST

/* "": at the greeting. */
static const char *hang_at(void *user, const TestCommand *command)
{
    const char *where = user;
    bool here = where[0] ? strncmp(command->line, where, strlen(where)) == 0 : !command->line[0];

    return here ? "HANG" : NULL;
}

START_TEST(a_silent_server_is_told_of_by_slow_programs_too)
{
    const OutboxEvents events = {.size = sizeof(events), .trace = on_trace};
    int r;

    start(hang_at, (char[]){"MAIL"});
    ck_assert_int_eq(outbox_set_events(client, &events), 0);
    be_impatient();
    ck_assert_int_eq(outbox_send(client, NULL), 201);
    ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
    r = outbox_send(client, NULL);
    while (r == 135) {
        be_busy();
        r = outbox_step(client);
    }
    ck_assert_int_eq(r, 201);
    stop();
}
END_TEST

/* ---- Commands ---- */

static pid_t number_in(const char *path)
{
    FILE *file = fopen(path, "re");
    int number = 0;

    if (file && fscanf(file, "%d", &number) != 1)
        number = 0;
    if (file)
        fclose(file);
    return number;
}

static bool lives(pid_t pid)
{
    char path[40], state = 'Z';
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (fscanf(file, "%*d %*s %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state != 'Z';
}

/* With the call that wanted it, however that ends. */
START_TEST(a_command_for_a_password_ends_with_its_call)
{
    static const char *const ends[] = {"free", "interrupt"};

    for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
        char path[] = "/tmp/outbox-edges-XXXXXX", command[200];
        int fd = mkstemp(path), r;
        pid_t pid;

        start(NULL, NULL);
        snprintf(command, sizeof(command), "sleep 900 & echo $! >%s; wait", path);
        set("user", "me");
        set("password_command", command);
        ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
        r = outbox_send(client, NULL);
        while ((pid = number_in(path)) == 0) {
            (void)poll(NULL, 0, 1);
            r = outbox_step(client);
        }
        ck_assert_int_eq(r, 135);
        ck_assert(lives(pid));
        if (i == 1) {
            outbox_interrupt(client);
            ck_assert_int_eq(outbox_step(client), 301);
        }
        stop();
        while (lives(pid))
            (void)poll(NULL, 0, 1);
        while (waitpid(-1, NULL, __WALL) > 0 || errno != ECHILD)
            (void)poll(NULL, 0, 1); /* its shell is for the library to reap */
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(close(fd), 0);
    }
}
END_TEST

/* A socket that listens at 127.0.0.1. */
static int listen_somewhere(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Otherwise it waits half a minute for the server. */
START_TEST(asking_for_a_token_ends_with_its_call)
{
    static const char *const ends[] = {"free", "interrupt"};

    for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
        char url[60], data[4096];
        unsigned port;
        int listen_fd = listen_somewhere(&port), fd, r;
        struct pollfd p = {.fd = listen_fd, .events = POLLIN};
        usec_t before;

        start(NULL, NULL);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/token", port);
        set("user", "me");
        set("auth", "xoauth2");
        set("auth_without_tls", "yes");
        set("oauth_token_url", url);
        set("oauth_client_id", "me");
        set("oauth_refresh_token", "refresh");
        ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
        r = outbox_send(client, NULL);
        while (r == 135 && poll(&p, 1, 1) == 0)
            r = outbox_step(client);
        ck_assert_msg(r == 135, "%s", outbox_error_text(client));
        fd = accept(listen_fd, NULL, NULL);
        ck_assert_int_gt(recv(fd, data, sizeof(data), 0), 0);
        before = clock_monotonic();
        if (i == 1) {
            outbox_interrupt(client);
            ck_assert_int_eq(outbox_step(client), 301);
        } else
            outbox_client_free(client);
        while (recv(fd, data, sizeof(data), 0) > 0)
            ;
        ck_assert_uint_lt(clock_monotonic() - before, 20 * USEC_PER_SEC);
        client = i == 1 ? client : NULL;
        stop();
        close(fd);
        close(listen_fd);
    }
    (void)is_alone(); /* what a thread that ends is still using is no leak */
}
END_TEST

/* ---- A server's words ---- */

#define EVIL "\x1b[31m\xff\xe2\x80\xae\x07 no"
#define SHOWN "\\x1b[31m\\xff\\xe2\\x80\\xae\\x07 no"

static void check_plain(void *user, const char *text)
{
    unsigned *seen = user;

    for (const char *at = text; *at; at++)
        ck_assert_msg((*at >= ' ' && *at < 0x7f) || *at == '\n', "not plain: %s", text);
    *seen += strstr(text, SHOWN) != NULL;
}

static void on_status(void *user, const char *event, int code, const char *text)
{
    (void)event;
    (void)code;
    check_plain(user, text);
}

static void on_error(void *user, int error, const char *text)
{
    (void)error;
    check_plain(user, text);
}

static void on_recipient(void *user, const OutboxOutcome *outcome)
{
    check_plain(user, outcome->text);
    check_plain(user, outcome->relay);
}

static void on_line(void *user, int direction, const char *line, size_t n)
{
    (void)direction;
    ck_assert_uint_eq(strlen(line), n);
    check_plain(user, line);
}

static const char *answer_evil(void *user, const TestCommand *command)
{
    const char *where = user;

    if (strncmp(command->line, where, strlen(where)) != 0 || (!where[0] && command->line[0]))
        return NULL;
    if (strcmp(where, "EXPN") == 0)
        return "250-<a" EVIL "@example.org>\r\n250 <b" EVIL "@example.org>";
    return where[0] ? "550 5.1.1 " EVIL : "554 " EVIL;
}

START_TEST(a_servers_words_are_fit_for_a_terminal)
{
    static char places[][8] = {"", "MAIL", "RCPT", "DATA", ".", "VRFY", "EXPN"};

    for (size_t i = 0; i < ELEMENTSOF(places); i++) {
        unsigned seen = 0, before;
        const OutboxEvents events = {.size = sizeof(events),
            .user = &seen,
            .connection_status = on_status,
            .error = on_error,
            .recipient = on_recipient,
            .expand = check_plain,
            .trace = on_line};
        bool is_good = strcmp(places[i], "EXPN") == 0;

        start(answer_evil, places[i]);
        ck_assert_int_eq(outbox_set_events(client, &events), 0);
        if (is_good)
            ck_assert_int_eq(outbox_expand(client, "list@example.org"), 0);
        else if (i + 2 == ELEMENTSOF(places))
            ck_assert_int_ne(outbox_verify(client, "ann@example.org"), 0);
        else
            ck_assert_int_ne(outbox_send(client, NULL), 0);
        ck_assert_uint_ge(seen, 1);
        before = seen;
        check_plain(&seen, outbox_error_text(client));
        ck_assert_uint_eq(seen, before + !is_good);
        for (size_t k = 0; k < outbox_outcome_count(client); k++)
            check_plain(&seen, outbox_outcome(client, k)->text);
        check_plain(&seen, outbox_last_reply(client));
        if (is_good)
            ck_assert_str_eq(outbox_last_reply(client),
                "250-<a" SHOWN "@example.org>\n250 <b" SHOWN "@example.org>");
        stop();
    }
}
END_TEST

/* ---- What users of other libraries met with ---- */

static const char *at_quit(void *user, const TestCommand *command)
{
    return strcmp(command->line, "QUIT") == 0 ? user : NULL;
}

/* The message has been taken by then: how the server parts is no matter of the call's. */
START_TEST(a_server_may_part_as_it_likes)
{
    static char answers[][24] = {"CLOSE", "HANG", "500 what?", "nonsense", "421 closing"};

    for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
        start(at_quit, answers[i]);
        be_impatient();
        ck_assert_msg(
            outbox_send(client, NULL) == 0, "%s: %s", answers[i], outbox_error_text(client));
        ck_assert_int_eq(outbox_connect(client), 0);
        ck_assert_int_eq(outbox_disconnect(client), 0);
        ck_assert(!outbox_is_connected(client));
        stop();
    }
}
END_TEST

/* A client in a loop is given up at any time without waiting for a server that says nothing. */
START_TEST(giving_up_waits_for_nobody)
{
    static char places[][8] = {"", "EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"};

    for (size_t i = 0; i < ELEMENTSOF(places); i++) {
        struct timespec before, after;
        int r;

        start(hang_at, places[i]);
        ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
        r = outbox_send(client, NULL);
        for (int k = 0; k < 300 && r == 135; k++) {
            (void)poll(NULL, 0, 1);
            r = outbox_step(client);
        }
        ck_assert_int_eq(r, 135);
        clock_gettime(CLOCK_MONOTONIC, &before);
        outbox_client_free(client);
        clock_gettime(CLOCK_MONOTONIC, &after);
        ck_assert_int_lt(after.tv_sec - before.tv_sec, 20); /* the time-out is 60 */
        test_relay_stop(relay);
    }
}
END_TEST

static void send_bytes(size_t n, size_t line)
{
    char *text = malloc(n);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (i + 1) % line == 0 ? '\n' : i % line == 0 ? '.' : 'x';
    ck_assert_int_eq(
        outbox_message_set_bytes(outbox_client_message(client), OUTBOX_TEXT, text, n), 0);
    ck_assert_msg(outbox_send(client, NULL) == 0, "%zu bytes, lines of %zu: %s", n, line,
        outbox_error_text(client));
    free(text);
}

/* Around the sizes that content is read and written in. */
START_TEST(every_size_goes_out)
{
    static const size_t sizes[] = {0, 1, 4096, 16384, 65536, 262144, 1048576};
    static const size_t lines[] = {1, 2, 72, 998, 100000000};
    unsigned sent = 0;

    start(NULL, NULL);
    ck_assert_int_eq(outbox_connect(client), 0);
    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        for (size_t k = 0; k < ELEMENTSOF(lines); k++)
            for (size_t d = sizes[i] > 1 ? sizes[i] - 2 : 0; d < sizes[i] + 3; d++, sent++)
                send_bytes(d, lines[k]);
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), sent);
    ck_assert_uint_eq(test_relay_connections(relay), 1);
    stop();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/edges");
    TCase *tests = tcase_create("lib/edges");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, events_may_take_longer_than_the_time_out);
    tcase_add_test(tests, steps_may_come_later_than_the_time_out);
    tcase_add_test(tests, a_silent_server_is_told_of_by_slow_programs_too);
    tcase_add_test(tests, a_command_for_a_password_ends_with_its_call);
    tcase_add_test(tests, asking_for_a_token_ends_with_its_call);
    tcase_add_test(tests, a_servers_words_are_fit_for_a_terminal);
    tcase_add_test(tests, a_server_may_part_as_it_likes);
    tcase_add_test(tests, giving_up_waits_for_nobody);
    tcase_add_test(tests, every_size_goes_out);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
