/* Changing messages in PostgreSQL. Must never say that something was done which was not, nor wait
 * for long for a daemon that does not answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "tool/store_database.h"

/* A daemon looks once a second at least for what it is to let go of. */
#define PATIENCE (5 * USEC_PER_SEC)
#define LOOK_EVERY (200 * USEC_PER_MSEC)

bool store_is_number(const char *id)
{
    size_t n = strspn(id, "0123456789");

    return n > 0 && n < 19 && !id[n] && id[0] != '0';
}

static const struct {
    const char *action, *from, *done;
    bool (*applies)(SpoolState state);
} changes[] = {
    [STORE_RETRY] = {"retry", "deferred or failed", "tried again", store_can_retry},
    [STORE_HOLD] = {"hold", "queued or deferred", "held", store_can_hold},
    [STORE_RELEASE] = {"release", "held", "released", store_can_release},
    [STORE_DELETE] = {"delete", "not being sent", "deleted", store_can_delete},
};

/* It was elsewhere at first, and came into such a state while the database looked. */
static bool has_moved(StoreChange change, const char *result)
{
    SpoolState state;

    return result && spool_state_parse(result, &state) == 0 && changes[change].applies(state);
}

static void judge(Store *store, StoreChange change, const char *result, StoreItem *item)
{
    const char *id = item->message.id;
    Failure *f = &item->failure;

    if (text_equal(result, "done"))
        item->result = 0;
    else if (text_equal(result, "sending"))
        item->result = failure_set(
            f, -EBUSY, ERROR_WOULD_BLOCK, "%s is being sent; try again when it is done", id);
    else if (text_equal(result, "claimed"))
        item->result = failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s is claimed by a daemon that has not given it back: it is just being sent, or that "
            "daemon does not reach the database; try again in a minute, when others may have it",
            id);
    else if (has_moved(change, result))
        item->result = failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s goes from one state to the next all the time, and is %s now; try again", id,
            result);
    else if (text_equal(result, "moving"))
        item->result = failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s is being moved to or from a queue directory: `outbox show %s` says which, and "
            "`outbox move` there goes on with it",
            id, id);
    else if (item->result == -EBUSY && text_equal(result, "gone"))
        item->result = failure_set(f, -ENOENT, ERROR_FILE,
            "%s is not there any more: it has been sent, or somebody has deleted it", id);
    else if (!result || text_equal(result, "gone"))
        item->result =
            failure_set(f, -ENOENT, ERROR_FILE, "there is no message %s in %s", id, store->name);
    else
        item->result = failure_set(f, -ENOENT, ERROR_FILE, "%s is %s: only what is %s can be %s",
            id, result, changes[change].from, changes[change].done);
}

static const char *find_result(const DatabaseRows *rows, const char *id)
{
    for (int n = 0; n < rows->n; n++)
        if (text_equal(database_field(rows, n, 0), id))
            return database_field(rows, n, 1);
    return NULL;
}

/* It is asked for once more: what moves, and what a daemon has claimed, which is asked to hold it
 * or to delete it. */
static bool is_to_come(StoreChange change, const char *result)
{
    return has_moved(change, result) ||
           ((change == STORE_HOLD || change == STORE_DELETE) &&
               (text_equal(result, "sending") || text_equal(result, "claimed")));
}

static int format_ids(const StoreItem *items, const bool *open, size_t n, Buffer *out)
{
    int r = buffer_append_string(out, "{");
    const char *comma = "";

    for (size_t i = 0; r >= 0 && i < n; i++)
        if (open[i] && store_is_number(items[i].message.id)) {
            r = buffer_appendf(out, "%s%s", comma, items[i].message.id);
            comma = ",";
        }
    return r < 0 ? r : buffer_append(out, "}", 2);
}

/* Those that are open; which are so still is in `open` then. 1 where one is, 0, or a negative errno
 * with a Failure. */
static int change_open(Store *store, StoreChange change, const char *user, StoreItem *items,
    bool *open, size_t n, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    _cleanup_buffer_ Buffer ids = {0};
    bool any = false;
    int r;

    if (format_ids(items, open, n, &ids) < 0)
        return failure_set_errno(f, -ENOMEM, "cannot change messages");
    r = store_ask(store_database_of(store), "SELECT message, result FROM outbox.change($1, $2, $3)",
        (const char *[]){changes[change].action, buffer_data(&ids), user}, 3, &rows, f);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        const char *result = find_result(&rows, items[i].message.id);

        if (!open[i])
            continue;
        failure_done(&items[i].failure);
        judge(store, change, result, &items[i]);
        any |= open[i] = is_to_come(change, result);
    }
    return r < 0 ? r : any;
}

/* What was done before stays told: of those that are open it is not known what became of them. */
static int leave_open(
    StoreChange change, StoreItem *items, const bool *open, size_t n, int error, const Failure *f)
{
    for (size_t i = 0; i < n; i++) {
        StoreItem *item = &items[i];

        if (open[i]) /* -ENOENT would say that it is gone */
            item->result = failure_set(&item->failure, error == -ENOENT ? -EIO : error, f->number,
                "whether %s is %s now is not known: %s", item->message.id, changes[change].done,
                failure_text(f));
    }
    return 0;
}

int store_change(
    Store *store, StoreChange change, const char *user, StoreItem *items, size_t n, Failure *f)
{
    static const struct timespec pause = {.tv_nsec = LOOK_EVERY * 1000};
    usec_t until = usec_add(clock_monotonic(), PATIENCE);
    _cleanup_free_
    bool *open = malloc(n + 1);
    bool again = false;
    int r;

    if (change == STORE_ADOPT)
        return failure_set(f, -EOPNOTSUPP, ERROR_USAGE,
            "what is in a database has its record already: adopt is for copies of a queue "
            "directory");
    if (!open)
        return failure_set_errno(f, -ENOMEM, "cannot change messages");
    memset(open, true, n);
    while ((r = change_open(store, change, user, items, open, n, f)) > 0 &&
           clock_monotonic() < until) {
        (void)nanosleep(&pause, NULL);
        again = true;
    }
    return r < 0 && again ? leave_open(change, items, open, n, r, f) : MIN(r, 0);
}
