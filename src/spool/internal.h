/* What the modules of the spool share with each other and with nobody else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/failure.h"
#include "spool/closer.h"
#include "spool/spool.h"

struct Spool {
    int fd;
    char *path;
    dev_t device;
    ino_t inode;
    uid_t owner; /* of the directory: who runs the daemon */
    gid_t group;
    Closer *closer; /* NULL without a worker */
};

struct SpoolClaim {
    Spool *spool;
    int fd; /* locked; -1 for a thing that cannot be opened and is on its way to `.failed` */
    uint64_t size;
    usec_t arrival;
    bool has_record;
    char id[SPOOL_NAME_MAX];
};

#define SPOOL_OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Renames without ever overwriting, on every file system. 0 or a negative errno. */
int spool_rename(int directory_fd, const char *from, const char *to);

/* ID.from becomes NEW.to; as above. */
int spool_rename_message(
    const Spool *spool, const char *id, SpoolState from, const char *new_id, SpoolState to);

/* Deletes one file. 0, -ENOENT (of a message; nobody has said anything yet), or a negative errno
 * with a Failure. A record that is not there is 0. */
int spool_unlink_message(const Spool *spool, const char *id, SpoolState state, Failure *f);
int spool_unlink_record(const Spool *spool, const char *id, Failure *f);

/* Microseconds of a file's time; 0 for times before the epoch. */
usec_t spool_file_time(const struct timespec *t);

/* Whether a message in another state than queued and sending uses the id: the record is its. */
bool spool_id_is_kept(const Spool *spool, const char *id);

/* A claim of `id.sending`, not yet renamed or locked. NULL when memory is short. */
SpoolClaim *spool_claim_new(Spool *spool, const char *id);

/* Renames the claim from ID.from to NEW.to, NEW being a new id; its record comes along. 0 or a
 * negative errno. */
int spool_claim_change_id(SpoolClaim *claim, SpoolState from, SpoolState to);

/* A record is trusted when it is a regular file with one link of the directory's owner, ours or
 * root's: in a drop box anybody can create a file of that name. */
bool spool_record_is_trusted(const Spool *spool, const struct stat *st);

/* Opens a record with `flags`. A descriptor, -ENOENT, or another negative errno with a Failure. */
int spool_record_open(const Spool *spool, const char *id, int flags, Failure *f);

typedef enum RecordLook {
    RECORD_NONE,
    RECORD_OWN,     /* of the message that is being looked at */
    RECORD_FOREIGN, /* another message's of the same id, or a stranger's file */
} RecordLook;

/* Whose `id.status` is, seen from the message `id.sending`. A RecordLook or a negative errno. */
int spool_record_look(const Spool *spool, const char *id);
