/* The server's side of SMTP and LMTP (RFC 5321, RFC 2033), without I/O: octets of the client go in,
 * replies and events come out. What it offers: PIPELINING, 8BITMIME, SMTPUTF8, SIZE, DSN, CHUNKING,
 * ENHANCEDSTATUSCODES and LIMITS (RFC 2920, 6152, 6531, 1870, 3461, 3030, 2034, 9422).
 *
 * Senders, recipients and messages are told as they come, and whoever is told says what becomes of
 * them. Content is passed on in pieces and never gathered. Whatever a client sends takes time
 * linear in it, and constant memory beside the replies that it does not fetch. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define RECEIVE_RECIPIENTS_MAX 10000 /* of a message, those that were refused included */
#define RECEIVE_ERRORS_MAX 20        /* mistakes between two messages */
#define RECEIVE_COMMANDS_MAX 1000    /* commands between two messages, but RCPT and BDAT */

typedef enum ReceiveEvent {
    RECEIVE_MORE,      /* all octets are used up; replies are to be sent before more are read */
    RECEIVE_SENDER,    /* MAIL: to be answered */
    RECEIVE_RECIPIENT, /* RCPT: to be answered */
    RECEIVE_CONTENT,   /* octets of the message, with CR LF and without the dots that were added */
    RECEIVE_END,       /* the message is complete: to be answered */
    RECEIVE_DROP,      /* what was told since RECEIVE_SENDER is void */
    RECEIVE_CLOSE,     /* the session is over, once the replies are sent */
} ReceiveEvent;

/* What goes with an event: borrowed until the next call. */
typedef struct ReceivePart {
    const char *address;    /* bare; "" is the null reverse-path <> */
    const char *parameters; /* SMTPUTF8, RET and ENVID, or NOTIFY and ORCPT, as they stand; their
                               values are not judged. NULL: none */
    const char *data;       /* RECEIVE_CONTENT: in what was given */
    size_t n;
} ReceivePart;

typedef struct ReceiveSession ReceiveSession;

/* `host` is this host's name (copied); a message may have `max_bytes` (0: any number). The greeting
 * is the first reply. NULL when memory is short. */
ReceiveSession *receive_session_new(const char *host, uint64_t max_bytes);
void receive_session_free(ReceiveSession *session); /* accepts NULL */

/* Takes octets off the front of what is given until there is something to tell. */
ReceiveEvent receive_session_take(
    ReceiveSession *session, const char **data, size_t *n, ReceivePart *ret);

/* Answers what was told last. The text is one sentence. */
void receive_session_accept(ReceiveSession *session, const char *text);

/* The same with a code and an enhanced status code (RFC 3463): "550", "5.1.1". While content comes
 * it is of the message, the rest of which is not told any more. */
void receive_session_refuse(
    ReceiveSession *session, int code, const char *enhanced, const char *text);

/* Ends the session with this reply, at any time; in the place of the greeting where that was not
 * sent. */
void receive_session_close(
    ReceiveSession *session, int code, const char *enhanced, const char *text);

/* The input has ended. Where that is within a line, why the line was none is said. Whether nothing
 * was begun, and each reply was given. */
bool receive_session_end(ReceiveSession *session);

/* The input has not ended, but nothing has come of it for too long: 421 with this text ends the
 * session, and nothing else is said. As above. */
bool receive_session_give_up(ReceiveSession *session, const char *text);

/* The replies, from which what has been sent is consumed. */
Buffer *receive_session_replies(ReceiveSession *session);

/* What the client calls itself, if that can be the name or the address literal of a host; else
 * NULL. Borrowed. */
const char *receive_session_client(const ReceiveSession *session);

/* What is spoken, for a Received field: SMTP, ESMTP, LMTP, UTF8SMTP, UTF8LMTP (RFC 3848, RFC 6531).
 */
const char *receive_session_protocol(const ReceiveSession *session);

static inline void receive_session_free_p(ReceiveSession **session)
{
    receive_session_free(*session);
}
