/* daemon: log entries and their way out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "daemon/log.h"
#include "daemon/messages.h"
#include "unit.h"

static const char *nth(const Entry *entry, size_t i)
{
    static char text[ENTRY_MEMORY_BYTES + 1];

    ck_assert_uint_lt(i, entry->n_fields);
    snprintf(text, sizeof(text), "%.*s", (int)entry->fields[i].iov_len,
        (const char *)entry->fields[i].iov_base);
    return text;
}

static Entry *entry_new(void)
{
    Entry *entry = malloc(sizeof(*entry));

    entry_start(entry, LOG_WARNING, MESSAGE_ID_REFUSED, "refused");
    return entry;
}

START_TEST(an_entry_starts_with_its_kind)
{
    _cleanup_free_
    Entry *entry = entry_new();

    ck_assert_uint_eq(entry->n_fields, 3);
    ck_assert_str_eq(nth(entry, 0), "PRIORITY=4");
    ck_assert_str_eq(nth(entry, 1), "MESSAGE_ID=" MESSAGE_ID_REFUSED);
    ck_assert_str_eq(nth(entry, 2), "OUTBOX_EVENT=refused");
}
END_TEST

START_TEST(values_from_outside_cannot_forge_anything)
{
    _cleanup_free_
    Entry *entry = entry_new();
    char *longer = malloc(5000);

    entry_field(entry, "OUTBOX_REPLY=", "no\nPRIORITY=0\x1b[2J\xff \xc3\xa4");
    ck_assert_str_eq(nth(entry, 3), "OUTBOX_REPLY=no\\x0aPRIORITY=0\\x1b[2J\\xff \xc3\xa4");
    memset(longer, 'x', 4999);
    longer[4999] = '\0';
    entry_field(entry, "OUTBOX_REPLY=", longer);
    ck_assert_uint_eq(strlen(nth(entry, 4)), strlen("OUTBOX_REPLY=...") + ENTRY_VALUE_MAX);
    free(longer);
    entry_field(entry, "OUTBOX_TLS=", NULL);
    entry_field(entry, "OUTBOX_TLS=", "");
    ck_assert_uint_eq(entry->n_fields, 5);
    entry_field_number(entry, "OUTBOX_BYTES=", UINT64_MAX);
    ck_assert_str_eq(nth(entry, 5), "OUTBOX_BYTES=18446744073709551615");
}
END_TEST

START_TEST(lines_stay_lines_and_leave_room)
{
    _cleanup_free_
    Entry *entry = entry_new();
    _cleanup_buffer_ Buffer many = {0};

    entry_open(entry, "MESSAGE=");
    entry_lines(entry, "one\ntwo\x07\n");
    entry_close(entry);
    ck_assert_str_eq(nth(entry, 3), "MESSAGE=one\ntwo\\x07");
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(buffer_appendf(&many, "FILE:%d: wrong; write right\n", i), 0);
    ck_assert_int_eq(buffer_append(&many, "", 1), 0);
    entry_open(entry, "MESSAGE=");
    entry_lines(entry, buffer_data(&many));
    entry_close(entry);
    entry_field_number(entry, "OUTBOX_ERROR=", 9002);
    ck_assert_str_eq(nth(entry, 5), "OUTBOX_ERROR=9002");
    ck_assert_uint_gt(strlen(nth(entry, 4)), 30000);
}
END_TEST

START_TEST(an_entry_never_leaves_its_memory)
{
    _cleanup_free_
    Entry *entry = entry_new();
    char value[ENTRY_VALUE_MAX + 1];

    memset(value, 'v', ENTRY_VALUE_MAX);
    value[ENTRY_VALUE_MAX] = '\0';
    for (int i = 0; i < 2 * ENTRY_FIELDS_MAX; i++)
        entry_field(entry, "OUTBOX_RECIPIENT=", value);
    ck_assert_uint_le(entry->n_fields, ENTRY_FIELDS_MAX);
    for (size_t i = 3; i < entry->n_fields; i++) /* whole or not at all */
        ck_assert_uint_eq(entry->fields[i].iov_len, strlen("OUTBOX_RECIPIENT=") + ENTRY_VALUE_MAX);
    entry_start(entry, LOG_INFO, MESSAGE_ID_DELIVERED, "delivered");
    for (int i = 0; i < 2 * ENTRY_FIELDS_MAX; i++)
        entry_field(entry, "OUTBOX_ID=", "x");
    ck_assert_uint_eq(entry->n_fields, ENTRY_FIELDS_MAX);
}
END_TEST

static void fill(Entry *entry)
{
    entry_field(entry, "MESSAGE=", "X: refused");
    entry_field(entry, "OUTBOX_ID=", "X");
    entry_field(entry, "OUTBOX_REPLY=", "say \"please\"");
    entry_field_number(entry, "OUTBOX_CODE=", 550);
}

START_TEST(standard_error_gets_one_line_an_entry)
{
    _cleanup_free_
    Entry *entry = entry_new();
    char line[4096], tiny[32];
    size_t n;

    fill(entry);
    n = log_stderr_format(entry, "2026-01-02T03:04:05.678901Z", line, sizeof(line));
    ck_assert_str_eq(line, "2026-01-02T03:04:05.678901Z warning X: refused event=refused id=X "
                           "reply=\"say \\\"please\\\"\" code=550\n");
    ck_assert_uint_eq(n, strlen(line));
    n = log_stderr_format(entry, "2026-01-02T03:04:05.678901Z", tiny, sizeof(tiny));
    ck_assert_uint_eq(n, sizeof(tiny) - 1);
    ck_assert_int_eq(tiny[n - 1], '\n');
}
END_TEST

