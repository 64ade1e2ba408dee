/* outbox status: the queue in a few figures. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/clock.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/terminal.h"

typedef struct StateFigures {
    size_t messages;
    uint64_t bytes;
    usec_t oldest; /* arrival; 0 when there is none */
} StateFigures;

typedef struct Figures {
    StateFigures states[SPOOL_STATE_MAX];
    usec_t next; /* the earliest attempt of a deferred message; 0 when there is none */
} Figures;

static void count(const Spool *spool, const SpoolEntry *entry, Figures *figures)
{
    StateFigures *state = &figures->states[entry->state];
    struct stat st;
    usec_t time;

    if (spool_look_at(spool, entry->id, entry->state, &st) < 0)
        return; /* gone meanwhile */
    time = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
    state->messages++;
    state->bytes += (uint64_t)st.st_size;
    state->oldest = state->oldest == 0 ? time : MIN(state->oldest, time);
    if (entry->state == SPOOL_DEFERRED) {
        usec_t next = spool_next_attempt(spool, entry->id);

        if (next == 0)
            next = time; /* without a record it is due at once */
        figures->next = figures->next == 0 ? next : MIN(figures->next, next);
    }
}

static int gather(const Spool *spool, Figures *figures)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    _cleanup_failure_ Failure f = {0};
    SpoolEntry entry;
    int r;

    if (spool_scan_new(spool, &scan, &f) < 0)
        return tool_fail(&f);
    while ((r = spool_scan_next(scan, &entry)) > 0)
        count(spool, &entry, figures);
    return r < 0 ? tool_fail_queue(spool, r) : 0;
}

static void print_text(const Spool *spool, const Figures *figures)
{
    char time[RFC3339_MAX];

    (void)terminal_print(stdout, spool_path(spool), 4096);
    putchar('\n');
    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        const StateFigures *state = &figures->states[s];

        printf("  %-9s %8zu", spool_state_name(s), state->messages);
        if (state->messages > 0)
            printf("  %llu bytes, oldest %s", (unsigned long long)state->bytes,
                clock_format_rfc3339(state->oldest, time));
        putchar('\n');
    }
    if (figures->next > 0)
        printf(
            "  the next deferred message is due %s\n", clock_format_rfc3339(figures->next, time));
    if (figures->states[SPOOL_FAILED].messages > 0)
        puts("  `outbox list failed` says why; `outbox retry ID` tries again");
}

static int print_json(const Spool *spool, const Figures *figures)
{
    json_t *json = json_pack(
        "{s:o, s:o}", "directory", json_text(spool_path(spool)), "next", json_time(figures->next));

    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        const StateFigures *state = &figures->states[s];
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
    _cleanup_(spool_free_p) Spool *spool = NULL;
    const char *directory = NULL;
    Figures figures = {0};
    bool json = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'j': json = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (optind < argc)
        return tool_usage(command, "%s: no argument is wanted", argv[optind]);
    status = tool_open_spool(tool, directory, &spool);
    if (status == 0)
        status = gather(spool, &figures);
    if (status != 0)
        return status;
    if (json)
        return print_json(spool, &figures);
    print_text(spool, &figures);
    return EX_OK;
}
