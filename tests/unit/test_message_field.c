/* message: the gate of a composed header, and what is written through it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "message/date.h"
#include "message/field_syntax.h"
#include "message/field_text.h"
#include "unit.h"

typedef void (*Put)(FieldWriter *w, const char *text, size_t n);

static char *write_field(Put put, const char *name, const char *text)
{
    _cleanup_buffer_ Buffer out = {0};
    FieldWriter w;

    field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, name, strlen(name));
    put(&w, text, strlen(text));
    ck_assert_int_eq(field_end(&w, "test", NULL), 0);
    return strndup(buffer_data(&out), buffer_size(&out));
}

static void check(Put put, const char *text, const char *expected)
{
    char *written = write_field(put, "X", text);

    ck_assert_str_eq(written, expected);
    free(written);
}

/* ---- the gate ---- */

static void check_refused(FieldWriter *w, const char *why)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(field_end(w, "part", &f), -EBADMSG);
    ck_assert_int_eq(f.number, ERROR_MESSAGE);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_ptr_eq(strstr(failure_text(&f), "part: "), failure_text(&f));
}

START_TEST(no_piece_ends_the_line)
{
    for (int c = 1; c < 256; c++) {
        _cleanup_buffer_ Buffer out = {0};
        const char piece[] = {'a', (char)c, 'b', '\0'};
        FieldWriter w;

        field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, "X", 1);
        field_put_word(&w, piece);
        if ((c >= ' ' && c < 0x7f) || c == '\t')
            ck_assert_int_eq(field_end(&w, "part", NULL), 0);
        else
            check_refused(&w, c < 0x80 ? "control" : "ASCII");
    }
}
END_TEST

START_TEST(no_name_ends_the_line)
{
    static const char *const names[] = {"", "a b", "a:", "a\nb", "\xc3\xa4", "a\x7f"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        _cleanup_buffer_ Buffer out = {0};
        FieldWriter w;

        field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, names[i], strlen(names[i]));
        check_refused(&w, "name");
    }
}
END_TEST

START_TEST(no_line_is_too_long)
{
    for (size_t n = 990; n < 1010; n++) {
        _cleanup_buffer_ Buffer out = {0};
        char piece[1011];
        FieldWriter w;

        memset(piece, 'x', n);
        field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, "X", 1);
        field_put(&w, " ", 1, piece, n);
        if (n + 1 > FIELD_LINE_MAX)
            check_refused(&w, "998");
        else
            ck_assert_int_eq(field_end(&w, "part", NULL), 0);
    }
}
END_TEST

/* ---- texts ---- */

START_TEST(texts_stay_as_they_are_when_they_can)
{
    check(field_put_text, "", "X:\n");
    check(field_put_text, "  a  b ", "X: a  b\n");
    check(field_put_text, "a =?utf-8?q?b?= c", "X: a =?utf-8?q?b?= c\n");
}
END_TEST

START_TEST(texts_are_encoded_where_they_must)
{
    check(field_put_text, "größer", "X: =?UTF-8?Q?gr=C3=B6=C3=9Fer?=\n");
    check(field_put_text, "a größer b", "X: a =?UTF-8?Q?gr=C3=B6=C3=9Fer?= b\n");
    check(field_put_text, "größer  größer b",
        "X: =?UTF-8?Q?gr=C3=B6=C3=9Fer__gr=C3=B6=C3=9Fer?= b\n");
    check(field_put_text, "a  größer   b  ü",
        "X: a =?UTF-8?Q?_gr=C3=B6=C3=9Fer?=   b =?UTF-8?B?IMO8?=\n");
    check(field_put_text, "例例", "X: =?UTF-8?B?5L6L5L6L?=\n");
}
END_TEST

