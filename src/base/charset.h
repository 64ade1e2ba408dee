/* The character set of a header's encoded words (RFC 2047), where it is not UTF-8. */
#pragma once

#include <iconv.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

#define CHARSET_NAME_MAX 40
#define CHARSET_CHARACTER_MAX 4 /* bytes of one in UTF-8 */

typedef struct Charset {
    char name[CHARSET_NAME_MAX + 1];
    iconv_t converter; /* from UTF-8 */
} Charset;

/* The set of that name, to be closed. 1; 0: it is UTF-8, for which there is nothing to convert;
 * -EBADMSG with a Failure (ERROR_CHARSET): there is none of that name, or it is no extension of
 * ASCII, as those of mail are; -ENOMEM. */
int charset_open(const char *name, Charset *ret, Failure *f);
void charset_close(Charset *charset);

/* Appends the UTF-8 text in the set, from its first state to its first state. 0; -EILSEQ: the set
 * lacks a character; -ENOMEM. */
int charset_convert(Charset *charset, const char *text, size_t n, Buffer *out);

/* The number of the character of UTF-8 that is the text. */
unsigned charset_number(const char *text);
