/* A queue directory as the tool's store. Must never hold more than one message at a time in memory,
 * unless they are to be sorted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/message.h"
#include "queue/first_due.h"
#include "spool/record.h"
#include "tool/store.h"

/* Of looking through the directory. */
static int cannot_read(const Store *store, int error, Failure *f)
{
    if (f && f->text)
        return error;
    return failure_set(f, error, error_is_common(error) ? error_from_errno(error) : ERROR_SPOOL,
        "cannot read %s: %s", store->name, strerrordesc_np(-error) ?: "unknown error");
}

/* ---- looking ---- */

typedef struct Looking {
    Store *store;
    const StoreQuery *query;
    usec_t now;
    Inspections kept; /* to be sorted */
} Looking;

static bool has_wanted_state(const Looking *l, const SpoolEntry *entry)
{
    const StoreQuery *q = l->query;

    if (q->selection && !selection_has_state(q->selection, entry->state))
        return false;
    return !q->applies || q->applies(entry->state) ||
           (q->takes_over && entry->state == SPOOL_SENDING &&
               spool_is_abandoned(l->store->spool, entry->id));
}

/* Only what can be told by reading the message needs that. 1, 0, or a negative errno. */
static int read_entry(const Looking *l, const SpoolEntry *entry, Inspection *ret)
{
    const StoreQuery *q = l->query;
    int r;

    if (!has_wanted_state(l, entry))
        return 0;
    if (q->names_only && (!q->selection || !selection_reads(q->selection))) {
        *ret = (Inspection){.id = strdup(entry->id), .state = entry->state};
        return ret->id ? 1 : -ENOMEM;
    }
    r = inspect(l->store->spool, entry->id, entry->state, ret);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return !q->selection || selection_has(q->selection, ret, l->now);
}

static int visit_kept(Looking *l, StoreVisit visit, void *user, Failure *f)
{
    int r = 0;

    store_sort(&l->kept, l->query->order);
    for (size_t n = 0; r == 0 && n < l->kept.n; n++)
        r = visit(user, &l->kept.all[l->query->reverse ? l->kept.n - 1 - n : n], f);
    return r;
}

static int look_through(Looking *l, StoreVisit visit, void *user, Failure *f)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    bool sorts = l->query->order != STORE_AS_FOUND;
    SpoolEntry entry;
    int r = spool_scan_new(l->store->spool, &scan, f), done = 0;

    while (r >= 0 && done == 0 && (r = spool_scan_next(scan, &entry)) > 0) {
        _cleanup_(inspection_done) Inspection i = {0};

        r = read_entry(l, &entry, &i);
        if (r > 0)
            done = sorts ? inspections_take(&l->kept, &i) : visit(user, &i, f);
    }
    if (r >= 0 && done == 0 && sorts)
        done = visit_kept(l, visit, user, f);
    return r < 0 ? r : MIN(done, 0);
}

static int directory_look(
    Store *store, const StoreQuery *query, StoreVisit visit, void *user, Failure *f)
{
    Looking l = {.store = store, .query = query, .now = clock_realtime()};
    int r = look_through(&l, visit, user, f);

    inspections_done(&l.kept);
    return r < 0 ? cannot_read(store, r, f) : 0;
}

static int directory_find(
    Store *store, const char *argument, bool (*applies)(SpoolState state), ToolMessage *ret)
{
    return tool_find_message(store->spool, argument, applies, ret);
}

static int directory_locate(Store *store, const char *id, SpoolState *ret, Failure *f)
{
    int r = spool_find(store->spool, id, ret);

    return r < 0 && r != -ENOENT ? cannot_read(store, r, f) : r;
}

static int directory_inspect(
    Store *store, const char *id, SpoolState state, Inspection *ret, Failure *f)
{
    int r = inspect(store->spool, id, state, ret);

    return r < 0 && r != -ENOENT ? cannot_read(store, r, f) : r;
}

static int directory_record(
    Store *store, const char *id, SpoolState state, json_t **ret, Failure *f)
{
    return inspect_record(store->spool, id, state, ret, f);
}

static usec_t directory_tried(Store *store, const char *id, SpoolState state)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};

    return spool_history_load_id(store->spool, id, state, &history, NULL) < 0 ? 0 : history.latest;
}

/* ---- content ---- */

static int directory_open(
    Store *store, const char *id, SpoolState state, uint64_t *ret_size, Failure *f)
{
    struct stat st = {0};
    int fd = spool_open_message(store->spool, id, state, &st, f);

    *ret_size = (uint64_t)st.st_size;
    return fd;
}

/* Who has not had it yet, by its record. */
static int take_left(
    const Envelope *all, const SpoolHistory *history, Envelope *ret, size_t *n_had, Failure *f)
{
    int r = envelope_set_sender(ret, all->sender, all->sender_parameters, f);

    ret->not_before = all->not_before;
    for (size_t i = 0; r >= 0 && i < all->n_recipients; i++) {
        const EnvelopeRecipient *one = &all->recipients[i];

        if (spool_history_has(history, envelope_mailbox(one)))
            ++*n_had;
        else
            r = envelope_add_recipient(ret, one->address, one->parameters, f);
    }
    return r;
}

