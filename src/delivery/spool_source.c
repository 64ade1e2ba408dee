/* The queue directory as a source. Must never hold more names than its bounds, and never claim more
 * than it is asked for.
 *
 * Names reach `backlog` from the scan and from the watch. A name twice in it costs one failed open.
 * What the bounds do not let in is found by another pass over the directory. */
#include "delivery/spool_source.h"

#include <errno.h>
#include <string.h>

#include "delivery/backlog.h"
#include "delivery/due.h"
#include "delivery/spool_message.h"

/* Names and heap of deferred messages: room for a million and more with names of usual length. */
#define DUE_BYTES_MAX (48u * 1024 * 1024)

/* Entries of the directory looked at in one go, so that a huge queue of deferred messages does not
 * stop the loop. */
#define SCAN_STEP 2048

/* How soon what could not be claimed is looked at again, at least. */
#define LOOK_AGAIN_MIN (200 * USEC_PER_MSEC)

enum {
    TAG_QUEUED,
    TAG_QUEUED_SETTLED, /* an event said that its writer is done */
    TAG_DEFERRED,
    TAG_DEFERRED_NOW, /* whatever its time: somebody asked for it */
};

struct SpoolSource {
    Source base;
    Spool *spool;
    usec_t settle;
    bool keep_sent;
    Backlog backlog;
    DueIndex *due;   /* deferred messages, and queued ones that must settle */
    DueIndex *fresh; /* being filled by the scan under way; takes the place of `due` at its end */
    SpoolScan *scan;
    bool scan_again;
    bool scan_flushes; /* the pass under way, or the next one, takes deferred messages whatever
                          their time */
    bool due_turn; /* whose turn it is, so that neither new nor deferred messages starve the others
                    */
};

static SpoolSource *from_base(const Source *source)
{
    return (SpoolSource *)source;
}

static void drop_scan(SpoolSource *s)
{
    spool_scan_free(s->scan);
    due_index_free(s->fresh);
    s->scan = NULL;
    s->fresh = NULL;
}

/* Remembers a time; while a scan is under way in the new index as well, which the scan may have
 * passed already. */
static int add_due(SpoolSource *s, const char *id, uint8_t tag, usec_t due)
{
    int r = s->fresh ? due_index_add(s->fresh, id, tag, due) : 0;

    return r < 0 ? r : due_index_add(s->due, id, tag, due);
}

static int start_scan(SpoolSource *s, Failure *f)
{
    int r = due_index_new(DUE_BYTES_MAX, &s->fresh);

    if (r >= 0)
        r = spool_scan_new(s->spool, &s->scan, f);
    if (r < 0) {
        drop_scan(s);
        return r;
    }
    s->scan_again = false;
    return 0;
}

static void end_scan(SpoolSource *s)
{
    s->scan_flushes =
        s->scan_flushes && s->scan_again; /* asked for while this pass was under way: once more */
    due_index_free(s->due);
    s->due = s->fresh;
    s->fresh = NULL;
    drop_scan(s);
}

/* One entry of the directory. SOURCE_RECOVERED, 0, or a negative errno. */
static int scan_entry(SpoolSource *s, const SpoolEntry *entry, usec_t now, char *ret_id, Failure *f)
{
    usec_t due;
    int r;

    switch (entry->state) {
    case SPOOL_QUEUED: return backlog_push(&s->backlog, entry->id, TAG_QUEUED) < 0 ? -ENOMEM : 0;
    case SPOOL_DEFERRED:
        if (s->scan_flushes)
            return due_index_add(s->fresh, entry->id, TAG_DEFERRED_NOW, 0);
        due = spool_next_attempt(s->spool, entry->id);
        if (due <= now && backlog_push(&s->backlog, entry->id, TAG_DEFERRED) == 1)
            return 0;
        return due_index_add(s->fresh, entry->id, TAG_DEFERRED, due);
    case SPOOL_SENDING:
        r = spool_recover(s->spool, entry->id, s->keep_sent, f);
        if (r != 1)
            return MIN(r, 0);
        memccpy(ret_id, entry->id, '\0', SOURCE_ID_MAX);
        return backlog_push(&s->backlog, entry->id, TAG_QUEUED_SETTLED) < 0 ? -ENOMEM
                                                                            : SOURCE_RECOVERED;
    default: return 0;
    }
}

