/* Asking at a terminal. Must never leave one without its echo, whatever ends a question. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "tool/setup.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

#define ANSWER_MAX 4096
#define SHOWN_MAX 300

bool setup_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* ---- what may end a question ---- */

typedef struct Guard {
    sigset_t before;
    int fd;
    bool silent; /* echo was taken away */
    struct termios terminal;
} Guard;

static int guard_begin(Guard *guard, bool silent)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    struct termios quiet;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ELEMENTSOF(ends) - !silent; i++)
        sigaddset(&set, ends[i]);
    *guard = (Guard){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (guard->fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &set, &guard->before);
    if (!silent || tcgetattr(STDIN_FILENO, &guard->terminal) < 0)
        return 0;
    quiet = guard->terminal;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    guard->silent = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    return 0;
}

/* A signal that came is met as a broken off question: none is to come later. */
static void guard_end(Guard *guard)
{
    struct signalfd_siginfo info;

    if (guard->silent)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &guard->terminal);
    while (read(guard->fd, &info, sizeof(info)) > 0)
        ;
    (void)close(guard->fd);
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

/* A line as it is typed, without its end. The bytes, or -ECANCELED. */
static ssize_t take_line(const Guard *guard, char line[static ANSWER_MAX])
{
    struct pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {guard->fd, POLLIN, 0}};
    ssize_t n;

    while (poll(watched, ELEMENTSOF(watched), -1) < 0)
        if (errno != EINTR)
            return -ECANCELED;
    if (watched[1].revents)
        return -ECANCELED;
    n = read(STDIN_FILENO, line, ANSWER_MAX);
    if (n <= 0 || memchr(line, '\0', (size_t)n))
        return -ECANCELED;
    return n - (line[n - 1] == '\n');
}

/* ---- questions ---- */

static ssize_t put(const char *question, const char *suggested, bool silent, char *line)
{
    Guard guard;
    ssize_t n;
    int r = guard_begin(&guard, silent);

    if (r < 0)
        return -ECANCELED;
    fputs(question, stdout);
    if (suggested) {
        fputs(" [", stdout);
        (void)terminal_print(stdout, suggested, SHOWN_MAX);
        putchar(']');
    }
    fputs(": ", stdout);
    fflush(stdout);
    n = take_line(&guard, line);
    guard_end(&guard);
    if (silent || n < 0) /* the end of the line is not seen */
        putchar('\n');
    else
        wrap_answered(stdout);
    fflush(stdout);
    return n;
}

/* As arrow keys have them, which do not move anything here. */
static bool has_control(const char *line)
{
    if (!text_has_control(line))
        return false;
    puts("That has control characters in it, as arrow keys make them. Once more, without any.");
    return true;
}

int setup_ask(const char *question, const char *suggested, char **ret)
{
    char line[ANSWER_MAX + 1];
    const char *text;

    do {
        ssize_t n = put(question, suggested, false, line);

        if (n < 0)
            return (int)n;
        line[n] = '\0';
        text = text_trim(line);
    } while (has_control(text));
    *ret = strdup(*text ? text : suggested ?: "");
    return *ret ? 0 : -ENOMEM;
}

int setup_ask_secret(const char *question, Secret **ret)
{
    char line[ANSWER_MAX + 1];
    ssize_t n;

    do {
        n = put(question, NULL, true, line);
        line[n < 0 ? 0 : n] = '\0';
    } while (n >= 0 && has_control(line));
    if (n >= 0)
        *ret = secret_new(line, (size_t)n);
    explicit_bzero(line, sizeof(line));
    return n < 0 ? (int)n : *ret ? 0 : -ENOMEM;
}

int setup_ask_yes(const char *question, bool suggested, bool *ret)
{
    _cleanup_free_
    char *answer = NULL;
    int r = setup_ask(question, suggested ? "Y/n" : "y/N", &answer);

    if (r < 0)
        return r;
    *ret = suggested ? text_fold(*answer) != 'n'
                     : strcmp(answer, "y/N") != 0 && text_fold(*answer) == 'y';
    return 0;
}
