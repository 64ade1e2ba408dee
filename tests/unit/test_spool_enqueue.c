/* spool: putting messages into a queue, as its owner and as a user who may do no more than that. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "spool.h"
#include "spool/enqueue.h"
#include "unit.h"

#define DAEMON_USER 64001
#define DAEMON_GROUP 64001
#define WRITER_USER 64002
#define OTHER_USER 64003
#define MANY 40

static char *queue(const char *directory, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    SpoolWriter *w;
    char *path = NULL;

    ck_assert_msg(spool_writer_new(directory, &w, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(spool_writer_write(w, text, strlen(text), &f), 0);
    ck_assert_msg(spool_writer_commit(w, &path, &f) == 0, "%s", failure_text(&f));
    return path;
}

START_TEST(a_message_is_queued)
{
    _cleanup_place_ Place p;
    _cleanup_free_
    char *path = NULL, *text = NULL;
    const char *name;
    struct stat st;
    SpoolClaim *c;

    place_init(&p);
    path = queue(p.path, "hello");
    ck_assert(strncmp(path, p.path, strlen(p.path)) == 0);
    name = path + strlen(p.path) + 1;
    ck_assert_uint_eq(strlen(name), strlen("20260102T030405-0123456789abc.queued"));
    ck_assert_uint_eq(strspn(name, "0123456789"), 8);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_nlink, 1);
    text = content(&p, name);
    ck_assert_str_eq(text, "hello");
    *strrchr(name, '.') = '\0';
    ck_assert_int_eq(claim(&p, name, &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

START_TEST(many_writes_arrive_in_order)
{
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer all = {0}, read_back = {0};
    _cleanup_free_
    char *path = NULL;
    char *big = malloc(200000);
    SpoolWriter *w;

    place_init(&p);
    ck_assert_int_eq(spool_writer_new(p.path, &w, NULL), 0);
    for (size_t n = 1, i = 0; n < 200000; n = n * 3 + 1, i++) {
        memset(big, 'a' + (int)i, n);
        for (int again = 0; again < 3; again++) {
            ck_assert_int_eq(spool_writer_write(w, big, n, NULL), 0);
            ck_assert_int_eq(buffer_append(&all, big, n), 0);
        }
    }
    free(big);
    ck_assert_int_eq(spool_writer_commit(w, &path, NULL), 0);
    ck_assert_int_eq(file_load(AT_FDCWD, path, 1 << 24, &read_back), 0);
    ck_assert_uint_eq(buffer_size(&all), buffer_size(&read_back));
    ck_assert_mem_eq(buffer_data(&all), buffer_data(&read_back), buffer_size(&all));
}
END_TEST

START_TEST(a_message_that_is_dropped_leaves_nothing)
{
    _cleanup_place_ Place p;
    SpoolWriter *w;
    _cleanup_free_
    char *seen = NULL;

    place_init(&p);
    ck_assert_int_eq(spool_writer_new(p.path, &w, NULL), 0);
    ck_assert_int_eq(spool_writer_write(w, "x", 1, NULL), 0);
    seen = names(&p);
    ck_assert(strncmp(seen, ".tmp-", 5) == 0); /* never seen by the daemon while it is written */
    spool_writer_free(w);
    spool_writer_free(NULL);
    assert_names(&p, "");
}
END_TEST

START_TEST(failures_say_what_to_do)
{
    _cleanup_failure_ Failure f = {0};
    SpoolWriter *w;

    ck_assert_int_eq(spool_writer_new("/nonexistent/spool", &w, &f), -ENOENT);
    ck_assert_int_eq(f.number, 9008);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "/nonexistent/spool"));
    ck_assert_int_eq(spool_writer_new("/dev/null", &w, &f), -ENOTDIR);
}
END_TEST

/* Queues `n` messages together, the text of each its number. */
static void queue_many(const char *directory, size_t n)
{
    _cleanup_failure_ Failure f = {0};
    SpoolWriter *writers[MANY];
    Failure failures[MANY] = {0};
    char *paths[MANY], text[16];

    ck_assert_uint_le(n, MANY);
    ck_assert_int_eq(spool_writer_new(directory, &writers[0], &f), 0);
    for (size_t i = 1; i < n; i++)
        ck_assert_int_eq(spool_writer_new_beside(writers[0], &writers[i], &f), 0);
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%zu", i);
        ck_assert_int_eq(spool_writer_write(writers[i], text, strlen(text), &f), 0);
        ck_assert_int_eq(spool_writer_finish(writers[i], &f), 0);
    }
    ck_assert_int_eq(spool_writer_commit_all(writers, n, paths, failures), 0);
    for (size_t i = 0; i < n; i++) {
        _cleanup_buffer_ Buffer content = {0};

        snprintf(text, sizeof(text), "%zu", i);
        ck_assert_int_eq(file_load(AT_FDCWD, paths[i], 100, &content), 0);
        ck_assert_uint_eq(buffer_size(&content), strlen(text));
        ck_assert_mem_eq(buffer_data(&content), text, strlen(text));
        ck_assert_int_eq(unlink(paths[i]), 0);
        free(paths[i]);
    }
}

