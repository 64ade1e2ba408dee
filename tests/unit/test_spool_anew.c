/* spool: a record that somebody linked, removed, replaced or locked up while its message was being
 * sent. The message goes on, and what was known of it is not lost. */
#include <errno.h>
#include <grp.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/errors.h"
#include "spool.h"
#include "spool/record.h"
#include "unit.h"

#define T1 1767323045678901u /* 2026-01-02T03:04:05.678901Z */
#define HOUR USEC_PER_HOUR

static const DeliveryOutcome ok = {.kind = DELIVERY_DELIVERED, .code = 250, .text = "ok"};
static const DeliveryOutcome no = {.kind = DELIVERY_REFUSED, .code = 550, .text = "no"};
static const SpoolVia via = {.relay = "primary"};

/* Two attempts: ann has it, bob never will, and the message waits. */
static void put_message(const Place *p, const char *name)
{
    _cleanup_buffer_ Buffer b = {0};

    put(p, name, "one");
    ck_assert_int_eq(spool_record_outcome(&b, T1, "ann@example.com", 1, &ok, &via), 0);
    ck_assert_int_eq(spool_record_outcome(&b, T1, "bob@example.com", 1, &no, &via), 0);
    ck_assert_int_eq(spool_record_retry(&b, T1, 1, T1 + HOUR, NULL), 0);
    ck_assert_int_eq(spool_record_retry(&b, T1 + HOUR, 2, T1 + 3 * HOUR, NULL), 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    put(p, "a.status", buffer_data(&b));
}

static SpoolClaim *claim_message(const Place *p)
{
    SpoolClaim *c;

    ck_assert_int_eq(spool_claim(p->spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL), 0);
    return c;
}

/* eve gets it, and then the rest has to wait for a third time. */
static int go_on(SpoolClaim *c, Failure *f)
{
    _cleanup_buffer_ Buffer first = {0}, second = {0};
    int r;

    ck_assert_int_eq(spool_record_outcome(&first, NOW, "eve@example.com", 3, &ok, &via), 0);
    ck_assert_int_eq(spool_record_retry(&second, NOW, 3, NOW + HOUR, NULL), 0);
    r = spool_record_append(c, &first, f);
    return r < 0 ? r : spool_record_append(c, &second, f);
}

static void check_all_is_known(const Place *p, const char *id)
{
    SpoolHistory h;

    ck_assert_int_eq(spool_history_load_id(p->spool, id, SPOOL_DEFERRED, &h, NULL), 0);
    ck_assert(spool_history_has(&h, "ann@example.com"));
    ck_assert(spool_history_has(&h, "eve@example.com"));
    ck_assert_uint_eq(h.n_delivered, 2);
    ck_assert(spool_history_has_refused(&h, "bob@example.com"));
    ck_assert_uint_eq(h.n_refused, 1);
    ck_assert_uint_eq(h.attempts, 3);
    ck_assert_uint_eq(h.first_attempt, T1);
    ck_assert_uint_eq(h.next, NOW + HOUR);
    ck_assert(h.waiting);
    spool_history_done(&h);
}

static void link_it(const Place *p)
{
    ck_assert_int_eq(linkat(p->fd, "a.status", p->fd, "theirs", 0), 0);
}

static void remove_it(const Place *p)
{
    ck_assert_int_eq(unlinkat(p->fd, "a.status", 0), 0);
}

static void put_directory(const Place *p)
{
    remove_it(p);
    ck_assert_int_eq(mkdirat(p->fd, "a.status", 0700), 0);
}

static void put_link(const Place *p)
{
    remove_it(p);
    ck_assert_int_eq(symlinkat("theirs", p->fd, "a.status"), 0);
}

static void put_pipe(const Place *p)
{
    remove_it(p);
    ck_assert_int_eq(mkfifoat(p->fd, "a.status", 0600), 0);
}

static void put_strangers_file(const Place *p)
{
    remove_it(p);
    put(p, "a.status", "{\"event\":\"sent\"}\n");
    ck_assert_int_eq(fchownat(p->fd, "a.status", 12345, 12345, 0), 0);
}

static void give_away(const Place *p)
{
    ck_assert_int_eq(fchownat(p->fd, "a.status", 12345, 12345, 0), 0);
}

static void put_link_to_anothers(const Place *p)
{
    remove_it(p);
    put(p, "b.status", "{\"event\":\"delivered\",\"recipient\":\"zoe@example.com\"}\n");
    ck_assert_int_eq(linkat(p->fd, "b.status", p->fd, "a.status", 0), 0);
}

static const struct {
    void (*harm)(const Place *);
    bool keeps_id, needs_root;
} harms[] = {
    {link_it, true, false},
    {remove_it, true, false},
    {put_directory, false, false},
    {put_link, false, false},
    {put_pipe, false, false},
    {put_strangers_file, false, true},
    {give_away, false, true},
    {put_link_to_anothers, false, false},
};

START_TEST(what_is_known_goes_on)
{
    bool before_first = _i % 2 == 0;
    void (*harm)(const Place *) = harms[_i / 2].harm;
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];
    SpoolClaim *c;

    if (harms[_i / 2].needs_root && geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to give a file away\n");
        return;
    }
    place_init(&p);
    put_message(&p, "a.deferred");
    c = claim_message(&p);
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    if (before_first)
        harm(&p);
    ck_assert_msg(go_on(c, &f) == 0, "%s", failure_text(&f));
    if (!before_first) { /* what this claim wrote itself must be carried over, too */
        _cleanup_buffer_ Buffer more = {0};

        harm(&p);
        ck_assert_int_eq(spool_record_retry(&more, NOW, 3, NOW + HOUR, NULL), 0);
        ck_assert_msg(spool_record_append(c, &more, &f) == 0, "%s", failure_text(&f));
    }
    ck_assert_int_eq(spool_defer(c, NOW + HOUR, id, NULL), 0);
    ck_assert_int_eq(strcmp(id, "a") == 0, harms[_i / 2].keeps_id);
    ck_assert(spool_name_format(id, SPOOL_DEFERRED, name) && there(&p, name));
    ck_assert_uint_eq(spool_next_attempt(p.spool, id), NOW + HOUR);
    check_all_is_known(&p, id);
    if (there(&p, "b.status")) {
        _cleanup_free_
        char *other = content(&p, "b.status");

        ck_assert_ptr_nonnull(strstr(other, "zoe@"));
        ck_assert_ptr_null(strstr(other, "eve@"));
    }
}
END_TEST

