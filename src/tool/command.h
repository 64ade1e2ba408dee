/* A command of the tool: one file, one row in the table of commands.c. Help and usage come from the
 * row.
 *
 * The program `outbox` queues messages by itself. All other commands are in liboutbox.so, which it
 * loads for them. What both need is in both, and neither touches the other's.
 * doc/decisions/tool-loads-the-library.md says why. */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "settings/config.h"
#include "spool/spool.h"
#include "tool/color.h"

/* The command line, and what stands on it before the command's name. */
typedef struct Tool {
    int argc;
    char **argv;
    const char *config_path; /* --config; NULL: the default */
    const char **overrides;  /* --set, NULL-terminated; owned */
    ColorWhen color;         /* --color */
    bool has_user;           /* --user: only what `user` has queued is there */
    uid_t user;
} Tool;

/* An option, as getopt takes it and the help tells it; the completion reads the help, and a test
 * holds the manual page against it. */
typedef struct ToolOption {
    const char *name;     /* "directory"; NULL: the help is a paragraph between options */
    int value;            /* its letter; of an option without one, a number above 255 */
    const char *argument; /* "DIR", "FILE", "high|normal|low"; NULL: it takes none */
    const char *help;     /* "\n" where a line has to end; NULL: the end of the table */
    bool may_be_empty;    /* its value */
} ToolOption;

/* Of those that many commands have. */
#define TOOL_OPTION_DIRECTORY                                                   \
    {                                                                           \
        "directory", 'd', "DIR", "this queue directory, not the configured one" \
    }

/* What a command does to messages, where a user may have it done to his own although he may not do
 * so in the queue directory: outboxd does it for him. */
typedef enum ToolOwn { OWN_NOTHING, OWN_LOOKS, OWN_CHANGES } ToolOwn;

typedef struct Command {
    const char *name;
    const char *synopsis;      /* "[OPTION...] ID..." */
    const ToolOption *options; /* --help is added */
    const ToolOption *shared;  /* more of them; NULL: none */
    const char *notes;         /* what else a user must know; NULL: nothing */
    ToolOwn own;               /* whether a user may have it done to what he has queued himself */
    /* Returns an exit status of sysexits.h. argv[0] is the command's name. */
    int (*run)(const Tool *tool, const struct Command *command, int argc, char **argv);
} Command;

/* Every command: name, and what it does. */
#define TOOL_COMMANDS(X)                                                                \
    X(queue, "Put a message into the queue and print its path")                         \
    X(send, "Deliver a message at once, without the queue")                             \
    X(process, "Deliver what is in a queue directory, once, and end")                   \
    X(list, "List the messages of the queue, or those in the states named")             \
    X(mailq, "Show the queue as the mailq of another mail system does")                 \
    X(show, "Show all about one message: envelope, attempts, replies")                  \
    X(status, "Show how many messages are in which state, and since when")              \
    X(metrics, "Print figures of the queue and of the daemon for Prometheus")           \
    X(retry, "Try deferred or failed messages again now")                               \
    X(hold, "Put queued or deferred messages aside")                                    \
    X(release, "Queue messages again that were put aside")                              \
    X(delete, "Delete messages and their records for good")                             \
    X(import, "Queue the messages of another mail system's queue")                      \
    X(export, "Write messages of the queue into files for other systems")               \
    X(import_config, "Print the configuration of another mail system as outbox has it") \
    X(move, "Move messages from the queue directory to the database, or back")          \
    X(adopt, "Have records count for the copies of their messages")                     \
    X(setup, "Configure the relay by a few questions, and try it")                      \
    X(check, "Try the relays step by step, without sending anything")                   \
    X(authorize, "Have a user allow the login at a relay by OAuth")                     \
    X(database, "Make the queue in a PostgreSQL database, or see to its rights")        \
    X(verify, "Ask the relay whether it knows addresses (VRFY)")                        \
    X(expand, "Ask the relay who is on mailing lists (EXPN)")                           \
    X(command, "Say SMTP commands to the relay and print its replies")                  \
    X(config, "Print the settings in effect, or one of them")                           \
    X(complete, "Say what can stand at the end of a command line")

/* Each has a function of that name in its file. */
#define TOOL_RUN(name, summary) \
    int run_##name(const Tool *tool, const Command *command, int argc, char **argv);
TOOL_COMMANDS(TOOL_RUN)
#undef TOOL_RUN

/* The command, in commands.c; NULL when there is none of that name, which has been said. Its `run`
 * is NULL where this part of the tool, program or library, has not got it. */
const Command *tool_find_command(const char *name);

/* The same; with --user, none that is for more than a user's own messages. */
const Command *tool_find_command_of(const Tool *tool, const char *name);

