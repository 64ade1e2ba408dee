/* outboxd: how many system calls a message costs. A count does not depend on the clock: what is
 * added to every message shows here before it shows in a benchmark. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "relay.h"
#include "unit.h"

#define MESSAGES 500
#define MESSAGE_BYTES 4096
#define SKIPPED 77 /* for Automake */
#define CALLS_MAX 1024

#ifndef SYS_epoll_wait /* some machines have the younger calls only */
#define SYS_epoll_wait -1
#endif

/* What one message may cost, in hundredths of a call: what it needs itself, and its share of what
 * connections, batches and the watch on the directory need. What the clock can join or part, by how
 * soon replies and notices come, has room. */
static const struct {
    const char *name;
    long numbers[3]; /* -1: none */
    unsigned hundredths;
} budget[] = {
    {"openat", {SYS_openat, SYS_openat2, -1}, 105}, {"flock", {SYS_flock, -1, -1}, 105},
    {"fstat", {SYS_fstat, SYS_newfstatat, SYS_statx}, 305}, {"fcntl", {SYS_fcntl, -1, -1}, 305},
    {"renameat2", {SYS_renameat2, -1, -1}, 105}, {"pread", {SYS_pread64, SYS_preadv2, -1}, 105},
    {"send", {SYS_sendto, SYS_sendmsg, SYS_writev}, 110},
    {"recv", {SYS_recvfrom, SYS_recvmsg, -1}, 120},
    {"read", {SYS_read, -1, -1}, 110}, /* the watch; two notices at a time */
    {"epoll_wait", {SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2}, 220},
    {"epoll_ctl", {SYS_epoll_ctl, -1, -1}, 10},
    {"timerfd_settime", {SYS_timerfd_settime, -1, -1}, 10},
    {"futex", {SYS_futex, -1, -1}, 80}, /* files are closed in batches, large or small */
    {"unlinkat", {SYS_unlinkat, -1, -1}, 105}, {"close", {SYS_close, -1, -1}, 105},
    {"write", {SYS_write, -1, -1}, 105},
    {"fsync", {SYS_fsync, SYS_fdatasync, -1}, 10}, /* one a second, of the directory */
};
#define BUDGET_ALL 1800

typedef struct Trace {
    unsigned counts[CALLS_MAX];
    bool counting; /* from the first claim to the last deletion */
    unsigned deleted;
} Trace;

static char base[64];
static TestRelay *relay;

/* 0, or why not. */
static int try_ptrace(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void put_messages(void)
{
    static char text[MESSAGE_BYTES + 1];
    int n;

    n = snprintf(text, sizeof(text),
        "X-Sender: <shop@example.org>\nX-Receiver: <ann@example.com>\nFrom: <shop@example.org>\n"
        "Date: Mon, 5 Jan 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\nSubject: test\n\n");
    memset(text + n, 'x', sizeof(text) - 1 - (size_t)n);
    for (size_t i = (size_t)n + 70; i < sizeof(text); i += 71)
        text[i] = '\n';
    text[sizeof(text) - 2] = '\n';
    for (unsigned i = 0; i < MESSAGES; i++) {
        _cleanup_close_ int fd = -1;
        char path[128];

        snprintf(path, sizeof(path), "%s/queue/%u.queued", base, i);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
    }
}

static void write_config(void)
{
    char path[128], text[512];
    int n = snprintf(text, sizeof(text),
        "spool = { directory = \"%s/queue\"; };\n"
        "relays = ( { name = \"one\"; host = \"127.0.0.1\"; port = %u; tls = \"none\"; "
        "hello = \"client.example\"; connections = 2; } );\n",
        base, test_relay_port(relay));
    _cleanup_close_ int fd = -1;

    snprintf(path, sizeof(path), "%s/outbox.conf", base);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, text, (size_t)n), 0);
}

/* Traced by the caller; stopped at its first instruction. */
static pid_t start_daemon(void)
{
    char config[128];
    pid_t child;
    int status;

    snprintf(config, sizeof(config), "%s/outbox.conf", base);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it cannot under a tracer */
        (void)dup2(null, STDERR_FILENO);
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl("./outboxd", "outboxd", "--config", config, "--log=stderr", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSTOPPED(status), "cannot run ./outboxd");
    ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, child, NULL,
                         PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL),
        0);
    return child;
}

static void on_call(Trace *trace, pid_t thread, pid_t child)
{
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr >= CALLS_MAX)
        return;
    if (info.entry.nr == SYS_renameat2)
        trace->counting = true;
    if (trace->counting)
        trace->counts[info.entry.nr]++;
    if (info.entry.nr != SYS_unlinkat || ++trace->deleted < MESSAGES)
        return;
    trace->counting = false;
    (void)kill(child, SIGTERM);
}

/* Follows all threads to the end of the process. */
static void follow(pid_t child, Trace *trace)
{
    (void)ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    for (;;) {
        int status, pass_on = 0;
        pid_t thread = waitpid(-1, &status, __WALL);

        ck_assert_int_gt(thread, 0);
        if (thread == child && (WIFEXITED(status) || WIFSIGNALED(status))) {
            ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
            return;
        }
        if (!WIFSTOPPED(status))
            continue;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            on_call(trace, thread, child);
        else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
            pass_on = WSTOPSIG(status);
        (void)ptrace(PTRACE_SYSCALL, thread, NULL, pass_on);
    }
}

static void setup(void)
{
    char path[80];

    strcpy(base, "/tmp/outbox-calls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(path, sizeof(path), "%s/queue", base);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    relay = test_relay_start(NULL, NULL, "", 0);
}

static void teardown(void)
{
    char command[128];

    test_relay_stop(relay);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

/* Where the file system cannot read what is in memory alone, each read is made twice. */
static unsigned reads_failed(void)
{
    char byte, path[80];
    const struct iovec part = {.iov_base = &byte, .iov_len = 1};
    _cleanup_close_ int fd = -1;

    snprintf(path, sizeof(path), "%s/outbox.conf", base);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return preadv2(fd, &part, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP ? MESSAGES : 0;
}

START_TEST(a_message_costs_no_more_calls_than_its_budget)
{
    Trace trace = {0};
    unsigned all = 0;

    put_messages();
    write_config();
    follow(start_daemon(), &trace);
    trace.counts[SYS_preadv2] -= MIN(reads_failed(), trace.counts[SYS_preadv2]);
    ck_assert_uint_eq(trace.deleted, MESSAGES);
    ck_assert_uint_eq(test_relay_taken(relay, "ann@example.com"), MESSAGES);
    for (size_t i = 0; i < ELEMENTSOF(budget); i++) {
        unsigned calls = 0;

        for (size_t j = 0; j < ELEMENTSOF(budget[i].numbers); j++)
            if (budget[i].numbers[j] >= 0)
                calls += trace.counts[budget[i].numbers[j]];
        all += calls;
        printf("%-16s %5.2f a message\n", budget[i].name, (double)calls / MESSAGES);
        ck_assert_msg(calls * 100 <= budget[i].hundredths * MESSAGES,
            "%u calls of %s for %u messages", calls, budget[i].name, MESSAGES);
    }
    printf("%-16s %5.2f a message\n", "all of these", (double)all / MESSAGES);
    ck_assert_uint_le(all * 100, BUDGET_ALL * MESSAGES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon: system calls");
    TCase *t = tcase_create("calls");
    int error = try_ptrace();

    if (error != 0) {
        printf("SKIP: processes cannot be traced here: %s\n", strerrordesc_np(error));
        return SKIPPED;
    }
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_message_costs_no_more_calls_than_its_budget);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
