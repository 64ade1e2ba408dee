/* The content of a message as a client sends it, read as it comes: behind DATA, where a dot that
 * begins a line was doubled and a line with only a dot is the end (RFC 5321, 4.5.2), and behind
 * BDAT, where its octets were counted (RFC 3030).
 *
 * Lines end with CR LF. A CR or LF that stands alone ends no line, begins none, and is never part
 * of the end, whatever is around it: who takes it for a line end finds the end of a message, and
 * behind it commands, in what somebody wrote (RFC 5321, 2.3.8). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct ReceiveContent {
    enum {
        CONTENT_AT_LINE,
        CONTENT_IN_LINE,
        CONTENT_BEHIND_CR,
        CONTENT_BEHIND_DOT, /* which began a line, and is held back */
        CONTENT_BEHIND_DOT_CR,
    } place;
    bool stray; /* a CR or LF stood alone: this cannot be taken */
} ReceiveContent;

/* Octets in what was given. */
typedef struct ReceivePiece {
    const char *data;
    size_t n;
} ReceivePiece;

/* Takes octets off the front, up to a dot that was added or the end; those that are content are the
 * piece, which may be empty. True: the end has come. */
bool receive_content_dotted(
    ReceiveContent *content, const char **data, size_t *n, ReceivePiece *ret);

/* Looks at octets that were counted. */
void receive_content_counted(ReceiveContent *content, const char *data, size_t n);

/* No more will come: whether it ended with a CR that stands alone. */
bool receive_content_is_cut(const ReceiveContent *content);
