/* message: composing, judged by what comes out and by what the queue reads from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/file.h"
#include "message/compose.h"
#include "message/message.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */
/* Parts that are files. */
#define FILES(...)                                          \
    .parts = files((ComposePart[4]){0}, LIST(__VA_ARGS__)), \
    .n_parts = ELEMENTSOF(((const char *[]){__VA_ARGS__}))
#define ATTACH(c, path) \
    (c).parts = &(const ComposePart){.source = compose_file(path)}, (c).n_parts = 1
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const ComposePart *files(ComposePart *parts, const char *const *paths)
{
    for (size_t i = 0; paths[i]; i++)
        parts[i].source = compose_file(paths[i]);
    return parts;
}

/* Composes and returns the text; the test fails with the reason when that fails. */
static const char *compose(Compose c, Buffer *out)
{
    _cleanup_failure_ Failure f = {0};

    c.now = NOW;
    ck_assert_msg(compose_message(&c, out, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
    ck_assert_uint_eq(strlen(buffer_data(out)) + 1, buffer_size(out));
    return buffer_data(out);
}

static void assert_refused(Compose c, int number, const char *why)
{
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(compose_message(&c, &out, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_int_eq(f.number, number);
    ck_assert_uint_eq(buffer_size(&out), 0);
    ck_assert_int_eq(compose_message(&c, &out, NULL), -EBADMSG);
}

static void assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part), "\"%s\" is not in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    ck_assert_msg(!strstr(text, part), "\"%s\" is in:\n%s", part, text);
}

/* No line of the header is longer than RFC 2047 allows. */
static void assert_folded(const char *text)
{
    for (const char *line = text; *line && *line != '\n';) {
        size_t n = strcspn(line, "\n");

        /* An id has no blank at which it could be folded. */
        ck_assert_msg(n <= 78 || strncmp(line, "Message-ID: ", 12) == 0, "%.*s", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

START_TEST(a_plain_message_is_written_in_full)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *text = compose(
        (Compose){
            .from = "Shop <shop@example.org>",
            .to = LIST("ann@example.com, \"Lee, Bob\" <bob@example.com>", "carl@example.com"),
            .cc = LIST("Team: dora@example.com, ann@example.com;"),
            .bcc = LIST("hidden@example.com"),
            .reply_to = "help@example.org",
            .return_path = "<bounces@example.org> RET=HDRS",
            .subject = "Your order",
            .message_id = "1@example.org",
            .delivery_notification_to = "dsn@example.org",
            .read_receipt_to = "Reader <mdn@example.org>",
            .importance = IMPORTANCE_HIGH,
            .priority = PRIORITY_NON_URGENT,
            .sensitivity = SENSITIVITY_COMPANY_CONFIDENTIAL,
            .headers = LIST("X-One: 1", "X-Two: 2\r\n folded\r\n"),
            .body = compose_text("Thank you.\r\n.\n"),
        },
        &out);

    ck_assert_str_eq(text, "X-Sender: <bounces@example.org> RET=HDRS MT-PRIORITY=-4\n"
                           "X-Receiver: <ann@example.com>\n"
                           "X-Receiver: <bob@example.com>\n"
                           "X-Receiver: <carl@example.com>\n"
                           "X-Receiver: <dora@example.com>\n"
                           "X-Receiver: <hidden@example.com>\n"
                           "From: Shop <shop@example.org>\n"
                           "Reply-To: help@example.org\n"
                           "To: ann@example.com, \"Lee, Bob\" <bob@example.com>, carl@example.com\n"
                           "Cc: Team: dora@example.com, ann@example.com;\n"
                           "Subject: Your order\n"
                           "Date: Fri, 02 Jan 2026 11:04:05 +0000\n"
                           "Message-ID: <1@example.org>\n"
                           "Return-Receipt-To: dsn@example.org\n"
                           "Disposition-Notification-To: Reader <mdn@example.org>\n"
                           "Importance: high\n"
                           "Priority: non-urgent\n"
                           "Sensitivity: Company-Confidential\n"
                           "X-One: 1\n"
                           "X-Two: 2 folded\n"
                           "MIME-Version: 1.0\n"
                           "Content-Type: text/plain; charset=us-ascii\n"
                           "Content-Transfer-Encoding: 7bit\n"
                           "\n"
                           "Thank you.\n"
                           ".\n");
}
END_TEST

START_TEST(other_characters_are_encoded)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *text = compose(
        (Compose){
            .from = "Jörg Müller <joerg@example.org>",
            .to = LIST("\"Müller, Änne\" <aenne@example.com>, bob@example.com (Bøb)",
                "Gäste: \"Carl\" <carl@example.com>, \"d d\"@example.com;"),
            .subject = "Grüße an alle, die sehr lange Betreffzeilen mögen, weil sie schön sind "
                       "und weil man sie falten muss",
            .headers = LIST("X-Note: schöne\r\n Grüße"),
            .body = compose_text("Viele liebe Grüße an alle, die es lesen\n"),
        },
        &out);

    assert_has(text, "From: =?UTF-8?Q?J=C3=B6rg_M=C3=BCller?= <joerg@example.org>\n");
    assert_has(text, " <aenne@example.com>,");
    assert_has(text, " <bob@example.com>,");
    assert_has(text, ": Carl\n <carl@example.com>,");
    assert_has(text, " \"d d\"@example.com;\n");
    assert_has(text, "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= an alle,");
    assert_has(text, "X-Note: =?UTF-8?Q?");
    assert_has(text,
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n");
    assert_has(text, "\n\nViele liebe Gr=C3=BC=C3=9Fe an alle, die es lesen\n");
    assert_folded(text);
}
END_TEST

START_TEST(long_words_of_other_characters_are_split)
{
    char subject[601] = "";
    _cleanup_buffer_ Buffer out = {0};

    for (size_t i = 0; i < 200; i++)
        memcpy(subject + 3 * i, "例", 4);
    assert_folded(compose((Compose){.from = "a@b", .to = LIST("c@d"), .subject = subject}, &out));
}
END_TEST

START_TEST(international_addresses_are_as_much_ascii_as_they_can)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *text = compose(
        (Compose){.from = "Jörg <jörg@bücher.example>", .to = LIST("用户@例子.广告")}, &out);

    assert_has(text, "X-Sender: <jörg@bücher.example>\n");
    assert_has(text, "X-Receiver: <用户@例子.广告>\n");
    assert_has(text, "From: =?UTF-8?Q?J=C3=B6rg?= <jörg@xn--bcher-kva.example>\n");
    assert_has(text, "To: 用户@xn--fsqu00a.xn--4rr70v\n");
}
END_TEST

START_TEST(date_and_message_id_can_be_left_out_or_made)
{
    _cleanup_buffer_ Buffer one = {0}, two = {0}, none = {0}, own = {0};
    Compose c = {.from = "a@b", .to = LIST("c@d"), .date = "*", .message_id = "*"};
    const char *first = strstr(compose(c, &one), "Message-ID: <");
    const char *second = strstr(compose(c, &two), "Message-ID: <");

    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_gt(strcspn(first, "@"), 40);
    ck_assert_int_ne(strncmp(first, second, strcspn(first, "@")), 0);
    c.date = c.message_id = "";
    assert_has_not(compose(c, &none), "Date:");
    assert_has_not(buffer_data(&none), "Message-ID:");
    c.date = "Thu, 1 Jan 2026 00:00:00 +0000";
    c.message_id = "<x@y>";
    assert_has(compose(c, &own), "Date: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <x@y>\n");
}
END_TEST

START_TEST(an_empty_first_header_replaces_the_computed_ones)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *const all[] = {"", "From: x@y", "Content-Type: text/html", NULL};
    const char *const none[] = {"", NULL};

    ck_assert_str_eq(compose((Compose){.from = "Shop <a@b>",
                                 .to = LIST("c@d"),
                                 .subject = "not this",
                                 .headers = all,
                                 .body = compose_text("<p>\xe4")},
                         &out),
        "X-Sender: <a@b>\nX-Receiver: <c@d>\nFrom: x@y\nContent-Type: text/html\n\n<p>\xe4\n");
    assert_refused(
        (Compose){.from = "a@b", .to = LIST("c@d"), .headers = none, .body = compose_text("x\n")},
        ERROR_MESSAGE, "no field in its place");
}
END_TEST

START_TEST(a_body_with_its_own_mime_fields_is_left_alone)
{
    _cleanup_buffer_ Buffer out = {0};
    const char *text = compose(
        (Compose){.from = "a@b",
            .to = LIST("c@d"),
            .headers = LIST("MIME-Version: 1.0", "content-type: multipart/mixed; boundary=x"),
            .body = compose_text("--x\n\nhello\n--x--")},
        &out);

    assert_has(text, "boundary=x\n\n--x\n\nhello\n--x--\n");
    assert_has_not(text, "text/plain");
}
END_TEST

/* What the fields say of the body has to be true: a reader goes by it. */
START_TEST(fields_of_the_content_fit_the_body)
{
    static const struct {
        const char *type, *encoding, *body, *why;
    } rows[] = {
        {NULL, "Content-Transfer-Encoding: base64", "hello", "or say with a Content-Type"},
        {NULL, "Content-Transfer-Encoding: 8bit", "gr\xc3\xbc\xc3\x9f", "encoded as it needs"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: base64", "hello",
            "not encoded so"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: base64", "a=bc", "not encoded so"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: quoted-printable", "a=b", NULL},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: quoted-printable", "a=bcde=x9",
            "not encoded so"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: 7bit", "\xc3\xbc",
            "not encoded so"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: rot13", "x", "it is 7bit, 8bit"},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: base64", "aGVs\nbG8=\n", NULL},
        {"Content-Type: text/plain", "Content-Transfer-Encoding: quoted-printable", "a=3D=\nb",
            NULL},
        {"Content-Type: text/plain; charset=utf-8", "content-transfer-encoding: 8BIT", "\xc3\xbc",
            NULL},
        {"Content-Type: multipart/mixed", "X: y", "x", "a boundary"},
        {"MIME-Version: 2.0", "X: y", "x", "no version but 1.0"},
        {"MIME-Version: 1.0 (outbox)", "X: y", "x", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_buffer_ Buffer out = {0};
        const char *const headers[] = {
            rows[i].type ?: rows[i].encoding, rows[i].type ? rows[i].encoding : NULL, NULL};
        const Compose c = {.from = "a@b",
            .to = LIST("c@d"),
            .headers = headers,
            .body = compose_text(rows[i].body)};

        if (rows[i].why)
            assert_refused(c, ERROR_MESSAGE, rows[i].why);
        else
            assert_has(compose(c, &out), rows[i].body);
    }
}
END_TEST

START_TEST(bodies_that_no_line_carries_are_quoted)
{
    char body[2101];
    _cleanup_buffer_ Buffer out = {0}, bare_cr = {0}, empty = {0};
    const char *text;

    memset(body, 'a', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    text = compose((Compose){.from = "a@b", .to = LIST("c@d"), .body = compose_text(body)}, &out);
    assert_has(text, "Content-Transfer-Encoding: quoted-printable\n");
    assert_folded(strstr(text, "\n\n") + 2);
    text = compose(
        (Compose){.from = "a@b", .to = LIST("c@d"), .body = compose_text("50%\rdone = yes")},
        &bare_cr);
    assert_has(text, "\n\n50%=0Ddone =3D yes\n");
    text = compose((Compose){.from = "a@b", .to = LIST("c@d")}, &empty);
    ck_assert_str_eq(strstr(text, "\n\n"), "\n\n");
}
END_TEST

/* A file in a new directory; both are removed by remove_file(). */
static char *make_file(const char *name, const char *data, size_t n)
{
    char directory[] = "/tmp/outbox-compose-XXXXXX", *path;
    _cleanup_close_ int fd = -1;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, data, n), 0);
    return path;
}

