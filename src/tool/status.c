/* outbox status: the queue in a few figures, and how those are who deliver from it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/span.h"
#include "tool/status_waits.h"
#include "tool/store.h"
#include "tool/terminal.h"

typedef struct Figures {
    StoreFigures queue;
    usec_t now;
    Servers servers;
    Waiting waiting;   /* what those wait for that could be sent */
    StatusWaits waits; /* each of them */
    bool colors;
} Figures;

static void figures_done(Figures *figures)
{
    store_figures_done(&figures->queue);
    servers_done(&figures->servers);
    waiting_done(&figures->waiting);
    status_waits_done(&figures->waits);
}

/* ---- looking ---- */

static int note_wait(void *user, Inspection *message, Failure *f)
{
    Figures *figures = user;

    (void)f;
    if (status_waits_knows_enough(&figures->waits, &figures->servers))
        return 1;
    return status_waits_note(&figures->waits, &figures->servers, message, figures->now);
}

static bool may_be_sent(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED;
}

/* What is more than that it is their turn has to be asked of the messages. */
static int find_waits(Store *store, Figures *figures, Failure *f)
{
    StoreQuery query = {.applies = may_be_sent};
    int r = waiting_find(
        &figures->servers, NULL, NULL, SPOOL_QUEUED, 0, figures->now, &figures->waiting);

    if (r < 0 || figures->servers.n == 0)
        return r;
    r = store->ops->look(store, &query, note_wait, figures, f);
    if (r < 0)
        return r;
    status_waits_judge(&figures->waits, &figures->waiting);
    return 0;
}

static int gather(Store *store, Figures *figures)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    figures->now = clock_realtime();
    r = store->ops->figures(store, &figures->queue, &f);
    if (r >= 0)
        r = store->ops->servers(store, &figures->servers, &f);
    if (r >= 0)
        r = find_waits(store, figures, &f);
    if (r < 0)
        return f.text ? tool_fail(&f) : tool_fail_memory();
    return 0;
}

/* ---- for a person ---- */

static Color shade(const Figures *figures, Color color)
{
    return figures->colors ? color : COLOR_NONE;
}

/* What is told behind it has to be looked at. */
static void print_warning(const Figures *figures, const char *text)
{
    color_begin(stdout, shade(figures, COLOR_BAD));
    fputs(text, stdout);
    color_end(stdout, shade(figures, COLOR_BAD));
}

static void print_states(const Figures *figures)
{
    char time[AGO_MAX];

    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        const StoreStateFigures *state = &figures->queue.states[s];

        Color color = state->messages > 0 ? shade(figures, color_of_state(s)) : COLOR_NONE;

        color_begin(stdout, color);
        printf("  %-9s %8llu", spool_state_name(s), (unsigned long long)state->messages);
        color_end(stdout, color);
        if (state->messages > 0)
            printf("  %llu bytes, oldest %s", (unsigned long long)state->bytes,
                span_format_time(state->oldest, figures->now, time));
        putchar('\n');
    }
    if (figures->queue.next > 0)
        printf("  the next deferred message is due %s\n",
            span_format_time(figures->queue.next, figures->now, time));
    if (figures->queue.states[SPOOL_FAILED].messages > 0)
        puts("  `outbox list failed` says why; `outbox retry ID` tries again");
}

static void print_words(const char *text)
{
    (void)terminal_print(stdout, text ?: "?", 1500);
}

static Color color_of_relay(const Figures *figures, const char *state)
{
    if (!state || strcmp(state, "works") == 0 || strcmp(state, "untried") == 0)
        return COLOR_NONE;
    return shade(figures, strcmp(state, "held") == 0 ? COLOR_BAD : COLOR_WAITS);
}

static const char *describe_state(const char *state)
{
    return text_equal(state, "hold-over") ? "not on hold any more, and nothing is tried" : state;
}

/* It may be somebody else who says nothing: a token server. */
static void print_wait(const json_t *waits)
{
    const char *what = servers_text(waits, "for"), *stage = servers_text(waits, "stage");

    fputs(what ? "is not of use yet" : "says nothing", stdout);
    if (stage) {
        fputs(", stage ", stdout);
        print_words(stage);
    }
    if (what) {
        fputs(", where what is waited for is ", stdout);
        print_words(what);
    }
}

