/* Bytes of a file or a pipe, looked at before they are taken. Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct Reader {
    int fd;
    Buffer data;   /* read, and not taken yet */
    size_t lines;  /* whole ones that were taken by reader_line() */
    uint64_t read; /* bytes, of the file */
    bool ended;
} Reader;

/* Has `n` bytes in `data`; fewer only at the end. 0 or a negative errno. */
int reader_fill(Reader *reader, size_t n);

/* Appends whatever comes next, some 64 KiB. 1, 0 at the end, or a negative errno. */
int reader_take(Reader *reader, Buffer *out);

/* The next line in `out`, which is emptied before, without its end, LF or CR LF, and with a NUL
 * behind it that does not count. 1; 0 at the end of the file; -E2BIG when it is longer than
 * READER_LINE_MAX, -EILSEQ when it has a NUL; or another negative errno. */
int reader_line(Reader *reader, Buffer *out);
#define READER_LINE_MAX 8192

/* Goes on at this place of a file. 0 or a negative errno. */
int reader_seek(Reader *reader, uint64_t at);

/* Where in the file the next byte is. */
static inline uint64_t reader_at(const Reader *reader)
{
    return reader->read - buffer_size(&reader->data);
}

void reader_done(Reader *reader);
