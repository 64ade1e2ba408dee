/* message: whole messages, from files of real shape and from made-up ones. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "base/errors.h"
#include "base/file.h"
#include "message/message.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */

static int memory_file(const char *data, size_t n)
{
    int fd = memfd_create("message", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, data, n), 0);
    return fd;
}

static int open_text(const char *text, Message **ret, Failure *f)
{
    return message_open(memory_file(text, strlen(text)), strlen(text), NOW, "sample", ret, f);
}

/* Reads the content in steps of `step` bytes. */
static void read_content(Message *message, size_t step, Buffer *out)
{
    uint64_t total = 0;
    int64_t n;

    while ((n = message_read(message, step, out)) > 0) {
        ck_assert_int_le(n, (int64_t)step);
        total += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(total, message_size(message));
    ck_assert_uint_eq(buffer_size(out), total);
}

static void dump_address(Buffer *out, const char *what, const char *address, const char *parameters)
{
    buffer_appendf(out, "%s: <%s>%s%s\n", what, address, parameters ? " " : "", parameters ?: "");
}

/* Everything there is to know about a message, as the .want files have it. The host's name in the
 * added Message-ID is written HOST. */
static void dump(Message *message, Buffer *out)
{
    const Envelope *e = message_envelope(message);
    _cleanup_buffer_ Buffer content = {0};
    const char *text, *host;

    dump_address(out, "sender", e->sender, e->sender_parameters);
    for (size_t i = 0; i < e->n_recipients; i++)
        dump_address(out, "recipient", e->recipients[i].address, e->recipients[i].parameters);
    buffer_appendf(out, "8bit: %d, utf8: %d\n----\n", message_may_be_8bit(message),
        message_wants_utf8(message));
    read_content(message, 4096, &content);
    ck_assert_int_eq(buffer_append(&content, "", 1), 0);
    text = buffer_data(&content);
    host = strstr(text, "Message-ID: <sample.");
    host = host ? strchr(host, '@') + 1 : NULL;
    if (host)
        buffer_appendf(out, "%.*sHOST%s", (int)(host - text), text, strchr(host, '>'));
    else
        buffer_append_string(out, text);
}

START_TEST(samples_give_what_is_expected)
{
    _cleanup_(globfree) glob_t samples = {0};

    ck_assert_int_eq(glob(DATA_DIR "/*.eml", 0, NULL, &samples), 0);
    ck_assert_uint_ge(samples.gl_pathc, 20);
    for (size_t i = 0; i < samples.gl_pathc; i++) {
        _cleanup_buffer_ Buffer file = {0}, want = {0}, got = {0};
        _cleanup_(message_free_p) Message *message = NULL;
        _cleanup_failure_ Failure f = {0};
        char *path = samples.gl_pathv[i];
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(file_load(AT_FDCWD, path, 1 << 20, &file), 0);
        fd = memory_file(buffer_data(&file), buffer_size(&file));
        ck_assert_msg(message_open(fd, buffer_size(&file), NOW, "sample", &message, &f) == 0,
            "%s: %s", path, failure_text(&f));
        dump(message, &got);
        memcpy(path + strlen(path) - 4, ".out", 4);
        ck_assert_int_eq(file_load(AT_FDCWD, path, 1 << 20, &want), 0);
        ck_assert_msg(buffer_size(&got) == buffer_size(&want) &&
                          memcmp(buffer_data(&got), buffer_data(&want), buffer_size(&want)) == 0,
            "%s is not what came out:\n%.*s", path, (int)buffer_size(&got), buffer_data(&got));
    }
}
END_TEST

static const struct BadMessage {
    const char *text, *why;
    int number;
} bad_messages[] = {
    {"", "empty", ERROR_MESSAGE},
    {"\nHello\n", "begins with an empty line", ERROR_MESSAGE},
    {"\r\n", "begins with an empty line", ERROR_MESSAGE},
    {"\xef\xbb\xbf", "begins with an empty line", ERROR_MESSAGE},
    {"Hello world\n", "line 1, \"Hello world\": this is not a header field", ERROR_MESSAGE},
    {"From: a@b\nTo: c@d\nHello\n\nx", "line 3, \"Hello\": this is not", ERROR_MESSAGE},
    {"From: a@b\r\nTo: c@d,\r\n e@f\r\nBad name: x\r\n\r\n", "line 4, \"Bad name: x\"",
        ERROR_MESSAGE},
    {"X-Sender: a@b\n fol=d=ed\n", "line 1, X-Sender: \"fol=d=ed\" is not an ESMTP", ERROR_MESSAGE},
    {" From: a@b\nTo: c@d\n\n", "line 1, \" From", ERROR_MESSAGE},
    {": x\n\n", "line 1, \": x\"", ERROR_MESSAGE},
    {"From: a@b\nT\xc3\xb6: c@d\n\n", "line 2", ERROR_MESSAGE},
    {"From: a@b\nTo: c@d\nSubject: x\rBcc: e@f\n\n", "line 3, \"Subject: x\\x0dBcc: e@f\": a carr",
        ERROR_MESSAGE},
    {"From: a@b\nTo: c@d\n \r \n\n", "line 3", ERROR_MESSAGE},
    {"From: a@b\nTo: c@d\r", "line 2, \"To: c@d\\x0d\": a carriage", ERROR_MESSAGE},
    {"\xff\xfe"
     "F",
        "UTF-16", ERROR_MESSAGE},
    {"\xfe\xff"
     "F",
        "UTF-16", ERROR_MESSAGE},
    {"X-Sender: <a@b>\nX-Receiver: <c@d>\n", "no message behind the envelope", ERROR_MESSAGE},
    {"X-Sender: a@b\nX-Sender: c@d\nFrom: a@b\n\n", "line 2: there is more than one X-Sender",
        ERROR_MESSAGE},
    {"X-Receiver: c@d\nX-Receiver: e.f\nFrom: a@b\n\n", "line 2, X-Receiver: \"e.f\" is not",
        ERROR_MESSAGE},
    {"X-Receiver: <>\nFrom: a@b\n\n", "line 1, X-Receiver: \"\" is not a mail address: it is empty",
        ERROR_MESSAGE},
    {"X-Receiver: a@b\nX-Sender:\nFrom: a@b\n\n", "line 2, X-Sender: the address ends too early",
        ERROR_MESSAGE},
    {"X-Receiver: a@b, c@d\nFrom: a@b\n\n", "only one address", ERROR_MESSAGE},
    {"From: a@b\nTo: c@d e@f\n\n", "line 2, To: the address is malformed at \"e@f\"",
        ERROR_MESSAGE},
    {"From: a@b\nTo: c@d\nCc: root\n\n", "line 3, Cc: \"root\" is not", ERROR_MESSAGE},
    {"From: a@b, <x\nTo: c@d\n\n", "line 1, From: the address ends", ERROR_MESSAGE},
    {"Return-Path: junk\nFrom: a@b\nTo: c@d\n\n", "line 1, Return-Path", ERROR_MESSAGE},
    {"To: c@d\n\n", "no sender: no X-Sender, Return-Path, Sender or From", ERROR_NO_SENDER},
    {"From:\nTo: c@d\n\n", "no sender", ERROR_NO_SENDER},
    {"From: a@b\n\n", "no recipient: no X-Receiver, To, Cc or Bcc", ERROR_NO_RECIPIENT},
    {"From: a@b\nTo: Undisclosed recipients:;\n\n", "no recipient", ERROR_NO_RECIPIENT},
    {"X-Sender: a@b\nSubject: x\n\n", "no recipient", ERROR_NO_RECIPIENT},
    {"Resent-From: a@b\nFrom: x@y\nTo: c@d\n\n", "no X-Receiver, Resent-To", ERROR_NO_RECIPIENT},
    {"Resent-To: c@d\nFrom: x@y\nTo: c@d\n\n", "no X-Sender, Resent-Sender", ERROR_NO_SENDER},
};

START_TEST(what_is_no_message_is_refused_with_the_reason)
{
    const struct BadMessage *row = &bad_messages[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(open_text(row->text, &message, &f) == -EBADMSG, "%s", row->text);
    ck_assert_ptr_null(message);
    ck_assert_int_eq(f.number, row->number);
    ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->text, f.text);
    ck_assert_int_eq(open_text(row->text, &message, NULL), -EBADMSG);
}
END_TEST

START_TEST(nul_bytes_are_refused_in_the_header_and_kept_in_the_body)
{
    static const char bad[] = "From: a@b\nTo: c@d\nSubject: a\0b\n\nx";
    static const char utf16[] = "F\0r\0o\0m\0:\0";
    static const char good[] = "From: a@b\nTo: c@d\nDate: x\nMessage-ID: x\n\na\0b";
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer content = {0};

    ck_assert_int_eq(
        message_open(memory_file(bad, sizeof(bad) - 1), sizeof(bad) - 1, NOW, "x", &message, &f),
        -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "line 3"));
    ck_assert_ptr_nonnull(strstr(f.text, "NUL"));
    ck_assert_int_eq(message_open(memory_file(utf16, 10), 10, NOW, "x", &message, &f), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "UTF-16"));
    ck_assert_int_eq(
        message_open(memory_file(good, sizeof(good) - 1), sizeof(good) - 1, NOW, "x", &message, &f),
        0);
    read_content(message, 5, &content);
    ck_assert_mem_eq(buffer_data(&content), good, sizeof(good) - 1);
}
END_TEST

