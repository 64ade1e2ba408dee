/* spool: opening the directory, looking into it, what an operator does, and file systems that lack
 * something. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/errors.h"
#include "spool.h"
#include "spool/record.h"
#include "unit.h"

static int open_spool(const char *path, Failure *f)
{
    Spool *spool = NULL;
    int r = spool_open(path, &spool, f);

    spool_free(spool);
    return r;
}

START_TEST(a_directory_that_cannot_serve_is_refused)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};

    place_init(&p);
    ck_assert_int_eq(open_spool("/nonexistent/spool", &f), -ENOENT);
    ck_assert_int_eq(f.number, 9008);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "mkdir"));
    ck_assert_int_eq(open_spool("/dev/null", &f), -ENOTDIR);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "/dev/null"));
    ck_assert_int_eq(fchmod(p.fd, 0777), 0);
    ck_assert_int_eq(open_spool(p.path, &f), -EPERM);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "chmod +t"));
    ck_assert_int_eq(fchmod(p.fd, 01777), 0);
    ck_assert_int_eq(open_spool(p.path, &f), 0);
}
END_TEST

/* Runs the body as a user who owns nothing, with what it returns as exit status. */
static int as_nobody(int (*body)(const Place *), const Place *p)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(setgroups(0, NULL) < 0 || setgid(64009) < 0 || setuid(64009) < 0 ? 99 : body(p));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int may_not_open(const Place *p)
{
    _cleanup_failure_ Failure f = {0};

    if (open_spool(p->path, &f) != -EACCES)
        return 1;
    return strstr(failure_text(&f), "64009") ? 0 : 2;
}

static int cannot_rename(const Place *p)
{
    _cleanup_failure_ Failure f = {0};

    if (open_spool(p->path, &f) != -EPERM)
        return 1;
    return strstr(failure_text(&f), "sticky") ? 0 : 2;
}

/* The directory is its own; the files are root's. */
static int cannot_read(const Place *p)
{
    _cleanup_failure_ Failure f = {0};
    Spool *spool;
    SpoolClaim *c;
    int r;

    if (spool_open(p->path, &spool, NULL) < 0)
        return 1;
    r = spool_claim(spool, "a", SPOOL_QUEUED, USEC_PER_HOUR, false, clock_realtime(), &c, NULL, &f);
    if (r != SPOOL_UNSETTLED)
        return 2;
    r = spool_claim(spool, "a", SPOOL_QUEUED, USEC_PER_HOUR, true, clock_realtime(), &c, NULL, &f);
    if (r != SPOOL_UNREADABLE || f.number != 303 || !strstr(failure_text(&f), "chmod g+r"))
        return 3;
    if (spool_recover(spool, "b", false, NULL, &f) != -EACCES)
        return 4;
    /* Who it is, whose it is, its mode, and what to do. */
    if (!strstr(failure_text(&f), "user 64009") || !strstr(failure_text(&f), "user 0") ||
        !strstr(failure_text(&f), "0600") || !strstr(failure_text(&f), "chmod"))
        return 5;
    spool_free(spool);
    return 0;
}

START_TEST(permissions_are_explained)
{
    _cleanup_place_ Place p;

    place_init(&p);
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to become another user\n");
        return;
    }
    ck_assert_int_eq(as_nobody(may_not_open, &p), 0);
    ck_assert_int_eq(fchmod(p.fd, 01777), 0);
    ck_assert_int_eq(as_nobody(cannot_rename, &p), 0);
    put(&p, "a.queued", "1");
    put(&p, "b.sending", "1");
    ck_assert_int_eq(fchmodat(p.fd, "a.queued", 0600, 0), 0);
    ck_assert_int_eq(fchmodat(p.fd, "b.sending", 0600, 0), 0);
    ck_assert_int_eq(fchown(p.fd, 64009, 64009), 0);
    ck_assert_int_eq(as_nobody(cannot_read, &p), 0);
    assert_names(&p, "a.queued b.sending ");
    /* What root records there, the directory's owner can go on with. */
    put(&p, "c.queued", "1");
    {
        _cleanup_buffer_ Buffer b = {0};
        struct stat st;
        SpoolClaim *c;
        Spool *spool;

        ck_assert_int_eq(spool_open(p.path, &spool, NULL), 0);
        ck_assert_int_eq(spool_claim(spool, "c", SPOOL_QUEUED, 0, true, NOW, &c, NULL, NULL), 0);
        ck_assert_int_eq(spool_record_failed(&b, NOW, 1, "x", NULL), 0);
        ck_assert_int_eq(spool_record_append(c, &b, NULL), 0);
        ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
        ck_assert_int_eq(fstatat(p.fd, "c.status", &st, 0), 0);
        ck_assert_uint_eq(st.st_uid, 64009);
        spool_free(spool);
    }
}
END_TEST

