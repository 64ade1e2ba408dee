/* What the modules of the spool share with each other and with nobody else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/failure.h"
#include "base/hash.h"
#include "spool/closer.h"
#include "spool/identity.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/spool.h"

typedef struct SpoolSpare SpoolSpare; /* a record to be, with room */

#define SPOOL_LIVE_BUCKETS 256

struct Spool {
    int fd;
    char *path;
    dev_t device;
    ino_t inode;
    uid_t owner; /* of the directory: who runs the daemon */
    gid_t group;
    bool shared;     /* others than the owner may put files there, as was seen last */
    bool keeps_sent; /* what an operator's change finds to have been delivered */
    bool shows_one;  /* only what `shown` has queued is there, for who looks and operates */
    uid_t shown;
    bool forgets_inodes; /* their numbers change while the file system is mounted (FUSE) */
    Closer *closer;      /* NULL without a worker */
    SpoolSpare *spares;  /* that no claim has */
    unsigned n_reserved; /* claims that have one */
    HashKey key;
    SpoolClaim *live[SPOOL_LIVE_BUCKETS]; /* what this process is sending, by a hash of the id */
};

/* That the directory cannot be opened, and what to do. Returns `r`. */
int spool_fail_open(const char *path, int r, Failure *f);

struct SpoolClaim {
    Spool *spool;
    int fd; /* locked; -1 for a thing that cannot be opened and is on its way to `.failed` */
    uint64_t size;
    uid_t owner; /* whose file it is */
    usec_t arrival;
    SpoolState from; /* where spool_release() puts it back */
    bool has_record;
    bool bound;         /* the record says whose it is; one of a former version does not */
    bool unsynced_name; /* of the record: the disk may not know it */
    bool loaded;        /* the history is what the record says, or there was none */
    bool identified;
    bool live;    /* it is `.sending`, and this file */
    dev_t device; /* of the file; only while it is live */
    ino_t inode;
    SpoolClaim *next_live;
    dev_t record_device;
    ino_t record_inode; /* of the record that is known to be its own */
    uint64_t record_bytes;
    FileIdentity identity; /* of the message's file, once it was asked for */
    SpoolSpare *spare;     /* NULL: none */
    SpoolHistory history;
    Buffer appended; /* lines that were appended by this claim, but for `deferred` ones */
    char id[SPOOL_NAME_MAX];
};

/* Of the names of files that are being written. */
#define SPOOL_TEMPORARY_PREFIX ".tmp-"

#define SPOOL_OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Of statx(): what the kernel knows is enough, and a file system that somebody mounted over the
 * file is not asked. */
#define SPOOL_LOOK_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC)

/* Opens a file of the directory, which is there, with SPOOL_OPEN_FLAGS, and none that is on another
 * file system or behind a link. A descriptor or a negative errno: -EXDEV, -ELOOP. */
int spool_open_at(const Spool *spool, const char *name, int flags);

/* Says why that failed; its `r` again. */
int spool_cannot_open(const Spool *spool, const char *name, int r, Failure *f);

/* As fstatat(), of the name itself. 0 or a negative errno: -EXDEV where something is mounted. */
int spool_stat_at(int directory_fd, const char *name, struct stat *ret);

/* Whether that message is none that spool_show_only() hides. */
bool spool_has(const Spool *spool, const char *id, SpoolState state);

/* Renames without ever overwriting, on every file system. 0 or a negative errno. */
int spool_rename(int directory_fd, const char *from, const char *to);

/* The same where `to` has random characters, so that nobody else comes under that name: where the
 * file system cannot but link and unlink, a crash between would leave a file with two names, of
 * which nothing tells what the other one is. */
int spool_rename_fresh(int directory_fd, const char *from, const char *to);

/* Renames it to a name of a queued message that nobody can guess and that sorts by time: `ret`. 0
 * or a negative errno. */
int spool_name_anew(int directory_fd, const char *from, char ret[static SPOOL_NAME_MAX]);

