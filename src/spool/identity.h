/* Which file something is, told from every other that had or will have its name or its inode's
 * number: what binds a record to its message. Private to the spool. doc/spool.md says what each
 * part is for, doc/decisions/records-belong-to-files.md why. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "spool/spool.h"

/* Of the longest handle (MAX_HANDLE_SZ bytes) as text, its type in front. */
#define FILE_IDENTITY_HANDLE_MAX 272

typedef struct FileIdentity {
    uint64_t inode;
    uint64_t birth; /* nanoseconds; 0 where the file system does not say */
    uint64_t mtime; /* nanoseconds */
    uint64_t bytes;
    char handle[FILE_IDENTITY_HANDLE_MAX]; /* the kernel's, with the inode's generation; "" for none
                                            */
    uid_t owner; /* the user who queued it: told, and not compared, for it may be changed */
} FileIdentity;

/* Of the file `name` below the descriptor, links not followed; of the descriptor's own where `name`
 * is "". 0 or a negative errno. It takes two system calls. */
int file_identity_of(const Spool *spool, int fd, const char *name, FileIdentity *ret);

/* Whether both are the same file: by handle and time of birth; where one of them has no handle, by
 * inode and time of birth; where that is not known either, by inode, time of change and size. */
bool file_identity_is_same(const FileIdentity *a, const FileIdentity *b);

/* The first line of the record of a message whose file that is. 0 or -ENOMEM. */
int file_identity_append_line(Buffer *lines, usec_t now, const FileIdentity *identity);

/* What the first line of the record says: 1, 0 when it does not say (a former version's), or a
 * negative errno. */
int file_identity_of_record(int record_fd, FileIdentity *ret);
