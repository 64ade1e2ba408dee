/* stall [--seed N] [--share PERCENT] [--except NAME,NAME...] -- PROGRAM [ARGUMENT...]
 *
 * Runs the program, and all the time stops one thread, or every thread of one process, among all
 * that descend from it: for 0.2 to 2 s, at a moment of chance. So much can happen on a machine that
 * has other work, and nothing may fail by it. `--share` says what part of the time somebody is
 * stopped, in percent (60). Processes with one of these names are left alone. The exit status is
 * the program's, or 128 and the signal that ended it.
 *
 * A thread is stopped as a debugger does it: neither it nor its parent can see that, and the kernel
 * lets it go on whatever becomes of this program. One that somebody else traces is left alone. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 4096
#define THREADS_MAX 256
#define STALL_MSEC_MIN 200
#define STALL_MSEC_MAX 2000
#define BEAT_MSEC 5

typedef struct Stall {
    unsigned seed, share;
    const char *except; /* names between commas; "" for none */
    pid_t child;
    int status; /* of the child, once it has ended */
    bool ended;
    unsigned stalls;
} Stall;

typedef struct Process {
    pid_t pid, parent;
    char name[20];
    bool ours, left_alone;
} Process;

/* A thread that is on its way to its stop, or stopped. */
typedef struct Stopped {
    pid_t tid;
    bool stopped, gone;
    int signal; /* that it was about to be given */
} Stopped;

static unsigned below(Stall *s, unsigned limit)
{
    return (unsigned)rand_r(&s->seed) % limit;
}

static long long now_msec(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Between commas: exactly, as the kernel cuts it off behind 15 characters. */
static bool is_named(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == ','))
            return true;
    }
    return false;
}

static bool read_process(const Stall *s, const char *number, Process *ret)
{
    char path[300], line[512], *name, *end;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%s/stat", number);
    file = fopen(path, "re");
    if (!file)
        return false;
    n = fread(line, 1, sizeof(line) - 1, file);
    (void)fclose(file);
    line[n] = '\0';
    name = strchr(line, '(');
    end = strrchr(line, ')');
    if (!name || !end)
        return false;
    *end = '\0';
    *ret = (Process){.pid = (pid_t)atol(number), .left_alone = is_named(s->except, name + 1)};
    snprintf(ret->name, sizeof(ret->name), "%.19s", name + 1);
    return sscanf(end + 1, " %*c %d", &ret->parent) == 1;
}

/* All that descend from the program; their number. */
static size_t find_processes(Stall *s, Process *all, size_t max)
{
    DIR *proc = opendir("/proc");
    size_t n = 0, kept = 0;

    if (!proc)
        return 0;
    for (struct dirent *entry; n < max && (entry = readdir(proc));)
        n += isdigit((unsigned char)entry->d_name[0]) && read_process(s, entry->d_name, &all[n]);
    (void)closedir(proc);
    for (size_t i = 0; i < n; i++)
        all[i].ours = all[i].pid == s->child;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n && !all[i].ours; j++)
                if (all[j].ours && all[j].pid == all[i].parent)
                    all[i].ours = more = true;
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].ours && !all[i].left_alone)
            all[kept++] = all[i];
    return kept;
}

/* One of them, or 0: of each program as often, however many processes it has. */
static pid_t choose_process(Stall *s)
{
    static Process all[PROCESSES_MAX];
    size_t n = find_processes(s, all, PROCESSES_MAX);
    unsigned names = 0, same = 0;
    const char *name = NULL;
    pid_t chosen = 0;

    for (size_t i = 0; i < n; i++) {
        size_t first = 0;

        while (strcmp(all[first].name, all[i].name) != 0)
            first++;
        if (first == i && below(s, ++names) == 0)
            name = all[i].name;
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0 && below(s, ++same) == 0)
            chosen = all[i].pid;
    return chosen;
}

