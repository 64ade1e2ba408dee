/* What the commands share: saying errors, configuration, the queue directory. Must never exit:
 * statuses are returned. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "settings/load.h"
#include "tool/command.h"

int tool_fail(const Failure *f)
{
    fprintf(stderr, "outbox: %d: %s\n", f->number, failure_text(f));
    return error_status(f->number);
}

int tool_fail_about(const char *about, const Failure *f)
{
    fprintf(stderr, "outbox: %d: %s: %s\n", f->number, about, failure_text(f));
    return error_status(f->number);
}

int tool_fail_number(int number, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "outbox: %d: ", number);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return error_status(number);
}

int tool_usage(const Command *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "outbox: %d: ", ERROR_USAGE);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(
        stderr, "; see `outbox%s%s --help`\n", command ? " " : "", command ? command->name : "");
    return EX_USAGE;
}

int tool_help(const Command *command)
{
    printf("Usage: outbox %s %s\n\n%s.\n\n%s", command->name, command->synopsis, command->summary,
        command->help);
    return EX_OK;
}

int tool_finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(
        stderr, "outbox: %d: cannot write to standard output: %s\n", ERROR_FILE, strerror(errno));
    return EX_IOERR;
}

const char *tool_base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ?: "";
}

int tool_load(const Tool *tool, Config **ret)
{
    _cleanup_failure_ Failure f = {0};

    return config_load(tool->config_path, tool->overrides, ret, &f) < 0 ? tool_fail(&f) : 0;
}

int tool_directory(const Tool *tool, const char *directory, char **ret, SenderRules **ret_senders)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    if (ret_senders)
        *ret_senders = NULL;
    if (directory) {
        *ret = strdup(directory);
        return *ret ? 0 : tool_fail_number(ERROR_MEMORY, "no memory is left");
    }
    r = config_load_directory(tool->config_path, tool->overrides, ret, ret_senders, &f);
    if (r == -EACCES || r == -EPERM)
        return tool_fail_number(f.number,
            "%s; name the queue directory with --directory, or let everybody read the file and "
            "keep its passwords in files of their own (password_file)",
            failure_text(&f));
    return r < 0 ? tool_fail(&f) : 0;
}

int tool_open_spool(const Tool *tool, const char *directory, Spool **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status;

    status = tool_directory(tool, directory, &path, NULL);
    if (status != 0)
        return status;
    return spool_open(path, ret, &f) < 0 ? tool_fail(&f) : 0;
}

void tool_bare_id(const char *argument, char ret_id[static SPOOL_NAME_MAX])
{
    const char *name = tool_base_name(argument);
    SpoolState state;
    size_t length;

    if (!spool_name_parse(name, &state, &length))
        length = strlen(name);
    snprintf(ret_id, SPOOL_NAME_MAX, "%.*s", (int)length, name);
}