/* What only holds an encoded word is text, and readers must not take a part of it for one. */
START_TEST(texts_come_back_as_they_were)
{
    check(field_put_text, "\"=?utf-8?q?b?=\"", "X: =?UTF-8?B?Ij0/dXRmLTg/cT9iPz0i?=\n");
    check(field_put_text, "x =?utf-8?q?b c?=", "X: x =?UTF-8?Q?=3D=3Futf-8=3Fq=3Fb?= c?=\n");
    check(field_put_text, "=?a?x?b?= =?a?q?b?c?=", "X: =?UTF-8?B?PT9hP3g/Yj89ID0/YT9xP2I/Yz89?=\n");
    check(field_put_text, "=?=", "X: =?UTF-8?B?PT89?=\n");
    check(field_put_text, "a=?b?q?c?=", "X: =?UTF-8?Q?a=3D=3Fb=3Fq=3Fc=3F=3D?=\n");
    check(field_put_text, "=?a?q?b?= ö", "X: =?a?q?b?= =?UTF-8?B?IMO2?=\n");
    check(field_put_text, "ö  =?a?q?b?= c", "X: =?UTF-8?Q?=C3=B6__?= =?a?q?b?= c\n");
    check(field_put_phrase, "=?a?q?b?= =?a?b?Yg==?=", "X: =?a?q?b?= =?a?b?Yg==?=\n");
    check(field_put_phrase, "a \"=?a?q?b?=\"", "X: =?UTF-8?Q?a_=22=3D=3Fa=3Fq=3Fb=3F=3D=22?=\n");
    check(field_put_encoded, "=?a?q?b?=", "X: =?UTF-8?B?PT9hP3E/Yj89?=\n");
}
END_TEST

/* Lines of a field are short, and its encoded words, too. */
static void check_lines(const char *field)
{
    for (const char *line = field; *line;) {
        size_t n = strcspn(line, "\n");

        ck_assert_msg(n <= FIELD_LINE_WIDTH, "%.*s", (int)n, line);
        for (const char *word = strstr(line, "=?"); word && word < line + n;
             word = strstr(word, "=?")) {
            ck_assert_uint_le(strcspn(word, " \n>"), 75);
            word += strcspn(word, " \n");
        }
        line += n + 1;
    }
}

START_TEST(texts_of_any_length_are_folded)
{
    static const char *const characters[] = {"x", "ä", "例", "😀", "x ", "ä ", "=", "ä="};

    for (size_t i = 0; i < ELEMENTSOF(characters); i++)
        for (size_t n = 1; n < 300; n += 7) {
            char text[2000] = "", *field;

            for (size_t j = 0; j < n; j++)
                strcat(text, characters[i]);
            field = write_field(field_put_text, "Subject", text);
            check_lines(field);
            free(field);
            field = write_field(field_put_phrase, "Subject", text);
            check_lines(field);
            free(field);
        }
}
END_TEST

START_TEST(phrases)
{
    check(field_put_phrase, "John Public", "X: John Public\n");
    check(field_put_phrase, "John Q. Public", "X: \"John Q. Public\"\n");
    check(field_put_phrase, "a \"b\\", "X: \"a \\\"b\\\\\"\n");
    check(field_put_phrase, "a  b", "X: \"a  b\"\n");
    check(field_put_phrase, "Jörg, M.", "X: =?UTF-8?Q?J=C3=B6rg=2C_M=2E?=\n");
}
END_TEST

static void put_file_name(FieldWriter *w, const char *text, size_t n _unused_)
{
    field_put_word(w, "attachment");
    field_put_parameter(w, "filename", text);
}

START_TEST(parameters)
{
    check(put_file_name, "a.txt", "X: attachment; filename=a.txt\n");
    check(put_file_name, "a b.txt", "X: attachment; filename=\"a b.txt\"\n");
    check(put_file_name, "a\"\\.txt", "X: attachment; filename=\"a\\\"\\\\.txt\"\n");
    check(put_file_name, "", "X: attachment; filename=\"\"\n");
    check(put_file_name, "=?a?q?b?=",
        "X: attachment; filename*=utf-8''%3D%3Fa%3Fq%3Fb%3F%3D; filename=\"_?a?q?b?=\"\n");
    check(put_file_name, "J\xc3\xb6rg.txt",
        "X: attachment; filename*=utf-8''J%C3%B6rg.txt; filename=J_rg.txt\n");
}
END_TEST

START_TEST(long_parameters)
{
    char name[601] = "", *field;

    for (size_t i = 0; i < 200; i++)
        strcat(name, "例");
    field = write_field(put_file_name, "Content-Disposition", name);
    for (const char *line = field; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 100); /* a section has no blank */
    ck_assert_ptr_nonnull(strstr(field, "\n filename*0*=utf-8''%E4%BE%8B"));
    ck_assert_ptr_nonnull(strstr(field, ";\n filename*29*=%E4%BE%8B"));
    free(field);
}
END_TEST