/* "held until 2026-...", "probing, says nothing, stage auth", "says nothing, stage greeting". */
static void print_health(const json_t *relay, const Figures *figures)
{
    const char *state = servers_text(relay, "state"), *until = servers_text(relay, "until");
    const json_t *restrained = json_object_get(relay, "restrained");
    bool silent = json_is_true(json_object_get(relay, "silent"));
    bool named = !silent || !text_equal(state, "silent");

    color_begin(stdout, color_of_relay(figures, state));
    if (named)
        print_words(describe_state(state));
    else
        print_wait(json_object_get(relay, "waits"));
    color_end(stdout, color_of_relay(figures, state));
    if (until) {
        fputs(" until ", stdout);
        print_words(until);
    }
    if (silent && named) {
        fputs(", ", stdout);
        print_wait(json_object_get(relay, "waits"));
    }
    if (json_is_object(restrained)) {
        fputs(", is to take no message before ", stdout);
        print_words(servers_text(restrained, "until"));
        fputs(": ", stdout);
        print_words(servers_text(restrained, "text"));
    }
}

static void print_hint(const json_t *object)
{
    const char *hint = servers_text(object, "hint");

    if (!hint)
        return;
    fputs("; ", stdout);
    print_words(hint);
}

static void print_relay(const json_t *relay, const Figures *figures)
{
    const json_t *fault = json_object_get(relay, "fault"), *waits = json_object_get(relay, "waits");
    size_t waiting = status_waits_count(&figures->waits, servers_text(relay, "name"));
    long long connections;

    fputs("  relay ", stdout);
    print_words(servers_text(relay, "name"));
    fputs(" (", stdout);
    print_words(servers_text(relay, "host"));
    printf(", port %lld): ", servers_number(relay, "port"));
    print_health(relay, figures);
    connections = servers_number(relay, "connections");
    printf(", %lld connection%s", connections, connections == 1 ? "" : "s");
    if (waiting > 0)
        printf(", %zu message%s for it", waiting, waiting == 1 ? " waits" : "s wait");
    print_hint(waits);
    if (json_is_object(fault)) {
        fputs("; ", stdout);
        print_words(servers_text(fault, "stage"));
        printf(", %lld: ", servers_number(fault, "code") ?: servers_number(fault, "error"));
        print_words(servers_text(fault, "text"));
        print_hint(fault);
    }
    putchar('\n');
}

/* "alerts (priority 10): 3 wait, 1 is being sent". */
static void print_one_lane(const json_t *lane)
{
    const json_t *restrained = json_object_get(lane, "restrained");
    const char *name = servers_text(lane, "name");
    long long waiting = servers_number(lane, "waiting"), sending = servers_number(lane, "sending");

    if (name) {
        fputs("  lane ", stdout);
        print_words(name);
    } else {
        fputs("  in no other lane", stdout);
    }
    printf(" (priority %lld): %lld message%s wait%s, %lld %s being sent",
        servers_number(lane, "priority"), waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "",
        sending, sending == 1 ? "is" : "are");
    if (json_is_object(restrained)) {
        fputs(", is to send no message before ", stdout);
        print_words(servers_text(restrained, "until"));
        fputs(": ", stdout);
        print_words(servers_text(restrained, "text"));
    }
    putchar('\n');
}

static void print_lanes(const json_t *server)
{
    const json_t *lane, *lanes = json_object_get(server, "lanes");
    size_t i;

    json_array_foreach(lanes, i, lane) print_one_lane(lane);
}

static void print_rates(const json_t *server, const Figures *figures)
{
    const json_t *counts = json_object_get(server, "figures");
    usec_t last = servers_time(server, "last_sent");
    char time[AGO_MAX];

    if (!counts) /* who empties the queue once tells that itself */
        return;
    printf("  sent %lld, failed %lld since its start; %llu in the last minute, %llu in the last "
           "hour",
        servers_number(counts, "sent"), servers_number(counts, "failed"),
        (unsigned long long)servers_rate(server, figures->now, 1),
        (unsigned long long)servers_rate(server, figures->now, 60));
    if (last > 0)
        printf("; the last one %s", span_format_time(last, figures->now, time));
    putchar('\n');
}

