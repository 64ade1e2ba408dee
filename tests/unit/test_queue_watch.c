/* queue: the watch, on real directories. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "queue/watch.h"
#include "unit.h"

static char base[64], directory[80];
static sd_event *loop;
static Watch *watch;

/* What was called, as "created NAME", "ready NAME", "abandoned", "overflow", "doubt" in order. */
static Buffer seen;
static unsigned notices;

static void on_notice(_unused_ void *user, const char *name, bool complete)
{
    notices++;
    if (buffer_size(&seen) < 4096)
        ck_assert_int_eq(buffer_appendf(&seen, "%s %s\n", complete ? "ready" : "created", name), 0);
}

static void on_abandoned(_unused_ void *user)
{
    ck_assert_int_eq(buffer_append_string(&seen, "abandoned\n"), 0);
}

static void on_read(_unused_ void *user, const char *name)
{
    ck_assert_int_eq(buffer_appendf(&seen, "read %s\n", name), 0);
}

static void on_overflow(_unused_ void *user)
{
    ck_assert_int_eq(buffer_append_string(&seen, "overflow\n"), 0);
}

static void on_doubt(_unused_ void *user)
{
    ck_assert_int_eq(buffer_append_string(&seen, "doubt\n"), 0);
}

static const WatchHandlers handlers = {
    .notice = on_notice,
    .abandoned = on_abandoned,
    .read = on_read,
    .overflow = on_overflow,
    .doubt = on_doubt,
};

/* Runs the loop until it has nothing more to do at once; the number of wake-ups. */
static int settle(void)
{
    int rounds = 0;

    while (sd_event_run(loop, 0) > 0)
        rounds++;
    ck_assert_int_eq(buffer_append(&seen, "", 1), 0);
    seen.end--;
    return rounds;
}

static void expect(const char *what)
{
    settle();
    ck_assert_str_eq(buffer_data(&seen), what);
    buffer_clear(&seen);
}

