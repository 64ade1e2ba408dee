/* Bytes that are read from wherever they are kept: a file, memory, later a row of a database.
 *
 * An input is a structure that starts with an Input and belongs to whoever opened it; who reads
 * from it borrows it. Inputs share nothing, so that each may be used on a thread of its own, by one
 * thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Input Input;

typedef struct InputOps {
    /* Reads up to `n` bytes (at least one is wanted) that stand `at` bytes from the start. How many
     * there were, perhaps fewer than wanted; 0 at the end; or a negative errno, never -EINTR. */
    ssize_t (*read_at)(Input *input, void *to, size_t n, uint64_t at);
} InputOps;

struct Input {
    const InputOps *ops;
    uint64_t size;    /* bytes in all, as known at the start: a file may have become shorter */
    bool was_on_disk; /* a read had to wait for a disk: what comes next may have to as well */
};

static inline ssize_t input_read_at(Input *input, void *to, size_t n, uint64_t at)
{
    return input->ops->read_at(input, to, n, at);
}

/* A regular file. The descriptor, which pread() must work on, is borrowed, and its offset is left
 * alone. */
typedef struct InputFile {
    Input base;
    int fd;
    bool looks_first; /* whether its pages are in memory; not every file system can tell */
} InputFile;

void input_file_init(InputFile *input, int fd, uint64_t size);

/* What is in memory already; borrowed. `base.size` may be raised afterwards to say that there is
 * more which cannot be read. */
typedef struct InputMemory {
    Input base;
    const char *data;
    size_t n;
} InputMemory;

void input_memory_init(InputMemory *input, const void *data, size_t n);
