/* killed --at N --side before|after --journal FILE --under DIRECTORY -- PROGRAM [ARGUMENT...]
 *
 * Runs the program, counts its system calls that change something below the directory or tell
 * somebody else (content that is sent over TCP, what is written to standard output and error), and
 * kills the whole process before or after the Nth of them; 0 is for never. A reply that was read
 * from TCP counts too, once it has been read: then "before" and "after" are the same. Other calls
 * are not stopped at: a filter has the kernel stop the program at these only.
 *
 * The journal has "pid P" first, then a line for each call: its number, name, and what it is done
 * to, followed by "= RESULT" once it has returned, with the text where it is a reply; and "killed"
 * last, if so. The exit status is the program's, or 137. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 64
#define TEXT_MAX 4200
#define NO_PATH 9 /* as the number of an argument */

/* What a call is done to. */
typedef enum CallKind {
    CALL_FD,    /* an open file, by the first argument */
    CALL_NAMES, /* one or two names below directories */
    CALL_OPEN,  /* a name, if the flags say that it may be created or emptied */
    CALL_READ,  /* counted once it has returned something from TCP */
} CallKind;

typedef struct __ptrace_syscall_info CallInfo;

typedef struct Call {
    int number;
    const char *name;
    CallKind kind;
    int fd[2], path[2]; /* the arguments' numbers; an fd of -1: the working directory */
} Call;

/* clang-format off */
#define FD(name) {SYS_##name, #name, CALL_FD, {0, 0}, {NO_PATH, NO_PATH}}
#define READ(name) {SYS_##name, #name, CALL_READ, {0, 0}, {NO_PATH, NO_PATH}}
#define ONE(name, fd, path) {SYS_##name, #name, CALL_NAMES, {fd, 0}, {path, NO_PATH}}
#define TWO(name, fd, path, fd2, path2) {SYS_##name, #name, CALL_NAMES, {fd, fd2}, {path, path2}}
static const Call calls[] = {
    FD(write), FD(pwrite64), FD(writev), FD(pwritev), FD(pwritev2), FD(sendto), FD(sendmsg),
    FD(sendmmsg), FD(sendfile), FD(splice), FD(copy_file_range), FD(fsync), FD(fdatasync),
    FD(syncfs), FD(sync_file_range), FD(ftruncate), FD(fallocate), FD(fchmod), FD(fchown),
    FD(fsetxattr), FD(fremovexattr),
    READ(read), READ(readv), READ(recvfrom), READ(recvmsg),
    ONE(unlinkat, 0, 1), ONE(mkdirat, 0, 1), ONE(mknodat, 0, 1), ONE(fchmodat, 0, 1),
    ONE(fchownat, 0, 1), ONE(utimensat, 0, 1), ONE(truncate, -1, 0), ONE(symlinkat, 1, 2),
    TWO(renameat2, 0, 1, 2, 3), TWO(linkat, 0, 1, 2, 3),
#ifdef SYS_renameat
    TWO(renameat, 0, 1, 2, 3),
#endif
#ifdef SYS_rename
    TWO(rename, -1, 0, -1, 1), TWO(link, -1, 0, -1, 1), ONE(unlink, -1, 0), ONE(mkdir, -1, 0),
    ONE(rmdir, -1, 0), ONE(mknod, -1, 0), ONE(symlink, -1, 1), ONE(chmod, -1, 0),
    ONE(chown, -1, 0), ONE(lchown, -1, 0), ONE(creat, -1, 0),
    {SYS_open, "open", CALL_OPEN, {-1, 0}, {0, NO_PATH}},
#endif
    {SYS_openat, "openat", CALL_OPEN, {0, 0}, {1, NO_PATH}},
};
/* clang-format on */
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

typedef struct Thread {
    pid_t id;
    const Call *call; /* that it is in */
    unsigned number;  /* of the call, 0 when it does not count */
    uint64_t buffer;  /* of a read */
} Thread;

typedef struct Tracer {
    unsigned at, count;
    bool after, killed;
    FILE *journal;
    const char *under;
    pid_t pid;
    Thread threads[THREADS_MAX];
} Tracer;

static void die(const char *what)
{
    fprintf(stderr, "killed: %s: %s\n", what, strerror(errno));
    exit(99);
}

/* ---- The program's side. ---- */

static void push(struct sock_filter *code, unsigned short *n, struct sock_filter one)
{
    code[(*n)++] = one;
}

static void stop_at_calls(void)
{
    struct sock_filter code[2 * N_CALLS + 2];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    push(code, &n,
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t i = 0; i < N_CALLS; i++) {
        push(code, &n,
            (struct sock_filter)BPF_JUMP(
                BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1));
        push(code, &n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    }
    push(code, &n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    program.len = n;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0))
        die("cannot install a filter");
}

