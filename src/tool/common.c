/* What the commands share: saying errors, configuration, the queue directory. Must never exit:
 * statuses are returned. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/secret.h"
#include "settings/load.h"
#include "tool/command.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

#define TEXT_BYTES                                                                \
    8192 /* of one failure; the mistakes in a configuration are not bounded by it \
          */

/* What is wrong with a command line is no error of the component's that a number would tell. Where
 * memory is too short for the text of a failure it is too short for its number as well: then
 * that is the failure. Only the mistakes in a configuration are several lines. Returns the exit
 * status, which is never EX_OK. */
static int say(int number, const char *about, const char *text, const char *end)
{
    number = number != ERROR_NONE ? number : ERROR_MEMORY;
    fputs("outbox: ", stderr);
    if (number != ERROR_USAGE)
        fprintf(stderr, "%d: ", number);
    if (about) {
        (void)terminal_print(stderr, about, TEXT_BYTES);
        fputs(": ", stderr);
    }
    if (number == ERROR_CONFIGURATION)
        terminal_print_lines(stderr, text, strlen(text));
    else
        (void)terminal_print(stderr, text, TEXT_BYTES);
    fprintf(stderr, "%s\n", end);
    return error_status(number) ?: EX_SOFTWARE;
}

int tool_fail(const Failure *f)
{
    return say(f->number, NULL, failure_text(f), "");
}

int tool_fail_about(const char *about, const Failure *f)
{
    return say(f->number, about, failure_text(f), "");
}

int tool_fail_number(int number, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return say(number, NULL, text, "");
}

int tool_refuse(int number, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)say(ERROR_USAGE, NULL, text, "");
    return error_status(number) ?: EX_SOFTWARE;
}

int tool_fail_memory(void)
{
    return say(ERROR_MEMORY, NULL, "no memory is left", "");
}

int tool_usage(const Command *command, const char *format, ...)
{
    char text[TEXT_BYTES], end[64];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(end, sizeof(end), "; see `outbox%s%s --help`", command ? " " : "",
        command ? command->name : "");
    return say(ERROR_USAGE, NULL, text, end);
}

void tool_list_name(char names[static TOOL_NAMES_MAX], const char *name)
{
    size_t n = strlen(names);

    snprintf(names + n, TOOL_NAMES_MAX - n, "%s%s", n > 0 ? ", " : "", name);
}

void tool_begin(void)
{
    static char line[4096];

    file_occupy_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* the write says so as well */
    wrap_terminal(&stderr, STDERR_FILENO);
    (void)setvbuf(stderr, line, _IOLBF, sizeof(line)); /* each line with one write */
}

/* Whoever sees 75 may do all of it again: not after what has been done, and could only not be told.
 */
int tool_finish_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)tool_fail_number(ERROR_FILE, "cannot write to standard output%s%s: %s",
        errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "",
        status == EX_OK ? "what was asked for has been done, but not told" : "it is incomplete");
    return status == EX_OK ? EX_IOERR : status;
}

const char *tool_base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ?: "";
}

int tool_load(const Tool *tool, Config **ret)
{
    _cleanup_failure_ Failure f = {0};

    secret_hide_process();
    if (config_load(tool->config_path, tool->overrides, ret, &f) < 0)
        return tool_fail(&f);
    if ((*ret)->notices) {
        terminal_print_lines(stderr, (*ret)->notices, strlen((*ret)->notices));
        fputc('\n', stderr);
    }
    return 0;
}

/* The default directory is taken for what the configuration is not known to say: only where it is
 * one that this user may queue into. Else the configuration is what to look at. 0 or an exit
 * status. */
static int try_default(const char *directory, const char *socket, const Failure *f)
{
    if (socket && faccessat(AT_FDCWD, socket, W_OK, AT_EACCESS) == 0)
        return 0;
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    return tool_fail_number(f->number > 0 ? f->number : ERROR_CONFIGURATION,
        "%s, and this user may not queue into the default directory, %s; where the configuration "
        "names "
        "another, name it with --directory too, or let everybody read the configuration and keep "
        "secrets in files of their own (password_file)",
        f->number > 0 ? failure_text(f) : "a part of the configuration cannot be read", directory);
}

int tool_directory(const Tool *tool, const char *directory, char **ret, SenderRules **ret_senders,
    char **ret_socket)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    if (ret_senders)
        *ret_senders = NULL;
    if (ret_socket)
        *ret_socket = NULL;
    if (directory) {
        *ret = strdup(directory);
        return *ret ? 0 : tool_fail_memory();
    }
    r = config_load_directory(tool->config_path, tool->overrides, ret, ret_senders, ret_socket, &f);
    if (r == -EACCES || r == -EPERM)
        return tool_fail_number(f.number,
            "%s; name the queue directory with --directory, or let everybody read the file and "
            "keep its passwords in files of their own (password_file)",
            failure_text(&f));
    if (r < 0)
        return tool_fail(&f);
    return r > 0 ? try_default(*ret, ret_socket ? *ret_socket : NULL, &f) : 0;
}
