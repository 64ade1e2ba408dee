/* A client against a relay of its own: calls, events, errors by number, and driving it from a loop.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_client.h"
#include "relay.h"

typedef struct Seen {
    OutboxClient *client;
    char text[8192]; /* what happened, a word each */
    uint64_t bytes;
    int busy; /* what a call within an event gave */
} Seen;

static void note(Seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(Seen *seen, const char *format, ...)
{
    size_t n = strlen(seen->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(seen->text + n, sizeof(seen->text) - n, format, arguments);
    va_end(arguments);
}

static void on_status(void *user, const char *event, int code, const char *text)
{
    note(user, "[%s %d]", event, code);
    ck_assert_ptr_nonnull(text);
}

static void on_start(void *user, int direction)
{
    note(user, "[start %d]", direction);
    ((Seen *)user)->bytes = 0;
}

static void on_transfer(void *user, int direction, uint64_t bytes, uint64_t total, int percent,
    const char *text, size_t n)
{
    Seen *seen = user;

    ck_assert_int_eq(direction, OUTBOX_DIRECTION_CLIENT);
    ck_assert_uint_eq(bytes, seen->bytes + n);
    ck_assert_uint_le(bytes, total);
    ck_assert_int_eq(percent, (int)(bytes * 100 / total));
    ck_assert_ptr_nonnull(text);
    seen->bytes = bytes;
}

static void on_end(void *user, int direction)
{
    note(user, "[end %d]", direction);
}

static void on_error(void *user, int error, const char *text)
{
    note(user, "[error %d %s]", error, text);
}

static void on_recipient(void *user, const OutboxOutcome *outcome)
{
    Seen *seen = user;

    note(user, "[%s %d %d]", outcome->recipient, outcome->kind, outcome->code);
    seen->busy = outbox_connect(seen->client);
    ck_assert_ptr_nonnull(outbox_get(seen->client, "From"));
}

static void on_expand(void *user, const char *address)
{
    note(user, "[expand %s]", address);
}

static const OutboxEvents table = {
    .size = sizeof(OutboxEvents),
    .connection_status = on_status,
    .start_transfer = on_start,
    .transfer = on_transfer,
    .end_transfer = on_end,
    .error = on_error,
    .recipient = on_recipient,
    .expand = on_expand,
};

static TestRelay *relay;
static OutboxClient *client;
static Seen seen;

static void set(const char *name, const char *value)
{
    client_set(client, name, value);
}

static void start(TestAnswer answer)
{
    OutboxEvents events = table;

    relay = test_relay_start(answer, NULL, "", 0);
    events.user = &seen;
    client = client_start(test_relay_port(relay), &events);
    seen = (Seen){.client = client};
    set("SendTo", "ann@example.org");
    set("Subject", "Hello");
    set("MessageText", "Hello.\n");
}

static void stop(void)
{
    outbox_client_free(client);
    test_relay_stop(relay);
}

static void expect(int number, int wanted, const char *word)
{
    client_expect(client, number, wanted, word);
}

/* ---- Sending ---- */

/* Send, Connected, Idle, ConnectionStatus, StartTransfer, Transfer, EndTransfer. */
START_TEST(sends)
{
    start(NULL);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_str_eq(outbox_error_text(client), "");
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
    ck_assert_str_eq(seen.text, "[Remote host connection complete 0][start 0][end 0]"
                                "[ann@example.org 0 250][Remote host disconnected 0]");
    ck_assert_uint_gt(seen.bytes, strlen("Hello.\n"));
    ck_assert_int_eq(seen.busy, 166);
    ck_assert(!outbox_is_connected(client));
    ck_assert(outbox_is_idle(client));
    ck_assert_uint_eq(outbox_outcome_count(client), 1);
    ck_assert_int_eq(outbox_outcome(client, 0)->kind, OUTBOX_DELIVERED);
    ck_assert_ptr_null(outbox_outcome(client, 1));
    stop();
}
END_TEST

/* Connect and Disconnect: any number of messages over one connection. LastReply. */
START_TEST(keeps_a_connection)
{
    start(NULL);
    ck_assert_int_eq(outbox_connect(client), 0);
    ck_assert(outbox_is_connected(client));
    expect(outbox_connect(client), 104, "already connected");
    ck_assert_str_eq(outbox_get(client, "LocalHost"), "127.0.0.1");
    ck_assert_int_gt(atoi(outbox_get(client, "LocalPort")), 0);
    ck_assert_ptr_nonnull(strstr(outbox_get(client, "RemoteAddress"), "127.0.0.1:"));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_int_eq(strncmp(outbox_last_reply(client), "250", 3), 0);
    ck_assert_int_eq(outbox_disconnect(client), 0);
    ck_assert(!outbox_is_connected(client));
    ck_assert_int_eq(strncmp(outbox_last_reply(client), "221", 3), 0);
    ck_assert_int_eq(outbox_disconnect(client), 0);
    ck_assert_uint_eq(test_relay_connections(relay), 1);
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 3);
    stop();
}
END_TEST

static const char *refuse_bob(void *user, const TestCommand *command)
{
    (void)user;
    return strstr(command->line, "bob@") ? "550 5.1.1 no such user" : NULL;
}

/* The Error event, 161. */
START_TEST(tells_a_refused_recipient)
{
    start(refuse_bob);
    set("SendTo", "ann@example.org, Bob <bob@example.org>");
    expect(outbox_send(client, NULL), 161, "bob@example.org refused by");
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "550 5.1.1 no such user"));
    ck_assert_ptr_nonnull(strstr(seen.text, "[error 161 bob@example.org"));
    ck_assert_ptr_nonnull(strstr(seen.text, "[bob@example.org 2 550]"));
    ck_assert_uint_eq(outbox_outcome_count(client), 2);
    ck_assert_str_eq(outbox_outcome(client, 1)->enhanced, "5.1.1");
    ck_assert_str_eq(outbox_outcome(client, 1)->stage, "rcpt");
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
    stop();
}
END_TEST