/* One after the other, with what it does; NULL at the end. */
const Command *tool_command_at(size_t i, const char **ret_summary);

/* The same, and nothing is said. */
const Command *tool_command_named(const char *name);

/* ---- What commands share (common.c) ---- */

/* What every program begins with: standard streams that are open, lines written whole, and writes
 * to a broken pipe that fail. */
void tool_begin(void);

/* Says "outbox: NUMBER: text" on standard error, or "outbox: NUMBER: about: text", without the
 * number where the command line is wrong, fit for a terminal whatever is in it; returns the exit
 * status that goes with the number, which is never EX_OK: a failure without a number is one of
 * memory. */
int tool_fail(const Failure *f);
int tool_fail_about(const char *about, const Failure *f);
int tool_fail_number(int number, const char *format, ...) _printf_(2, 3);
int tool_fail_memory(void);

/* Says "outbox: text" where nothing has failed but what was asked for: there is no such message.
 * Returns the exit status that goes with the number. */
int tool_refuse(int number, const char *format, ...) _printf_(2, 3);

/* The same for a negative errno of looking through the queue directory. */
int tool_fail_queue(const Spool *spool, int error);

/* For a wrong command line: says what, and how to get help. `command` NULL: none was named yet.
 * Returns EX_USAGE. */
int tool_usage(const Command *command, const char *format, ...) _printf_(2, 3);

#define TOOL_NAMES_MAX 128

/* Adds a name to those that would be right, with a comma in between; "" at first. What there is no
 * room for is left out. */
void tool_list_name(char names[static TOOL_NAMES_MAX], const char *name);

/* Print to standard output (help.c): the command's help, the tool's, the version. Return EX_OK. */
int tool_help(const Command *command);
int tool_print_help(void);
int tool_print_version(void);

/* The next option of the command line, by the command's tables: its value, with `optarg`; -1 at the
 * end; or '?' for what is no option, after having said so. A command is not run for 'h', --help,
 * and 'V', --version (front.c). */
int tool_getopt(const Command *command, int argc, char **argv);

/* One of a table's options; NULL: it has none of that value. */
const ToolOption *tool_option_find(const ToolOption *options, int value);

#define TOOL_LETTER_MAX 255

/* Those that stand before the command, and those that stand anywhere. */
extern const ToolOption tool_options[], tool_option_about[];

/* What the options before the command ask for. */
typedef enum ToolRequest {
    TOOL_COMMAND, /* the command at argv[optind] */
    TOOL_HELP,
    TOOL_VERSION,
    TOOL_NO_COMMAND,
    TOOL_WRONG, /* an option is wrong; it has been said */
} ToolRequest;

/* Reads them. A ToolRequest, or -ENOMEM. */
int tool_read_options(Tool *tool, int argc, char **argv);
void tool_done(Tool *tool);

/* The name that a program was called by, without its directory. */
const char *tool_base_name(const char *path);

/* The whole configuration. 0, or an exit status after having said why. */
int tool_load(const Tool *tool, Config **ret);

/* The queue directory that `directory` (--directory) or else the configuration names, without a
 * look at the relays: a program that only queues need not be able to read their secrets. Caller
 * frees. `ret_senders` (NULL: not wanted) are the configuration's rules for senders, a reference;
 * NULL where there are none, or it was not looked at. `ret_socket` (NULL: not wanted) is the
 * submission socket, which the caller frees; NULL where there is none, or another directory than
 * the daemon's was asked for. 0 or an exit status. */
int tool_directory(const Tool *tool, const char *directory, char **ret, SenderRules **ret_senders,
    char **ret_socket);

/* Opens it, for changing what is in it or only for looking. 0 or an exit status. */
int tool_open_spool(const Tool *tool, const char *directory, Spool **ret);
int tool_open_spool_to_read(const Tool *tool, const char *directory, Spool **ret);

/* A message as an argument means it. */
typedef struct ToolMessage {
    char id[SPOOL_NAME_MAX];
    SpoolState state; /* SPOOL_STATE_MAX: there is none */
} ToolMessage;

/* The message that an argument means: an id as `list` prints it, or the name of a message's file,
 * in any state; with a slash it is a file. Of several that share the id it is the one in the state
 * that was named, else the only one that `applies` says to be meant (NULL: each is). 0; or an exit
 * status after having said that it may be one of two, and what tells them apart. */
int tool_find_message(
    const Spool *spool, const char *argument, bool (*applies)(SpoolState state), ToolMessage *ret);

/* Writes what is still to be written to standard output: `status`; where it cannot be written, that
 * is said, and EX_OK becomes EX_IOERR. */
int tool_finish_output(int status);