START_TEST(without_a_history_nothing_is_risked)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    SpoolClaim *c;
    int r;

    place_init(&p);
    put_message(&p, "a.deferred");
    c = claim_message(&p);
    put_directory(&p);
    r = go_on(c, &f);
    ck_assert_int_eq(r, -EISDIR);
    ck_assert(!error_is_common(r));
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "a.status"));
    assert_names(&p, "a.sending a.status ");
    spool_claim_free(c);
}
END_TEST

/* The record is its owner's to read only, or cannot be changed by anybody. */
static int with_locked_record(const Place *p)
{
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX];
    SpoolClaim *c;
    Spool *spool;

    if (setgroups(0, NULL) < 0 || setgid(64009) < 0 || setuid(64009) < 0 ||
        spool_open(p->path, &spool, NULL) < 0)
        return 1;
    if (spool_claim(spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL) != 0 ||
        spool_history_load(c, &f) < 0)
        return 2;
    if (go_on(c, &f) < 0 || spool_defer(c, NOW + HOUR, id, NULL) < 0)
        return 3;
    spool_free(spool);
    return strcmp(id, "a") == 0 ? 0 : 4;
}

START_TEST(a_record_that_may_only_be_read_is_copied)
{
    _cleanup_place_ Place p;
    pid_t child;
    int status;

    place_init(&p);
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root to become another user\n");
        return;
    }
    put_message(&p, "a.deferred");
    ck_assert_int_eq(fchmodat(p.fd, "a.status", 0444, 0), 0);
    ck_assert_int_eq(fchmodat(p.fd, "a.deferred", 0644, 0), 0);
    ck_assert_int_eq(fchown(p.fd, 64009, 64009), 0);
    child = fork();
    if (child == 0)
        _exit(with_locked_record(&p));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    spool_free(p.spool); /* it knew another owner */
    ck_assert_int_eq(spool_open(p.path, &p.spool, NULL), 0);
    p.fd = spool_directory_fd(p.spool);
    assert_names(&p, "a.deferred a.status ");
    check_all_is_known(&p, "a");
}
END_TEST

static int set_flags(const Place *p, int flags)
{
    _cleanup_close_ int fd = openat(p->fd, "a.status", O_RDONLY);

    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

START_TEST(a_record_that_nobody_may_change_is_left_behind)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX];
    SpoolClaim *c;

    place_init(&p);
    put_message(&p, "a.deferred");
    c = claim_message(&p);
    ck_assert_int_eq(spool_history_load(c, NULL), 0);
    if (set_flags(&p, FS_IMMUTABLE_FL) < 0) {
        fprintf(stderr, "skipped: no immutable files here\n");
        ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
        return;
    }
    ck_assert_msg(go_on(c, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(spool_defer(c, NOW + HOUR, id, NULL), 0);
    ck_assert_str_ne(id, "a");
    check_all_is_known(&p, id);
    ck_assert_int_eq(set_flags(&p, 0), 0);
    assert_names(&p, "a-*.deferred a-*.status a.status ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_anew");
    TCase *t = tcase_create("spool_anew");

    tcase_add_loop_test(t, what_is_known_goes_on, 0, 2 * (int)ELEMENTSOF(harms));
    tcase_add_test(t, without_a_history_nothing_is_risked);
    tcase_add_test(t, a_record_that_may_only_be_read_is_copied);
    tcase_add_test(t, a_record_that_nobody_may_change_is_left_behind);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
