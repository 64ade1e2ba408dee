/* The changes of state that an operator asks for. Must never touch what is being sent. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

static const char *list_states(const SpoolState *states, size_t n, char text[static 64])
{
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(text, i > 0 ? " or ." : ".");
        strcat(text, spool_state_name(states[i]));
    }
    return text;
}

static int no_such_message(const Spool *spool, const char *id, Failure *f)
{
    return failure_set(f, -ENOENT, ERROR_SPOOL, "%s/%s: no such message", spool->path, id);
}

/* Takes a message over that a dead process was sending: SPOOL_REQUEUED, SPOOL_REDEFERRED,
 * SPOOL_REFAILED; SPOOL_ALIVE, it is being sent; or a negative errno with a Failure. One that
 * everybody has had ends as if that process had ended it. */
static int take_over(Spool *spool, const char *id, Failure *f)
{
    char now[SPOOL_NAME_MAX];
    int r = spool_has(spool, id, SPOOL_SENDING)
                ? spool_recover(spool, id, spool->keeps_sent, now, f)
                : no_such_message(spool, id, f);

    if (r == SPOOL_COMPLETED && spool->keeps_sent)
        return failure_set(f, -ENOENT, ERROR_SPOOL,
            "%s/%s: it had been delivered to everybody when its process died, and is %s.sent now",
            spool->path, id, now);
    if (r == SPOOL_COMPLETED)
        return failure_set(f, -ENOENT, ERROR_SPOOL,
            "%s/%s: it had been delivered to everybody when its process died, and is gone now",
            spool->path, id);
    if (r > 0 && strcmp(now, id) != 0)
        return failure_set(f, -EEXIST, ERROR_SPOOL,
            "%s/%s: its process had died, and another message has come to use the id: it is %s now",
            spool->path, id, now);
    return r;
}

void spool_keep_sent(Spool *spool)
{
    spool->keeps_sent = true;
}

static int rename_first(
    Spool *spool, const char *id, const SpoolState *from, size_t n, SpoolState to)
{
    int r = -ENOENT;

    for (size_t i = 0; i < n && r == -ENOENT; i++)
        if (spool_has(spool, id, from[i]))
            r = spool_rename_message(spool, id, from[i], id, to);
    return r;
}

static int is_being_sent(const Spool *spool, const char *id, Failure *f)
{
    return failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
        "%s/%s.sending: it is being sent; try again when it is done", spool->path, id);
}

/* The same of one that is `.sending`; where taking it over was all there was to do, that is it. 1
 * done; 0 as rename_first() has left `*ret`; or a negative errno with a Failure. */
static int rename_abandoned(Spool *spool, const char *id, const SpoolState *from, size_t n,
    SpoolState to, int *ret, Failure *f)
{
    int taken = take_over(spool, id, f);

    if (taken <= 0)
        return taken < 0 ? taken : is_being_sent(spool, id, f);
    if (taken == SPOOL_REQUEUED && to == SPOOL_QUEUED)
        return 1;
    *ret = rename_first(spool, id, from, n, to);
    return 0;
}

/* The first of the states that the message is in becomes `to`. */
static int operate(
    Spool *spool, const char *id, const SpoolState *from, size_t n, SpoolState to, Failure *f)
{
    char text[64];
    SpoolState state;
    int done = 0, r = rename_first(spool, id, from, n, to);

    if (r == -ENOENT && from[0] == SPOOL_DEFERRED && spool_find(spool, id, &state) == 0 &&
        state == SPOOL_SENDING)
        done = rename_abandoned(spool, id, from, n, to, &r, f);
    if (done < 0 || done > 0 || r >= 0)
        return MIN(done, 0);
    if (r == -EEXIST)
        return failure_set(f, r, ERROR_SPOOL,
            "%s/%s.%s exists already: it is another message; rename one of them first", spool->path,
            id, spool_state_name(to));
    if (r != -ENOENT)
        return failure_set_errno(f, r,
            "%s/%s: cannot rename it to .%s; see that this user (%u) may write to the directory, "
            "and that its file system works",
            spool->path, id, spool_state_name(to), geteuid());
    if (spool_find(spool, id, &state) < 0)
        return no_such_message(spool, id, f);
    if (state == SPOOL_SENDING && from[0] == SPOOL_DEFERRED)
        return is_being_sent(spool, id, f);
    return failure_set(f, r, ERROR_SPOOL, "%s/%s.%s: only what is %s can become .%s", spool->path,
        id, spool_state_name(state), list_states(from, n, text), spool_state_name(to));
}

