/* outbox show: all about one message: envelope, every line of its record, and its content on
 * demand. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/inspect.h"
#include "tool/json.h"

static void print_line(const char *label, const char *text)
{
    _cleanup_free_
    char *printable = text_printable(text, strlen(text), 2000);

    printf("%-11s %s\n", label, printable ?: "?");
}

/* By name too, where the user has one. */
static void print_owner(uid_t owner)
{
    const struct passwd *user = getpwuid(owner);
    char text[64];

    snprintf(text, sizeof(text), user ? "%u (%.40s)" : "%u", owner, user ? user->pw_name : "");
    print_line("User:", text);
}

static void print_inspection(const Inspection *i)
{
    char time[RFC3339_MAX];

    print_line("Id:", i->id);
    print_line("State:", spool_state_name(i->state));
    print_owner(i->owner);
    print_line("Arrived:", clock_format_rfc3339(i->arrival, time));
    printf("%-11s %llu bytes\n", "Size:", (unsigned long long)i->size);
    if (i->attempts > 0)
        printf("%-11s %u\n", "Attempts:", i->attempts);
    if (i->next > 0)
        print_line("Next:", clock_format_rfc3339(i->next, time));
    if (i->sender)
        print_line("Sender:", i->sender[0] ? i->sender : "<>");
    for (size_t n = 0; n < i->n_recipients; n++)
        print_line(n == 0 ? "Recipients:" : "", i->recipients[n]);
    if (i->text)
        print_line("Last:", i->text);
}

/* One line of the record: time and event first, the rest as it comes. */
static void print_record_line(json_t *line)
{
    const char *name;
    json_t *value;

    printf("%s  %s", json_string_value(json_object_get(line, "time")) ?: "?",
        json_string_value(json_object_get(line, "event")) ?: "?");
    json_object_foreach(line, name, value)
    {
        _cleanup_free_
        char *printable = NULL;

        if (strcmp(name, "time") == 0 || strcmp(name, "event") == 0)
            continue;
        if (json_is_integer(value) && json_integer_value(value) != 0)
            printf("  %s=%lld", name, (long long)json_integer_value(value));
        else if (json_is_string(value) && json_string_length(value) > 0) {
            printable = text_printable(json_string_value(value), json_string_length(value), 1000);
            printf("  %s=%s", name, printable ?: "?");
        }
    }
    putchar('\n');
}

static int print_content(const Spool *spool, const Inspection *i)
{
    char name[SPOOL_NAME_MAX], data[65536];
    _cleanup_close_ int fd = -1;
    ssize_t n;

    if (!spool_name_format(i->id, i->state, name))
        return tool_fail_number(ERROR_SPOOL, "%s is too long", i->id);
    fd = openat(spool_directory_fd(spool), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return tool_fail_number(
            ERROR_FILE, "cannot open %s/%s: %s", spool_path(spool), name, strerror(errno));
    while ((n = read(fd, data, sizeof(data))) > 0)
        if (fwrite(data, 1, (size_t)n, stdout) != (size_t)n)
            return tool_fail_number(ERROR_FILE, "cannot write: %s", strerror(errno));
    return n < 0 ? tool_fail_number(ERROR_FILE, "cannot read %s/%s: %s", spool_path(spool), name,
                       strerror(errno))
                 : EX_OK;
}

static int print_json(const Inspection *i, json_t *record)
{
    json_t *json = inspection_to_json(i);

    if (json && json_object_set(json, "record", record) < 0) {
        json_decref(json);
        json = NULL;
    }
    return json_print(json);
}

static int print_text(const Inspection *i, json_t *record)
{
    json_t *line;
    size_t n;

    print_inspection(i);
    if (json_array_size(record) > 0)
        putchar('\n');
    json_array_foreach(record, n, line) print_record_line(line);
    return EX_OK;
}

typedef struct ShowOptions {
    const char *directory;
    bool json, content;
} ShowOptions;

static int show(const Spool *spool, const char *id, const ShowOptions *options)
{
    _cleanup_(inspection_done) Inspection i = {0};
    _cleanup_failure_ Failure f = {0};
    SpoolState state;
    json_t *record;
    int status;

    if (spool_find(spool, id, &state) < 0 || inspect(spool, id, state, &i) < 0)
        return tool_fail_number(ERROR_FILE,
            "there is no message %s in %s: it has been delivered, deleted, or never was there; "
            "`outbox list` shows those there are",
            id, spool_path(spool));
    if (options->content)
        return print_content(spool, &i);
    record = inspect_record(spool, id, state, &f);
    if (!record)
        return tool_fail(&f);
    status = options->json ? print_json(&i, record) : print_text(&i, record);
    json_decref(record);
    return status;
}

static int run_show(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const struct option long_options[] = {{"directory", required_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'}, {"content", no_argument, NULL, 'c'}, TOOL_OPTION_HELP,
        {0}};
    _cleanup_(spool_free_p) Spool *spool = NULL;
    ShowOptions options = {0};
    int c, status;

    while ((c = tool_getopt(command, argc, argv, ":d:jch", long_options)) >= 0)
        switch (c) {
        case 'd': options.directory = optarg; break;
        case 'j': options.json = true; break;
        case 'c': options.content = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (argc - optind != 1)
        return tool_usage(command, "one id is wanted");
    status = tool_open_spool(tool, options.directory, &spool);
    if (status == 0) {
        char id[SPOOL_NAME_MAX];

        tool_bare_id(argv[optind], id);
        status = show(spool, id, &options);
    }
    return status;
}

const Command command_show = {
    .name = "show",
    .synopsis = "[OPTION...] ID",
    .summary = "Show all about one message: envelope, attempts, replies",
    .help = "  -d, --directory DIR  this queue directory, not the configured one\n"
            "  -c, --content        print the message's file instead\n"
            "  -j, --json           one JSON object\n"
            "  -h, --help           print this\n",
    .run = run_show,
};
