/* Reading ahead. Must never hold more than a line and what a read brought. */
#include "foreign/reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

/* 1, 0 at the end, or a negative errno. */
static int read_more(Reader *reader)
{
    char *to = reader->ended ? NULL : buffer_reserve(&reader->data, READ_BYTES);
    ssize_t n;

    if (!to)
        return reader->ended ? 0 : -ENOMEM;
    do
        n = read(reader->fd, to, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    buffer_commit(&reader->data, (size_t)n);
    reader->read += (uint64_t)n;
    reader->ended = n == 0;
    return n > 0;
}

int reader_fill(Reader *reader, size_t n)
{
    int r = 1;

    while (r > 0 && buffer_size(&reader->data) < n)
        r = read_more(reader);
    return MIN(r, 0);
}

int reader_take(Reader *reader, Buffer *out)
{
    int r = buffer_size(&reader->data) > 0 ? 1 : read_more(reader);

    if (r > 0)
        r = buffer_append(out, buffer_data(&reader->data), buffer_size(&reader->data));
    if (r < 0)
        return r;
    r = buffer_size(&reader->data) > 0;
    buffer_clear(&reader->data);
    return r;
}

/* Takes `n` bytes, of which the last ones are the line's end. */
static int take_line(Reader *reader, size_t n, size_t end, Buffer *out)
{
    const char *data = buffer_data(&reader->data);
    size_t length = n - end;

    if (end > 0 && length > 0 && data[length - 1] == '\r')
        length--;
    if (memchr(data, '\0', length))
        return -EILSEQ;
    if (buffer_append(out, data, length) < 0 || buffer_append(out, "", 1) < 0)
        return -ENOMEM;
    buffer_truncate(out, length);
    buffer_consume(&reader->data, n);
    reader->lines++;
    return 1;
}

int reader_line(Reader *reader, Buffer *out)
{
    size_t looked = 0;

    buffer_clear(out);
    for (;;) {
        const char *from = buffer_at(&reader->data, looked);
        size_t n = buffer_size(&reader->data);
        const char *end = n > looked ? memchr(from, '\n', n - looked) : NULL;
        int r;

        if (end)
            n = (size_t)(end - buffer_data(&reader->data)) + 1;
        if (n > READER_LINE_MAX)
            return -E2BIG;
        if (end || reader->ended)
            return n > 0 ? take_line(reader, n, end != NULL, out) : 0;
        looked = n;
        r = read_more(reader);
        if (r < 0)
            return r;
    }
}

int reader_seek(Reader *reader, uint64_t at)
{
    if (lseek(reader->fd, (off_t)at, SEEK_SET) < 0)
        return -errno;
    buffer_clear(&reader->data);
    reader->read = at;
    reader->ended = false;
    return 0;
}

void reader_done(Reader *reader)
{
    close_p(&reader->fd);
    buffer_done(&reader->data);
}
