/* Asking outboxd. Must never tell of a part of the queue as if it were all of it. */
#include "tool/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "database/schema.h"
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

static bool may_enter(const Command *command, const char *directory)
{
    int wanted = R_OK | X_OK | (command->own == OWN_CHANGES ? W_OK : 0);

    return faccessat(AT_FDCWD, directory, wanted, AT_EACCESS) == 0 || errno != EACCES;
}

/* 1 or 0; a negative errno with a Failure where nobody answers there, who is waited for once. Where
 * it cannot be told otherwise, the command says why. Root is told, rather than shown what is
 * root's. */
static int may_operate(const char *conninfo, Failure *f)
{
    _cleanup_(database_close_p) Database *database = NULL;
    int r = geteuid() == 0 ? -ENOTSUP : database_open(conninfo, &database, f);

    if (r == 0)
        r = database_schema_may_operate(database, f);
    return database_is_away(r) ? r : !database_is_refusal(r);
}

int tool_is_shut_out(
    const Tool *tool, const Command *command, int argc, char **argv, AskPlace *ret, Failure *f)
{
    _cleanup_free_
    char *directory = NULL, *socket = NULL, *database = NULL;
    int may;

    if (command->own == OWN_NOTHING || tool->has_user || look_at(command, argc, argv).elsewhere ||
        config_load_directory(tool->config_path, tool->overrides, &directory, NULL, &socket, f) <
            0 ||
        config_load_database(tool->config_path, tool->overrides, &database, f) < 0 || !socket)
        return 0;
    may = database ? may_operate(database, f) : may_enter(command, directory);
    if (may < 0)
        return may;
    if (may > 0 || (access(socket, F_OK) < 0 && errno != ENOENT)) /* who ends well takes it away */
        return 0;
    *ret = (AskPlace){TAKE_PTR(directory), TAKE_PTR(socket), database};
    return 1;
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
            "%s: this user may not look into %s, and outboxd, which answers for it "
            "at %s, does not run: start it (systemctl start outboxd), or run this as root",
            place->database ? "spool.database" : place->directory,
            place->database ? "that database" : "the queue directory", place->socket);
    if (r >= 0)
        r = submit_ask(fd, &ask, STDOUT_FILENO, STDERR_FILENO, &f);
    if (r < 0)
        return tool_fail(&f);
    if (r == EX_OK && strcmp(command->name, "list") == 0 && !asked.json)
        fputs("outbox: these are the messages that you have queued; root sees all\n", stderr);
    return r;
}
