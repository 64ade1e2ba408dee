/* message: what a body is made of, wherever it comes from. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "composing.h"

#define GIB ((off_t)1 << 30)

/* ---- a source that gives what it has in pieces ---- */

typedef struct Stream {
    const char *text;
    size_t n, at, piece;
    size_t repeats; /* it is given so many times more */
    int error;      /* at its end */
    unsigned closed;
} Stream;

static ssize_t stream_read(void *user, void *to, size_t n)
{
    Stream *s = user;

    if (s->at == s->n && s->repeats > 0)
        s->at = 0, s->repeats--;
    n = MIN(MIN(n, s->piece), s->n - s->at);
    memcpy(to, s->text + s->at, n);
    s->at += n;
    return n == 0 ? s->error : (ssize_t)n;
}

static void stream_close(void *user)
{
    ((Stream *)user)->closed++;
}

static ComposeSource source_of(Stream *s, bool closes)
{
    return (ComposeSource){.origin = COMPOSE_CALLBACK,
        .read = stream_read,
        .close = stream_close,
        .user = s,
        .closes = closes};
}

/* ---- streams ---- */

/* CloseStreamAfterTransfer: closed with the message, where that is asked for, read or not. */
START_TEST(a_stream_is_closed_where_that_is_asked_for)
{
    for (int closes = 0; closes < 2; closes++)
        for (int reads = 0; reads < 2; reads++) {
            Stream s = {.text = "hello\n", .n = 6, .piece = 2};
            _cleanup_buffer_ Buffer out = {0};
            Composed *composed = NULL;
            Compose c = letter();
            int fds[2], r = 1;

            ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
            ck_assert_int_eq(write(fds[1], "file", 4), 4);
            (void)close(fds[1]);
            c.body = source_of(&s, closes);
            c.parts = &(ComposePart){
                .source = {.origin = COMPOSE_DESCRIPTOR, .fd = fds[0], .closes = closes},
                .name = "f"};
            c.n_parts = 1;
            ck_assert_int_eq(compose_open(&c, &composed, NULL), 0);
            while (reads && r > 0)
                r = composed_read(composed, 100, &out, NULL);
            ck_assert_uint_eq(s.closed, 0);
            composed_free(composed);
            ck_assert_uint_eq(s.closed, closes);
            ck_assert_int_eq(fcntl(fds[0], F_GETFD) < 0, closes);
            if (!closes)
                (void)close(fds[0]);
        }
}
END_TEST

START_TEST(a_stream_stays_open_when_nothing_is_composed)
{
    Stream s = {.text = "hello\n", .n = 6, .piece = 2};
    Compose c = letter();

    c.body = source_of(&s, true);
    c.from = "";
    assert_refused(&c, ERROR_NO_SENDER, "from");
    c.from = "a@b";
    c.parts = &(ComposePart){.source = compose_file("/nowhere")}, c.n_parts = 1;
    assert_refused(&c, ERROR_ATTACHMENT, "/nowhere: No such file");
    ck_assert_uint_eq(s.closed, 0);
}
END_TEST

START_TEST(a_descriptor_is_read_from_where_it_stands)
{
    _cleanup_close_ int fd = memfd_create("text", MFD_CLOEXEC);
    Compose c = letter();
    GMimeMessage *message;

    ck_assert_int_eq(file_write_all(fd, "not this\nbut this\n", 18), 0);
    ck_assert_int_eq(lseek(fd, 9, SEEK_SET), 9);
    c.body = (ComposeSource){.origin = COMPOSE_DESCRIPTOR, .fd = fd};
    message = compose_and_parse(&c);
    assert_content(g_mime_message_get_mime_part(message), "text/plain", "but this\n");
    g_object_unref(message);
    message = compose_and_parse(&c); /* it has been read */
    assert_content(g_mime_message_get_mime_part(message), "text/plain", "");
    g_object_unref(message);
    ck_assert_int_eq(lseek(fd, 100, SEEK_SET), 100); /* behind its end */
    message = compose_and_parse(&c);
    assert_content(g_mime_message_get_mime_part(message), "text/plain", "");
    g_object_unref(message);
}
END_TEST

