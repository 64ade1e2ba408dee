/* A message by its properties: what can be set, what comes of it, and how it is queued. */
#include <dirent.h>
#include <fcntl.h>
#include <outbox/outbox.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static OutboxMessage *message;

static void set(const char *name, const char *value)
{
    ck_assert_msg(outbox_message_set(message, name, value) == 0, "%s: %s", name,
        outbox_message_error_text(message));
}

static void start(void)
{
    message = outbox_message_new();
    ck_assert_ptr_nonnull(message);
    set("From", "Shop <shop@example.org>");
    set("SendTo", "ann@example.org, \"Bob B.\" <bob@example.org>");
    set("Subject", "Your order");
    set("MessageText", "Thank you.\n");
}

static void expect_field(const char *field, const char *value)
{
    for (size_t i = 0; i < outbox_message_header_count(message); i++) {
        const OutboxHeader *header = outbox_message_header(message, i);

        if (strcmp(header->field, field) == 0) {
            ck_assert_str_eq(header->value, value);
            return;
        }
    }
    ck_abort_msg("no field %s in: %s", field, outbox_message_get(message, "MessageHeadersString"));
}

/* MessageHeaders, Header.Field and Header.Value, MessageHeadersString, TransferText. */
START_TEST(has_a_header)
{
    char text[4096];

    start();
    set("Cc", "carl@example.org");
    set("BCc", "eve@example.org");
    set("ReplyTo", "desk@example.org");
    set("Importance", "miHigh");
    set("Priority", "2");
    set("Sensitivity", "personal");
    set("MessageId", "<one@example.org>");
    set("MessageDate", "Fri, 1 Mar 2024 21:24:52 +0000");
    set("OtherHeaders", "X-Shop: yes\r\nX-Order: 4711");
    expect_field("From", "Shop <shop@example.org>");
    expect_field("Cc", "carl@example.org");
    expect_field("Reply-To", "desk@example.org");
    expect_field("Subject", "Your order");
    expect_field("Importance", "high");
    expect_field("Priority", "urgent");
    expect_field("Sensitivity", "Personal");
    expect_field("Message-ID", "<one@example.org>");
    expect_field("X-Order", "4711");
    ck_assert_ptr_null(outbox_message_header(message, outbox_message_header_count(message)));
    snprintf(text, sizeof(text), "%s", outbox_message_get(message, "MessageHeadersString"));
    ck_assert_ptr_null(strstr(text, "eve@"));
    ck_assert_ptr_null(strstr(text, "X-Receiver"));
    ck_assert_str_eq(text + strlen(text) - 2, "\n\n");
    ck_assert_str_eq(outbox_message_get(message, "TransferText"), "Thank you.\n");
    outbox_message_free(message);
}
END_TEST

/* MessageRecipients; MessageRecipient.Address, MessageRecipient.Name, MessageRecipient.Options and
 * MessageRecipient.RecipientType. */
START_TEST(lists_its_recipients)
{
    start();
    ck_assert_uint_eq(outbox_message_recipient_count(message), 2);
    ck_assert_str_eq(outbox_message_recipient(message, 1)->address, "bob@example.org");
    ck_assert_str_eq(outbox_message_recipient(message, 1)->name, "Bob B.");
    ck_assert_int_eq(outbox_message_add_recipient(message, OUTBOX_RECIPIENT_BCC, "Eve",
                         "eve@example.org", "NOTIFY=SUCCESS,FAILURE"),
        0);
    ck_assert_uint_eq(outbox_message_recipient_count(message), 3);
    ck_assert_int_eq(outbox_message_recipient(message, 2)->kind, OUTBOX_RECIPIENT_BCC);
    ck_assert_str_eq(outbox_message_recipient(message, 2)->options, "NOTIFY=SUCCESS,FAILURE");
    ck_assert_ptr_null(outbox_message_recipient(message, 3));
    ck_assert_int_eq(outbox_message_add_recipient(message, 7, NULL, "a@example.org", NULL), 9001);
    ck_assert_int_ne(outbox_message_add_recipient(message, 0, NULL, "no address", NULL), 0);
    ck_assert_int_ne(
        outbox_message_add_recipient(message, 0, NULL, "a@example.org", "NOTIFY=MAYBE"), 0);
    ck_assert_uint_eq(outbox_message_recipient_count(message), 3);
    outbox_message_clear_recipients(message);
    ck_assert_uint_eq(outbox_message_recipient_count(message), 0);
    ck_assert_str_eq(outbox_message_get(message, "SendTo"), "");
    outbox_message_free(message);
}
END_TEST