static void remove_file(char *path)
{
    ck_assert_int_eq(unlink(path), 0);
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(rmdir(path), 0);
    free(path);
}

START_TEST(files_are_attached)
{
    char *report = make_file("Übersicht \"neu\".PDF", "\0\1\2\377", 4);
    char *notes = make_file("notes.txt", "größer\n", 9), *odd = make_file("odd.\xff.zzz", "", 0);
    _cleanup_buffer_ Buffer out = {0};
    const char *text = compose((Compose){.from = "a@b",
                                   .to = LIST("c@d"),
                                   .body = compose_text("see below"),
                                   FILES(report, notes, odd)},
        &out);

    assert_has(text, "Content-Type: multipart/mixed; boundary=\"");
    assert_has(text, "\n\nsee below\n\n--");
    assert_has(text, "Content-Type: application/pdf;");
    assert_has(text, "filename*=utf-8''%C3%9Cbersicht%20%22neu%22.PDF;\n "
                     "filename=\"_bersicht \\\"neu\\\".PDF\"\n");
    assert_has(text, "\n\nAAEC/w==\n");
    assert_has(text, "Content-Type: text/plain; charset=utf-8; name=notes.txt\n");
    assert_has(text, "Content-Disposition: attachment; filename=notes.txt\n");
    assert_has(text, "\n\nZ3LDtsOfZXIK\n");
    assert_has(text, "Content-Type: application/octet-stream;");
    assert_has_not(text, "/tmp/");
    remove_file(report);
    remove_file(notes);
    remove_file(odd);
}
END_TEST