int spool_hold(Spool *spool, const char *id, Failure *f)
{
    static const SpoolState from[] = {SPOOL_DEFERRED, SPOOL_QUEUED};

    return operate(spool, id, from, ELEMENTSOF(from), SPOOL_HELD, f);
}

int spool_unhold(Spool *spool, const char *id, Failure *f)
{
    static const SpoolState from[] = {SPOOL_HELD};

    return operate(spool, id, from, ELEMENTSOF(from), SPOOL_QUEUED, f);
}

int spool_retry(Spool *spool, const char *id, Failure *f)
{
    static const SpoolState from[] = {SPOOL_DEFERRED, SPOOL_FAILED};

    return operate(spool, id, from, ELEMENTSOF(from), SPOOL_QUEUED, f);
}

int spool_move(Spool *spool, const char *id, SpoolState from, SpoolState to, Failure *f)
{
    static const SpoolState taken[] = {SPOOL_DEFERRED, SPOOL_QUEUED};
    int r = 0, done;

    if (from != SPOOL_SENDING)
        return operate(spool, id, &from, 1, to, f);
    done = rename_abandoned(spool, id, taken, to == SPOOL_QUEUED ? 1 : 2, to, &r, f);
    if (done != 0 || r >= 0)
        return MIN(done, 0);
    return failure_set_errno(
        f, r, "%s/%s: cannot rename it to .%s", spool->path, id, spool_state_name(to));
}

/* Deletes the record of a message that was deleted, and any that is nobody's. 0, or a negative
 * errno with a Failure. */
static int delete_record_of(
    const Spool *spool, const char *id, SpoolState state, const FileIdentity *file, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    int r = spool_record_view(spool, id, &view);

    if (r == RECORD_OWN)
        r = spool_record_judge(spool, id, state, file, &view);
    if (r < 0)
        return failure_set_errno(
            f, r, "%s/%s.status: cannot look at the delivery record", spool->path, id);
    return r == RECORD_NONE || r == RECORD_FOREIGN ? 0 : spool_unlink_record(spool, id, f);
}

int spool_delete_message(const Spool *spool, const char *id, SpoolState state, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    FileIdentity file;
    int r = spool_name_format(id, state, name) ? file_identity_of(spool, spool->fd, name, &file)
                                               : -ENOENT;

    if (r < 0 && r != -ENOENT)
        return failure_set_errno(f, r, "%s/%s: cannot look at it", spool->path, name);
    /* The message goes first: without its record it could be sent to somebody twice. */
    if (r >= 0)
        r = spool_unlink_message(spool, id, state, f);
    if (r == -ENOENT)
        return no_such_message(spool, id, f);
    return r < 0 ? r : delete_record_of(spool, id, state, &file, f);
}

int spool_delete_in(Spool *spool, const char *id, SpoolState state, Failure *f)
{
    static const SpoolState states[] = {
        [SPOOL_REQUEUED] = SPOOL_QUEUED,
        [SPOOL_REDEFERRED] = SPOOL_DEFERRED,
        [SPOOL_REFAILED] = SPOOL_FAILED,
    };
    char now[SPOOL_NAME_MAX];
    int r;

    if (!spool_has(spool, id, state))
        return no_such_message(spool, id, f);
    if (state != SPOOL_SENDING)
        return spool_delete_message(spool, id, state, f);
    r = spool_recover(spool, id, false, now, f);
    if (r == SPOOL_ALIVE)
        return is_being_sent(spool, id, f);
    if (r < 0 || r == SPOOL_COMPLETED)
        return MIN(r, 0);
    return spool_delete_message(spool, now, states[r], f);
}

int spool_delete(Spool *spool, const char *id, Failure *f)
{
    SpoolState state;
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r = spool_find(spool, id, &state);

    if (r == 0)
        return spool_delete_in(spool, id, state, f);
    if (r == -ENOENT && !spool->shows_one && spool_name_format_record(id, name) &&
        spool_stat_at(spool->fd, name, &st) != -ENOENT)
        return spool_unlink_record(spool, id, f);
    return r == -ENOENT ? no_such_message(spool, id, f)
                        : failure_set_errno(f, r, "%s/%s: cannot look for it", spool->path, id);
}
