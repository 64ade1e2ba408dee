/* base: buffers, clocks, text, errors, failures, secrets, files, macros. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/failure.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/outcome.h"
#include "base/secret.h"
#include "base/text.h"
#include "unit.h"

START_TEST(buffer_keeps_content_across_consume_and_growth)
{
    _cleanup_buffer_ Buffer b = {0};
    size_t total = 0, seen = 0;

    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(buffer_appendf(&b, "%05d", i), 0);
        total += 5;
        if (i % 3 == 0) {
            char text[6];

            snprintf(text, sizeof(text), "%05d", (int)(seen / 5));
            ck_assert_mem_eq(buffer_data(&b), text, 5);
            buffer_consume(&b, 5);
            seen += 5;
        }
    }
    ck_assert_uint_eq(buffer_size(&b), total - seen);
    buffer_consume(&b, SIZE_MAX);
    ck_assert_uint_eq(buffer_size(&b), 0);
    buffer_shrink(&b, 16);
    ck_assert_uint_eq(b.allocated, 0);
    ck_assert_ptr_null(buffer_reserve(&b, SIZE_MAX / 2));
}
END_TEST

START_TEST(times_are_formatted_and_read_back)
{
    char text[RFC3339_MAX], date[RFC5322_DATE_MAX];
    usec_t back;

    clock_format_rfc3339(1767323045678901u, text);
    ck_assert_str_eq(text, "2026-01-02T03:04:05.678901Z");
    ck_assert_int_eq(clock_parse_rfc3339(text, &back), 0);
    ck_assert_uint_eq(back, 1767323045678901u);
    ck_assert_int_eq(clock_parse_rfc3339("2026-01-02T03:04:05.5Z", &back), 0);
    ck_assert_uint_eq(back % USEC_PER_SEC, 500000);
    ck_assert_int_eq(clock_parse_rfc3339("2026-01-02T03:04:05+01:00", &back), -EINVAL);
    ck_assert_int_eq(clock_parse_rfc3339("yesterday", &back), -EINVAL);
    ck_assert_int_eq(clock_parse_rfc3339("2027-02-30T03:04:05Z", &back), -EINVAL);
    ck_assert_int_eq(clock_parse_rfc3339("2027-02-29T03:04:05Z", &back), -EINVAL);
    ck_assert_int_eq(clock_parse_rfc3339("2027-04-31T03:04:05Z", &back), -EINVAL);
    ck_assert_int_eq(clock_parse_rfc3339("2028-02-29T23:59:60Z", &back), 0);
    setenv("TZ", "XYZ-1:30", 1);
    tzset();
    ck_assert_str_eq(
        clock_format_rfc5322(1767323045678901u, date), "Fri, 02 Jan 2026 04:34:05 +0130");
    ck_assert_uint_eq(usec_add(5, 6), 11);
    ck_assert_uint_eq(usec_add(USEC_NEVER - 2, 6), USEC_NEVER);
}
END_TEST

START_TEST(no_age_is_told_by_a_time_that_cannot_be_right)
{
    usec_t now = 1767323045678901u; /* 2026-01-02T03:04:05.678901Z */

    ck_assert_uint_eq(clock_age(now - 7, now), 7);
    ck_assert_uint_eq(clock_age(now, now), 0);
    ck_assert_uint_eq(clock_age(now + 1, now), 0);
    ck_assert_uint_eq(clock_age(0, now), 0);
    ck_assert_uint_eq(clock_age(now - 2 * USEC_PER_DAY, now), 0);
    ck_assert_uint_eq(clock_age(now, USEC_PER_DAY), 0);
}
END_TEST

START_TEST(durations_and_sizes)
{
    uint64_t v;

    ck_assert_int_eq(text_parse_duration("90s", &v), 0);
    ck_assert_uint_eq(v, 90 * USEC_PER_SEC);
    ck_assert_int_eq(text_parse_duration("1.5h", &v), 0);
    ck_assert_uint_eq(v, 90 * USEC_PER_MINUTE);
    ck_assert_int_eq(text_parse_duration("7", &v), 0);
    ck_assert_uint_eq(v, 7 * USEC_PER_SEC);
    ck_assert_int_eq(text_parse_duration("5 days", &v), -EINVAL);
    ck_assert_int_eq(text_parse_duration("-1s", &v), -EINVAL);
    ck_assert_int_eq(text_parse_duration("", &v), -EINVAL);
    ck_assert_int_eq(text_parse_duration("99999999999999999999d", &v), -ERANGE);
    ck_assert_int_eq(text_parse_size("64k", &v), 0);
    ck_assert_uint_eq(v, 65536);
    ck_assert_int_eq(text_parse_size("10MB", &v), -EINVAL);
    for (usec_t t = 1; t < 100 * USEC_PER_DAY; t = t * 7 + 13) {
        _cleanup_free_
        char *text = text_format_duration(t);

        ck_assert_int_eq(text_parse_duration(text, &v), 0);
        ck_assert_uint_eq(v, t);
    }
}
END_TEST