START_TEST(what_is_composed_is_read_back_by_the_queue)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer out = {0}, content = {0};
    _cleanup_failure_ Failure f = {0};
    InputMemory input;
    MessageForm form;
    const char *text = compose((Compose){.from = "Shop <shop@example.org>",
                                   .return_path = "",
                                   .to = LIST("\"ann lee\"@example.com"),
                                   .bcc = LIST("bob@example.com"),
                                   .subject = "ü",
                                   .body = compose_text("ä")},
        &out);

    input_memory_init(&input, text, strlen(text));
    ck_assert_msg(message_open(&input.base, NOW, "x", &message, &f) == 0, "%s", failure_text(&f));
    ck_assert_str_eq(message_envelope(message)->sender, "");
    ck_assert_uint_eq(message_envelope(message)->n_recipients, 2);
    ck_assert_str_eq(message_envelope(message)->recipients[0].address, "\"ann lee\"@example.com");
    message_form(message, &form);
    ck_assert(form.known && !form.is_8bit);
    ck_assert(!message_envelope(message)->needs_utf8);
    ck_assert_int_gt(message_read(message, 1 << 20, &content), 0);
    ck_assert_mem_eq(buffer_data(&content), strstr(text, "From:"), strlen(strstr(text, "From:")));
}
END_TEST

