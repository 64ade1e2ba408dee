/* Submitted messages and the disk. Must never call a message queued that is not on the disk. */
#include "daemon/submit_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "daemon/submit_database.h"
#include "spool/spool.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

SubmitItem *submit_item_new(uid_t uid)
{
    SubmitItem *item = calloc(1, sizeof(*item));

    if (!item)
        return NULL;
    item->uid = uid;
    item->fd = -1;
    strcpy(item->key, "submit ");
    file_random_name(item->key + strlen(item->key), 24);
    return item;
}

int submit_item_ask_key(SubmitItem *item, const char *key)
{
    char *text;

    if (asprintf(&text, "user %u %s", item->uid, key) < 0)
        return -ENOMEM;
    free(item->asked_key);
    item->asked_key = text;
    return 0;
}

void submit_item_free(SubmitItem *item)
{
    if (!item)
        return;
    spool_writer_free(item->writer);
    buffer_done(&item->data);
    failure_done(&item->failure);
    close_p(&item->fd);
    free(item->asked_key);
    free(item->id);
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
    bool has_file = item && (item->writer || item->fd >= 0);

    if (item && (!has_file || worker_submit(worker, &discarding, NULL, item, NULL) < 0))
        submit_item_free(item);
}

/* ---- writing ---- */

typedef struct Task {
    char *directory;  /* NULL: they go to the database */
    char user[24];    /* of one item */
    SubmitLink *link; /* to it, for a group */
    size_t n;
    SubmitItem *items[];
} Task;

