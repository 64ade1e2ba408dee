/* spool: what a usual message costs. Nothing that is done for those with a record may show here. */
#include "killed.h"
#include "spool.h"
#include "unit.h"

static void deliver(const Place *p, const char *id)
{
    SpoolClaim *c;

    if (spool_claim(p->spool, id, SPOOL_QUEUED, 0, true, NOW, &c, NULL, NULL) != SPOOL_CLAIMED ||
        spool_complete(c, false, NULL, NULL) < 0)
        _exit(11);
}

static void one_message(const Place *p, int marks)
{
    (void)marks;
    deliver(p, "a");
}

static void two_messages(const Place *p, int marks)
{
    one_message(p, marks);
    deliver(p, "b");
}

/* Its stops, of which there are two a system call. */
static int count_stops(const Place *p, KilledRun run)
{
    int stop = 0, marks;

    do {
        place_empty(p); /* of what the one that was killed left */
        put(p, "a.queued", "one");
        put(p, "b.queued", "one");
    } while (run_until(run, p, stop++, &marks));
    return stop;
}

/* As doc/spool.md has it, the close included: there is no thread for it here. */
START_TEST(a_usual_message_takes_eleven_system_calls)
{
    _cleanup_place_ Place p;

    place_init(&p);
    ck_assert_int_eq(count_stops(&p, two_messages), count_stops(&p, one_message) + 2 * 11);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_calls");
    TCase *t = tcase_create("spool_calls");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_usual_message_takes_eleven_system_calls);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
