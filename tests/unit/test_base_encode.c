/* base/encode: base64 and quoted-printable. */
#include <string.h>

#include "base/encode.h"
#include "unit.h"

static const char *ended(Buffer *out)
{
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
    return buffer_data(out);
}

START_TEST(base64_of_the_standard)
{
    static const char *const values[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"}}; /* RFC 4648, 10 */

    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        _cleanup_buffer_ Buffer out = {0};

        ck_assert_int_eq(encode_base64(values[i][0], strlen(values[i][0]), &out), 0);
        ck_assert_uint_eq(buffer_size(&out), encode_base64_size(strlen(values[i][0])));
        ck_assert_str_eq(ended(&out), values[i][1]);
    }
}
END_TEST

START_TEST(base64_in_lines)
{
    _cleanup_buffer_ Buffer out = {0}, none = {0};
    char zeros[58] = {0};
    const char *text;

    ck_assert_int_eq(encode_base64_lines(zeros, sizeof(zeros), &out), 0);
    text = ended(&out);
    ck_assert_uint_eq(strcspn(text, "\n"), 76);
    ck_assert_str_eq(text + 76, "\nAA==\n");
    ck_assert_int_eq(encode_base64_lines("", 0, &none), 0);
    ck_assert_uint_eq(buffer_size(&none), 0);
}
END_TEST

static void check_quoted(const char *text, const char *expected)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(encode_quoted_printable(text, strlen(text), &out), 0);
    ck_assert_str_eq(ended(&out), expected);
}

START_TEST(quoted_printable)
{
    check_quoted("", "");
    check_quoted("plain text\n", "plain text\n");
    check_quoted("a=b\tc\n", "a=3Db\tc\n");
    check_quoted("gr\xc3\xbc\xc3\x9f", "gr=C3=BC=C3=9F\n");
    check_quoted("at the end \nof lines\t\n ", "at the end=20\nof lines=09\n=20\n");
    check_quoted("a\rb\x7f\x01", "a=0Db=7F=01\n");
}
END_TEST

/* At every length around the limit, with a character that takes three places at the end. */
START_TEST(quoted_printable_lines)
{
    for (size_t n = 70; n < 240; n++) {
        _cleanup_buffer_ Buffer out = {0};
        char text[256];
        size_t plain = 0, all = 0;
        const char *line;

        memset(text, 'x', n);
        memcpy(text + n, "\xc3\xa4\nend", 7);
        ck_assert_int_eq(encode_quoted_printable(text, strlen(text), &out), 0);
        for (line = ended(&out); *line; line += all + (line[all] == '\n')) {
            all = strcspn(line, "\n");
            ck_assert_uint_le(all, 76);
            plain += all - (all > 0 && line[all - 1] == '=');
        }
        ck_assert_uint_eq(plain, n + strlen("=C3=A4end"));
    }
}
END_TEST

/* However a text is cut into pieces, and wherever they end, the same comes of it. */
START_TEST(pieces_of_lines)
{
    static const char text[] = "a = \xc3\xa4 \t plain text that is long enough to be on two lines, "
                               "with blanks  \t between, and one at its end ";
    const size_t n = sizeof(text) - 1;
    _cleanup_buffer_ Buffer quoted = {0}, base64 = {0};

    ck_assert_int_eq(encode_quoted_printable(text, n, &quoted), 0);
    ck_assert_int_eq(encode_base64_lines(text, n, &base64), 0);
    for (size_t first = 0; first <= n; first++)
        for (size_t second = first; second <= n; second++) {
            QuotedLines q = {.line_end = "\n"};
            Base64Lines b = {.line_end = "\n"};
            _cleanup_buffer_ Buffer out = {0};

            ck_assert_int_eq(quoted_lines_add(&q, text, first, false, &out), 0);
            ck_assert_int_eq(quoted_lines_add(&q, text + first, second - first, false, &out), 0);
            ck_assert_int_eq(quoted_lines_add(&q, text + second, n - second, first % 2, &out), 0);
            ck_assert_int_eq(quoted_lines_finish(&q, &out), 0);
            ck_assert_uint_eq(buffer_size(&out), buffer_size(&quoted));
            ck_assert_mem_eq(buffer_data(&out), buffer_data(&quoted), buffer_size(&quoted));
            buffer_clear(&out);
            ck_assert_int_eq(base64_lines_add(&b, text, first, &out), 0);
            ck_assert_int_eq(base64_lines_add(&b, text + first, second - first, &out), 0);
            ck_assert_int_eq(base64_lines_add(&b, text + second, n - second, &out), 0);
            ck_assert_int_eq(base64_lines_finish(&b, &out), 0);
            ck_assert_uint_eq(buffer_size(&out), buffer_size(&base64));
            ck_assert_mem_eq(buffer_data(&out), buffer_data(&base64), buffer_size(&base64));
        }
}
END_TEST

START_TEST(setting)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"; b = \"c", "\"a\\\"; b = \\\"c\""},
        {"\\", "\"\\\\\""},
        {"\n\x7f", "\"\\x0a\\x7f\""},
        {"gr\xc3\xb6\xc3\x9f"
         "er",
            "\"gr\xc3\xb6\xc3\x9f"
            "er\""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_buffer_ Buffer out = {0};

        ck_assert_int_eq(encode_setting(cases[i].text, &out), 0);
        ck_assert_uint_eq(buffer_size(&out), strlen(cases[i].quoted));
        ck_assert_mem_eq(buffer_data(&out), cases[i].quoted, buffer_size(&out));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base/encode");
    TCase *tcase = tcase_create("encode");

    tcase_add_test(tcase, base64_of_the_standard);
    tcase_add_test(tcase, base64_in_lines);
    tcase_add_test(tcase, quoted_printable);
    tcase_add_test(tcase, quoted_printable_lines);
    tcase_add_test(tcase, pieces_of_lines);
    tcase_add_test(tcase, setting);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
