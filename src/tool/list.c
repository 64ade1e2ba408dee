/* outbox list: one line a message, or JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tool/command.h"
#include "tool/inspect.h"
#include "tool/json.h"
#include "tool/terminal.h"

typedef struct Listing {
    bool json;
    bool states[SPOOL_STATE_MAX]; /* to be shown */
    size_t shown;
} Listing;

/* "3m", "2h", "5d": one unit is enough to see what is stuck. */
static void format_span(usec_t span, char text[static 16])
{
    usec_t seconds = span / USEC_PER_SEC;

    if (seconds < 120)
        snprintf(text, 16, "%us", (unsigned)seconds);
    else if (seconds < 2 * 3600)
        snprintf(text, 16, "%um", (unsigned)(seconds / 60));
    else if (seconds < 2 * 86400)
        snprintf(text, 16, "%uh", (unsigned)(seconds / 3600));
    else
        snprintf(text, 16, "%ud", (unsigned)MIN(seconds / 86400, (usec_t)99999));
}

static void print_people(const Inspection *i)
{
    (void)terminal_print(stdout, !i->sender ? "?" : i->sender[0] ? i->sender : "<>", 320);
    fputs("  ", stdout);
    (void)terminal_print(stdout, i->n_recipients > 0 ? i->recipients[0] : "?", 320);
    if (i->n_recipients > 1)
        printf(" and %zu more", i->n_recipients - 1);
    if (i->text) {
        fputs("\n    ", stdout);
        (void)terminal_print(stdout, i->text, 500);
    }
    putchar('\n');
}

/* Messages are printed as they are found, so the widths are those of usual ones. */
#define HEADINGS "%-29s  %-8s  %5s  %10s  %5s  %5s  %s\n"
#define FIGURES "  %-8s  %5s  %10llu  %5u  %5s  "

static void print_row(const Inspection *i, usec_t now)
{
    char age[16] = "?", next[16] = "-";

    if (clock_is_plausible(i->arrival))
        format_span(clock_age(i->arrival, now), age);
    if (i->state == SPOOL_DEFERRED && i->next <= now)
        snprintf(next, sizeof(next), "now");
    else if (i->state == SPOOL_DEFERRED)
        format_span(i->next - now, next);
    terminal_print_padded(stdout, i->id, 1020, 29);
    printf(
        FIGURES, spool_state_name(i->state), age, (unsigned long long)i->size, i->attempts, next);
    print_people(i);
}

static int print_json(const Inspection *i, bool first)
{
    json_t *json = inspection_to_json(i);
    int r;

    if (!json)
        return -ENOMEM;
    fputs(first ? "[\n" : ",\n", stdout);
    r = json_write(json, JSON_COMPACT);
    json_decref(json);
    return r;
}

static int list_entry(const Spool *spool, const SpoolEntry *entry, Listing *listing, usec_t now)
{
    Inspection i;
    int r;

    if (!listing->states[entry->state])
        return 0;
    r = inspect(spool, entry->id, entry->state, &i);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (listing->json) {
        r = print_json(&i, listing->shown == 0);
    } else {
        if (listing->shown == 0)
            printf(HEADINGS, "ID", "STATE", "AGE", "BYTES", "TRIES", "NEXT", "SENDER  RECIPIENTS");
        print_row(&i, now);
    }
    listing->shown++;
    inspection_done(&i);
    return r;
}

static int list(const Spool *spool, Listing *listing)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    _cleanup_failure_ Failure f = {0};
    usec_t now = clock_realtime();
    SpoolEntry entry;
    int r;

    if (spool_scan_new(spool, &scan, &f) < 0)
        return tool_fail(&f);
    while ((r = spool_scan_next(scan, &entry)) > 0) {
        r = list_entry(spool, &entry, listing, now);
        if (r < 0)
            break;
    }
    if (listing->json)
        puts(listing->shown == 0 ? "[]" : "\n]");
    if (r < 0)
        return tool_fail_queue(spool, r);
    return EX_OK;
}

static int choose_states(const Command *command, char **names, Listing *listing)
{
    if (!*names)
        memset(listing->states, true, sizeof(listing->states));
    for (; *names; names++) {
        SpoolState state;

        if (spool_state_parse(*names, &state) < 0)
            return tool_usage(command,
                "%s is no state: those are queued, sending, sent, failed, deferred, held", *names);
        listing->states[state] = true;
    }
    return 0;
}

int run_list(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    const char *directory = NULL;
    Listing listing = {0};
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'j': listing.json = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    status = choose_states(command, argv + optind, &listing);
    if (status == 0)
        status = tool_open_spool(tool, directory, &spool);
    return status != 0 ? status : list(spool, &listing);
}
