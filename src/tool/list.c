/* outbox list: one line a message, or JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/grid.h"
#include "tool/json.h"
#include "tool/short_id.h"
#include "tool/span.h"
#include "tool/store.h"
#include "tool/terminal.h"
#include "tool/waiting.h"

#define ROWS_MAX 100 /* that are gathered before they are printed, unless they are sorted */
#define WATCH_SECONDS 2

typedef struct ListOptions {
    Selection selection;
    bool json, reverse, watch, colors;
    StoreOrder order;
    size_t limit; /* 0: none */
} ListOptions;

typedef struct Listing {
    const ListOptions *options;
    Store *store;
    usec_t now;
    Servers servers;
    Waiting waiting; /* what those wait for that could be sent */
    Grid *grid;      /* NULL: JSON */
    ShortIds ids;    /* of the whole queue, where they do not fit */
    size_t n_shown;
    size_t lines, lines_max; /* of rows and notes; none above the latter, unless it is 0 */
    bool tells;              /* of one that could be sent it was shown that it waits */
} Listing;

/* ---- a row ---- */

#define STATE 1 /* the column */

static const GridColumn columns[] = {
    {"ID", .least = 8},
    [STATE] = {"STATE", .order = 6},
    {"AGE", .right = true, .order = 5},
    {"BYTES", .right = true, .order = 2},
    {"TRIES", .right = true, .order = 1},
    {"NEXT", .right = true, .order = 4},
    {"SENDER", .least = 6, .order = 3},
    {"RECIPIENTS"},
};

/* "ann@example.org", "ann@example.org and 3 more". */
static char *name_recipients(const Inspection *i)
{
    char *text;

    if (i->n_recipients < 2)
        return strdup(i->n_recipients == 0 ? "?" : i->recipients[0]);
    return asprintf(&text, "%s and %zu more", i->recipients[0], i->n_recipients - 1) < 0 ? NULL
                                                                                         : text;
}

/* Its turn has one where nobody could say how it goes on. */
static bool has_reason(const Waiting *waiting)
{
    return waiting->what >= WAITS_FOR_LANE || (waiting->what == WAITS_FOR_TURN && waiting->text);
}

/* What it waits for where that is no matter of time; else how long. */
static void format_next(
    const Inspection *i, const Waiting *waiting, usec_t now, char next[static SPAN_MAX])
{
    strcpy(next, "-");
    if (has_reason(waiting))
        snprintf(next, SPAN_MAX, "%s", waits_for_name(waiting->what));
    else if (i->state == SPOOL_DEFERRED && i->next <= now)
        strcpy(next, "now");
    else if (i->next > now)
        span_format(i->next - now, next);
}

/* Why it waits, where that is not what all wait for, and is told below them. */
static const char *choose_note(Listing *l, const Inspection *i, const Waiting *waiting)
{
    bool common = text_equal(waiting->text, l->waiting.text);

    l->tells = l->tells || (common && has_reason(waiting));
    return has_reason(waiting) && !common ? waiting->text : i->text;
}

static int add_row(Listing *l, const Inspection *i)
{
    char age[SPAN_MAX] = "?", next[SPAN_MAX], size[24], tries[16];
    _cleanup_(waiting_done) Waiting waiting = {0};
    _cleanup_free_
    char *recipients = name_recipients(i);
    const char *note;
    int r;

    if (!recipients || waiting_find_of(&l->servers, i, l->now, &waiting) < 0)
        return -ENOMEM;
    if (clock_is_plausible(i->arrival))
        span_format(clock_age(i->arrival, l->now), age);
    format_next(i, &waiting, l->now, next);
    snprintf(size, sizeof(size), "%llu", (unsigned long long)i->size);
    snprintf(tries, sizeof(tries), "%u", i->attempts);
    note = choose_note(l, i, &waiting);
    l->lines += note ? 2 : 1;
    r = grid_add(l->grid,
        (const char *const[]){i->id, spool_state_name(i->state), age, size, tries, next,
            !i->sender   ? "?"
            : *i->sender ? i->sender
                         : "<>",
            recipients},
        note);
    if (r >= 0 && l->options->colors)
        grid_color(l->grid, STATE, color_of_state(i->state));
    return r;
}

static int print_json(Listing *l, const Inspection *i)
{
    json_t *json = inspection_to_json(i);
    Waiting waiting = {0};
    int r = json ? waiting_find_of(&l->servers, i, l->now, &waiting) : -ENOMEM;

    if (r >= 0 && json_object_set_new(json, "waits", waiting_to_json(&waiting)) < 0)
        r = -ENOMEM;
    waiting_done(&waiting);
    if (r >= 0) {
        fputs(l->n_shown == 0 ? "[\n" : ",\n", stdout);
        r = json_write(json, JSON_COMPACT);
    }
    json_decref(json);
    return r;
}

static int show(Listing *l, const Inspection *i)
{
    int r = l->grid ? add_row(l, i) : print_json(l, i);

    l->n_shown++;
    if (l->grid && l->n_shown % ROWS_MAX == 0)
        grid_print(l->grid);
    return r;
}

/* ---- going through the queue ---- */

static bool is_enough(const Listing *l)
{
    return (l->options->limit > 0 && l->n_shown >= l->options->limit) ||
           (l->lines_max > 0 && l->lines + 2 > l->lines_max); /* a row, and its note */
}

