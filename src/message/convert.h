/* A message as a relay can take it that takes no 8-bit content, or no line over 998 bytes: an input
 * over another, whose parts are encoded (quoted-printable, or base64 where they are not text) as
 * far as they need it, as RFC 6152, 3 and RFC 2045 have it. The structure of multipart messages
 * stays; header fields stay as they are, but for Content-Transfer-Encoding, fields that say what
 * was not said, and folds in lines that are too long. A message within whose own header is not
 * ASCII is encoded as a whole, under another type. doc/decisions/content-conversion.md tells why.
 *
 * Memory is bounded by the header of a part, and some bytes for each long one; each byte is looked
 * at twice, to see whether its part needs it and to encode it, and one of a long part once only
 * when it is handed out. */
#pragma once

#include "base/failure.h"
#include "base/input.h"

typedef struct Convert Convert;

/* `source` is borrowed; `keep_8bit`: only for the lines. It is run through once. 0; -EBADMSG with a
 * Failure for a message that cannot be converted: what is signed may not be changed; other negative
 * errno values of reading. */
int convert_new(Input *source, bool keep_8bit, Convert **ret, Failure *f);
void convert_free(Convert *convert);

/* To be read from the start on, or from where the last read ended; -ESPIPE otherwise. */
Input *convert_input(Convert *convert);

/* Bytes of it on the wire (RFC 1870, 4). */
uint64_t convert_wire_size(const Convert *convert);

DEFINE_CLEANUP(Convert, convert_free);
