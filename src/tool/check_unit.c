/* Running a command as the daemon's unit would. A unit of its own is made for it, by
 * systemd-run(1), for nothing else can load the credentials of one, or make its sandbox. Must never
 * change what belongs to the unit itself: neither its directories nor its state. */
#include "tool/check_unit.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/command.h"

#define ANSWER_LIMIT (30 * USEC_PER_SEC)
#define ANSWER_BYTES_MAX ((size_t)1024 * 1024)
#define FIRST_OF_SYSTEMD 200 /* exit statuses from here on are systemd's own (systemd.exec(5)) */

extern char **environ;

void unit_settings_done(UnitSettings *settings)
{
    for (size_t i = 0; i < settings->n; i++)
        free(settings->arguments[i]);
    free(settings->arguments);
    free(settings->left_out);
    free(settings->config);
    *settings = (UnitSettings){0};
}

/* ---- which settings ---- */

/* Those that say how a service is started, watched and ended, where it writes to, and what is taken
 * away after it: a daemon that runs meanwhile would miss it. A star is any end. */
static bool is_of_the_service(const char *name)
{
    static const char *const others[] = {"Type", "NotifyAccess", "Exec*", "Restart*", "Watchdog*",
        "Timeout*", "RuntimeMaxSec", "RuntimeRandomizedExtraSec", "Standard*", "TTY*", "Success*",
        "RemainAfterExit", "GuessMainPID", "PIDFile", "BusName", "Sockets", "FileDescriptor*",
        "RemoveIPC", "RuntimeDirectoryPreserve", "Reload*", "KillMode", "KillSignal",
        "FinalKillSignal", "SendSIG*", "Syslog*", "Log*", "Utmp*", "USBFunction*", "NonBlocking",
        "RootDirectoryStartOnly", "Slice", "Delegate*", "OOMPolicy", "ExitType"};

    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        size_t n = strlen(others[i]);

        if (others[i][n - 1] == '*' ? strncmp(name, others[i], n - 1) == 0
                                    : strcmp(name, others[i]) == 0)
            return true;
    }
    return false;
}

/* What a specifier of the unit stands for; systemd-run leaves them as they are. NULL: it depends on
 * what is not known here. */
static const char *specifier(char letter)
{
    switch (letter) {
    case '%': return "%";
    case 'n': return CHECK_UNIT;
    case 'N':
    case 'p':
    case 'P': return "outboxd";
    case 't': return "/run";
    case 'S': return "/var/lib";
    case 'C': return "/var/cache";
    case 'L': return "/var/log";
    case 'E': return "/etc";
    default: return NULL;
    }
}

/* 1, 0 where a specifier is not known, or -ENOMEM. */
static int expand(const char *value, Buffer *out)
{
    for (; *value; value++) {
        const char *text = *value == '%' ? specifier(value[1]) : NULL;
        int r;

        if (*value == '%' && !text)
            return 0;
        r = text ? buffer_append(out, text, strlen(text)) : buffer_append(out, value, 1);
        if (r < 0)
            return r;
        value += text ? 1 : 0;
    }
    return 1;
}

static int leave_out(UnitSettings *settings, const char *name)
{
    char *more = NULL;

    if (asprintf(&more, "%s%s%s", settings->left_out ?: "", settings->left_out ? ", " : "", name) <
        0)
        return -ENOMEM;
    free(settings->left_out);
    settings->left_out = more;
    return 0;
}

static int add_setting(UnitSettings *settings, const char *name, const char *value)
{
    _cleanup_buffer_ Buffer text = {0};
    char **more = reallocarray(settings->arguments, settings->n + 2, sizeof(char *));
    int r;

    if (!more)
        return -ENOMEM;
    settings->arguments = more;
    more[settings->n] = NULL;
    r = buffer_appendf(&text, "--property=%s=", name);
    if (r >= 0)
        r = expand(value, &text);
    if (r <= 0)
        return r < 0 ? r : leave_out(settings, name);
    if (buffer_append(&text, "", 1) < 0)
        return -ENOMEM;
    more[settings->n] = strdup(buffer_data(&text));
    if (!more[settings->n])
        return -ENOMEM;
    more[++settings->n] = NULL;
    return 0;
}

/* Only a word of its own, or behind "=". */
static int note_config(UnitSettings *settings, const char *command)
{
    const char *found = strstr(command, " --config");

    free(settings->config);
    settings->config = NULL;
    if (!found)
        return 0;
    found += strlen(" --config");
    found += *found == '=' ? 1 : strspn(found, " ");
    settings->config = strndup(found, strcspn(found, " "));
    return settings->config ? 0 : -ENOMEM;
}

/* ---- reading the unit ---- */

static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

static int take_line(UnitSettings *settings, char *line, bool *in_service)
{
    char *equals = strchr(line, '='), *name, *value;

    if (line[0] == '[') {
        *in_service = strcmp(line, "[Service]") == 0;
        return 0;
    }
    if (!*in_service || !equals)
        return 0;
    *equals = '\0';
    name = trim(line);
    value = trim(equals + 1);
    if (strcmp(name, "ExecStart") == 0)
        return note_config(settings, value);
    return is_of_the_service(name) ? 0 : add_setting(settings, name, value);
}

/* Joins lines that end with a backslash; comments between them are none of theirs. */
static int join(Buffer *line, const char *text, size_t n, bool *ret_complete)
{
    size_t blanks = 0;
    bool goes_on;

    while (blanks < n && (text[blanks] == ' ' || text[blanks] == '\t'))
        blanks++;
    *ret_complete = false;
    if (blanks < n && (text[blanks] == '#' || text[blanks] == ';'))
        return 0;
    goes_on = n > 0 && text[n - 1] == '\\';
    *ret_complete = !goes_on;
    if (buffer_append(line, text, goes_on ? n - 1 : n) < 0)
        return -ENOMEM;
    return buffer_append(line, goes_on ? " " : "", 1);
}

int unit_settings_parse(const char *text, size_t n, UnitSettings *ret)
{
    _cleanup_(unit_settings_done) UnitSettings settings = {0};
    _cleanup_buffer_ Buffer line = {0};
    bool in_service = false, complete;
    const char *end = text + n, *next;
    char *line_text;
    int r = 0;

    for (; text < end && r >= 0; text = next + 1) {
        next = memchr(text, '\n', (size_t)(end - text)) ?: end;
        r = join(&line, text, (size_t)(next - text), &complete);
        if (r < 0 || !complete || buffer_append(&line, "", 1) < 0)
            continue;
        line_text = strdup(buffer_data(&line));
        buffer_done(&line);
        if (!line_text)
            return -ENOMEM;
        r = take_line(&settings, trim(line_text), &in_service);
        free(line_text);
    }
    if (r < 0)
        return r;
    *ret = settings;
    settings = (UnitSettings){0};
    return 0;
}

int unit_settings_load(UnitSettings *ret)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_failure_ Failure f = {0};
    int r;

    *ret = (UnitSettings){0};
    if (access("/run/systemd/system", F_OK) < 0)
        return 0;
    r = command_run(
        "systemctl cat --no-pager " CHECK_UNIT, ANSWER_LIMIT, ANSWER_BYTES_MAX, &text, NULL, &f);
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

int unit_run(const UnitSettings *settings, const Tool *tool, int argc, char **argv)
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
