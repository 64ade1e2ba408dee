/* A command of the tool: one file, one row in the table of main.c. Help and usage come from the
 * row.
 *
 * The tool is two programs built from this folder. `outbox` is what is installed in the path: it
 * queues whole messages by itself, and becomes `outbox-full`, which has all commands, for
 * everything else. doc/decisions/tool-in-two-programs.md says why. */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "base/failure.h"
#include "settings/config.h"
#include "spool/spool.h"

/* The command line, and what stands on it before the command's name. */
typedef struct Tool {
    char **argv;
    const char *config_path; /* --config; NULL: the default */
    const char **overrides;  /* --set, NULL-terminated; owned */
} Tool;

typedef struct Command {
    const char *name;
    const char *synopsis; /* "[OPTION...] ID..." */
    const char *summary;  /* one line */
    const char *help;     /* the options, one a line, and what a user must know */
    /* Returns an exit status of sysexits.h. argv[0] is the command's name. */
    int (*run)(const Tool *tool, const struct Command *command, int argc, char **argv);
} Command;

extern const Command command_adopt, command_check, command_command, command_config, command_delete,
    command_expand, command_hold, command_list, command_process, command_queue, command_release,
    command_retry, command_send, command_show, command_status, command_verify;

/* ---- What commands share (common.c) ---- */

/* What every program begins with: standard streams that are open, lines written whole, and writes
 * to a broken pipe that fail. */
void tool_begin(void);

/* Says "outbox: NUMBER: text" on standard error, or "outbox: NUMBER: about: text", fit for a
 * terminal whatever is in it; returns the exit status that goes with the number, which is never
 * EX_OK: a failure without a number is one of memory. */
int tool_fail(const Failure *f);
int tool_fail_about(const char *about, const Failure *f);
int tool_fail_number(int number, const char *format, ...) _printf_(2, 3);
int tool_fail_memory(void);

/* The same for a negative errno of looking through the queue directory. */
int tool_fail_queue(const Spool *spool, int error);

/* For a wrong command line: says what, and how to get help. `command` NULL: none was named yet.
 * Returns EX_USAGE. */
int tool_usage(const Command *command, const char *format, ...) _printf_(2, 3);

/* Prints the command's help to standard output. Returns EX_OK. */
int tool_help(const Command *command);

/* getopt_long() that says what is wrong with an option: the option, -1 at the end, or '?' after
 * having said it. Every list of options must hold --help, which the caller answers with
 * tool_help(). Values of options without a letter are above 255. */
int tool_getopt(const Command *command, int argc, char **argv, const char *short_options,
    const struct option *options);
#define TOOL_OPTION_HELP               \
    {                                  \
        "help", no_argument, NULL, 'h' \
    }

/* What the options before the command ask for. */
typedef enum ToolRequest {
    TOOL_RUN, /* the command at argv[optind] */
    TOOL_HELP,
    TOOL_VERSION,
    TOOL_NO_COMMAND,
    TOOL_WRONG, /* an option is wrong; it has been said, unless `quiet` */
} ToolRequest;

/* Reads them. A ToolRequest, or -ENOMEM. */
int tool_read_options(Tool *tool, int argc, char **argv, bool quiet);
void tool_done(Tool *tool);

/* The name that a program was called by, without its directory. */
const char *tool_base_name(const char *path);

/* The whole configuration. 0, or an exit status after having said why. */
int tool_load(const Tool *tool, Config **ret);

/* The queue directory that `directory` (--directory) or else the configuration names, without a
 * look at the relays: a program that only queues need not be able to read their secrets. Caller
 * frees. `ret_senders` (NULL: not wanted) are the configuration's rules for senders, a reference;
 * NULL where there are none, or it was not looked at. 0 or an exit status. */
int tool_directory(const Tool *tool, const char *directory, char **ret, SenderRules **ret_senders);

/* Opens it. 0 or an exit status. */
int tool_open_spool(const Tool *tool, const char *directory, Spool **ret);

/* The id that an argument means, which may be the id or the name or path of the message's file. */
void tool_bare_id(const char *argument, char ret_id[static SPOOL_NAME_MAX]);

/* Writes what is still to be written to standard output: `status`; where it cannot be written, that
 * is said, and EX_OK becomes EX_IOERR. */
int tool_finish_output(int status);