/* BCc: an Error event, and no error. */
START_TEST(keeps_a_blind_copy_to_itself)
{
    start(refuse_bob);
    set("BCc", "bob@example.org");
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_ptr_nonnull(strstr(seen.text, "[error 161 bob@example.org"));
    ck_assert_ptr_null(strstr(outbox_get(client, "MessageHeadersString"), "bob"));
    stop();
}
END_TEST

/* StopOnToErrors and StopOnBccErrors: nobody gets it. */
START_TEST(sends_to_all_or_to_nobody)
{
    start(refuse_bob);
    set("SendTo", "ann@example.org, Bob <bob@example.org>");
    set("StopOnToErrors", "True");
    expect(outbox_send(client, NULL), 161, "bob@example.org");
    ck_assert_uint_eq(test_relay_taken(relay, ""), 0);
    set("SendTo", "ann@example.org");
    set("BCc", "bob@example.org");
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
    set("StopOnBccErrors", "True");
    (void)outbox_send(client, NULL);
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 1);
    stop();
}
END_TEST

static const char *close_second(void *user, const TestCommand *command)
{
    (void)user;
    return command->connection == 1 && command->message == 2 ? "CLOSE" : NULL;
}

/* A server that has closed the connection meanwhile is no reason to lose a message. */
START_TEST(connects_again_where_the_server_has_gone)
{
    start(close_second);
    ck_assert_int_eq(outbox_connect(client), 0);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    (void)outbox_send(client, NULL);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_uint_ge(test_relay_taken(relay, "ann@example.org"), 2);
    stop();
}
END_TEST

/* ---- Asking ---- */

static const char *answer_questions(void *user, const TestCommand *command)
{
    (void)user;
    if (strcmp(command->line, "EXPN staff") == 0)
        return "250-Ann <ann@example.org>\r\n250 <bob@example.org>";
    if (strcmp(command->line, "VRFY ann") == 0)
        return "250 Ann <ann@example.org>";
    if (strncmp(command->line, "VRFY", 4) == 0)
        return "550 5.1.1 nobody";
    return strcmp(command->line, "NOOP") == 0 ? "250-one\r\n250 two" : NULL;
}