/* All that a member of the group can put there to stop the daemon. */
static int put_hostile_things(const Place *p)
{
    static const char *const states[] = {"queued", "sending", "deferred"};

    umask(0);
    for (size_t i = 0; i < ELEMENTSOF(states); i++) {
        char name[SPOOL_NAME_MAX], path[SPOOL_NAME_MAX + 64];

        snprintf(name, sizeof(name), "dir%zu.%s", i, states[i]);
        snprintf(path, sizeof(path), "%s/%s", p->path, name);
        if (mkdir(path, 0) < 0)
            return 1;
        snprintf(path, sizeof(path), "%s/fifo%zu.%s", p->path, i, states[i]);
        if (mkfifo(path, 0) < 0)
            return 2;
        snprintf(path, sizeof(path), "%s/file%zu.%s", p->path, i, states[i]);
        if (mknod(path, S_IFREG, 0) < 0)
            return 3;
        snprintf(path, sizeof(path), "%s/link%zu.%s", p->path, i, states[i]);
        if (symlink("/proc/self/mem", path) < 0)
            return 4;
        snprintf(path, sizeof(path), "%s/link%zu.status", p->path, i);
        if (symlink(p->path, path) < 0)
            return 5;
        snprintf(path, sizeof(path), "%s/file%zu.status", p->path, i);
        if (mkdir(path, 0) < 0)
            return 6;
    }
    return 0;
}

static bool sweep(Spool *spool)
{
    SpoolScan *scan;
    SpoolEntry entry;
    bool any = false;

    if (spool_scan_new(spool, &scan, NULL) < 0)
        _exit(10);
    while (spool_scan_next(scan, &entry) > 0) {
        _cleanup_failure_ Failure f = {0};
        SpoolClaim *c;
        int r = 0;

        if (strncmp(entry.id, "file", 4) == 0) {
            /* It may be another user's to send: left alone, and said. */
            r = entry.state == SPOOL_SENDING
                    ? spool_recover(spool, entry.id, false, NULL, &f) + EACCES
                    : spool_claim(spool, entry.id, entry.state, 0, true, NOW, &c, NULL, &f) -
                          SPOOL_UNREADABLE;
            if (r != 0 || !f.text)
                _exit(13);
            continue;
        }
        if (entry.state == SPOOL_SENDING)
            r = spool_recover(spool, entry.id, false, NULL, &f) == 1 ? 0 : -1;
        else if (entry.state == SPOOL_QUEUED || entry.state == SPOOL_DEFERRED)
            r = spool_claim(spool, entry.id, entry.state, 0, true, NOW, &c, NULL, &f) -
                SPOOL_DEFECTIVE;
        else
            continue;
        if (r != 0) {
            fprintf(stderr, "%s: %d %s\n", entry.id, r, failure_text(&f));
            _exit(11);
        }
        any = true;
    }
    spool_scan_free(scan);
    return any;
}

static int fail_hostile_things(const Place *p)
{
    Spool *spool;

    if (setgroups(0, NULL) < 0 || setgid(64001) < 0 || setuid(64001) < 0 ||
        spool_open(p->path, &spool, NULL) < 0)
        return 12;
    while (sweep(spool))
        continue;
    spool_free(spool);
    return 0;
}

START_TEST(hostile_things_all_fail)
{
    _cleanup_place_ Place p;
    int status;
    pid_t child;

    place_init(&p);
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to become other users\n");
        return;
    }
    ck_assert_int_eq(fchown(p.fd, 64001, 64009), 0);
    ck_assert_int_eq(fchmod(p.fd, 03730), 0);
    ck_assert_int_eq(as_nobody(put_hostile_things, &p), 0);
    child = fork();
    if (child == 0)
        _exit(fail_hostile_things(&p));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    spool_free(p.spool); /* it knew another owner */
    ck_assert_int_eq(spool_open(p.path, &p.spool, NULL), 0);
    p.fd = spool_directory_fd(p.spool);
    {
        SpoolScan *scan;
        SpoolEntry entry;
        int n = 0;

        ck_assert_int_eq(spool_scan_new(p.spool, &scan, NULL), 0);
        for (; spool_scan_next(scan, &entry) > 0; n++) {
            SpoolHistory h;

            if (strncmp(entry.id, "file", 4) == 0)
                continue;
            ck_assert_int_eq(entry.state, SPOOL_FAILED);
            ck_assert_int_eq(spool_history_load_id(p.spool, entry.id, entry.state, &h, NULL), 0);
            ck_assert(h.ended);
            spool_history_done(&h);
        }
        spool_scan_free(scan);
        ck_assert_int_eq(n, 12);
        ck_assert(there(&p, "file0.queued") && there(&p, "file1.sending"));
        ck_assert(there(&p, "file2.deferred"));
    }
}
END_TEST

