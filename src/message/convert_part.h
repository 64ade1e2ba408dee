/* The lines of an input, and what the header of a MIME part says. Inside the layer only. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/input.h"

#define CONVERT_FRAGMENT 4096 /* bytes of a line that are handed out at a time */
#define CONVERT_BOUNDARY_MAX 200

typedef struct LineReader {
    Input *input;
    uint64_t at; /* of the input, where data[start] stands */
    char data[4 * CONVERT_FRAGMENT];
    size_t start, end;
    bool inside; /* the last fragment did not end its line */
    bool ended;  /* all that the input has is in `data` */
} LineReader;

typedef struct Line {
    const char *data;
    size_t n;    /* without its end */
    size_t end;  /* bytes of CRLF, CR or LF; 0: it goes on, or the input ends */
    bool begins; /* it is no fragment of a line that began before */
} Line;

/* What has been read and is still held is not read again: parts may be of a few bytes. */
void line_seek(LineReader *reader, Input *input, uint64_t at);

/* 1 with a line, or a fragment of a long one, borrowed until the next call; 0 at the end; or a
 * negative errno. */
int line_next(LineReader *reader, Line *ret);

typedef enum PartKind {
    PART_TEXT,
    PART_OTHER,
    PART_MULTIPART,
    PART_MESSAGE, /* message/rfc822: a message within */
    PART_FIXED,   /* must not be changed: signed, or of another message type, which is 7-bit */
} PartKind;

typedef enum PartEncoding {
    ENCODING_PLAIN, /* 7bit, 8bit, binary, or nothing said */
    ENCODING_QUOTED,
    ENCODING_BASE64,
    ENCODING_UNKNOWN,
} PartEncoding;

typedef struct Part {
    PartKind kind;
    PartEncoding encoding;
    bool has_type, has_version;
    bool is_digest;                          /* PART_MULTIPART whose parts are messages */
    char boundary[CONVERT_BOUNDARY_MAX + 1]; /* PART_MULTIPART */
} Part;

/* Reads a header, whole lines without the empty one behind it. A multipart without a boundary that
 * can be used is PART_FIXED. What says no type is a message in a digest (RFC 2046, 5.1.5), and else
 * text. Multiparts and messages that are encoded, which RFC 2045, 6.4 does not
 * allow, are PART_OTHER: what is within is seen only once they are decoded. */
void part_read(const char *header, size_t n, bool in_digest, Part *ret);

/* Length of the field at `at`, with its folds and line ends. */
size_t part_field_length(const char *at, const char *end);

/* The value of the field at `at`, behind blanks and folds; `end` is where the field ends. */
const char *part_field_value(const char *at, const char *end);

/* Whether the field at `at` has this name. */
bool part_field_is(const char *at, const char *end, const char *name);
