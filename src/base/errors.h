/* The one table of error numbers: the component's numbers, a symbol, a text and the sysexits status
 * for each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum ErrorNumber {
    ERROR_NONE = 0,
    ERROR_PORT_WHILE_CONNECTED = 100,
    ERROR_HOST_WHILE_CONNECTED = 101,
    ERROR_HOST_ADDRESS_INVALID = 102,
    ERROR_ALREADY_CONNECTED = 104,
    ERROR_LOCAL_PORT_WHILE_CONNECTED = 106,
    ERROR_LOCAL_HOST_WHILE_CONNECTED = 107,
    ERROR_MAX_LINE_WHILE_CONNECTED = 112,
    ERROR_PORT_ZERO = 116,
    ERROR_CHANGE_WHILE_ACTIVE = 117,
    ERROR_FIREWALL = 118,
    ERROR_WOULD_BLOCK = 135,
    ERROR_SMTP_PROTOCOL = 161,
    ERROR_COMMUNICATION = 162,
    ERROR_NO_MAIL_SERVER = 163,
    ERROR_NO_SENDER = 164,
    ERROR_NO_RECIPIENT = 165,
    ERROR_BUSY = 166,
    ERROR_TIMEOUT = 201,
    ERROR_IMPOSSIBLE_STATE = 211,
    ERROR_NOT_CONNECTED = 212,
    ERROR_LISTENING = 213,
    ERROR_TLS_LIBRARY = 270,
    ERROR_CERTIFICATE_STORE = 271,
    ERROR_CERTIFICATE_NOT_FOUND = 272,
    ERROR_TLS_CREDENTIALS = 273,
    ERROR_CERTIFICATE_CHAIN_MISSING = 274,
    ERROR_CERTIFICATE_CHAIN = 275,
    ERROR_TLS_HANDSHAKE = 276,
    ERROR_CERTIFICATE_VERIFY = 280,
    ERROR_CLIENT_CERTIFICATE = 281,
    ERROR_SERVER_CERTIFICATE = 282,
    ERROR_TLS_ENCRYPT = 283,
    ERROR_TLS_DECRYPT = 284,
    ERROR_INTERRUPTED = 301,
    ERROR_ATTACHMENT = 302,
    ERROR_FILE = 303,
    ERROR_CHARSET = 434,
    ERROR_CONNECTING = 1105,
    ERROR_CONNECT_FIRST = 1117,
    ERROR_LOCAL_HOST_ACTIVE = 1119,
    ERROR_CONNECTION_DROPPED = 1120,
    /* What the system says of sockets and names: errno and getaddrinfo(), by name. */
    ERROR_EINTR = 10004,
    ERROR_EBADF = 10009,
    ERROR_EACCES = 10013,
    ERROR_EFAULT = 10014,
    ERROR_EINVAL = 10022,
    ERROR_EMFILE = 10024,
    ERROR_EWOULDBLOCK = 10035,
    ERROR_EINPROGRESS = 10036,
    ERROR_EALREADY = 10037,
    ERROR_ENOTSOCK = 10038,
    ERROR_EDESTADDRREQ = 10039,
    ERROR_EMSGSIZE = 10040,
    ERROR_EPROTOTYPE = 10041,
    ERROR_ENOPROTOOPT = 10042,
    ERROR_EPROTONOSUPPORT = 10043,
    ERROR_ESOCKTNOSUPPORT = 10044,
    ERROR_EOPNOTSUPP = 10045,
    ERROR_EPFNOSUPPORT = 10046,
    ERROR_EAFNOSUPPORT = 10047,
    ERROR_EADDRINUSE = 10048,
    ERROR_EADDRNOTAVAIL = 10049,
    ERROR_ENETDOWN = 10050,
    ERROR_ENETUNREACH = 10051,
    ERROR_ENETRESET = 10052,
    ERROR_ECONNABORTED = 10053,
    ERROR_ECONNRESET = 10054,
    ERROR_ENOBUFS = 10055,
    ERROR_EISCONN = 10056,
    ERROR_ENOTCONN = 10057,
    ERROR_ESHUTDOWN = 10058,
    ERROR_ETOOMANYREFS = 10059,
    ERROR_CONNECTION_TIMED_OUT = 10060,
    ERROR_ECONNREFUSED = 10061,
    ERROR_ELOOP = 10062,
    ERROR_ENAMETOOLONG = 10063,
    ERROR_EHOSTDOWN = 10064,
    ERROR_EHOSTUNREACH = 10065,
    ERROR_ENOTEMPTY = 10066,
    ERROR_TOO_MANY_PROCESSES = 10067,
    ERROR_EUSERS = 10068,
    ERROR_EDQUOT = 10069,
    ERROR_ESTALE = 10070,
    ERROR_EREMOTE = 10071,
    ERROR_NETWORK_UNAVAILABLE = 10091,
    ERROR_SOCKET_VERSION = 10092,
    ERROR_SOCKETS_NOT_READY = 10093,
    ERROR_HOST_NOT_FOUND = 11001,
    ERROR_TRY_AGAIN = 11002,
    ERROR_NO_RECOVERY = 11003,
    ERROR_NO_DATA = 11004,
    /* Conditions the component has no number for. */
    ERROR_USAGE = 9001,
    ERROR_CONFIGURATION = 9002,
    ERROR_MESSAGE = 9003, /* not a message, or one that cannot be sent */
    ERROR_REFUSED = 9004, /* every recipient was refused */
    ERROR_EXPIRED = 9005, /* given up after retry.give_up_after or retry.max_attempts */
    ERROR_AUTHENTICATION = 9006,
    ERROR_MEMORY = 9007,
    ERROR_SPOOL = 9008,    /* the queue directory */
    ERROR_STORAGE = 9009,  /* no space, or a file system that fails: to be tried again */
    ERROR_SENDER = 9010,   /* the user may not name this sender (spool.senders) */
    ERROR_DATABASE = 9011, /* the database that has the queue: to be tried again */
} ErrorNumber;

typedef struct ErrorRow {
    int number;
    const char *symbol; /* "ERROR_TIMEOUT" */
    const char *text;   /* the component's own words */
    int status;         /* sysexits.h */
} ErrorRow;

/* The row of a number; a number that is in no row gives the one for ERROR_COMMUNICATION. Never
 * NULL. */
const ErrorRow *error_row(int number);

/* All rows, by number. */
const ErrorRow *error_table(size_t *ret_n);

/* The exit status (sysexits.h) that goes with a number; 0 for 0. */
int error_status(int number);

/* The number for a negative or positive errno: 10000-range rows by name (ECONNREFUSED is 10061),
 * ERROR_FILE for errors of files, ERROR_STORAGE for those of disks, ERROR_MEMORY for ENOMEM. */
int error_from_errno(int error);

/* The same for a call about a socket: ERROR_COMMUNICATION for what has no row. */
int error_from_socket(int error);

/* Whether an error (negative errno) is one that whatever comes next would meet with too: no space,
 * quota, memory, descriptors or locks, a read-only or failing file system. All others are those of
 * one message, file or peer. */
bool error_is_common(int error);

/* Whether it is one of those that end when something is removed: no space, inodes or quota left. */
bool error_is_no_room(int error);

/* The same where a thread or a process could not be made: EAGAIN says that there are too many
 * (10067). */
int error_from_spawn(int error);

/* The number for a getaddrinfo() code such as EAI_NONAME (11001); `error` is the errno that goes
 * with EAI_SYSTEM. */
int error_from_getaddrinfo(int code, int error);