START_TEST(a_replaced_directory_is_noticed)
{
    _cleanup_place_ Place p;
    char away[80];

    place_init(&p);
    snprintf(away, sizeof(away), "%s.away", p.path);
    ck_assert_int_eq(spool_is_current(p.spool), 1);
    ck_assert_int_eq(rename(p.path, away), 0);
    ck_assert_int_eq(spool_is_current(p.spool), 0);
    ck_assert_int_eq(mkdir(p.path, 0700), 0);
    ck_assert_int_eq(spool_is_current(p.spool), 0);
    ck_assert_int_eq(rmdir(p.path), 0);
    ck_assert_int_eq(rename(away, p.path), 0);
    ck_assert_int_eq(spool_is_current(p.spool), 1);
    ck_assert_str_eq(spool_path(p.spool), p.path);
}
END_TEST

static int being_sent(const Place *p)
{
    _cleanup_failure_ Failure f = {0};
    Spool *spool;
    int r;

    if (spool_open(p->path, &spool, NULL) < 0)
        return 1;
    r = spool_recover(spool, "a", false, NULL, &f);
    spool_free(spool);
    return r == -EACCES && strstr(failure_text(&f), "0600") ? 0 : 2;
}

/* The daemon sends a file that a second process, of another user, may not open. */
START_TEST(a_live_message_is_not_stolen)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to become another user\n");
        return;
    }
    put(&p, "a.queued", "1");
    ck_assert_int_eq(fchmodat(p.fd, "a.queued", 0600, 0), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(fchmod(p.fd, 0777 | S_ISVTX), 0);
    ck_assert_int_eq(fchown(p.fd, 64009, 64009), 0);
    ck_assert_int_eq(as_nobody(being_sent, &p), 0);
    assert_names(&p, "a.sending ");
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

/* P is a link, or a directory above it is: the path leads elsewhere when the link does. */
static void switch_link(const char *link, const char *to)
{
    char beside[PATH_MAX];

    snprintf(beside, sizeof(beside), "%s.new", link);
    ck_assert_int_eq(symlink(to, beside), 0);
    ck_assert_int_eq(rename(beside, link), 0);
}

START_TEST(a_switched_link_is_noticed)
{
    char top[] = "/tmp/outbox-link-XXXXXX", path[PATH_MAX], link[PATH_MAX];
    static const char *const links[] = {"current", "current/queue"};

    ck_assert_ptr_nonnull(mkdtemp(top));
    for (size_t i = 0; i < ELEMENTSOF(links); i++) {
        Spool *spool;

        for (int generation = 0; generation < 2; generation++) {
            snprintf(path, sizeof(path), "%s/%d", top, generation);
            ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
            snprintf(path, sizeof(path), "%s/%d/queue", top, generation);
            ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        }
        /* The last component of the path, or one in its middle. */
        snprintf(link, sizeof(link), "%s/current", top);
        switch_link(link, i == 0 ? "0/queue" : "0");
        snprintf(path, sizeof(path), "%s/%s", top, links[i]);
        ck_assert_int_eq(spool_open(path, &spool, NULL), 0);
        ck_assert_int_eq(spool_is_current(spool), 1);
        switch_link(link, i == 0 ? "1/queue" : "1");
        ck_assert_int_eq(spool_is_current(spool), 0);
        switch_link(link, i == 0 ? "0/queue" : "0");
        ck_assert_int_eq(spool_is_current(spool), 1);
        switch_link(link, "nowhere");
        ck_assert_int_eq(spool_is_current(spool), 0);
        spool_free(spool);
        ck_assert_int_eq(unlink(link), 0);
    }
    snprintf(path, sizeof(path), "rm -r %s", top);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

START_TEST(faults_that_pause_all_are_told_from_those_of_one_message)
{
    static const int common[] = {ENOSPC, EDQUOT, EIO, EROFS, ENOMEM, EMFILE, ENFILE, ENOLCK};
    static const int own[] = {EPERM, EACCES, EISDIR, ELOOP, ENXIO, ENOENT, EEXIST, EFBIG, EBADMSG};

    for (size_t i = 0; i < ELEMENTSOF(common); i++)
        ck_assert(error_is_common(-common[i]));
    for (size_t i = 0; i < ELEMENTSOF(own); i++)
        ck_assert(!error_is_common(-own[i]));
    ck_assert(!error_is_common(0) && !error_is_common(SPOOL_UNREADABLE));
}
END_TEST

START_TEST(a_scan_reports_messages_only)
{
    _cleanup_place_ Place p;
    SpoolScan *scan;
    SpoolEntry entry;
    int seen[SPOOL_STATE_MAX] = {0}, n = 0;

    place_init(&p);
    for (int i = 0; i < 2000; i++) {
        char name[SPOOL_NAME_MAX];

        snprintf(
            name, sizeof(name), "m%d.%s", i, spool_state_name((SpoolState)(i % SPOOL_STATE_MAX)));
        put(&p, name, "");
    }
    put(&p, "m1.status", "");
    put(&p, ".tmp-1.queued", "");
    put(&p, "README", "");
    ck_assert_int_eq(spool_scan_new(p.spool, &scan, NULL), 0);
    while (spool_scan_next(scan, &entry) == 1) {
        ck_assert_int_eq(atoi(entry.id + 1) % SPOOL_STATE_MAX, entry.state);
        seen[entry.state]++;
        n++;
    }
    ck_assert_int_eq(spool_scan_next(scan, &entry), 0);
    spool_scan_free(scan);
    spool_scan_free(NULL);
    ck_assert_int_eq(n, 2000);
    ck_assert_int_eq(seen[SPOOL_HELD], 333);
}
END_TEST

START_TEST(an_operator_changes_states)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    SpoolState state;
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];

    place_init(&p);
    memset(id, 'x', 248); /* too long for some of the states */
    id[248] = '\0';
    ck_assert(spool_name_format(id, SPOOL_QUEUED, name));
    put(&p, name, "1");
    ck_assert_int_eq(spool_hold(p.spool, id, &f), 0);
    ck_assert_int_eq(spool_delete(p.spool, id, &f), 0);
    ck_assert_int_eq(spool_find(p.spool, "a", &state), -ENOENT);
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), -ENOENT);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "no such message"));
    put(&p, "a.queued", "1");
    ck_assert_int_eq(spool_retry(p.spool, "a", &f), -ENOENT);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "only what is .deferred or .failed"));
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), 0);
    ck_assert_int_eq(spool_find(p.spool, "a", &state), 0);
    ck_assert_int_eq(state, SPOOL_HELD);
    put(&p, "a.queued", "2");
    ck_assert_int_eq(spool_unhold(p.spool, "a", &f), -EEXIST);
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), -EEXIST);
    ck_assert_int_eq(unlinkat(p.fd, "a.queued", 0), 0);
    ck_assert_int_eq(spool_unhold(p.spool, "a", &f), 0);
    ck_assert_int_eq(renameat(p.fd, "a.queued", p.fd, "a.failed"), 0);
    ck_assert_int_eq(spool_retry(p.spool, "a", &f), 0);
    ck_assert_int_eq(renameat(p.fd, "a.queued", p.fd, "a.deferred"), 0);
    ck_assert_int_eq(spool_hold(p.spool, "a", &f), 0);
    ck_assert_int_eq(renameat(p.fd, "a.held", p.fd, "a.deferred"), 0);
    ck_assert_int_eq(spool_retry(p.spool, "a", &f), 0);
    assert_names(&p, "a.queued ");
    ck_assert_int_eq(spool_hold(p.spool, "../a", &f), -ENOENT);
}
END_TEST