/* ID.from becomes NEW.to: as spool_rename(), or spool_rename_fresh() when NEW is not ID. */
int spool_rename_message(
    const Spool *spool, const char *id, SpoolState from, const char *new_id, SpoolState to);

/* Another name of that file among those that a message of this id may have, left by a change that
 * was made of a link and an unlink and cut off between. False when there is none. */
bool spool_find_twin(
    const Spool *spool, const char *id, const struct stat *st, SpoolState except, SpoolState *ret);

/* Deletes one file. 0, -ENOENT (of a message; nobody has said anything yet), or a negative errno
 * with a Failure. A record that is not there is 0. */
int spool_unlink_message(const Spool *spool, const char *id, SpoolState state, Failure *f);
int spool_unlink_record(const Spool *spool, const char *id, Failure *f);

/* Removes a message and its record. 0, or a negative errno with a Failure. */
int spool_delete_message(const Spool *spool, const char *id, SpoolState state, Failure *f);

/* Microseconds of a file's time; 0 for times before the epoch. */
usec_t spool_file_time(const struct timespec *t);

/* Whether a message in another state than queued and sending uses the id: 1, 0, or a negative
 * errno. */
int spool_id_is_kept(const Spool *spool, const char *id);

/* A claim of `id`, not yet renamed or locked. NULL when memory is short. */
SpoolClaim *spool_claim_new(Spool *spool, const char *id, SpoolState from);

/* ---- What this process is sending. ---- */

/* Whether a claim has the id. */
bool spool_is_live(Spool *spool, const char *id);

/* The claim is `.sending`, and that is its file; and it is no more, which spool_claim_free() sees
 * to.
 */
void spool_claim_begin(SpoolClaim *claim, const struct stat *st);
void spool_claim_end(SpoolClaim *claim);

/* Says what the claim is called now. */
void spool_claim_set_id(SpoolClaim *claim, const char *id);

/* Whether the name of a live claim is its file's still, in a directory where others may rename
 * their files: 0, -ENOENT when it is gone or another's, -EBUSY when something is mounted on it, or
 * another negative errno. Other processes may claim what comes under the name: between this and
 * what is done by it, that would have to happen. */
int spool_claim_check_name(const SpoolClaim *claim);

/* The identity of the message's file, which is called `id.state`; found out once. 0 or a negative
 * errno. */
int spool_claim_identify(SpoolClaim *claim, SpoolState state);

/* Appends the first line of a record of the claim, which is `.sending`: whose it is. 0 or a
 * negative errno. */
int spool_claim_bind(SpoolClaim *claim, Buffer *lines);

/* Renames the claim from ID.from to NEW.to, NEW being a new id; its record comes along: it has both
 * names before the message has its new one, and loses the old one afterwards. 0, -ESTALE when
 * another file had come under the message's name, which is put back, or another negative errno;
 * then all is as it was. */
int spool_claim_change_id(SpoolClaim *claim, SpoolState from, SpoolState to);

/* Whether anybody has the file open for writing, but for this process by that descriptor: 1, 0, or
 * -EACCES when it cannot be told. A lease for reading is granted only while nobody has. It is given
 * back at once. */
int spool_has_writer(int fd);

/* Sets the record's modification time, by which the message is scheduled. 0 or a negative errno. */
int spool_set_due(const Spool *spool, const char *id, usec_t next);

/* ---- The record's file. ---- */

#define SPOOL_RECORD_MODE 0640

/* Whether the directory's owner, this process' user or root owns the file: in a drop box anybody
 * can create one of any name. */
bool spool_is_own(const Spool *spool, const struct stat *st);

/* Opens a record with `flags`. A descriptor, -ENOENT, or another negative errno with a Failure;
 * -EPERM when it is not to be trusted. */
int spool_record_open(const Spool *spool, const char *id, int flags, Failure *f);

/* Creates `name` for a record, readable for who may read the queue's records; -EEXIST and the like.
 */
int spool_record_create(const Spool *spool, const char *name);

/* Remembers that this, under the claim's id, is its record. */
void spool_claim_set_record(SpoolClaim *claim, const struct stat *st);

