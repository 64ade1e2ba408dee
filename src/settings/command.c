/* A shell command and its two pipes. Must never let its output into a failure: it is a secret. */
#include "settings/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define ERRORS_MAX_BYTES 4096

extern char **environ;

/* One of the command's pipes, and where its bytes go. */
typedef struct Stream {
    int fd;
    Buffer *to;
    size_t max;
    bool overflow;
} Stream;

/* Ends the command and all it started: it has a process group of its own. */
typedef struct Child {
    pid_t pid; /* 0: none, or reaped */
} Child;

static void child_done(Child *child)
{
    if (child->pid <= 0)
        return;
    (void)kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void actions_done(posix_spawn_file_actions_t *actions)
{
    (void)posix_spawn_file_actions_destroy(actions);
}

static void attributes_done(posix_spawnattr_t *attributes)
{
    (void)posix_spawnattr_destroy(attributes);
}

/* With default signals, in a group of its own. */
static int spawn(const char *command, int out_fd, int error_fd, pid_t *ret)
{
    _cleanup_(actions_done) posix_spawn_file_actions_t actions;
    _cleanup_(attributes_done) posix_spawnattr_t attributes;
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"--", (char *)command, NULL};
    sigset_t none, all;
    int r;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&all);
    r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
    if (r == 0)
        r = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(&attributes, &all);
    if (r == 0)
        r = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv, environ);
    return -r;
}

/* One read; 0 at the end of the stream, which closes it. */
static int stream_read(Stream *stream)
{
    char chunk[4096];
    ssize_t n = read(stream->fd, chunk, sizeof(chunk));
    size_t room = stream->max - buffer_size(stream->to), take;
    int r;

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (n == 0) {
        close(stream->fd);
        stream->fd = -1;
        return 0;
    }
    take = MIN((size_t)n, room);
    stream->overflow |= take < (size_t)n;
    r = buffer_append(stream->to, chunk, take);
    explicit_bzero(chunk, sizeof(chunk));
    return r;
}

/* Reads both streams to their ends. 0, -ETIMEDOUT, or another negative errno. */
static int read_streams(Stream streams[static 2], usec_t deadline)
{
    int r = 0;

    while (r == 0 && (streams[0].fd >= 0 || streams[1].fd >= 0)) {
        struct pollfd polls[2] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
        usec_t now = clock_monotonic();
        usec_t left = now < deadline ? (deadline - now) / USEC_PER_MSEC + 1 : 0;
        int n = poll(polls, 2, (int)MIN(left, (usec_t)INT_MAX));

        /* What was said in time counts, however late this process comes to look. */
        if (n == 0 && left == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        for (size_t i = 0; i < 2 && r == 0; i++)
            if (polls[i].revents)
                r = stream_read(&streams[i]);
    }
    return r;
}

/* Waits for the end of a command that has closed its output. */
static int reap(Child *child, usec_t deadline, int *ret_status)
{
    for (;;) {
        pid_t pid = waitpid(child->pid, ret_status, WNOHANG);

        if (pid == child->pid) {
            child->pid = 0;
            return 0;
        }
        if (pid < 0 && errno != EINTR)
            return -errno;
        if (clock_monotonic() >= deadline)
            return -ETIMEDOUT;
        (void)poll(NULL, 0, 5);
    }
}

static int failed(const char *command, int status, const Buffer *errors, Failure *f)
{
    size_t n = buffer_size(errors);
    _cleanup_free_
    char *words = NULL;

    while (n > 0 && buffer_data(errors)[n - 1] == '\n')
        n--;
    words = text_printable(n ? buffer_data(errors) : "", n, 400);
    if (!words)
        return -ENOMEM;
    if (WIFSIGNALED(status))
        return failure_set(f, -EPROTO, ERROR_CONFIGURATION,
            "the command `%s` was ended by signal %d%s%s; try it in a shell as the same user",
            command, WTERMSIG(status), *words ? ": " : "", words);
    return failure_set(f, -EPROTO, ERROR_CONFIGURATION,
        "the command `%s` failed with status %d%s%s; try it in a shell as the same user", command,
        WEXITSTATUS(status), *words ? ": " : "", words);
}

static int start(const char *command, Child *child, Stream streams[static 2])
{
    int out[2], errors[2], r;

    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    streams[0].fd = out[0];
    r = pipe2(errors, O_CLOEXEC) < 0 ? -errno : 0;
    if (r == 0) {
        streams[1].fd = errors[0];
        r = spawn(command, out[1], errors[1], &child->pid);
        close(errors[1]);
    }
    close(out[1]);
    return r;
}

int command_run(const char *command, usec_t limit, size_t max, Buffer *out, Failure *f)
{
    usec_t deadline = usec_add(clock_monotonic(), limit);
    _cleanup_buffer_ Buffer errors = {0};
    _cleanup_(child_done) Child child = {0};
    Stream streams[2] = {{-1, out, max}, {-1, &errors, ERRORS_MAX_BYTES}};
    int status = 0, r = start(command, &child, streams);

    if (r == 0)
        r = read_streams(streams, deadline);
    close_p(&streams[0].fd);
    close_p(&streams[1].fd);
    if (r == 0)
        r = reap(&child, deadline, &status);
    if (r == -ETIMEDOUT)
        return failure_set(f, r, ERROR_TIMEOUT,
            "the command `%s` was not done after %u s and was ended; it must print the secret and "
            "exit",
            command, (unsigned)(limit / USEC_PER_SEC));
    if (r == -EAGAIN)
        return failure_set(f, r, error_from_spawn(r),
            "cannot run the command `%s`: no process can be had; raise the limit of tasks "
            "(TasksMax=, ulimit -u)",
            command);
    if (r < 0)
        return failure_set_errno(f, r, "cannot run the command `%s`", command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failed(command, status, &errors, f);
    if (streams[0].overflow)
        return failure_set(f, -EPROTO, ERROR_CONFIGURATION,
            "the command `%s` printed more than %zu bytes; it must print the secret alone", command,
            max);
    return 0;
}
