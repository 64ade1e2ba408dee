/* One field of a header that is being written: the gate to a composed message. Whatever is written
 * passes it, a piece at a time: no piece can end the line, none makes it longer than RFC
 * 5322, 2.1.1 allows, and the field is folded at its blanks before the width that is wanted, where
 * they are.
 *
 * Inside the layer only. Errors are remembered, and told by field_end(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/charset.h"
#include "base/failure.h"

#define FIELD_LINE_MAX 998  /* without its end (RFC 5322, 2.1.1) */
#define FIELD_LINE_WIDTH 78 /* folded before, where there is a blank */

/* Where fields go, and how they are written. */
typedef struct FieldOutput {
    Buffer *buffer;
    size_t width;     /* a line is folded before; at most FIELD_LINE_MAX */
    Charset *charset; /* of encoded words; NULL: UTF-8 */
} FieldOutput;

typedef struct FieldWriter {
    Buffer *out;
    size_t width;
    Charset *charset;
    size_t column;
    size_t glued; /* characters that may be put right behind any piece, which a line has room for */
    bool begun;   /* a piece is there */
    bool utf8;    /* pieces may hold UTF-8 (RFC 6532) */
    int error;    /* 0, -ENOMEM, or -EBADMSG with `reason` */
    const char *reason;
    char lacking[CHARSET_CHARACTER_MAX + 1]; /* the character that the set lacks; empty: none */
} FieldWriter;

/* Begins the line with the name, of printable ASCII characters but the colon (RFC 5322, 2.2). */
void field_begin(FieldWriter *w, const FieldOutput *out, const char *name, size_t n);

/* The usual output: UTF-8, and lines of FIELD_LINE_WIDTH. */
static inline FieldOutput field_output(Buffer *buffer)
{
    return (FieldOutput){.buffer = buffer, .width = FIELD_LINE_WIDTH};
}

/* Remembers that the character set lacks a character of the text. */
void field_fail_character(FieldWriter *w, const char *text, size_t n);

/* Writes a piece, which is not broken, behind blanks at which the line may be folded; without
 * blanks (n_blanks 0) it goes right behind what is there. */
void field_put(FieldWriter *w, const char *blanks, size_t n_blanks, const char *text, size_t n);

/* The usual: behind one blank; right behind. */
void field_put_word(FieldWriter *w, const char *text);
void field_put_glued(FieldWriter *w, const char *text);

/* Characters that the line has left before it is to be folded, a blank taken off. */
size_t field_room(const FieldWriter *w);

/* Ends the line. 0; -ENOMEM; or -EBADMSG with a Failure that names `what`. */
int field_end(FieldWriter *w, const char *what, Failure *f);
