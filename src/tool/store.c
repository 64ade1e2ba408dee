/* What every store has: opening and closing it, and the orders that messages can be listed in. */
#include "tool/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/errors.h"
#include "settings/load.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const Inspection *)a)->id, ((const Inspection *)b)->id);
}

static int by_age(const void *a, const void *b)
{
    int order = compare_numbers(((const Inspection *)a)->arrival, ((const Inspection *)b)->arrival);

    return order != 0 ? order : by_id(a, b);
}

static int by_size(const void *a, const void *b)
{
    return compare_numbers(((const Inspection *)b)->size, ((const Inspection *)a)->size);
}

static int by_tries(const void *a, const void *b)
{
    return compare_numbers(((const Inspection *)b)->attempts, ((const Inspection *)a)->attempts);
}

static int by_next(const void *a, const void *b)
{
    return compare_numbers(((const Inspection *)a)->next, ((const Inspection *)b)->next);
}

static int by_sender(const void *a, const void *b)
{
    return strcasecmp(((const Inspection *)a)->sender ?: "", ((const Inspection *)b)->sender ?: "");
}

static int by_state(const void *a, const void *b)
{
    return compare_numbers(((const Inspection *)a)->state, ((const Inspection *)b)->state);
}

static const struct {
    const char *name;
    int (*compare)(const void *a, const void *b);
} orders[STORE_ORDER_MAX] = {
    [STORE_BY_ID] = {"id", by_id},
    [STORE_BY_AGE] = {"age", by_age},
    [STORE_BY_SIZE] = {"size", by_size},
    [STORE_BY_TRIES] = {"tries", by_tries},
    [STORE_BY_NEXT] = {"next", by_next},
    [STORE_BY_SENDER] = {"sender", by_sender},
    [STORE_BY_STATE] = {"state", by_state},
};

int store_order_parse(const char *name, StoreOrder *ret)
{
    for (StoreOrder o = STORE_BY_ID; o < STORE_ORDER_MAX; o++)
        if (strcmp(orders[o].name, name) == 0) {
            *ret = o;
            return 0;
        }
    return -EINVAL;
}

const char *store_order_name(StoreOrder order)
{
    return orders[order].name;
}

void store_sort(Inspections *messages, StoreOrder order)
{
    if (messages->n > 0 && order != STORE_AS_FOUND)
        qsort(messages->all, messages->n, sizeof(*messages->all), orders[order].compare);
}

bool store_can_retry(SpoolState state)
{
    return state == SPOOL_DEFERRED || state == SPOOL_FAILED;
}

bool store_can_hold(SpoolState state)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED;
}

bool store_can_release(SpoolState state)
{
    return state == SPOOL_HELD;
}

bool store_can_delete(SpoolState state)
{
    return state != SPOOL_SENDING;
}

void store_figures_done(StoreFigures *figures)
{
    for (size_t i = 0; i < MIN(figures->n_strangers, (size_t)STORE_STRANGERS_MAX); i++)
        free(figures->strangers[i]);
    *figures = (StoreFigures){0};
}

int store_read_piece(void *fd, Buffer *out, Failure *f)
{
    char *at = buffer_reserve(out, BLOCK_BYTES);
    ssize_t n;

    if (!at)
        return failure_set_errno(f, -ENOMEM, "cannot read the message");
    do
        n = read(*(int *)fd, at, BLOCK_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failure_set_errno(f, -errno, "cannot read the message");
    buffer_commit(out, (size_t)n);
    return n > 0;
}

static int open_directory(int (*open)(const Tool *tool, const char *directory, Spool **ret),
    const Tool *tool, const char *directory, Store **ret)
{
    Spool *spool = NULL;
    int status = open(tool, directory, &spool);

    if (status != 0)
        return status;
    *ret = store_of_directory(spool);
    return *ret ? 0 : tool_fail_memory();
}

int store_open_directory(const Tool *tool, const char *directory, Store **ret)
{
    return open_directory(tool_open_spool, tool, directory, ret);
}

int store_open_database(const Tool *tool, const char *conninfo, Store **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *configured = NULL;

    if (!conninfo && config_load_database(tool->config_path, tool->overrides, &configured, &f) < 0)
        return tool_fail(&f);
    if (!conninfo && !configured)
        return tool_fail_number(ERROR_CONFIGURATION,
            "no database is configured: set spool.database, or name it by its connection string");
    return store_of_database(conninfo ?: configured, tool->has_user ? &tool->user : NULL, ret, &f) <
                   0
               ? tool_fail(&f)
               : 0;
}

/* A directory that is named goes before the database that is configured. */
static int open_by(int (*open)(const Tool *tool, const char *directory, Spool **ret),
    const Tool *tool, const char *directory, Store **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *database = NULL;
    int r = 0;

    if (!directory)
        r = config_load_database(tool->config_path, tool->overrides, &database, &f);
    if (r < 0 && r != -EACCES && r != -EPERM) /* of those the directory says what to do */
        return tool_fail(&f);
    return database ? store_open_database(tool, database, ret)
                    : open_directory(open, tool, directory, ret);
}

int store_open(const Tool *tool, const char *directory, Store **ret)
{
    return open_by(tool_open_spool, tool, directory, ret);
}

int store_open_to_read(const Tool *tool, const char *directory, Store **ret)
{
    return open_by(tool_open_spool_to_read, tool, directory, ret);
}

int store_open_directory_quietly(const Tool *tool, const char *directory, Store **ret)
{
    _cleanup_free_
    char *path = NULL;
    Spool *spool = NULL;
    int r = directory ? 0
                      : config_load_directory(
                            tool->config_path, tool->overrides, &path, NULL, NULL, NULL);

    if (r >= 0)
        r = spool_open(directory ?: path, &spool, NULL);
    if (r < 0)
        return r;
    *ret = store_of_directory(spool);
    return *ret ? 0 : -ENOMEM;
}

int store_open_quietly(const Tool *tool, const char *directory, Store **ret)
{
    _cleanup_free_
    char *database = NULL;
    int r =
        directory ? 0 : config_load_database(tool->config_path, tool->overrides, &database, NULL);

    if (r < 0)
        return r;
    return database ? store_of_database(database, NULL, ret, NULL)
                    : store_open_directory_quietly(tool, directory, ret);
}

void store_free(Store *store)
{
    if (store)
        store->ops->free(store);
}
