/* Claiming a message: from `.queued` or `.deferred` to `.sending`, under a lock. Must never claim
 * what somebody still writes, follow a link, or block on what is no message. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

/* A program that links a finished file into the queue and then unlinks the first name is given so
 * long. */
#define LINK_GRACE (10 * USEC_PER_SEC)

/* What the steps of one claim share. */
typedef struct Attempt {
    Spool *spool;
    const char *id;
    SpoolState from;
    usec_t settle;
    bool settled;
    usec_t now;
    SpoolDefect *ret_defect; /* or NULL */
    char name[SPOOL_NAME_MAX];
} Attempt;

SpoolClaim *spool_claim_new(Spool *spool, const char *id, SpoolState from)
{
    SpoolClaim *claim = malloc(sizeof(*claim));

    if (!claim)
        return NULL;
    *claim = (SpoolClaim){.spool = spool, .fd = -1, .from = from};
    memccpy(claim->id, id, '\0', sizeof(claim->id) - 1);
    return claim;
}

void spool_claim_free(SpoolClaim *claim)
{
    if (!claim)
        return;
    spool_claim_end(claim);
    spool_claim_unreserve(claim);
    close_p(&claim->fd);
    spool_history_done(&claim->history);
    buffer_done(&claim->appended);
    free(claim);
}

static bool is_young(usec_t then, usec_t now, usec_t age)
{
    /* A time far ahead is a wrong clock's, and would be waited for in vain. */
    return then > now ? then - now < age : now - then < age;
}

/* The record may be this message's, or one of another whom it would be taken for: neither going on
 * with it nor starting anew is safe. */
static int refuse_doubtful(const SpoolClaim *claim, const struct stat *st, Failure *f)
{
    return failure_set(f, -EPERM, ERROR_SPOOL,
        "%s/%s.status: left alone, for the delivery record has %ju names (hard links), so that it "
        "may be another message's; remove the others (find %s -samefile %s/%s.status), or move it "
        "away, and the message is sent to all its recipients",
        claim->spool->path, claim->id, (uintmax_t)st->st_nlink, claim->spool->path,
        claim->spool->path, claim->id);
}

/* Looks for the record of the claim, whose file is called `id.state`. RECORD_OWN, and then the
 * claim has it; RECORD_NONE; RECORD_FOREIGN, also of one that ends with `sent`: its message is
 * done, and was put back to be sent anew; RECORD_ORPHAN; or a negative errno with a Failure. */
static int find_record(SpoolClaim *claim, SpoolState state, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    RecordEvent last = RECORD_NOTHING;
    usec_t next;
    int r = spool_record_look(claim, claim->id, state, &view);

    if (r == RECORD_DOUBTFUL)
        return refuse_doubtful(claim, &view.st, f);
    if (r == RECORD_OWN) {
        int error = spool_record_last(view.fd, &last, &next);

        r = error < 0 ? error : last == RECORD_SENT ? RECORD_FOREIGN : RECORD_OWN;
    }
    if (r < 0)
        return failure_set_errno(
            f, r, "%s/%s.status: cannot read the delivery record", claim->spool->path, claim->id);
    claim->has_record = r == RECORD_OWN;
    claim->loaded = !claim->has_record; /* nothing to load */
    if (claim->has_record)
        spool_claim_set_record(claim, &view.st);
    claim->bound = claim->has_record && view.bound;
    return r;
}

/* Takes the message out of the queue under a new id, and its record along. */
static int take_elsewhere(const Attempt *a, SpoolClaim *claim, Failure *f)
{
    int r = find_record(claim, a->from, f);

    if (r >= 0)
        r = spool_claim_change_id(claim, a->from, SPOOL_SENDING);
    return r == -ESTALE ? -ENOENT : r; /* the file that was opened is not there any more */
}

static int cannot_take(const Attempt *a, int error, Failure *f)
{
    return failure_set_errno(f, error,
        "%s/%s: cannot rename to claim it; see that the directory can be written and, when it is "
        "sticky, belongs to this user",
        a->spool->path, a->name);
}

/* Renames the file to `.sending`, under a new id where the name is taken, or was taken by a message
 * that is being sent and that somebody moved away. Takes `fd` (or -1), which
 * holds the lock. 0 with the claim, SPOOL_GONE, SPOOL_LOCKED, or a negative errno with a Failure.
 */