static int directory_envelope(Store *store, const ToolMessage *m, int fd, uint64_t size,
    Envelope *ret, size_t *n_had, Failure *f)
{
    _cleanup_(spool_history_done) SpoolHistory history = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    InputFile content;
    int r;

    input_file_init(&content, fd, size);
    r = message_open(&content.base, clock_realtime(), m->id, &message, f);
    if (r < 0)
        return r;
    r = spool_history_load_id(store->spool, m->id, m->state, &history, f);
    if (r < 0)
        return f->text ? r : failure_set_errno(f, r, "cannot read its record");
    r = take_left(message_envelope(message), &history, ret, n_had, f);
    return r < 0 && !f->text ? failure_set_errno(f, r, "cannot read it") : MIN(r, 0);
}

/* ---- changing ---- */

/* Whether it is queued and not to be sent yet. What is deferred has been past that: so it is made,
 * and comes up at once. */
static bool is_before_its_time(const Spool *spool, const char *id)
{
    _cleanup_(inspection_done) Inspection i = {0};

    return inspect(spool, id, SPOOL_QUEUED, &i) >= 0 && i.next > 0;
}

/* The one in that state, of several that share the id; where there is none in it the spool says
 * why. */
static int retry_message(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    if (state == SPOOL_QUEUED && is_before_its_time(spool, id))
        return spool_move(spool, id, SPOOL_QUEUED, SPOOL_DEFERRED, f);
    return state == SPOOL_DEFERRED || state == SPOOL_FAILED || state == SPOOL_SENDING
               ? spool_move(spool, id, state, SPOOL_QUEUED, f)
               : spool_retry(spool, id, f);
}

static int hold_message(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    return state == SPOOL_QUEUED || state == SPOOL_DEFERRED || state == SPOOL_SENDING
               ? spool_move(spool, id, state, SPOOL_HELD, f)
               : spool_hold(spool, id, f);
}

static int change_one(
    Spool *spool, StoreChange change, const char *id, SpoolState state, Failure *f)
{
    switch (change) {
    case STORE_RETRY: return retry_message(spool, id, state, f);
    case STORE_HOLD: return hold_message(spool, id, state, f);
    case STORE_RELEASE: return spool_unhold(spool, id, f);
    case STORE_ADOPT: return spool_adopt(spool, id, f);
    case STORE_DELETE: break;
    }
    return state == SPOOL_STATE_MAX ? spool_delete(spool, id, f)
                                    : spool_delete_in(spool, id, state, f);
}

static int directory_change(
    Store *store, StoreChange change, StoreItem *items, size_t n, _unused_ Failure *f)
{
    for (size_t i = 0; i < n; i++) {
        const ToolMessage *m = &items[i].message;
        int r = change_one(store->spool, change, m->id, m->state, &items[i].failure);

        items[i].result = MIN(r, 0);
    }
    return 0;
}

/* ---- counting ---- */

/* Names and a look at each inode, and no record. */
static void count(const Spool *spool, const SpoolEntry *entry, StoreFigures *figures)
{
    StoreStateFigures *state = &figures->states[entry->state];
    struct stat st;
    usec_t time;

    if (spool_look_at(spool, entry->id, entry->state, &st) < 0)
        return; /* gone meanwhile */
    time = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
    state->messages++;
    state->bytes += (uint64_t)st.st_size;
    state->oldest = state->oldest == 0 ? time : MIN(state->oldest, time);
    (void)queue_waits_longer(spool, entry, time, &figures->waiting);
    if (entry->state == SPOOL_DEFERRED) {
        usec_t next = spool_next_attempt(spool, entry->id);

        if (next == 0)
            next = time; /* without a record it is due at once */
        figures->next = figures->next == 0 ? next : MIN(figures->next, next);
    }
}

static int note_stranger(const char *name, StoreFigures *figures)
{
    if (figures->n_strangers < STORE_STRANGERS_MAX) {
        figures->strangers[figures->n_strangers] = strdup(name);
        if (!figures->strangers[figures->n_strangers])
            return -ENOMEM;
    }
    figures->n_strangers++;
    return 0;
}

static int directory_figures(Store *store, StoreFigures *ret, Failure *f)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    int r = spool_scan_new(store->spool, &scan, f);

    while (r >= 0 && (r = spool_scan_next_all(scan, &entry)) > 0) {
        if (r == 1)
            count(store->spool, &entry, ret);
        else if (r == 5)
            r = note_stranger(entry.id, ret);
    }
    return r < 0 ? cannot_read(store, r, f) : 0;
}

static int directory_servers(Store *store, Servers *ret, Failure *f)
{
    int r = servers_look(store->spool, ret);

    return r < 0 ? failure_set_errno(f, r, "cannot see who delivers from %s", store->name) : 0;
}

static int directory_is_current(Store *store)
{
    return spool_is_current(store->spool);
}

static void directory_free(Store *store)
{
    spool_free(store->spool);
    free(store);
}

Store *store_of_directory(Spool *spool)
{
    static const StoreOps ops = {
        .look = directory_look,
        .find = directory_find,
        .locate = directory_locate,
        .inspect = directory_inspect,
        .record = directory_record,
        .tried = directory_tried,
        .open = directory_open,
        .envelope = directory_envelope,
        .change = directory_change,
        .figures = directory_figures,
        .servers = directory_servers,
        .is_current = directory_is_current,
        .free = directory_free,
    };
    Store *store = malloc(sizeof(*store));

    if (store)
        *store = (Store){.ops = &ops, .name = spool_path(spool), .spool = spool};
    else
        spool_free(spool);
    return store;
}