/* Behind what it is about; several lines below it. */
static void print_words_by_line(const char *text)
{
    bool several = text && strchr(text, '\n');

    if (!several) {
        putchar(' ');
        print_words(text);
        putchar('\n');
        return;
    }
    putchar('\n');
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        fputs("    ", stdout);
        terminal_print_lines(stdout, line, length);
        putchar('\n');
        line += length + (line[length] == '\n');
    }
}

#define PROBLEMS_SHOWN 3

/* Messages that are over, and cannot be written down as such, above all. */
static void print_problems(const json_t *server, const Figures *figures)
{
    const json_t *problem, *problems = json_object_get(server, "problems");
    long long unsettled = servers_number(json_object_get(server, "figures"), "unsettled");
    size_t i, n = json_array_size(problems);

    if (figures->servers.full) {
        print_warning(figures, "  the file system of the queue directory is full;");
        puts(" make room there: df, df -i");
    }
    if (unsettled > 0) {
        print_warning(figures, "  cannot be written down at present,");
        printf(" what became of %lld message%s\n", unsettled, unsettled == 1 ? "" : "s");
    }
    json_array_foreach(problems, i, problem)
    {
        if (i == PROBLEMS_SHOWN)
            break;
        fputs("  ", stdout);
        print_words(servers_text(problem, "id"));
        fputs(": ", stdout);
        print_words(servers_text(problem, "text"));
        putchar('\n');
    }
    if (n > PROBLEMS_SHOWN)
        puts("  ... and others: outbox status --json");
}

static void print_alarms(const json_t *server, const Figures *figures)
{
    const json_t *alarm, *alarms = json_object_get(server, "alarm");
    char time[AGO_MAX];
    size_t i;

    json_array_foreach(alarms, i, alarm)
    {
        print_warning(figures, "  alarm:");
        putchar(' ');
        print_words(servers_text(alarm, "text"));
        printf(
            "; it began %s\n", span_format_time(servers_time(alarm, "since"), figures->now, time));
    }
}

static void print_machine(const json_t *server)
{
    long long holds = servers_number(server, "holds");

    fputs(" on ", stdout);
    print_words(servers_text(server, "machine"));
    printf(", which holds %lld message%s", holds, holds == 1 ? "" : "s");
}

/* Whose lease has ended may be alive, and not reach the database. */
static void print_silence(const Servers *servers, size_t n, const Figures *figures)
{
    char span[SPAN_MAX];

    span_format(clock_age(servers->silent[n], servers->looked), span);
    if (servers->database) {
        print_warning(figures, "  its lease has ended");
        printf(", %s ago: it is stopped, hangs, or does not reach the database; what it holds goes "
               "to another\n",
            span);
        return;
    }
    print_warning(figures, "  does not answer");
    printf(", and gave its last sign of life %s ago: it is stopped, or hangs; what follows is "
           "what it "
           "said then\n",
        span);
}

static void print_server(const Servers *servers, size_t n, const Figures *figures)
{
    const json_t *server = servers->live[n];
    const json_t *relay, *pause = json_object_get(server, "pause");
    const json_t *refused = json_object_get(server, "reload_refused");
    char time[AGO_MAX];
    size_t i;

    print_words(servers_text(server, "program"));
    if (servers_text(server, "version")) {
        fputs(" ", stdout);
        print_words(servers_text(server, "version"));
    }
    if (servers->database)
        print_machine(server);
    if (servers_number(server, "pid") > 0)
        printf(", process %lld of user %lld", servers_number(server, "pid"),
            servers_number(server, "uid"));
    printf(", started %s%s\n",
        span_format_time(servers_time(server, "started"), figures->now, time),
        json_is_true(json_object_get(server, "stopping")) ? ", stopping" : "");
    if (servers->silent[n] > 0)
        print_silence(servers, n, figures);
    print_rates(server, figures);
    print_alarms(server, figures);
    if (json_is_object(pause)) {
        print_warning(figures, "  nothing is taken from the queue at present:");
        putchar(' ');
        print_words(servers_text(pause, "text"));
        putchar('\n');
    }
    print_problems(server, figures);
    if (json_is_object(refused)) {
        printf("  the configuration of %s ",
            span_format_time(servers_time(refused, "time"), figures->now, time));
        print_warning(figures, "was not taken:");
        print_words_by_line(servers_text(refused, "text"));
    }
    json_array_foreach(json_object_get(server, "relays"), i, relay) print_relay(relay, figures);
    print_lanes(server);
}

