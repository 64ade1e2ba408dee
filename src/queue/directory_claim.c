/* From a name to a held message. Must never let one message that nothing can be done with stop the
 * others. */
#include "queue/directory_claim.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "queue/directory_load.h"

/* How soon what could not be claimed is looked at again: what a live process has its hands on, what
 * somebody writes to, and what nothing can be done with. */
#define LOOK_AGAIN_MIN (200 * USEC_PER_MSEC)
#define WRITING_PAUSE (10 * USEC_PER_SEC)
#define ASIDE_PAUSE (5 * USEC_PER_MINUTE)

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

/* ---- one name ---- */

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
int directory_claim(Directory *d, const char *id, NameKind kind, usec_t now, HeldMessage **ret)
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

/* Takes up what a dead process left. It may have died of the message that it was reading: others
 * come first. */
int directory_recover(Directory *d, const char *id)
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
    if (r == -EIO) /* may be over in a moment */
        attachment_suspect(d->current);
    report(d, FOUND_PROBLEM, id, &f);
    return 0;
}
