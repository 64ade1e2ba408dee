/* spool: a record belongs to the file that it was made for. Whatever is put beside it, whatever is
 * called as its message was, and whichever look fails: no other file goes on with it, and its own
 * is never without it. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "spool_waiting.h"
#include "unit.h"

/* ---- system calls that fail ---- */

static int fail_in; /* calls until one fails with EIO; 0: none does */
static bool no_links;

static bool fails(void)
{
    if (fail_in == 0 || --fail_in > 0)
        return false;
    errno = EIO;
    return true;
}

int fstatat(int fd, const char *name, struct stat *ret, int flags)
{
    return fails() ? -1 : (int)syscall(SYS_newfstatat, fd, name, ret, flags);
}

int statx(int fd, const char *name, int flags, unsigned mask, struct statx *ret)
{
    return fails() ? -1 : (int)syscall(SYS_statx, fd, name, flags, mask, ret);
}

int name_to_handle_at(int fd, const char *name, struct file_handle *ret, int *mount, int flags)
{
    return fails() ? -1 : (int)syscall(SYS_name_to_handle_at, fd, name, ret, mount, flags);
}

ssize_t pread(int fd, void *to, size_t n, off_t offset)
{
    return fails() ? -1 : syscall(SYS_pread64, fd, to, n, offset);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    if (no_links) {
        errno = EPERM;
        return -1;
    }
    return fails() ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
    return fails() ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return fails() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

/* ---- what comes under a name ---- */

/* What it is called, and what is done with it, before its file is removed and its record is not. */
START_TEST(the_next_file_of_a_name_is_another_message)
{
    static const char *const left[] = {"a.failed", "a.held", "a.deferred", "a.queued", "a.sent"};
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(left); i++) {
        put(&p, "a.queued", "to two");
        c = take(&p, "a", SPOOL_QUEUED);
        append(c, ANN REFUSED FAILED);
        ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
        ck_assert_int_eq(renameat(p.fd, "a.failed", p.fd, left[i]), 0);
        ck_assert_int_eq(unlinkat(p.fd, left[i], 0), 0); /* often, the next one gets its inode */
        put(&p, "a.queued", "to two");
        c = take(&p, "a", SPOOL_QUEUED);
        ck_assert(!spool_claim_has_record(c) && !knows_ann(c));
        ck_assert_str_eq(spool_claim_id(c), "a");
        append(c, RETRY);
        ck_assert_int_eq(spool_defer(c, 7, NULL, NULL), 0);
        c = take(&p, "a", SPOOL_DEFERRED);
        ck_assert(spool_claim_has_record(c) && !knows_ann(c));
        ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
        assert_names(&p, "");
    }
}
END_TEST

START_TEST(a_file_that_is_renamed_keeps_its_record)
{
    static const char *const names_[] = {"a.failed", "a.held", "a.queued"};
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    put_waiting(&p);
    for (size_t i = 0; i < ELEMENTSOF(names_); i++)
        ck_assert_int_eq(renameat(p.fd, i > 0 ? names_[i - 1] : "a.deferred", p.fd, names_[i]), 0);
    c = take(&p, "a", SPOOL_QUEUED);
    ck_assert(knows_ann(c));
    ck_assert_str_eq(spool_claim_id(c), "a");
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "");
}
END_TEST

START_TEST(what_waits_is_not_disturbed_by_what_is_put_beside_it)
{
    static const char *const beside[] = {"a.failed", "a.held", "a.sent", "a.queued", "a.sending"};
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(beside); i++) {
        _cleanup_close_ int lock = -1;
        bool taken = strcmp(beside[i], "a.sending") == 0;
        SpoolClaim *c;

        put_new(&p, beside[i]);
        put_waiting(&p);
        lock = openat(p.fd, beside[i], O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(flock(lock, LOCK_EX), 0);
        ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), SPOOL_ALIVE);
        c = take(&p, "a", SPOOL_DEFERRED);
        ck_assert_msg(knows_ann(c), "%s", beside[i]);
        ck_assert_int_eq(strcmp(spool_claim_id(c), "a") != 0, taken);
        ck_assert_int_eq(there(&p, "a.status"), !taken);
        append(c, RETRY);
        ck_assert_int_eq(spool_defer(c, 7, NULL, NULL), 0);
        ck_assert(there(&p, beside[i]));
        place_empty(&p);
    }
}
END_TEST

