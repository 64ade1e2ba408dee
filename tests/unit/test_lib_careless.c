/* A client in the hands of a careless program: forks, callbacks that call back, streams that give
 * nonsense, and line ends where none belong. */
#include <sys/wait.h>
#include <unistd.h>

#include "lib_edges.h"

/* ---- fork ---- */

static ssize_t read_nothing(void *user, void *to, size_t n)
{
    (void)user;
    (void)to;
    (void)n;
    return 0;
}

static void on_close(void *user)
{
    *(int *)user += 1;
}

static int closed; /* streams */

#define ALLOWS(call)      \
    do {                  \
        if (!(call))      \
            return #call; \
    } while (0)

/* What a child finds of the parent's. The first thing that is not as it should be, or NULL. */
static const char *try_client_in_child(void)
{
    const OutboxEvents events = {.size = sizeof(events)};

    ALLOWS(outbox_send(client, NULL) == 211);
    ALLOWS(strstr(outbox_error_text(client), "fork"));
    ALLOWS(outbox_error(client) == 211);
    ALLOWS(outbox_connect(client) == 211);
    ALLOWS(outbox_disconnect(client) == 211);
    ALLOWS(outbox_verify(client, "a@example.org") == 211);
    ALLOWS(outbox_expand(client, "a@example.org") == 211);
    ALLOWS(outbox_command(client, "NOOP") == 211);
    ALLOWS(outbox_step(client) == 211);
    ALLOWS(outbox_reset(client) == 211);
    ALLOWS(outbox_set(client, "From", "a@example.org") == 211);
    ALLOWS(outbox_load(client, "/dev/null") == 211);
    ALLOWS(outbox_set_blocking(client, 1) == 211);
    ALLOWS(outbox_set_events(client, &events) == 211);
    ALLOWS(outbox_process_queue(client, "/nonexistent") == 211);
    ALLOWS(!outbox_queue(client, NULL, "*") && outbox_error(client) == 211);
    ALLOWS(!outbox_get(client, "From"));
    ALLOWS(!outbox_client_message(client));
    ALLOWS(!outbox_server_certificate(client));
    ALLOWS(strcmp(outbox_last_reply(client), "") == 0);
    ALLOWS(outbox_outcome_count(client) == 0 && !outbox_outcome(client, 0));
    ALLOWS(!outbox_is_connected(client) && outbox_is_idle(client));
    ALLOWS(outbox_fd(client) == -1 && outbox_events(client) == 0);
    ALLOWS(outbox_deadline(client) == UINT64_MAX);
    outbox_interrupt(client);
    return NULL;
}

static const char *try_message_in_child(OutboxMessage *message)
{
    const OutboxStream stream = {.read = read_nothing};
    const OutboxPart part = {.size = sizeof(part), .data = "a", .n = 1};
    OutboxClient *own = outbox_client_new();

    ALLOWS(own && outbox_send(own, message) == 211);
    ALLOWS(!outbox_queue(own, message, "*") && outbox_error(own) == 211);
    ALLOWS(outbox_set(own, "From", "me@example.org") == 0);
    ALLOWS(outbox_message_set(message, "Subject", "b") == 211);
    ALLOWS(strstr(outbox_message_error_text(message), "fork"));
    ALLOWS(outbox_message_set_bytes(message, OUTBOX_TEXT, "a", 1) == 211);
    ALLOWS(outbox_message_set_stream(message, OUTBOX_TEXT, &stream) == 211);
    ALLOWS(outbox_message_attach(message, &part) == 211);
    ALLOWS(outbox_message_add_recipient(message, 0, NULL, "a@example.org", NULL) == 211);
    ALLOWS(!outbox_message_get(message, "Subject"));
    ALLOWS(outbox_message_recipient_count(message) == 0 && !outbox_message_recipient(message, 0));
    ALLOWS(outbox_message_header_count(message) == 0 && !outbox_message_header(message, 0));
    outbox_message_reset(message);
    outbox_message_clear_recipients(message);
    outbox_client_free(own);
    return NULL;
}

/* Every handle of the parent's is nothing there, and can be freed. */
START_TEST(a_forked_child_only_frees)
{
    const OutboxStream stream = {.read = read_nothing, .close = on_close, .user = &closed};
    OutboxMessage *message = outbox_message_new();
    int status;
    pid_t child;

    closed = 0;
    start(NULL, NULL);
    ck_assert_int_eq(outbox_message_set(message, "SendTo", "ann@example.org"), 0);
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert_int_eq(outbox_connect(client), 0);
    child = fork();
    if (child == 0) {
        const char *wrong = try_client_in_child() ?: try_message_in_child(message);

        outbox_message_free(message);
        outbox_client_free(client);
        if (closed > 0)
            wrong = "the stream was closed";
        if (wrong)
            fprintf(stderr, "%s\n", wrong);
        _exit(wrong != NULL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(outbox_message_get(message, "SendTo"), "ann@example.org");
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    ck_assert(outbox_is_connected(client));
    outbox_message_free(message);
    ck_assert_int_eq(closed, 1);
    outbox_message_free(outbox_client_message(client)); /* which is the client's */
    ck_assert_int_eq(outbox_send(client, NULL), 0);
    stop();
}
END_TEST

/* ---- Callbacks that do what they should not ---- */

static ssize_t give_too_much(void *user, void *to, size_t n)
{
    (void)user;
    memset(to, 'a', n);
    return (ssize_t)n + 1;
}

static ssize_t give_no_errno(void *user, void *to, size_t n)
{
    (void)user;
    (void)to;
    (void)n;
    return (ssize_t)INT64_MIN;
}

START_TEST(a_stream_may_give_nonsense)
{
    static const OutboxStream streams[] = {{.read = give_too_much}, {.read = give_no_errno}};

    start(NULL, NULL);
    for (size_t i = 0; i < ELEMENTSOF(streams); i++)
        for (int what = OUTBOX_TEXT; what <= OUTBOX_RAW; what++) {
            OutboxMessage *message = outbox_client_message(client);

            ck_assert_int_eq(outbox_message_set_stream(message, what, &streams[i]), 0);
            ck_assert_int_ne(outbox_send(client, NULL), 0);
            ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "(a stream): "));
            ck_assert_int_eq(outbox_message_set(message, "MessageHtml", ""), 0);
            ck_assert_int_eq(outbox_message_set(message, "Message", ""), 0);
            ck_assert_int_eq(outbox_message_set(message, "MessageText", "Hello."), 0);
            ck_assert_int_eq(outbox_send(client, NULL), 0);
        }
    stop();
}
END_TEST