/* Whatever the pieces are that it comes in. */
START_TEST(a_text_is_the_same_in_any_pieces)
{
    static const char *const texts[] = {"", "x", "plain\r\ntext\n", "größer\r\n\r\nals \n",
        "a\rb\r", "\r\n\r", "例え話\n例え話", "=3D =\n.\nFrom \t", "blank \r\nblank\t\r"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_buffer_ Buffer whole = {0};
        Compose c = letter();

        c.body = compose_text(texts[i]);
        c.message_id = "<x@y>";
        ck_assert_int_eq(compose_all(&c, &whole, NULL), 0);
        for (size_t piece = 1; piece < 4; piece++) {
            Stream s = {.text = texts[i], .n = strlen(texts[i]), .piece = piece};
            _cleanup_buffer_ Buffer out = {0};

            c.body = source_of(&s, false);
            ck_assert_int_eq(compose_all(&c, &out, NULL), 0);
            ck_assert_uint_eq(buffer_size(&out), buffer_size(&whole));
            ck_assert_mem_eq(buffer_data(&out), buffer_data(&whole), buffer_size(&out));
        }
    }
}
END_TEST

/* Of what can be read once, only the beginning is looked at before: the rest shows when it is read.
 */
START_TEST(a_long_stream_is_judged_as_it_is_read)
{
    static char text[3 << 20];
    static const struct {
        const char *bytes;
        int number;
        const char *why;
    } cases[] = {{"\xff", ERROR_CHARSET, "is not UTF-8"}, {"\0", ERROR_MESSAGE, "holds a NUL byte"},
        {"\xc3", ERROR_CHARSET, "is not UTF-8"}};

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Stream s = {.text = text, .n = sizeof(text), .piece = 1 << 16};
        Compose c = letter();

        text[sizeof(text) - 1] = cases[i].bytes[0];
        c.body = source_of(&s, false);
        assert_refused(&c, cases[i].number, cases[i].why);
    }
    {
        Stream s = {.text = text, .n = sizeof(text) - 1, .piece = 1 << 16};
        Compose c = letter();
        GMimeMessage *message;
        _cleanup_buffer_ Buffer decoded = {0};

        c.body = source_of(&s, false);
        message = compose_and_parse(&c);
        decode(g_mime_message_get_mime_part(message), &decoded);
        ck_assert_uint_eq(buffer_size(&decoded), sizeof(text) - 1 + strlen("\n") + 1);
        g_object_unref(message);
    }
}
END_TEST

START_TEST(a_stream_that_fails_is_told)
{
    Stream s = {.text = "half", .n = 4, .piece = 2, .error = -EIO};
    Compose c = letter();

    c.body = source_of(&s, true);
    c.body.path = "the pipe";
    assert_refused(&c, ERROR_STORAGE, "cannot read the text the pipe: Input/output error");
    s.at = 0, s.error = -ENOMEM;
    ck_assert_int_eq(compose_all(&c, &(Buffer){0}, NULL), -ENOMEM);
}
END_TEST

/* One of a size that is not known before is never in memory. */
START_TEST(a_large_stream_takes_little_memory)
{
    static char text[1 << 16];
    Stream s = {.text = text, .n = sizeof(text), .piece = sizeof(text), .repeats = 1000};
    _cleanup_buffer_ Buffer out = {0};
    Composed *composed = NULL;
    Compose c = letter();
    size_t before, most = 0, total = 0;
    int r = 1;

    c.parts = &(ComposePart){.source = source_of(&s, false), .name = "large.bin"};
    c.n_parts = 1;
    before = mallinfo2().uordblks;
    ck_assert_int_eq(compose_open(&c, &composed, NULL), 0);
    while (r > 0) {
        buffer_clear(&out);
        r = composed_read(composed, 65536, &out, NULL);
        total += buffer_size(&out);
        most = MAX(most, mallinfo2().uordblks - MIN(before, mallinfo2().uordblks));
    }
    composed_free(composed);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_gt(total, 64 << 20);
    ck_assert_uint_lt(most, 1 << 20); /* nothing is known of it with a sanitizer's allocator */
}
END_TEST