/* Verify, Expand with its event, SendCommand, LastReply; 1117. */
START_TEST(asks)
{
    start(answer_questions);
    expect(outbox_command(client, "NOOP"), 1117, "outbox_connect()");
    ck_assert_int_eq(outbox_verify(client, "ann"), 0);
    ck_assert(outbox_is_connected(client));
    expect(outbox_verify(client, "eve"), 161, "550 5.1.1 nobody");
    ck_assert_int_eq(outbox_expand(client, "staff"), 0);
    ck_assert_ptr_nonnull(
        strstr(seen.text, "[expand Ann <ann@example.org>][expand <bob@example.org>]"));
    ck_assert_int_eq(outbox_command(client, "NOOP"), 0);
    ck_assert_str_eq(outbox_last_reply(client), "250-one\n250 two");
    expect(outbox_command(client, "DATA"), 9001, "outbox_send()");
    expect(outbox_command(client, "NOOP\r\nQUIT"), 9001, "control character");
    expect(outbox_command(client, " "), 9001, "empty");
    stop();
}
END_TEST

/* 510 bytes, the verb and its blank included. */
START_TEST(says_no_more_than_a_line)
{
    char text[512];

    start(NULL);
    memset(text, 'a', sizeof(text));
    text[505] = '\0';
    ck_assert_int_eq(outbox_verify(client, text), 0);
    text[505] = 'a';
    text[506] = '\0';
    expect(outbox_verify(client, text), 9001, "too long");
    expect(outbox_expand(client, text), 9001, "too long");
    text[506] = 'a';
    text[510] = '\0';
    ck_assert_int_eq(outbox_command(client, text), 0);
    text[510] = 'a';
    text[511] = '\0';
    expect(outbox_command(client, text), 9001, "too long");
    stop();
}
END_TEST

/* ---- What cannot be ---- */

/* 163, 164, 165, 116. */
START_TEST(says_what_is_missing)
{
    client = outbox_client_new();
    expect(outbox_connect(client), 163, "MailServer");
    ck_assert_int_eq(outbox_set(client, "MailServer", "127.0.0.1"), 0);
    expect(outbox_send(client, NULL), 164, "");
    set("From", "me@example.org");
    expect(outbox_send(client, NULL), 165, "");
    expect(outbox_set(client, "MailPort", "0"), 116, "65535");
    outbox_client_free(client);
}
END_TEST

/* 100, 101, 106, 107, 112, 117. */
START_TEST(keeps_what_the_connection_was_made_by)
{
    static const struct {
        const char *name, *value;
        int number;
    } rows[] = {
        {"MailPort", "2525", 100},
        {"port", "2525", 100},
        {"MailServer", "localhost", 101},
        {"LocalPort", "4000", 106},
        {"LocalHost", "127.0.0.2", 107},
        {"MaxLineLength", "4096", 112},
        {"SSLStartMode", "implicit", 117},
    };

    start(NULL);
    ck_assert_int_eq(outbox_connect(client), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(outbox_set(client, rows[i].name, rows[i].value), rows[i].number, "disconnect first");
    ck_assert_int_eq(outbox_set(client, "Timeout", "5"), 0);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    stop();
}
END_TEST

static const char *hang_at_rcpt(void *user, const TestCommand *command)
{
    (void)user;
    return strncmp(command->line, "RCPT", 4) == 0 ? "HANG" : NULL;
}

/* 201: Timeout is of inactivity. */
PATIENT_TEST(waits_no_longer_than_it_is_told)
{
    char seconds[16];

    start(hang_at_rcpt);
    snprintf(seconds, sizeof(seconds), "%u", patience);
    set("Timeout", seconds);
    set("timeout_by_stage", "false");
    expect(outbox_send(client, NULL), 201, "rcpt");
    stop();
}

/* ---- Ending it from outside ---- */

static void *interrupt_it(void *user)
{
    client_interrupt_while_waiting(user);
    return NULL;
}

/* Interrupt: 301. */
START_TEST(can_be_interrupted)
{
    pthread_t thread;

    start(hang_at_rcpt);
    outbox_interrupt(client); /* nothing is in progress: nothing happens */
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_it, client), 0);
    expect(outbox_send(client, NULL), 301, "interrupted");
    pthread_join(thread, NULL);
    ck_assert_int_eq(outbox_outcome(client, 0)->kind, OUTBOX_DEFERRED);
    ck_assert(outbox_is_idle(client));
    expect(outbox_verify(client, "ann"), 0, "");
    stop();
}
END_TEST