static void print_strangers(const Figures *figures)
{
    if (figures->queue.n_strangers == 0)
        return;
    printf("  %zu that %s no message and left alone:", figures->queue.n_strangers,
        figures->queue.n_strangers == 1 ? "is" : "are");
    for (size_t i = 0; i < MIN(figures->queue.n_strangers, (size_t)STORE_STRANGERS_MAX); i++) {
        putchar(' ');
        (void)terminal_print(stdout, figures->queue.strangers[i], 255);
    }
    puts(figures->queue.n_strangers > STORE_STRANGERS_MAX ? " ..." : "");
}

/* The sum over all daemons is what waits, and none of their lines is. */
static void print_whose_lanes(const Servers *servers)
{
    size_t n = 0;

    for (size_t i = 0; i < servers->n; i++)
        n += json_array_size(json_object_get(servers->live[i], "lanes")) > 0;
    if (servers->database && n > 1)
        puts("  (what waits in a lane and no daemon has claimed is counted with the first daemon "
             "that lives)");
}

static void print_text(const Store *store, const Figures *figures)
{
    (void)terminal_print(stdout, store->name, 4096);
    putchar('\n');
    print_states(figures);
    print_strangers(figures);
    for (size_t i = 0; i < figures->servers.n; i++)
        print_server(&figures->servers, i, figures);
    print_whose_lanes(&figures->servers);
    if (figures->servers.n > 0 || !figures->waiting.text)
        return;
    color_begin(stdout, shade(figures, COLOR_WAITS));
    print_words(figures->waiting.text);
    color_end(stdout, shade(figures, COLOR_WAITS));
    putchar('\n');
}

/* ---- for programs ---- */

static json_t *strangers_to_json(const Figures *figures)
{
    json_t *array = json_array();

    for (size_t i = 0; i < MIN(figures->queue.n_strangers, (size_t)STORE_STRANGERS_MAX); i++)
        (void)json_array_append_new(array, json_text(figures->queue.strangers[i]));
    return array;
}

static json_t *servers_to_json(const Figures *figures)
{
    json_t *array = json_array();

    for (size_t i = 0; i < figures->servers.n; i++)
        (void)json_array_append(array, figures->servers.live[i]);
    return array;
}

/* Those of all who deliver. */
static json_t *alarms_to_json(const Figures *figures)
{
    json_t *array = json_array();

    for (size_t i = 0; i < figures->servers.n; i++)
        if (json_is_array(json_object_get(figures->servers.live[i], "alarm")))
            (void)json_array_extend(array, json_object_get(figures->servers.live[i], "alarm"));
    return array;
}

static int print_json(const Store *store, const Figures *figures)
{
    json_t *json = json_pack("{s:o, s:b, s:o, s:o, s:O?, s:o, s:o, s:o, s:I, s:o}",
        store->spool ? "directory" : "database", json_text(store->name), "full",
        (int)figures->servers.full, "next", json_time(figures->queue.next), "daemons",
        servers_to_json(figures), "last_daemon", figures->servers.last, "waits",
        waiting_to_json(&figures->waiting), "relays_waited_for",
        status_waits_to_json(&figures->waits), "strangers", strangers_to_json(figures),
        "n_strangers", (json_int_t)figures->queue.n_strangers, "alarm", alarms_to_json(figures));

    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        const StoreStateFigures *state = &figures->queue.states[s];
        json_t *object = json_pack("{s:I, s:I, s:o}", "messages", (json_int_t)state->messages,
            "bytes", (json_int_t)state->bytes, "oldest", json_time(state->oldest));

        if (json_object_set_new(json, spool_state_name(s), object) < 0) {
            json_decref(json);
            return json_print(NULL);
        }
    }
    return json_print(json);
}

int run_status(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(store_free_p) Store *store = NULL;
    _cleanup_(figures_done) Figures figures = {0};
    const char *directory = NULL;
    bool json = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'j': json = true; break;
        default: return EX_USAGE;
        }
    if (optind < argc)
        return tool_usage(command, "%s: no argument is wanted", argv[optind]);
    status = store_open_to_read(tool, directory, &store);
    if (status == 0)
        status = gather(store, &figures);
    if (status != 0)
        return status;
    if (json)
        return print_json(store, &figures);
    figures.colors = color_is_wanted(tool->color);
    print_text(store, &figures);
    return EX_OK;
}
