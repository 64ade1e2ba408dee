/* Memory that cannot be had, at every place where a call of the library asks for some, once each:
 * the call says so by its number, breaks nothing, and does what it is for when it is made again. */
#include <outbox/outbox.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "relay.h"
#include "short_memory.h"
#include "unit.h"

/* ---- Calls ---- */

static TestRelay *relay;
static OutboxClient *client;
static OutboxMessage *message;
static char directory[] = "/tmp/outbox-memory-XXXXXX";

static bool wordless; /* an event had no words */

static void nothing(void *user, int direction, const char *line, size_t n)
{
    (void)user;
    (void)direction;
    (void)line;
    (void)n;
}

static void no_error(void *user, int error, const char *text)
{
    (void)user;
    (void)error;
    wordless |= !text; /* Check uses memory as well */
}

static void no_outcome(void *user, const OutboxOutcome *outcome)
{
    (void)user;
    wordless |= !outcome->text;
}

static int number(bool success)
{
    return success ? 0 : 9007;
}

static int do_new_client(void)
{
    OutboxClient *other = outbox_client_new();
    int r = number(other);

    outbox_client_free(other);
    return r;
}

static int do_new_message(void)
{
    OutboxMessage *other = outbox_message_new();
    int r = number(other);

    outbox_message_free(other);
    return r;
}

static int do_set(void)
{
    return outbox_set(client, "Timeout", "20");
}

static int do_set_property(void)
{
    return outbox_set(client, "Subject",
        "B\xc3\xbc"
        "cher");
}

static int do_get(void)
{
    return number(outbox_get(client, "MailServer"));
}

static int do_load(void)
{
    return outbox_load(client, "/dev/null");
}

static int do_message_set(void)
{
    return outbox_message_set(message, "SendTo", "Ann <ann@example.org>, bob@example.org");
}

static int do_bytes(void)
{
    return outbox_message_set_bytes(message, OUTBOX_HTML, "<p>Hello", 8);
}

static int do_attach(void)
{
    const OutboxPart part = {.size = sizeof(part), .data = "abc", .n = 3, .name = "a.txt"};

    return outbox_message_attach(message, &part);
}

static int do_add_recipient(void)
{
    return outbox_message_add_recipient(message, OUTBOX_RECIPIENT_CC, "Eve", "eve@example.org", "");
}

static int do_header(void)
{
    return number(outbox_message_get(message, "MessageHeadersString"));
}

static int do_body(void)
{
    return number(outbox_message_get(message, "TransferText"));
}

static int do_header_count(void)
{
    return number(outbox_message_header_count(message) > 0);
}

static int do_recipients(void)
{
    return number(outbox_message_recipient(message, 0));
}

static int do_queue_text(void)
{
    return outbox_queue(client, message, "*") ? 0 : outbox_error(client);
}

static int do_queue(void)
{
    return outbox_queue(client, message, directory) ? 0 : outbox_error(client);
}

static int do_connect(void)
{
    return outbox_connect(client);
}

static int do_send(void)
{
    return outbox_send(client, message);
}

/* Not what is looked at: it has all the memory it wants. */
static void connect_first(void)
{
    bool counted = counting;

    counting = false;
    if (!outbox_is_connected(client))
        ck_assert_int_eq(outbox_connect(client), 0);
    counting = counted;
}

static int do_send_connected(void)
{
    connect_first();
    return outbox_send(client, message);
}

static int do_verify(void)
{
    return outbox_verify(client, "ann@example.org");
}

static int do_expand(void)
{
    return outbox_expand(client, "list@example.org");
}

static int do_command(void)
{
    connect_first();
    return outbox_command(client, "NOOP");
}

static int do_last_reply(void)
{
    connect_first();
    return number(outbox_last_reply(client)[0]);
}

static int do_process(void)
{
    return outbox_process_queue(client, directory);
}

static int do_reset(void)
{
    return outbox_reset(client);
}

