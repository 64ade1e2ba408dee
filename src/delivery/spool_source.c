/* The queue directory as a source: claims the messages whose names come up. Must never claim more
 * than it is asked for, and never let one message that nothing can be done with stop the others. */
#include "delivery/spool_source.h"

#include <errno.h>
#include <string.h>

#include "delivery/spool_message.h"
#include "delivery/spool_names.h"

/* How soon what could not be claimed is looked at again, at least. */
#define LOOK_AGAIN_MIN (200 * USEC_PER_MSEC)

/* Names looked at in one go: many may be of messages that are gone. */
#define LOOKS_MAX 1024

struct SpoolSource {
    Source base;
    Spool *spool;
    usec_t settle;
    bool keep_sent;
    SpoolNames names;
};

static SpoolSource *from_base(const Source *source)
{
    return (SpoolSource *)source;
}

/* What a failure with one message is to the source: SOURCE_PROBLEM, or the error. */
static int judge_failure(SpoolSource *s, const char *id, int error, usec_t now)
{
    bool common = spool_is_common_fault(error) && error != -EIO; /* a bad block is one file's */

    return !common && spool_names_leave(&s->names, id, now) ? SOURCE_PROBLEM : error;
}

/* Claims one name. A SourceResult, -EAGAIN to go on with the next name, or another negative errno.
 */
static int try_claim(
    SpoolSource *s, const char *id, NameTag tag, usec_t now, SourceMessage **ret, Failure *f)
{
    SpoolState from = spool_names_state(tag);
    SpoolClaim *claim;
    int r;

    /* Deferred anew since the name came into the index: that brought a newer entry for it. */
    if (tag == NAME_DEFERRED && spool_next_attempt(s->spool, id) > now)
        return -EAGAIN;
    r = spool_claim(
        s->spool, id, from, s->settle, tag == NAME_QUEUED_SETTLED, now, &claim, NULL, f);
    switch (r) {
    case SPOOL_CLAIMED:
        r = spool_message_open(&s->base, claim, s->keep_sent, now, ret, f);
        if (r != 0)
            return r;
        if (message_was_on_disk((*ret)->message))
            spool_names_read_ahead(&s->names);
        return SOURCE_CLAIMED;
    case SPOOL_DEFECTIVE: return SOURCE_DEFECT;
    case SPOOL_UNREADABLE: return -EACCES;
    case SPOOL_UNSETTLED:
    case SPOOL_LOCKED:
        spool_names_push_at(&s->names, id, tag == NAME_QUEUED_SETTLED ? NAME_QUEUED : tag,
            usec_add(now, MAX(s->settle, LOOK_AGAIN_MIN)));
        return -EAGAIN;
    case SPOOL_GONE:
    case SPOOL_WRITING: return -EAGAIN;
    default: spool_names_push(&s->names, id, tag); return r;
    }
}

/* Reads on in the directory, and takes up what dead processes left. */
static int source_look(Source *base, usec_t now, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    SpoolSource *s = from_base(base);
    int r = spool_names_read(&s->names, now, ret_id, f);

    if (r <= 0)
        return r;
    r = spool_recover(s->spool, ret_id, s->keep_sent, ret_id, f);
    if (r < 0) {
        r = judge_failure(s, ret_id, r, now);
        if (r < 0)
            spool_names_rescan(&s->names);
        return r;
    }
    if (r != SPOOL_REQUEUED && r != SPOOL_REDEFERRED)
        return SOURCE_NONE;
    spool_source_requeue(base, ret_id, r == SPOOL_REQUEUED ? SPOOL_QUEUED : SPOOL_DEFERRED);
    return SOURCE_RECOVERED;
}

static int source_next(
    Source *base, usec_t now, SourceMessage **ret, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    SpoolSource *s = from_base(base);

    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        uint8_t tag;
        int r;

        if (!spool_names_pop(&s->names, now, ret_id, &tag)) {
            r = source_look(base, now, ret_id, f);
            if (r != SOURCE_NONE || !spool_names_pop(&s->names, now, ret_id, &tag))
                return r;
        }
        if (spool_names_is_left(&s->names, ret_id))
            continue;
        r = try_claim(s, ret_id, tag, now, ret, f);
        if (r != -EAGAIN)
            return r < 0 ? judge_failure(s, ret_id, r, now) : r;
    }
    return SOURCE_NONE;
}

static bool source_has_candidates(const Source *base, usec_t now)
{
    return spool_names_any(&from_base(base)->names, now);
}

static bool source_is_unread(const Source *base, usec_t now)
{
    return spool_names_is_unread(&from_base(base)->names, now);
}

static usec_t source_next_due(const Source *base)
{
    return spool_names_next_due(&from_base(base)->names);
}

static size_t source_waiting(const Source *base)
{
    return spool_names_waiting(&from_base(base)->names);
}

static size_t source_deferred_waiting(const Source *base)
{
    return spool_names_deferred(&from_base(base)->names);
}

static void source_flush(Source *base)
{
    spool_names_flush(&from_base(base)->names);
}

static void source_rest(Source *base)
{
    spool_tidy(from_base(base)->spool);
}

void spool_source_notice(SpoolSource *s, const char *file_name, EngineNotice notice, usec_t now)
{
    char id[SPOOL_NAME_MAX];
    SpoolState state;
    size_t length;

    if (s->names.again || !spool_name_parse(file_name, &state, &length))
        return; /* the pass that is to come will find it: no name is kept twice */
    memcpy(id, file_name, length);
    id[length] = '\0';
    if (state == SPOOL_QUEUED && notice == ENGINE_NOTICE_READY)
        spool_names_push(&s->names, id, NAME_QUEUED_SETTLED);
    else if (state == SPOOL_QUEUED)
        spool_names_push_at(&s->names, id, NAME_QUEUED, usec_add(now, s->settle));
    else if (state == SPOOL_DEFERRED && notice == ENGINE_NOTICE_READY)
        spool_names_push_at(&s->names, id, NAME_DEFERRED, spool_next_attempt(s->spool, id));
}

void spool_source_rescan(SpoolSource *s)
{
    spool_names_rescan(&s->names);
}

void spool_source_configure(SpoolSource *s, const SpoolConfig *config)
{
    s->settle = config->settle;
    s->keep_sent = config->keep_sent;
}

void spool_source_requeue(Source *base, const char *id, SpoolState state)
{
    spool_names_push(&from_base(base)->names, id,
        state == SPOOL_DEFERRED ? NAME_DEFERRED_NOW : NAME_QUEUED_SETTLED);
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
    .abandon = spool_message_abandon,
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
    r = spool_names_init(&s->names, spool);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void spool_source_free(SpoolSource *s)
{
    if (!s)
        return;
    spool_names_done(&s->names);
    free(s);
}

Source *spool_source_base(SpoolSource *s)
{
    return &s->base;
}
