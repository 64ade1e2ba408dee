/* spool: claiming, and what gets in the way; all of it twice, the
 * second time on a file system whose renames know no flags. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errors.h"
#include "plain_rename.h"
#include "spool.h"
#include "spool/record.h"
#include "unit.h"

/* A record with that one line, for a claim. */
static void append(SpoolClaim *c, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer b = {0};

    ck_assert_int_eq(buffer_append_string(&b, text), 0);
    ck_assert_msg(spool_record_append(c, &b, &f) == 0, "%s", failure_text(&f));
}

#define ANN "{\"event\":\"delivered\",\"recipient\":\"ann@example.com\"}\n"
#define SENT "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"sent\"}\n"

START_TEST(a_message_is_claimed_and_completed)
{
    _cleanup_place_ Place p;
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1000, .tv_nsec = 5000}};
    SpoolClaim *c;
    char text[8] = "";

    place_init(&p);
    put(&p, "a.queued", "hello");
    ck_assert_int_eq(utimensat(p.fd, "a.queued", times, 0), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    assert_names(&p, "a.sending ");
    ck_assert_str_eq(spool_claim_id(c), "a");
    ck_assert_uint_eq(spool_claim_size(c), 5);
    ck_assert_uint_eq(spool_claim_arrival(c), 1000000005u);
    ck_assert(!spool_claim_has_record(c));
    ck_assert_ptr_eq(spool_claim_spool(c), p.spool);
    ck_assert_int_eq(read(spool_claim_fd(c), text, sizeof(text)), 5);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_GONE);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

START_TEST(a_claim_that_was_cut_off_is_no_hard_link)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(linkat(p.fd, "a.queued", p.fd, "a.sending", 0), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_UNSETTLED);
    assert_names(&p, "a.queued ");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
}
END_TEST

/* All is well but that somebody has linked the record: it may be this message's, or another's. */
START_TEST(a_record_that_may_be_anothers_stops_its_message_alone)
{
    static const SpoolState from[] = {SPOOL_QUEUED, SPOOL_DEFERRED};

    for (size_t i = 0; i < ELEMENTSOF(from); i++) {
        _cleanup_place_ Place p;
        _cleanup_failure_ Failure f = {0};
        char name[SPOOL_NAME_MAX];
        SpoolClaim *c;
        int r;

        place_init(&p);
        ck_assert(spool_name_format("a", from[i], name));
        put(&p, name, "1");
        put(&p, "a.status", ANN);
        ck_assert_int_eq(linkat(p.fd, "a.status", p.fd, "elsewhere", 0), 0);
        r = spool_claim(p.spool, "a", from[i], 0, true, NOW, &c, NULL, &f);
        ck_assert_int_eq(r, -EPERM);
        ck_assert(!error_is_common(r));
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "-samefile"));
        ck_assert(there(&p, name) && there(&p, "a.status"));
        ck_assert_int_eq(unlinkat(p.fd, "elsewhere", 0), 0);
        ck_assert_int_eq(spool_claim(p.spool, "a", from[i], 0, true, NOW, &c, NULL, &f), 0);
        ck_assert(spool_claim_has_record(c));
        ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    }
}
END_TEST

START_TEST(an_id_in_use_by_another_message_is_changed)
{
    _cleanup_place_ Place p;
    static const char *const others[] = {"a.deferred", "a.failed", "a.held", "a.sent"};
    SpoolClaim *c, *d;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        put(&p, others[i], "old");
        put(&p, "a.status", ANN);
        put(&p, "a.queued", "new");
        ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
        ck_assert(strncmp(spool_claim_id(c), "a-", 2) == 0);
        ck_assert(!spool_claim_has_record(c));
        ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
        ck_assert(there(&p, others[i]) && there(&p, "a.status"));
        place_empty(&p);
    }
    /* The one that is being sent keeps its id. */
    put(&p, "a.queued", "old");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    put(&p, "a.queued", "new");
    ck_assert_int_eq(claim(&p, "a", &d), SPOOL_CLAIMED);
    ck_assert_str_eq(spool_claim_id(c), "a");
    ck_assert(strncmp(spool_claim_id(d), "a-", 2) == 0);
    assert_names(&p, "a-*.sending a.sending ");
    /* Both go back: the names are taken in turn. */
    put(&p, "a.queued", "third");
    append(c, ANN);
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    ck_assert_int_eq(spool_release(d, NULL, NULL), 0);
    assert_names(&p, "a-*.queued a-*.queued a-*.status a.queued ");
}
END_TEST