static const struct {
    const char *name;
    int (*run)(void);
    bool repeats; /* it may be done a second time by the same client */
} calls[] = {
    {"outbox_client_new", do_new_client, true},
    {"outbox_message_new", do_new_message, true},
    {"outbox_set", do_set, true},
    {"outbox_set of a property", do_set_property, true},
    {"outbox_get", do_get, true},
    {"outbox_load", do_load, true},
    {"outbox_message_set", do_message_set, true},
    {"outbox_message_set_bytes", do_bytes, true},
    {"outbox_message_attach", do_attach, true},
    {"outbox_message_add_recipient", do_add_recipient, true},
    {"MessageHeadersString", do_header, true},
    {"TransferText", do_body, true},
    {"outbox_message_header_count", do_header_count, true},
    {"outbox_message_recipient", do_recipients, true},
    {"outbox_queue as text", do_queue_text, true},
    {"outbox_queue", do_queue, true},
    {"outbox_connect", do_connect, false},
    {"outbox_send", do_send, true},
    {"outbox_send over a connection", do_send_connected, false},
    {"outbox_verify", do_verify, true},
    {"outbox_expand", do_expand, true},
    {"outbox_command", do_command, true},
    {"outbox_last_reply", do_last_reply, true},
    {"outbox_process_queue", do_process, true},
    {"outbox_reset", do_reset, true},
};

static const char *answer(void *user, const TestCommand *command)
{
    (void)user;
    return strncmp(command->line, "EXPN", 4) == 0 ? "250-<ann@example.org>\r\n250 <bob@example.org>"
                                                  : NULL;
}

static void make_client(void)
{
    const OutboxEvents events = {
        .size = sizeof(events), .trace = nothing, .error = no_error, .recipient = no_outcome};
    char port[16];

    client = outbox_client_new();
    message = outbox_message_new();
    snprintf(port, sizeof(port), "%u", test_relay_port(relay));
    ck_assert_int_eq(outbox_set_events(client, &events), 0);
    ck_assert_int_eq(outbox_set(client, "MailServer", "127.0.0.1"), 0);
    ck_assert_int_eq(outbox_set(client, "MailPort", port), 0);
    ck_assert_int_eq(outbox_set(client, "SSLStartMode", "none"), 0);
    ck_assert_int_eq(outbox_message_set(message, "From", "Me <me@example.org>"), 0);
    ck_assert_int_eq(outbox_message_set(message, "SendTo", "ann@example.org"), 0);
    ck_assert_int_eq(outbox_message_set(message, "MessageText", "Hello.\n"), 0);
    ck_assert_int_eq(do_attach(), 0);
}

static void free_client(void)
{
    outbox_message_free(message);
    outbox_client_free(client);
}

/* With the one allocation of that number; whether it came to it. */
static bool fail_one(size_t i, unsigned k)
{
    unsigned taken = test_relay_taken(relay, "ann@example.org");
    bool failed;
    int r;

    make_client();
    n_allocations = 0;
    allocation_to_fail = k;
    counting = true;
    r = calls[i].run();
    counting = false;
    failed = n_allocations > k;
    ck_assert_msg(r == 0 || (failed && r == 9007), "%s, allocation %u: %d, %s", calls[i].name, k, r,
        outbox_error_text(client));
    ck_assert_ptr_nonnull(outbox_error_text(client));
    ck_assert(!wordless);
    /* What the server has taken has been told. */
    if (calls[i].run == do_send && test_relay_taken(relay, "ann@example.org") > taken)
        ck_assert_int_eq(outbox_outcome(client, 0)->kind, OUTBOX_DELIVERED);
    if (r != 0 || calls[i].repeats) {
        outbox_disconnect(client);
        r = calls[i].run();
        counting = false;
        ck_assert_msg(r == 0, "%s again, after allocation %u: %d, %s", calls[i].name, k, r,
            outbox_error_text(client));
    }
    free_client();
    return failed;
}

START_TEST(want_of_memory_is_told)
{
    unsigned k = 0;

    relay = test_relay_start(answer, NULL, "", 0);
    while (fail_one((size_t)_i, k))
        k++;
    test_relay_stop(relay);
}
END_TEST

static void make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/memory");
    TCase *tests = tcase_create("lib/memory");

    tcase_add_unchecked_fixture(tests, make_directory, remove_directory);
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, want_of_memory_is_told, 0, (int)ELEMENTSOF(calls));
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