static int take(const Attempt *a, int fd, SpoolClaim **ret, Failure *f)
{
    SpoolClaim *claim _cleanup_(spool_claim_free_p) = spool_claim_new(a->spool, a->id, a->from);
    _cleanup_close_ int lock = fd;
    int r = -EEXIST;

    if (!claim)
        return failure_set_errno(f, -ENOMEM, "%s/%s", a->spool->path, a->name);
    claim->fd = TAKE_FD(lock);
    if (strlen(a->id) <= SPOOL_ID_MAX && !spool_is_live(a->spool, a->id))
        r = spool_rename_message(a->spool, a->id, a->from, a->id, SPOOL_SENDING);
    if (r == -EEXIST)
        r = take_elsewhere(a, claim, f);
    if (r == -ENOENT)
        return SPOOL_GONE;
    if (r == -EBUSY)
        return SPOOL_LOCKED; /* a file system is mounted on it */
    if (r < 0)
        return f && f->text ? r : cannot_take(a, r, f);
    *ret = TAKE_PTR(claim);
    return 0;
}

/* Removes the record of a message that is not there any more. 0, -EPERM or -EACCES when it stays,
 * or another negative errno. */
static int remove_orphan(const SpoolClaim *claim)
{
    char name[SPOOL_NAME_MAX];

    if (!spool_name_format_record(claim->id, name) || unlinkat(claim->spool->fd, name, 0) == 0)
        return 0;
    return errno == ENOENT ? 0 : -errno;
}

/* Finds the record that belongs to the claim, which gets another id when its own is in use. */
static int settle_record(SpoolClaim *claim, Failure *f)
{
    int r = find_record(claim, SPOOL_SENDING, f);

    if (r < 0 || r == RECORD_NONE || r == RECORD_OWN)
        return MIN(r, 0);
    if (r == RECORD_ORPHAN)
        r = remove_orphan(claim);
    if (r == RECORD_FOREIGN || r == -EPERM || r == -EACCES)
        r = spool_claim_change_id(claim, SPOOL_SENDING, SPOOL_SENDING);
    return r < 0 ? failure_set_errno(f, r,
                       "%s/%s: cannot make room for its delivery record, whose name another "
                       "message's has, under this id or a new one",
                       claim->spool->path, claim->id)
                 : 0;
}

/* Gives back a claim whose record could not be looked at, under no other id, for the record would
 * not come along: where its name was taken it waits as `.sending` of nobody. Consumes it. */
static void put_back(const Attempt *a, SpoolClaim *claim)
{
    int r = spool_rename_message(claim->spool, claim->id, SPOOL_SENDING, claim->id, claim->from);

    if (a->ret_defect)
        a->ret_defect->was_renamed = r >= 0;
    spool_claim_free(claim);
}

/* Puts the reason into the record of the claim, and the claim to `.failed`. */
static int record_defect(const Attempt *a, SpoolClaim *claim, const Failure *reason, Failure *f)
{
    int r = settle_record(claim, f);

    if (r >= 0)
        return spool_fail_defect(claim, a->now, reason->number, failure_text(reason),
            a->ret_defect ? a->ret_defect->id : NULL, f);
    put_back(a, claim);
    return r;
}

/* Brings what is no message to `.failed`. Takes `fd` (or -1), which holds the lock, and `reason`.
 * SPOOL_DEFECTIVE with the reason in `f`, SPOOL_GONE, or a negative errno with a Failure. */
static int fail_defective(
    const Attempt *a, int fd, const struct stat *st, Failure reason, Failure *f)
{
    _cleanup_failure_ Failure why = reason;
    SpoolClaim *claim = NULL;
    int r = take(a, fd, &claim, f);

    if (r != 0)
        return r;
    spool_claim_begin(claim, st);
    r = record_defect(a, claim, &why, f);
    if (r < 0)
        return r == -ENOENT ? SPOOL_GONE : r;
    if (a->ret_defect)
        a->ret_defect->owner = st->st_uid;
    (void)failure_set(f, 0, why.number, "%s", failure_text(&why));
    return SPOOL_DEFECTIVE;
}

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "a regular file";
    case S_IFLNK: return "a symbolic link";
    case S_IFDIR: return "a directory";
    case S_IFIFO: return "a named pipe";
    case S_IFSOCK: return "a socket";
    default: return "a device";
    }
}

/* Whether the file was delivered and is kept, as its record says: its name in the queue is somebody
 * else's doing, for no change leads from there. */