START_TEST(bad_parts_are_named)
{
    const Compose good = {.from = "a@b", .to = LIST("c@d")};
    Compose c;

    assert_refused((Compose){.to = LIST("c@d")}, ERROR_NO_SENDER, "from: there is no sender");
    assert_refused((Compose){.from = " ", .to = LIST("c@d")}, ERROR_NO_SENDER, "from");
    assert_refused((Compose){.from = "a@b"}, ERROR_NO_RECIPIENT, "no recipient");
    assert_refused((Compose){.from = "a@b", .to = LIST("nobody: ;", "")}, ERROR_NO_RECIPIENT, "no");
    assert_refused((Compose){.from = "a@b, c@d", .to = LIST("c@d")}, ERROR_MESSAGE, "more than");
    assert_refused((Compose){.from = "root", .to = LIST("c@d")}, ERROR_MESSAGE, "from: \"root\"");
    c = good, c.return_path = "x y";
    assert_refused(c, ERROR_MESSAGE, "return path: ");
    c = good, c.return_path = "root";
    assert_refused(c, ERROR_MESSAGE, "return path: \"root\"");
    c = good, c.to = LIST("c@d", "e@f g@h");
    assert_refused(c, ERROR_MESSAGE, "to: the address is malformed at \"g@h\"");
    c = good, c.cc = LIST("c@@d");
    assert_refused(c, ERROR_MESSAGE, "cc: ");
    c = good, c.bcc = LIST("c@d\nX-Receiver: e@f");
    assert_refused(c, ERROR_MESSAGE, "bcc: a line break");
    c = good, c.reply_to = "<>";
    assert_refused(c, ERROR_MESSAGE, "reply to: ");
    c = good, c.read_receipt_to = "x y";
    assert_refused(c, ERROR_MESSAGE, "read receipt to: ");
    c = good, c.delivery_notification_to = "\xff@b";
    assert_refused(c, ERROR_CHARSET, "delivery notification to: the text is not UTF-8");
    c = good, c.subject = "x\r\nBcc: e@f";
    assert_refused(c, ERROR_MESSAGE, "subject: a line break");
    c = good, c.subject = "\xfc";
    assert_refused(c, ERROR_CHARSET, "subject: ");
    c = good, c.date = "x\n";
    assert_refused(c, ERROR_MESSAGE, "date: ");
    c = good, c.message_id = "x\n@y";
    assert_refused(c, ERROR_MESSAGE, "message id: ");
    c = good, c.importance = 4;
    assert_refused(c, ERROR_MESSAGE, "importance: 4 is no number of one: 1 is high, 2 normal");
    c = good, c.priority = 5;
    assert_refused(c, ERROR_MESSAGE, "priority: 5 is no number of one: 1 is normal, 2 urgent");
    c = good, c.sensitivity = 6;
    assert_refused(c, ERROR_MESSAGE, "sensitivity: 6 is no number of one: 1 is Personal");
    c = good, c.body = compose_text("\xfc");
    assert_refused(c, ERROR_CHARSET, "the text is not UTF-8");
    c = good, ATTACH(c, "/nowhere/at all.pdf");
    assert_refused(c, ERROR_ATTACHMENT, "/nowhere/at all.pdf: No such file");
    c = good, ATTACH(c, "/tmp");
    assert_refused(c, ERROR_ATTACHMENT, "/tmp: Is a directory");
}
END_TEST