/* ResetHeaders; and what cannot be set. */
START_TEST(refuses_what_cannot_be)
{
    static const struct {
        const char *name, *value;
        int number;
    } rows[] = {
        {"Importance", "very", 9002},
        {"MaxHeaderLength", "10", 9002},
        {"MaxHeaderLength", "80x", 9002},
        {"FoldHeaders", "perhaps", 9002},
        {"MessageIdAlgorithm", "CRC", 9002},
        {"MessageHeadersString", "X: y", 9001},
        {"TransferText", "y", 9001},
        {"Colour", "red", 9001},
    };

    start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(outbox_message_set(message, rows[i].name, rows[i].value), rows[i].number);
        ck_assert_ptr_nonnull(strstr(outbox_message_error_text(message), rows[i].name));
    }
    ck_assert_str_eq(outbox_message_get(message, "MaxHeaderLength"), "80");
    outbox_message_reset(message);
    ck_assert_str_eq(outbox_message_get(message, "From"), "");
    ck_assert_str_eq(outbox_message_get(message, "MessageId"), "*");
    ck_assert_str_eq(outbox_message_get(message, "MessageText"), "");
    ck_assert_ptr_null(outbox_message_get(message, "MessageHeadersString"));
    ck_assert_str_ne(outbox_message_error_text(message), "");
    outbox_message_free(message);
}
END_TEST

/* ---- Queueing ---- */

/* Queue with "*": the text of the file. */
START_TEST(is_queued_as_text)
{
    OutboxClient *client = outbox_client_new();
    const char *text;

    start();
    set("ReturnPath", "bounces@example.org");
    text = outbox_queue(client, message, "*");
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(strncmp(text, "X-Sender: <bounces@example.org>", 31), 0);
    ck_assert_ptr_nonnull(strstr(text, "\nX-Receiver: <bob@example.org>"));
    ck_assert_ptr_nonnull(strstr(text, "\nSubject: Your order\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n\nThank you.\n"));
    set("SendTo", "nobody at all");
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_str_ne(outbox_error_text(client), "");
    outbox_message_free(message);
    outbox_client_free(client);
}
END_TEST

static void read_file(const char *path, char *to, size_t n)
{
    FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    to[fread(to, 1, n - 1, file)] = '\0';
    fclose(file);
}

START_TEST(is_queued_as_a_file)
{
    OutboxClient *client = outbox_client_new();
    char directory[] = "/tmp/test_lib_message.XXXXXX", path[256], text[4096];
    const char *result;

    start();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    result = outbox_queue(client, message, directory);
    ck_assert_msg(result != NULL, "%s", outbox_error_text(client));
    snprintf(path, sizeof(path), "%s", result);
    ck_assert_str_eq(path + strlen(path) - 7, ".queued");
    read_file(path, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "Thank you."));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_ptr_null(outbox_queue(client, message, directory));
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), directory));
    outbox_message_free(message);
    outbox_client_free(client);
}
END_TEST

/* Message: as it stands, by its own envelope or another. */
START_TEST(may_be_whole)
{
    static const char raw[] = "X-Sender: <s@example.org>\nX-Receiver: <r@example.org>\n"
                              "From: <f@example.org>\nSubject: raw\n\nbody\n";
    OutboxClient *client = outbox_client_new();
    const char *text;

    message = outbox_message_new();
    set("Message", raw);
    text = outbox_queue(client, message, "*");
    ck_assert_msg(text != NULL, "%s", outbox_error_text(client));
    ck_assert_str_eq(text, raw);
    set("SendTo", "carl@example.org");
    text = outbox_queue(client, message, "*");
    ck_assert_msg(text != NULL, "%s", outbox_error_text(client));
    ck_assert_ptr_nonnull(strstr(text, "X-Receiver: <carl@example.org>"));
    ck_assert_ptr_null(strstr(text, "<r@example.org>"));
    ck_assert_ptr_nonnull(strstr(text, "\nSubject: raw\n\nbody\n"));
    outbox_message_free(message);
    outbox_client_free(client);
}
END_TEST

/* ---- Streams ---- */

typedef struct Source {
    const char *text;
    int closed, fails;
} Source;

static ssize_t source_read(void *user, void *to, size_t n)
{
    Source *source = user;
    size_t left = strlen(source->text);

    if (source->fails)
        return -5;
    n = n < 3 ? n : 3;
    n = n < left ? n : left;
    memcpy(to, source->text, n);
    source->text += n;
    return (ssize_t)n;
}

static void source_close(void *user)
{
    ((Source *)user)->closed++;
}

/* SetMessageStream: from where it stands; CloseStreamAfterTransfer. */
START_TEST(may_be_a_stream)
{
    OutboxClient *client = outbox_client_new();
    Source source = {.text = "From a stream.\n"};
    const OutboxStream stream = {source_read, source_close, &source};

    start();
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    ck_assert_ptr_null(outbox_message_get(message, "TransferText"));
    ck_assert_ptr_nonnull(strstr(outbox_queue(client, message, "*"), "\n\nFrom a stream.\n"));
    ck_assert_int_eq(source.closed, 1);
    ck_assert_str_eq(outbox_message_get(message, "TransferText"), "From a stream.\n");
    set("CloseStreamAfterTransfer", "False");
    source.text = "Once more.\n";
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    ck_assert_ptr_nonnull(strstr(outbox_queue(client, message, "*"), "\n\nOnce more.\n"));
    ck_assert_int_eq(source.closed, 1);
    source.fails = 1;
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_RAW, &stream), 0);
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "stream"));
    outbox_message_free(message);
    outbox_client_free(client);
}
END_TEST

