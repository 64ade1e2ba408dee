/* delivery/spool_names: which names come up, and when. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "delivery/spool_names.h"
#include "spool.h"
#include "unit.h"

static Place place;
static SpoolNames names_;

static void setup(void)
{
    place_init(&place);
    names_ = (SpoolNames){0};
    ck_assert_int_eq(spool_names_init(&names_, place.spool), 0);
}

static void teardown(void)
{
    spool_names_done(&names_);
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

    while (spool_names_is_unread(&names_, now)) {
        int r = spool_names_read(&names_, now, id, NULL);

        ck_assert_int_ge(r, 0);
        n += r > 0;
    }
    return n;
}

static unsigned pop_all(usec_t now, uint8_t wanted_tag)
{
    char id[SPOOL_NAME_MAX];
    unsigned n = 0;
    uint8_t tag;

    while (spool_names_pop(&names_, now, id, &tag)) {
        ck_assert_uint_eq(tag, wanted_tag);
        n++;
    }
    return n;
}

START_TEST(a_pass_finds_what_there_is_and_ends)
{
    ck_assert(!spool_names_is_unread(&names_, NOW));
    put(&place, "a.queued", "x");
    put(&place, "b.sending", "x");
    put(&place, "c.failed", "x");
    put_deferred("d", NOW + 10 * USEC_PER_SEC);
    spool_names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 1);
    ck_assert_uint_eq(pop_all(NOW, NAME_QUEUED), 1);
    ck_assert_uint_eq(spool_names_deferred(&names_), 1);
    ck_assert_uint_eq(spool_names_next_due(&names_), NOW + 10 * USEC_PER_SEC);
    ck_assert_uint_eq(pop_all(NOW + 10 * USEC_PER_SEC, NAME_DEFERRED), 1);
    ck_assert_uint_eq(spool_names_next_due(&names_), USEC_NEVER);
}
END_TEST

START_TEST(new_and_deferred_messages_take_turns)
{
    char id[SPOOL_NAME_MAX];
    unsigned of_kind[4] = {0};
    uint8_t tag;

    for (unsigned i = 0; i < 10; i++) {
        spool_names_push(&names_, "new", NAME_QUEUED_SETTLED);
        spool_names_push_at(&names_, "old", NAME_DEFERRED, NOW);
    }
    for (unsigned i = 0; i < 10 && spool_names_pop(&names_, NOW, id, &tag); i++)
        of_kind[tag]++;
    ck_assert_uint_eq(of_kind[NAME_QUEUED_SETTLED], 5);
    ck_assert_uint_eq(of_kind[NAME_DEFERRED], 5);
}
END_TEST

START_TEST(a_flush_reaches_each_message_once_whenever_it_comes)
{
    for (unsigned i = 0; i < 20; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        put_deferred(id, NOW + USEC_PER_DAY);
    }
    spool_names_rescan(&names_);
    spool_names_flush(&names_); /* before the pass begins */
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);

    put(&place, "s.sending", "x"); /* stops a pass somewhere in its middle */
    spool_names_rescan(&names_);
    ck_assert_int_eq(spool_names_read(&names_, NOW, (char[SPOOL_NAME_MAX]){0}, NULL), 1);
    spool_names_flush(&names_);
    (void)read_all(NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);

    spool_names_rescan(&names_); /* and it is over */
    (void)read_all(NOW);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 0);
    ck_assert_uint_eq(spool_names_deferred(&names_), 20);
    spool_names_flush(&names_); /* after the pass */
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_DEFERRED_NOW), 20);
}
END_TEST

