/* message/convert: what becomes of a message for a relay that takes no 8-bit content, and no long
 * lines; and message/form, what it is on the wire. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "message/convert.h"
#include "message/form.h"
#include "unit.h"

typedef struct Case {
    const char *in, *out; /* NULL: cannot be converted */
    bool keep_8bit;
} Case;

#define LONG_LINE_BYTES 1200

/* "@" stands for a line's worth of x. */
static char *expand(const char *text)
{
    char *ret = calloc(1, strlen(text) + 8 * LONG_LINE_BYTES), *to = ret;

    ck_assert_ptr_nonnull(ret);
    for (; *text; text++) {
        if (*text != '@') {
            *to++ = *text;
            continue;
        }
        memset(to, 'x', LONG_LINE_BYTES);
        to += LONG_LINE_BYTES;
    }
    return ret;
}

static const Case cases[] = {
    {"Subject: x\n\nplain\n", "Subject: x\n\nplain\n"},
    {"Subject: ü\n\nplain\n", "Subject: ü\n\nplain\n"},
    {"Subject: x\n\nä = b \nend", "Subject: x\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                                  "charset=utf-8\r\nContent-Transfer-Encoding: "
                                  "quoted-printable\r\n\n=C3=A4 =3D b=20\r\nend\r\n"},
    {"A: b\n\n\xe4\n", "A: b\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                       "charset=unknown-8bit\r\nContent-Transfer-Encoding: "
                       "quoted-printable\r\n\n=E4\r\n"},
    {"MIME-Version: 1.0\nContent-Type: text/html;\n charset=iso-8859-1\n"
     "Content-Transfer-Encoding: 8bit\n\n\xe4\n",
        "MIME-Version: 1.0\nContent-Type: text/html;\n charset=iso-8859-1\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=E4\r\n"},
    {"MIME-Version: 1.0\r\nContent-Type: application/x\r\n\r\n\xff\xfe\r\nab\r\n",
        "MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n//4NCmFi\r\n"},
    /* of a multipart message only the parts that need it; what nobody sees goes */
    {"Content-Type: multipart/mixed; boundary=\"a b\"\nContent-Transfer-Encoding: 8bit\n\npre\xe4\n"
     "--a b\nContent-Type: text/plain; charset=utf-8\n\nä\n--a b\n\nplain\n--a b--\nepi\n",
        "Content-Type: multipart/mixed; boundary=\"a b\"\nMIME-Version: 1.0\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\n--a b\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4\r\n--a b\n\nplain\n--a "
        "b--\nepi\n"},
    /* what says no type in a digest is a message */
    {"MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: y\n\nä\n"
     "--b\n\nSubject: \xff\n\nx\n--b--\nä\n",
        "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n"
        "Content-Transfer-Encoding: 7bit\r\n\n--b\nContent-Transfer-Encoding: 7bit\r\n\n"
        "Subject: y\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4\r\n--b\n"
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\n"
        "U3ViamVjdDog/w0KDQp4\r\n--b--\n"},
    /* a message within a message */
    {"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: y\n\nä\n",
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\r\n\n"
        "Subject: y\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4\r\n"},
    /* one whose own header is not ASCII is encoded as it is, which message/rfc822 cannot be */
    {"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type:\n "
     "Message/RFC822; name=a.eml\nContent-Transfer-Encoding: 8bit\n\nA: \xc3\xbc\n\nx\n--m--\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n"
        "Content-Transfer-Encoding: 7bit\r\n\n--m\nContent-Type: message/global; name=a.eml\n"
        "Content-Transfer-Encoding: base64\r\n\nQTogw7wNCg0KeA==\r\n--m--\n"},
    {"Content-Type: message/rfc822\nContent-Type: x\nMIME-Version: 1.0\n\nA: \xfc\n\nx\n",
        "Content-Type: application/octet-stream\nContent-Type: x\nMIME-Version: 1.0\n"
        "Content-Transfer-Encoding: base64\r\n\nQTog/A0KDQp4\r\n"},
    /* what may be encoded is, whatever is within; of what may not be, it is seen that it is */
    {"MIME-Version: 1.0\nContent-Type: message/global\n\nA: b\n\n\xc3\xbc\n",
        "MIME-Version: 1.0\nContent-Type: message/global\n"
        "Content-Transfer-Encoding: base64\r\n\nQTogYg0KDQrDvA==\r\n"},
    {"MIME-Version: 1.0\nContent-Type: message/global-headers\n\nA: \xc3\xbc\n",
        "MIME-Version: 1.0\nContent-Type: message/global-headers\n"
        "Content-Transfer-Encoding: base64\r\n\nQTogw7w=\r\n"},
    {"MIME-Version: 1.0\nContent-Type: message/delivery-status\n\nA: \xc3\xbc\n", NULL},
    {"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
     "QTog\n",
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        "QTog\n"},
    /* what is signed is not touched, and need not be where it is plain */
    {"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nä\n--s--\n", NULL},
    {"Content-Type: multipart/mixed; boundary=m\nMIME-Version: 1.0\n\n--m\nContent-Type: "
     "multipart/signed; boundary=s\n\n--s\n\nx\n--s--\n--m\n\nä\n--m--\n",
        "Content-Type: multipart/mixed; boundary=m\nMIME-Version: 1.0\n"
        "Content-Transfer-Encoding: 7bit\r\n\n--m\nContent-Type: multipart/signed; "
        "boundary=s\n\n--s\n\nx\n--s--\n--m\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4\r\n--m--\n"},
    {"Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\nä\n", NULL},
    {"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nä\n", NULL},
    {"Content-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nä=3D=\nb\n",
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4=3D=\r\nb\r\n"},
    /* a blank at the end would be taken away, also of a line that is left open */
    {"MIME-Version: 1.0\nContent-Type: text/x\n\nä ",
        "MIME-Version: 1.0\nContent-Type: text/x\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\n=C3=A4=20\r\n"},
    /* 8-bit content is left where only the lines are too long */
    {"MIME-Version: 1.0\n\nä\n", "MIME-Version: 1.0\n\nä\n", .keep_8bit = true},
    {"Subject: x\n", "Subject: x\n"},
};

static char *read_all(Input *input, size_t piece)
{
    _cleanup_buffer_ Buffer all = {0};
    char data[4096];
    ssize_t n;
    uint64_t at = 0;

    while ((n = input_read_at(input, data, piece, at)) > 0) {
        ck_assert_int_eq(buffer_append(&all, data, (size_t)n), 0);
        at += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(at, input->size);
    ck_assert_int_eq(buffer_append(&all, "", 1), 0);
    return strdup(buffer_data(&all));
}

START_TEST(parts_are_encoded_that_need_it)
{
    static const size_t pieces[] = {1, 7, 4096};
    const Case *c = &cases[_i];
    _cleanup_(convert_free_p) Convert *convert = NULL;
    _cleanup_failure_ Failure f = {0};
    InputMemory source;
    int r;

    input_memory_init(&source, c->in, strlen(c->in));
    r = convert_new(&source.base, c->keep_8bit, &convert, &f);
    if (!c->out) {
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_uint_gt(strlen(failure_text(&f)), 10);
        return;
    }
    ck_assert_int_eq(r, 0);
    for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
        _cleanup_free_
        char *out = read_all(convert_input(convert), pieces[i]);

        ck_assert_str_eq(out, c->out);
    }
}
END_TEST

static void check_lines(const char *text)
{
    ContentForm form = {0};

    form_add(&form, text, strlen(text));
    form_finish(&form);
    ck_assert(!form.has_long_lines);
}

START_TEST(long_lines_are_broken)
{
    static const char *const texts[] = {"A: b\n\n@\n", "A: b\n\n@@@@\n@",
        "A: b\nContent-Type: application/x\n\n@\n@\n",
        "A: b\nContent-Transfer-Encoding: base64\n\n@\n",
        "A: b\nContent-Transfer-Encoding: quoted-printable\n\n@=3D@\n",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n@\n",
        "Content-Type: message/rfc822\n\nA: \xc3\xbc\n\n@\n"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_(convert_free_p) Convert *convert = NULL;
        _cleanup_failure_ Failure f = {0};
        _cleanup_free_
        char *in = expand(texts[i]), *out = NULL;
        InputMemory source;

        input_memory_init(&source, in, strlen(in));
        ck_assert_msg(convert_new(&source.base, true, &convert, &f) == 0, "%s", failure_text(&f));
        out = read_all(convert_input(convert), 4096);
        check_lines(out);
    }
}
END_TEST

/* Memory that counts how it is read. */
typedef struct Counted {
    InputMemory memory;
    unsigned reads;
    uint64_t bytes;
} Counted;

static ssize_t read_counted(Input *input, void *to, size_t n, uint64_t at)
{
    Counted *counted = (Counted *)input;
    size_t rest = at < counted->memory.n ? counted->memory.n - at : 0;

    n = MIN(n, rest);
    memcpy(to, counted->memory.data + at, n);
    counted->reads++;
    counted->bytes += n;
    return (ssize_t)n;
}

/* Measuring it and reading it are two passes, each of which looks ahead as well. */
START_TEST(neither_lines_nor_parts_are_read_one_by_one)
{
    static const InputOps ops = {read_counted};
    static const char *const texts[][2] = {{"A: b\n\nä\n", "x\n"},
        {"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n", "--b\n\nä\n"}};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_(convert_free_p) Convert *convert = NULL;
        _cleanup_free_
        char *out = NULL;
        _cleanup_buffer_ Buffer text = {0};
        Counted source = {0};

        ck_assert_int_eq(buffer_append_string(&text, texts[i][0]), 0);
        for (unsigned n = 0; n < 10000; n++)
            if (buffer_append_string(&text, texts[i][1]) < 0)
                ck_abort();
        input_memory_init(&source.memory, buffer_data(&text), buffer_size(&text));
        source.memory.base.ops = &ops;
        ck_assert_int_eq(convert_new(&source.memory.base, false, &convert, NULL), 0);
        out = read_all(convert_input(convert), 4096);
        ck_assert_uint_le(source.bytes, 6 * buffer_size(&text));
        ck_assert_uint_le(source.reads, 6 * (10 + buffer_size(&text) / 4096));
    }
}
END_TEST

