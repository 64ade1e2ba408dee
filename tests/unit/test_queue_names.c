/* queue/names: which names come up, and when. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "queue/names.h"
#include "spool.h"
#include "unit.h"

#define RETRY_MAX (2 * USEC_PER_DAY)

static Place place;
static Names names_;

static void setup(void)
{
    place_init(&place);
    names_ = (Names){0};
    ck_assert_int_eq(names_init(&names_, place.spool, RETRY_MAX), 0);
}

static void teardown(void)
{
    names_done(&names_);
    place_done(&place);
}

static void put_deferred(const char *id, usec_t due)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)(due / USEC_PER_SEC)}};
    char name[SPOOL_NAME_MAX];

    snprintf(name, sizeof(name), "%s.deferred", id);
    put(&place, name, "x");
    snprintf(name, sizeof(name), "%s.status", id);
    put(&place, name, "");
    ck_assert_int_eq(utimensat(place.fd, name, times, 0), 0);
}

/* Reads all there is; how many `.sending` files there were. */
static unsigned read_all(usec_t now)
{
    char id[SPOOL_NAME_MAX];
    unsigned n = 0;

    while (names_is_unread(&names_, now)) {
        int r = names_read(&names_, now, id, NULL);

        ck_assert_int_ge(r, 0);
        n += r > 0;
    }
    return n;
}

static unsigned pop_all(usec_t now, NameKind wanted)
{
    char id[SPOOL_NAME_MAX];
    unsigned n = 0;
    NameKind kind;

    while (names_take(&names_, now, id, &kind)) {
        ck_assert_int_eq(kind, wanted);
        n++;
    }
    return n;
}

START_TEST(a_pass_finds_what_there_is_and_ends)
{
    ck_assert(!names_is_unread(&names_, NOW));
    put(&place, "a.queued", "x");
    put(&place, "b.sending", "x");
    put(&place, "c.failed", "x");
    put_deferred("d", NOW + 10 * USEC_PER_SEC);
    names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 1);
    ck_assert_uint_eq(pop_all(NOW, NAME_UNSETTLED), 1);
    ck_assert_uint_eq(name_table_deferred(names_.tables.tables[0]), 1);
    ck_assert_uint_eq(names_next_due(&names_), NOW + 10 * USEC_PER_SEC);
    ck_assert_uint_eq(pop_all(NOW + 10 * USEC_PER_SEC, NAME_DEFERRED), 1);
    ck_assert_uint_eq(names_next_due(&names_), USEC_NEVER);
}
END_TEST

START_TEST(a_flush_reaches_each_message_once_whenever_it_comes)
{
    for (unsigned i = 0; i < 20; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        put_deferred(id, NOW + USEC_PER_DAY);
    }
    names_rescan(&names_);
    names_flush(&names_); /* before the pass begins */
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);

    put(&place, "s.sending", "x"); /* stops a pass somewhere in its middle */
    names_rescan(&names_);
    ck_assert_int_eq(names_read(&names_, NOW, (char[SPOOL_NAME_MAX]){0}, NULL), 1);
    names_flush(&names_);
    (void)read_all(NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);

    names_rescan(&names_); /* and it is over */
    (void)read_all(NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 0);
    ck_assert_uint_eq(name_table_deferred(names_.tables.tables[0]), 20);
    names_flush(&names_); /* after the pass */
    (void)read_all(NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);
}
END_TEST

/* What was mended before everything was to be tried is tried, also where the look that still met
 * with the trouble ends afterwards. */
START_TEST(trouble_that_is_older_than_a_flush_makes_nobody_wait)
{
    usec_t now = NOW, due = NOW, before = 0;
    unsigned flushed = names_.flushed;

    for (unsigned i = 0; i < 10; i++, now = due) {
        due = names_after_trouble(&names_, "a", flushed, true, now);
        ck_assert_uint_ge(due - now, before);
        before = due - now;
    }
    ck_assert_uint_eq(before, 5 * USEC_PER_MINUTE);
    names_flush(&names_);
    ck_assert_uint_eq(names_after_trouble(&names_, "a", flushed, true, now), 0);
    ck_assert_uint_gt(names_after_trouble(&names_, "a", names_.flushed, true, now), now);
}
END_TEST

