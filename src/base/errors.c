/* The table of error numbers. Must never be used for what a server said of one recipient: that is a
 * DeliveryOutcome. */
#include "base/errors.h"

#include <errno.h>
#include <netdb.h>
#include <sysexits.h>

#include "base/macros.h"

#define ROW(symbol, text, status)     \
    {                                 \
        symbol, #symbol, text, status \
    }

/* Sorted by number. The numbers below 9000 and from 10000 are the component's, as are their words.
 * outbox-errors(7) has the same rows; scripts/check-errors holds them together. */
static const ErrorRow rows[] = {
    /* clang-format off */
    ROW(ERROR_PORT_WHILE_CONNECTED, "You cannot change the RemotePort at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_HOST_WHILE_CONNECTED, "You cannot change the RemoteHost (Server) at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_HOST_ADDRESS_INVALID, "The RemoteHost address is invalid (0.0.0.0).", EX_CONFIG),
    ROW(ERROR_ALREADY_CONNECTED, "Already connected. If you want to reconnect, close the current connection first.", EX_SOFTWARE),
    ROW(ERROR_LOCAL_PORT_WHILE_CONNECTED, "You cannot change the LocalPort at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_LOCAL_HOST_WHILE_CONNECTED, "You cannot change the LocalHost at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_MAX_LINE_WHILE_CONNECTED, "You cannot change MaxLineLength at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_PORT_ZERO, "RemotePort cannot be zero. Please specify a valid service port number.", EX_CONFIG),
    ROW(ERROR_CHANGE_WHILE_ACTIVE, "You cannot change the UseConnection option while the component is active.", EX_SOFTWARE),
    ROW(ERROR_FIREWALL, "Firewall Error. Error message contains detailed description.", EX_UNAVAILABLE),
    ROW(ERROR_WOULD_BLOCK, "Operation would block.", EX_TEMPFAIL),
    ROW(ERROR_SMTP_PROTOCOL, "SMTP protocol error. Description contains the server reply.", EX_UNAVAILABLE),
    ROW(ERROR_COMMUNICATION, "Error communicating with server. Error text is attached.", EX_TEMPFAIL),
    ROW(ERROR_NO_MAIL_SERVER, "Please specify a MailServer.", EX_CONFIG),
    ROW(ERROR_NO_SENDER, "Please specify a sender (From).", EX_DATAERR),
    ROW(ERROR_NO_RECIPIENT, "Please specify a recipient.", EX_DATAERR),
    ROW(ERROR_BUSY, "Busy executing current method.", EX_SOFTWARE),
    ROW(ERROR_TIMEOUT, "Timeout.", EX_TEMPFAIL),
    ROW(ERROR_IMPOSSIBLE_STATE, "Action impossible in control's present state.", EX_SOFTWARE),
    ROW(ERROR_NOT_CONNECTED, "Action impossible while not connected.", EX_SOFTWARE),
    ROW(ERROR_LISTENING, "Action impossible while listening.", EX_SOFTWARE),
    ROW(ERROR_TLS_LIBRARY, "Cannot load specified security library.", EX_CONFIG),
    ROW(ERROR_CERTIFICATE_STORE, "Cannot open certificate store.", EX_CONFIG),
    ROW(ERROR_CERTIFICATE_NOT_FOUND, "Cannot find specified certificate.", EX_CONFIG),
    ROW(ERROR_TLS_CREDENTIALS, "Cannot acquire security credentials.", EX_CONFIG),
    ROW(ERROR_CERTIFICATE_CHAIN_MISSING, "Cannot find certificate chain.", EX_UNAVAILABLE),
    ROW(ERROR_CERTIFICATE_CHAIN, "Cannot verify certificate chain.", EX_UNAVAILABLE),
    ROW(ERROR_TLS_HANDSHAKE, "Error during handshake.", EX_UNAVAILABLE),
    ROW(ERROR_CERTIFICATE_VERIFY, "Error verifying certificate.", EX_UNAVAILABLE),
    ROW(ERROR_CLIENT_CERTIFICATE, "Could not find client certificate.", EX_CONFIG),
    ROW(ERROR_SERVER_CERTIFICATE, "Could not find server certificate.", EX_UNAVAILABLE),
    ROW(ERROR_TLS_ENCRYPT, "Error encrypting data.", EX_UNAVAILABLE),
    ROW(ERROR_TLS_DECRYPT, "Error decrypting data.", EX_UNAVAILABLE),
    ROW(ERROR_INTERRUPTED, "Operation interrupted.", EX_TEMPFAIL),
    ROW(ERROR_ATTACHMENT, "Cannot open AttachedFile.", EX_NOINPUT),
    ROW(ERROR_FILE, "Could not open file.", EX_NOINPUT),
    ROW(ERROR_CHARSET, "Unable to convert string to selected CodePage.", EX_DATAERR),
    ROW(ERROR_CONNECTING, "Already connecting. If you want to reconnect, close the current connection first.", EX_SOFTWARE),
    ROW(ERROR_CONNECT_FIRST, "You need to connect first.", EX_SOFTWARE),
    ROW(ERROR_LOCAL_HOST_ACTIVE, "You cannot change the LocalHost at this time. A connection is in progress.", EX_SOFTWARE),
    ROW(ERROR_CONNECTION_DROPPED, "Connection dropped by remote host.", EX_TEMPFAIL),
    ROW(ERROR_USAGE, "The command line is wrong.", EX_USAGE),
    ROW(ERROR_CONFIGURATION, "The configuration is wrong.", EX_CONFIG),
    ROW(ERROR_MESSAGE, "The message cannot be sent.", EX_DATAERR),
    ROW(ERROR_REFUSED, "Every recipient was refused.", EX_UNAVAILABLE),
    ROW(ERROR_EXPIRED, "The message was given up.", EX_UNAVAILABLE),
    ROW(ERROR_AUTHENTICATION, "The relay did not accept the login.", EX_NOPERM),
    ROW(ERROR_MEMORY, "No memory is left.", EX_TEMPFAIL),
    ROW(ERROR_SPOOL, "The queue directory cannot be used.", EX_CANTCREAT),
    ROW(ERROR_STORAGE, "The disk is full, or fails.", EX_TEMPFAIL),
    ROW(ERROR_SENDER, "The user may not name this sender.", EX_NOPERM),
    ROW(ERROR_DATABASE, "The database cannot be used.", EX_TEMPFAIL),
    ROW(ERROR_EINTR, "Interrupted system call.", EX_TEMPFAIL),
    ROW(ERROR_EBADF, "Bad file number.", EX_IOERR),
    ROW(ERROR_EACCES, "Access denied.", EX_NOPERM),
    ROW(ERROR_EFAULT, "Bad address.", EX_TEMPFAIL),
    ROW(ERROR_EINVAL, "Invalid argument.", EX_TEMPFAIL),
    ROW(ERROR_EMFILE, "Too many open files.", EX_TEMPFAIL),
    ROW(ERROR_EWOULDBLOCK, "Operation would block.", EX_TEMPFAIL),
    ROW(ERROR_EINPROGRESS, "Operation now in progress.", EX_TEMPFAIL),
    ROW(ERROR_EALREADY, "Operation already in progress.", EX_TEMPFAIL),
    ROW(ERROR_ENOTSOCK, "Socket operation on nonsocket.", EX_TEMPFAIL),
    ROW(ERROR_EDESTADDRREQ, "Destination address required.", EX_TEMPFAIL),
    ROW(ERROR_EMSGSIZE, "Message is too long.", EX_TEMPFAIL),
    ROW(ERROR_EPROTOTYPE, "Protocol wrong type for socket.", EX_TEMPFAIL),
    ROW(ERROR_ENOPROTOOPT, "Bad protocol option.", EX_TEMPFAIL),
    ROW(ERROR_EPROTONOSUPPORT, "Protocol is not supported.", EX_TEMPFAIL),
    ROW(ERROR_ESOCKTNOSUPPORT, "Socket type is not supported.", EX_TEMPFAIL),
    ROW(ERROR_EOPNOTSUPP, "Operation is not supported on socket.", EX_TEMPFAIL),
    ROW(ERROR_EPFNOSUPPORT, "Protocol family is not supported.", EX_TEMPFAIL),
    ROW(ERROR_EAFNOSUPPORT, "Address family is not supported by protocol family.", EX_TEMPFAIL),
    ROW(ERROR_EADDRINUSE, "Address already in use.", EX_TEMPFAIL),
    ROW(ERROR_EADDRNOTAVAIL, "Cannot assign requested address.", EX_TEMPFAIL),
    ROW(ERROR_ENETDOWN, "Network is down.", EX_TEMPFAIL),
    ROW(ERROR_ENETUNREACH, "Network is unreachable.", EX_TEMPFAIL),
    ROW(ERROR_ENETRESET, "Net dropped connection or reset.", EX_TEMPFAIL),
    ROW(ERROR_ECONNABORTED, "Software caused connection abort.", EX_TEMPFAIL),
    ROW(ERROR_ECONNRESET, "Connection reset by peer.", EX_TEMPFAIL),
    ROW(ERROR_ENOBUFS, "No buffer space available.", EX_TEMPFAIL),
    ROW(ERROR_EISCONN, "Socket is already connected.", EX_TEMPFAIL),
    ROW(ERROR_ENOTCONN, "Socket is not connected.", EX_TEMPFAIL),
    ROW(ERROR_ESHUTDOWN, "Cannot send after socket shutdown.", EX_TEMPFAIL),
    ROW(ERROR_ETOOMANYREFS, "Too many references, cannot splice.", EX_TEMPFAIL),
    ROW(ERROR_CONNECTION_TIMED_OUT, "Connection timed out.", EX_TEMPFAIL),
    ROW(ERROR_ECONNREFUSED, "Connection refused.", EX_TEMPFAIL),
    ROW(ERROR_ELOOP, "Too many levels of symbolic links.", EX_NOINPUT),
    ROW(ERROR_ENAMETOOLONG, "File name is too long.", EX_NOINPUT),
    ROW(ERROR_EHOSTDOWN, "Host is down.", EX_TEMPFAIL),
    ROW(ERROR_EHOSTUNREACH, "No route to host.", EX_TEMPFAIL),
    ROW(ERROR_ENOTEMPTY, "Directory is not empty", EX_TEMPFAIL),
    ROW(ERROR_TOO_MANY_PROCESSES, "Too many processes.", EX_TEMPFAIL),
    ROW(ERROR_EUSERS, "Too many users.", EX_TEMPFAIL),
    ROW(ERROR_EDQUOT, "Disc Quota Exceeded.", EX_TEMPFAIL),
    ROW(ERROR_ESTALE, "Stale NFS file handle.", EX_TEMPFAIL),
    ROW(ERROR_EREMOTE, "Too many levels of remote in path.", EX_TEMPFAIL),
    ROW(ERROR_NETWORK_UNAVAILABLE, "Network subsystem is unavailable.", EX_TEMPFAIL),
    ROW(ERROR_SOCKET_VERSION, "WINSOCK DLL Version out of range.", EX_TEMPFAIL),
    ROW(ERROR_SOCKETS_NOT_READY, "Winsock is not loaded yet.", EX_TEMPFAIL),
    ROW(ERROR_HOST_NOT_FOUND, "Host not found.", EX_TEMPFAIL),
    ROW(ERROR_TRY_AGAIN, "Nonauthoritative 'Host not found' (try again or check DNS setup).", EX_TEMPFAIL),
    ROW(ERROR_NO_RECOVERY, "Nonrecoverable errors: FORMERR, REFUSED, NOTIMP.", EX_TEMPFAIL),
    ROW(ERROR_NO_DATA, "Valid name, no data record (check DNS setup).", EX_TEMPFAIL),
    /* clang-format on */
};

typedef struct ErrnoRow {
    int error, number;
} ErrnoRow;

static const ErrnoRow errno_rows[] = {
    /* clang-format off */
    {EINTR, ERROR_EINTR},
    {EBADF, ERROR_EBADF},
    {EACCES, ERROR_EACCES},
    {EFAULT, ERROR_EFAULT},
    {EINVAL, ERROR_EINVAL},
    {EMFILE, ERROR_EMFILE},
    {EWOULDBLOCK, ERROR_EWOULDBLOCK},
    {EINPROGRESS, ERROR_EINPROGRESS},
    {EALREADY, ERROR_EALREADY},
    {ENOTSOCK, ERROR_ENOTSOCK},
    {EDESTADDRREQ, ERROR_EDESTADDRREQ},
    {EMSGSIZE, ERROR_EMSGSIZE},
    {EPROTOTYPE, ERROR_EPROTOTYPE},
    {ENOPROTOOPT, ERROR_ENOPROTOOPT},
    {EPROTONOSUPPORT, ERROR_EPROTONOSUPPORT},
    {ESOCKTNOSUPPORT, ERROR_ESOCKTNOSUPPORT},
    {EOPNOTSUPP, ERROR_EOPNOTSUPP},
    {EPFNOSUPPORT, ERROR_EPFNOSUPPORT},
    {EAFNOSUPPORT, ERROR_EAFNOSUPPORT},
    {EADDRINUSE, ERROR_EADDRINUSE},
    {EADDRNOTAVAIL, ERROR_EADDRNOTAVAIL},
    {ENETDOWN, ERROR_ENETDOWN},
    {ENETUNREACH, ERROR_ENETUNREACH},
    {ENETRESET, ERROR_ENETRESET},
    {ECONNABORTED, ERROR_ECONNABORTED},
    {ECONNRESET, ERROR_ECONNRESET},
    {ENOBUFS, ERROR_ENOBUFS},
    {EISCONN, ERROR_EISCONN},
    {ENOTCONN, ERROR_ENOTCONN},
    {ESHUTDOWN, ERROR_ESHUTDOWN},
    {ETOOMANYREFS, ERROR_ETOOMANYREFS},
    {ETIMEDOUT, ERROR_CONNECTION_TIMED_OUT},
    {ECONNREFUSED, ERROR_ECONNREFUSED},
    {ELOOP, ERROR_ELOOP},
    {ENAMETOOLONG, ERROR_ENAMETOOLONG},
    {EHOSTDOWN, ERROR_EHOSTDOWN},
    {EHOSTUNREACH, ERROR_EHOSTUNREACH},
    {ENOTEMPTY, ERROR_ENOTEMPTY},
    {EUSERS, ERROR_EUSERS},
    {EDQUOT, ERROR_EDQUOT},
    {ESTALE, ERROR_ESTALE},
    {EREMOTE, ERROR_EREMOTE},
    {ENONET, ERROR_NETWORK_UNAVAILABLE},
    {EPERM, ERROR_EACCES}, {EPIPE, ERROR_ECONNRESET}, {ENFILE, ERROR_EMFILE}, {ENOMEM, ERROR_MEMORY},
    {ENOSPC, ERROR_STORAGE}, {EROFS, ERROR_STORAGE}, {EIO, ERROR_STORAGE}, {ENOLCK, ERROR_STORAGE},
    /* clang-format on */
};

const ErrorRow *error_table(size_t *ret_n)
{
    *ret_n = ELEMENTSOF(rows);
    return rows;
}

const ErrorRow *error_row(int number)
{
    const ErrorRow *fallback = NULL;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        if (rows[i].number == number)
            return &rows[i];
        if (rows[i].number == ERROR_COMMUNICATION)
            fallback = &rows[i];
    }
    return fallback;
}