START_TEST(text_is_compared_and_shown_without_a_locale)
{
    _cleanup_free_
    char *shown = NULL, *cut = NULL, *whole = NULL;

    ck_assert(text_equal_nocase("MailServer", "mailserver"));
    ck_assert(!text_equal_nocase("a", "ab"));
    ck_assert(text_starts_nocase("STARTTLS x", "starttls"));
    ck_assert(text_ends("a.queued", ".queued"));
    ck_assert(text_is_utf8("gr\xc3\xbc\xc3\x9f", 6));
    ck_assert(!text_is_utf8("\xed\xa0\x80", 3));
    ck_assert(!text_is_utf8("\xc0\xaf", 2));
    ck_assert_uint_eq(text_distance("tls_verfy", "tls_verify"), 1);
    ck_assert_uint_eq(text_distance("prot", "port"), 1);
    shown = text_printable("a\r\n\x1b[0m\xff\xc3\xbc\xc2\x9b", 12, 100);
    ck_assert_str_eq(shown, "a\\x0d\\x0a\\x1b[0m\\xff\xc3\xbc\\xc2\\x9b");
    cut = text_printable("abcdefgh", 8, 5);
    ck_assert_str_eq(cut, "abcde...");
    whole = text_printable("\xff\xfe", 2, SIZE_MAX);
    ck_assert_str_eq(whole, "\\xff\\xfe");
}
END_TEST

START_TEST(errors_have_rows)
{
    ck_assert_str_eq(error_row(ERROR_TIMEOUT)->symbol, "ERROR_TIMEOUT");
    ck_assert_int_eq(error_status(ERROR_CONFIGURATION), EX_CONFIG);
    ck_assert_int_eq(error_status(0), EX_OK);
    ck_assert_int_eq(error_from_errno(-ECONNREFUSED), 10061);
    ck_assert_int_eq(error_from_errno(ENOENT), ERROR_FILE);
    ck_assert_int_eq(error_row(424242)->number, ERROR_COMMUNICATION);
    for (int s = 0; s < STAGE_MAX; s++)
        ck_assert_str_ne(delivery_stage_name((DeliveryStage)s), "unknown");
    for (int k = 0; k < DELIVERY_KIND_MAX; k++)
        ck_assert_str_ne(delivery_kind_name((DeliveryKind)k), "unknown");
}
END_TEST

START_TEST(controls_are_told)
{
    for (int c = 1; c < 256; c++)
        ck_assert_int_eq(text_has_control((char[]){'a', (char)c, 'b', '\0'}), c < ' ' || c == 0x7f);
    ck_assert(!text_has_control(""));
}
END_TEST

START_TEST(failures_may_quote_their_former_text)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(failure_set_errno(&f, -ENOENT, "%s", "a.conf"), -ENOENT);
    ck_assert_str_eq(f.text, "a.conf: No such file or directory");
    ck_assert_int_eq(f.number, ERROR_FILE);
    failure_set(&f, -EBADMSG, ERROR_CONFIGURATION, "bad: %s", f.text);
    ck_assert_str_eq(f.text, "bad: a.conf: No such file or directory");
    ck_assert_int_eq(failure_set(NULL, -EBADMSG, 1, "x"), -EBADMSG);
}
END_TEST

START_TEST(secrets_are_counted)
{
    Secret *s = secret_new("hunter2", 7), *again = secret_ref(s);

    ck_assert_str_eq(secret_text(s), "hunter2");
    ck_assert_uint_eq(secret_size(s), 7);
    ck_assert_ptr_null(secret_unref(s));
    ck_assert_str_eq(secret_text(again), "hunter2");
    ck_assert_ptr_null(secret_unref(again));
    ck_assert_ptr_null(secret_unref(NULL));
}
END_TEST

START_TEST(files_are_loaded_within_a_limit)
{
    _cleanup_buffer_ Buffer b = {0};
    char path[] = "/tmp/outbox-test-XXXXXX", name[9];
    _cleanup_close_ int fd = mkstemp(path);

    ck_assert_int_eq(file_write_all(fd, "hello", 5), 0);
    ck_assert_int_eq(file_sync(fd), 0);
    ck_assert_int_eq(file_load(AT_FDCWD, path, 100, &b), 0);
    ck_assert_uint_eq(buffer_size(&b), 5);
    ck_assert_int_eq(file_load(AT_FDCWD, path, 3, &b), -EFBIG);
    unlink(path);
    ck_assert_int_eq(file_load(AT_FDCWD, path, 3, &b), -ENOENT);
    file_random_name(name, 8);
    ck_assert_uint_eq(strspn(name, "0123456789abcdefghijklmnopqrstuv"), 8);
}
END_TEST