/* Where links are not protected, anybody can give a file of another's a further name. */
START_TEST(another_states_name_for_the_same_file_counts_for_nothing)
{
    static const char *const others[] = {"a.failed", "a.held", "a.sent", "a.queued", "a.sending"};
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        SpoolClaim *c;

        put_waiting(&p);
        ck_assert_int_eq(linkat(p.fd, "a.deferred", p.fd, others[i], 0), 0);
        ck_assert_int_eq(spool_claim(p.spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL),
            SPOOL_UNSETTLED);
        c = take(&p, "a", SPOOL_DEFERRED);
        ck_assert(knows_ann(c));
        ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
        assert_names(&p, "");
    }
}
END_TEST

/* Nor does it have what is kept sent once more. */
START_TEST(a_kept_message_s_name_in_the_queue_is_given_up)
{
    static const SpoolState from[] = {SPOOL_QUEUED, SPOOL_DEFERRED};
    static const char *const names[] = {"a.queued", "a.deferred"};
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(from); i++) {
        _cleanup_failure_ Failure f = {0};
        const usec_t later = NOW + USEC_PER_DAY;
        SpoolClaim *c;

        put(&p, "a.queued", "alice's");
        c = take(&p, "a", SPOOL_QUEUED);
        append(c, ANN SENT);
        ck_assert_int_eq(spool_complete(c, true, NULL, NULL), 0);
        ck_assert_int_eq(linkat(p.fd, "a.sent", p.fd, names[i], 0), 0);
        ck_assert_int_eq(
            spool_claim(p.spool, "a", from[i], 0, true, later, &c, NULL, &f), SPOOL_DEFECTIVE);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "2 names"));
        ck_assert(there(&p, "a.sent") && there(&p, "a.status") && !there(&p, names[i]));
        place_empty(&p);
    }
}
END_TEST

START_TEST(a_new_file_beside_another_leaves_its_record_alone)
{
    static const char *const beside[] = {"a.deferred", "a.failed", "a.held", "a.sent"};
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(beside); i++) {
        SpoolHistory h;
        SpoolClaim *c;

        put(&p, beside[i], "alice's");
        put_record(&p, beside[i], "a.status", ANN RETRY, strlen(ANN RETRY));
        put_new(&p, "a.queued");
        ck_assert_int_eq(spool_history_load_id(p.spool, "a", SPOOL_QUEUED, &h, NULL), 0);
        ck_assert_uint_eq(h.n_delivered, 0);
        c = take(&p, "a", SPOOL_QUEUED);
        ck_assert(!knows_ann(c));
        ck_assert_str_ne(spool_claim_id(c), "a");
        append(c, FAILED);
        ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
        ck_assert_int_eq(renameat(p.fd, beside[i], p.fd, "a.queued"), 0);
        c = take(&p, "a", SPOOL_QUEUED);
        ck_assert(knows_ann(c));
        ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
        assert_names(&p, "a-*.failed a-*.status ");
        place_empty(&p);
    }
}
END_TEST

START_TEST(a_message_that_was_abandoned_goes_back_with_its_own_record)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX];
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.sending", "alice's");
    put_record(&p, "a.sending", "a.status", ANN, strlen(ANN));
    put_new(&p, "a.queued");
    put_new(&p, "a.failed");
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REQUEUED);
    ck_assert_str_ne(id, "a");
    c = take(&p, id, SPOOL_QUEUED);
    ck_assert(knows_ann(c));
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "a.failed a.queued ");
    put(&p, "a.status", SENT); /* nobody's, and closed */
    put_record(&p, "a.failed", "a.status", ANN SENT, strlen(ANN SENT));
    put_new(&p, "a.sending");
    ck_assert_int_eq(unlinkat(p.fd, "a.queued", 0), 0);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, id, NULL), SPOOL_REQUEUED);
    assert_names(&p, "a.failed a.queued a.status ");
}
END_TEST

/* ---- further names of a record ---- */

