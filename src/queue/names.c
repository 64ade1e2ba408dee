/* Names to look at next. Must never hold more of them than its bounds, nor lose one: what there is
 * no room for is found by another pass over the directory. */
#include "queue/names.h"

#include <errno.h>
#include <string.h>

#include "spool/notice.h"

/* Names and indices: room for a million and more deferred messages with names of usual length. */
#define TABLE_BYTES_MAX (56u * 1024 * 1024)

/* Entries of the directory looked at in one go, so that a huge queue of deferred messages does not
 * stop the loop. */
#define SCAN_STEP 2048

/* Of those, what has been left behind and costs more than a look at an inode. */
#define CLEAN_STEP 64

/* Names that are kept for the end of a pass; more of them come in their turn. */
#define LAST_BYTES_MAX ((size_t)64 * 1024)

/* Files that the disk reads at a time. */
#define AHEAD_MAX 32

int names_init(Names *n, Spool *spool, usec_t retry_max)
{
    n->spool = spool;
    n->retry_max = retry_max;
    hash_key_init(&n->order);
    shares_look(&n->shares, spool);
    aside_init(&n->aside);
    return name_table_new(TABLE_BYTES_MAX, &n->table);
}

void names_done(Names *n)
{
    spool_scan_free(TAKE_PTR(n->scan));
    name_table_free(TAKE_PTR(n->table));
    buffer_done(&n->last);
}

void names_put(Names *n, const char *id, NameKind kind, usec_t due)
{
    unsigned share = shares_of(&n->shares, n->table, n->spool, id, names_state(kind));

    /* What waits beyond the horizon is read when that has come. */
    if (name_table_put(n->table, id, kind, share, due) != 1 && (due == 0 || !n->scan) &&
        due < name_table_horizon(n->table))
        n->again = true;
}

static bool keep_for_last(Names *n, const char *id, NameKind kind)
{
    const size_t size = strlen(id) + 1;
    const char mark = (char)kind;

    if (!n->scan || buffer_size(&n->last) > LAST_BYTES_MAX || !buffer_reserve(&n->last, 1 + size))
        return false;
    (void)buffer_append(&n->last, &mark, 1); /* reserved above */
    (void)buffer_append(&n->last, id, size);
    return true;
}

void names_put_last(Names *n, const char *id, NameKind kind)
{
    if (!keep_for_last(n, id, kind))
        names_put(n, id, kind, 0);
}

static void bring_up_last(Names *n)
{
    const char *names = buffer_data(&n->last);

    for (size_t at = 0; at < buffer_size(&n->last); at += strlen(names + at + 1) + 2)
        names_put(n, names + at + 1, (NameKind)names[at], 0);
    buffer_done(&n->last);
    n->last = (Buffer){0};
}

/* When a deferred message comes up that only its record's time is known of: a hint. One that is
 * further away than a retry can be is a wrong clock's: it comes up now, and its record's last line
 * decides. */
static usec_t believe(const Names *n, usec_t due, usec_t now)
{
    return due <= now || due > usec_add(now, n->retry_max) ? 0 : due;
}

void names_event(Names *n, const char *file_name, bool complete, usec_t settle, usec_t now)
{
    char id[SPOOL_NAME_MAX];
    SpoolState state;
    size_t length;

    if (!spool_name_parse(file_name, &state, &length))
        return;
    memcpy(id, file_name, length);
    id[length] = '\0';
    if (state == SPOOL_QUEUED && complete)
        names_put(n, id, NAME_QUEUED, 0);
    else if (state == SPOOL_QUEUED)
        names_put(n, id, NAME_UNSETTLED, usec_add(now, settle));
    else if (state == SPOOL_DEFERRED)
        names_put(n, id, NAME_DEFERRED, believe(n, spool_next_attempt(n->spool, id), now));
}

int names_take(Names *n, usec_t now, char ret_id[static SPOOL_NAME_MAX], NameKind *ret_kind)
{
    size_t ready = name_table_ready(n->table);
    int r;

    n->taken++;
    if (n->mixes)
        name_table_mix(n->table, hash_bytes(&n->order, &n->taken, sizeof(n->taken)));
    r = name_table_take(n->table, now, ret_id, ret_kind);
    if (n->ahead > 0 && name_table_ready(n->table) < ready)
        n->ahead--;
    return r;
}

void names_read_ahead(Names *n)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;
    size_t at = 0;

    if (n->ahead > 0)
        return;
    while (n->ahead < AHEAD_MAX && name_table_peek(n->table, &at, id, &kind) > 0) {
        spool_read_ahead(n->spool, id, names_state(kind));
        n->ahead++;
    }
}

bool names_any(const Names *n, usec_t now)
{
    return name_table_ready(n->table) > 0 || name_table_next(n->table) <= now;
}

