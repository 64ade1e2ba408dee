/* The numbers of errors. They are those of the SMTP component that outbox follows, where it has one
 * for the condition; those above 9000 are outbox's own, and those above 10000 stand for errno
 * values and answers of name servers. outbox-errors(7) lists all of them, and what to do about
 * each. */
#ifndef OUTBOX_ERRORS_H
#define OUTBOX_ERRORS_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* Those that a program may want to tell from others. */
enum {
    OUTBOX_OK = 0,
    OUTBOX_ERROR_PORT_WHILE_CONNECTED = 100,
    OUTBOX_ERROR_HOST_WHILE_CONNECTED = 101,
    OUTBOX_ERROR_ALREADY_CONNECTED = 104,
    OUTBOX_ERROR_LOCAL_PORT_WHILE_CONNECTED = 106,
    OUTBOX_ERROR_LOCAL_HOST_WHILE_CONNECTED = 107,
    OUTBOX_ERROR_MAX_LINE_WHILE_CONNECTED = 112,
    OUTBOX_ERROR_PORT_ZERO = 116,
    OUTBOX_ERROR_CHANGE_WHILE_ACTIVE =
        117, /* a setting of the connection, while it is being made */
    OUTBOX_ERROR_FIREWALL = 118,
    OUTBOX_ERROR_WOULD_BLOCK = 135,   /* no failure: the call goes on, see outbox_step() */
    OUTBOX_ERROR_SMTP_PROTOCOL = 161, /* the server refused something; the text has its reply */
    OUTBOX_ERROR_COMMUNICATION = 162,
    OUTBOX_ERROR_NO_MAIL_SERVER = 163,
    OUTBOX_ERROR_NO_SENDER = 164,
    OUTBOX_ERROR_NO_RECIPIENT = 165,
    OUTBOX_ERROR_BUSY = 166, /* another call is in progress, or this is one of its events */
    OUTBOX_ERROR_TIMEOUT = 201,
    OUTBOX_ERROR_IMPOSSIBLE_STATE =
        211, /* in a child of fork(); a step without a call in progress */
    OUTBOX_ERROR_NOT_CONNECTED = 212,
    OUTBOX_ERROR_TLS_HANDSHAKE = 276,
    OUTBOX_ERROR_CERTIFICATE_VERIFY = 280,
    OUTBOX_ERROR_INTERRUPTED = 301,
    OUTBOX_ERROR_FILE = 303,
    OUTBOX_ERROR_CHARSET = 434,
    OUTBOX_ERROR_CONNECTING = 1105,
    OUTBOX_ERROR_CONNECT_FIRST = 1117,
    OUTBOX_ERROR_CONNECTION_DROPPED = 1120,
    OUTBOX_ERROR_USAGE = 9001,         /* of the library itself: a NULL, an unknown name */
    OUTBOX_ERROR_CONFIGURATION = 9002, /* a setting's value, or a configuration file */
    OUTBOX_ERROR_MESSAGE = 9003,       /* a message that cannot be sent as it is */
    OUTBOX_ERROR_AUTHENTICATION = 9006,
    OUTBOX_ERROR_MEMORY = 9007,
    OUTBOX_ERROR_HOST_NOT_FOUND = 11001,
};

/* What the number stands for, in the component's words: "Timeout.". Static; never NULL. */
OUTBOX_API const char *outbox_error_name(int number);

/* The exit status of sysexits.h that goes with the number, for programs that end with it. */
OUTBOX_API int outbox_error_status(int number);

OUTBOX_END

#endif