static OutboxClient *of_handler;

static void handle(int signal)
{
    (void)signal;
    outbox_interrupt(of_handler);
}

/* One that comes before there is a call does nothing: there are more. */
START_TEST(can_be_interrupted_by_a_signal)
{
    const struct itimerval every = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};

    start(hang_at_rcpt);
    of_handler = client;
    ck_assert(signal(SIGALRM, handle) != SIG_ERR);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
    expect(outbox_send(client, NULL), 301, "interrupted");
    ck_assert_int_eq(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
    stop();
}
END_TEST

/* ---- From a loop ---- */

static int drive(void)
{
    int r;

    while ((r = outbox_step(client)) == 135) {
        struct pollfd p = {.fd = outbox_fd(client), .events = outbox_events(client)};

        ck_assert_int_eq(p.events, POLLIN);
        (void)poll(&p, 1, 100);
    }
    return r;
}

/* DoEvents: 135, 211, 1105, 166. */
START_TEST(goes_on_in_steps)
{
    start(NULL);
    expect(outbox_step(client), 211, "no call in progress");
    ck_assert_int_eq(outbox_events(client), 0);
    ck_assert_uint_eq(outbox_deadline(client), UINT64_MAX);
    ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
    ck_assert_int_eq(outbox_connect(client), 135);
    ck_assert_int_eq(outbox_connect(client), 1105);
    ck_assert(!outbox_is_idle(client));
    ck_assert_int_eq(outbox_send(client, NULL), 166);
    ck_assert_int_eq(outbox_set(client, "Timeout", "5"), 166);
    ck_assert_int_eq(drive(), 0);
    ck_assert(outbox_is_connected(client));
    for (int i = 0; i < 3; i++) {
        int r = outbox_send(client, NULL);

        ck_assert_int_eq(r == 135 ? drive() : r, 0);
    }
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.org"), 3);
    stop();
}
END_TEST

START_TEST(may_be_freed_at_any_time)
{
    start(hang_at_rcpt);
    ck_assert_int_eq(outbox_set_blocking(client, 0), 0);
    ck_assert_int_eq(outbox_send(client, NULL), 135);
    (void)outbox_step(client);
    stop();
}
END_TEST

/* ---- fork ---- */

START_TEST(is_the_parents)
{
    int status;
    pid_t child;

    start(NULL);
    ck_assert_int_eq(outbox_connect(client), 0);
    child = fork();
    if (child == 0) {
        int r = outbox_send(client, NULL);

        outbox_client_free(client);
        _exit(r == 211 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    stop();
}
END_TEST

START_TEST(bears_what_is_no_client)
{
    outbox_client_free(NULL);
    outbox_message_free(NULL);
    outbox_interrupt(NULL);
    ck_assert_int_eq(outbox_send(NULL, NULL), 9001);
    ck_assert_int_eq(outbox_set(NULL, "a", "b"), 9001);
    ck_assert_ptr_null(outbox_get(NULL, "a"));
    ck_assert_ptr_null(outbox_queue(NULL, NULL, "*"));
    ck_assert_ptr_nonnull(outbox_error_text(NULL));
    ck_assert_int_eq(outbox_fd(NULL), -1);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/client");
    TCase *tests = tcase_create("lib/client");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, sends);
    tcase_add_test(tests, keeps_a_connection);
    tcase_add_test(tests, tells_a_refused_recipient);
    tcase_add_test(tests, keeps_a_blind_copy_to_itself);
    tcase_add_test(tests, sends_to_all_or_to_nobody);
    tcase_add_test(tests, connects_again_where_the_server_has_gone);
    tcase_add_test(tests, asks);
    tcase_add_test(tests, says_no_more_than_a_line);
    tcase_add_test(tests, says_what_is_missing);
    tcase_add_test(tests, keeps_what_the_connection_was_made_by);
    tcase_add_test(tests, waits_no_longer_than_it_is_told);
    tcase_add_test(tests, can_be_interrupted);
    tcase_add_test(tests, can_be_interrupted_by_a_signal);
    tcase_add_test(tests, goes_on_in_steps);
    tcase_add_test(tests, may_be_freed_at_any_time);
    tcase_add_test(tests, is_the_parents);
    tcase_add_test(tests, bears_what_is_no_client);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