START_TEST(messages_are_queued_together)
{
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t n = 1; n < MANY; n += 7)
        queue_many(p.path, n);
    ck_assert_int_eq(spool_writer_commit_all(NULL, 0, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

/* One whose file somebody takes away fails alone. */
START_TEST(one_that_fails_leaves_the_others)
{
    _cleanup_place_ Place p;
    _cleanup_free_
    char *seen = NULL;
    SpoolWriter *writers[3];
    Failure failures[3] = {0};
    char *paths[3];

    place_init(&p);
    ck_assert_int_eq(spool_writer_new(p.path, &writers[1], NULL), 0);
    seen = names(&p);
    seen[strcspn(seen, " ")] = '\0';
    ck_assert_int_eq(spool_writer_new_beside(writers[1], &writers[0], NULL), 0);
    ck_assert_int_eq(spool_writer_new_beside(writers[1], &writers[2], NULL), 0);
    ck_assert_int_eq(unlinkat(p.fd, seen, 0), 0);
    ck_assert_int_eq(spool_writer_commit_all(writers, 3, paths, failures), -ENOENT);
    ck_assert_ptr_null(paths[1]);
    ck_assert_int_eq(failures[1].number, 9008);
    ck_assert_int_eq(failures[0].number + failures[2].number, 0);
    ck_assert_int_eq(unlink(paths[0]) + unlink(paths[2]), 0);
    free(paths[0]);
    free(paths[2]);
    failure_done(&failures[1]);
    assert_names(&p, "");
}
END_TEST

/* Runs as that user, a member of that group alone; the exit status is the result. */
static int as(uid_t user, gid_t group, void (*body)(const Place *), const Place *p)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (setgroups(1, &group) < 0 || setgid(user) < 0 || setuid(user) < 0)
            _exit(99);
        umask(077);
        body(p);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void drop_box(const Place *p)
{
    ck_assert_int_eq(fchown(p->fd, DAEMON_USER, DAEMON_GROUP), 0);
    ck_assert_int_eq(fchmod(p->fd, 03730), 0);
}

static void write_two(const Place *p)
{
    if (opendir(p->path))
        _exit(1); /* it must work without listing */
    free(queue(p->path, "one"));
    free(queue(p->path, "two"));
}

static void write_many(const Place *p)
{
    if (opendir(p->path))
        _exit(1);
    queue_many(p->path, 3);
    queue_many(p->path, 30);
}

static void may_not_write(const Place *p)
{
    _cleanup_failure_ Failure f = {0};
    SpoolWriter *w;

    if (spool_writer_new(p->path, &w, &f) != -EACCES || !strstr(failure_text(&f), "member"))
        _exit(1);
}

static void read_first(const Place *p)
{
    _cleanup_close_ int fd = openat(p->fd, "first.queued", O_RDONLY);

    _exit(fd < 0 ? errno == EACCES ? 1 : 2 : 0);
}

/* The daemon's view: it claims all, as what it would be in the service. */
static void claim_two(const Place *p)
{
    Spool *spool;
    SpoolScan *scan;
    SpoolEntry entry;
    SpoolClaim *c;
    int n = 0;

    if (spool_open(p->path, &spool, NULL) < 0 || spool_scan_new(spool, &scan, NULL) < 0)
        _exit(1);
    while (spool_scan_next(scan, &entry) > 0) {
        /* No lease can be had on another's file: the settle time decides. */
        if (spool_claim(spool, entry.id, entry.state, USEC_PER_HOUR, false, clock_realtime(), &c,
                NULL, NULL) != SPOOL_UNSETTLED)
            _exit(2);
        if (spool_claim(spool, entry.id, entry.state, USEC_PER_HOUR, true, clock_realtime(), &c,
                NULL, NULL) != SPOOL_CLAIMED)
            _exit(3);
        if (spool_complete(c, false, NULL, NULL) < 0)
            _exit(4);
        n++;
    }
    spool_scan_free(scan);
    spool_free(spool);
    _exit(n == 2 ? 0 : 5);
}

static bool is_root(void)
{
    if (geteuid() == 0)
        return true;
    fprintf(stderr, "skipped: needs root to become other users\n");
    return false;
}

START_TEST(a_drop_box_works_without_an_acl)
{
    _cleanup_place_ Place p;

    place_init(&p);
    if (!is_root())
        return;
    drop_box(&p);
    ck_assert_int_eq(as(WRITER_USER, DAEMON_GROUP, write_two, &p), 0);
    ck_assert_int_eq(as(WRITER_USER, DAEMON_GROUP, write_many, &p), 0);
    ck_assert_int_eq(as(OTHER_USER, OTHER_USER, may_not_write, &p), 0);
    ck_assert_int_eq(as(DAEMON_USER, DAEMON_GROUP, claim_two, &p), 0);
    assert_names(&p, "");
}
END_TEST

START_TEST(a_drop_box_with_an_acl_keeps_messages_from_the_group)
{
    _cleanup_place_ Place p;
    _cleanup_free_
    char *path = NULL;
    char command[256], first[128];

    place_init(&p);
    if (!is_root())
        return;
    drop_box(&p);
    snprintf(command, sizeof(command), "setfacl -d -m u:%d:rw-,u::rw-,g::---,o::---,m::rw- %s >&2",
        DAEMON_USER, p.path);
    if (system(command) != 0) {
        fprintf(stderr, "skipped: no setfacl here, or no ACLs on this file system\n");
        return;
    }
    path = queue(p.path, "first");
    snprintf(first, sizeof(first), "%s/first.queued", p.path);
    ck_assert_int_eq(rename(path, first), 0);
    ck_assert_int_eq(as(DAEMON_USER, DAEMON_GROUP, read_first, &p), 0);
    ck_assert_int_eq(as(WRITER_USER, DAEMON_GROUP, read_first, &p), 1);
    ck_assert_int_eq(unlink(first), 0);
    ck_assert_int_eq(as(WRITER_USER, DAEMON_GROUP, write_two, &p), 0);
    ck_assert_int_eq(as(DAEMON_USER, DAEMON_GROUP, claim_two, &p), 0);
    assert_names(&p, "");
}
END_TEST

START_TEST(a_full_disk_leaves_nothing_behind)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    char block[4096] = "x", *path = NULL;
    SpoolWriter *w;
    int r = 0, n;

    place_init(&p);
    if (!is_root())
        return;
    ck_assert_int_eq(mount("tmpfs", p.path, "tmpfs", 0, "size=64k"), 0);
    ck_assert_int_eq(spool_writer_new(p.path, &w, NULL), 0);
    for (n = 0; n < 100 && r == 0; n++)
        r = spool_writer_write(w, block, sizeof(block), &f);
    ck_assert_int_eq(r, -ENOSPC);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "nothing was queued"));
    spool_writer_free(w);
    ck_assert_int_eq(spool_writer_new(p.path, &w, NULL), 0);
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(spool_writer_write(w, block, sizeof(block), NULL), 0);
    ck_assert_int_eq(spool_writer_write(w, block, 1, NULL), 0);
    ck_assert_int_eq(spool_writer_commit(w, &path, &f), -ENOSPC);
    ck_assert_ptr_null(path);
    ck_assert_int_eq(mount(NULL, p.path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_int_eq(spool_writer_new(p.path, &w, &f), -EROFS);
    ck_assert_int_eq(umount2(p.path, MNT_DETACH), 0);
}
END_TEST

/* Where nobody delivers from it. */
START_TEST(what_dead_writers_have_left_goes_after_a_day)
{
    _cleanup_place_ Place p;
    usec_t now = clock_realtime();
    int writer;

    place_init(&p);
    put(&p, ".tmp-dead", "Subject: x\n");
    put(&p, ".given-1", "");
    put(&p, "m.queued", "");
    put(&p, ".tmp-written", "");
    writer = openat(p.fd, ".tmp-written", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(writer, 0);
    spool_clean_temporaries(p.spool, now + USEC_PER_HOUR);
    ck_assert_int_eq(faccessat(p.fd, ".tmp-dead", F_OK, 0), 0);
    spool_clean_temporaries(p.spool, now + 2 * USEC_PER_DAY);
    ck_assert_int_lt(faccessat(p.fd, ".tmp-dead", F_OK, 0), 0);
    ck_assert_int_eq(faccessat(p.fd, ".tmp-written", F_OK, 0), 0);
    ck_assert_int_eq(faccessat(p.fd, ".given-1", F_OK, 0), 0);
    ck_assert_int_eq(faccessat(p.fd, "m.queued", F_OK, 0), 0);
    close(writer);
    spool_clean_temporaries(p.spool, now + 2 * USEC_PER_DAY);
    ck_assert_int_lt(faccessat(p.fd, ".tmp-written", F_OK, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_enqueue");
    TCase *t = tcase_create("spool_enqueue");

    tcase_add_test(t, a_message_is_queued);
    tcase_add_test(t, many_writes_arrive_in_order);
    tcase_add_test(t, a_message_that_is_dropped_leaves_nothing);
    tcase_add_test(t, messages_are_queued_together);
    tcase_add_test(t, one_that_fails_leaves_the_others);
    tcase_add_test(t, failures_say_what_to_do);
    tcase_add_test(t, a_drop_box_works_without_an_acl);
    tcase_add_test(t, a_drop_box_with_an_acl_keeps_messages_from_the_group);
    tcase_add_test(t, a_full_disk_leaves_nothing_behind);
    tcase_add_test(t, what_dead_writers_have_left_goes_after_a_day);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