static bool is_kept(const Attempt *a, SpoolState twin)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    RecordEvent last;
    FileIdentity file;
    usec_t next;

    return twin == SPOOL_SENT && spool_record_view(a->spool, a->id, &view) == RECORD_OWN &&
           view.bound && file_identity_of(a->spool, a->spool->fd, a->name, &file) >= 0 &&
           file_identity_is_same(&file, &view.file) &&
           spool_record_last(view.fd, &last, &next) >= 0 && last == RECORD_SENT;
}

/* Takes back a change that was made of link() and unlink() and was cut off between: it did not
 * happen. Where somebody else gave the file another state's name, that one counts as little. Nobody
 * is sending the file: we have its lock, or it is none that can be sent. 0 when there is no such
 * name, or SPOOL_UNSETTLED, to look again, also while the change may be under way. */
static int take_back_change(const Attempt *a, const struct stat *st)
{
    SpoolState twin;
    char name[SPOOL_NAME_MAX];

    if (!spool_find_twin(a->spool, a->id, st, a->from, &twin) || is_kept(a, twin))
        return 0;
    if (is_young(spool_file_time(&st->st_ctim), a->now, LINK_GRACE))
        return SPOOL_UNSETTLED;
    (void)spool_name_format(a->id, twin, name);
    return unlinkat(a->spool->fd, name, 0) < 0 ? 0 : SPOOL_UNSETTLED;
}

static int not_regular(const Attempt *a, int fd, const struct stat *st, Failure *f)
{
    int twin = take_back_change(a, st);
    Failure reason = {0};

    if (twin != 0) {
        close_p(&fd);
        return twin;
    }
    (void)failure_set(&reason, 0, ERROR_FILE,
        "not a message: %s, not a regular file; remove it, and put the file itself in its place",
        kind_of(st->st_mode));
    return fail_defective(a, fd, st, reason, f);
}

/* A regular file that may not be opened: where several users send from one directory, it may be
 * another one's to send. */
static int unreadable(const Attempt *a, const struct stat *st, Failure *f)
{
    if (!a->settled && is_young(spool_file_time(&st->st_ctim), a->now, a->settle))
        return SPOOL_UNSETTLED; /* its writer may be about to chmod it */
    return failure_set(f, SPOOL_UNREADABLE, ERROR_FILE,
        "%s/%s: left alone, for the file cannot be read by user %u: it belongs to user %u, group "
        "%u, with mode %04o; let that user read it (chmod g+r, or an ACL), or remove it",
        a->spool->path, a->name, geteuid(), st->st_uid, st->st_gid, st->st_mode & 07777);
}

/* What could not be opened: gone, no message, or a failure of our own. */
static int unopened(const Attempt *a, int error, Failure *f)
{
    struct stat st;
    int r;

    if (error == -ENOENT)
        return SPOOL_GONE;
    if (error == -EWOULDBLOCK)
        return SPOOL_UNSETTLED; /* another program's lease is about to be given up */
    if (error != -ELOOP && error != -ENXIO && error != -ENODEV && error != -EACCES)
        return spool_cannot_open(a->spool, a->name, error, f);
    r = spool_stat_at(a->spool->fd, a->name, &st);
    if (r < 0)
        return r == -ENOENT ? SPOOL_GONE
                            : failure_set_errno(f, r, "%s/%s: cannot look at the message",
                                  a->spool->path, a->name);
    if (!S_ISREG(st.st_mode))
        return not_regular(a, -1, &st, f);
    return error == -EACCES ? unreadable(a, &st, f) : SPOOL_UNSETTLED; /* it has just come there */
}

/* 0 when the locked regular file may be claimed, SPOOL_WRITING or SPOOL_UNSETTLED. */
static int check_settled(const Attempt *a, int fd, const struct stat *st)
{
    int r = spool_has_writer(fd);

    if (r >= 0)
        return r > 0 ? SPOOL_WRITING : 0;
    if (!a->settled && (is_young(spool_file_time(&st->st_mtim), a->now, a->settle) ||
                           is_young(spool_file_time(&st->st_ctim), a->now, a->settle)))
        return SPOOL_UNSETTLED;
    return 0;
}

static int several_links(const Attempt *a, int fd, const struct stat *st, Failure *f)
{
    Failure reason = {0};
    int r = take_back_change(a, st);

    if (r == 0 && is_young(spool_file_time(&st->st_ctim), a->now, LINK_GRACE))
        r = SPOOL_UNSETTLED;
    if (r != 0) {
        (void)close(fd);
        return r;
    }
    (void)failure_set(&reason, 0, ERROR_FILE,
        "the file has %ju names (hard links), so that it may be another program's, and could "
        "change while it is sent; copy it into the queue instead of linking it",
        (uintmax_t)st->st_nlink);
    return fail_defective(a, fd, st, reason, f);
}