/* A file of `n_header` bytes of one long field and a body of `n_body` bytes. */
static void make_large(Buffer *b, size_t n_header, size_t n_body)
{
    const char *start = "From: a@b\nTo: c@d\nBcc: e@f\nX-Long: 0\n";
    size_t to;

    ck_assert_int_eq(buffer_append_string(b, start), 0);
    for (unsigned i = 0; buffer_size(b) < n_header; i++)
        ck_assert_int_eq(buffer_appendf(b, " %u folded\n", i), 0);
    ck_assert_int_eq(buffer_append_string(b, "\n"), 0);
    to = buffer_size(b) + n_body;
    for (unsigned i = 0; buffer_size(b) < to; i++)
        ck_assert_int_eq(buffer_appendf(b, "body %u\n", i), 0);
}

static const struct LargeCase {
    size_t n_header, n_body, step;
} large_cases[] = {
    {100, 300000, 100000},
    {100, 300000, 7001},
    {60000, 300000, 65536},
    {65000, 20, 100},
    {70000, 1000, 100000},
    {300000, 300000, 1 << 20},
    {MESSAGE_HEADER_MAX - 50, 100000, 65536},
};

START_TEST(large_headers_and_bodies_come_out_whole)
{
    const struct LargeCase *row = &large_cases[_i];
    _cleanup_buffer_ Buffer file = {0}, content = {0}, again = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    const char *body, *out;
    size_t n_body;

    make_large(&file, row->n_header, row->n_body);
    body = memmem(buffer_data(&file), buffer_size(&file), "\n\n", 2);
    n_body = buffer_size(&file) - (size_t)(body - buffer_data(&file));
    ck_assert_msg(message_open(memory_file(buffer_data(&file), buffer_size(&file)),
                      buffer_size(&file), NOW, "x", &message, &f) == 0,
        "%s", failure_text(&f));
    ck_assert_uint_eq(message_envelope(message)->n_recipients, 2);
    read_content(message, row->step, &content);
    out = buffer_data(&content);
    ck_assert_mem_eq(out, "From: a@b\nTo: c@d\nX-Long: 0\n", 28);
    ck_assert_ptr_null(memmem(out, buffer_size(&content), "Bcc", 3));
    ck_assert_mem_eq(out + buffer_size(&content) - n_body, body, n_body);
    message_rewind(message);
    read_content(message, 12345, &again);
    ck_assert_uint_eq(buffer_size(&again), buffer_size(&content));
    ck_assert_mem_eq(buffer_data(&again), out, buffer_size(&again));
}
END_TEST