START_TEST(a_record_with_further_names_goes_on)
{
    _cleanup_place_ Place p;
    struct stat st;
    SpoolClaim *c;

    place_init(&p);
    put_waiting(&p);
    ck_assert_int_eq(linkat(p.fd, "a.status", p.fd, "theirs", 0), 0);
    ck_assert_int_eq(linkat(p.fd, "a.status", p.fd, "b.status", 0), 0);
    put_new(&p, "b.queued");
    c = take(&p, "b", SPOOL_QUEUED);
    ck_assert(!spool_claim_has_record(c));
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    append(c, RETRY);
    ck_assert_int_eq(spool_defer(c, 7, NULL, NULL), 0);
    ck_assert_int_eq(fstatat(p.fd, "a.status", &st, 0), 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "theirs ");
}
END_TEST

START_TEST(where_there_are_no_links_a_record_is_copied)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX];
    SpoolClaim *c;

    place_init(&p);
    put_waiting(&p);
    no_links = true;
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    put_new(&p, "a.deferred");
    append(c, RETRY);
    ck_assert_int_eq(spool_defer(c, 7 * USEC_PER_SEC, id, NULL), 0);
    no_links = false;
    assert_names(&p, "a-*.deferred a-*.status a.deferred ");
    ck_assert_uint_eq(spool_next_attempt(p.spool, id), 7 * USEC_PER_SEC);
    c = take(&p, id, SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    append(c, FAILED);
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
}
END_TEST

/* ---- records of former versions ---- */

/* Waits until files that are made now are told from those that were made before. */
static void pass_a_tick(const Place *p)
{
    FileIdentity first, then;

    put(p, "tick", "");
    ck_assert_int_eq(file_identity_of(p->spool, p->fd, "tick", &first), 0);
    do {
        ck_assert_int_eq(unlinkat(p->fd, "tick", 0), 0);
        put(p, "tick", "");
        ck_assert_int_eq(file_identity_of(p->spool, p->fd, "tick", &then), 0);
    } while (then.birth == first.birth);
    ck_assert_int_eq(unlinkat(p->fd, "tick", 0), 0);
}

START_TEST(a_former_versions_record_is_of_a_file_that_is_no_younger)
{
    _cleanup_place_ Place p;
    _cleanup_free_
    char *record = NULL;
    char owner[40];
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.deferred", "alice's");
    put(&p, "a.status", ANN RETRY);
    pass_a_tick(&p);
    put_new(&p, "a.failed"); /* of no account: it is younger */
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    record = content(&p, "a.status"); /* from now on it says whose it is */
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"message\",\"file\":\""));
    snprintf(owner, sizeof(owner), "\",\"uid\":%u}\n", geteuid());
    ck_assert_ptr_nonnull(strstr(record, owner));
    ck_assert_ptr_nonnull(strstr(record, ANN RETRY));
    ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    place_empty(&p);

    put(&p, "a.status", ANN FAILED);
    pass_a_tick(&p);
    put_new(&p, "a.queued");
    c = take(&p, "a", SPOOL_QUEUED);
    ck_assert(!knows_ann(c));
    assert_names(&p, "a.sending ");
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);

    /* It can be either's. */
    put(&p, "a.failed", "alice's");
    put_new(&p, "a.queued");
    pass_a_tick(&p);
    put(&p, "a.status", ANN FAILED);
    c = take(&p, "a", SPOOL_QUEUED);
    ck_assert(!knows_ann(c));
    assert_names(&p, "a-*.sending a.failed a.status ");
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
}
END_TEST

/* ---- what an operator deletes ---- */

START_TEST(delete_takes_the_record_of_the_message_and_no_other)
{
    _cleanup_place_ Place p;
    SpoolState state;

    place_init(&p);
    put_new(&p, "a.deferred");
    put(&p, "a.failed", "alice's");
    put_record(&p, "a.failed", "a.status", ANN FAILED, strlen(ANN FAILED));
    ck_assert_int_eq(spool_find(p.spool, "a", &state), 0);
    ck_assert_int_eq(state, SPOOL_FAILED);
    ck_assert_int_eq(spool_delete(p.spool, "a", NULL), 0);
    assert_names(&p, "a.deferred ");
    put_record(&p, "a.deferred", "a.status", ANN, strlen(ANN));
    ck_assert_int_eq(renameat(p.fd, "a.deferred", p.fd, "b.deferred"), 0);
    put_new(&p, "a.held");
    ck_assert_int_eq(spool_delete(p.spool, "a", NULL), 0); /* and what is nobody's */
    assert_names(&p, "b.deferred ");
    put_waiting(&p);
    ck_assert_int_eq(unlinkat(p.fd, "a.deferred", 0), 0);
    ck_assert_int_eq(spool_delete(p.spool, "a", NULL), 0);
    assert_names(&p, "b.deferred ");
}
END_TEST