/* What would be waited for, or read for ever, by a call that waits for nothing but the network. */
START_TEST(has_no_pipes_attached)
{
    char directory[] = "/tmp/test_lib_message.XXXXXX", pipe_path[64];
    const char *const paths[] = {pipe_path, "/dev/zero"};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", directory);
    ck_assert_int_eq(mkfifo(pipe_path, 0600), 0);
    for (size_t i = 0; i < 2; i++) {
        OutboxClient *client = outbox_client_new();
        const OutboxPart part = {.size = sizeof(part), .path = paths[i]};

        start();
        ck_assert_int_eq(outbox_message_attach(message, &part), 0);
        ck_assert_ptr_null(outbox_queue(client, message, "*"));
        ck_assert_int_eq(outbox_error(client), 302);
        ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "is no regular file"));
        outbox_message_free(message);
        outbox_client_free(client);
    }
    ck_assert_int_eq(unlink(pipe_path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* 302 for an attachment that is not there. */
START_TEST(has_attachments)
{
    OutboxClient *client = outbox_client_new();
    const OutboxPart bytes = {
        .size = sizeof(bytes), .data = "\0\1\2", .n = 3, .name = "three.bin", .type = "a/b"};
    const OutboxPart missing = {.size = sizeof(missing), .path = "/nonexistent/file"};
    const OutboxPart nothing = {.size = sizeof(nothing)};
    const char *text;

    start();
    ck_assert_int_eq(outbox_message_attach(message, &bytes), 0);
    ck_assert_int_eq(outbox_message_attach(message, &nothing), 9001);
    text = outbox_queue(client, message, "*");
    ck_assert_msg(text != NULL, "%s", outbox_error_text(client));
    ck_assert_ptr_nonnull(strstr(text, "AAEC"));
    ck_assert_ptr_nonnull(strstr(text, "three.bin"));
    ck_assert_int_eq(outbox_message_attach(message, &missing), 0);
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_int_eq(outbox_error(client), 302);
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "/nonexistent/file"));
    outbox_message_free(message);
    outbox_client_free(client);
}
END_TEST

/* ---- a stream that is sent once more ---- */

START_TEST(a_stream_is_kept_and_never_sent_in_part)
{
    OutboxClient *client = outbox_client_new();
    Source source = {.text = "All of it.\n"};
    const OutboxStream stream = {source_read, source_close, &source};
    const char *text;

    start();
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    for (int i = 0; i < 2; i++) {
        text = outbox_queue(client, message, "*");
        ck_assert_msg(text != NULL, "%s", outbox_error_text(client));
        ck_assert_ptr_nonnull(strstr(text, "\n\nAll of it.\n"));
    }
    ck_assert_int_eq(source.closed, 1);
    set("Subject", "changed");
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_int_eq(outbox_error(client), 211);
    source.text = "a";
    source.fails = 1;
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_int_eq(source.closed, 2);
    source.fails = 0;
    ck_assert_ptr_null(outbox_queue(client, message, "*"));
    ck_assert_int_eq(outbox_error(client), 211);
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    outbox_message_free(message); /* never sent */
    ck_assert_int_eq(source.closed, 3);
    outbox_client_free(client);
}
END_TEST

static OutboxClient *calling;

static ssize_t call_within(void *user, void *to, size_t n)
{
    (void)user, (void)to, (void)n;
    ck_assert_int_eq(outbox_send(calling, NULL), 166);
    ck_assert_int_eq(outbox_reset(calling), 166);
    ck_assert_int_eq(outbox_set(calling, "MailPort", "77"), 166);
    ck_assert_int_eq(outbox_message_set(message, "Subject", "another"), 166);
    outbox_message_free(message); /* when it is done with */
    return 0;
}

START_TEST(a_stream_makes_no_calls)
{
    const OutboxStream stream = {.read = call_within};

    start();
    calling = outbox_client_new();
    ck_assert_int_eq(outbox_message_set_stream(message, OUTBOX_TEXT, &stream), 0);
    ck_assert_ptr_nonnull(outbox_queue(calling, message, "*"));
    ck_assert_str_eq(outbox_last_reply(NULL), "");
    outbox_client_free(calling);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/message");
    TCase *tests = tcase_create("lib/message");

    tcase_add_test(tests, has_a_header);
    tcase_add_test(tests, lists_its_recipients);
    tcase_add_test(tests, refuses_what_cannot_be);
    tcase_add_test(tests, is_queued_as_text);
    tcase_add_test(tests, is_queued_as_a_file);
    tcase_add_test(tests, may_be_whole);
    tcase_add_test(tests, may_be_a_stream);
    tcase_add_test(tests, a_stream_is_kept_and_never_sent_in_part);
    tcase_add_test(tests, a_stream_makes_no_calls);
    tcase_add_test(tests, has_attachments);
    tcase_add_test(tests, has_no_pipes_attached);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