static void become(char **arguments)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        die("cannot be traced");
    raise(SIGSTOP);
    stop_at_calls();
    execvp(arguments[0], arguments);
    die(arguments[0]);
}

/* ---- What a call is done to. ---- */

static void read_memory(pid_t id, uint64_t from, char *to, size_t size)
{
    struct iovec local = {to, size - 1}, remote = {(void *)(uintptr_t)from, size - 1};
    ssize_t n = process_vm_readv(id, &local, 1, &remote, 1, 0);

    /* The end of the page may be the end of the memory. */
    if (n < 0 && size > 256) {
        local.iov_len = remote.iov_len = 4096 - from % 4096 < size ? 4096 - from % 4096 : size - 1;
        n = process_vm_readv(id, &local, 1, &remote, 1, 0);
    }
    to[n < 0 ? 0 : n] = '\0';
}

static void read_link(pid_t id, const char *what, char *to)
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/%s", id, what);
    n = readlink(link, to, TEXT_MAX - 1);
    to[n < 0 ? 0 : n] = '\0';
}

static void read_fd(pid_t id, int fd, char *to)
{
    char name[32];

    snprintf(name, sizeof(name), fd == AT_FDCWD ? "cwd" : "fd/%d", fd);
    read_link(id, name, to);
}

static bool is_tcp(pid_t pid, int fd)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0), copy, domain = 0;
    socklen_t size = sizeof(domain);

    if (handle < 0)
        return false;
    copy = (int)syscall(SYS_pidfd_getfd, handle, fd, 0);
    close(handle);
    if (copy < 0)
        return false;
    if (getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        domain = 0;
    close(copy);
    return domain == AF_INET || domain == AF_INET6;
}

