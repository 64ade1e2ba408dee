/* message/fold: where a line of a header that is too long is folded. */
#include <errno.h>
#include <string.h>

#include "message/fold.h"
#include "message/form.h"
#include "unit.h"

/* A field of so many elements that it has to be folded once or more. */
static const struct Row {
    const char *start, *element, *end;
    size_t times;
    const char *between; /* a line ends in front of this, or (NULL) nowhere: it cannot be folded */
} rows[] = {
    {"Subject:", " words", "", 300, " words"},
    {"References:", "\t<0123456789@example.org>", "", 100, "\t<0123456789@example.org>"},
    {"References: <a@b>", "<0123456789@example.org>", "", 100, " <0123456789@example.org>"},
    {"In-Reply-To: ", "<0123456789@example.org>", "\n more", 100, " <0123456789@example.org>"},
    {"To: a@b", ",ann@example.org", "", 100, " ann@example.org"},
    {"Cc: a@b", ",Ann<ann@example.org>(x,y)", "", 100, " Ann<ann@example.org>(x,y)"},
    {"Reply-To: a@b", ";\"Lee,A\\\",\"<ann@example.org>", "", 100,
        " \"Lee,A\\\",\"<ann@example.org>"},
    {"List-Post: <mailto:a>", ",<mailto:ann@example.org?a,b>", "", 100,
        " <mailto:ann@example.org?a,b>"},
    {"Content-Type: text/plain", ";name=\"a,b;c\"", "", 100, " name=\"a,b;c\""},
    {"Subject: =?utf-8?Q?a?=", "=?utf-8?Q?0123456789?=", "", 100, " =?utf-8?Q?0123456789?="},
    {"To: =?utf-8?Q?a?=", "=?utf-8?Q?0123456789?=", " <a@b>", 100, " =?utf-8?Q?0123456789?="},
    /* where a blank would be seen, or a line have nothing else */
    {"Subject: a", "x", "", 1200, NULL},
    {"Subject: a", ",b", "", 600, NULL},
    {"X-Data: a", ";b", "", 600, NULL},
    {"Subject: a", " ", "b", 1200, NULL},
    {"To: \"", "a,", "\" <a@b>", 600, NULL},
    {"To: a@b (", "a,", ")", 600, NULL},
    {"From: <@a", ",@a", ":b@c>", 600, NULL},
    {"", "x", ": y", 1200, NULL},
};

static void append(Buffer *out, const char *text)
{
    ck_assert_int_eq(buffer_append_string(out, text), 0);
}

static void make(const struct Row *row, const char *line_end, Buffer *out)
{
    append(out, row->start);
    for (size_t i = 0; i < row->times; i++)
        append(out, row->element);
    append(out, row->end);
    append(out, line_end);
}

/* What is folded is what it was, but for line ends and, behind one, a blank. */
static void check_content(const Buffer *before, const Buffer *after, const char *between)
{
    const char *at = buffer_data(before), *end = at + buffer_size(before);
    const char *to = buffer_data(after);
    size_t folds = 0;

    for (; at < end; at++, to++) {
        if (*to != *at) {
            ck_assert_mem_eq(to, "\r\n", 2);
            to += 2;
            ck_assert_mem_eq(to, between, strlen(between));
            to += *to != *at;
            folds++;
        }
        ck_assert_int_eq(*to, *at);
    }
    ck_assert_uint_gt(folds, 0);
    ck_assert_ptr_eq(to, buffer_data(after) + buffer_size(after));
}

START_TEST(a_long_line_is_folded_where_nothing_is_changed)
{
    static const char *const line_ends[] = {"\n", "\r\n", ""};
    const struct Row *row = &rows[_i];

    for (size_t i = 0; i < ELEMENTSOF(line_ends); i++) {
        _cleanup_buffer_ Buffer field = {0}, folded = {0};
        _cleanup_failure_ Failure f = {0};
        ContentForm form = {0};
        int r;

        make(row, line_ends[i], &field);
        r = fold_field(buffer_data(&field), buffer_size(&field), &folded, &f);
        if (!row->between) {
            ck_assert_int_eq(r, -EBADMSG);
            ck_assert_ptr_nonnull(strstr(failure_text(&f), "998 bytes"));
            continue;
        }
        ck_assert_msg(r == 0, "%s: %s", row->start, failure_text(&f));
        form_add(&form, buffer_data(&folded), buffer_size(&folded));
        form_finish(&form);
        ck_assert(!form.has_long_lines);
        check_content(&field, &folded, row->between);
    }
}
END_TEST

/* A line may have 998 bytes without its end. */
START_TEST(a_line_that_fits_stays)
{
    for (size_t n = 996; n < 1001; n++) {
        _cleanup_buffer_ Buffer field = {0}, folded = {0};
        char *at = buffer_reserve(&field, n + 2);

        memset(at, 'x', n);
        at[1] = ':';
        memcpy(at + n, "\r\n", 2);
        buffer_commit(&field, n + 2);
        ck_assert_int_eq(fold_field(at, n + 2, &folded, NULL), n > 998 ? -EBADMSG : 0);
        if (n <= 998)
            ck_assert_mem_eq(buffer_data(&folded), at, n + 2);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_fold");
    TCase *t = tcase_create("message_fold");

    tcase_add_loop_test(
        t, a_long_line_is_folded_where_nothing_is_changed, 0, (int)ELEMENTSOF(rows));
    tcase_add_test(t, a_line_that_fits_stays);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