START_TEST(an_id_is_changed_before_the_record_is_created)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;
    const char *id;

    place_init(&p);
    put(&p, "a.failed", "old, without a record");
    put(&p, "a.queued", "new");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    id = spool_claim_id(c);
    ck_assert_str_eq(id, "a");
    append(c, ANN);
    ck_assert(strncmp(id, "a-", 2) == 0);
    assert_names(&p, "a-*.sending a-*.status a.failed ");
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    assert_names(&p, "a-*.failed a-*.status a.failed ");
}
END_TEST

START_TEST(a_closed_record_is_not_gone_on_with)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "new");
    put(&p, "a.status", ANN SENT);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert(!spool_claim_has_record(c));
    assert_names(&p, "a-*.sending a.status ");
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
}
END_TEST

START_TEST(long_ids_are_shortened)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];

    place_init(&p);
    memset(id, 'x', 248);
    id[248] = '\0';
    ck_assert(spool_name_format(id, SPOOL_QUEUED, name));
    put(&p, name, "1");
    ck_assert_int_eq(claim(&p, id, &c), SPOOL_CLAIMED);
    ck_assert_uint_eq(strlen(spool_claim_id(c)), SPOOL_ID_MAX);
    append(c, ANN);
    ck_assert_int_eq(spool_defer(c, 1, NULL, NULL), 0);
    ck_assert_int_eq(
        spool_claim(p.spool, "../x", SPOOL_QUEUED, 0, false, NOW, &c, NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(what_is_written_or_locked_is_left_alone)
{
    _cleanup_place_ Place p;
    _cleanup_close_ int fd = -1, lock = -1;
    SpoolClaim *c;

    place_init(&p);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_GONE);
    fd = openat(p.fd, "a.queued", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    ck_assert_int_eq(write(fd, "1", 1), 1);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_WRITING);
    assert_names(&p, "a.queued ");
    close(TAKE_FD(fd));
    lock = openat(p.fd, "a.queued", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_LOCKED);
    close(TAKE_FD(lock));
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
}
END_TEST

START_TEST(what_is_no_message_fails_with_a_reason)
{
    _cleanup_place_ Place p;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const char *const ids[] = {"dir", "fifo", "link", "socket"};
    static const char *const words[] = {"directory", "named pipe", "symbolic link", "socket"};
    _cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM, 0);

    place_init(&p);
    ck_assert_int_eq(mkdirat(p.fd, "dir.queued", 0700), 0);
    ck_assert_int_eq(mkfifoat(p.fd, "fifo.queued", 0600), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", p.fd, "link.queued"), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket.queued", p.path);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
    for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
        _cleanup_failure_ Failure f = {0};
        SpoolHistory h;
        SpoolClaim *c = NULL;
        char name[SPOOL_NAME_MAX];
        _cleanup_free_
        char *record = NULL;

        ck_assert_int_eq(spool_claim(p.spool, ids[i], SPOOL_QUEUED, 0, false, NOW, &c, NULL, &f),
            SPOOL_DEFECTIVE);
        ck_assert_ptr_null(c);
        ck_assert_int_eq(f.number, 303);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), words[i]));
        ck_assert(spool_name_format_record(ids[i], name));
        record = content(&p, name);
        ck_assert_ptr_nonnull(strstr(record, words[i]));
        ck_assert_ptr_nonnull(strstr(record, "\"event\":\"failed\",\"error\":303"));
        ck_assert_int_eq(spool_history_load_id(p.spool, ids[i], SPOOL_FAILED, &h, NULL), 0);
        ck_assert(h.ended && !h.sent);
        spool_history_done(&h);
    }
    assert_names(&p, "dir.failed dir.status fifo.failed fifo.status link.failed link.status "
                     "socket.failed socket.status ");
}
END_TEST

START_TEST(several_links_fail_when_they_stay)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    put(&p, "mine", "1");
    ck_assert_int_eq(linkat(p.fd, "mine", p.fd, "a.queued", 0), 0);
    ck_assert_int_eq(
        spool_claim(p.spool, "a", SPOOL_QUEUED, 0, true, clock_realtime(), &c, NULL, NULL),
        SPOOL_UNSETTLED);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_DEFECTIVE);
    assert_names(&p, "a.failed a.status mine ");
}
END_TEST

#define RACE_MESSAGES 300

