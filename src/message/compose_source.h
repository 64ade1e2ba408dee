/* Reading what a body is made of, wherever it comes from. Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/compose_origin.h"

/* What a text is made of, told over any split of it. */
typedef struct TextShape {
    uint64_t n, others;   /* bytes, and those above 127 */
    uint64_t line;        /* bytes of the line that is open */
    bool has_long_lines;  /* over FIELD_LINE_MAX */
    bool has_nul, has_cr; /* a CR that ends no line */
    bool is_broken;       /* it is not UTF-8 */
    bool last_was_cr;
    char open[4]; /* the beginning of a character */
    size_t n_open;
} TextShape;

void text_shape_add(TextShape *shape, const char *data, size_t n);
void text_shape_finish(TextShape *shape);

/* A source that is open. */
typedef struct SourceReader {
    ComposeSource source;
    const char *what; /* "the attachment", in front of the file's name in a Failure */
    int number;       /* of a Failure that is the source's; 0: the one of the errno */
    int fd;
    bool owns_fd;
    bool is_regular;
    struct stat found; /* a regular file, as it was found */
    uint64_t start;    /* where reading it begins */
    uint64_t n_read;
    Buffer ahead;  /* read already */
    bool ended;    /* there is nothing behind it */
    bool finished; /* for who reads: all was given out */
} SourceReader;

/* Opens it. 0; -EBADMSG with a Failure that names it and what is wrong: it is missing, a directory,
 * not to be read, larger than COMPOSE_FILE_MAX. Borrows `source`'s pointers and `what`. */
int source_open(
    SourceReader *reader, const ComposeSource *source, const char *what, int number, Failure *f);

/* Looks through all of it, without moving on; of what can be read once only, and of which that is
 * kept, through the beginning. True in `*ret_whole`: that was all. 0, -EBADMSG with a Failure,
 * -ENOMEM. */
int source_look(SourceReader *reader, TextShape *ret, bool *ret_whole, Failure *f);

/* The first bytes, up to `n` of them, without moving on: appended. 0, -EBADMSG with a Failure,
 * -ENOMEM. */
int source_peek(SourceReader *reader, size_t n, Buffer *out, Failure *f);

/* Appends the next bytes, some at least; nothing: the end is reached, and a file is still what it
 * was when it was opened. 0, -EBADMSG with a Failure, -ENOMEM. */
int source_read(SourceReader *reader, Buffer *out, Failure *f);

/* Reads on into what is kept until `n` bytes are, or the end: those can be seen in `ahead`. */
int source_fill(SourceReader *reader, size_t n, Failure *f);

/* Sets a Failure: the name of the source, and the words behind it. Returns -EBADMSG. */
int source_fail(const SourceReader *reader, int number, const char *words, Failure *f);

/* `closes`: what is the caller's is closed as well, where the source says so. */
void source_close(SourceReader *reader, bool closes);