/* ---- files ---- */

static int make_file(char path[static 32], const char *text, off_t size)
{
    int fd;

    strcpy(path, "/tmp/outbox-source-XXXXXX");
    fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
    if (size > 0)
        ck_assert_int_eq(ftruncate(fd, size), 0);
    return fd;
}

/* 302: at the limit and past it. A sparse file costs nothing. */
START_TEST(a_file_that_is_too_large_is_told_before_it_is_read)
{
    char path[32];
    _cleanup_close_ int fd = make_file(path, "", GIB);
    Composed *composed = NULL;
    Compose c = letter();

    c.parts = &(ComposePart){.source = compose_file(path)}, c.n_parts = 1;
    ck_assert_int_eq(compose_open(&c, &composed, NULL), 0);
    composed_free(composed);
    ck_assert_int_eq(ftruncate(fd, GIB + 1), 0);
    assert_refused(&c, ERROR_ATTACHMENT, "is larger than 1 GiB");
    c.n_parts = 0, c.body = compose_file(path);
    assert_refused(&c, ERROR_FILE, "is larger than 1 GiB");
    c.body = compose_bytes("", (size_t)GIB + 1);
    assert_refused(&c, ERROR_FILE, "is larger than 1 GiB");
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* 302, and 303 for the text: what the file was at first and what it is at last would be mixed. */
START_TEST(a_file_that_changes_meanwhile_is_told)
{
    enum { GROWS, SHRINKS, IS_WRITTEN, CHANGES };

    for (int change = GROWS; change < CHANGES; change++)
        for (int is_text = 0; is_text < 2; is_text++) {
            char path[32], text[2000];
            _cleanup_buffer_ Buffer out = {0};
            _cleanup_failure_ Failure f = {0};
            _cleanup_close_ int fd = -1;
            Composed *composed = NULL;
            Compose c = letter();
            int r = 1;

            memset(text, 'x', sizeof(text));
            text[sizeof(text) - 1] = '\0';
            fd = make_file(path, text, 200000);
            if (is_text) { /* no NUL bytes */
                for (int i = 0; i < 101; i++)
                    ck_assert_int_eq(pwrite(fd, text, 1999, i * 1999L), 1999);
            }
            c.parts = &(ComposePart){.source = compose_file(path)};
            c.n_parts = !is_text;
            c.body = is_text ? compose_file(path) : (ComposeSource){0};
            ck_assert_int_eq(compose_open(&c, &composed, &f), 0);
            ck_assert_int_eq(composed_read(composed, 20000, &out, &f), 1);
            if (change == GROWS)
                ck_assert_int_eq(pwrite(fd, "y", 1, 300000), 1);
            if (change == SHRINKS)
                ck_assert_int_eq(ftruncate(fd, 150000), 0);
            if (change == IS_WRITTEN) {
                const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};

                ck_assert_int_eq(pwrite(fd, "y", 1, 199000), 1);
                ck_assert_int_eq(futimens(fd, times), 0); /* clocks of files are coarse */
            }
            while (r > 0)
                r = composed_read(composed, 20000, &out, &f);
            ck_assert_int_eq(r, -EBADMSG);
            if (!is_text || change != GROWS) /* what is between is NUL bytes */
                ck_assert_msg(strstr(failure_text(&f), "has changed while it was read"), "%s",
                    failure_text(&f));
            if (change != GROWS)
                ck_assert_int_eq(f.number, is_text ? ERROR_FILE : ERROR_ATTACHMENT);
            composed_free(composed);
            ck_assert_int_eq(unlink(path), 0);
        }
}
END_TEST

