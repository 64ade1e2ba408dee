/* What a client tells while a call is in progress.
 *
 * Events come in the thread of the call, within it (a step, where the client does not block).
 * Within an event the client may be asked (outbox_get(), outbox_last_reply(), the certificate) and
 * interrupted; every other call on it fails with 166. What an event is given is borrowed until it
 * returns. */
#ifndef OUTBOX_EVENTS_H
#define OUTBOX_EVENTS_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* Who says something. */
enum {
    OUTBOX_DIRECTION_CLIENT = 0,
    OUTBOX_DIRECTION_SERVER = 1,
    OUTBOX_DIRECTION_INFO = 2,
};

/* What became of one recipient of the message that is sent. */
enum {
    OUTBOX_DELIVERED = 0, /* the server has taken responsibility for it (RFC 5321, 6.1) */
    OUTBOX_DEFERRED = 1,  /* refused for now (4yz), or without a verdict: to be tried again */
    OUTBOX_REFUSED = 2,   /* refused for good (5yz), or not to be sent */
};

typedef struct OutboxOutcome {
    const char *recipient; /* the bare address */
    int kind;              /* OUTBOX_DELIVERED ... */
    int error;             /* outbox/errors.h; 0 where it was delivered */
    int code;              /* of the reply (RFC 5321, 4.2); 0: no reply decided */
    const char *enhanced;  /* "5.1.1" (RFC 3463), or "" */
    const char *stage;     /* "rcpt", "content" ... */
    const char *text;      /* the reply's text in one line, or why there was none */
    const char *relay;     /* the name of the relay; "" where none could be asked */
    const char *id;        /* of the message in its queue; NULL without one */
} OutboxOutcome;

typedef struct OutboxEvents {
    size_t size; /* sizeof(OutboxEvents), so that it can grow */
    void *user;  /* given to every event */

    /* The state of the connection changed (the component's ConnectionStatus): "Remote host
     * connection complete", "Firewall connection complete", "SSL handshake complete", "SSL
     * connection broken", "Remote host disconnected". `code` is 0, or the error that did it; `text`
     * says more. */
    void (*connection_status)(void *user, const char *event, int code, const char *text);

    /* The content of a message begins, goes on and ends. `bytes` of `total` (both as they go out,
     * the total 0 where it is not known) have been handed over, the last `n` at `text`, `percent`
     * of all (-1: not known). `direction` is OUTBOX_DIRECTION_CLIENT. A message that goes out in
     * several transactions is transferred as often. */
    void (*start_transfer)(void *user, int direction);
    void (*transfer)(void *user, int direction, uint64_t bytes, uint64_t total, int percent,
        const char *text, size_t n);
    void (*end_transfer)(void *user, int direction);

    /* Something went wrong that does not end the call, such as a recipient that was refused, or a
     * relay before the last one that is at fault, or a refresh token (OAuth 2.0) that was given in
     * exchange and is lost with the process. 0 as the number: nothing has gone wrong yet, but
     * a server takes its time. */
    void (*error)(void *user, int error, const char *text);

    /* What became of a recipient; each has one such event a call. */
    void (*recipient)(void *user, const OutboxOutcome *outcome);

    /* An address on the list that outbox_expand() asked for, with or without a name. */
    void (*expand)(void *user, const char *address);

    /* A line of the dialogue, without its end (the component's PITrail). Content is not shown, and
     * secrets are "***". `n` are the bytes of `line`, which has a NUL behind it. */
    void (*trace)(void *user, int direction, const char *line, size_t n);

    /* The server's certificate has been judged: `status` is "OK" or says what is wrong, and *accept
     * is what the client is about to do, which may be changed. */
    void (*server_certificate)(
        void *user, const OutboxCertificate *certificate, const char *status, int *accept);

    /* How the TLS handshake gets on, for a log. */
    void (*tls_status)(void *user, const char *text);
} OutboxEvents;

/* From now on these events (copied); NULL: none. 0 or 166. */
OUTBOX_API int outbox_set_events(OutboxClient *client, const OutboxEvents *events);

OUTBOX_END

#endif