START_TEST(a_long_name_of_a_parameter_is_refused)
{
    static const char *const values[] = {"plain", "J\xc3\xb6rg"};
    char name[3000];

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        _cleanup_buffer_ Buffer out = {0};
        FieldWriter w;

        field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, "X", 1);
        field_put_parameter(&w, name, values[i]);
        check_refused(&w, "longer than a line may be");
    }
}
END_TEST

/* ---- syntax ---- */

static const struct DateCase {
    const char *text, *why; /* NULL: it is a date */
    const char *written;    /* NULL: as it is */
} date_cases[] = {
    {"Thu, 1 Jan 2026 00:00:00 +0000", NULL},
    {"1 Jan 2026 23:59 -0800", NULL},
    {"Fri, 02 Jan 2026 11:04:05 GMT", NULL},
    {" fri ,02 jan 2026 11 : 04:60 +0530 (IST)", NULL},
    {"Thu, 29 Feb 2024 00:00 UT", NULL},
    {"Tue, 29 Feb 2000 00:00 PDT", NULL},
    {"", "no date"},
    {"x", "no date"},
    {"now", "no date"},
    {"Thu, 1 Jan 2026", "no date"},
    {"Xyz, 1 Jan 2026 00:00:00 +0000", "no date"},
    {"Thursday, 1 Jan 2026 00:00:00 +0000", "no date"},
    {"1 Foo 2026 00:00 +0000", "no date"},
    {"1 Jan 2026 00:00:00", "no date"},
    {"1 Jan 2026 00:00:00 +00", "no date"},
    {"1 Jan 2026 00:00:00 +01 30", "no date"},
    {"1 Jan 2026 00:00:00 +0160", "no date"},
    {"1 Jan 2026 00:00:00 CET", "no date"},
    {"1 Jan 2026 00:00:00 GMTX", "no date"},
    {"1 Jan 2026 +1:00 +0000", "no date"},
    {"1 Jan 2026 00:00:00 +0000 x", "no date"},
    {"1 Jan 26 00:00:00 +0000", "no date"},
    {"001 Jan 2026 00:00:00 +0000", "no date"},
    {"1 Jan 1899 00:00:00 +0000", "before 1900"},
    {"0 Jan 2026 00:00:00 +0000", "no day 0"},
    {"32 Jan 2026 00:00:00 +0000", "January 2026 has 31 days, and no day 32"},
    {"29 Feb 2025 00:00 +0000", "February 2025 has 28 days"},
    {"29 Feb 2100 00:00 +0000", "February 2100 has 28 days"},
    {"31 Apr 2026 00:00 +0000", "April 2026 has 30 days"},
    {"1 Jan 2026 24:00 +0000", "midnight is 00:00"},
    {"1 Jan 2026 23:60 +0000", "no such minute"},
    {"1 Jan 2026 23:59:61 +0000", "no such minute or second"},
    {"Fri, 1 Jan 2026 00:00 +0000", "1 January 2026 is a Thursday, and no Friday"},
    {"Sun, 1 Mar 2025 00:00 +0000", "is a Saturday"},
    {"2026-01-01T00:00:00Z", NULL, "Thu, 01 Jan 2026 00:00:00 +0000"},
    {"2026-12-31t23:59:60.123456+05:30", NULL, "Thu, 31 Dec 2026 23:59:60 +0530"},
    {"2024-02-29 08:05:04-08:00", NULL, "Thu, 29 Feb 2024 08:05:04 -0800"},
    {"2026-01-01T00:00:00,5-00:00", NULL, "Thu, 01 Jan 2026 00:00:00 -0000"},
    {"2025-02-29T00:00:00Z", "February 2025 has 28 days"},
    {"2026-13-01T00:00:00Z", "the day is written"},
    {"2026-00-01T00:00:00Z", "the day is written"},
    {"2026-01-01", "the day is written"},
    {"2026-1-1T00:00:00Z", "the day is written"},
    {"2026-01-01T", "the time is written"},
    {"2026-01-01T00:00:00", "of which zone"},
    {"2026-01-01T00:00:00+0100", "the zone is written"},
    {"2026-01-01T00:00:00+24:00", "the zone is written"},
    {"2026-01-01T00:00:00+01:60", "the zone is written"},
    {"2026-01-01T00:00:00+1", "the zone is written"},
    {"2026-01-01T00:00:00Zx", "behind the zone"},
    {"2026-01-01T00:00:00 +01:00", "blanks"},
    {"2026 -01-01T00:00:00Z", "no date"},
    {"2026-01- 01T00:00:00Z", "blanks"},
    {"2026-01-01T24:00:00Z", "midnight is 00:00"},
    {"1899-12-31T00:00:00Z", "before 1900"},
    {"1 Jan 26 00:00:00 +0000", "the year is four digits"},
    {"Thu 1 Jan 2026 00:00:00 +0000", "and a comma"},
    {"1 Mai 2026 00:00:00 +0000", "comes the month"},
    {"1 Jan 2026 0:00 +0000", "comes the time"},
    {"1 Jan 2026 00:00:00", "comes the zone"},
};

