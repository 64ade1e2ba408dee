/* Encodes the body of a part line by line, with the encoders of base/encode.h. Inside the layer
 * only.
 */
#pragma once

#include <stdbool.h>

#include "base/encode.h"
#include "message/convert_part.h"

typedef enum EncodeMode {
    ENCODE_COPY,      /* as it is */
    ENCODE_DROP_ODD,  /* likewise, without lines that a relay cannot take: nobody sees them */
    ENCODE_QUOTED,    /* to quoted-printable */
    ENCODE_REQUOTED,  /* what is quoted-printable already, and has too long lines or 8-bit bytes */
    ENCODE_BASE64,    /* to base64 */
    ENCODE_REWRAPPED, /* what is base64 already, in lines of the usual length */
} EncodeMode;

typedef struct Encoder {
    EncodeMode mode;
    QuotedLines quoted;
    Base64Lines base64;
    size_t column;     /* ENCODE_REWRAPPED: characters on the line that is being written */
    bool line_end_due; /* the end of a line is content where another line follows it */
    bool odd;          /* the line that is being read is dropped */
} Encoder;

void encoder_start(Encoder *encoder, EncodeMode mode);

/* Appends what comes of a line or fragment. 0 or -ENOMEM. */
int encoder_add(Encoder *encoder, const Line *line, Buffer *out);

/* The body ends; what follows begins a line. 0 or -ENOMEM. */
int encoder_finish(Encoder *encoder, Buffer *out);