START_TEST(a_header_without_end_is_refused)
{
    _cleanup_buffer_ Buffer file = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};

    make_large(&file, MESSAGE_HEADER_MAX + 10, 10);
    ck_assert_int_eq(message_open(memory_file(buffer_data(&file), buffer_size(&file)),
                         buffer_size(&file), NOW, "x", &message, &f),
        -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "larger than 1 MiB"));
}
END_TEST

START_TEST(a_file_that_became_shorter_is_an_error)
{
    _cleanup_buffer_ Buffer file = {0}, content = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    int64_t n;
    int fd;

    make_large(&file, 100, 200000);
    fd = memory_file(buffer_data(&file), buffer_size(&file));
    ck_assert_int_eq(message_open(fd, buffer_size(&file) + 1, NOW, "x", &message, &f), 0);
    while ((n = message_read(message, 65536, &content)) > 0)
        buffer_clear(&content);
    ck_assert_int_eq(n, -EIO);
    message_free(TAKE_PTR(message));
    ck_assert_int_eq(ftruncate(fd, 50), 0);
    ck_assert_int_eq(message_open(fd, 100, NOW, "x", &message, &f), -EIO);
    ck_assert_ptr_nonnull(strstr(f.text, "became shorter"));
    ck_assert_int_eq(message_open(-1, 100, NOW, "x", &message, &f), -EBADF);
    ck_assert_ptr_nonnull(strstr(f.text, "cannot read"));
}
END_TEST