usec_t names_next_due(const Names *n)
{
    return name_table_next(n->table);
}

bool names_is_unread(const Names *n, usec_t now)
{
    return n->scan || n->again || name_table_horizon(n->table) <= now;
}

void names_rescan(Names *n)
{
    n->again = true;
}

void names_clean(Names *n)
{
    n->cleans = n->again = true;
}

void names_flush(Names *n)
{
    name_table_flush(n->table);
    n->flushes = n->cleans = n->again = true;
    n->flushed++;
}

usec_t names_after_trouble(Names *n, const char *id, unsigned flushed, bool unread, usec_t now)
{
    usec_t pause = aside_pause(&n->aside, id, unread, now);

    return n->flushed != flushed ? 0 : usec_add(now, pause);
}

void names_distrust_clock(Names *n, usec_t now)
{
    name_table_cap(n->table, usec_add(now, n->retry_max));
}

/* ---- passes over the directory ---- */

static int start_scan(Names *n, Failure *f)
{
    int r = spool_scan_new(n->spool, &n->scan, f);

    if (r < 0)
        return r;
    n->again = false;
    shares_look(&n->shares, n->spool);
    /* Every other one: what there was no room for is found by one that waits for it. */
    n->surveys = n->shares.several && !n->surveys;
    name_table_begin_pass(n->table);
    return 0;
}

static void end_scan(Names *n)
{
    /* Asked for while there was something that this pass could not reach: once more. */
    n->flushes = n->flushes && n->again;
    n->cleans = n->cleans && n->again;
    spool_scan_free(TAKE_PTR(n->scan));
    name_table_end_pass(n->table);
    bring_up_last(n);
}

/* One entry of the directory. 1 for one that is being sent, else 0. */
static int note_entry(Names *n, const SpoolEntry *entry, usec_t now)
{
    switch (entry->state) {
    case SPOOL_SENDING: return 1;
    case SPOOL_QUEUED:
        if (!name_table_see(n->table, entry->id, NAME_QUEUED))
            names_put(n, entry->id, NAME_UNSETTLED, 0);
        return 0;
    case SPOOL_DEFERRED:
        if (name_table_see(n->table, entry->id, NAME_DEFERRED))
            return 0;
        if (n->flushes)
            names_put(n, entry->id, NAME_DEFERRED_NOW, 0);
        else
            names_put(n, entry->id, NAME_DEFERRED,
                believe(n, spool_next_attempt(n->spool, entry->id), now));
        return 0;
    default: return 0;
    }
}

bool names_is_survey(const Names *n)
{
    return n->scan ? n->surveys : n->again && n->shares.several && !n->surveys;
}

/* A queue that one user filled has no room for more of it; what others have is found all the same.
 */
static bool goes_on(const Names *n)
{
    return n->surveys || name_table_has_room(n->table);
}

/* The next message, or what a crash may have left, of which so many are dealt with in one go. As
 * spool_scan_next_any(). */
static int next_entry(Names *n, usec_t now, unsigned *cleaned, SpoolEntry *ret)
{
    int r = spool_scan_next_any(n->scan, ret);
    char id[SPOOL_NAME_MAX];

    if (n->cleans && r == 2)
        *cleaned += (unsigned)spool_clean_temporary(n->spool, ret->id, now);
    else if (n->cleans && r == 3)
        *cleaned += (unsigned)spool_clean_record(n->spool, ret->id, now);
    else if (r == 4 && spool_notice_recover(n->spool, ret->id, id) == 0)
        names_put(n, id, NAME_QUEUED, 0);
    else if (n->cleans && r == 1 && ret->state == SPOOL_SENT && !n->keeps_sent)
        *cleaned += (unsigned)spool_clean_sent(n->spool, ret->id, now);
    return r;
}

int names_read(Names *n, usec_t now, char ret_id[static SPOOL_NAME_MAX], Failure *f)
{
    SpoolEntry entry;
    unsigned cleaned = 0;
    int r = 0;

    if (!names_is_unread(n, now))
        return 0;
    if (!n->scan && (r = start_scan(n, f)) < 0)
        return r;
    for (size_t i = 0; i < SCAN_STEP && r == 0 && goes_on(n); i++) {
        if (cleaned >= CLEAN_STEP)
            break;
        r = next_entry(n, now, &cleaned, &entry);
        if (r == 0) {
            end_scan(n);
            return 0;
        }
        if (r > 0)
            r = r == 1 ? note_entry(n, &entry, now) : 0;
    }
    if (r < 0) {
        spool_scan_free(TAKE_PTR(n->scan));
        bring_up_last(n);
        n->again = true;
        return failure_set_errno(f, r, "cannot read the queue directory %s", spool_path(n->spool));
    }
    if (r > 0)
        memccpy(ret_id, entry.id, '\0', SPOOL_NAME_MAX);
    return r;
}
