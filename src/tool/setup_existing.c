/* The configuration that is there, before another is written over it. Must never show a secret of
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "settings/load.h"
#include "settings/print.h"
#include "tool/json.h"
#include "tool/setup.h"
#include "tool/terminal.h"

#define TEXT_MAX ((size_t)1024 * 1024)

void setup_existing_done(SetupExisting *existing)
{
    buffer_done(&existing->text);
    (void)config_unref(existing->config);
    *existing = (SetupExisting){0};
}

/* The settings that are not as they are by default, a line each. */
static int print_changed(const Config *config, Buffer *out)
{
    static const char *const only_host[] = {"host=localhost", NULL};
    _cleanup_config_ Config *defaults = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = config_load("/dev/null", only_host, &defaults, &f);

    if (r >= 0)
        r = config_print(config, defaults, NULL, CONFIG_FORMAT_TEXT, out, &f);
    return r < 0 ? r : buffer_append(out, "", 1);
}

/* It says no more than the sample that comes with outbox, whose relay nobody has. */
static bool is_sample(const Config *config)
{
    static const char sample[] = "relays = ({ host = \"smtp.example.com\"; port = 587; });\n";
    _cleanup_config_ Config *other = NULL;
    _cleanup_buffer_ Buffer is = {0}, expected = {0};
    _cleanup_failure_ Failure f = {0};

    return config_load_text("sample", sample, strlen(sample), NULL, &other, &f) >= 0 &&
           print_changed(config, &is) >= 0 && print_changed(other, &expected) >= 0 &&
           strcmp(buffer_data(&is), buffer_data(&expected)) == 0;
}

static SetupKind judge(const SetupExisting *existing)
{
    const Buffer *text = &existing->text;

    if (buffer_size(text) == 0)
        return SETUP_NOTHING;
    if (setup_text_is_own(buffer_data(text), buffer_size(text)))
        return SETUP_OWN;
    return existing->config && is_sample(existing->config) ? SETUP_SAMPLE : SETUP_EDITED;
}

int setup_existing_load(const SetupPlace *place, SetupExisting *ret, Failure *f)
{
    _cleanup_failure_ Failure unread = {0};
    int r = file_load(AT_FDCWD, place->config, TEXT_MAX, &ret->text);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return failure_set(f, r, ERROR_FILE,
            "%s: what is there cannot be read (%s), and so is not written over", place->config,
            file_trouble(r));
    r = config_load(place->config, NULL, &ret->config, &unread);
    if (r == -ENOMEM)
        return r;
    ret->kind = judge(ret);
    return 0;
}

/* ---- what becomes another ---- */

static bool has_line(const char *text, const char *line, size_t n)
{
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strcspn(text, "\n") == n && memcmp(text, line, n) == 0)
            return true;
    return false;
}

/* The settings of `text` that `other` has not. How many. */
static size_t print_missing(const char *text, const char *other, char sign, json_t *array)
{
    size_t count = 0;

    for (size_t n; *text; text += n + (text[n] == '\n')) {
        const char *start = text + strspn(text, " ");
        char line[400];

        n = strcspn(text, "\n");
        if (n == 0 || text[n - 1] != ';' || has_line(other, text, n) || !memchr(text, '=', n))
            continue;
        count++;
        snprintf(
            line, sizeof(line), "%c %.*s", sign, (int)MIN(n - (size_t)(start - text), 380U), start);
        if (array)
            (void)json_array_append_new(array, json_text(line));
        else {
            fputs("  ", stdout);
            (void)terminal_print(stdout, line, sizeof(line));
            putchar('\n');
        }
    }
    return count;
}

/* Where the password's file is still to be made, it cannot be named yet. */
static int load_new(const SetupAnswers *answers, const SetupPlace *place, Config **ret)
{
    _cleanup_failure_ Failure f = {0};
    int r = setup_config(answers, place, SETUP_SECRET_NAMED, ret, &f);

    return r == 0 || r == -ENOMEM ? r : setup_config(answers, place, SETUP_SECRET_UNNAMED, ret, &f);
}

int setup_print_difference(const SetupExisting *existing, const SetupAnswers *answers,
    const SetupPlace *place, json_t *array)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_buffer_ Buffer before = {0}, after = {0};
    size_t count;
    int r = existing->config ? load_new(answers, place, &config) : 0;

    if (!config)
        return r == -ENOMEM ? r : 0;
    r = print_changed(existing->config, &before);
    if (r >= 0)
        r = print_changed(config, &after);
    if (r < 0)
        return r;
    count = print_missing(buffer_data(&before), buffer_data(&after), '-', array);
    count += print_missing(buffer_data(&after), buffer_data(&before), '+', array);
    if (count == 0 && !array)
        puts("  no setting, but how they are written, and the comments");
    return 0;
}
