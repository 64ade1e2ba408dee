/* SMTP replies (RFC 5321, 4.2), parsed incrementally and within limits. Pure: no I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define SMTP_REPLY_LINES_MAX 512         /* lines of one reply */
#define SMTP_REPLY_BYTES_MAX (64 * 1024) /* bytes of one reply, line ends included */

typedef struct SmtpReply {
    int code;          /* 200 to 599 */
    char enhanced[12]; /* "2.1.5" (RFC 2034), or "" */
    Buffer text; /* lines without code, enhanced code and line ends, each ended by LF; then a NUL
                  * that is not counted */
    unsigned lines;
    size_t bytes;  /* consumed so far, line ends included */
    bool complete; /* parser state: the last line has been seen */
} SmtpReply;

typedef enum SmtpReplyResult {
    SMTP_REPLY_COMPLETE = 0,
    SMTP_REPLY_MORE = 1,      /* the bytes end within the reply */
    SMTP_REPLY_MALFORMED = 2, /* no reply at all; the connection is of no use any more */
    SMTP_REPLY_TOO_LONG = 3,  /* a limit was passed */
} SmtpReplyResult;

/* Consumes bytes up to the end of one reply. `*ret_consumed` says how many; a partial line is not
 * consumed. After SMTP_REPLY_COMPLETE the reply is whole until the next call, which starts a new
 * one. `max_line` bounds a line, its end included. Lenient where servers are: LF alone ends a line;
 * a code without text; empty lines say nothing; a code that differs between the lines is malformed.
 * Control bytes in texts are kept here and escaped by who shows them. What cannot become a reply is
 * malformed with its first wrong byte, without waiting for the end of its line: a peer that speaks
 * TLS or another protocol may never send one. A SmtpReplyResult or -ENOMEM. */
int smtp_reply_parse(
    SmtpReply *reply, const char *data, size_t n, size_t max_line, size_t *ret_consumed);

void smtp_reply_done(SmtpReply *reply);
