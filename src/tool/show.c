/* outbox show: all about one message: envelope, every line of its record, and its content on
 * demand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/span.h"
#include "tool/store.h"
#include "tool/terminal.h"
#include "tool/waiting.h"
#include "tool/wrap.h"

static void print_colored(const char *label, const char *text, Color color)
{
    printf("%-11s ", label);
    color_begin(stdout, color);
    (void)terminal_print(stdout, text, 2000);
    color_end(stdout, color);
    putchar('\n');
}

static void print_line(const char *label, const char *text)
{
    print_colored(label, text, COLOR_NONE);
}

/* "relay, until ...: why". */
static void print_waiting(const Waiting *w, usec_t now, bool colors)
{
    Color color = colors && w->what >= WAITS_FOR_RELAY ? COLOR_WAITS : COLOR_NONE;
    char time[AGO_MAX];

    if (w->what == WAITS_FOR_NOTHING)
        return;
    printf("%-11s ", "Waits for:");
    color_begin(stdout, color);
    printf("%s%s%s%s", waits_for_name(w->what), w->until > 0 ? ", until " : "",
        w->until > 0 ? span_format_time(w->until, now, time) : "", w->text ? ": " : "");
    if (w->text)
        (void)terminal_print(stdout, w->text, 2000);
    color_end(stdout, color);
    putchar('\n');
}

static void print_inspection(const Inspection *i, const Waiting *waiting, bool colors)
{
    usec_t now = clock_realtime();
    char time[AGO_MAX];

    print_line("Id:", i->id);
    print_colored(
        "State:", spool_state_name(i->state), colors ? color_of_state(i->state) : COLOR_NONE);
    if (i->owner != FILE_OWNER_UNKNOWN) /* to ask for its name may take long, and crash */
        printf("%-11s %u\n", "User:", i->owner);
    if (i->role)
        print_line("Role:", i->role);
    print_line("Arrived:", span_format_time(i->arrival, now, time));
    printf("%-11s %llu bytes\n", "Size:", (unsigned long long)i->size);
    if (i->attempts > 0)
        printf("%-11s %u\n", "Attempts:", i->attempts);
    if (i->next > 0)
        print_line("Next:", span_format_time(i->next, now, time));
    print_waiting(waiting, now, colors);
    if (i->lane)
        print_line("Lane:", i->lane);
    if (i->sender)
        print_line("Sender:", i->sender[0] ? i->sender : "<>");
    for (size_t n = 0; n < i->n_recipients; n++)
        print_line(n == 0 ? "Recipients:" : "", i->recipients[n]);
    if (i->text)
        print_line("Last:", i->text);
}

/* "  NAME=VALUE", unless the value says nothing; without a name the value alone. */
static void print_member(const char *name, const json_t *value)
{
    bool is_text = json_is_string(value);

    if (!name && !is_text)
        fputs("?", stdout);
    if (is_text ? name && json_string_length(value) == 0 : json_integer_value(value) == 0)
        return;
    if (name) {
        fputs("  ", stdout);
        (void)terminal_print(stdout, name, 100);
        putchar('=');
    }
    if (is_text)
        (void)terminal_print_bytes(
            stdout, json_string_value(value), json_string_length(value), 1000);
    else
        printf("%lld", (long long)json_integer_value(value));
}

/* One line of the record: time and event first, the rest as it comes. The first line, by which the
 * queue knows what file the record is of, says nothing to a person. */
static void print_record_line(json_t *line)
{
    const char *name, *event = json_string_value(json_object_get(line, "event"));
    json_t *value;

    if (event && strcmp(event, "message") == 0)
        return;
    print_member(NULL, json_object_get(line, "time"));
    fputs("  ", stdout);
    print_member(NULL, json_object_get(line, "event"));
    json_object_foreach(
        line, name, value) if (strcmp(name, "time") != 0 && strcmp(name, "event") != 0)
        print_member(name, value);
    putchar('\n');
}

