/* Splitting a file into lines. Must never hold more of it than one line of ours and what one read
 * brought, nor look at a byte twice. */
#include "spool/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)32 * 1024)

/* Reads on. 0, or a negative errno. */
static int fill(LineReader *r)
{
    char *to = buffer_reserve(&r->buffer, READ_BYTES);
    ssize_t n;

    if (!to)
        return -ENOMEM;
    do
        n = pread(r->fd, to, READ_BYTES, (off_t)r->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    r->ended = n == 0;
    r->at += (uint64_t)n;
    buffer_commit(&r->buffer, (size_t)n);
    return 0;
}

/* Hands out the first `bytes` bytes of the buffer, and what was passed by before them. */
static int give(LineReader *r, size_t bytes, size_t line_end, RecordLine *ret)
{
    uint64_t end = r->at - buffer_size(&r->buffer) + bytes;
    size_t n = bytes - line_end;

    *ret = (RecordLine){.data = buffer_data(&r->buffer),
        .n = r->skips || n > RECORD_LINE_MAX ? 0 : n,
        .offset = r->start,
        .bytes = end - r->start};
    r->start = end;
    r->consumed = bytes;
    r->searched = 0;
    r->skips = false;
    return 1;
}

int line_reader_next(LineReader *r, RecordLine *ret)
{
    buffer_consume(&r->buffer, r->consumed);
    r->consumed = 0;
    for (;;) {
        size_t size = buffer_size(&r->buffer);
        const char *from = buffer_data(&r->buffer);
        const char *newline =
            size > r->searched ? memchr(from + r->searched, '\n', size - r->searched) : NULL;
        int error;

        if (newline)
            return give(r, (size_t)(newline - from) + 1, 1, ret);
        r->searched = size;
        if (r->ended)
            return r->start < r->at ? give(r, size, 0, ret) : 0;
        if (size > RECORD_LINE_MAX) {
            r->skips = true;
            buffer_clear(&r->buffer);
            r->searched = 0;
        }
        error = fill(r);
        if (error < 0)
            return error;
    }
}

void line_reader_done(LineReader *r)
{
    buffer_done(&r->buffer);
}
