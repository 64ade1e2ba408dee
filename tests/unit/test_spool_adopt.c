/* spool: a copy of a message is another file, which is given the record on demand, and nothing else
 * is. */
#include <errno.h>
#include <sys/file.h>

#include "spool_waiting.h"
#include "unit.h"

START_TEST(a_copy_is_another_message)
{
    _cleanup_place_ Place p;
    SpoolClaim *c;

    place_init(&p);
    copy_waiting(&p, "alice's");
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(!knows_ann(c));
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "away ");
}
END_TEST

START_TEST(a_copy_may_be_given_the_record)
{
    _cleanup_place_ Place p;
    _cleanup_close_ int lock = -1;
    SpoolClaim *c;

    place_init(&p);
    copy_waiting(&p, "alice's");
    lock = openat(p.fd, "a.deferred", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), -EBUSY);
    close(TAKE_FD(lock));
    ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), 0);
    ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), 0);
    c = take(&p, "a", SPOOL_DEFERRED);
    ck_assert(knows_ann(c));
    ck_assert(spool_claim_history(c)->waiting);
    ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
    assert_names(&p, "away ");
    put_new(&p, "a.queued");
    ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), 0); /* it has none */
    ck_assert_int_eq(spool_adopt(p.spool, "b", NULL), -ENOENT);
}
END_TEST

START_TEST(nothing_but_a_copy_is_given_a_record)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    place_init(&p);
    copy_waiting(&p, "eve's own");
    ck_assert_int_eq(spool_adopt(p.spool, "a", &f), -ESTALE);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "size"));
    place_empty(&p);
    copy_waiting(&p, "alice's");
    ck_assert_int_eq(utimensat(p.fd, "a.deferred", long_ago, 0), 0);
    ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), -ESTALE);
    place_empty(&p);
    copy_waiting(&p, "alice's");
    ck_assert_int_eq(renameat(p.fd, "a.deferred", p.fd, "b.deferred"), 0);
    ck_assert_int_eq(renameat(p.fd, "a.status", p.fd, "b.status"), 0);
    ck_assert_int_eq(renameat(p.fd, "away", p.fd, "b.failed"), 0);
    ck_assert_int_eq(spool_adopt(p.spool, "b", NULL), 0); /* the failed one's it is, and stays */
}
END_TEST

/* Others may put into a queue that was restored what they like, under any id. */
START_TEST(what_lies_beside_a_copy_is_not_given_its_record)
{
    static const char *const beside[] = {"a.failed", "a.held", "a.sent", "a.queued", "a.sending"};
    _cleanup_place_ Place p;

    place_init(&p);
    for (size_t i = 0; i < 2 * ELEMENTSOF(beside); i++) {
        const char *other = beside[i / 2];
        struct timespec times[2] = {0};
        struct stat st;
        SpoolClaim *c;

        copy_waiting(&p, "alice's");
        put(&p, other, i % 2 ? "bob own" : "longer than hers"); /* as long as hers, and as old */
        ck_assert_int_eq(fstatat(p.fd, "a.deferred", &st, 0), 0);
        times[0] = times[1] = st.st_mtim;
        ck_assert_int_eq(utimensat(p.fd, other, times, 0), 0);
        if (i % 2 && geteuid() == 0)
            ck_assert_int_eq(fchownat(p.fd, other, 64012, 64012, 0), 0);
        if (i % 2 == 0 || geteuid() == 0) {
            ck_assert_int_eq(spool_adopt(p.spool, "a", NULL), 0);
            c = take(&p, "a", SPOOL_DEFERRED);
            ck_assert_msg(knows_ann(c), "%s", other);
            ck_assert_int_eq(spool_complete(c, false, NULL, NULL), 0);
        }
        place_empty(&p);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_adopt");
    TCase *t = tcase_create("spool_adopt");

    tcase_add_test(t, a_copy_is_another_message);
    tcase_add_test(t, a_copy_may_be_given_the_record);
    tcase_add_test(t, nothing_but_a_copy_is_given_a_record);
    tcase_add_test(t, what_lies_beside_a_copy_is_not_given_its_record);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