typedef struct Meddler {
    OutboxMessage *message;
    int closed, changed, tried; /* `changed`: what a call gave */
} Meddler;

static void free_within(Meddler *m)
{
    m->tried++;
    m->changed = outbox_message_set(m->message, "Subject", "meddled");
    outbox_message_reset(m->message);
    outbox_message_clear_recipients(m->message);
    outbox_message_free(outbox_client_message(client));
}

static ssize_t meddle_in_read(void *user, void *to, size_t n)
{
    (void)to;
    (void)n;
    free_within(user);
    outbox_client_free(client);
    ck_assert_int_eq(outbox_send(client, NULL), 166);
    return 0;
}

static void meddle_in_close(void *user)
{
    Meddler *m = user;

    free_within(m);
    outbox_message_free(m->message);
    m->closed++;
}

START_TEST(a_stream_cannot_pull_its_message_away)
{
    Meddler m = {.message = outbox_message_new()};
    const OutboxStream stream = {.read = meddle_in_read, .close = meddle_in_close, .user = &m};

    start(NULL, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(outbox_message_set_stream(m.message, OUTBOX_TEXT, &stream), 0);
    ck_assert_int_eq(m.closed, 2);
    ck_assert_int_eq(outbox_message_set(m.message, "MessageText", ""), 0);
    ck_assert_int_eq(m.closed, 3);
    ck_assert_int_eq(outbox_message_set_stream(m.message, OUTBOX_HTML, &stream), 0);
    outbox_message_reset(m.message);
    ck_assert_int_eq(m.closed, 4);
    ck_assert_int_eq(m.changed, 166);
    ck_assert_int_eq(outbox_message_set(m.message, "From", "me@example.org"), 0);
    ck_assert_int_eq(outbox_message_set(m.message, "SendTo", "ann@example.org"), 0);
    ck_assert_int_eq(outbox_message_set_stream(m.message, OUTBOX_TEXT, &stream), 0);
    /* Freed within the call, it goes when that is over. */
    ck_assert_msg(outbox_send(client, m.message) == 0, "%s", outbox_error_text(client));
    ck_assert_int_eq(m.closed, 5);
    m.message = outbox_message_new();
    ck_assert_int_eq(outbox_message_set_stream(m.message, OUTBOX_RAW, &stream), 0);
    outbox_message_free(m.message);
    ck_assert_int_eq(m.closed, 6);
    stop();
}
END_TEST

/* What a program gives cannot put lines into a header, nor escapes into the words about it. */
START_TEST(no_line_ends_get_in)
{
    const OutboxPart named = {.size = sizeof(named), .data = "a", .n = 1, .name = "a\r\nX-Evil: 1"};
    const OutboxPart typed = {
        .size = sizeof(typed), .data = "a", .n = 1, .name = "a", .type = "text/plain\r\nX-Evil: 1"};
    static const char *const properties[] = {"From", "SendTo", "Cc", "ReplyTo", "ReturnPath",
        "Subject", "MessageId", "MessageDate", "DeliveryNotificationTo", "ReadReceiptTo"};
    OutboxMessage *message;

    start(NULL, NULL);
    message = outbox_client_message(client);
    for (size_t i = 0; i < ELEMENTSOF(properties) + 2; i++) {
        const char *const ends[] = {"\n", "\r\n", "\r"};

        for (size_t k = 0; k < ELEMENTSOF(ends); k++) {
            char value[100];

            outbox_message_reset(message);
            set("From", "me@example.org");
            set("SendTo", "ann@example.org");
            snprintf(value, sizeof(value), "a@example.org%sX-Evil: 1", ends[k]);
            if (i < ELEMENTSOF(properties))
                set(properties[i], value);
            else
                ck_assert_int_eq(
                    outbox_message_attach(message, i == ELEMENTSOF(properties) ? &named : &typed),
                    0);
            ck_assert_ptr_null(outbox_queue(client, NULL, "*"));
            ck_assert_ptr_null(strpbrk(outbox_error_text(client), "\r\n"));
            ck_assert_ptr_null(strpbrk(outbox_message_error_text(message), "\r\n"));
            ck_assert_int_ne(outbox_send(client, NULL), 0);
        }
    }
    ck_assert_uint_eq(test_relay_mails(relay), 0);
    stop();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/careless");
    TCase *tests = tcase_create("lib/careless");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_forked_child_only_frees);
    tcase_add_test(tests, a_stream_may_give_nonsense);
    tcase_add_test(tests, a_stream_cannot_pull_its_message_away);
    tcase_add_test(tests, no_line_ends_get_in);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
