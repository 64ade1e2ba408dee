/* A command of the tool: one file, one row in main.c's table. Help and usage come from the row. */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "base/failure.h"
#include "settings/config.h"
#include "spool/spool.h"

/* What stands before the command's name on the command line. */
typedef struct Tool {
    const char *config_path;      /* --config; NULL: the default */
    const char *const *overrides; /* --set, NULL-terminated */
} Tool;

typedef struct Command {
    const char *name;
    const char *synopsis; /* "[OPTION...] ID..." */
    const char *summary;  /* one line */
    const char *help;     /* the options, one a line, and what a user must know */
    /* Returns an exit status of sysexits.h. argv[0] is the command's name. */
    int (*run)(const Tool *tool, const struct Command *command, int argc, char **argv);
} Command;

extern const Command command_check, command_config, command_delete, command_hold, command_list,
    command_process, command_queue, command_release, command_retry, command_send, command_show,
    command_status;

/* ---- What commands share (common.c) ---- */

/* Says "outbox: NUMBER: text" on standard error; returns the exit status that goes with the number.
 */
int tool_fail(const Failure *f);
int tool_fail_number(int number, const char *format, ...) _printf_(2, 3);

/* For a wrong command line: says what, and how to get help. Returns EX_USAGE. */
int tool_usage(const Command *command, const char *format, ...) _printf_(2, 3);

/* Prints the command's help to standard output. Returns EX_OK. */
int tool_help(const Command *command);

/* getopt_long() that says what is wrong with an option: the option, -1 at the end, or '?' after
 * having said it. Every list of options must hold --help, which the caller answers with
 * tool_help(). */
int tool_getopt(const Command *command, int argc, char **argv, const char *short_options,
    const struct option *options);
#define TOOL_OPTION_HELP               \
    {                                  \
        "help", no_argument, NULL, 'h' \
    }

/* The whole configuration. 0, or an exit status after having said why. */
int tool_load(const Tool *tool, Config **ret);

/* The queue directory that `directory` (--directory) or else the configuration names, without a
 * look at the relays: a program that only queues need not be able to read their secrets. Caller
 * frees. 0 or an exit status. */
int tool_directory(const Tool *tool, const char *directory, char **ret);

/* Opens it. 0 or an exit status. */
int tool_open_spool(const Tool *tool, const char *directory, Spool **ret);

/* The id that an argument means, which may be the id or the name or path of the message's file. */
void tool_bare_id(const char *argument, char ret_id[static SPOOL_NAME_MAX]);
