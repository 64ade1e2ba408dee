/* What the commands share: saying errors, options, configuration, the queue directory. Must never
 * exit: statuses are returned. */
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
    fprintf(stderr, "; see `outbox %s --help`\n", command->name);
    return EX_USAGE;
}

int tool_help(const Command *command)
{
    printf("Usage: outbox %s %s\n\n%s.\n\n%s", command->name, command->synopsis, command->summary,
        command->help);
    return EX_OK;
}

int tool_getopt(const Command *command, int argc, char **argv, const char *short_options,
    const struct option *options)
{
    int c;

    opterr = 0;
    c = getopt_long(argc, argv, short_options, options, NULL);
    if (c == ':')
        (void)tool_usage(command, "%s wants a value", argv[optind - 1]);
    else if (c == '?' && optopt != 0 && optopt < 128 && strchr(short_options, optopt) == NULL &&
             argv[optind - 1][1] != '-')
        (void)tool_usage(command, "there is no option -%c", optopt);
    else if (c == '?')
        (void)tool_usage(
            command, "%s is no option, or takes no value, or is not unique", argv[optind - 1]);
    return c == ':' ? '?' : c;
}

int tool_load(const Tool *tool, Config **ret)
{
    _cleanup_failure_ Failure f = {0};

    return config_load(tool->config_path, tool->overrides, ret, &f) < 0 ? tool_fail(&f) : 0;
}

int tool_directory(const Tool *tool, const char *directory, char **ret)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    if (directory) {
        *ret = strdup(directory);
        return *ret ? 0 : tool_fail_number(ERROR_MEMORY, "no memory is left");
    }
    r = config_load_directory(tool->config_path, tool->overrides, ret, &f);
    return r < 0 ? tool_fail(&f) : 0;
}

int tool_open_spool(const Tool *tool, const char *directory, Spool **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status;

    status = tool_directory(tool, directory, &path);
    if (status != 0)
        return status;
    return spool_open(path, ret, &f) < 0 ? tool_fail(&f) : 0;
}

void tool_bare_id(const char *argument, char ret_id[static SPOOL_NAME_MAX])
{
    const char *slash = strrchr(argument, '/');
    const char *name = slash ? slash + 1 : argument;
    SpoolState state;
    size_t length;

    if (!spool_name_parse(name, &state, &length))
        length = strlen(name);
    snprintf(ret_id, SPOOL_NAME_MAX, "%.*s", (int)length, name);
}