/* As it is, but for a terminal. */
static void print_piece(const char *data, size_t n, bool terminal)
{
    if (terminal)
        terminal_print_lines(stdout, data, n);
    else
        fwrite(data, 1, n, stdout);
}

static int print_content(Store *store, const Inspection *i)
{
    bool terminal = isatty(STDOUT_FILENO);
    _cleanup_failure_ Failure f = {0};
    char data[65536];
    uint64_t size;
    _cleanup_close_ int fd = store->ops->open(store, i->id, i->state, &size, &f);
    ssize_t n;

    if (fd < 0)
        return tool_fail(&f);
    wrap_as_is(stdout);
    while (!ferror(stdout) && (n = read(fd, data, sizeof(data))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tool_fail_number(error_from_errno(errno), "cannot read %s.%s in %s: %s", i->id,
                spool_state_name(i->state), store->name, strerror(errno));
        print_piece(data, (size_t)n, terminal);
    }
    return EX_OK;
}

static int print_json(const Inspection *i, const Waiting *waiting, json_t *record)
{
    json_t *json = inspection_to_json(i);

    if (json && (json_object_set_new(json, "waits", waiting_to_json(waiting)) < 0 ||
                    json_object_set(json, "record", record) < 0)) {
        json_decref(json);
        json = NULL;
    }
    return json_print(json);
}

static int print_text(const Inspection *i, const Waiting *waiting, json_t *record, bool colors)
{
    json_t *line;
    size_t n;

    print_inspection(i, waiting, colors);
    if (json_array_size(record) > 0)
        putchar('\n');
    json_array_foreach(record, n, line) print_record_line(line);
    return EX_OK;
}

typedef struct ShowOptions {
    const char *directory;
    bool json, content, colors;
} ShowOptions;

static int find_waiting(Store *store, const Inspection *i, Waiting *ret, Failure *f)
{
    _cleanup_(servers_done) Servers servers = {0};
    int r = store->ops->servers(store, &servers, f);

    return r < 0 ? r : waiting_find_of(&servers, i, clock_realtime(), ret);
}

static int show(Store *store, const ToolMessage *message, const ShowOptions *options)
{
    _cleanup_(inspection_done) Inspection i = {0};
    _cleanup_(waiting_done) Waiting waiting = {0};
    _cleanup_failure_ Failure f = {0};
    const char *id = message->id;
    SpoolState state = message->state;
    json_t *record;
    int status,
        r = state == SPOOL_STATE_MAX ? -ENOENT : store->ops->inspect(store, id, state, &i, &f);

    if (r == -ENOENT) { /* it has changed its state meanwhile, or cannot be looked for */
        r = store->ops->locate(store, id, &state, &f);
        r = r < 0 ? r : store->ops->inspect(store, id, state, &i, &f);
    }
    if (r < 0 && r != -ENOENT)
        return tool_fail(&f);
    if (r < 0)
        return tool_refuse(ERROR_FILE,
            "there is no message %s in %s: it has been delivered, deleted, or never was there; "
            "`outbox list` shows those there are",
            id, store->name);
    if (options->content)
        return print_content(store, &i);
    if (find_waiting(store, &i, &waiting, &f) < 0)
        return f.text ? tool_fail(&f) : tool_fail_memory();
    if (store->ops->record(store, id, state, &record, &f) < 0)
        return tool_fail(&f);
    status = options->json ? print_json(&i, &waiting, record)
                           : print_text(&i, &waiting, record, options->colors);
    json_decref(record);
    return status;
}

int run_show(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(store_free_p) Store *store = NULL;
    ShowOptions wanted = {0};
    ToolMessage message;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': wanted.directory = optarg; break;
        case 'j': wanted.json = true; break;
        case 'c': wanted.content = true; break;
        default: return EX_USAGE;
        }
    if (argc - optind != 1)
        return tool_usage(command, "one id is wanted");
    wanted.colors = color_is_wanted(tool->color);
    status = store_open_to_read(tool, wanted.directory, &store);
    if (status == 0)
        status = store->ops->find(store, argv[optind], NULL, &message);
    return status != 0 ? status : show(store, &message, &wanted);
}