static char *added_message_id(const char *id, usec_t now)
{
    static const char text[] = "From: a@b\nTo: c@d\nDate: x\n\n";
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    const char *start;
    int fd;

    fd = memory_file(text, sizeof(text) - 1);
    ck_assert_int_eq(message_open(fd, sizeof(text) - 1, now, id, &message, NULL), 0);
    close(fd);
    read_content(message, 1000, &content);
    ck_assert_int_eq(buffer_append(&content, "", 1), 0);
    start = strstr(buffer_data(&content), "Message-ID: ");
    ck_assert_ptr_nonnull(start);
    return strndup(start + 12, strcspn(start + 12, "\n"));
}

#define ON_DISK "From: a@example.org\nTo: b@example.com\n\nx\n"

/* A file that, where /tmp is not in memory, the disk has to be asked for. */
static int file_on_disk(void)
{
    char path[] = "/tmp/outbox-message-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(file_write_all(fd, ON_DISK, strlen(ON_DISK)), 0);
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    return fd;
}

/* File systems in memory may not know RWF_NOWAIT. */
static bool is_in_memory(int fd)
{
    char byte;
    const struct iovec part = {.iov_base = &byte, .iov_len = 1};
    ssize_t n = preadv2(fd, &part, 1, 0, RWF_NOWAIT);

    return n == 1 || (n < 0 && errno == EOPNOTSUPP);
}

static bool open_says_on_disk(int fd)
{
    _cleanup_(message_free_p) Message *message = NULL;

    ck_assert_int_eq(message_open(fd, strlen(ON_DISK), NOW, "x", &message, NULL), 0);
    return message_was_on_disk(message);
}

START_TEST(a_message_knows_whether_it_was_on_the_disk)
{
    _cleanup_close_ int asked = file_on_disk(), fd = file_on_disk(); /* asking may have it read */
    bool on_disk = !is_in_memory(asked);

    ck_assert_int_eq(open_says_on_disk(fd), on_disk);
    ck_assert(!open_says_on_disk(fd));
}
END_TEST

START_TEST(an_added_message_id_is_stable_unique_and_legal)
{
    _cleanup_free_
    char *one = added_message_id("mail-1", NOW);
    _cleanup_free_
    char *same = added_message_id("mail-1", NOW);
    _cleanup_free_
    char *other = added_message_id("mail-2", NOW);
    _cleanup_free_
    char *later = added_message_id("mail-1", NOW + 1);
    _cleanup_free_
    char *odd = added_message_id("a b<c>@\xc3\xbc.(x)", NOW);

    ck_assert_str_eq(one, same);
    ck_assert_str_ne(one, other);
    ck_assert_str_ne(one, later);
    ck_assert_mem_eq(one, "<mail-1.", 8);
    ck_assert_mem_eq(odd, "<a_b_c______x_.", 15);
    ck_assert_ptr_eq(strchr(odd, '@'), strrchr(odd, '@'));
    ck_assert_int_eq(odd[strlen(odd) - 1], '>');
}
END_TEST

START_TEST(a_recipient_list_of_any_length_is_read)
{
    const unsigned n = 20000;
    _cleanup_buffer_ Buffer file = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};

    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(buffer_appendf(&file, "X-Receiver: <u%u@example.com>\n", i), 0);
    ck_assert_int_eq(buffer_append_string(&file, "From: a@b\n\nx\n"), 0);
    ck_assert_msg(message_open(memory_file(buffer_data(&file), buffer_size(&file)),
                      buffer_size(&file), NOW, "x", &message, &f) == 0,
        "%s", failure_text(&f));
    ck_assert_uint_eq(message_envelope(message)->n_recipients, n);
    ck_assert_str_eq(message_envelope(message)->recipients[n - 1].address, "u19999@example.com");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/message");
    TCase *tcase = tcase_create("message");

    setenv("TZ", "UTC", 1);
    tzset();
    tcase_add_test(tcase, samples_give_what_is_expected);
    tcase_add_loop_test(
        tcase, what_is_no_message_is_refused_with_the_reason, 0, (int)ELEMENTSOF(bad_messages));
    tcase_add_test(tcase, nul_bytes_are_refused_in_the_header_and_kept_in_the_body);
    tcase_add_loop_test(
        tcase, large_headers_and_bodies_come_out_whole, 0, (int)ELEMENTSOF(large_cases));
    tcase_add_test(tcase, a_header_without_end_is_refused);
    tcase_add_test(tcase, a_file_that_became_shorter_is_an_error);
    tcase_add_test(tcase, a_message_knows_whether_it_was_on_the_disk);
    tcase_add_test(tcase, an_added_message_id_is_stable_unique_and_legal);
    tcase_add_test(tcase, a_recipient_list_of_any_length_is_read);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