/* Who asks for a piece does not wait until a long part has been looked at once more. */
START_TEST(a_long_part_is_looked_at_once)
{
    static const InputOps ops = {read_counted};
    static const char *const heads[] = {"A: b\n\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n"
        "Content-Type: message/rfc822\n\nA: \xff\n\n"};

    for (size_t i = 0; i < ELEMENTSOF(heads); i++) {
        _cleanup_(convert_free_p) Convert *convert = NULL;
        _cleanup_buffer_ Buffer text = {0};
        char piece[4096];
        Counted source = {0};

        ck_assert_int_eq(buffer_append_string(&text, heads[i]), 0);
        for (unsigned n = 0; n < 300000; n++)
            if (buffer_append_string(&text, "\xffyz") < 0)
                ck_abort();
        input_memory_init(&source.memory, buffer_data(&text), buffer_size(&text));
        source.memory.base.ops = &ops;
        ck_assert_int_eq(convert_new(&source.memory.base, false, &convert, NULL), 0);
        ck_assert_uint_gt(source.bytes, buffer_size(&text));
        source.bytes = 0;
        ck_assert_int_eq(
            input_read_at(convert_input(convert), piece, sizeof(piece), 0), sizeof(piece));
        ck_assert_uint_le(source.bytes, 64 * 1024);
    }
}
END_TEST

START_TEST(the_size_is_that_on_the_wire)
{
    static const struct {
        const char *text;
        uint64_t size;
    } sizes[] = {{"", 0}, {"a\n", 3}, {"a\r\n", 3}, {"a\rb", 6}, {"\n\n", 4}, {"a", 3},
        {".\n..\n", 7}, {"\r\r\n", 4}};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        for (size_t cut = 0; cut <= strlen(sizes[i].text); cut++) {
            ContentForm form = {0};

            form_add(&form, sizes[i].text, cut);
            form_add(&form, sizes[i].text + cut, strlen(sizes[i].text) - cut);
            form_finish(&form);
            ck_assert_uint_eq(form.size, sizes[i].size);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_convert");
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, parts_are_encoded_that_need_it, 0, (int)ELEMENTSOF(cases));
    tcase_add_test(tests, long_lines_are_broken);
    tcase_add_test(tests, neither_lines_nor_parts_are_read_one_by_one);
    tcase_add_test(tests, a_long_part_is_looked_at_once);
    tcase_add_test(tests, the_size_is_that_on_the_wire);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
