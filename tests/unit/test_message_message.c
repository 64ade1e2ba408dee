/* message: whole messages, from files of real shape and from made-up ones. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/file.h"
#include "message/message.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */

static int open_bytes(InputMemory *input, const void *data, size_t n, Message **ret, Failure *f)
{
    input_memory_init(input, data, n);
    return message_open(&input->base, NOW, "sample", ret, f);
}

static int open_text(InputMemory *input, const char *text, Message **ret, Failure *f)
{
    return open_bytes(input, text, strlen(text), ret, f);
}

static int open_buffer(InputMemory *input, const Buffer *b, Message **ret, Failure *f)
{
    return open_bytes(input, buffer_data(b), buffer_size(b), ret, f);
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
    MessageForm form;
    _cleanup_buffer_ Buffer content = {0};
    const char *text, *host;

    dump_address(out, "sender", e->sender, e->sender_parameters);
    if (e->lane)
        buffer_appendf(out, "lane: %s\n", e->lane);
    for (size_t i = 0; i < e->n_recipients; i++)
        dump_address(out, "recipient", e->recipients[i].address, e->recipients[i].parameters);
    message_form(message, &form);
    buffer_appendf(out, "8bit: %d\n----\n", form.is_8bit);
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

/* What one thread makes of all samples. */
static void *read_samples(void *user)
{
    const glob_t *samples = user;
    Buffer *all = calloc(1, sizeof(*all));

    for (size_t i = 0; all && i < samples->gl_pathc; i++) {
        _cleanup_(message_free_p) Message *message = NULL;
        _cleanup_close_ int fd = open(samples->gl_pathv[i], O_RDONLY | O_CLOEXEC);
        InputFile input;

        input_file_init(&input, fd, (uint64_t)lseek(fd, 0, SEEK_END));
        if (message_open(&input.base, NOW, "sample", &message, NULL) < 0)
            return NULL;
        while (message_read(message, 100, all) > 0)
            continue;
    }
    return all;
}

START_TEST(messages_are_read_on_threads_beside_each_other)
{
    _cleanup_(globfree) glob_t samples = {0};
    pthread_t threads[4];
    Buffer *first = NULL;

    ck_assert_int_eq(glob(DATA_DIR "/*.eml", 0, NULL, &samples), 0);
    for (size_t i = 0; i < ELEMENTSOF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_samples, &samples), 0);
    for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
        void *result;
        Buffer *all;

        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        all = result;
        ck_assert_ptr_nonnull(all);
        if (!first) {
            first = all;
            continue;
        }
        ck_assert_uint_eq(buffer_size(all), buffer_size(first));
        ck_assert_mem_eq(buffer_data(all), buffer_data(first), buffer_size(first));
        buffer_done(all);
        free(all);
    }
    buffer_done(first);
    free(first);
}
END_TEST

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
        InputMemory input;

        ck_assert_int_eq(file_load(AT_FDCWD, path, 1 << 20, &file), 0);
        ck_assert_msg(
            open_buffer(&input, &file, &message, &f) == 0, "%s: %s", path, failure_text(&f));
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
    {"X-Sender: a@b\n fol=d=ed\n", "line 1, X-Sender: the parameter \"fol=d=ed\" is not an ESMTP",
        ERROR_MESSAGE},
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
    {"X-Outbox-Lane: two words\nFrom: a@b\nTo: c@d\n\n",
        "line 1, X-Outbox-Lane: \"two words\" is not the name of a lane", ERROR_MESSAGE},
    {"X-Outbox-Lane:\nFrom: a@b\nTo: c@d\n\n", "\"\" is not the name of a lane", ERROR_MESSAGE},
    {"X-Receiver: c@d\nx-outbox-lane: .x\nFrom: a@b\n\n", "line 2, x-outbox-lane: \".x\" is",
        ERROR_MESSAGE},
    {"X-Outbox-Lane: a\nX-Outbox-Lane: a\nFrom: a@b\nTo: c@d\n\n",
        "line 2: there is more than one X-Outbox-Lane", ERROR_MESSAGE},
    {"From: a@b\nTo: Doe, Joe <j@x.test>\n\n",
        "line 2, To: \"Doe\" is not a mail address: it has no @ with a domain behind it; a name "
        "with a "
        "comma in it is put in double quotes: \"Doe, Joe\" <joe@example.org>",
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
    InputMemory input;

    ck_assert_msg(open_text(&input, row->text, &message, &f) == -EBADMSG, "%s", row->text);
    ck_assert_ptr_null(message);
    ck_assert_int_eq(f.number, row->number);
    ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->text, f.text);
    ck_assert_int_eq(open_text(&input, row->text, &message, NULL), -EBADMSG);
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
    InputMemory input;

    ck_assert_int_eq(open_bytes(&input, bad, sizeof(bad) - 1, &message, &f), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "line 3"));
    ck_assert_ptr_nonnull(strstr(f.text, "NUL"));
    ck_assert_int_eq(open_bytes(&input, utf16, 10, &message, &f), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "UTF-16"));
    ck_assert_int_eq(open_bytes(&input, good, sizeof(good) - 1, &message, &f), 0);
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
    InputMemory input;
    size_t n_body;

    make_large(&file, row->n_header, row->n_body);
    body = memmem(buffer_data(&file), buffer_size(&file), "\n\n", 2);
    n_body = buffer_size(&file) - (size_t)(body - buffer_data(&file));
    ck_assert_msg(open_buffer(&input, &file, &message, &f) == 0, "%s", failure_text(&f));
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
    InputMemory input;

    make_large(&file, MESSAGE_HEADER_MAX + 10, 10);
    ck_assert_int_eq(open_buffer(&input, &file, &message, &f), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(f.text, "larger than 1 MiB"));
}
END_TEST

