/* Names to look at next. Must never hold more of them than its bounds, nor lose one: what there is
 * no room for is found by another pass over the directory. */
#include "queue/names.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/lane.h"
#include "base/text.h"
#include "message/message.h"
#include "spool/notice.h"

/* Names and indices: room for a million and more deferred messages with names of usual length. */
#define TABLE_BYTES_MAX (56u * 1024 * 1024)

/* Entries of the directory looked at in one go, so that a huge queue of deferred messages does not
 * stop the loop. */
#define SCAN_STEP 2048

/* Of those, what has been left behind and costs more than a look at an inode. */
#define CLEAN_STEP 64

/* Names whose time has come, and that are looked at in one go. */
#define SORT_STEP 64

/* Of a file, in which its lane is looked for: the envelope of a message to many begins with the
 * lane where outbox writes it. */
#define LOOK_BYTES 4096

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
    return lane_tables_init(&n->tables, 1, TABLE_BYTES_MAX);
}

void names_done(Names *n)
{
    spool_scan_free(TAKE_PTR(n->scan));
    lane_tables_done(&n->tables);
    buffer_done(&n->last);
    n->config = config_unref(n->config);
}

/* What the file says just now: a hint. It is read once more when it is claimed. */
static unsigned look_at_lane(const Names *n, const char *id, NameKind kind)
{
    char text[LOOK_BYTES], lane[LANE_NAME_MAX + 1];
    ssize_t bytes = spool_peek(n->spool, id, names_state(kind), text, sizeof(text));

    return bytes > 0 && message_peek_lane(text, (size_t)bytes, lane)
               ? config_find_lane(n->config, lane)
               : LANE_NONE;
}

static unsigned find_lane(const Names *n, const char *id, NameKind kind, usec_t due)
{
    unsigned known;

    if (!lane_tables_several(&n->tables) || due > 0)
        return LANE_NONE;
    known = lane_tables_find(&n->tables, id, kind);
    return known != UINT_MAX ? known : look_at_lane(n, id, kind);
}

void names_put(Names *n, const char *id, NameKind kind, usec_t due)
{
    unsigned lane = find_lane(n, id, kind, due);
    unsigned share = shares_of(
        &n->shares, lane_tables_of(&n->tables, lane, due), n->spool, id, names_state(kind));

    if (lane_tables_put(&n->tables, id, kind, lane, share, due) == 1 ||
        (due == 0 && lane_tables_several(&n->tables)))
        return;
    /* What waits beyond the horizon is read when that has come. */
    if ((due == 0 || !n->scan) && due < lane_tables_horizon(&n->tables))
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

static bool has_same_lanes(const Config *a, const Config *b)
{
    if ((a ? a->n_lanes : 0) != (b ? b->n_lanes : 0))
        return false;
    for (size_t i = 0; a && i < a->n_lanes; i++)
        if (!text_equal_nocase(a->lanes[i]->name, b->lanes[i]->name))
            return false;
    return true;
}

/* What was known of the names is what another pass finds. */
int names_use_lanes(Names *n, Config *config)
{
    LaneTables tables;
    bool same = has_same_lanes(n->config, config);
    int r;

    if (!same) {
        r = lane_tables_init(&tables, (unsigned)config->n_lanes + 1, TABLE_BYTES_MAX);
        if (r < 0)
            return r;
        lane_tables_done(&n->tables);
        n->tables = tables;
    }
    (void)config_unref(n->config);
    n->config = config_ref(config);
    if (!same) { /* by these lanes from here on */
        spool_scan_free(TAKE_PTR(n->scan));
        n->ahead = 0;
        bring_up_last(n);
        n->again = true;
    }
    return 0;
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

/* What has come up is looked at, and belongs to its lane. */
static void sort_due(Names *n, usec_t now)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;

    for (unsigned i = 0; i < SORT_STEP && lane_tables_take_due(&n->tables, now, id, &kind); i++)
        names_put(n, id, kind, 0);
}

int names_take(Names *n, usec_t now, char ret_id[static SPOOL_NAME_MAX], NameKind *ret_kind)
{
    size_t ready = lane_tables_ready(&n->tables);
    int r;

    n->taken++;
    sort_due(n, now);
    if (n->mixes)
        lane_tables_mix(&n->tables, hash_bytes(&n->order, &n->taken, sizeof(n->taken)));
    r = lane_tables_take(&n->tables, now, ret_id, ret_kind);
    if (n->ahead > 0 && lane_tables_ready(&n->tables) < ready)
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
    while (n->ahead < AHEAD_MAX && lane_tables_peek(&n->tables, &at, id, &kind) > 0) {
        spool_read_ahead(n->spool, id, names_state(kind));
        n->ahead++;
    }
}

bool names_any(const Names *n, usec_t now)
{
    return lane_tables_ready(&n->tables) > 0 || lane_tables_next(&n->tables) <= now;
}

usec_t names_next_due(const Names *n)
{
    return lane_tables_next(&n->tables);
}

bool names_is_unread(const Names *n, usec_t now)
{
    return n->scan || n->again || lane_tables_horizon(&n->tables) <= now ||
           lane_tables_want_more(&n->tables);
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
    lane_tables_flush(&n->tables);
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
    lane_tables_cap(&n->tables, usec_add(now, n->retry_max));
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
    lane_tables_begin_pass(&n->tables);
    return 0;
}

static void end_scan(Names *n)
{
    /* Asked for while there was something that this pass could not reach: once more. */
    n->flushes = n->flushes && n->again;
    n->cleans = n->cleans && n->again;
    spool_scan_free(TAKE_PTR(n->scan));
    lane_tables_end_pass(&n->tables);
    bring_up_last(n);
}

/* One entry of the directory. 1 for one that is being sent, else 0. */
static int note_entry(Names *n, const SpoolEntry *entry, usec_t now)
{
    switch (entry->state) {
    case SPOOL_SENDING: return 1;
    case SPOOL_QUEUED:
        if (!lane_tables_see(&n->tables, entry->id, NAME_QUEUED))
            names_put(n, entry->id, NAME_UNSETTLED, 0);
        return 0;
    case SPOOL_DEFERRED:
        if (lane_tables_see(&n->tables, entry->id, NAME_DEFERRED))
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

/* With lanes each pass is: what is found may have to go before what is known. */
bool names_is_survey(const Names *n)
{
    if (lane_tables_several(&n->tables))
        return n->scan || n->again;
    return n->scan ? n->surveys : n->again && n->shares.several && !n->surveys;
}

/* A queue that one user filled has no room for more of it; what others have is found all the same.
 */
static bool goes_on(const Names *n)
{
    return n->surveys || lane_tables_has_room(&n->tables);
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

/* Less where each file that is found is read. */
static size_t scan_step(const Names *n)
{
    return lane_tables_several(&n->tables) ? SCAN_STEP / 4 : SCAN_STEP;
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
    for (size_t i = 0; i < scan_step(n) && r == 0 && goes_on(n); i++) {
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
