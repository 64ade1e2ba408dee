/* Running a shell command for its output, with a time limit. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/macros.h"

#define COMMAND_WAITS_MAX 240

/* Ends a command from another thread, at once and with all that it has started but what has left
 * its process group; and whatever else waits on its descriptor. What is begun afterwards is ended
 * likewise. */
typedef struct CommandStop {
    pthread_mutex_t mutex;
    pid_t pid; /* of the command that runs; 0: none, or it is reaped */
    int fd;    /* -1: nobody has wanted it yet */
    bool stopped;
    char waits_for[COMMAND_WAITS_MAX];
    const char *remedy;
} CommandStop;
void command_stop_init(CommandStop *stop);
void command_stop_done(CommandStop *stop);
void command_stop(CommandStop *stop); /* never waits */

/* Readable once it has been stopped, for good; remains the CommandStop's. Or a negative errno. */
int command_stop_fd(CommandStop *stop);
bool command_is_stopped(CommandStop *stop);

/* Notes what is waited for from here on, "the command `pass show mail`", and what is to be done
 * where that lasts: a constant. So whoever waits for the thread can tell what it hangs in. Accepts
 * NULL. */
void command_stop_waits(CommandStop *stop, const char *remedy, const char *format, ...)
    _printf_(3, 4);

/* The same, printable, for any thread; "" and NULL: nothing has been noted yet. */
void command_stop_what(
    CommandStop *stop, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy);

/* Whether the program that a command begins with is there and may be run, as far as can be told
 * without running it: what a shell makes of it first, with variables or substitutions, is not
 * judged. 0, or -ENOENT or -EACCES with a Failure. */
int command_check(const char *command, Failure *f);

/* What a command is for, as failures tell it. */
typedef struct CommandUse {
    const char *name;   /* "alarm_command" */
    const char *duty;   /* what it must do: "print the secret and exit"; a constant */
    const char *remedy; /* of CommandStop; a constant */
    const char *shown;  /* instead of the command: what somebody has written; NULL: that is it */
} CommandUse;

#define COMMAND_USE(NAME, DUTY)                                       \
    {                                                                 \
        .name = (NAME), .duty = (DUTY),                               \
        .remedy = "run it in a shell as the same user: it must " DUTY \
    }

/* Runs `/bin/sh -c command` without standard input and appends what it prints to `out`, at most
 * `max` bytes. 0; -ETIMEDOUT when it took longer than `limit` (it is killed with all it started);
 * -EPROTO when it failed or printed too much; -ECANCELED when `stop` (NULL: nothing does) ended it;
 * another negative errno. The Failure has the command's own
 * words from standard error, but never its output, on one line; where it succeeds, `*ret_said`
 * (NULL: nobody wants them) has them behind " and said ", or "". Caller frees.
 *
 * The program around it, which may be any, sees no SIGCHLD, need not leave that signal alone, and
 * cannot reap the command by waiting for all its children. It ends with all it started when the
 * thread that runs it dies without warning. */
int command_run(const char *command, const CommandUse *use, usec_t limit, size_t max, Buffer *out,
    char **ret_said, CommandStop *stop, Failure *f);