int error_status(int number)
{
    return number == ERROR_NONE ? EX_OK : error_row(number)->status;
}

int error_from_errno(int error)
{
    error = error < 0 ? -error : error;
    for (size_t i = 0; i < ELEMENTSOF(errno_rows); i++)
        if (errno_rows[i].error == error)
            return errno_rows[i].number;
    return ERROR_FILE;
}

int error_from_socket(int error)
{
    int number = error_from_errno(error);

    return number == ERROR_FILE ? ERROR_COMMUNICATION : number;
}

int error_from_spawn(int error)
{
    error = error < 0 ? -error : error;
    return error == EAGAIN ? ERROR_TOO_MANY_PROCESSES : error_from_errno(error);
}

int error_from_getaddrinfo(int code, int error)
{
    switch (code) {
    case EAI_NONAME: return ERROR_HOST_NOT_FOUND;
    case EAI_AGAIN: return ERROR_TRY_AGAIN;
    case EAI_FAIL: return ERROR_NO_RECOVERY;
    case EAI_NODATA:
    case EAI_ADDRFAMILY: return ERROR_NO_DATA;
    case EAI_MEMORY: return ERROR_MEMORY;
    case EAI_FAMILY: return ERROR_EAFNOSUPPORT;
    case EAI_SOCKTYPE: return ERROR_ESOCKTNOSUPPORT;
    case EAI_BADFLAGS: return ERROR_EINVAL;
    case EAI_SYSTEM:
        /* That a file of the resolver's is missing is a matter of its set-up. */
        return error_from_errno(error) == ERROR_FILE ? ERROR_TRY_AGAIN : error_from_errno(error);
    default: return ERROR_TRY_AGAIN;
    }
}

bool error_is_common(int error)
{
    switch (-error) {
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EIO:
    case ENOLCK: return true;
    default: return false;
    }
}

bool error_is_no_room(int error)
{
    return error == -ENOSPC || error == -EDQUOT;
}
