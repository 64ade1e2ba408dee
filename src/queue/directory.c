/* The queue directory as a source: claims the messages whose names come up. Must never claim more
 * than it is asked for, never let one message that nothing can be done with stop the others, and
 * never let go of a directory that a message is being sent from. */
#include "queue/directory.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "queue/directory_claim.h"
#include "queue/directory_life.h"
#include "queue/directory_load.h"
#include "spool/kept.h"

/* Names looked at in one go, and those among them that had to be put aside or failed, which costs a
 * write. */
#define LOOKS_MAX 1024
#define FINDINGS_MAX 16

static Directory *from_base(const Source *source)
{
    return (Directory *)source;
}

/* ---- taking ---- */

/* Reads on in the directory. 1 when a name may be known now, 0 when not, or a negative errno. */
static int read_on(Directory *d, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX];
    int r = names_read(&d->current->names, now, id, &f);

    if (r < 0) {
        d->base.handlers->found(d->base.user, FOUND_TROUBLE, NULL, &f);
        return r;
    }
    if (r > 0)
        r = directory_recover(d, id);
    return r < 0 ? r : names_any(&d->current->names, now);
}

/* As take(), but that 0 only ends a bounded step. */
static int look(Directory *d, usec_t now, HeldMessage **ret)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;
    int r = 0;

    for (unsigned i = 0; i < LOOKS_MAX && r == 0 && d->findings < FINDINGS_MAX; i++) {
        if (attachment_room(d->current) == 0)
            return 0;
        d->current->names.mixes = d->current->caution.on;
        if (names_take(&d->current->names, now, id, &kind) == 0) {
            r = read_on(d, now);
            if (r <= 0)
                return r;
            r = 0;
            continue;
        }
        r = directory_claim(d, id, kind, now, ret);
        if (r == 0 && !d->current) /* a handler may have brought about anything */
            return 0;
    }
    return r;
}

/* Those whose records were read beside the loop come first. */
static int take_loaded(Directory *d, usec_t now, HeldMessage **ret)
{
    FileMessage *message;
    NameKind kind;
    int r = 0;

    while (r == 0 && (message = directory_take_loaded(d, &kind)))
        r = directory_open_message(d, message, kind, now, ret);
    return r;
}

static int directory_take(Source *base, HeldMessage **ret)
{
    Directory *d = from_base(base);
    usec_t now = directory_now(d);
    int r;

    d->findings = 0;
    if (d->current && d->current->caution.on)
        caution_tick(&d->current->caution, clock_monotonic());
    r = take_loaded(d, now, ret);
    if (r == 0 && d->current && names_is_survey(&d->current->names)) {
        r = read_on(d, now);
        r = MIN(r, 0);
    }
    if (r == 0 && d->current)
        r = look(d, now, ret);
    if (r == 0)
        directory_arm(d, now);
    return r;
}

/* ---- what else the engine asks ---- */

static bool may_have_more(const Attachment *a, usec_t now)
{
    return names_is_unread(&a->names, now) || names_next_due(&a->names) <= now;
}

static void directory_figures(const Source *base, SourceFigures *ret)
{
    const Directory *d = from_base(base);
    const Attachment *a = d->current;

    *ret = (SourceFigures){.next_due = USEC_NEVER};
    if (!a)
        return;
    ret->waiting = MIN(lane_tables_all_ready(&a->names.tables), (size_t)attachment_room(a));
    ret->deferred = lane_tables_deferred(&a->names.tables);
    ret->next_due = names_next_due(&a->names);
    ret->unread =
        d->n_loading > 0 || (attachment_room(a) > 0 && may_have_more(a, directory_now(d)));
}

static void directory_choose(Source *base, uint32_t lanes)
{
    Directory *d = from_base(base);

    if (d->current)
        d->current->names.tables.open = lanes;
}

static void directory_lanes(const Source *base, size_t ret[static LANES_MAX])
{
    const Directory *d = from_base(base);
    const LaneTables *tables = d->current ? &d->current->names.tables : NULL;

    for (unsigned i = 0; i < LANES_MAX; i++)
        ret[i] = tables && i < tables->n ? lane_tables_of_lane(tables, i) : 0;
}

