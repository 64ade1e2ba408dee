/* The frame every unit test shares: one suite, one runner, one line of main; and time that may be
 * too brief for a busy machine. */
#pragma once

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- tests in which something is to take too long ---- */

/* A time-out that is waited for has to be brief, and may then meet what only had no processor: what
 * such a test looks for may not be seen. PATIENT_TEST is START_TEST for one that says its time-outs
 * by BRIEF(): when it fails it is done again with ten times the time, twice, before it is judged.
 * Each time has a process of its own. What crashes is judged at once. */
#define PATIENCE_MOST 100

static unsigned patience = PATIENCE_MOST; /* how many times as long the brief ones are */

static inline const char *brief_setting(char text[static 64], const char *name, unsigned msec)
{
    snprintf(text, 64, "%s=%llums", name, (unsigned long long)msec * patience);
    return text;
}

/* What a sanitizer finds ends a process with the same status as a failed assertion. */
#define FOUND_BY_SANITIZER 99

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static inline void end_by_sanitizer(void)
{
    _exit(FOUND_BY_SANITIZER);
}

/* A setting, for as long as the block that it stands in. */
#define BRIEF(name, msec) brief_setting((char[64]){0}, name, msec)

static inline void run_patiently(void (*test)(int), int i)
{
    const char *mode = getenv("CK_FORK");

    if (mode && strcmp(mode, "no") == 0) /* for a debugger */
        return test(i);
    for (patience = 1; patience < PATIENCE_MOST; patience *= 10) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            if (__sanitizer_set_death_callback)
                __sanitizer_set_death_callback(end_by_sanitizer);
            test(i);
            exit(EXIT_SUCCESS);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
            return;
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE,
            "it ended with wait status %d", status);
    }
    test(i);
}

#define PATIENT_TEST(name)              \
    static void name##_once(int _i);    \
    START_TEST(name)                    \
    {                                   \
        run_patiently(name##_once, _i); \
    }                                   \
    END_TEST                            \
    static void name##_once(__attribute__((unused)) int _i)
