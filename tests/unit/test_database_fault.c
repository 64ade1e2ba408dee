/* What a database said, as one sentence. */
#include <errno.h>

#include "base/errors.h"
#include "database/fault.h"
#include "unit.h"

static void check(const char *words, const char *expected)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(database_fail(NULL, NULL, FAULT_UNREACHABLE, words, &f), -ECONNREFUSED);
    ck_assert_int_eq(f.number, ERROR_DATABASE);
    ck_assert_str_eq(failure_text(&f), expected);
}

#define ADVICE "; see whether it runs, and listens there"

START_TEST(lines_become_one)
{
    check("", "the database: " ADVICE);
    check("it is gone", "the database: it is gone" ADVICE);
    check("it is gone\n\tIs it running?\n", "the database: it is gone; Is it running?" ADVICE);
    check(
        "this failed:\n  why\n\nand\nso\non", "the database: this failed: why; and; so; on" ADVICE);
    check("a\nb\nc\nd\ne\nf\ng\nh", "the database: a; b; c; d; e; f; g; h" ADVICE);
}
END_TEST

/* Without TLS it says once more what it has said with it. */
START_TEST(nothing_is_said_twice)
{
    check("host: no such user\nread from a file\nhost: no such user\nread from a file\n",
        "the database: host: no such user; read from a file" ADVICE);
    check("host: no such user\nhost: no TLS\n",
        "the database: host: no such user; host: no TLS" ADVICE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("database fault");
    TCase *t = tcase_create("all");

    tcase_add_test(t, lines_become_one);
    tcase_add_test(t, nothing_is_said_twice);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