/* Goes on with the scan, as far as there is room for names. 1 when something was gained,
 * SOURCE_RECOVERED, 0, or a negative errno. */
static int scan_some(SpoolSource *s, usec_t now, char *ret_id, Failure *f)
{
    int r;

    if (!s->scan) {
        if (!s->scan_again && due_index_horizon(s->due) > now)
            return 0;
        r = start_scan(s, f);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < SCAN_STEP && backlog_has_room(&s->backlog); i++) {
        SpoolEntry entry;

        r = spool_scan_next(s->scan, &entry);
        if (r > 0)
            r = scan_entry(s, &entry, now, ret_id, f);
        else if (r == 0) {
            end_scan(s);
            return s->backlog.count > 0;
        }
        if (r < 0) {
            drop_scan(s);
            s->scan_again = true;
            return f && f->text ? r
                                : failure_set_errno(f, r, "cannot read the queue directory %s",
                                      spool_path(s->spool));
        }
        if (r == SOURCE_RECOVERED)
            return r;
    }
    return s->backlog.count > 0;
}

/* The next name to look at: one that has become due, one of the backlog, or one that the scan
 * finds. 1, SOURCE_RECOVERED, 0, negative errno. */
static int next_name(SpoolSource *s, usec_t now, char *ret_id, uint8_t *ret_tag, Failure *f)
{
    int r;

    s->due_turn = !s->due_turn;
    if (s->due_turn && due_index_take(s->due, now, ret_id, ret_tag))
        return 1;
    if (backlog_pop(&s->backlog, ret_id, ret_tag))
        return 1;
    if (due_index_take(s->due, now, ret_id, ret_tag))
        return 1;
    r = scan_some(s, now, ret_id, f);
    if (r != 1)
        return r;
    return backlog_pop(&s->backlog, ret_id, ret_tag);
}

/* Claims one name. A SourceResult, -EAGAIN to go on with the next name, or another negative errno.
 */
static int try_claim(
    SpoolSource *s, const char *id, uint8_t tag, usec_t now, SourceMessage **ret, Failure *f)
{
    SpoolState from = tag >= TAG_DEFERRED ? SPOOL_DEFERRED : SPOOL_QUEUED;
    SpoolClaim *claim;
    int r;

    /* Deferred anew since the name came into the index: that brought a newer entry for it. */
    if (tag == TAG_DEFERRED && spool_next_attempt(s->spool, id) > now)
        return -EAGAIN;
    r = spool_claim(s->spool, id, from, s->settle, tag == TAG_QUEUED_SETTLED, now, &claim, f);
    switch (r) {
    case SPOOL_CLAIMED:
        r = spool_message_open(&s->base, claim, now, ret, f);
        return r == 0 ? SOURCE_CLAIMED : r;
    case SPOOL_DEFECTIVE: return SOURCE_DEFECT;
    case SPOOL_UNSETTLED:
    case SPOOL_LOCKED:
        r = add_due(s, id, tag == TAG_QUEUED_SETTLED ? TAG_QUEUED : tag,
            usec_add(now, MAX(s->settle, LOOK_AGAIN_MIN)));
        return r < 0 ? r : -EAGAIN;
    case SPOOL_GONE:
    case SPOOL_WRITING: return -EAGAIN;
    default: s->scan_again = true; return r; /* the name is out of the backlog: find it again */
    }
}

static int source_next(
    Source *base, usec_t now, SourceMessage **ret, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    SpoolSource *s = from_base(base);
    uint8_t tag;
    int r;

    do {
        r = next_name(s, now, ret_id, &tag, f);
        if (r != 1)
            return r;
        r = try_claim(s, ret_id, tag, now, ret, f);
    } while (r == -EAGAIN);
    return r;
}

