/* Running a command as the daemon's unit would. A unit of its own is made for it, by
 * systemd-run(1), for nothing else can load the credentials of one, or make its sandbox. Must never
 * change what belongs to the unit itself: neither its directories nor its state. */
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "settings/command.h"
#include "tool/check_unit.h"

#define ANSWER_LIMIT (30 * USEC_PER_SEC)
#define ANSWER_BYTES_MAX ((size_t)1024 * 1024)
#define FIRST_OF_SYSTEMD 200 /* exit statuses from here on are systemd's own (systemd.exec(5)) */

extern char **environ;

int unit_settings_load(UnitSettings *ret)
{
    static const CommandUse use = COMMAND_USE("the command", "print the unit and exit");
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_failure_ Failure f = {0};
    int r;

    *ret = (UnitSettings){0};
    if (access("/run/systemd/system", F_OK) < 0)
        return 0;
    r = command_run("systemctl cat --no-pager " CHECK_UNIT, &use, ANSWER_LIMIT, ANSWER_BYTES_MAX,
        &text, NULL, NULL, &f);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || buffer_size(&text) == 0)
        return 0;
    r = unit_settings_parse(buffer_data(&text), buffer_size(&text), ret);
    return r < 0 ? r : 1;
}

/* ---- running ---- */

/* systemd puts variables in where a dollar stands. */
static char *without_variables(const char *text)
{
    char *out = calloc(2, strlen(text) + 1), *to = out;

    for (; out && *text; text++) {
        if (*text == '$')
            *to++ = '$';
        *to++ = *text;
    }
    return out;
}

typedef struct Arguments {
    char **words; /* owned, and so is each */
    size_t n;
    bool is_short; /* of memory */
} Arguments;

static void arguments_done(Arguments *arguments)
{
    for (size_t i = 0; i < arguments->n; i++)
        free(arguments->words[i]);
    free(arguments->words);
}

static void add(Arguments *arguments, char *owned)
{
    char **more = reallocarray(arguments->words, arguments->n + 2, sizeof(char *));

    if (more)
        arguments->words = more;
    if (!more || !owned) {
        arguments->is_short = true;
        free(owned);
        return;
    }
    more[arguments->n++] = owned;
    more[arguments->n] = NULL;
}

/* `path` may be relative, and the other process is elsewhere. */
static char *absolute(const char *path)
{
    return realpath(path, NULL) ?: strdup(path);
}

static void add_command(Arguments *words, const Tool *tool, int argc, char **argv)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    program[MAX(n, 0)] = '\0';
    add(words, strdup(program));
    if (tool->config_path) {
        _cleanup_free_
        char *path = absolute(tool->config_path);

        add(words, strdup("--config"));
        add(words, path ? without_variables(path) : NULL);
    }
    add(words, strdup(color_is_wanted(tool->color) ? "--color=always" : "--color=never"));
    for (const char **override = tool->overrides; *override; override++) {
        add(words, strdup("--set"));
        add(words, without_variables(*override));
    }
    for (int i = 0; i < argc; i++)
        add(words, without_variables(argv[i]));
}

/* What it takes to run a command and wait for it, and to leave nothing behind. */
static void add_start(Arguments *words)
{
    static const char *const start[] = {"systemd-run", "--quiet", "--pipe", "--wait", "--collect",
        "--service-type=exec", "--description=outbox check, as " CHECK_UNIT,
        "--property=RuntimeDirectoryPreserve=yes", "--property=RuntimeMaxSec=1h",
        "--setenv=" CHECK_UNIT_VARIABLE "=" CHECK_UNIT};

    for (size_t i = 0; i < ELEMENTSOF(start); i++)
        add(words, strdup(start[i]));
}

static int conclude(int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;

    if (WIFEXITED(status) && code < FIRST_OF_SYSTEMD)
        return code == EXIT_FAILURE || code == 127 ? -1 : code;
    return tool_fail_number(ERROR_CONFIGURATION,
        "the daemon could not be started as %s says: systemd ended the check with status %d before "
        "it began (systemd.exec(5) has what it means: 203 this program is not seen there, 226 a "
        "directory of the sandbox is missing, 243 a credential cannot be loaded); `journalctl -e` "
        "says more, and `outbox check --as-me` checks without it",
        CHECK_UNIT, code);
}

int check_unit_run(const UnitSettings *settings, const Tool *tool, int argc, char **argv)
{
    _cleanup_(arguments_done) Arguments words = {0};
    int status = 0;
    pid_t pid;

    add_start(&words);
    for (size_t i = 0; i < settings->n; i++)
        add(&words, strdup(settings->arguments[i]));
    add(&words, strdup("--"));
    add_command(&words, tool, argc, argv);
    if (words.is_short)
        return tool_fail_memory();
    fflush(stdout);
    if (posix_spawnp(&pid, words.words[0], NULL, NULL, words.words, environ) != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return conclude(status);
}