/* That a file cannot be read counts from the first time, and ends with whatever else comes. */
START_TEST(only_a_file_that_cannot_be_read_all_the_time_is_unread)
{
    Aside *aside = &names_.aside;
    usec_t now = NOW;

    ck_assert_uint_eq(aside_unread(aside, "a", now), 0);
    for (unsigned i = 0; i < 30; i++) {
        now += aside_pause(aside, "a", true, now);
        ck_assert_uint_eq(aside_unread(aside, "a", now), now - NOW);
        ck_assert_uint_eq(aside_unread(aside, "b", now), 0);
    }
    ck_assert_uint_gt(now - NOW, USEC_PER_HOUR);
    ck_assert_uint_eq(aside_unread(aside, "a", now + USEC_PER_HOUR), 0); /* it was read since */
    (void)aside_pause(aside, "a", false, now);                           /* there was no room */
    ck_assert_uint_eq(aside_unread(aside, "a", now + 1), 0);
    (void)aside_pause(aside, "a", true, now + 1);
    ck_assert_uint_eq(aside_unread(aside, "a", now + 2), 1);
}
END_TEST

START_TEST(no_time_is_believed_that_is_further_away_than_a_retry)
{
    put_deferred("wrong clock", NOW + 900 * USEC_PER_DAY);
    names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED), 1);
    names_event(&names_, "wrong clock.deferred", true, 0, NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED), 1);
    put_deferred("right clock", NOW + RETRY_MAX);
    names_event(&names_, "right clock.deferred", true, 0, NOW);
    ck_assert_uint_eq(pop_all(NOW + RETRY_MAX - USEC_PER_SEC, NAME_DEFERRED), 0);
    ck_assert_uint_eq(names_next_due(&names_), NOW + RETRY_MAX);
    names_distrust_clock(&names_, NOW - 10 * USEC_PER_DAY); /* it was set back */
    ck_assert_uint_eq(names_next_due(&names_), NOW - 10 * USEC_PER_DAY + RETRY_MAX);
}
END_TEST

START_TEST(an_event_tells_of_a_name_once)
{
    for (unsigned i = 0; i < 5; i++) {
        names_event(&names_, "a.queued", true, USEC_PER_SEC, NOW);
        names_event(&names_, "b.queued", false, USEC_PER_SEC, NOW);
        names_event(&names_, "c.sending", true, USEC_PER_SEC, NOW);
        names_event(&names_, "d", true, USEC_PER_SEC, NOW);
        names_event(&names_, ".queued", true, USEC_PER_SEC, NOW);
    }
    ck_assert_uint_eq(pop_all(NOW, NAME_QUEUED), 1);
    ck_assert_uint_eq(pop_all(NOW + USEC_PER_SEC, NAME_UNSETTLED), 1);
    ck_assert_uint_eq(pop_all(NOW + USEC_PER_DAY, NAME_UNSETTLED), 0);
}
END_TEST

START_TEST(what_has_gone_is_forgotten_by_the_next_pass)
{
    put_deferred("a", NOW + USEC_PER_DAY);
    names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(name_table_deferred(names_.tables.tables[0]), 1);
    ck_assert_int_eq(unlinkat(place.fd, "a.deferred", 0), 0);
    names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(name_table_deferred(names_.tables.tables[0]), 0);
    ck_assert_uint_eq(names_next_due(&names_), USEC_NEVER);
}
END_TEST

START_TEST(what_there_is_no_room_for_is_found_by_another_pass)
{
    char id[SPOOL_NAME_MAX];
    unsigned taken = 0;
    NameKind kind;

    put(&place, "last.queued", "x");
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(id, sizeof(id), "gone-%u", i);
        names_put(&names_, id, NAME_QUEUED, 0);
    }
    ck_assert(names_is_unread(&names_, NOW));
    ck_assert_uint_lt(name_table_ready(names_.tables.tables[0]), 20000);
    while (names_take(&names_, NOW, id, &kind) || names_is_unread(&names_, NOW)) {
        taken += strcmp(id, "last") == 0;
        ck_assert_int_eq(names_read(&names_, NOW, id, NULL), 0);
        id[0] = '\0';
    }
    ck_assert_uint_eq(taken, 1);
}
END_TEST

