/* From a name to a held message. Must never let one message that nothing can be done with stop the
 * others. */
#include "queue/directory_claim.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "queue/directory_load.h"

/* How soon what could not be claimed is looked at again: what a live process has its hands on, what
 * somebody writes to, and what nothing can be done with. */
#define LOOK_AGAIN_MIN (200 * USEC_PER_MSEC)
#define WRITING_PAUSE (10 * USEC_PER_SEC)
#define ASIDE_PAUSE (5 * USEC_PER_MINUTE)
#define LOADING_PAUSE (100 * USEC_PER_MSEC)

/* A look at a message. */
typedef struct Look {
    const char *id;
    NameKind kind;
    uid_t owner;
    unsigned flushed; /* how often everything had been tried when it began */
} Look;

/* When to look again: what lasts until somebody mends it, and what may be over in a moment. */
static usec_t due_after(Directory *d, const Look *look, int error)
{
    usec_t now = directory_now(d);
    Names *names = &d->current->names;

    if (error == -EACCES || error == -EPERM)
        return names->flushed != look->flushed ? 0 : usec_add(now, ASIDE_PAUSE);
    return names_after_trouble(names, look->id, look->flushed, error == -EIO, now);
}

static void report(
    Directory *d, SourceFinding finding, const char *id, uid_t owner, const Failure *f)
{
    const SourceFound message = {.id = id, .owner = owner};

    d->findings++;
    d->base.handlers->found(d->base.user, finding, &message, f);
}

static void report_trouble(Directory *d, const Failure *f)
{
    d->base.handlers->found(d->base.user, FOUND_TROUBLE, NULL, f);
}

/* `name` is what it was called when it came up. */
static void report_defect(
    Directory *d, const char *id, const char *name, uid_t owner, const Failure *f)
{
    const SourceFound message = {
        .id = id, .old_id = strcmp(id, name) != 0 ? name : NULL, .owner = owner};

    d->findings++;
    d->base.handlers->found(d->base.user, FOUND_DEFECT, &message, f);
}

/* The directory goes on without this one, for a while. */
static void leave_alone(Directory *d, const Look *look, int error, const Failure *f)
{
    names_put(&d->current->names, look->id, look->kind, due_after(d, look, error));
    report(d, FOUND_PROBLEM, look->id, look->owner, f);
}

/* What a failure with one message is: the directory goes on without it, or it is everybody's. A
 * file's own EIO is a bad sector. 0, or the error. */
static int put_aside(Directory *d, const Look *look, int error, const Failure *f)
{
    if (error_is_common(error) && error != -EIO) {
        names_put(&d->current->names, look->id, look->kind, 0);
        report_trouble(d, f);
        return error;
    }
    leave_alone(d, look, error, f);
    return 0;
}

/* ---- one name ---- */

static void look_again(Directory *d, const char *id, NameKind kind, usec_t pause, usec_t now)
{
    if (kind == NAME_QUEUED)
        kind = NAME_UNSETTLED;
    names_put(&d->current->names, id, kind, usec_add(now, pause));
}

/* It is not to be sent before that time. That is told once, when it has come: not of each that a
 * pass over the directory finds. */
static void keep_until(Directory *d, const Look *look, usec_t not_before)
{
    _cleanup_failure_ Failure f = {0};
    char time[RFC3339_MAX];

    d->findings++;
    if (!d->current)
        return;
    names_put(&d->current->names, look->id, NAME_UNSETTLED, not_before);
    if (look->kind != NAME_QUEUED)
        return;
    (void)failure_set(
        &f, 0, 0, "it is not to be sent before %s", clock_format_rfc3339(not_before, time));
    report(d, FOUND_EARLY, look->id, look->owner, &f);
}

/* A claimed message whose record has been read. 1 with it, 0 when there is none to deliver, or a
 * negative errno of everybody's. */
int directory_open_message(
    Directory *d, FileMessage *m, NameKind kind, usec_t now, HeldMessage **ret)
{
    usec_t not_before;
    const MessageTerms terms = {.keep_sent = d->keep_sent,
        .retry_max = d->retry_max,
        .give_up_after = d->give_up_after,
        .senders = d->senders,
        .ret_not_before = &not_before};
    _cleanup_failure_ Failure f = {0};
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX];
    uid_t owner = file_message_owner(m);
    const Look look = {.id = id, .kind = kind, .owner = owner, .flushed = file_message_flushed(m)};
    int r;

    memccpy(name, file_message_name(m), '\0', sizeof(name));
    r = file_message_open(m, &terms, now, ret, id, &f);

    switch (r) {
    case FILE_MESSAGE_READY:
        if (file_message_was_on_disk(*ret) && d->current)
            names_read_ahead(&d->current->names);
        return 1;
    case FILE_MESSAGE_DEFECT: report_defect(d, id, name, owner, &f); return 0;
    case FILE_MESSAGE_DONE: return 0;
    case FILE_MESSAGE_EARLY: keep_until(d, &look, not_before); return 0;
    case FILE_MESSAGE_NO_ROOM: /* those with one recipient need none */
        if (d->current)
            leave_alone(d, &look, -ENOSPC, &f);
        return 0;
    default: return d->current ? put_aside(d, &look, r, &f) : 0;
    }
}