static void directory_flush(Source *base)
{
    Directory *d = from_base(base);

    if (d->current)
        names_flush(&d->current->names);
    directory_check(d);
    directory_wake(d);
}

static void directory_bring(Source *base, const char *id, bool deferred)
{
    Directory *d = from_base(base);

    if (d->current)
        names_put(&d->current->names, id, deferred ? NAME_DEFERRED_NOW : NAME_QUEUED, 0);
}

static void directory_rest(Source *base)
{
    Directory *d = from_base(base);

    if (d->current)
        spool_tidy(d->current->spool);
}

static int directory_keep(Source *base, const void *data, size_t n)
{
    const Directory *d = from_base(base);

    return d->current ? spool_kept_save(d->current->spool, data, n) : -ENOENT;
}

static int directory_kept(Source *base, Buffer *out)
{
    const Directory *d = from_base(base);

    return d->current ? spool_kept_load(d->current->spool, out) : -ENOENT;
}

static const SourceOps directory_ops = {
    .take = directory_take,
    .record = file_message_record,
    .sync = file_message_sync,
    .settle = file_message_settle,
    .abandon = file_message_abandon,
    .bring = directory_bring,
    .choose = directory_choose,
    .lanes = directory_lanes,
    .flush = directory_flush,
    .keep = directory_keep,
    .kept = directory_kept,
    .figures = directory_figures,
    .rest = directory_rest,
};

Source *directory_source(Directory *d)
{
    return &d->base;
}

bool directory_is_open(const Directory *d)
{
    return d->current;
}

int directory_say(Directory *d, const void *text, size_t n)
{
    Attachment *a = d->current;
    int r = 0;

    if (a && !a->presence)
        r = d->watches ? presence_new(a->spool, &a->presence)
                       : presence_new_passing(a->spool, &a->presence);

    if (a && r >= 0)
        r = presence_say(a->presence, text, n);
    if (r == -ENOENT || r == -ESTALE) {
        presence_free(a->presence);
        a->presence = NULL;
    }
    return r;
}

int directory_check_leases(const Directory *d, Failure *f)
{
    return d->current ? spool_check_leases(d->current->spool, f) : 0;
}

static void use_config(Directory *d, Config *config)
{
    d->settle = config->spool.settle;
    d->keep_sent = config->spool.keep_sent;
    (void)sender_rules_unref(d->senders);
    d->senders = sender_rules_ref(config->spool.senders);
    if (!d->quiet)
        notices_configure(&d->notices, config);
    d->retry_max = config->retry.max;
    d->give_up_after = config->retry.give_up_after;
    (void)config_unref(d->config);
    d->config = config_ref(config);
    if (d->current)
        directory_tell_names(d);
}

void directory_configure(Directory *d, Config *config)
{
    use_config(d, config);
    directory_check(d);
}

int directory_new(
    sd_event *loop, Worker *worker, const DirectoryOptions *options, Directory **ret, Failure *f)
{
    _cleanup_(directory_free_p) Directory *d = calloc(1, sizeof(Directory));
    int r;

    if (!d)
        return failure_set_errno(f, -ENOMEM, "%s", options->path);
    d->base.ops = &directory_ops;
    d->loop = sd_event_ref(loop);
    d->worker = worker_ref(worker);
    d->watches = options->watch;
    d->quiet = options->quiet;
    d->path = strdup(options->path);
    if (!d->path)
        return failure_set_errno(f, -ENOMEM, "%s", options->path);
    r = directory_add_timers(d);
    if (r < 0)
        return failure_set_errno(f, r, "%s: cannot set timers", d->path);
    use_config(d, options->config);
    r = directory_attach(d, f);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

void directory_free(Directory *d)
{
    if (!d)
        return;
    directory_drop_loading(d);
    directory_end(d);
    (void)worker_unref(d->worker);
    (void)sender_rules_unref(d->senders);
    (void)config_unref(d->config);
    notices_done(&d->notices);
    (void)sd_event_unref(d->loop);
    free(d->path);
    free(d);
}