/* All of its threads, or one. */
static size_t choose_threads(Stall *s, pid_t pid, Stopped *threads)
{
    char path[64];
    size_t n = 0;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    if (!tasks)
        return 0;
    for (struct dirent *entry; n < THREADS_MAX && (entry = readdir(tasks));)
        if (isdigit((unsigned char)entry->d_name[0]))
            threads[n++] = (Stopped){.tid = (pid_t)atol(entry->d_name)};
    (void)closedir(tasks);
    if (n > 1 && below(s, 3) > 0) {
        threads[0] = threads[below(s, (unsigned)n)];
        n = 1;
    }
    return n;
}

/* Notes what became of the program, and of the threads that were told to stop. What dies while it
 * is traced has to be waited for here, before its parent hears of it. */
static void collect(Stall *s, Stopped *threads, size_t n)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
        size_t i = 0;

        while (i < n && threads[i].tid != pid)
            i++;
        if (WIFSTOPPED(status)) {
            int signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;

            if (i < n) {
                threads[i].stopped = true;
                threads[i].signal = signal;
            } else
                (void)ptrace(PTRACE_DETACH, pid, NULL, (long)signal);
            continue;
        }
        if (i < n)
            threads[i].gone = true;
        if (pid == s->child) {
            s->ended = true;
            s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
}

/* What has not stopped yet, in a call of the kernel's that cannot be broken off, cannot be left
 * either. */
static void let_go(Stall *s, Stopped *threads, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while (!threads[i].stopped && !threads[i].gone) {
            collect(s, threads, n);
            (void)poll(NULL, 0, 1);
        }
        if (threads[i].stopped && !threads[i].gone)
            (void)ptrace(PTRACE_DETACH, threads[i].tid, NULL, (long)threads[i].signal);
    }
}

static void stall(Stall *s, unsigned msec)
{
    pid_t pid = choose_process(s);
    Stopped threads[THREADS_MAX];
    size_t n = pid ? choose_threads(s, pid, threads) : 0, seized = 0;
    long long end = now_msec() + msec;

    for (size_t i = 0; i < n; i++)
        if (ptrace(PTRACE_SEIZE, threads[i].tid, NULL, NULL) == 0) {
            (void)ptrace(PTRACE_INTERRUPT, threads[i].tid, NULL, NULL); /* it may just have died */
            threads[seized++] = threads[i];
        }
    s->stalls += seized > 0;
    for (bool any = seized > 0; any && now_msec() < end && !s->ended;) {
        (void)poll(NULL, 0, BEAT_MSEC);
        collect(s, threads, seized);
        any = false;
        for (size_t i = 0; i < seized; i++)
            any |= !threads[i].gone;
    }
    let_go(s, threads, seized);
}

static Stall read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"share", required_argument, NULL, 'h'},
        {"except", required_argument, NULL, 'e'},
        {0},
    };
    Stall s = {.seed = 1, .share = 60, .except = ""};
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
        switch (option) {
        case 's': s.seed = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'h': s.share = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'e': s.except = optarg; break;
        default: exit(125);
        }
    if (optind == argc || s.share < 1 || s.share > 99)
        errx(
            125, "stall [--seed N] [--share PERCENT] [--except NAME,...] -- PROGRAM [ARGUMENT...]");
    return s;
}

int main(int argc, char **argv)
{
    Stall s = read_options(argc, argv);
    unsigned seed = s.seed;

    s.child = fork();
    if (s.child < 0)
        err(125, "stall: fork");
    if (s.child == 0) {
        execvp(argv[optind], argv + optind);
        err(127, "%s", argv[optind]);
    }
    /* What ends this ends the program too: a signal to the group reaches both. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    while (!s.ended) {
        unsigned msec = STALL_MSEC_MIN + below(&s, STALL_MSEC_MAX - STALL_MSEC_MIN);
        unsigned gap = msec * (100 - s.share) / s.share;
        long long begin = now_msec() + (long long)below(&s, 2 * gap + 1);

        while (!s.ended && now_msec() < begin) {
            (void)poll(NULL, 0, BEAT_MSEC);
            collect(&s, NULL, 0);
        }
        if (!s.ended)
            stall(&s, msec);
        collect(&s, NULL, 0);
    }
    (void)fprintf(stderr, "stall: seed %u: %u times\n", seed, s.stalls);
    return s.status;
}