/* So many are being read beside the loop that this one waits for a while. */
static int put_off(Directory *d, FileMessage *m, NameKind kind, usec_t now)
{
    char id[SPOOL_NAME_MAX];

    file_message_put_back(m, id);
    names_put(&d->current->names, id, kind, usec_add(now, LOADING_PAUSE));
    d->findings++;
    return 0;
}

static int take_claim(
    Directory *d, SpoolClaim *claim, const char *id, NameKind kind, usec_t now, HeldMessage **ret)
{
    FileMessage *m = file_message_new(d->current, claim, id, kind);
    _cleanup_failure_ Failure f = {0};
    char new_id[SPOOL_NAME_MAX];
    uid_t owner = m ? file_message_owner(m) : FILE_OWNER_UNKNOWN;
    usec_t due;

    if (!m) {
        names_rescan(&d->current->names);
        return -ENOMEM;
    }
    if (file_message_is_long(m) && directory_loads_enough(d))
        return put_off(d, m, kind, now);
    if (!file_message_begin(m, now, &due, new_id, &f)) {
        names_put(&d->current->names, new_id, kind, due);
        report(d, FOUND_PROBLEM, new_id, owner, &f);
        return 0;
    }
    if (file_message_is_long(m) && directory_load_beside(d, m, kind) >= 0)
        return 0;
    file_message_load_record(m);
    return directory_open_message(d, m, kind, now, ret);
}

/* Claims one name. As directory_open_message(). */
int directory_claim(Directory *d, const char *id, NameKind kind, usec_t now, HeldMessage **ret)
{
    const Look look = {
        .id = id, .kind = kind, .owner = FILE_OWNER_UNKNOWN, .flushed = d->current->names.flushed};
    _cleanup_failure_ Failure f = {0};
    SpoolDefect defect;
    SpoolClaim *claim;
    int r = spool_claim(d->current->spool, id, names_state(kind), d->settle, kind != NAME_UNSETTLED,
        now, &claim, &defect, &f);

    switch (r) {
    case SPOOL_CLAIMED: return take_claim(d, claim, id, kind, now, ret);
    case SPOOL_GONE: return 0;
    case SPOOL_UNSETTLED:
    case SPOOL_LOCKED: look_again(d, id, kind, MAX(d->settle, LOOK_AGAIN_MIN), now); return 0;
    case SPOOL_WRITING: look_again(d, id, kind, MAX(d->settle, WRITING_PAUSE), now); return 0;
    case SPOOL_DEFECTIVE: report_defect(d, defect.id, id, defect.owner, &f); return 0;
    default:
        if (defect.was_renamed)
            attachment_expect(d->current, id, names_state(kind));
        return put_aside(d, &look, r < 0 ? r : -EACCES, &f);
    }
}

/* It may be what the process died of: others come first, but those that wait for a later time. */
static void bring_up_recovered(Directory *d, const char *id, bool deferred, usec_t now)
{
    NameKind kind = deferred ? NAME_DEFERRED : NAME_UNSETTLED;
    usec_t due = deferred ? spool_next_attempt(d->current->spool, id) : 0;

    attachment_expect(d->current, id, names_state(kind));
    if (due > now)
        names_put(&d->current->names, id, kind, due);
    else
        names_put_last(&d->current->names, id, kind);
    caution_begin(&d->current->caution, d->current->held, now);
}

/* Takes up what a dead process left. */
int directory_recover(Directory *d, const char *id)
{
    _cleanup_failure_ Failure f = {0};
    char new_id[SPOOL_NAME_MAX];
    int r = spool_recover(d->current->spool, id, d->keep_sent, new_id, &f);

    if (r == SPOOL_REQUEUED || r == SPOOL_REDEFERRED) {
        bring_up_recovered(d, new_id, r == SPOOL_REDEFERRED, directory_now(d));
        report(d, FOUND_RECOVERED, new_id, FILE_OWNER_UNKNOWN, NULL);
    }
    if (r == SPOOL_REFAILED) {
        (void)failure_set(&f, r, ERROR_REFUSED,
            "a process that died had given it up already; its record has the reason");
        report_defect(d, new_id, id, FILE_OWNER_UNKNOWN, &f);
        names_rescan(&d->current->names); /* its notice is there now */
    }
    if (r >= 0)
        return 0;
    if (error_is_common(r) && r != -EIO) {
        names_rescan(&d->current->names);
        report_trouble(d, &f);
        return r;
    }
    if (r == -EIO) /* may be over in a moment */
        attachment_suspect(d->current);
    report(d, FOUND_PROBLEM, id, FILE_OWNER_UNKNOWN, &f);
    return 0;
}
