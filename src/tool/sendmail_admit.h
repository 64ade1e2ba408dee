/* Who may hand over mail by SMTP to sendmail -bs, where that is on a TCP connection. */
#pragma once

#include "base/buffer.h"
#include "receive/session.h"
#include "tool/peer.h"
#include "tool/sendmail.h"

/* What is answered instead of the greeting. */
typedef struct Rejection {
    int code;
    const char *enhanced;
} Rejection;

/* Lets in the programs of this machine, and other hosts where spool.submit_networks has them. From
 * then on this process is the user's whose mail comes. 0, or a negative errno with a rejection and
 * a Failure that says it. */
int sendmail_admit(const SendmailOptions *options, const Peer *peer, Rejection *ret, Failure *f);

/* Appends the Received field (RFC 5321, 4.4) of a message that came from there, and a NUL. 0 or
 * -ENOMEM. */
int sendmail_trace(const Peer *peer, const ReceiveSession *session, const char *host, Buffer *out);

/* Whether a message, whose header is in the start, has been by so many hosts that it goes round in
 * circles (RFC 5321, 6.3). */
bool sendmail_loops(const Buffer *start);
