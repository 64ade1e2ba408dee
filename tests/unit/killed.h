/* A process that works on a queue directory, and is killed before or after one of its system calls.
 */
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "spool.h"

/* What it has done so far it tells by writing bytes to `marks`. */
typedef void (*KilledRun)(const Place *, int marks);

/* Lets it run up to its stop number `stop` (there are two a system call) and kills it. False when
 * it came to its end before. `ret_marks`: the bytes that it had written, or'ed. */
static inline bool run_until(KilledRun run, const Place *p, int stop, int *ret_marks)
{
    int marks[2], status;
    bool killed = false;
    char m;
    pid_t child;

    ck_assert_int_eq(pipe(marks), 0);
    child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        run(p, marks[1]);
        _exit(0);
    }
    close(marks[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    for (int i = 0; i < stop && WIFSTOPPED(status); i++) {
        ck_assert_int_eq(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
    }
    if (WIFSTOPPED(status)) {
        killed = true;
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    } else {
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    }
    *ret_marks = 0;
    while (read(marks[0], &m, 1) == 1)
        *ret_marks |= m;
    close(marks[0]);
    return killed;
}