static char *at(const char *name)
{
    static char paths[2][160];
    static int turn;

    turn = !turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static void setup(void)
{
    _cleanup_failure_ Failure f = {0};

    strcpy(base, "/tmp/outbox-watch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(directory, sizeof(directory), "%s/queue", base);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_int_eq(watch_new(loop, directory, &handlers, NULL, &watch, &f), 0);
    notices = 0;
}

static void teardown(void)
{
    char command[128];

    watch_free(watch);
    sd_event_unref(loop);
    buffer_done(&seen);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

static int create(const char *name)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(files_are_told_when_they_appear_and_when_they_are_complete)
{
    int fd = create("A.queued");

    expect("created A.queued\n");
    close(fd);
    expect("ready A.queued\n");
    close(create(".tmp"));
    ck_assert_int_eq(rename(at(".tmp"), at("B.queued")), 0);
    expect("ready B.queued\n");
    ck_assert_int_eq(rename(at("B.queued"), at("B.deferred")), 0);
    expect("ready B.deferred\n");
}
END_TEST

START_TEST(what_is_no_candidate_is_not_told)
{
    close(create("A.status"));
    close(create(".hidden.queued"));
    close(create("A.failed"));
    close(create("notes"));
    ck_assert_int_eq(rename(at("A.failed"), at("A.sending")), 0);
    ck_assert_int_eq(rename(at("A.sending"), at("A.sent")), 0);
    expect("");
    ck_assert_int_eq(rename(at("A.sent"), at("A.held")), 0);
    expect("ready A.held\n"); /* the log tells of it */
    ck_assert_int_eq(unlink(at("A.held")), 0);
    expect("");
}
END_TEST

START_TEST(a_sending_file_left_behind_is_told)
{
    int fd;

    close(create("A.queued"));
    fd = open(at("A.queued"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(rename(at("A.queued"), at("A.sending")), 0);
    expect("created A.queued\nready A.queued\n");
    close(fd);
    expect("abandoned\n");
    /* A delivery that ends in order makes no event at all. */
    fd = open(at("A.sending"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(unlink(at("A.sending")), 0);
    close(fd);
    ck_assert_int_eq(settle(), 0);
}
END_TEST

START_TEST(an_open_directory_that_is_removed_raises_doubt)
{
    _cleanup_close_ int held = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_eq(rmdir(directory), 0);
    expect("doubt\n");
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    expect("doubt\n");
    ck_assert_int_ge(held, 0);
}
END_TEST

START_TEST(a_directory_that_is_moved_raises_doubt)
{
    char moved[96];

    snprintf(moved, 80, "%s/moved", base);
    ck_assert_int_eq(rename(directory, moved), 0);
    settle();
    ck_assert_ptr_nonnull(strstr(buffer_data(&seen), "doubt\n"));
    buffer_clear(&seen);
    strcat(moved, ".other");
    ck_assert_int_eq(mkdir(moved, 0700), 0);
    expect("");
}
END_TEST

START_TEST(a_directory_above_that_is_moved_raises_doubt)
{
    char moved[80];

    snprintf(moved, sizeof(moved), "%s.moved", base);
    ck_assert_int_eq(rename(base, moved), 0);
    strcpy(base, moved);
    expect("doubt\n");
}
END_TEST

/* A new one that leads to `target` takes the place of the link `name`, as `ln -sfn` does it. */
static void link_to(const char *name, const char *target)
{
    char path[128], fresh[136];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    ck_assert_int_eq(symlink(target, fresh), 0);
    ck_assert_int_eq(rename(fresh, path), 0);
}

static void watch_instead(const char *name)
{
    _cleanup_failure_ Failure f = {0};
    char path[128];

    watch_free(watch);
    snprintf(path, sizeof(path), "%s/%s", base, name);
    ck_assert_int_eq(watch_new(loop, path, &handlers, NULL, &watch, &f), 0);
}

static void make(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void must_doubt(void)
{
    settle();
    ck_assert_ptr_nonnull(strstr(buffer_data(&seen), "doubt\n"));
    buffer_clear(&seen);
}

START_TEST(every_link_on_the_way_that_is_switched_raises_doubt)
{
    make("links");
    make("links/dir");
    link_to("links/last", "../queue");
    link_to("links/dir/middle", "../../links");
    link_to("first", "links/./dir/../dir/middle/last");
    watch_instead("first");
    link_to("first", "links/last");
    must_doubt();

    link_to("first", "links/dir/middle/last");
    watch_instead("first");
    link_to("links/dir/middle", "../../elsewhere");
    must_doubt();

    link_to("links/dir/middle", "../../links");
    watch_instead("first");
    link_to("links/last", "../elsewhere");
    must_doubt();

    link_to("links/last", "../queue");
    watch_instead("first");
    link_to("other", "queue");
    make("links/other");
    settle();
    buffer_clear(&seen);
    close(create("A.queued"));
    expect("created A.queued\nready A.queued\n");
}
END_TEST

START_TEST(every_directory_above_that_is_moved_raises_doubt)
{
    char path[128], moved[144];

    make("a");
    make("a/b");
    make("a/b/c");
    make("a/b/c/d");
    watch_instead("a/b/c/d");
    for (const char *name = "a/b/c/d"; name; name = strcmp(name, "a") == 0 ? NULL : "a") {
        snprintf(path, sizeof(path), "%s/%s", base, name);
        snprintf(moved, sizeof(moved), "%s.moved", path);
        ck_assert_int_eq(rename(path, moved), 0);
        must_doubt();
        ck_assert_int_eq(rename(moved, path), 0);
        must_doubt();
    }
}
END_TEST

START_TEST(links_without_an_end_end)
{
    _cleanup_failure_ Failure f = {0};
    Watch *none = NULL;
    char path[128];

    link_to("one", "two/x");
    link_to("two", "one/x");
    snprintf(path, sizeof(path), "%s/one", base);
    ck_assert_int_eq(watch_new(loop, path, &handlers, NULL, &none, &f), -ELOOP);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(lost_events_are_told)
{
    _cleanup_close_ __attribute__((unused)) int fd = create("A.queued");
    unsigned limit = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%u", &limit), 1);
    fclose(file);
    if (limit > 100000) /* raised on this machine: it would take too long */
        return;
    for (unsigned i = 0; i <= limit; i++)
        ck_assert_int_eq(i % 2 == 0 ? rename(at("A.queued"), at("B.queued"))
                                    : rename(at("B.queued"), at("A.queued")),
            0);
    settle();
    ck_assert_uint_ge(notices, limit - 1);
    ck_assert_ptr_nonnull(memmem(buffer_data(&seen), buffer_size(&seen), "overflow\ndoubt\n", 15));
    buffer_clear(&seen);
    ck_assert_int_eq(access(at("A.queued"), F_OK) + access(at("B.queued"), F_OK), -1);
}
END_TEST

START_TEST(many_files_take_few_wake_ups)
{
    for (int i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%d.queued", i);
        close(create(name));
    }
    ck_assert_int_le(settle(), 3); /* 64 bytes hold an event */
    ck_assert_uint_eq(notices, 2000);
}
END_TEST

START_TEST(a_directory_that_cannot_be_watched_is_named)
{
    _cleanup_failure_ Failure f = {0};
    Watch *none = NULL;

    close(create("file"));
    ck_assert_int_eq(watch_new(loop, at("missing"), &handlers, NULL, &none, &f), -ENOENT);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "/queue/missing: "));
    ck_assert_int_eq(watch_new(loop, at("file"), &handlers, NULL, &none, &f), -ENOTDIR);
    ck_assert_ptr_null(none);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/watch");
    TCase *tc = tcase_create("watch");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, files_are_told_when_they_appear_and_when_they_are_complete);
    tcase_add_test(tc, what_is_no_candidate_is_not_told);
    tcase_add_test(tc, a_sending_file_left_behind_is_told);
    tcase_add_test(tc, an_open_directory_that_is_removed_raises_doubt);
    tcase_add_test(tc, a_directory_that_is_moved_raises_doubt);
    tcase_add_test(tc, a_directory_above_that_is_moved_raises_doubt);
    tcase_add_test(tc, every_link_on_the_way_that_is_switched_raises_doubt);
    tcase_add_test(tc, every_directory_above_that_is_moved_raises_doubt);
    tcase_add_test(tc, links_without_an_end_end);
    tcase_add_test(tc, lost_events_are_told);
    tcase_add_test(tc, many_files_take_few_wake_ups);
    tcase_add_test(tc, a_directory_that_cannot_be_watched_is_named);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
