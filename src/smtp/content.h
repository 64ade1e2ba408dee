/* The message as SMTP wants it: CRLF line ends, dots stuffed (RFC 5321, 4.5.2) or in BDAT chunks
 * (RFC 3030). Pure; state carries over any split of the input.
 *
 * LF, CRLF and a bare CR each end a line and come out as CRLF, so that no bare CR or LF ever
 * reaches the server and no content can end a message early (RFC 5321, 2.3.8). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

typedef struct SmtpContent {
    bool stuff_dots; /* DATA: true; BDAT: false */
    bool last_was_cr;
    bool in_line; /* something stands on the current line */
} SmtpContent;

void smtp_content_init(SmtpContent *content, bool stuff_dots);

/* Appends the encoded form of `n` raw bytes. 0 or -ENOMEM. */
int smtp_content_encode(SmtpContent *content, const char *data, size_t n, Buffer *out);

/* Ends the last line if it was left open, and appends ".CRLF" in the form for DATA. 0 or -ENOMEM.
 */
int smtp_content_finish(SmtpContent *content, Buffer *out);