/* 302 and 303 say which file, and why. */
START_TEST(a_file_that_cannot_be_read_is_told)
{
    Compose c = letter();

    c.parts = &(ComposePart){.source = compose_file("/nowhere/x.pdf")}, c.n_parts = 1;
    assert_refused(&c, ERROR_ATTACHMENT, "cannot read the attachment /nowhere/x.pdf: No such file");
    c.parts = &(ComposePart){.source = compose_file("/tmp")};
    assert_refused(&c, ERROR_ATTACHMENT, "cannot read the attachment /tmp: Is a directory");
    c.n_parts = 0;
    c.html = compose_file("/nowhere/x.html");
    assert_refused(&c, ERROR_FILE, "cannot read the HTML text /nowhere/x.html: No such file");
    c.html = compose_file("/proc/self/mem");
    assert_refused(&c, ERROR_STORAGE, "cannot read the HTML text /proc/self/mem: Input/output");
}
END_TEST

/* ---- a message that is whole already ---- */

/* Message: it goes out as it stands; the envelope is that of the properties. */
START_TEST(a_raw_message_goes_out_as_it_stands)
{
    static const char text[] = "X-Receiver: <eve@lab.test>\r\nSubject:   a\r\n\r\n.\r\n\xe4\0b";
    Stream s = {.text = text, .n = sizeof(text) - 1, .piece = 7};
    _cleanup_buffer_ Buffer out = {0};
    Compose c = letter();

    c.raw = source_of(&s, true);
    c.bcc = LIST("bob@lab.test");
    c.subject = "not this";
    ck_assert_int_eq(compose_all(&c, &out, NULL), 0);
    ck_assert_uint_eq(s.closed, 1);
    ck_assert_mem_eq(buffer_data(&out),
        "X-Sender: <shop@lab.test>\r\nX-Receiver: <ann@lab.test>\r\n"
        "X-Receiver: <bob@lab.test>\r\nSubject:   a\r\n\r\n.\r\n\xe4\0b",
        buffer_size(&out));
    c.raw = compose_bytes("", 0);
    assert_refused(&c, ERROR_MESSAGE, "the message is empty");
    c.raw = compose_text("Subject: x\n\n");
    c.to = c.bcc = NULL;
    assert_refused(&c, ERROR_NO_RECIPIENT, "no recipient");
}
END_TEST

/* A raw message may be of any size. */
START_TEST(a_large_raw_message_is_read_in_pieces)
{
    static char text[3 << 20];
    _cleanup_buffer_ Buffer out = {0};
    Compose c = letter();

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 1000);
    memcpy(text, "Subject: x\n\n", 12);
    c.raw = compose_bytes(text, sizeof(text));
    ck_assert_int_eq(compose_all(&c, &out, NULL), 0);
    ck_assert_uint_gt(buffer_size(&out), sizeof(text));
    ck_assert_mem_eq(buffer_at(&out, buffer_size(&out) - sizeof(text)), text, sizeof(text));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/sources");
    TCase *tcase = tcase_create("sources");

    setenv("TZ", "UTC", 1);
    g_mime_init();
    tcase_add_test(tcase, a_stream_is_closed_where_that_is_asked_for);
    tcase_add_test(tcase, a_stream_stays_open_when_nothing_is_composed);
    tcase_add_test(tcase, a_descriptor_is_read_from_where_it_stands);
    tcase_add_test(tcase, a_text_is_the_same_in_any_pieces);
    tcase_add_test(tcase, a_long_stream_is_judged_as_it_is_read);
    tcase_add_test(tcase, a_stream_that_fails_is_told);
    tcase_add_test(tcase, a_large_stream_takes_little_memory);
    tcase_add_test(tcase, a_file_that_is_too_large_is_told_before_it_is_read);
    tcase_add_test(tcase, a_file_that_changes_meanwhile_is_told);
    tcase_add_test(tcase, a_file_that_cannot_be_read_is_told);
    tcase_add_test(tcase, a_raw_message_goes_out_as_it_stands);
    tcase_add_test(tcase, a_large_raw_message_is_read_in_pieces);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
