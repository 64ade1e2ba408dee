/* The daemon's unit, read for another one. Must never take over what would change the daemon's own
 * state, or depend on what it alone knows. */
#include "tool/check_unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"

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
    name = text_trim(line);
    value = text_trim(equals + 1);
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
        r = take_line(&settings, text_trim(line_text), &in_service);
        free(line_text);
    }
    if (r < 0)
        return r;
    *ret = settings;
    settings = (UnitSettings){0};
    return 0;
}