START_TEST(a_directory_that_cannot_be_read_is_tried_again)
{
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX];
    const struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};
    int fds[64], n = 0;

    put(&place, "a.queued", "x");
    names_rescan(&names_);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 64 && (fds[n] = dup(0)) >= 0)
        n++;
    ck_assert_int_lt(names_read(&names_, NOW, id, &f), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), place.path));
    while (n > 0)
        close(fds[--n]);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_UNSETTLED), 1);
}
END_TEST

/* Looks without having it read, as a read that must not wait would. */
static bool is_in_memory(const char *name)
{
    _cleanup_close_ int fd = openat(place.fd, name, O_RDONLY);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char is_there;

    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mincore(map, page, &is_there), 0);
    ck_assert_int_eq(munmap(map, page), 0);
    return is_there & 1;
}

/* Where the file system keeps files on a disk. */
static void put_out_of_memory(const char *name)
{
    _cleanup_close_ int fd = -1;

    put(&place, name, "x");
    fd = openat(place.fd, name, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static bool comes_into_memory(const char *name)
{
    for (unsigned tries = 0; tries < 1000 && !is_in_memory(name); tries++)
        usleep(10000);
    return is_in_memory(name);
}

START_TEST(what_comes_up_next_is_read_ahead)
{
    bool on_disk;

    put_out_of_memory("a.queued");
    put_out_of_memory("b.deferred");
    on_disk = !is_in_memory("a.queued");
    names_put(&names_, "gone", NAME_QUEUED, 0);
    names_put(&names_, "a", NAME_QUEUED, 0);
    names_put(&names_, "b", NAME_DEFERRED_NOW, 0);
    names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 3);
    ck_assert(!on_disk || comes_into_memory("a.queued"));
    ck_assert(!on_disk || comes_into_memory("b.deferred"));
}
END_TEST

START_TEST(a_file_is_read_ahead_once)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;

    ck_assert_int_eq(mkdirat(place.fd, "0.queued", 0700), 0);
    ck_assert_int_eq(mkfifoat(place.fd, "1.queued", 0600), 0);
    ck_assert_int_eq(symlinkat("/dev/zero", place.fd, "2.queued"), 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "%u", i);
        names_put(&names_, id, NAME_QUEUED, 0);
    }
    names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 32);
    ck_assert_int_eq(names_take(&names_, NOW, id, &kind), 1);
    names_read_ahead(&names_); /* there are 31 yet */
    ck_assert_uint_eq(names_.ahead, 31);
    ck_assert_uint_eq(pop_all(NOW, NAME_QUEUED), 99);
    ck_assert_uint_eq(names_.ahead, 0);
    names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue/names");
    TCase *t = tcase_create("names");

    tcase_set_timeout(t, 60); /* a disk is waited for */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_pass_finds_what_there_is_and_ends);
    tcase_add_test(t, a_flush_reaches_each_message_once_whenever_it_comes);
    tcase_add_test(t, trouble_that_is_older_than_a_flush_makes_nobody_wait);
    tcase_add_test(t, only_a_file_that_cannot_be_read_all_the_time_is_unread);
    tcase_add_test(t, no_time_is_believed_that_is_further_away_than_a_retry);
    tcase_add_test(t, an_event_tells_of_a_name_once);
    tcase_add_test(t, what_has_gone_is_forgotten_by_the_next_pass);
    tcase_add_test(t, what_there_is_no_room_for_is_found_by_another_pass);
    tcase_add_test(t, a_directory_that_cannot_be_read_is_tried_again);
    tcase_add_test(t, what_comes_up_next_is_read_ahead);
    tcase_add_test(t, a_file_is_read_ahead_once);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
