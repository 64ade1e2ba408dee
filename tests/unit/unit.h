/* The frame every unit test shares: one suite, one runner, one line of main. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* Runs the suite that `make_suite` builds; the exit status is 0 when all passed. */
static inline int unit_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
