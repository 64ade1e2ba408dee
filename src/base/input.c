/* Reading from a file or from memory. Must never move a file's offset: others may have the same
 * description open. */
#include "base/input.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macros.h"

/* Looks at what is in memory first, so as to know whether the disk has to be waited for. Once it
 * had to be, or where that cannot be told, the look would only be a call more. 0: read as usual. */
static ssize_t look_at(InputFile *file, void *to, size_t n, uint64_t at)
{
    const struct iovec part = {.iov_base = to, .iov_len = n};
    ssize_t r = preadv2(file->fd, &part, 1, (off_t)at, RWF_NOWAIT);

    if (r >= 0 || errno == EINTR)
        return MAX(r, 0);
    if (errno != EAGAIN && errno != EOPNOTSUPP)
        return -errno;
    file->base.was_on_disk = errno == EAGAIN;
    file->looks_first = false;
    return 0;
}

static ssize_t file_read_at(Input *input, void *to, size_t n, uint64_t at)
{
    InputFile *file = (InputFile *)input;
    ssize_t r = 0;

    if (file->looks_first)
        r = look_at(file, to, n, at);
    if (r != 0)
        return r;
    do
        r = pread(file->fd, to, n, (off_t)at);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

void input_file_init(InputFile *input, int fd, uint64_t size)
{
    static const InputOps ops = {.read_at = file_read_at};

    *input = (InputFile){.base = {.ops = &ops, .size = size}, .fd = fd, .looks_first = true};
}

static ssize_t memory_read_at(Input *input, void *to, size_t n, uint64_t at)
{
    const InputMemory *memory = (const InputMemory *)input;

    if (at >= memory->n)
        return 0;
    n = MIN(n, memory->n - (size_t)at);
    memcpy(to, memory->data + at, n);
    return (ssize_t)n;
}

void input_memory_init(InputMemory *input, const void *data, size_t n)
{
    static const InputOps ops = {.read_at = memory_read_at};

    *input = (InputMemory){.base = {.ops = &ops, .size = n}, .data = data, .n = n};
}
