/* Answering by the tool. Must never let a word of the question stand where an option of ours does,
 * nor wait for who does not read the answer. */
#include "daemon/submit_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "submit/protocol.h"

#define OPTIONS_MAX 8 /* ours, but for --set */

extern char **environ;

struct SubmitQuestion {
    char key[16]; /* of the user: one after the other is answered */
    bool color;
    size_t columns, n;
    char *words[SUBMIT_ARGUMENTS_MAX];
    char program[PATH_MAX];
    char **arguments, **environment; /* the arrays are owned, their texts are not */
    char *terminal;                  /* what is in the environment beside this process's; or NULL */
    char *config_path;
    int ends[2]; /* to be written to */
    int error;   /* of starting it */
    int status;
    pthread_mutex_t mutex; /* of the next two */
    bool stopped;
    pid_t pid; /* 0: it does not run */
};

/* ---- the question ---- */

SubmitQuestion *submit_question_new(uid_t user)
{
    SubmitQuestion *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    snprintf(q->key, sizeof(q->key), "%u", user);
    q->ends[0] = q->ends[1] = -1;
    (void)pthread_mutex_init(&q->mutex, NULL);
    return q;
}

void submit_question_free(SubmitQuestion *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n; i++)
        free(q->words[i]);
    free(q->environment);
    free(q->terminal);
    free(q->arguments);
    free(q->config_path);
    close_p(&q->ends[0]);
    close_p(&q->ends[1]);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

void submit_question_columns(SubmitQuestion *q, size_t columns)
{
    q->columns = columns;
}

void submit_question_color(SubmitQuestion *q)
{
    q->color = true;
}

int submit_question_add(SubmitQuestion *q, const char *word)
{
    if (q->n == ELEMENTSOF(q->words))
        return -E2BIG;
    q->words[q->n] = strdup(word);
    return q->words[q->n] ? (q->n++, 0) : -ENOMEM;
}

/* ---- the command line ---- */

/* The tool is beside this program, or where programs for everybody are. */
static int find_program(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof("outbox"));
    char *slash;

    path[MAX(n, 0)] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return -ENOENT;
    strcpy(slash, "/outbox");
    if (access(path, X_OK) == 0)
        return 0;
    *slash = '\0';
    if (!text_ends(path, "/sbin"))
        return -ENOENT;
    strcpy(slash - strlen("sbin"), "bin/outbox");
    return access(path, X_OK) == 0 ? 0 : -ENOENT;
}

static int make_arguments(SubmitQuestion *q, const char *const *overrides)
{
    size_t n_overrides = 0, n = 0;

    while (overrides && overrides[n_overrides])
        n_overrides++;
    q->arguments = calloc(OPTIONS_MAX + 2 * n_overrides + q->n + 1, sizeof(char *));
    if (!q->arguments)
        return -ENOMEM;
    q->arguments[n++] = q->program;
    q->arguments[n++] = (char *)"--config";
    q->arguments[n++] = q->config_path;
    for (size_t i = 0; i < n_overrides; i++) {
        q->arguments[n++] = (char *)"--set";
        q->arguments[n++] = (char *)(uintptr_t)overrides[i];
    }
    q->arguments[n++] = (char *)"--user";
    q->arguments[n++] = q->key;
    q->arguments[n++] = (char *)(q->color ? "--color=always" : "--color=never");
    q->arguments[n++] = (char *)"--"; /* what follows is none of the options before the command */
    for (size_t i = 0; i < q->n; i++)
        q->arguments[n++] = q->words[i];
    return 0;
}

static int make_environment(SubmitQuestion *q)
{
    size_t n = 0;

    while (environ[n])
        n++;
    q->environment = calloc(n + 2, sizeof(char *));
    if (!q->environment)
        return -ENOMEM;
    memcpy(q->environment, environ, n * sizeof(char *));
    if (q->columns > 0 && asprintf(&q->terminal, "OUTBOX_COLUMNS=%zu", q->columns) < 0) {
        q->terminal = NULL;
        return -ENOMEM;
    }
    q->environment[n] = q->terminal;
    return 0;
}

/* ---- beside the loop ---- */

static int start(SubmitQuestion *q, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int r;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    r = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; r == 0 && i < 2; i++)
        r = -posix_spawn_file_actions_adddup2(&actions, q->ends[i], STDOUT_FILENO + i);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (r == 0)
        r = -posix_spawn(ret, q->program, &actions, &attributes, q->arguments, q->environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* Not under the mutex as long as it takes: who stops it may not wait for a disk. */
static void start_and_tell(SubmitQuestion *q)
{
    pid_t pid = 0;

    q->error = start(q, &pid);
    (void)pthread_mutex_lock(&q->mutex);
    q->pid = q->error < 0 ? 0 : pid;
    if (q->pid > 0 && q->stopped)
        (void)kill(q->pid, SIGKILL);
    (void)pthread_mutex_unlock(&q->mutex);
    close_p(&q->ends[0]);
    close_p(&q->ends[1]);
}

/* It is looked at before it is reaped, so that no other process gets a signal that was for it. */
static void run(void *argument)
{
    SubmitQuestion *q = argument;
    siginfo_t over;
    int status = 0;

    start_and_tell(q);
    if (q->error < 0)
        return;
    while (waitid(P_PID, (id_t)q->pid, &over, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        continue;
    (void)pthread_mutex_lock(&q->mutex);
    (void)waitpid(q->pid, &status, 0);
    q->pid = 0;
    (void)pthread_mutex_unlock(&q->mutex);
    q->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void stop(void *argument)
{
    SubmitQuestion *q = argument;

    (void)pthread_mutex_lock(&q->mutex);
    q->stopped = true;
    if (q->pid > 0)
        (void)kill(q->pid, SIGKILL);
    (void)pthread_mutex_unlock(&q->mutex);
}

static void drop(void *argument)
{
    submit_question_free(argument);
}

static const JobKind answering = {"answering", run, drop, stop, .limit = 8, .limit_of_key = 1};

/* ---- in the loop ---- */

static int open_pipes(SubmitQuestion *q, int ret_fds[static 2])
{
    int r = 0;

    for (int i = 0; i < 2; i++) {
        int ends[2] = {-1, -1};

        if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
            r = -errno;
        ret_fds[i] = ends[0];
        q->ends[i] = ends[1];
    }
    return r;
}

int submit_question_ask(SubmitQuestion *q, Worker *worker, const Config *config,
    const char *const *overrides, int ret_fds[static 2], Job **ret)
{
    int r = open_pipes(q, ret_fds);

    if (r == 0)
        r = find_program(q->program);
    if (r == 0 && !(q->config_path = strdup(config->path)))
        r = -ENOMEM;
    if (r == 0)
        r = make_arguments(q, overrides);
    if (r == 0)
        r = make_environment(q);
    if (r == 0)
        r = worker_submit(worker, &answering, q->key, q, ret);
    if (r < 0) {
        close_p(&ret_fds[0]);
        close_p(&ret_fds[1]);
    }
    return r;
}

int submit_question_end(const Job *job, Failure *f)
{
    const SubmitQuestion *q = job_argument(job);

    if (q->error < 0)
        return failure_set(f, q->error, error_from_spawn(q->error),
            "outboxd cannot start %s: %s; try again", q->program, strerror(-q->error));
    if (q->status < 0)
        return failure_set(f, -EIO, ERROR_WOULD_BLOCK,
            "what was to answer was ended by signal %d; try again", -q->status);
    return q->status;
}