static Task *task_new(SubmitPlace place, SubmitItem **items, size_t n)
{
    Task *task = calloc(1, sizeof(*task) + n * sizeof(task->items[0]));

    if (!task)
        return NULL;
    if (!place.database && !(task->directory = strdup(place.directory))) {
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
    submit_link_free(task->link);
    free(task->directory);
    free(task);
}

/* The first octets of a message that begins with a byte order mark are no field's, with the mark
 * behind another line. */
static void skip_mark(SubmitItem *item)
{
    if (buffer_size(&item->data) >= 3 && memcmp(buffer_data(&item->data), BYTE_ORDER_MARK, 3) == 0)
        buffer_consume(&item->data, 3);
}

static int begin(SubmitItem *item, const char *directory, SpoolWriter *beside)
{
    int r = beside ? spool_writer_new_beside(beside, &item->writer, &item->failure)
                   : spool_writer_new(directory, &item->writer, &item->failure);

    if (r >= 0)
        r = spool_writer_submit(item->writer, item->uid, &item->failure);
    skip_mark(item);
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

/* Until it is complete: a transaction is not left open for who sends it. */
static void write_aside(SubmitItem *item)
{
    int r;

    if (item->fd < 0) {
        item->fd = file_scratch_on_disk();
        skip_mark(item);
    }
    r = item->fd < 0 ? item->fd
                     : file_write_all(item->fd, buffer_data(&item->data), buffer_size(&item->data));
    buffer_clear(&item->data);
    item->error = r < 0 ? failure_set_errno(&item->failure, r,
                              "cannot keep the message in a temporary file; TMPDIR of outboxd "
                              "names another directory")
                        : 0;
}

static void run_write(void *argument)
{
    Task *task = argument;

    if (task->directory)
        write_item(task->items[0], task->directory, NULL);
    else
        write_aside(task->items[0]);
}

/* A user who sends much leaves a thread for others. */
static const JobKind writing = {
    "writing submissions", run_write, drop_task, .limit = 4, .limit_of_key = 2};

int submit_write(Worker *worker, SubmitPlace place, SubmitItem *item, Job **ret)
{
    Task *task = task_new(place, &item, 1);
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

/* Before it is queued, for who cannot be told its name afterwards queues it again. */
static int reserve_id(SubmitItem *item)
{
    if (!item->id)
        item->id = malloc(SPOOL_NAME_MAX);
    return item->id ? 0
                    : failure_set(&item->failure, -ENOMEM, ERROR_MEMORY,
                          "memory is short: try again; nothing was queued");
}

/* "DIRECTORY/ID.queued". */
static void set_id(SubmitItem *item, const char *path)
{
    const char *name = strrchr(path, '/') + 1, *dot = strrchr(name, '.');

    (void)snprintf(item->id, SPOOL_NAME_MAX, "%.*s", (int)(dot - name), name);
}

static void commit_to_directory(Task *task)
{
    SpoolWriter *writers[SUBMIT_GROUP_MAX], *beside = NULL;
    SubmitItem *items[SUBMIT_GROUP_MAX];
    Failure failures[SUBMIT_GROUP_MAX] = {0};
    char *paths[SUBMIT_GROUP_MAX];
    size_t n = 0;

    for (size_t i = 0; i < task->n; i++) {
        SubmitItem *item = task->items[i];

        write_item(item, task->directory, beside);
        if (item->error >= 0)
            item->error = reserve_id(item);
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
        items[i]->failure = failures[i];
        items[i]->error = paths[i] ? 0 : -EIO;
        if (paths[i])
            set_id(items[i], paths[i]);
        free(paths[i]);
    }
}

static void commit_to_database(Task *task)
{
    for (size_t i = 0; i < task->n; i++)
        if (task->items[i]->fd >= 0)
            write_aside(task->items[i]);
        else
            skip_mark(task->items[i]);
    submit_link_put(task->link, task->items, task->n);
}

static void run_commit(void *argument)
{
    Task *task = argument;

    if (task->directory)
        commit_to_directory(task);
    else
        commit_to_database(task);
}

static const JobKind committing = {"queueing submissions", run_commit, drop_task, .limit = 1};

int submit_commit(
    Worker *worker, SubmitPlace place, SubmitLink **link, SubmitItem **items, size_t n, Job **ret)
{
    Task *task = task_new(place, items, n);
    int r = -ENOMEM;

    if (!task)
        return r;
    task->link = TAKE_PTR(*link);
    r = worker_submit(worker, &committing, NULL, task, ret);
    if (r < 0) {
        *link = TAKE_PTR(task->link);
        task->n = 0;
        drop_task(task);
    }
    return r;
}

size_t submit_commit_end(
    Job *job, SubmitItem *ret_items[static SUBMIT_GROUP_MAX], SubmitLink **ret_link)
{
    Task *task = job_argument(job);
    size_t n = task->n;

    memcpy(ret_items, task->items, n * sizeof(*ret_items));
    task->n = 0;
    *ret_link = TAKE_PTR(task->link);
    return n;
}

/* ---- counting ---- */

typedef struct Census {
    char *place; /* the directory, or the database's connection string */
    bool in_database;
    SubmitCount *counts;
    size_t n, allocated;
    bool failed;
} Census;

static void count(void *argument, uid_t uid, uint64_t messages)
{
    Census *census = argument;

    for (size_t i = 0; i < census->n; i++)
        if (census->counts[i].uid == uid) {
            census->counts[i].n += messages;
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
    census->counts[census->n++] = (SubmitCount){uid, messages};
}

static void count_in_directory(Census *census)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    uid_t uid;

    if (spool_open(census->place, &spool, NULL) < 0 || spool_scan_new(spool, &scan, NULL) < 0)
        return;
    while (spool_scan_next(scan, &entry) > 0)
        if (entry.state != SPOOL_SENT && spool_owner(spool, entry.id, entry.state, &uid) >= 0)
            count(census, uid, 1);
}

static void run_count(void *argument)
{
    Census *census = argument;

    if (census->in_database)
        census->failed = submit_database_count(census->place, count, census) < 0;
    else
        count_in_directory(census);
}

static void drop_census(void *argument)
{
    Census *census = argument;

    if (census->place)
        explicit_bzero(census->place, strlen(census->place));
    free(census->place);
    free(census->counts);
    free(census);
}

static const JobKind counting = {"counting submissions", run_count, drop_census, .limit = 1};

int submit_count(Worker *worker, SubmitPlace place, Job **ret)
{
    Census *census = calloc(1, sizeof(*census));
    int r = -ENOMEM;

    if (census) {
        census->in_database = place.database;
        census->place = strdup(place.database ?: place.directory);
    }
    if (census && census->place)
        r = worker_submit(worker, &counting, NULL, census, ret);
    if (r < 0 && census)
        drop_census(census);
    return r;
}

int submit_count_end(Job *job, const SubmitCount **ret, size_t *ret_n)
{
    const Census *census = job_argument(job);

    *ret = census->counts;
    *ret_n = census->n;
    return census->failed ? -EIO : 0;
}