static bool source_has_candidates(const Source *base, usec_t now)
{
    const SpoolSource *s = from_base(base);

    return s->backlog.count > 0 || (due_index_count(s->due) > 0 && due_index_next(s->due) <= now);
}

static bool source_is_unread(const Source *base, usec_t now)
{
    const SpoolSource *s = from_base(base);

    return s->scan || s->scan_again || due_index_horizon(s->due) <= now;
}

static int source_look(Source *base, usec_t now, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    int r = scan_some(from_base(base), now, ret_id, f);

    return r == SOURCE_RECOVERED || r < 0 ? r : SOURCE_NONE;
}

static usec_t source_next_due(const Source *base)
{
    return due_index_next(from_base(base)->due);
}

static size_t source_waiting(const Source *base)
{
    return from_base(base)->backlog.count;
}

static size_t source_deferred_waiting(const Source *base)
{
    return due_index_count(from_base(base)->due);
}

static void source_flush(Source *base)
{
    SpoolSource *s = from_base(base);

    due_index_make_due(s->due, TAG_DEFERRED, TAG_DEFERRED_NOW);
    if (s->scan || due_index_horizon(s->due) != USEC_NEVER) {
        s->scan_again = true;
        s->scan_flushes = true;
    }
}

static void source_rest(Source *source)
{
    spool_tidy(from_base(source)->spool);
}

void spool_source_notice(SpoolSource *s, const char *file_name, EngineNotice notice, usec_t now)
{
    char id[SPOOL_NAME_MAX];
    SpoolState state;
    size_t length;

    if (s->scan_again || !spool_name_parse(file_name, &state, &length))
        return; /* the pass that is to come will find it: no name is kept twice */
    memcpy(id, file_name, length);
    id[length] = '\0';
    if (state == SPOOL_QUEUED && notice == ENGINE_NOTICE_READY) {
        if (backlog_push(&s->backlog, id, TAG_QUEUED_SETTLED) != 1)
            s->scan_again = true;
    } else if (state == SPOOL_QUEUED) {
        if (add_due(s, id, TAG_QUEUED, usec_add(now, s->settle)) < 0)
            s->scan_again = true;
    } else if (state == SPOOL_DEFERRED && notice == ENGINE_NOTICE_READY) {
        if (add_due(s, id, TAG_DEFERRED, spool_next_attempt(s->spool, id)) < 0)
            s->scan_again = true;
    }
}

void spool_source_rescan(SpoolSource *s)
{
    s->scan_again = true;
}

void spool_source_configure(SpoolSource *s, const SpoolConfig *config)
{
    s->settle = config->settle;
    s->keep_sent = config->keep_sent;
}

void spool_source_requeue(Source *base, const char *id)
{
    SpoolSource *s = from_base(base);

    if (backlog_push(&s->backlog, id, TAG_QUEUED_SETTLED) != 1)
        s->scan_again = true;
}

static const SourceOps spool_source_ops = {
    .next = source_next,
    .has_candidates = source_has_candidates,
    .is_unread = source_is_unread,
    .look = source_look,
    .next_due = source_next_due,
    .waiting = source_waiting,
    .deferred_waiting = source_deferred_waiting,
    .flush = source_flush,
    .rest = source_rest,
    .record_outcome = spool_message_record_outcome,
    .write = spool_message_write,
    .complete = spool_message_complete,
    .defer = spool_message_defer,
    .fail = spool_message_fail,
    .release = spool_message_release,
};

int spool_source_new(Spool *spool, const SpoolConfig *config, SpoolSource **ret)
{
    _cleanup_(spool_source_free_p) SpoolSource *s = calloc(1, sizeof(SpoolSource));
    int r;

    if (!s)
        return -ENOMEM;
    s->base.ops = &spool_source_ops;
    s->spool = spool;
    spool_source_configure(s, config);
    r = due_index_new(DUE_BYTES_MAX, &s->due);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void spool_source_free(SpoolSource *s)
{
    if (!s)
        return;
    drop_scan(s);
    due_index_free(s->due);
    backlog_done(&s->backlog);
    free(s);
}

Source *spool_source_base(SpoolSource *s)
{
    return &s->base;
}