START_TEST(further_lines_are_indented)
{
    _cleanup_free_
    Entry *entry = entry_new();
    char line[4096];

    entry_open(entry, "MESSAGE=");
    entry_lines(entry, "refused:\na:1: x\na:2: y");
    entry_close(entry);
    log_stderr_format(entry, "T", line, sizeof(line));
    ck_assert_str_eq(line, "T warning refused:\n    a:1: x\n    a:2: y event=refused\n");
}
END_TEST

START_TEST(standard_error_is_written_in_full)
{
    _cleanup_close_ int file = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    _cleanup_(log_free_p) Log *log = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};

    ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(log_new(LOG_TARGET_STDERR, &log, &f), 0);
    for (int i = 0; i < 2; i++) {
        entry_start(log_entry(log), LOG_INFO, MESSAGE_ID_STARTED, "started");
        fill(log_entry(log));
        log_write(log);
    }
    ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    lseek(file, 0, SEEK_SET);
    ck_assert_int_eq(file_read_all(file, 10000, &text), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    ck_assert_ptr_nonnull(strstr(buffer_data(&text), "Z info X: refused event=started id=X "));
    ck_assert_int_eq(buffer_data(&text)[buffer_size(&text) - 2], '\n');
}
END_TEST

/* Two targets that fail as long as they are told to. */
typedef struct Targets {
    int first_fails, second_fails, first, second;
    char last[256];
} Targets;

static int first_target(void *user, const Entry *entry)
{
    Targets *t = user;

    if (t->first_fails > 0)
        return t->first_fails--, -ENOBUFS;
    t->first++;
    snprintf(t->last, sizeof(t->last), "%s", nth(entry, 3));
    return 0;
}

static int second_target(void *user, const Entry *entry)
{
    Targets *t = user;

    if (t->second_fails > 0)
        return t->second_fails--, -EIO;
    t->second++;
    snprintf(t->last, sizeof(t->last), "%s", nth(entry, 3));
    return 0;
}

START_TEST(no_entry_is_lost_without_a_word)
{
    _cleanup_(log_free_p) Log *log = NULL;
    Targets t = {.first_fails = 4, .second_fails = 2};

    ck_assert_int_eq(log_new_sink(first_target, second_target, &t, &log), 0);
    for (int i = 0; i < 5; i++) {
        entry_start(log_entry(log), LOG_INFO, MESSAGE_ID_STARTED, "started");
        fill(log_entry(log));
        log_write(log);
    }
    /* Two were lost; the third went to the second target, and so did the word about the two. */
    ck_assert_int_eq(t.second, 2);
    ck_assert_int_eq(t.first, 2);
}
END_TEST

static void count_call(void *user)
{
    ++*(unsigned *)user;
}

START_TEST(what_was_lost_is_told_without_another_entry)
{
    _cleanup_(log_free_p) Log *log = NULL;
    Targets t = {.first_fails = 3, .second_fails = 3};
    unsigned behind = 0;

    ck_assert_int_eq(log_new_sink(first_target, second_target, &t, &log), 0);
    log_on_behind(log, count_call, &behind);
    ck_assert_int_eq(log_retry(log), 0);
    entry_start(log_entry(log), LOG_INFO, MESSAGE_ID_STARTED, "started");
    fill(log_entry(log));
    log_write(log);
    log_write(log);
    ck_assert_uint_eq(behind, 2);
    ck_assert_int_eq(log_retry(log), -EAGAIN);
    ck_assert_int_eq(log_retry(log), 0);
    ck_assert_str_eq(t.last, "MESSAGE=2 log entries before this could not be written");
    ck_assert_int_eq(t.first + t.second, 1);
    log_write(log);
    ck_assert_uint_eq(behind, 2);
}
END_TEST

START_TEST(targets_are_known_by_name)
{
    LogTarget target = LOG_TARGET_AUTO;

    ck_assert_int_eq(log_target_parse("stderr", &target), 0);
    ck_assert_int_eq(target, LOG_TARGET_STDERR);
    ck_assert_int_eq(log_target_parse("journal", &target), 0);
    ck_assert_int_eq(target, LOG_TARGET_JOURNAL);
    ck_assert_int_eq(log_target_parse("syslog", &target), -EINVAL);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/log");
    TCase *tc = tcase_create("log");

    tcase_add_test(tc, an_entry_starts_with_its_kind);
    tcase_add_test(tc, values_from_outside_cannot_forge_anything);
    tcase_add_test(tc, lines_stay_lines_and_leave_room);
    tcase_add_test(tc, an_entry_never_leaves_its_memory);
    tcase_add_test(tc, standard_error_gets_one_line_an_entry);
    tcase_add_test(tc, further_lines_are_indented);
    tcase_add_test(tc, standard_error_is_written_in_full);
    tcase_add_test(tc, no_entry_is_lost_without_a_word);
    tcase_add_test(tc, what_was_lost_is_told_without_another_entry);
    tcase_add_test(tc, targets_are_known_by_name);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
