/* Reading and writing files whole, and making a change of a directory durable. */
#pragma once

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

/* Opens a file that somebody names, to be read, and never waits for it: a descriptor, or a negative
 * errno, -EISDIR for a directory, -ENXIO for a device, a socket or a pipe. /dev/null is an empty
 * file. `shell`: a pipe without a name will do, as a shell makes one of <(...): somebody writes to
 * it, and ends. To one that has a name nobody need ever write. */
int file_open(int directory_fd, const char *path, bool shell);

/* What a negative errno of these means, in words that go behind a colon. */
const char *file_trouble(int error);

/* Opens, reads, closes; as above, with `shell`. */
int file_load(int directory_fd, const char *path, size_t max, Buffer *out);

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
