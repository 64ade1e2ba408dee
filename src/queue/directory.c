/* The queue directory as a source: claims the messages whose names come up. Must never claim more
 * than it is asked for, never let one message that nothing can be done with stop the others, and
 * never let go of a directory that a message is being sent from. */
#include "queue/directory.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "queue/directory_internal.h"
#include "queue/timer.h"

/* How soon what could not be claimed is looked at again: what a live process has its hands on, what
 * somebody writes to, and what nothing can be done with. */
#define LOOK_AGAIN_MIN (200 * USEC_PER_MSEC)
#define WRITING_PAUSE (10 * USEC_PER_SEC)
#define ASIDE_PAUSE (5 * USEC_PER_MINUTE)

/* Names looked at in one go, and those among them that had to be put aside or failed, which costs a
 * write. */
#define LOOKS_MAX 1024
#define FINDINGS_MAX 16

static Directory *from_base(const Source *source)
{
    return (Directory *)source;
}

static void report(Directory *d, SourceFinding finding, const char *id, const Failure *f)
{
    d->base.handlers->found(d->base.user, finding, id, NULL, f);
}

/* `name` is what it was called when it came up. */
static void report_defect(Directory *d, const char *id, const char *name, const Failure *f)
{
    d->findings++;
    d->base.handlers->found(d->base.user, FOUND_DEFECT, id, strcmp(id, name) != 0 ? name : NULL, f);
}

/* ---- one name ---- */

/* What a failure with one message is: the directory goes on without it, or it is everybody's. A
 * file's own EIO is a bad sector. 0, or the error. */
static int put_aside(Directory *d, const char *id, NameKind kind, int error, const Failure *f)
{
    if (error_is_common(error) && error != -EIO) {
        names_put(&d->current->names, id, kind, 0);
        report(d, FOUND_TROUBLE, NULL, f);
        return error;
    }
    attachment_expect(d->current, id, names_state(kind)); /* it may have been put back */
    names_put(&d->current->names, id, kind, usec_add(directory_now(d), ASIDE_PAUSE));
    report(d, FOUND_PROBLEM, id, f);
    d->findings++;
    return 0;
}

static void look_again(Directory *d, const char *id, NameKind kind, usec_t pause, usec_t now)
{
    if (kind == NAME_QUEUED)
        kind = NAME_UNSETTLED;
    names_put(&d->current->names, id, kind, usec_add(now, pause));
}

/* A claimed message whose record has been read. 1 with it, 0 when there is none to deliver, or a
 * negative errno of everybody's. */
int directory_open_message(
    Directory *d, FileMessage *m, NameKind kind, usec_t now, HeldMessage **ret)
{
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];
    int r;

    memccpy(name, file_message_name(m), '\0', sizeof(name));
    r = file_message_open(m, d->keep_sent, d->retry_max, now, ret, id, &f);

    switch (r) {
    case FILE_MESSAGE_READY:
        if (file_message_was_on_disk(*ret) && d->current)
            names_read_ahead(&d->current->names);
        return 1;
    case FILE_MESSAGE_DEFECT: report_defect(d, id, name, &f); return 0;
    case FILE_MESSAGE_DONE: return 0;
    default: return d->current ? put_aside(d, id, kind, r, &f) : 0;
    }
}

static int take_claim(
    Directory *d, SpoolClaim *claim, const char *id, NameKind kind, usec_t now, HeldMessage **ret)
{
    FileMessage *m = file_message_new(d->current, claim, id, kind);

    if (!m) {
        names_rescan(&d->current->names);
        return -ENOMEM;
    }
    if (file_message_is_long(m) && directory_load_beside(d, m, kind) >= 0)
        return 0;
    file_message_load_record(m);
    return directory_open_message(d, m, kind, now, ret);
}

/* Claims one name. As directory_open_message(). */
static int try_claim(Directory *d, const char *id, NameKind kind, usec_t now, HeldMessage **ret)
{
    _cleanup_failure_ Failure f = {0};
    char new_id[SPOOL_NAME_MAX];
    SpoolClaim *claim;
    int r = spool_claim(d->current->spool, id, names_state(kind), d->settle, kind != NAME_UNSETTLED,
        now, &claim, new_id, &f);

    switch (r) {
    case SPOOL_CLAIMED: return take_claim(d, claim, id, kind, now, ret);
    case SPOOL_GONE: return 0;
    case SPOOL_UNSETTLED:
    case SPOOL_LOCKED: look_again(d, id, kind, MAX(d->settle, LOOK_AGAIN_MIN), now); return 0;
    case SPOOL_WRITING: look_again(d, id, kind, MAX(d->settle, WRITING_PAUSE), now); return 0;
    case SPOOL_DEFECTIVE: report_defect(d, new_id, id, &f); return 0;
    default: return put_aside(d, id, kind, r < 0 ? r : -EACCES, &f);
    }
}

