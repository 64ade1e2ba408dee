/* Names to look at next. Must never hold more of them than its bounds, nor lose one: what there is
 * no room for is found by another pass over the directory.
 *
 * A name that is there twice costs one failed open. */
#include "delivery/spool_names.h"

#include <errno.h>
#include <string.h>

/* Names and heap of deferred messages: room for a million and more with names of usual length. */
#define DUE_BYTES_MAX (48u * 1024 * 1024)

/* Entries of the directory looked at in one go, so that a huge queue of deferred messages does not
 * stop the loop. */
#define SCAN_STEP 2048

/* Files that the disk reads at a time. */
#define AHEAD_MAX 32

/* How long what nothing can be done with is left alone. */
#define LEFT_PAUSE (5 * USEC_PER_MINUTE)

int spool_names_init(SpoolNames *n, const Spool *spool)
{
    n->spool = spool;
    n->left_until = USEC_NEVER;
    return due_index_new(DUE_BYTES_MAX, &n->due);
}

static void drop_scan(SpoolNames *n)
{
    spool_scan_free(TAKE_PTR(n->scan));
    due_index_free(TAKE_PTR(n->fresh));
}

void spool_names_done(SpoolNames *n)
{
    drop_scan(n);
    due_index_free(n->due);
    backlog_done(&n->backlog);
}

void spool_names_push(SpoolNames *n, const char *id, NameTag tag)
{
    if (backlog_push(&n->backlog, id, tag) != 1)
        n->again = true;
}

void spool_names_push_at(SpoolNames *n, const char *id, NameTag tag, usec_t due)
{
    /* The pass under way may have gone by it already. */
    int r = n->fresh ? due_index_add(n->fresh, id, tag, due) : 0;

    if (r < 0 || due_index_add(n->due, id, tag, due) < 0)
        n->again = true;
}

int spool_names_pop(SpoolNames *n, usec_t now, char *ret_id, uint8_t *ret_tag)
{
    n->due_turn = !n->due_turn;
    if (n->due_turn && due_index_take(n->due, now, ret_id, ret_tag))
        return 1;
    if (!backlog_pop(&n->backlog, ret_id, ret_tag))
        return due_index_take(n->due, now, ret_id, ret_tag);
    if (n->ahead > 0)
        n->ahead--;
    return 1;
}

void spool_names_read_ahead(SpoolNames *n)
{
    char id[SPOOL_NAME_MAX];
    size_t at = 0;
    uint8_t tag;

    if (n->ahead > 0)
        return;
    while (n->ahead < AHEAD_MAX && backlog_peek(&n->backlog, &at, id, &tag)) {
        spool_read_ahead(n->spool, id, spool_names_state(tag));
        n->ahead++;
    }
}

bool spool_names_any(const SpoolNames *n, usec_t now)
{
    return n->backlog.count > 0 || (due_index_count(n->due) > 0 && due_index_next(n->due) <= now);
}

size_t spool_names_waiting(const SpoolNames *n)
{
    return n->backlog.count;
}

size_t spool_names_deferred(const SpoolNames *n)
{
    return due_index_count(n->due);
}

usec_t spool_names_next_due(const SpoolNames *n)
{
    return MIN(due_index_next(n->due), n->left_until);
}

bool spool_names_is_unread(const SpoolNames *n, usec_t now)
{
    return n->scan || n->again || due_index_horizon(n->due) <= now || n->left_until <= now;
}

void spool_names_rescan(SpoolNames *n)
{
    n->again = true;
}

void spool_names_flush(SpoolNames *n)
{
    const DueIndex *newest = n->fresh ?: n->due;

    due_index_make_due(n->due, NAME_DEFERRED, NAME_DEFERRED_NOW);
    if (n->fresh)
        due_index_make_due(n->fresh, NAME_DEFERRED, NAME_DEFERRED_NOW);
    if (due_index_horizon(newest) != USEC_NEVER)
        n->again = true; /* some of them are in no index */
    n->flushes = n->scan || n->again;
    n->again = n->again || n->n_left > 0;
    n->left_until = n->n_left > 0 ? 0 : USEC_NEVER;
}

bool spool_names_leave(SpoolNames *n, const char *id, usec_t now)
{
    if (n->n_left == NAMES_LEFT_MAX)
        return false;
    if (n->n_left == 0)
        n->left_until = usec_add(now, LEFT_PAUSE);
    memccpy(n->left[n->n_left++], id, '\0', SPOOL_NAME_MAX);
    return true;
}

bool spool_names_is_left(const SpoolNames *n, const char *id)
{
    for (unsigned i = 0; i < n->n_left; i++)
        if (strcmp(n->left[i], id) == 0)
            return true;
    return false;
}

/* ---- passes over the directory ---- */

static int start_scan(SpoolNames *n, usec_t now, Failure *f)
{
    int r = due_index_new(DUE_BYTES_MAX, &n->fresh);

    if (r >= 0)
        r = spool_scan_new(n->spool, &n->scan, f);
    if (r < 0) {
        drop_scan(n);
        return r;
    }
    n->again = false;
    if (n->left_until <= now) {
        n->n_left = 0;
        n->left_until = USEC_NEVER;
    }
    return 0;
}

static void end_scan(SpoolNames *n)
{
    /* Asked for while there was something that this pass could not reach: once more. */
    n->flushes = n->flushes && n->again;
    due_index_free(n->due);
    n->due = TAKE_PTR(n->fresh);
    drop_scan(n);
}

/* One entry of the directory. 1 for one that is being sent, 0, or -ENOMEM. */
static int note_entry(SpoolNames *n, const SpoolEntry *entry, usec_t now)
{
    usec_t due;

    switch (entry->state) {
    case SPOOL_SENDING: return !spool_names_is_left(n, entry->id);
    case SPOOL_QUEUED: return MIN(backlog_push(&n->backlog, entry->id, NAME_QUEUED), 0);
    case SPOOL_DEFERRED:
        if (n->flushes)
            return due_index_add(n->fresh, entry->id, NAME_DEFERRED_NOW, 0);
        due = spool_next_attempt(n->spool, entry->id);
        if (due <= now && backlog_push(&n->backlog, entry->id, NAME_DEFERRED) == 1)
            return 0;
        return due_index_add(n->fresh, entry->id, NAME_DEFERRED, due);
    default: return 0;
    }
}

int spool_names_read(SpoolNames *n, usec_t now, char *ret_id, Failure *f)
{
    SpoolEntry entry;
    int r = 0;

    if (!spool_names_is_unread(n, now))
        return 0;
    if (!n->scan && (r = start_scan(n, now, f)) < 0)
        return r;
    for (size_t i = 0; i < SCAN_STEP && r == 0 && backlog_has_room(&n->backlog); i++) {
        r = spool_scan_next(n->scan, &entry);
        if (r == 0) {
            end_scan(n);
            return 0;
        }
        if (r > 0)
            r = note_entry(n, &entry, now);
    }
    if (r < 0) {
        drop_scan(n);
        n->again = true;
        return failure_set_errno(f, r, "cannot read the queue directory %s", spool_path(n->spool));
    }
    if (r > 0)
        memccpy(ret_id, entry.id, '\0', SPOOL_NAME_MAX);
    return r;
}
