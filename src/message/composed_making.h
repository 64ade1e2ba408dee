/* A composed message while it is made and read: memory, and sources that are encoded as they are
 * read. Inside the layer only. */
#pragma once

#include "base/encode.h"
#include "message/compose_source.h"
#include "message/composed.h"

typedef enum PieceEncoding {
    PIECE_AS_IS,       /* bytes */
    PIECE_LINES,       /* lines that end with LF, and nothing else changed */
    PIECE_QUOTED,      /* quoted-printable */
    PIECE_BASE64,      /* of bytes */
    PIECE_BASE64_LF,   /* of lines that end with LF */
    PIECE_BASE64_CRLF, /* with CRLF, as text has to (RFC 2045, 6.8) */
} PieceEncoding;

/* Text, and behind it a source. */
typedef struct Piece {
    Buffer text;
    bool has_source;
    SourceReader source;
    PieceEncoding encoding;
    bool is_text;    /* it has to be UTF-8, and hold no NUL */
    TextShape shape; /* of what was read */
    Base64Lines base64;
    QuotedLines quoted;
    bool held_cr;   /* a CR was read, and not what stands behind it */
    bool line_open; /* the line that is written has no end yet */
} Piece;

struct Composed {
    Envelope envelope;
    Buffer block, header;
    Piece **pieces;
    size_t n_pieces;
    bool begun;  /* block and header were read */
    size_t at;   /* the piece that is read */
    bool closes; /* it is made: closing it closes what is the caller's */
    bool keeps_body;
    Buffer body;
    ComposeField *fields;
    size_t n_fields;
};

/* Where text goes that stands behind what there is. NULL when memory is short. */
Buffer *composed_text(Composed *composed);

/* Takes the source over, also on failure, to stand behind what there is. 0 or -ENOMEM. */
int composed_add_source(
    Composed *composed, SourceReader *source, PieceEncoding encoding, bool is_text);

/* 0, or -EBADMSG with a Failure when what was read so far, which is the whole if `whole`, is no
 * text. */
int source_check_text(const SourceReader *source, const TextShape *shape, bool whole, Failure *f);