/* ---- taking ---- */

/* Takes up what a dead process left. It may have died of the message that it was reading: others
 * come first. */
static int recover(Directory *d, const char *id)
{
    _cleanup_failure_ Failure f = {0};
    char new_id[SPOOL_NAME_MAX];
    int r = spool_recover(d->current->spool, id, d->keep_sent, new_id, &f);

    if (r == SPOOL_REQUEUED || r == SPOOL_REDEFERRED) {
        attachment_expect(
            d->current, new_id, r == SPOOL_REDEFERRED ? SPOOL_DEFERRED : SPOOL_QUEUED);
        if (r == SPOOL_REQUEUED)
            names_put_last(&d->current->names, new_id);
        else
            names_put(&d->current->names, new_id, NAME_DEFERRED,
                spool_next_attempt(d->current->spool, new_id));
        report(d, FOUND_RECOVERED, new_id, NULL);
        d->findings++;
    }
    if (r >= 0)
        return 0;
    if (error_is_common(r) && r != -EIO) {
        names_rescan(&d->current->names);
        report(d, FOUND_TROUBLE, NULL, &f);
        return r;
    }
    report(d, FOUND_PROBLEM, id, &f);
    return 0;
}

/* Reads on in the directory. 1 when a name may be known now, 0 when not, or a negative errno. */
static int read_on(Directory *d, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX];
    int r = names_read(&d->current->names, now, id, &f);

    if (r < 0) {
        report(d, FOUND_TROUBLE, NULL, &f);
        return r;
    }
    if (r > 0)
        r = recover(d, id);
    return r < 0 ? r : names_any(&d->current->names, now);
}

/* As take(), but that 0 only ends a bounded step. */
static int look(Directory *d, usec_t now, HeldMessage **ret)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;
    int r = 0;

    for (unsigned i = 0; i < LOOKS_MAX && r == 0 && d->findings < FINDINGS_MAX; i++) {
        if (names_take(&d->current->names, now, id, &kind) == 0) {
            r = read_on(d, now);
            if (r <= 0)
                return r;
            r = 0;
            continue;
        }
        r = try_claim(d, id, kind, now, ret);
        if (r == 0 && !d->current) /* a handler may have brought about anything */
            return 0;
    }
    return r;
}

static int directory_take(Source *base, HeldMessage **ret)
{
    Directory *d = from_base(base);
    usec_t now = directory_now(d);
    int r;

    d->findings = 0;
    r = directory_take_loaded(d, now, ret);
    if (r == 0 && d->current)
        r = look(d, now, ret);
    if (r == 0)
        directory_arm(d, now);
    return r;
}

/* ---- what else the engine asks ---- */

static void directory_figures(const Source *base, SourceFigures *ret)
{
    const Directory *d = from_base(base);
    const Attachment *a = d->current;

    *ret = (SourceFigures){.next_due = USEC_NEVER};
    if (!a)
        return;
    ret->waiting = name_table_ready(a->names.table);
    ret->deferred = name_table_deferred(a->names.table);
    ret->next_due = names_next_due(&a->names);
    ret->unread = names_is_unread(&a->names, directory_now(d)) || d->n_loading > 0 ||
                  ret->next_due <= directory_now(d);
}

static void directory_flush(Source *base)
{
    Directory *d = from_base(base);

    if (d->current)
        names_flush(&d->current->names);
    directory_check(d);
    directory_wake(d);
}

static void directory_rest(Source *base)
{
    Directory *d = from_base(base);

    if (d->current)
        spool_tidy(d->current->spool);
}

static const SourceOps directory_ops = {
    .take = directory_take,
    .record = file_message_record,
    .sync = file_message_sync,
    .settle = file_message_settle,
    .abandon = file_message_abandon,
    .flush = directory_flush,
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

static void use_config(Directory *d, const Config *config)
{
    d->settle = config->spool.settle;
    d->keep_sent = config->spool.keep_sent;
    d->retry_max = config->retry.max;
    if (d->current)
        d->current->names.retry_max = d->retry_max;
}

void directory_configure(Directory *d, const Config *config)
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