START_TEST(dates)
{
    for (size_t i = 0; i < ELEMENTSOF(date_cases); i++) {
        const struct DateCase *c = &date_cases[i];
        _cleanup_failure_ Failure f = {0};
        char room[RFC5322_DATE_MAX];
        const char *written;
        int r = date_write(c->text, room, &written, &f);

        ck_assert_msg(r == (c->why ? -EBADMSG : 0), "%s: %s", c->text, failure_text(&f));
        if (c->why)
            ck_assert_msg(strstr(failure_text(&f), c->why), "%s: %s", c->text, failure_text(&f));
        else
            ck_assert_str_eq(written, c->written ?: c->text);
    }
}
END_TEST

START_TEST(ids)
{
    static const char *const good[] = {"<a@b>", "<1.2=3/4@[10.0.0.1]>"};
    static const char *const bad[] = {"", "a@b", "<a>", "<a@b", "<@b>", "<a@>", "<a b@c>",
        "<a@b> <c@d>", "<a@b@c>", "<\xc3\xa4@b>", "<a@b\n>", "<a<b@c>"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        ck_assert_msg(field_is_id(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        ck_assert_msg(!field_is_id(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(rules)
{
    ck_assert_int_eq(field_rule("subject", 7)->syntax, SYNTAX_TEXT);
    ck_assert(field_rule("SUBJECT", 7)->once);
    ck_assert_int_eq(field_rule("Reply-To", 8)->syntax, SYNTAX_ADDRESSES);
    ck_assert_int_eq(field_rule("list-unsubscribe", 16)->syntax, SYNTAX_ASCII);
    ck_assert_int_eq(field_rule("List-Id", 7)->syntax, SYNTAX_LIST_ID);
    ck_assert_int_eq(field_rule("Content-Description", 19)->syntax, SYNTAX_TEXT);
    ck_assert_int_eq(field_rule("Content-MD5", 11)->syntax, SYNTAX_ASCII);
    ck_assert(!field_rule("Comments", 8)->once);
    ck_assert_int_eq(field_rule("Return-Path", 11)->syntax, SYNTAX_REFUSED);
    ck_assert_int_eq(field_rule("X-Anything", 10)->syntax, SYNTAX_TEXT);
    ck_assert(!field_rule("Subjec", 6)->once);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/field");
    TCase *tcase = tcase_create("field");

    tcase_add_test(tcase, no_piece_ends_the_line);
    tcase_add_test(tcase, no_name_ends_the_line);
    tcase_add_test(tcase, no_line_is_too_long);
    tcase_add_test(tcase, texts_stay_as_they_are_when_they_can);
    tcase_add_test(tcase, texts_are_encoded_where_they_must);
    tcase_add_test(tcase, texts_come_back_as_they_were);
    tcase_add_test(tcase, texts_of_any_length_are_folded);
    tcase_add_test(tcase, phrases);
    tcase_add_test(tcase, parameters);
    tcase_add_test(tcase, long_parameters);
    tcase_add_test(tcase, a_long_name_of_a_parameter_is_refused);
    tcase_add_test(tcase, dates);
    tcase_add_test(tcase, ids);
    tcase_add_test(tcase, rules);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