START_TEST(what_nothing_can_be_done_with_is_left_alone_and_found_again)
{
    char id[SPOOL_NAME_MAX];

    put(&place, "bad.sending", "x");
    ck_assert(spool_names_leave(&names_, "bad", NOW));
    ck_assert(spool_names_is_left(&names_, "bad"));
    ck_assert(!spool_names_is_left(&names_, "good"));
    spool_names_rescan(&names_);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_gt(spool_names_next_due(&names_), NOW);
    ck_assert(spool_names_is_unread(&names_, NOW + USEC_PER_HOUR));
    ck_assert_uint_eq(read_all(NOW + USEC_PER_HOUR), 1);
    ck_assert(!spool_names_is_left(&names_, "bad"));
    for (unsigned i = 0; i < NAMES_LEFT_MAX; i++) {
        snprintf(id, sizeof(id), "bad-%u", i);
        ck_assert(spool_names_leave(&names_, id, NOW));
    }
    ck_assert(!spool_names_leave(&names_, "one-too-many", NOW));
    spool_names_flush(&names_); /* everything now */
    ck_assert_uint_eq(read_all(NOW), 1);
    ck_assert(!spool_names_is_left(&names_, "bad-0"));
    ck_assert_uint_eq(spool_names_next_due(&names_), USEC_NEVER);
}
END_TEST

START_TEST(what_there_is_no_room_for_is_found_by_another_pass)
{
    char id[SPOOL_NAME_MAX];
    unsigned taken = 0;
    uint8_t tag;

    put(&place, "last.queued", "x");
    memset(id, 'x', 240);
    id[240] = '\0';
    for (unsigned i = 0; i < 2000; i++)
        spool_names_push(&names_, id, NAME_QUEUED_SETTLED);
    ck_assert(spool_names_is_unread(&names_, NOW));
    ck_assert_uint_lt(spool_names_waiting(&names_), 2000);
    while (spool_names_pop(&names_, NOW, id, &tag) || spool_names_is_unread(&names_, NOW)) {
        taken += strcmp(id, "last") == 0;
        ck_assert_int_eq(spool_names_read(&names_, NOW, id, NULL), 0);
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
    spool_names_rescan(&names_);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 64 && (fds[n] = dup(0)) >= 0)
        n++;
    ck_assert_int_lt(spool_names_read(&names_, NOW, id, &f), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), place.path));
    while (n > 0)
        close(fds[--n]);
    ck_assert_uint_eq(read_all(NOW), 0);
    ck_assert_uint_eq(pop_all(NOW, NAME_QUEUED), 1);
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
    spool_names_push(&names_, "gone", NAME_QUEUED);
    spool_names_push(&names_, "a", NAME_QUEUED);
    spool_names_push(&names_, "b", NAME_DEFERRED_NOW);
    spool_names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 3);
    ck_assert(!on_disk || comes_into_memory("a.queued"));
    ck_assert(!on_disk || comes_into_memory("b.deferred"));
}
END_TEST

START_TEST(a_file_is_read_ahead_once)
{
    char id[SPOOL_NAME_MAX];
    uint8_t tag;

    ck_assert_int_eq(mkdirat(place.fd, "0.queued", 0700), 0);
    ck_assert_int_eq(mkfifoat(place.fd, "1.queued", 0600), 0);
    ck_assert_int_eq(symlinkat("/dev/zero", place.fd, "2.queued"), 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "%u", i);
        spool_names_push(&names_, id, NAME_QUEUED);
    }
    spool_names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 32);
    ck_assert_int_eq(spool_names_pop(&names_, NOW, id, &tag), 1);
    spool_names_read_ahead(&names_); /* there are 31 yet */
    ck_assert_uint_eq(names_.ahead, 31);
    ck_assert_uint_eq(pop_all(NOW, NAME_QUEUED), 99);
    ck_assert_uint_eq(names_.ahead, 0);
    spool_names_read_ahead(&names_);
    ck_assert_uint_eq(names_.ahead, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery/spool_names");
    TCase *t = tcase_create("names");

    tcase_set_timeout(t, 60); /* a disk is waited for */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_pass_finds_what_there_is_and_ends);
    tcase_add_test(t, new_and_deferred_messages_take_turns);
    tcase_add_test(t, a_flush_reaches_each_message_once_whenever_it_comes);
    tcase_add_test(t, what_nothing_can_be_done_with_is_left_alone_and_found_again);
    tcase_add_test(t, what_there_is_no_room_for_is_found_by_another_pass);
    tcase_add_test(t, a_directory_that_cannot_be_read_is_tried_again);
    tcase_add_test(t, what_comes_up_next_is_read_ahead);
    tcase_add_test(t, a_file_is_read_ahead_once);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
