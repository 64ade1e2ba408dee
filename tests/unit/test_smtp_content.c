/* smtp/content: line ends, dots, and the same bytes out for every way to cut the input. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "smtp/content.h"
#include "unit.h"

typedef struct Case {
    const char *raw, *data, *bdat;
} Case;

static const Case cases[] = {
    {"", ".\r\n", ""},
    {"a", "a\r\n.\r\n", "a\r\n"},
    {"a\n", "a\r\n.\r\n", "a\r\n"},
    {"a\r\n", "a\r\n.\r\n", "a\r\n"},
    {"a\r", "a\r\n.\r\n", "a\r\n"},
    {"a\rb", "a\r\nb\r\n.\r\n", "a\r\nb\r\n"},
    {"a\r\rb", "a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
    {"a\r\r\nb", "a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
    {"a\n\rb", "a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
    {"a\n\r\nb", "a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
    {"\n\n\n", "\r\n\r\n\r\n.\r\n", "\r\n\r\n\r\n"},
    {"\r\n\r\n", "\r\n\r\n.\r\n", "\r\n\r\n"},
    {"\r", "\r\n.\r\n", "\r\n"},
    {".", "..\r\n.\r\n", ".\r\n"},
    {".\n", "..\r\n.\r\n", ".\r\n"},
    {"..\n.", "...\r\n..\r\n.\r\n", "..\r\n.\r\n"},
    {"a.\n.b\n", "a.\r\n..b\r\n.\r\n", "a.\r\n.b\r\n"},
    /* what ends a message early at a server that takes a bare LF or CR for a line end */
    {"a\n.\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"a\r\n.\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"a\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"a\r.\rMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"a\r.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n"},
    {"Subject: x\r\n\r\nmixed\nends\r.\r\n\n.\xff\r\n",
        "Subject: x\r\n\r\nmixed\r\nends\r\n..\r\n\r\n..\xff\r\n.\r\n",
        "Subject: x\r\n\r\nmixed\r\nends\r\n.\r\n\r\n.\xff\r\n"},
};

static void check_output(const Buffer *out, const char *expected)
{
    ck_assert_uint_eq(buffer_size(out), strlen(expected));
    if (buffer_size(out) > 0)
        ck_assert_mem_eq(buffer_data(out), expected, buffer_size(out));
}

/* Encodes the raw bytes cut at `first` and `second`. */
static void encode_cut(const Case *c, bool stuff_dots, size_t first, size_t second)
{
    _cleanup_buffer_ Buffer out = {0};
    SmtpContent content;

    smtp_content_init(&content, stuff_dots);
    ck_assert_int_eq(smtp_content_encode(&content, c->raw, first, &out), 0);
    ck_assert_int_eq(smtp_content_encode(&content, c->raw + first, second - first, &out), 0);
    ck_assert_int_eq(
        smtp_content_encode(&content, c->raw + second, strlen(c->raw) - second, &out), 0);
    ck_assert_int_eq(smtp_content_finish(&content, &out), 0);
    check_output(&out, stuff_dots ? c->data : c->bdat);
}

START_TEST(every_cut_gives_the_same_bytes)
{
    size_t n = strlen(cases[_i].raw);

    for (size_t first = 0; first <= n; first++)
        for (size_t second = first; second <= n; second++) {
            encode_cut(&cases[_i], true, first, second);
            encode_cut(&cases[_i], false, first, second);
        }
}
END_TEST

START_TEST(single_bytes_give_the_same_bytes)
{
    const Case *c = &cases[_i];
    _cleanup_buffer_ Buffer out = {0};
    SmtpContent content;

    smtp_content_init(&content, true);
    for (size_t i = 0; i < strlen(c->raw); i++)
        ck_assert_int_eq(smtp_content_encode(&content, c->raw + i, 1, &out), 0);
    ck_assert_int_eq(smtp_content_finish(&content, &out), 0);
    check_output(&out, c->data);
}
END_TEST

START_TEST(the_worst_case_has_room)
{
    char raw[1000];
    _cleanup_buffer_ Buffer out = {0};
    SmtpContent content;

    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = i % 2 == 0 ? '.' : '\n';
    smtp_content_init(&content, true);
    ck_assert_int_eq(smtp_content_encode(&content, raw, sizeof(raw), &out), 0);
    ck_assert_uint_eq(buffer_size(&out), 2 * sizeof(raw));
    memset(raw, '\n', sizeof(raw));
    ck_assert_int_eq(smtp_content_encode(&content, raw, sizeof(raw), &out), 0);
    ck_assert_uint_eq(buffer_size(&out), 4 * sizeof(raw));
}
END_TEST

START_TEST(a_finished_content_is_as_new)
{
    _cleanup_buffer_ Buffer out = {0};
    SmtpContent content;

    smtp_content_init(&content, true);
    ck_assert_int_eq(smtp_content_encode(&content, "a\r", 2, &out), 0);
    ck_assert_int_eq(smtp_content_finish(&content, &out), 0);
    ck_assert_int_eq(smtp_content_encode(&content, "\n.", 2, &out), 0);
    check_output(&out, "a\r\n.\r\n\r\n..");
}
END_TEST

START_TEST(what_cannot_be_had_is_out_of_memory)
{
    _cleanup_buffer_ Buffer out = {0};
    SmtpContent content;

    smtp_content_init(&content, true);
    ck_assert_int_eq(smtp_content_encode(&content, "a", SIZE_MAX / 2 + 1, &out), -ENOMEM);
    ck_assert_int_eq(smtp_content_encode(&content, "a", SIZE_MAX / 4, &out), -ENOMEM);
    ck_assert_uint_eq(buffer_size(&out), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_content");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, every_cut_gives_the_same_bytes, 0, ELEMENTSOF(cases));
    tcase_add_loop_test(t, single_bytes_give_the_same_bytes, 0, ELEMENTSOF(cases));
    tcase_add_test(t, the_worst_case_has_room);
    tcase_add_test(t, a_finished_content_is_as_new);
    tcase_add_test(t, what_cannot_be_had_is_out_of_memory);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
