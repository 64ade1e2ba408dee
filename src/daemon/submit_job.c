/* Submitted messages and the disk. Must never call a message queued that is not on the disk. */
#include "daemon/submit_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "spool/spool.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

SubmitItem *submit_item_new(uid_t uid)
{
    SubmitItem *item = calloc(1, sizeof(*item));

    if (item)
        item->uid = uid;
    return item;
}

void submit_item_free(SubmitItem *item)
{
    if (!item)
        return;
    spool_writer_free(item->writer);
    buffer_done(&item->data);
    failure_done(&item->failure);
    free(item->path);
    free(item);
}

static void drop_item(void *argument)
{
    submit_item_free(argument);
}

static void run_nothing(_unused_ void *argument)
{
}

static const JobKind discarding = {"discarding", run_nothing, drop_item, .limit = 2, .backlog = 64};

void submit_item_discard(Worker *worker, SubmitItem *item)
{
    if (item && (!item->writer || worker_submit(worker, &discarding, NULL, item, NULL) < 0))
        submit_item_free(item);
}

/* ---- writing ---- */

typedef struct Task {
    char *directory;
    char user[24]; /* of one item */
    size_t n;
    SubmitItem *items[];
} Task;

static Task *task_new(const char *directory, SubmitItem **items, size_t n)
{
    Task *task = calloc(1, sizeof(*task) + n * sizeof(task->items[0]));

    if (!task)
        return NULL;
    task->directory = strdup(directory);
    if (!task->directory) {
        free(task);
        return NULL;
    }
    memcpy(task->items, items, n * sizeof(*items));
    task->n = n;
    return task;
}

static void drop_task(void *argument)
{
    Task *task = argument;

    for (size_t i = 0; i < task->n; i++)
        submit_item_free(task->items[i]);
    free(task->directory);
    free(task);
}

/* The first octets of a message that begins with a byte order mark are no field's, with the mark
 * behind another line. */
static int begin(SubmitItem *item, const char *directory, SpoolWriter *beside)
{
    int r = beside ? spool_writer_new_beside(beside, &item->writer, &item->failure)
                   : spool_writer_new(directory, &item->writer, &item->failure);

    if (r >= 0)
        r = spool_writer_submit(item->writer, item->uid, &item->failure);
    if (buffer_size(&item->data) >= 3 && memcmp(buffer_data(&item->data), BYTE_ORDER_MARK, 3) == 0)
        buffer_consume(&item->data, 3);
    return r;
}

static void write_item(SubmitItem *item, const char *directory, SpoolWriter *beside)
{
    int r = item->writer ? 0 : begin(item, directory, beside);

    if (r >= 0 && buffer_size(&item->data) > 0)
        r = spool_writer_write(
            item->writer, buffer_data(&item->data), buffer_size(&item->data), &item->failure);
    buffer_clear(&item->data);
    item->error = MIN(r, 0);
}

static void run_write(void *argument)
{
    Task *task = argument;

    write_item(task->items[0], task->directory, NULL);
}

/* A user who sends much leaves a thread for others. */
static const JobKind writing = {
    "writing submissions", run_write, drop_task, .limit = 4, .limit_of_key = 2};

int submit_write(Worker *worker, const char *directory, SubmitItem *item, Job **ret)
{
    Task *task = task_new(directory, &item, 1);
    int r;

    if (!task)
        return -ENOMEM;
    (void)snprintf(task->user, sizeof(task->user), "%u", item->uid);
    r = worker_submit(worker, &writing, task->user, task, ret);
    if (r < 0) {
        task->n = 0;
        drop_task(task);
    }
    return r;
}

SubmitItem *submit_write_end(Job *job)
{
    Task *task = job_argument(job);

    task->n = 0;
    return task->items[0];
}

/* ---- together ---- */

static void run_commit(void *argument)
{
    SpoolWriter *writers[SUBMIT_GROUP_MAX], *beside = NULL;
    SubmitItem *items[SUBMIT_GROUP_MAX];
    Failure failures[SUBMIT_GROUP_MAX] = {0};
    char *paths[SUBMIT_GROUP_MAX];
    Task *task = argument;
    size_t n = 0;

    for (size_t i = 0; i < task->n; i++) {
        SubmitItem *item = task->items[i];

        write_item(item, task->directory, beside);
        if (item->error >= 0)
            item->error = MIN(spool_writer_finish(item->writer, &item->failure), 0);
        if (item->error < 0)
            continue;
        beside = item->writer;
        items[n] = item;
        writers[n++] = TAKE_PTR(item->writer);
    }
    if (n > 0)
        (void)spool_writer_commit_all(writers, n, paths, failures);
    for (size_t i = 0; i < n; i++) {
        items[i]->path = paths[i];
        items[i]->failure = failures[i];
        items[i]->error = paths[i] ? 0 : -EIO;
    }
}

static const JobKind committing = {"queueing submissions", run_commit, drop_task, .limit = 1};

int submit_commit(Worker *worker, const char *directory, SubmitItem **items, size_t n, Job **ret)
{
    Task *task = task_new(directory, items, n);
    int r = task ? worker_submit(worker, &committing, NULL, task, ret) : -ENOMEM;

    if (r < 0 && task) {
        task->n = 0;
        drop_task(task);
    }
    return r;
}

size_t submit_commit_end(Job *job, SubmitItem *ret_items[static SUBMIT_GROUP_MAX])
{
    Task *task = job_argument(job);
    size_t n = task->n;

    memcpy(ret_items, task->items, n * sizeof(*ret_items));
    task->n = 0;
    return n;
}

/* ---- counting ---- */

typedef struct Census {
    char *directory;
    SubmitCount *counts;
    size_t n, allocated;
} Census;

static void count_one(Census *census, uid_t uid)
{
    for (size_t i = 0; i < census->n; i++)
        if (census->counts[i].uid == uid) {
            census->counts[i].n++;
            return;
        }
    if (census->n == census->allocated) {
        size_t n = 2 * census->allocated + 16;
        SubmitCount *counts = reallocarray(census->counts, n, sizeof(*counts));

        if (!counts)
            return;
        census->counts = counts;
        census->allocated = n;
    }
    census->counts[census->n++] = (SubmitCount){uid, 1};
}

static void run_count(void *argument)
{
    Census *census = argument;
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    uid_t uid;

    if (spool_open(census->directory, &spool, NULL) < 0 || spool_scan_new(spool, &scan, NULL) < 0)
        return;
    while (spool_scan_next(scan, &entry) > 0)
        if (entry.state != SPOOL_SENT && spool_owner(spool, entry.id, entry.state, &uid) >= 0)
            count_one(census, uid);
}

static void drop_census(void *argument)
{
    Census *census = argument;

    free(census->directory);
    free(census->counts);
    free(census);
}

static const JobKind counting = {"counting submissions", run_count, drop_census, .limit = 1};

int submit_count(Worker *worker, const char *directory, Job **ret)
{
    Census *census = calloc(1, sizeof(*census));
    int r = -ENOMEM;

    if (census)
        census->directory = strdup(directory);
    if (census && census->directory)
        r = worker_submit(worker, &counting, NULL, census, ret);
    if (r < 0 && census)
        drop_census(census);
    return r;
}

const SubmitCount *submit_count_end(Job *job, size_t *ret_n)
{
    const Census *census = job_argument(job);

    *ret_n = census->n;
    return census->counts;
}