typedef struct Pieces {
    const Buffer *file;
    size_t at, step;
} Pieces;

static int read_piece(void *source, Buffer *out, _unused_ Failure *f)
{
    Pieces *p = source;
    size_t n = MIN(p->step, buffer_size(p->file) - p->at);

    ck_assert_int_eq(buffer_append(out, buffer_at(p->file, p->at), n), 0);
    p->at += n;
    return n > 0;
}

/* What is read of it, as who queues it looks at it: with more behind. */
static int open_start(const Buffer *file, size_t step, size_t *ret_read, Message **ret, Failure *f)
{
    Pieces pieces = {file, 0, step};
    _cleanup_buffer_ Buffer start = {0};
    InputMemory input;
    int more = message_read_start(read_piece, &pieces, &start, f);

    *ret_read = buffer_size(&start);
    input_memory_init(&input, buffer_data(&start), buffer_size(&start));
    input.base.size += more;
    return message_open(&input.base, 0, "x", ret, f);
}

static void add_recipients(Buffer *file, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(
            buffer_appendf(file, "X-Receiver: <user%06u@department.example.org>\n", i), 0);
}

/* The envelope does not count as header, however it is read. */
START_TEST(a_hundred_thousand_recipients_are_taken)
{
    static const size_t steps[] = {65536, 1000003};
    _cleanup_buffer_ Buffer file = {0};

    add_recipients(&file, 100000);
    make_large(&file, buffer_size(&file) + MESSAGE_HEADER_MAX - 100, 500000);
    for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
        _cleanup_(message_free_p) Message *message = NULL;
        _cleanup_failure_ Failure f = {0};
        size_t n_read;

        ck_assert_msg(
            open_start(&file, steps[i], &n_read, &message, &f) == 0, "%s", failure_text(&f));
        ck_assert_uint_eq(message_envelope(message)->n_recipients, 100000);
        ck_assert_uint_lt(n_read, MESSAGE_START_MAX + steps[i]);
    }
}
END_TEST