/* Gives the record the name of another id as well, on disk. 0, -EEXIST, -ENOENT when there is no
 * record, or another negative errno. */
int spool_record_link(const Spool *spool, const char *id, const char *new_id);

typedef enum RecordLook {
    RECORD_NONE,
    RECORD_OWN,      /* of the message that is being looked at */
    RECORD_FOREIGN,  /* another message's of the same id, or a stranger's file */
    RECORD_ORPHAN,   /* of a message that is not there any more: may be removed */
    RECORD_DOUBTFUL, /* it does not say whose it is, and has several links: it may be another
                        message's that a stranger gave this name, or this one's that was linked
                        elsewhere */
} RecordLook;

/* A record as it was found. */
typedef struct RecordView {
    int fd; /* for reading; -1 for none, and for a stranger's file */
    struct stat st;
    bool bound; /* it says whose it is */
    FileIdentity file;
} RecordView;

void spool_record_view_done(RecordView *view);

/* Opens the record, if it is this queue's. RECORD_NONE, RECORD_FOREIGN (a stranger's), RECORD_OWN
 * (the queue's), or a negative errno. */
int spool_record_view(const Spool *spool, const char *id, RecordView *ret);

/* Whether the viewed record belongs to the message `id.state`, whose identity is `own`. A
 * RecordLook but RECORD_NONE, or a negative errno. */
int spool_record_judge(const Spool *spool, const char *id, SpoolState state,
    const FileIdentity *own, const RecordView *view);

/* The message that the record names, in any state. 1 with it, 0, or a negative errno. */
int spool_record_find_message(const Spool *spool, const char *id, SpoolState *ret);

/* Both for the claim, whose file is called `id.state`. */
int spool_record_look(SpoolClaim *claim, const char *id, SpoolState state, RecordView *ret);

/* The event of the record's last line that is known, and the `next` of a `retry`; found from its
 * end. 0 or a negative errno. */
int spool_record_last(int record_fd, RecordEvent *ret, usec_t *ret_next);

/* Whether a shorter record would say the same. */
bool spool_record_is_wasteful(const RecordScan *scan);

/* Puts a new file with the lines that still say something into the record's place, durably; it says
 * whose it is, too. `fd` is the record's, and has been scanned. 0 or a negative errno, and then the
 * record is as it was. */
int spool_record_rewrite(SpoolClaim *claim, int fd, const RecordScan *scan);

/* As spool_record_append(), but without waiting for the disk. */
int spool_record_append_lazily(SpoolClaim *claim, const Buffer *lines, Failure *f);

/* Writes the lines at the record's end; `ret` is what it is then, its size included. 0 or a
 * negative errno, and then it is as it was. */
int spool_record_write(int fd, const Buffer *lines, struct stat *ret);

/* What the claim appended itself is known beside its history. */
void spool_claim_remember(SpoolClaim *claim, const Buffer *lines);

/* Starts a new record with what the claim knows of its former one and with these lines, under the
 * claim's id or, when `elsewhere` or that is taken, under a new one, which the message gets too.
 * 0, or a negative errno with a Failure, and then all is as it was. */
int spool_record_start_anew(SpoolClaim *claim, bool elsewhere, const Buffer *lines, Failure *f);

/* ---- Room for a record, in spool/reserve.c. ---- */

/* The claim's spare becomes its record, under that name. A descriptor; -EEXIST and the like; or
 * -ENOSPC when it has none. */
int spool_claim_use_spare(SpoolClaim *claim, const char *name);

/* Gives the claim's room to whoever writes next; false when it has none. */
bool spool_claim_spend_spare(SpoolClaim *claim);

/* The claim ends: while others have spares, the next one may have its. */
void spool_claim_unreserve(SpoolClaim *claim);

/* ---- Filling a history. An address of NULL is none. 0 or -ENOMEM. ---- */
int spool_history_add_delivered(SpoolHistory *history, const char *recipient);
int spool_history_add_refused(SpoolHistory *history, const char *recipient);
void spool_history_forget_refused(SpoolHistory *history);
void spool_history_sort(SpoolHistory *history);