static int list_one(void *user, Inspection *i, _unused_ Failure *f)
{
    Listing *l = user;
    int r = show(l, i);

    return r < 0 ? r : is_enough(l);
}

static int list_all(Listing *l, Failure *f)
{
    const StoreQuery query = {.selection = &l->options->selection,
        .order = l->options->order,
        .reverse = l->options->reverse,
        .limit = l->options->limit};

    return is_enough(l) ? 0 : l->store->ops->look(l->store, &query, list_one, l, f);
}

/* Said once, however many wait for it. */
static void tell_waiting(const Listing *l)
{
    Color color = l->options->colors ? COLOR_WAITS : COLOR_NONE;

    if (!l->tells || !l->waiting.text)
        return;
    fputs("\nwhat is queued waits: ", stdout);
    color_begin(stdout, color);
    (void)terminal_print(stdout, l->waiting.text, 2000);
    color_end(stdout, color);
    putchar('\n');
}

static int begin(Store *store, const ListOptions *options, Listing *l, Failure *f)
{
    int r = store->ops->servers(store, &l->servers, f);

    if (r < 0)
        return r;
    if (!options->json)
        l->grid = grid_new(columns, ELEMENTSOF(columns), terminal_width(STDOUT_FILENO));
    if (!options->json && !l->grid)
        return -ENOMEM;
    l->ids.spool = store->spool;
    if (l->grid)
        grid_keep_key(l->grid, short_ids_needed, &l->ids);
    return waiting_find(&l->servers, NULL, NULL, SPOOL_QUEUED, 0, l->now, &l->waiting);
}

static void listing_done(Listing *l)
{
    grid_free(l->grid);
    short_ids_done(&l->ids);
    waiting_done(&l->waiting);
    servers_done(&l->servers);
}

/* What a terminal shows at once, beside the headings, what all wait for, and what is said of the
 * rest. */
static size_t count_lines(const Listing *l)
{
    size_t height = terminal_height(), width = MAX(terminal_width(STDOUT_FILENO), (size_t)1);
    size_t others = 6 + (l->waiting.text ? strlen(l->waiting.text) / width : 0);

    return height > others + 2 ? height - others : 2;
}

static int list(Store *store, const ListOptions *options)
{
    _cleanup_(listing_done)
        Listing l = {.options = options, .store = store, .now = clock_realtime()};
    _cleanup_failure_ Failure f = {0};
    int r = begin(store, options, &l, &f);

    if (r >= 0 && options->watch)
        l.lines_max = count_lines(&l);
    if (r >= 0)
        r = list_all(&l, &f);
    if (l.grid)
        grid_print(l.grid);
    if (l.lines_max > 0 && l.lines + 2 > l.lines_max)
        puts("... there may be more than the terminal has lines for");
    if (options->json)
        puts(l.n_shown == 0 ? "[]" : "\n]");
    if (r < 0)
        return f.text ? tool_fail(&f) : tool_fail_memory();
    tell_waiting(&l);
    return EX_OK;
}

/* Over and over on a cleared screen, until it is interrupted. */
static int watch(Store *store, const ListOptions *options)
{
    int status = EX_OK;

    while (status == EX_OK && !ferror(stdout)) {
        if (store->ops->is_current(store) == 0)
            return tool_fail_number(ERROR_SPOOL,
                "%s has been removed, or another directory has come in its place", store->name);
        fputs("\033[H\033[J", stdout);
        status = list(store, options);
        fflush(stdout);
        sleep(WATCH_SECONDS);
    }
    return status;
}

/* ---- options ---- */

static int find_order(const Command *command, const char *name, StoreOrder *ret)
{
    if (store_order_parse(name, ret) == 0)
        return 0;
    return tool_usage(
        command, "--sort %s: it can be id, age, size, tries, next, sender or state", name);
}

static int take_limit(const Command *command, const char *value, size_t *ret)
{
    char *end;

    *ret = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || *ret == 0)
        return tool_usage(command, "--limit %s: a number of messages is wanted, 1 or more", value);
    return 0;
}

static int take_option(const Command *command, int option, ListOptions *wanted)
{
    switch (option) {
    case 'j': wanted->json = true; return 0;
    case 'r':
        wanted->reverse = true;
        wanted->order = wanted->order ?: STORE_BY_ID;
        return 0;
    case 'w': wanted->watch = true; return 0;
    case 'n': return take_limit(command, optarg, &wanted->limit);
    case 's': return find_order(command, optarg, &wanted->order);
    default: return selection_take(&wanted->selection, command, option, optarg);
    }
}

static int check_options(const Command *command, const ListOptions *wanted)
{
    if (wanted->watch && wanted->json)
        return tool_usage(command, "--watch and --json exclude each other");
    if (wanted->watch && !isatty(STDOUT_FILENO))
        return tool_usage(command, "--watch wants a terminal");
    return 0;
}

int run_list(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(store_free_p) Store *store = NULL;
    const char *directory = NULL;
    ListOptions wanted = {0};
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case '?': return EX_USAGE;
        default: status = take_option(command, c, &wanted);
        }
    for (char **state = argv + optind; status == 0 && *state; state++)
        status = selection_take(&wanted.selection, command, SELECTION_STATE, *state);
    if (status == 0)
        status = check_options(command, &wanted);
    if (status == 0)
        status = store_open_to_read(tool, directory, &store);
    if (status != 0)
        return status;
    wanted.colors = color_is_wanted(tool->color);
    return wanted.watch ? watch(store, &wanted) : list(store, &wanted);
}