START_TEST(bad_headers_are_refused)
{
    Compose c = {.from = "a@b", .to = LIST("c@d")};
    const char *const replaced[] = {"", "X-Source: x", NULL};

    c.headers = LIST("no field");
    assert_refused(c, ERROR_MESSAGE, "header \"no field\": this is not a header field");
    c.headers = LIST("X: y", "");
    assert_refused(c, ERROR_MESSAGE, "not a header field");
    c.headers = LIST("X: y\nZ: z");
    assert_refused(c, ERROR_MESSAGE, "give each field by itself");
    c.headers = LIST("X: y\n\nbody");
    assert_refused(c, ERROR_MESSAGE, "give each field by itself");
    c.headers = LIST("X: y\rZ: z");
    assert_refused(c, ERROR_MESSAGE, "not a header field");
    c.headers = LIST("bcc: e@f");
    assert_refused(c, ERROR_MESSAGE, "give the address as bcc");
    c.headers = LIST("X-Receiver: e@f");
    assert_refused(c, ERROR_MESSAGE, "keeps the envelope");
    c.headers = replaced;
    assert_refused(c, ERROR_MESSAGE, "keeps the envelope");
    c.headers = LIST("X: \xfc");
    assert_refused(c, ERROR_CHARSET, "X: the text is not UTF-8");
    c.headers = LIST("Content-Type: text/html");
    ATTACH(c, "/etc/passwd");
    assert_refused(c, ERROR_MESSAGE, "attachments cannot be added");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/compose");
    TCase *tcase = tcase_create("compose");

    setenv("TZ", "UTC", 1);
    tzset();
    tcase_add_test(tcase, a_plain_message_is_written_in_full);
    tcase_add_test(tcase, other_characters_are_encoded);
    tcase_add_test(tcase, long_words_of_other_characters_are_split);
    tcase_add_test(tcase, international_addresses_are_as_much_ascii_as_they_can);
    tcase_add_test(tcase, date_and_message_id_can_be_left_out_or_made);
    tcase_add_test(tcase, an_empty_first_header_replaces_the_computed_ones);
    tcase_add_test(tcase, a_body_with_its_own_mime_fields_is_left_alone);
    tcase_add_test(tcase, fields_of_the_content_fit_the_body);
    tcase_add_test(tcase, bodies_that_no_line_carries_are_quoted);
    tcase_add_test(tcase, files_are_attached);
    tcase_add_test(tcase, what_is_composed_is_read_back_by_the_queue);
    tcase_add_test(tcase, bad_parts_are_named);
    tcase_add_test(tcase, bad_headers_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