START_TEST(delete_takes_the_message_that_has_the_record)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};

    place_init(&p);
    ck_assert_int_eq(spool_delete(p.spool, "a", &f), -ENOENT);
    put(&p, "a.failed", "old");
    put(&p, "a.status", "{}\n");
    put(&p, "a.queued", "new");
    ck_assert_int_eq(spool_delete(p.spool, "a", &f), 0);
    assert_names(&p, "a.queued ");
    ck_assert_int_eq(spool_delete(p.spool, "a", &f), 0);
    assert_names(&p, "");
    put(&p, "a.status", "{}\n");
    ck_assert_int_eq(spool_delete(p.spool, "a", &f), 0);
    assert_names(&p, "");
    ck_assert_int_eq(mkdirat(p.fd, "d.failed", 0700), 0);
    ck_assert_int_eq(spool_delete(p.spool, "d", &f), 0);
    assert_names(&p, "");
    ck_assert_int_eq(mkdirat(p.fd, "d.failed", 0700), 0);
    put(&p, "d.failed/x", "");
    ck_assert_int_eq(spool_delete(p.spool, "d", &f), -ENOTEMPTY);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "d.failed"));
    ck_assert_int_eq(unlinkat(p.fd, "d.failed/x", 0), 0);
}
END_TEST

