/* The lines of a record, one after the other, from a descriptor: in bounded memory however long the
 * record is, and in time linear in its size. Private to the spool. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* None of ours is that long: texts are cut (spool/record.c) and addresses are short. A longer one
 * is passed by. */
#define RECORD_LINE_MAX ((size_t)256 * 1024)

typedef struct LineReader {
    int fd;          /* borrowed; its file offset is neither used nor changed */
    uint64_t at;     /* where the buffer's end is in the file */
    uint64_t start;  /* where the next line starts */
    size_t consumed; /* bytes of the buffer's front that the last line had */
    size_t searched; /* bytes behind them that hold no line end */
    Buffer buffer;
    bool skips; /* in the middle of a line that is too long */
    bool ended; /* the end of the file has been read */
} LineReader;

typedef struct RecordLine {
    const char *data; /* without its line end, no NUL behind; borrowed until the next call */
    size_t n;         /* 0 for one that is too long */
    uint64_t offset;  /* in the file */
    uint64_t bytes;   /* all it has there, line end included */
} RecordLine;

/* The reader is initialised with {.fd = FD}. 1 with the next line, 0 at the end, or a negative
 * errno. */
int line_reader_next(LineReader *reader, RecordLine *ret);
void line_reader_done(LineReader *reader);