/* Claims all it can; the bytes it completed go to the pipe, each the number of a message. */
static void race(const Place *p, int to)
{
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < RACE_MESSAGES; i++) {
            SpoolClaim *c;
            char id[16];
            int r;

            snprintf(id, sizeof(id), "m%d", i);
            (void)spool_recover(p->spool, id, false, NULL, NULL);
            r = claim(p, id, &c);
            if (r < 0)
                _exit(2);
            if (r == SPOOL_CLAIMED && (i + round) % 3 == 0)
                (void)spool_release(c, NULL, NULL);
            else if (r == SPOOL_CLAIMED && (spool_complete(c, false, NULL, NULL) < 0 ||
                                               write(to, &i, sizeof(i)) != sizeof(i)))
                _exit(3);
        }
    _exit(0);
}

START_TEST(two_processes_share_a_directory)
{
    _cleanup_place_ Place p;
    int fds[2], done[RACE_MESSAGES] = {0}, i, status;

    place_init(&p);
    for (i = 0; i < RACE_MESSAGES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "m%d.queued", i);
        put(&p, name, "1");
    }
    ck_assert_int_eq(pipe(fds), 0);
    for (i = 0; i < 3; i++)
        if (fork() == 0)
            race(&p, fds[1]);
    close(fds[1]);
    while (read(fds[0], &i, sizeof(i)) == sizeof(i))
        done[i]++;
    close(fds[0]);
    while (wait(&status) > 0)
        ck_assert_int_eq(status, 0);
    for (i = 0; i < RACE_MESSAGES; i++)
        ck_assert_int_le(done[i], 1);
    /* What is left is what was released last; nothing is lost. */
    for (i = 0; i < RACE_MESSAGES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "m%d.queued", i);
        ck_assert_int_eq(there(&p, name), done[i] == 0);
    }
}
END_TEST

/* The exit status of a user to whom the directory belongs: 1 when it is told that it can have no
 * leases on others' files. */
static int told_of_leases(const Place *p)
{
    _cleanup_failure_ Failure f = {0};
    Spool *spool;
    int r;

    if (setgroups(0, NULL) < 0 || setgid(64009) < 0 || setuid(64009) < 0 ||
        spool_open(p->path, &spool, NULL) < 0)
        return 12;
    r = spool_check_leases(spool, &f);
    spool_free(spool);
    return r == 0 ? 0 : r == -EPERM && strstr(failure_text(&f), "CAP_LEASE") ? 1 : 13;
}

START_TEST(it_is_told_that_writers_cannot_be_seen)
{
    static const struct {
        mode_t mode;
        int told;
    } cases[] = {{0700, 0}, {0755, 0}, {03730, 1}, {01777, 1}};
    _cleanup_place_ Place p;

    place_init(&p);
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to become another user\n");
        return;
    }
    ck_assert_int_eq(fchown(p.fd, 64009, 64009), 0);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        pid_t child;
        int status;

        ck_assert_int_eq(fchmod(p.fd, cases[i].mode), 0);
        ck_assert_int_eq(spool_check_leases(p.spool, NULL), 0); /* root has them */
        child = fork();
        if (child == 0)
            _exit(told_of_leases(&p));
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(WEXITSTATUS(status), cases[i].told);
    }
}
END_TEST

static void add_tests(TCase *t)
{
    tcase_add_test(t, it_is_told_that_writers_cannot_be_seen);
    tcase_add_test(t, a_claim_that_was_cut_off_is_no_hard_link);
    tcase_add_test(t, a_record_that_may_be_anothers_stops_its_message_alone);
    tcase_add_test(t, a_message_is_claimed_and_completed);
    tcase_add_test(t, an_id_in_use_by_another_message_is_changed);
    tcase_add_test(t, an_id_is_changed_before_the_record_is_created);
    tcase_add_test(t, a_closed_record_is_not_gone_on_with);
    tcase_add_test(t, long_ids_are_shortened);
    tcase_add_test(t, what_is_written_or_locked_is_left_alone);
    tcase_add_test(t, what_is_no_message_fails_with_a_reason);
    tcase_add_test(t, several_links_fail_when_they_stay);
    tcase_add_test(t, two_processes_share_a_directory);
}

int main(void)
{
    Suite *suite = suite_create("spool_claim");
    TCase *t = tcase_create("spool_claim"), *plain = tcase_create("spool_claim, renames by link");

    tcase_set_timeout(t, 60);
    tcase_set_timeout(plain, 60);
    tcase_add_checked_fixture(plain, know_no_flags, NULL);
    add_tests(t);
    add_tests(plain);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, plain);
    return unit_run(suite);
}
