/* A shell in a process group of its own, and a process that waits for it there. Must never leave a
 * zombie, nor signal a process that is not the command any more: `pid` is set as long as it is not
 * reaped, and both are done under the mutex; nor leave behind what a command has started, however
 * the program around it ends.
 *
 * The one that waits is a child without a signal for its end (clone(2)): so neither does SIGCHLD
 * that is ignored take its status away, nor does wait() of the program around it find it. The shell
 * itself cannot be, for execve(2) gives it that signal again. */
#include "settings/command_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 5 /* at a command that has closed its output */

extern char **environ;

void command_stop_init(CommandStop *stop)
{
    *stop = (CommandStop){.fd = -1};
    (void)pthread_mutex_init(&stop->mutex, NULL);
}

void command_stop_done(CommandStop *stop)
{
    close_p(&stop->fd);
    (void)pthread_mutex_destroy(&stop->mutex);
}

void command_stop(CommandStop *stop)
{
    (void)pthread_mutex_lock(&stop->mutex);
    stop->stopped = true;
    if (stop->pid > 0)
        (void)kill(-stop->pid, SIGKILL);
    if (stop->fd >= 0)
        (void)eventfd_write(stop->fd, 1);
    (void)pthread_mutex_unlock(&stop->mutex);
}

int command_stop_fd(CommandStop *stop)
{
    int r;

    (void)pthread_mutex_lock(&stop->mutex);
    if (stop->fd < 0)
        stop->fd = eventfd(stop->stopped, EFD_CLOEXEC | EFD_NONBLOCK);
    r = stop->fd < 0 ? -errno : stop->fd;
    (void)pthread_mutex_unlock(&stop->mutex);
    return r;
}

bool command_is_stopped(CommandStop *stop)
{
    bool stopped;

    (void)pthread_mutex_lock(&stop->mutex);
    stopped = stop->stopped;
    (void)pthread_mutex_unlock(&stop->mutex);
    return stopped;
}

void command_stop_waits(CommandStop *stop, const char *remedy, const char *format, ...)
{
    char text[COMMAND_WAITS_MAX];
    va_list arguments;

    if (!stop)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&stop->mutex);
    memcpy(stop->waits_for, text, sizeof(text));
    stop->remedy = remedy;
    (void)pthread_mutex_unlock(&stop->mutex);
}

void command_stop_what(
    CommandStop *stop, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy)
{
    (void)pthread_mutex_lock(&stop->mutex);
    memcpy(ret, stop->waits_for, COMMAND_WAITS_MAX);
    *ret_remedy = stop->remedy;
    (void)pthread_mutex_unlock(&stop->mutex);
}

/* ---- In the child: nothing but system calls, for the parent's other threads are not here ---- */

static void use_usual_signals(void)
{
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &usual, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What else the program has open is closed: it may be locks. */
static bool use_streams(int out_fd, int error_fd)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return null >= 0 &&
           (null == STDIN_FILENO ? fcntl(null, F_SETFD, 0) : dup2(null, STDIN_FILENO)) >= 0 &&
           dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(error_fd, STDERR_FILENO) >= 0 &&
           close_range(STDERR_FILENO + 1, UINT_MAX, 0) >= 0;
}

static _Noreturn void become_shell(const char *command)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"--", (char *)command, NULL};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execve("/bin/sh", argv, environ);
    _exit(127);
}

/* The program that wanted its words has died, by whatever signal. */
static void end_group(int signal _unused_)
{
    (void)kill(-getpid(), SIGKILL);
}

/* Of the group's own leader, which it has to be by now. The signal is no SIGKILL, which would leave
 * behind what the shell has started. */
static void end_with(pid_t parent)
{
    const struct sigaction ends = {.sa_handler = end_group};

    (void)sigaction(SIGTERM, &ends, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127); /* it was dead before */
}

/* Ends as the shell did. */
static _Noreturn void wait_for(pid_t shell)
{
    int status;

    (void)close_range(STDIN_FILENO, STDERR_FILENO, 0);
    while (waitpid(shell, &status, 0) < 0)
        if (errno != EINTR)
            _exit(127);
    if (WIFSIGNALED(status)) {
        use_usual_signals();
        (void)prctl(PR_SET_DUMPABLE, 0); /* this is no program that crashed */
        (void)kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

static _Noreturn void become_command(const char *command, int out_fd, int error_fd, pid_t parent)
{
    static const char trouble[] = "no shell can be started";
    pid_t shell = -1;

    (void)setpgid(0, 0);
    use_usual_signals();
    end_with(parent);
    if (use_streams(out_fd, error_fd))
        shell = _Fork();
    if (shell == 0)
        become_shell(command);
    if (shell > 0)
        wait_for(shell);
    (void)!write(STDERR_FILENO, trouble, strlen(trouble));
    _exit(126);
}

/* ---- In the parent ---- */

int command_child_start(const char *command, int out_fd, int error_fd, CommandStop *stop)
{
    sigset_t all, before;
    pid_t parent = getpid(), pid;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0); /* as fork(), but for that signal */
    if (pid == 0)
        become_command(command, out_fd, error_fd, parent);
    if (pid < 0)
        pid = -errno;
    else
        (void)setpgid(pid, pid); /* whoever of the two comes first */
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return pid;
    (void)pthread_mutex_lock(&stop->mutex);
    stop->pid = pid;
    if (stop->stopped)
        (void)kill(-pid, SIGKILL);
    (void)pthread_mutex_unlock(&stop->mutex);
    return 0;
}

/* Under the mutex. Whether it is over, and reaped. */
static bool reap(CommandStop *stop, int options, int *ret_status)
{
    pid_t pid;

    do
        pid = waitpid(stop->pid, ret_status, __WALL | options);
    while (pid < 0 && errno == EINTR);
    if (pid != 0)
        stop->pid = 0;
    return pid != 0;
}

int command_child_fd(CommandStop *stop)
{
    return (int)syscall(SYS_pidfd_open, stop->pid, 0);
}

int command_child_wait(CommandStop *stop, usec_t deadline, int *ret_status)
{
    for (;;) {
        usec_t now = clock_monotonic();
        bool over;

        (void)pthread_mutex_lock(&stop->mutex);
        over = reap(stop, WNOHANG, ret_status);
        (void)pthread_mutex_unlock(&stop->mutex);
        if (over)
            return 0;
        if (now >= deadline)
            return -ETIMEDOUT;
        (void)poll(NULL, 0, LOOK_MS);
    }
}

/* Not under the mutex as long as it takes: whoever stops it need not wait for a command that the
 * kernel does not let go. */
bool command_child_end(CommandStop *stop)
{
    bool over = false, stopped = false;
    int status;

    while (!over) {
        (void)pthread_mutex_lock(&stop->mutex);
        if (stop->pid > 0)
            (void)kill(-stop->pid, SIGKILL);
        over = stop->pid <= 0 || reap(stop, WNOHANG, &status);
        stopped = stop->stopped;
        (void)pthread_mutex_unlock(&stop->mutex);
        if (!over)
            (void)poll(NULL, 0, LOOK_MS);
    }
    return stopped;
}
