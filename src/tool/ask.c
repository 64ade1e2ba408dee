/* Asking outboxd. Must never tell of a part of the queue as if it were all of it. */
#include "tool/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "database/client.h"
#include "settings/load.h"
#include "submit/ask.h"
#include "submit/send.h"
#include "tool/selection.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

/* What the command line asks for, as far as it matters here. */
typedef struct Asked {
    bool elsewhere; /* in a directory that it names */
    bool many;      /* of all messages, or of a choice of them */
    bool json, sure;
} Asked;

static Asked look_at(const Command *command, int argc, char **argv)
{
    Asked asked = {0};
    int c;

    optind = 0;
    while ((c = tool_getopt(command, argc, argv)) >= 0) {
        asked.elsewhere |= c == 'd';
        asked.json |= c == 'j';
        asked.many |= c == 'a' || (c >= SELECTION_STATE && c < SELECTION_END);
        asked.sure |= c == 'y' || c == 'n';
    }
    return asked;
}

void ask_place_done(AskPlace *place)
{
    free(place->directory);
    free(place->socket);
    *place = (AskPlace){0};
}

/* This user has no login at the database, or one that may not look at the queue. What else is wrong
 * there is the command's to tell. */
static bool is_refused_by(const char *conninfo)
{
    _cleanup_(database_close_p) Database *database = NULL;
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = database_open(conninfo, &database, NULL);

    if (r < 0)
        return database_is_refusal(r);
    r = database_query(database,
        "SELECT bool_or(has_function_privilege(oid, 'execute')) FROM pg_proc"
        " WHERE proname = 'list' AND pronamespace = 'outbox'::regnamespace",
        DATABASE_NO_VALUES, &rows, NULL);
    return r >= 0 && !database_is_true(&rows, 0, 0);
}

/* Root is told what is wrong; others are served by who has a login. */
static bool is_shut_out_of_database(const Tool *tool, const char *socket)
{
    _cleanup_free_
    char *conninfo = NULL;

    return geteuid() != 0 && socket && access(socket, F_OK) == 0 &&
           config_load_database(tool->config_path, tool->overrides, &conninfo, NULL) >= 0 &&
           conninfo && is_refused_by(conninfo);
}

static bool is_shut_out_of_directory(const char *directory, const char *socket, int wanted)
{
    return socket && faccessat(AT_FDCWD, directory, wanted, AT_EACCESS) < 0 && errno == EACCES &&
           (access(socket, F_OK) == 0 || errno == ENOENT); /* who ends well takes it away */
}

bool tool_is_shut_out(
    const Tool *tool, const Command *command, int argc, char **argv, AskPlace *ret)
{
    int wanted = R_OK | X_OK | (command->own == OWN_CHANGES ? W_OK : 0);
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *directory = NULL, *socket = NULL;

    if (command->own == OWN_NOTHING || tool->has_user || look_at(command, argc, argv).elsewhere ||
        config_load_directory(tool->config_path, tool->overrides, &directory, NULL, &socket, &f) <
            0)
        return false;
    if (!is_shut_out_of_directory(directory, socket, wanted) &&
        !is_shut_out_of_database(tool, socket))
        return false;
    *ret = (AskPlace){TAKE_PTR(directory), TAKE_PTR(socket)};
    return true;
}

/* As the command does where it may, but for how many there are. */
static bool is_wanted(const Command *command, const Asked *asked)
{
    char answer[16];

    if (strcmp(command->name, "delete") != 0 || !asked->many || asked->sure ||
        !isatty(STDIN_FILENO))
        return true;
    fputs("all of your messages that are meant will be deleted for good, without being sent. Go "
          "on? [y/N] ",
        stderr);
    fflush(stderr);
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    wrap_answered(stderr);
    return answer[0] == 'y' || answer[0] == 'Y';
}

int tool_ask(const Tool *tool, const Command *command, int argc, char **argv, const AskPlace *place)
{
    const SubmitAsk ask = {.columns = terminal_width(STDOUT_FILENO),
        .color = color_is_wanted(tool->color),
        .words = argv};
    const Asked asked = look_at(command, argc, argv);
    _cleanup_failure_ Failure f = {0};
    _cleanup_close_ int fd = -1;
    int r;

    if (!is_wanted(command, &asked)) {
        fputs("outbox: nothing was changed\n", stderr);
        return EX_OK;
    }
    r = submit_connect(place->socket, &fd, &f);
    if (r == -ECONNREFUSED)
        return tool_fail_number(f.number,
            "%s: this user may not look into the queue, and outboxd, which answers for it at %s, "
            "does not run: start it (systemctl start outboxd), or run this as root",
            place->directory, place->socket);
    if (r >= 0)
        r = submit_ask(fd, &ask, STDOUT_FILENO, STDERR_FILENO, &f);
    if (r < 0)
        return tool_fail(&f);
    if (strcmp(command->name, "list") == 0 && !asked.json)
        fputs("outbox: these are the messages that you have queued; root sees all\n", stderr);
    return r;
}