/* The part of the path below the directory, or NULL. */
static const char *below(const Tracer *t, const char *path)
{
    size_t n = strlen(t->under);

    if (strncmp(path, t->under, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path[n] == '/' ? path + n + 1 : ".";
}

static bool describe_fd(const Tracer *t, pid_t id, int fd, char *text)
{
    char path[TEXT_MAX];

    read_fd(id, fd, path);
    if (strncmp(path, "socket:", 7) == 0) {
        strcpy(text, "relay");
        return fd != STDOUT_FILENO && is_tcp(t->pid, fd);
    }
    if (below(t, path))
        snprintf(text, TEXT_MAX, "%s", below(t, path));
    else if (fd == STDOUT_FILENO && strncmp(path, "pipe:", 5) == 0)
        strcpy(text, "stdout");
    else if (fd == STDERR_FILENO)
        strcpy(text, "log");
    else
        return false;
    return true;
}

static bool describe_name(const Tracer *t, pid_t id, int fd, uint64_t at, char *text)
{
    char path[2 * TEXT_MAX], name[TEXT_MAX];

    if (at == 0) /* futimens() */
        return describe_fd(t, id, fd, text);
    read_memory(id, at, name, sizeof(name));
    path[0] = '\0';
    if (name[0] != '/') {
        read_fd(id, fd, path);
        strcat(path, "/");
    }
    strcat(path, name);
    if (!below(t, path))
        return false;
    snprintf(text, TEXT_MAX, "%s", below(t, path));
    return true;
}

static int argument_fd(const CallInfo *info, int number)
{
    return number < 0 ? AT_FDCWD : (int)info->seccomp.args[number];
}

static bool describe_names(
    const Tracer *t, pid_t id, const Call *call, const CallInfo *info, char *text)
{
    bool any = false;

    for (int i = 0; i < 2 && call->path[i] != NO_PATH; i++) {
        char one[TEXT_MAX] = "elsewhere";

        any |= describe_name(
            t, id, argument_fd(info, call->fd[i]), info->seccomp.args[call->path[i]], one);
        if (i > 0)
            strcat(text, " ");
        strcat(text, one);
    }
    return any;
}

static bool is_creating(int flags)
{
    return (flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool describe(const Tracer *t, pid_t id, const Call *call, const CallInfo *info, char *text)
{
    text[0] = '\0';
    if (call->kind == CALL_FD || call->kind == CALL_READ)
        return describe_fd(t, id, (int)info->seccomp.args[0], text);
    if (call->kind == CALL_OPEN && !is_creating((int)info->seccomp.args[call->path[0] + 1]))
        return false;
    return describe_names(t, id, call, info, text);
}

/* ---- Stops. ---- */

static Thread *find_thread(Tracer *t, pid_t id)
{
    for (size_t i = 0; i < THREADS_MAX; i++)
        if (t->threads[i].id == id)
            return &t->threads[i];
    for (size_t i = 0; i < THREADS_MAX; i++)
        if (t->threads[i].id == 0) {
            t->threads[i] = (Thread){.id = id};
            return &t->threads[i];
        }
    errno = ENOMEM;
    die("too many threads");
    return NULL;
}

static void kill_it(Tracer *t)
{
    fprintf(t->journal, "killed\n");
    t->killed = true;
    kill(t->pid, SIGKILL);
}

/* A call is about to be made: what to go on with. */
static int on_call(Tracer *t, Thread *thread)
{
    CallInfo info = {0};
    char text[2 * TEXT_MAX];
    const Call *call = NULL;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->id, sizeof(info), &info) < 0)
        return PTRACE_CONT;
    for (size_t i = 0; i < N_CALLS && !call; i++)
        if (calls[i].number == (int)info.seccomp.nr)
            call = &calls[i];
    if (!call || !describe(t, thread->id, call, &info, text))
        return PTRACE_CONT;
    if (call->kind == CALL_READ && strcmp(text, "relay") != 0)
        return PTRACE_CONT;
    thread->call = call;
    thread->number = 0;
    thread->buffer = info.seccomp.args[1];
    if (call->kind != CALL_READ) {
        thread->number = ++t->count;
        fprintf(t->journal, "%u %s %s\n", thread->number, call->name, text);
        if (thread->number == t->at && !t->after)
            kill_it(t);
    }
    return PTRACE_SYSCALL;
}

static void write_reply(Tracer *t, const Thread *thread, size_t n)
{
    char text[512];

    read_memory(thread->id, thread->buffer, text, sizeof(text));
    if (n < sizeof(text))
        text[n] = '\0';
    for (char *c = text; *c; c++)
        if (*c < ' ')
            *c = ' ';
    fprintf(t->journal, "%u %s relay\n%u = %zu %s\n", thread->number, thread->call->name,
        thread->number, n, text);
}

/* A call that is looked at has returned. */
static void on_return(Tracer *t, Thread *thread)
{
    CallInfo info = {0};

    if (!thread->call || ptrace(PTRACE_GET_SYSCALL_INFO, thread->id, sizeof(info), &info) < 0)
        return;
    if (thread->call->kind != CALL_READ) {
        fprintf(t->journal, "%u = %" PRId64 "\n", thread->number, (int64_t)info.exit.rval);
    } else if (info.exit.rval > 0) {
        thread->number = ++t->count;
        write_reply(t, thread, (size_t)info.exit.rval);
    }
    thread->call = NULL;
    if (thread->number == t->at && thread->number > 0 && !t->killed)
        kill_it(t);
}

static void on_stop(Tracer *t, pid_t id, int status)
{
    int stopped_by = WSTOPSIG(status), go_on = PTRACE_CONT, deliver = 0;
    Thread *thread = find_thread(t, id);

    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
        go_on = on_call(t, thread);
    else if (stopped_by == (SIGTRAP | 0x80))
        on_return(t, thread);
    else if (status >> 16 == 0 && stopped_by != SIGSTOP)
        deliver = stopped_by;
    ptrace(go_on, id, NULL, deliver);
}

/* Until the whole of it has ended; the exit status. */
static int trace(Tracer *t)
{
    int status, result = 0;
    pid_t id;

    while ((id = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status)) {
            on_stop(t, id, status);
            continue;
        }
        find_thread(t, id)->id = 0;
        if (id == t->pid)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return t->killed ? 137 : result;
}

static void attach(pid_t pid)
{
    const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD |
                         PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    int status;

    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, pid, NULL, options) < 0 || ptrace(PTRACE_CONT, pid, NULL, 0) < 0)
        die("cannot trace");
}

static char **read_arguments(Tracer *t, int argc, char **argv)
{
    int i = 1;

    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2)
        if (strcmp(argv[i], "--at") == 0)
            t->at = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--side") == 0)
            t->after = strcmp(argv[i + 1], "after") == 0;
        else if (strcmp(argv[i], "--journal") == 0)
            t->journal = fopen(argv[i + 1], "we");
        else if (strcmp(argv[i], "--under") == 0)
            t->under = argv[i + 1];
    if (!t->journal || !t->under || i + 1 >= argc) {
        fprintf(stderr, "killed: see the head of its source\n");
        exit(99);
    }
    setlinebuf(t->journal);
    return argv + i + 1;
}

int main(int argc, char **argv)
{
    static Tracer t;
    char **arguments = read_arguments(&t, argc, argv);
    pid_t pid = fork();

    if (pid == 0)
        become(arguments);
    t.pid = pid;
    fprintf(t.journal, "pid %d\n", pid);
    attach(pid);
    return trace(&t);
}
