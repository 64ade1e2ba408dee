/* Queueing and delivering with the library alone: outbox_queue(), outbox_process_queue(). */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib_client.h"
#include "relay.h"

static TestRelay *relay;
static OutboxClient *client;
static char directory[64], told[4096];

static void on_recipient(void *user, const OutboxOutcome *outcome)
{
    size_t n = strlen(told);

    (void)user;
    ck_assert_ptr_nonnull(outcome->id);
    snprintf(told + n, sizeof(told) - n, "[%s %d]", outcome->recipient, outcome->kind);
}

static void start(TestAnswer answer)
{
    const OutboxEvents events = {.size = sizeof(events), .recipient = on_recipient};

    relay = test_relay_start(answer, NULL, "", 0);
    client = client_start(test_relay_port(relay), &events);
    told[0] = '\0';
    snprintf(directory, sizeof(directory), "/tmp/test_lib_process.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void queue(const char *to)
{
    client_set(client, "SendTo", to);
    ck_assert_msg(outbox_queue(client, NULL, directory) != NULL, "%s", outbox_error_text(client));
}

/* How many files of the queue end so; all are removed. */
static unsigned count(const char *ending)
{
    DIR *open = opendir(directory);
    const struct dirent *entry;
    unsigned n = 0;

    while ((entry = readdir(open))) {
        size_t length = strlen(entry->d_name), end = strlen(ending);

        n += length > end && strcmp(entry->d_name + length - end, ending) == 0;
    }
    closedir(open);
    return n;
}

static void stop(void)
{
    char command[128];

    outbox_client_free(client);
    test_relay_stop(relay);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static const char *refuse_bob(void *user, const TestCommand *command)
{
    (void)user;
    if (strstr(command->line, "later@"))
        return "450 4.2.1 later";
    return strstr(command->line, "bob@") ? "550 5.1.1 no such user" : NULL;
}

/* Queue, ProcessQueue. */
START_TEST(delivers_what_is_queued)
{
    start(refuse_bob);
    queue("ann@example.org");
    queue("carl@example.org");
    ck_assert_uint_eq(count(".queued"), 2);
    ck_assert_msg(outbox_process_queue(client, directory) == 0, "%s", outbox_error_text(client));
    ck_assert_uint_eq(test_relay_taken(relay, ""), 2);
    ck_assert_uint_eq(count(".queued"), 0);
    ck_assert_ptr_nonnull(strstr(told, "[ann@example.org 0]"));
    ck_assert_ptr_nonnull(strstr(told, "[carl@example.org 0]"));
    stop();
}
END_TEST

/* `.failed` for what is refused, `.deferred` for what is put off; KeepQueue. */
START_TEST(tells_what_was_not_delivered)
{
    start(refuse_bob);
    ck_assert_int_eq(outbox_set(client, "KeepQueue", "True"), 0);
    queue("ann@example.org");
    queue("bob@example.org");
    ck_assert_int_eq(outbox_process_queue(client, directory), 161);
    ck_assert_uint_eq(count(".sent"), 1);
    ck_assert_uint_eq(count(".failed"), 1);
    ck_assert_ptr_nonnull(strstr(told, "[bob@example.org 2]"));
    queue("later@example.org");
    ck_assert_int_eq(outbox_process_queue(client, directory), 162);
    ck_assert_uint_eq(count(".deferred"), 1);
    stop();
}
END_TEST

START_TEST(says_why_nothing_can_be_done)
{
    start(NULL);
    queue("ann@example.org");
    ck_assert_int_ne(outbox_process_queue(client, "/nonexistent/queue"), 0);
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "/nonexistent/queue"));
    test_relay_stop(relay);
    relay = NULL;
    ck_assert_int_eq(outbox_process_queue(client, directory), 10061);
    ck_assert_uint_eq(count(".queued"), 1);
    ck_assert(outbox_is_idle(client));
    stop();
}
END_TEST

static const char *hang_at_rcpt(void *user, const TestCommand *command)
{
    (void)user;
    return strncmp(command->line, "RCPT", 4) == 0 ? "HANG" : NULL;
}

static void *interrupt_it(void *user)
{
    client_interrupt_while_waiting(user);
    client_interrupt_while_waiting(user);
    return NULL;
}

/* Interrupt: the second does not wait for what is in flight. */
START_TEST(can_be_interrupted)
{
    pthread_t thread;

    start(hang_at_rcpt);
    queue("ann@example.org");
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_it, client), 0);
    ck_assert_int_eq(outbox_process_queue(client, directory), 301);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(count(".queued"), 1);
    stop();
}
END_TEST

/* The directory of a file, and what it says of messages. */
START_TEST(reads_a_configuration)
{
    char path[128];
    FILE *file;

    start(NULL);
    snprintf(path, sizeof(path), "%s/outbox.conf", directory);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
        "spool = { directory = \"%s/queue\"; }; message = { allow_empty_to = true; };\n"
        "relays = ( { name = \"one\"; host = \"127.0.0.1\"; port = 1; tls = \"none\"; } );\n",
        directory);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_msg(outbox_load(client, path) == 0, "%s", outbox_error_text(client));
    ck_assert_str_eq(outbox_get(client, "AllowEmptyTo"), "True");
    ck_assert_str_eq(outbox_get(client, "name"), "one");
    ck_assert_ptr_null(outbox_queue(client, NULL, NULL));
    ck_assert_int_eq(outbox_set(client, "BCc", "ann@example.org"), 0);
    ck_assert_ptr_null(outbox_queue(client, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "/queue"));
    ck_assert_int_eq(outbox_load(client, "/nonexistent.conf"), 9002);
    ck_assert_str_eq(outbox_get(client, "name"), "one");
    stop();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/process");
    TCase *tests = tcase_create("lib/process");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, delivers_what_is_queued);
    tcase_add_test(tests, tells_what_was_not_delivered);
    tcase_add_test(tests, says_why_nothing_can_be_done);
    tcase_add_test(tests, can_be_interrupted);
    tcase_add_test(tests, reads_a_configuration);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