/* What a setting names is never waited for: neither for who writes to a pipe, nor for the end of a
 * device. The shell's <(...) is a pipe that has no name, and comes to an end. */
START_TEST(files_that_are_none_are_not_opened)
{
    char path[] = "/tmp/outbox-test-XXXXXX";
    _cleanup_buffer_ Buffer b = {0};
    int ends[2], fd = mkstemp(path);

    close(fd);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(file_open(AT_FDCWD, path, FILE_NO_PIPE), -ENXIO);
    ck_assert_int_eq(file_open(AT_FDCWD, path, FILE_SHELL_PIPE), -ENXIO);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(file_open(AT_FDCWD, "/dev/zero", FILE_ANY_PIPE), -ENXIO);
    ck_assert_int_eq(file_open(AT_FDCWD, "/tmp", FILE_ANY_PIPE), -EISDIR);
    ck_assert_int_eq(file_load(AT_FDCWD, "/dev/null", 100, &b), 0);
    ck_assert_uint_eq(buffer_size(&b), 0);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(file_write_all(ends[1], "hello", 5), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    ck_assert_int_eq(file_open(AT_FDCWD, path, FILE_NO_PIPE), -ENXIO);
    close(ends[1]);
    ck_assert_int_eq(file_load(AT_FDCWD, path, 100, &b), 0);
    ck_assert_uint_eq(buffer_size(&b), 5);
    close(ends[0]);
    ck_assert_ptr_nonnull(strstr(file_trouble(-ENXIO), "a pipe, a device"));
    ck_assert_str_eq(file_trouble(-ENOENT), "No such file or directory");
}
END_TEST

static int n_given;

static int give(int value)
{
    n_given++;
    return value;
}

START_TEST(scratch_files_are_in_memory_only_where_that_is_meant)
{
    int fd;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "skipped: needs root to mount a file system\n");
        return;
    }
    fd = file_scratch_on_disk();
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    (void)setenv("TMPDIR", "/nonexistent", 1);
    ck_assert_int_eq(mount("tmpfs", "/tmp", "tmpfs", MS_RDONLY, NULL), 0);
    ck_assert_int_eq(mount("tmpfs", "/var/tmp", "tmpfs", MS_RDONLY, NULL), 0);
    ck_assert_int_eq(file_scratch_on_disk(), -EROFS);
    fd = file_scratch();
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}
END_TEST

START_TEST(the_lesser_and_the_greater_are_of_values_asked_for_once)
{
    size_t at = 0;
    char text[16] = "";

    n_given = 0;
    ck_assert_int_eq(MIN(give(2), give(3)), 2);
    ck_assert_int_eq(MIN(give(3), give(2)), 2);
    ck_assert_int_eq(MAX(give(2), give(3)), 3);
    ck_assert_int_eq(MAX(give(3), give(2)), 3);
    ck_assert_int_eq(n_given, 8);
    ck_assert_int_eq(MAX(MIN(give(5), give(4)), MIN(give(1), MAX(give(7), give(6)))), 4);
    ck_assert_int_eq(n_given, 13);
    ck_assert_uint_eq(MAX(at++, (size_t)0), 0);
    ck_assert_uint_eq(at, 1);
    ck_assert_uint_eq(MIN(sizeof(text), (size_t)UINT32_MAX), 16);
    ck_assert(MIN(INT64_MIN, (int64_t)0) == INT64_MIN);
    ck_assert(MAX(UINT64_MAX, (uint64_t)1) == UINT64_MAX);
    ck_assert(MAX(0.5, 0.25) == 0.5);
    ck_assert_ptr_eq(MIN(text + 3, text + 2), text + 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *t = tcase_create("base");

    tcase_add_test(t, buffer_keeps_content_across_consume_and_growth);
    tcase_add_test(t, times_are_formatted_and_read_back);
    tcase_add_test(t, no_age_is_told_by_a_time_that_cannot_be_right);
    tcase_add_test(t, durations_and_sizes);
    tcase_add_test(t, text_is_compared_and_shown_without_a_locale);
    tcase_add_test(t, errors_have_rows);
    tcase_add_test(t, controls_are_told);
    tcase_add_test(t, failures_may_quote_their_former_text);
    tcase_add_test(t, secrets_are_counted);
    tcase_add_test(t, files_are_loaded_within_a_limit);
    tcase_add_test(t, files_that_are_none_are_not_opened);
    tcase_add_test(t, scratch_files_are_in_memory_only_where_that_is_meant);
    tcase_add_test(t, the_lesser_and_the_greater_are_of_values_asked_for_once);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