/* From here on this process' renameat2() says that the file system knows no flags. */
static bool forbid_renameat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ELEMENTSOF(code), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Called in a process of its own: Check forks for every test. */
START_TEST(file_systems_without_rename_flags_serve_as_well)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    if (!forbid_renameat2()) {
        fprintf(stderr, "skipped: no seccomp filters here\n");
        return;
    }
    ck_assert_int_eq(renameat2(p.fd, "a", p.fd, "b", RENAME_NOREPLACE), -1);
    ck_assert_int_eq(errno, EINVAL);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    put(&p, "a.queued", "2");
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    assert_names(&p, "a-*.queued a.queued ");
    ck_assert_int_eq(claim(&p, "b", &c), SPOOL_GONE);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
    assert_names(&p, "a-*.queued a.sent ");
}
END_TEST

START_TEST(a_full_or_read_only_file_system_is_a_failure)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer b = {0};
    Place inside;
    SpoolClaim *c;
    char block[4096] = "";

    place_init(&p);
    inside = p;
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to mount a file system\n");
        return;
    }
    ck_assert_int_eq(mount("tmpfs", p.path, "tmpfs", 0, "size=32k"), 0);
    ck_assert_int_eq(spool_open(p.path, &inside.spool, NULL), 0);
    inside.fd = spool_directory_fd(inside.spool);
    put(&inside, "a.queued", "1");
    ck_assert_int_eq(claim(&inside, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(buffer_append_string(&b, "{\"event\":\"deferred\"}\n"), 0);
    ck_assert_int_eq(spool_record_append(c, &b, &f), 0);
    {
        _cleanup_close_ int fd = openat(inside.fd, "fill", O_WRONLY | O_CREAT, 0600);

        while (write(fd, block, sizeof(block)) > 0)
            continue;
    }
    while (buffer_size(&b) < sizeof(block))
        ck_assert_int_eq(buffer_append(&b, " ", 1), 0);
    ck_assert_int_eq(spool_record_append(c, &b, &f), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "has room"));
    {
        _cleanup_free_
        char *record = record_lines(&inside, "a.status");

        ck_assert_str_eq(record, "{\"event\":\"deferred\"}\n"); /* nothing by halves */
    }
    ck_assert_int_eq(spool_release(c, NULL, &f), 0);
    ck_assert_int_eq(mount(NULL, p.path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_int_eq(claim(&inside, "a", &c), -EROFS);
    ck_assert_int_eq(open_spool(p.path, &f), -EROFS);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "mount"));
    assert_names(&inside, "a.queued a.status fill ");
    spool_free(inside.spool);
    ck_assert_int_eq(umount2(p.path, MNT_DETACH), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_directory");
    TCase *t = tcase_create("spool_directory");

    tcase_add_test(t, a_directory_that_cannot_serve_is_refused);
    tcase_add_test(t, permissions_are_explained);
    tcase_add_test(t, hostile_things_all_fail);
    tcase_add_test(t, a_replaced_directory_is_noticed);
    tcase_add_test(t, a_live_message_is_not_stolen);
    tcase_add_test(t, a_switched_link_is_noticed);
    tcase_add_test(t, faults_that_pause_all_are_told_from_those_of_one_message);
    tcase_add_test(t, a_scan_reports_messages_only);
    tcase_add_test(t, an_operator_changes_states);
    tcase_add_test(t, delete_takes_the_message_that_has_the_record);
    tcase_add_test(t, file_systems_without_rename_flags_serve_as_well);
    tcase_add_test(t, a_full_or_read_only_file_system_is_a_failure);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