START_TEST(an_envelope_and_a_header_have_limits_of_their_own)
{
    static const size_t steps[] = {4096, 65536, 1000003};
    _cleanup_buffer_ Buffer envelope = {0}, header = {0}, piece = {0};

    add_recipients(&piece, 1000);
    while (buffer_size(&envelope) <= MESSAGE_START_MAX)
        ck_assert_int_eq(buffer_append(&envelope, buffer_data(&piece), buffer_size(&piece)), 0);
    add_recipients(&header, 3);
    make_large(&header, MESSAGE_HEADER_MAX + 300, 10);
    for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
        _cleanup_(message_free_p) Message *message = NULL;
        _cleanup_failure_ Failure f = {0};
        size_t n_read;

        ck_assert_int_eq(open_start(&envelope, steps[i], &n_read, &message, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(f.text, "larger than 16 MiB"));
        ck_assert_int_eq(open_start(&header, steps[i], &n_read, &message, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(f.text, "larger than 1 MiB"));
    }
}
END_TEST

static int open_file(InputFile *input, int fd, uint64_t size, Message **ret, Failure *f)
{
    input_file_init(input, fd, size);
    return message_open(&input->base, NOW, "x", ret, f);
}

START_TEST(a_file_that_became_shorter_is_an_error)
{
    _cleanup_buffer_ Buffer file = {0}, content = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    InputFile input;
    int64_t n;

    make_large(&file, 100, 200000);
    ck_assert_int_eq(file_write_all(fd, buffer_data(&file), buffer_size(&file)), 0);
    ck_assert_int_eq(open_file(&input, fd, buffer_size(&file) + 1, &message, &f), 0);
    while ((n = message_read(message, 65536, &content)) > 0)
        buffer_clear(&content);
    ck_assert_int_eq(n, -EIO);
    message_free(TAKE_PTR(message));
    ck_assert_int_eq(ftruncate(fd, 50), 0);
    ck_assert_int_eq(open_file(&input, fd, 100, &message, &f), -EIO);
    ck_assert_ptr_nonnull(strstr(f.text, "became shorter"));
    ck_assert_int_eq(open_file(&input, -1, 100, &message, &f), -EBADF);
    ck_assert_ptr_nonnull(strstr(f.text, "cannot read"));
}
END_TEST

/* A store that gives what it has in pieces, and of whose connection nothing more comes behind
 * `fails_at`. */
typedef struct Row {
    InputMemory memory;
    size_t piece;
    uint64_t fails_at;
    int fails_with;
} Row;

static ssize_t row_read_at(Input *input, void *to, size_t n, uint64_t at)
{
    Row *row = (Row *)input;
    InputMemory whole;

    ck_assert_uint_gt(n, 0);
    if (at >= row->fails_at)
        return row->fails_with;
    input_memory_init(&whole, row->memory.data, row->memory.n);
    return input_read_at(&whole.base, to, MIN(n, row->piece), at);
}

static void row_init(Row *row, const Buffer *b, size_t piece, uint64_t fails_at)
{
    static const InputOps ops = {.read_at = row_read_at};

    *row = (Row){.piece = piece, .fails_at = fails_at, .fails_with = -ECONNRESET};
    input_memory_init(&row->memory, buffer_data(b), buffer_size(b));
    row->memory.base.ops = &ops;
}

START_TEST(any_input_is_read_to_its_end_or_its_failure)
{
    _cleanup_buffer_ Buffer file = {0}, content = {0}, want = {0};
    _cleanup_(message_free_p) Message *message = NULL, *whole = NULL;
    _cleanup_failure_ Failure f = {0};
    InputMemory input;
    int64_t n;
    Row row;

    make_large(&file, 60000, 200000);
    ck_assert_int_eq(open_buffer(&input, &file, &whole, &f), 0);
    read_content(whole, 65536, &want);
    row_init(&row, &file, 7, UINT64_MAX);
    ck_assert_int_eq(message_open(&row.memory.base, NOW, "sample", &message, &f), 0);
    read_content(message, 65536, &content);
    ck_assert_uint_eq(buffer_size(&content), buffer_size(&want));
    ck_assert_mem_eq(buffer_data(&content), buffer_data(&want), buffer_size(&want));
    message_free(TAKE_PTR(message));
    row_init(&row, &file, 4096, 150000);
    row.memory.base.size = UINT64_MAX; /* more than would go into memory */
    ck_assert_int_eq(message_open(&row.memory.base, NOW, "sample", &message, &f), 0);
    while ((n = message_read(message, 65536, &content)) > 0)
        buffer_clear(&content);
    ck_assert_int_eq(n, -ECONNRESET);
    message_free(TAKE_PTR(message));
    row_init(&row, &file, 4096, 50000);
    ck_assert_int_eq(message_open(&row.memory.base, NOW, "x", &message, &f), -ECONNRESET);
    ck_assert_ptr_nonnull(strstr(f.text, "cannot read the message"));
    row.fails_with = -EBADMSG; /* is what a message is refused with */
    ck_assert_int_eq(message_open(&row.memory.base, NOW, "x", &message, &f), -EIO);
}
END_TEST

static char *added_message_id(const char *id, usec_t now)
{
    static const char text[] = "From: a@b\nTo: c@d\nDate: x\n\n";
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    const char *start;
    InputMemory input;

    input_memory_init(&input, text, sizeof(text) - 1);
    ck_assert_int_eq(message_open(&input.base, now, id, &message, NULL), 0);
    read_content(message, 1000, &content);
    ck_assert_int_eq(buffer_append(&content, "", 1), 0);
    start = strstr(buffer_data(&content), "Message-ID: ");
    ck_assert_ptr_nonnull(start);
    return strndup(start + 12, strcspn(start + 12, "\n"));
}

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
    InputMemory input;

    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(buffer_appendf(&file, "X-Receiver: <u%u@example.com>\n", i), 0);
    ck_assert_int_eq(buffer_append_string(&file, "From: a@b\n\nx\n"), 0);
    ck_assert_msg(open_buffer(&input, &file, &message, &f) == 0, "%s", failure_text(&f));
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
    tcase_add_test(tcase, messages_are_read_on_threads_beside_each_other);
    tcase_add_loop_test(
        tcase, what_is_no_message_is_refused_with_the_reason, 0, (int)ELEMENTSOF(bad_messages));
    tcase_add_test(tcase, nul_bytes_are_refused_in_the_header_and_kept_in_the_body);
    tcase_add_loop_test(
        tcase, large_headers_and_bodies_come_out_whole, 0, (int)ELEMENTSOF(large_cases));
    tcase_add_test(tcase, a_header_without_end_is_refused);
    tcase_add_test(tcase, a_hundred_thousand_recipients_are_taken);
    tcase_add_test(tcase, an_envelope_and_a_header_have_limits_of_their_own);
    tcase_add_test(tcase, a_file_that_became_shorter_is_an_error);
    tcase_add_test(tcase, any_input_is_read_to_its_end_or_its_failure);
    tcase_add_test(tcase, an_added_message_id_is_stable_unique_and_legal);
    tcase_add_test(tcase, a_recipient_list_of_any_length_is_read);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