/* ---- faults ---- */

/* What a daemon does with a directory: takes up what was abandoned, and claims all that waits.
 * Whether alice's message was there, and whether it was known that ann has it. */
static bool find_alices(const Place *p, bool *ret_known)
{
    SpoolScan *scan;
    SpoolEntry entry;
    bool found = false;

    ck_assert_int_eq(spool_scan_new(p->spool, &scan, NULL), 0);
    while (!found && spool_scan_next(scan, &entry) > 0) {
        SpoolClaim *c;
        char text[8] = "";

        if (entry.state == SPOOL_SENDING)
            (void)spool_recover(p->spool, entry.id, false, NULL, NULL);
        if ((entry.state != SPOOL_QUEUED && entry.state != SPOOL_DEFERRED) ||
            spool_claim(p->spool, entry.id, entry.state, 0, true, NOW, &c, NULL, NULL) != 0)
            continue;
        ck_assert_int_gt(read(spool_claim_fd(c), text, sizeof(text) - 1), 0);
        found = strcmp(text, "alice's") == 0;
        if (found)
            *ret_known = knows_ann(c);
        ck_assert_int_eq(spool_release(c, NULL, NULL), 0);
    }
    spool_scan_free(scan);
    return found;
}

/* One step of a daemon; any of its system calls may fail. */
static void step(const Place *p, int kind)
{
    SpoolClaim *c;

    if (kind % 2 == 0) {
        (void)spool_recover(p->spool, "a", false, NULL, NULL);
        return;
    }
    if (spool_claim(p->spool, "a", SPOOL_DEFERRED, 0, true, NOW, &c, NULL, NULL) != 0)
        return;
    (void)spool_history_load(c, NULL);
    (void)spool_release(c, NULL, NULL);
}

/* Every call of every step in turn, once; beside files that take the names it would have. */
START_TEST(a_fault_costs_no_history)
{
    static const char *const beside[] = {NULL, "a.held", "a.queued", "a.deferred", "a.sending"};
    const char *other = beside[_i / 2];
    _cleanup_place_ Place p;
    int at = 0;

    place_init(&p);
    do {
        const char *own = _i % 2 == 0 ? "a.sending" : "a.deferred";
        _cleanup_close_ int lock = -1;
        bool known = false;

        if (other && strcmp(other, own) == 0)
            return;
        put(&p, own, "alice's");
        put_record(&p, own, "a.status", ANN RETRY, strlen(ANN RETRY));
        if (other) {
            put_new(&p, other);
            lock = openat(p.fd, other, O_RDONLY | O_CLOEXEC);
            ck_assert_int_eq(flock(lock, LOCK_EX), 0);
        }
        fail_in = ++at;
        step(&p, _i);
        if (fail_in > 0)
            at = -1;
        fail_in = 0;
        /* Twice: a pass over the directory may miss what gets a new name meanwhile. */
        ck_assert_msg(find_alices(&p, &known) || find_alices(&p, &known), "call %d: lost", at);
        ck_assert_msg(known, "call %d: ann would have it again", at);
        place_empty(&p);
    } while (at > 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_binding");
    TCase *t = tcase_create("spool_binding");

    tcase_add_test(t, the_next_file_of_a_name_is_another_message);
    tcase_add_test(t, a_file_that_is_renamed_keeps_its_record);
    tcase_add_test(t, what_waits_is_not_disturbed_by_what_is_put_beside_it);
    tcase_add_test(t, another_states_name_for_the_same_file_counts_for_nothing);
    tcase_add_test(t, a_kept_message_s_name_in_the_queue_is_given_up);
    tcase_add_test(t, a_new_file_beside_another_leaves_its_record_alone);
    tcase_add_test(t, a_message_that_was_abandoned_goes_back_with_its_own_record);
    tcase_add_test(t, a_record_with_further_names_goes_on);
    tcase_add_test(t, where_there_are_no_links_a_record_is_copied);
    tcase_add_test(t, a_former_versions_record_is_of_a_file_that_is_no_younger);
    tcase_add_test(t, delete_takes_the_record_of_the_message_and_no_other);
    tcase_add_loop_test(t, a_fault_costs_no_history, 0, 10);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