/* The rename was by name and the lock is on a file: they must be the same. 0, SPOOL_GONE when
 * another file had come under the name (it is put back), or a negative errno. */
static int check_same(const Attempt *a, const SpoolClaim *claim, const struct stat *st)
{
    char name[SPOOL_NAME_MAX];
    struct stat now;
    int r;

    (void)spool_name_format(claim->id, SPOOL_SENDING, name);
    r = spool_stat_at(a->spool->fd, name, &now);
    if (r < 0)
        return r == -ENOENT ? SPOOL_GONE : r;
    if (now.st_dev == st->st_dev && now.st_ino == st->st_ino)
        return 0;
    /* Not to be put back where its name was taken again: then it waits as `.sending` of nobody. */
    (void)spool_rename(a->spool->fd, name, a->name);
    return SPOOL_GONE;
}

/* The last step: the file is locked, checked and complete. Takes `fd`. */
static int claim_file(const Attempt *a, int fd, const struct stat *st, SpoolClaim **ret, Failure *f)
{
    SpoolClaim *claim = NULL;
    int r = take(a, fd, &claim, f);

    if (r != 0)
        return r;
    r = check_same(a, claim, st);
    if (r < 0) {
        put_back(a, claim);
        return failure_set_errno(
            f, r, "%s/%s: cannot look at the claimed message", a->spool->path, a->name);
    }
    if (r > 0) {
        spool_claim_free(claim);
        return r;
    }
    spool_claim_begin(claim, st);
    claim->size = (uint64_t)st->st_size;
    claim->owner = spool_submitter(a->spool, claim->fd, st);
    claim->arrival = spool_file_time(&st->st_mtim);
    r = settle_record(claim, f);
    if (r < 0) {
        put_back(a, claim);
        return r;
    }
    *ret = claim;
    return SPOOL_CLAIMED;
}

int spool_claim(Spool *spool, const char *id, SpoolState from, usec_t settle, bool settled,
    usec_t now_realtime, SpoolClaim **ret, SpoolDefect *ret_defect, Failure *f)
{
    Attempt a = {spool, id, from, settle, settled, now_realtime, ret_defect, ""};
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r;

    if (ret_defect)
        ret_defect->was_renamed = false;
    if (!spool_name_format(id, from, a.name))
        return failure_set(f, -EINVAL, ERROR_SPOOL, "%s: not the id of a message", id);
    fd = spool_open_at(spool, a.name, O_RDONLY);
    if (fd < 0)
        return unopened(&a, fd, f);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? SPOOL_LOCKED
                   : failure_set_errno(f, -errno,
                         "%s/%s: cannot lock the message; the queue must be on a local file system",
                         spool->path, a.name);
    if (fstat(fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s/%s", spool->path, a.name);
    if (st.st_nlink == 0)
        return SPOOL_GONE;
    if (!S_ISREG(st.st_mode))
        return not_regular(&a, TAKE_FD(fd), &st, f);
    if (st.st_nlink > 1)
        return several_links(&a, TAKE_FD(fd), &st, f);
    r = check_settled(&a, fd, &st);
    return r != 0 ? r : claim_file(&a, TAKE_FD(fd), &st, ret, f);
}

const char *spool_claim_id(const SpoolClaim *claim)
{
    return claim->id;
}

int spool_claim_fd(const SpoolClaim *claim)
{
    return claim->fd;
}

uint64_t spool_claim_size(const SpoolClaim *claim)
{
    return claim->size;
}

uid_t spool_claim_owner(const SpoolClaim *claim)
{
    return claim->owner;
}

usec_t spool_claim_arrival(const SpoolClaim *claim)
{
    return claim->arrival;
}

SpoolState spool_claim_from(const SpoolClaim *claim)
{
    return claim->from;
}

uint64_t spool_claim_record_bytes(const SpoolClaim *claim)
{
    return claim->has_record ? claim->record_bytes : 0;
}

bool spool_claim_has_record(const SpoolClaim *claim)
{
    return claim->has_record;
}

const Spool *spool_claim_spool(const SpoolClaim *claim)
{
    return claim->spool;
}
