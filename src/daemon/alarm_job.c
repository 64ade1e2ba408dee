/* Jobs of alarms. Must never have the loop wait for a directory or a command. */
#include "daemon/alarm_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "queue/first_due.h"
#include "settings/command.h"
#include "spool/spool.h"

#define RUN_LIMIT (30 * USEC_PER_SEC)
#define OUTPUT_MAX ((size_t)64 * 1024)

/* ---- the oldest message ---- */

typedef struct Search {
    char *directory;
    AlarmOldest oldest;
} Search;

static void compare(AlarmOldest *oldest, const Spool *spool, const SpoolEntry *entry)
{
    struct stat st;

    if (spool_look_at(spool, entry->id, entry->state, &st) < 0 || st.st_mtim.tv_sec <= 0)
        return;
    if (queue_waits_longer(
            spool, entry, (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC, &oldest->arrival))
        memccpy(oldest->id, entry->id, '\0', sizeof(oldest->id) - 1);
}

static void run_search(void *argument)
{
    Search *search = argument;
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;

    if (spool_open_to_read(search->directory, &spool, NULL) < 0 ||
        spool_scan_new(spool, &scan, NULL) < 0)
        return;
    while (spool_scan_next(scan, &entry) > 0)
        if (queue_waits(entry.state))
            compare(&search->oldest, spool, &entry);
}

static void drop_search(void *argument)
{
    Search *search = argument;

    free(search->directory);
    free(search);
}

static const JobKind searching = {
    "looking for the oldest message", run_search, drop_search, .limit = 1};

int alarm_job_look(Worker *worker, const char *directory, Job **ret)
{
    Search *search = calloc(1, sizeof(*search));
    int r = -ENOMEM;

    if (search)
        search->directory = strdup(directory);
    if (search && search->directory)
        r = worker_submit(worker, &searching, NULL, search, ret);
    if (r < 0 && search)
        drop_search(search);
    return r;
}

const AlarmOldest *alarm_job_oldest(Job *job)
{
    return &((const Search *)job_argument(job))->oldest;
}

/* ---- the command ---- */

typedef struct Run {
    Buffer script;
    char *command; /* as it was written */
    CommandStop stop;
    int result;
    Failure failure;
} Run;

static void run_command(void *argument)
{
    Run *run = argument;
    CommandUse use = COMMAND_USE("alarm_command", "read its standard input, print little and exit");
    _cleanup_buffer_ Buffer output = {0};

    use.shown = run->command;
    run->result = command_run(buffer_data(&run->script), &use, RUN_LIMIT, OUTPUT_MAX, &output, NULL,
        &run->stop, &run->failure);
}

static void drop_run(void *argument)
{
    Run *run = argument;

    command_stop_done(&run->stop);
    buffer_done(&run->script);
    free(run->command);
    failure_done(&run->failure);
    free(run);
}

static void stop_run(void *argument)
{
    command_stop(&((Run *)argument)->stop);
}

static const JobKind running = {
    "running alarm_command", run_command, drop_run, stop_run, .limit = 1};

/* As one word of the shell. */
static int append_quoted(Buffer *script, const char *text, size_t n)
{
    int r = buffer_append(script, "'", 1);

    for (size_t i = 0; i < n && r >= 0; i++)
        r = text[i] == '\'' ? buffer_append_string(script, "'\\''")
                            : buffer_append(script, text + i, 1);
    return r < 0 ? r : buffer_append(script, "'", 1);
}

/* `printf %s 'INPUT' | /bin/sh -c 'COMMAND'`: its status is the command's. */
static int make_script(Buffer *script, const char *command, const Buffer *input)
{
    int r = buffer_append_string(script, "printf %s ");

    if (r >= 0)
        r = append_quoted(script, buffer_data(input), buffer_size(input));
    if (r >= 0)
        r = buffer_append_string(script, " | /bin/sh -c ");
    if (r >= 0)
        r = append_quoted(script, command, strlen(command));
    return r < 0 ? r : buffer_append(script, "", 1);
}

int alarm_job_run(Worker *worker, const char *command, const Buffer *input, Job **ret)
{
    Run *run = calloc(1, sizeof(*run));
    int r;

    if (!run)
        return -ENOMEM;
    command_stop_init(&run->stop);
    run->command = strdup(command);
    r = run->command ? make_script(&run->script, command, input) : -ENOMEM;
    if (r >= 0)
        r = worker_submit(worker, &running, NULL, run, ret);
    if (r < 0)
        drop_run(run);
    return r;
}

int alarm_job_result(Job *job, const Failure **ret)
{
    const Run *run = job_argument(job);

    *ret = &run->failure;
    return run->result;
}
