/* Reading and writing files whole, and making a change of a directory durable. */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

/* A file's owner that is not known: no user has this number (chown(2)). */
#define FILE_OWNER_UNKNOWN ((uid_t)-1)

/* Writes all of it, going on after EINTR and short writes. 0 or a negative errno. */
int file_write_all(int fd, const void *data, size_t n);

/* Appends the rest of the file to `out`; -EFBIG when there are more than `max` bytes. */
int file_read_all(int fd, size_t max, Buffer *out);

/* Which pipes will do in the place of a file. */
typedef enum FilePipes {
    FILE_NO_PIPE,
    FILE_SHELL_PIPE, /* one without a name, as a shell makes it of <(...): somebody writes to it,
                      * and ends; to one that has a name nobody need ever write */
    FILE_ANY_PIPE,   /* waits for who writes to it, as cat(1) does */
} FilePipes;

/* Opens a file that somebody names, to be read, and waits for no other: a descriptor, or a negative
 * errno, -EISDIR for a directory, -ENXIO for a device, a socket or a pipe that will not do.
 * /dev/null is an empty file. */
int file_open(int directory_fd, const char *path, FilePipes pipes);

/* What a negative errno of these means, in words that go behind a colon. */
const char *file_trouble(int error);

/* Opens, reads, closes; as above, with FILE_ANY_PIPE. */
int file_load(int directory_fd, const char *path, size_t max, Buffer *out);

/* A stream of the directory's entries, from their beginning, which the caller closes: the
 * descriptor stays the caller's. 0 or a negative errno. */
int file_open_entries(int directory_fd, DIR **ret);

/* fsync of a descriptor (file or directory). 0 or a negative errno; -EINVAL from file systems that
 * cannot is 0. */
int file_sync(int fd);

/* Of the three standard streams, those that are closed become files that can be neither read nor
 * written: no file that is opened later gets such a number, so that something is printed into it or
 * read from it that is not meant for it, and who uses the stream is told. */
void file_occupy_standard_streams(void);

/* Writes `n` characters of [0-9a-v] with 5 random bits each and a NUL. */
void file_random_name(char *ret_text, size_t n);

/* How many descriptors this process may have open, at most INT_MAX (RLIMIT_NOFILE). */
size_t file_descriptors_max(void);

/* A file without a name, for what cannot be read twice: in $TMPDIR, or where that cannot be used in
 * /var/tmp, /tmp or memory. A descriptor, which the caller closes, or a negative errno. */
int file_scratch(void);

/* The same, and never in memory: for what may be large. */
int file_scratch_on_disk(void);
