/* base: the table of errors is the component's, number for number and word for word, and errno and
 * getaddrinfo()'s codes find their rows by name. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/failure.h"
#include "base/macros.h"
#include "unit.h"

static const ErrorRow expected[] = {
    /* clang-format off */
    {100, "ERROR_PORT_WHILE_CONNECTED", "You cannot change the RemotePort at this time. A connection is in progress.", EX_SOFTWARE},
    {101, "ERROR_HOST_WHILE_CONNECTED", "You cannot change the RemoteHost (Server) at this time. A connection is in progress.", EX_SOFTWARE},
    {102, "ERROR_HOST_ADDRESS_INVALID", "The RemoteHost address is invalid (0.0.0.0).", EX_CONFIG},
    {104, "ERROR_ALREADY_CONNECTED", "Already connected. If you want to reconnect, close the current connection first.", EX_SOFTWARE},
    {106, "ERROR_LOCAL_PORT_WHILE_CONNECTED", "You cannot change the LocalPort at this time. A connection is in progress.", EX_SOFTWARE},
    {107, "ERROR_LOCAL_HOST_WHILE_CONNECTED", "You cannot change the LocalHost at this time. A connection is in progress.", EX_SOFTWARE},
    {112, "ERROR_MAX_LINE_WHILE_CONNECTED", "You cannot change MaxLineLength at this time. A connection is in progress.", EX_SOFTWARE},
    {116, "ERROR_PORT_ZERO", "RemotePort cannot be zero. Please specify a valid service port number.", EX_CONFIG},
    {117, "ERROR_CHANGE_WHILE_ACTIVE", "You cannot change the UseConnection option while the component is active.", EX_SOFTWARE},
    {118, "ERROR_FIREWALL", "Firewall Error. Error message contains detailed description.", EX_UNAVAILABLE},
    {135, "ERROR_WOULD_BLOCK", "Operation would block.", EX_TEMPFAIL},
    {161, "ERROR_SMTP_PROTOCOL", "SMTP protocol error. Description contains the server reply.", EX_UNAVAILABLE},
    {162, "ERROR_COMMUNICATION", "Error communicating with server. Error text is attached.", EX_TEMPFAIL},
    {163, "ERROR_NO_MAIL_SERVER", "Please specify a MailServer.", EX_CONFIG},
    {164, "ERROR_NO_SENDER", "Please specify a sender (From).", EX_DATAERR},
    {165, "ERROR_NO_RECIPIENT", "Please specify a recipient.", EX_DATAERR},
    {166, "ERROR_BUSY", "Busy executing current method.", EX_SOFTWARE},
    {201, "ERROR_TIMEOUT", "Timeout.", EX_TEMPFAIL},
    {211, "ERROR_IMPOSSIBLE_STATE", "Action impossible in control's present state.", EX_SOFTWARE},
    {212, "ERROR_NOT_CONNECTED", "Action impossible while not connected.", EX_SOFTWARE},
    {213, "ERROR_LISTENING", "Action impossible while listening.", EX_SOFTWARE},
    {270, "ERROR_TLS_LIBRARY", "Cannot load specified security library.", EX_CONFIG},
    {271, "ERROR_CERTIFICATE_STORE", "Cannot open certificate store.", EX_CONFIG},
    {272, "ERROR_CERTIFICATE_NOT_FOUND", "Cannot find specified certificate.", EX_CONFIG},
    {273, "ERROR_TLS_CREDENTIALS", "Cannot acquire security credentials.", EX_CONFIG},
    {274, "ERROR_CERTIFICATE_CHAIN_MISSING", "Cannot find certificate chain.", EX_UNAVAILABLE},
    {275, "ERROR_CERTIFICATE_CHAIN", "Cannot verify certificate chain.", EX_UNAVAILABLE},
    {276, "ERROR_TLS_HANDSHAKE", "Error during handshake.", EX_UNAVAILABLE},
    {280, "ERROR_CERTIFICATE_VERIFY", "Error verifying certificate.", EX_UNAVAILABLE},
    {281, "ERROR_CLIENT_CERTIFICATE", "Could not find client certificate.", EX_CONFIG},
    {282, "ERROR_SERVER_CERTIFICATE", "Could not find server certificate.", EX_UNAVAILABLE},
    {283, "ERROR_TLS_ENCRYPT", "Error encrypting data.", EX_UNAVAILABLE},
    {284, "ERROR_TLS_DECRYPT", "Error decrypting data.", EX_UNAVAILABLE},
    {301, "ERROR_INTERRUPTED", "Operation interrupted.", EX_TEMPFAIL},
    {302, "ERROR_ATTACHMENT", "Cannot open AttachedFile.", EX_NOINPUT},
    {303, "ERROR_FILE", "Could not open file.", EX_NOINPUT},
    {434, "ERROR_CHARSET", "Unable to convert string to selected CodePage.", EX_DATAERR},
    {1105, "ERROR_CONNECTING", "Already connecting. If you want to reconnect, close the current connection first.", EX_SOFTWARE},
    {1117, "ERROR_CONNECT_FIRST", "You need to connect first.", EX_SOFTWARE},
    {1119, "ERROR_LOCAL_HOST_ACTIVE", "You cannot change the LocalHost at this time. A connection is in progress.", EX_SOFTWARE},
    {1120, "ERROR_CONNECTION_DROPPED", "Connection dropped by remote host.", EX_TEMPFAIL},
    {9001, "ERROR_USAGE", "The command line is wrong.", EX_USAGE},
    {9002, "ERROR_CONFIGURATION", "The configuration is wrong.", EX_CONFIG},
    {9003, "ERROR_MESSAGE", "The message cannot be sent.", EX_DATAERR},
    {9004, "ERROR_REFUSED", "Every recipient was refused.", EX_UNAVAILABLE},
    {9005, "ERROR_EXPIRED", "The message was given up.", EX_UNAVAILABLE},
    {9006, "ERROR_AUTHENTICATION", "The relay did not accept the login.", EX_NOPERM},
    {9007, "ERROR_MEMORY", "No memory is left.", EX_TEMPFAIL},
    {9008, "ERROR_SPOOL", "The queue directory cannot be used.", EX_CANTCREAT},
    {9009, "ERROR_STORAGE", "The disk is full, or fails.", EX_TEMPFAIL},
    {9010, "ERROR_SENDER", "The user may not name this sender.", EX_NOPERM},
    {9011, "ERROR_DATABASE", "The database cannot be used.", EX_TEMPFAIL},
    {10004, "ERROR_EINTR", "Interrupted system call.", EX_TEMPFAIL},
    {10009, "ERROR_EBADF", "Bad file number.", EX_IOERR},
    {10013, "ERROR_EACCES", "Access denied.", EX_NOPERM},
    {10014, "ERROR_EFAULT", "Bad address.", EX_TEMPFAIL},
    {10022, "ERROR_EINVAL", "Invalid argument.", EX_TEMPFAIL},
    {10024, "ERROR_EMFILE", "Too many open files.", EX_TEMPFAIL},
    {10035, "ERROR_EWOULDBLOCK", "Operation would block.", EX_TEMPFAIL},
    {10036, "ERROR_EINPROGRESS", "Operation now in progress.", EX_TEMPFAIL},
    {10037, "ERROR_EALREADY", "Operation already in progress.", EX_TEMPFAIL},
    {10038, "ERROR_ENOTSOCK", "Socket operation on nonsocket.", EX_TEMPFAIL},
    {10039, "ERROR_EDESTADDRREQ", "Destination address required.", EX_TEMPFAIL},
    {10040, "ERROR_EMSGSIZE", "Message is too long.", EX_TEMPFAIL},
    {10041, "ERROR_EPROTOTYPE", "Protocol wrong type for socket.", EX_TEMPFAIL},
    {10042, "ERROR_ENOPROTOOPT", "Bad protocol option.", EX_TEMPFAIL},
    {10043, "ERROR_EPROTONOSUPPORT", "Protocol is not supported.", EX_TEMPFAIL},
    {10044, "ERROR_ESOCKTNOSUPPORT", "Socket type is not supported.", EX_TEMPFAIL},
    {10045, "ERROR_EOPNOTSUPP", "Operation is not supported on socket.", EX_TEMPFAIL},
    {10046, "ERROR_EPFNOSUPPORT", "Protocol family is not supported.", EX_TEMPFAIL},
    {10047, "ERROR_EAFNOSUPPORT", "Address family is not supported by protocol family.", EX_TEMPFAIL},
    {10048, "ERROR_EADDRINUSE", "Address already in use.", EX_TEMPFAIL},
    {10049, "ERROR_EADDRNOTAVAIL", "Cannot assign requested address.", EX_TEMPFAIL},
    {10050, "ERROR_ENETDOWN", "Network is down.", EX_TEMPFAIL},
    {10051, "ERROR_ENETUNREACH", "Network is unreachable.", EX_TEMPFAIL},
    {10052, "ERROR_ENETRESET", "Net dropped connection or reset.", EX_TEMPFAIL},
    {10053, "ERROR_ECONNABORTED", "Software caused connection abort.", EX_TEMPFAIL},
    {10054, "ERROR_ECONNRESET", "Connection reset by peer.", EX_TEMPFAIL},
    {10055, "ERROR_ENOBUFS", "No buffer space available.", EX_TEMPFAIL},
    {10056, "ERROR_EISCONN", "Socket is already connected.", EX_TEMPFAIL},
    {10057, "ERROR_ENOTCONN", "Socket is not connected.", EX_TEMPFAIL},
    {10058, "ERROR_ESHUTDOWN", "Cannot send after socket shutdown.", EX_TEMPFAIL},
    {10059, "ERROR_ETOOMANYREFS", "Too many references, cannot splice.", EX_TEMPFAIL},
    {10060, "ERROR_CONNECTION_TIMED_OUT", "Connection timed out.", EX_TEMPFAIL},
    {10061, "ERROR_ECONNREFUSED", "Connection refused.", EX_TEMPFAIL},
    {10062, "ERROR_ELOOP", "Too many levels of symbolic links.", EX_NOINPUT},
    {10063, "ERROR_ENAMETOOLONG", "File name is too long.", EX_NOINPUT},
    {10064, "ERROR_EHOSTDOWN", "Host is down.", EX_TEMPFAIL},
    {10065, "ERROR_EHOSTUNREACH", "No route to host.", EX_TEMPFAIL},
    {10066, "ERROR_ENOTEMPTY", "Directory is not empty", EX_TEMPFAIL},
    {10067, "ERROR_TOO_MANY_PROCESSES", "Too many processes.", EX_TEMPFAIL},
    {10068, "ERROR_EUSERS", "Too many users.", EX_TEMPFAIL},
    {10069, "ERROR_EDQUOT", "Disc Quota Exceeded.", EX_TEMPFAIL},
    {10070, "ERROR_ESTALE", "Stale NFS file handle.", EX_TEMPFAIL},
    {10071, "ERROR_EREMOTE", "Too many levels of remote in path.", EX_TEMPFAIL},
    {10091, "ERROR_NETWORK_UNAVAILABLE", "Network subsystem is unavailable.", EX_TEMPFAIL},
    {10092, "ERROR_SOCKET_VERSION", "WINSOCK DLL Version out of range.", EX_TEMPFAIL},
    {10093, "ERROR_SOCKETS_NOT_READY", "Winsock is not loaded yet.", EX_TEMPFAIL},
    {11001, "ERROR_HOST_NOT_FOUND", "Host not found.", EX_TEMPFAIL},
    {11002, "ERROR_TRY_AGAIN", "Nonauthoritative 'Host not found' (try again or check DNS setup).", EX_TEMPFAIL},
    {11003, "ERROR_NO_RECOVERY", "Nonrecoverable errors: FORMERR, REFUSED, NOTIMP.", EX_TEMPFAIL},
    {11004, "ERROR_NO_DATA", "Valid name, no data record (check DNS setup).", EX_TEMPFAIL},
    /* clang-format on */
};

static const struct {
    int error, number;
} mapped[] = {
    /* clang-format off */
    {EINTR, 10004},
    {EBADF, 10009},
    {EACCES, 10013},
    {EFAULT, 10014},
    {EINVAL, 10022},
    {EMFILE, 10024},
    {EWOULDBLOCK, 10035},
    {EINPROGRESS, 10036},
    {EALREADY, 10037},
    {ENOTSOCK, 10038},
    {EDESTADDRREQ, 10039},
    {EMSGSIZE, 10040},
    {EPROTOTYPE, 10041},
    {ENOPROTOOPT, 10042},
    {EPROTONOSUPPORT, 10043},
    {ESOCKTNOSUPPORT, 10044},
    {EOPNOTSUPP, 10045},
    {EPFNOSUPPORT, 10046},
    {EAFNOSUPPORT, 10047},
    {EADDRINUSE, 10048},
    {EADDRNOTAVAIL, 10049},
    {ENETDOWN, 10050},
    {ENETUNREACH, 10051},
    {ENETRESET, 10052},
    {ECONNABORTED, 10053},
    {ECONNRESET, 10054},
    {ENOBUFS, 10055},
    {EISCONN, 10056},
    {ENOTCONN, 10057},
    {ESHUTDOWN, 10058},
    {ETOOMANYREFS, 10059},
    {ETIMEDOUT, 10060},
    {ECONNREFUSED, 10061},
    {ELOOP, 10062},
    {ENAMETOOLONG, 10063},
    {EHOSTDOWN, 10064},
    {EHOSTUNREACH, 10065},
    {ENOTEMPTY, 10066},
    {EUSERS, 10068},
    {EDQUOT, 10069},
    {ESTALE, 10070},
    {EREMOTE, 10071},
    {ENONET, 10091},
    {EPERM, 10013},
    {EPIPE, 10054},
    {ENFILE, 10024},
    {ENOMEM, 9007},
    {ENOSPC, 9009},
    {EROFS, 9009},
    {EIO, 9009},
    {ENOLCK, 9009},
    /* clang-format on */
};

START_TEST(each_number_has_its_symbol_text_and_status)
{
    size_t n;
    const ErrorRow *rows = error_table(&n);

    ck_assert_uint_eq(n, ELEMENTSOF(expected));
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(rows[i].number, expected[i].number);
        ck_assert_str_eq(rows[i].symbol, expected[i].symbol);
        ck_assert_str_eq(rows[i].text, expected[i].text);
        ck_assert_int_eq(rows[i].status, expected[i].status);
        ck_assert_ptr_eq(error_row(expected[i].number), &rows[i]);
        ck_assert_int_eq(error_status(expected[i].number), expected[i].status);
        ck_assert(i == 0 || rows[i].number > rows[i - 1].number);
    }
}
END_TEST

START_TEST(what_is_in_no_row_is_an_error_of_communication)
{
    ck_assert_int_eq(error_row(424242)->number, 162);
    ck_assert_int_eq(error_row(-1)->number, 162);
    ck_assert_int_eq(error_status(424242), EX_TEMPFAIL);
    ck_assert_int_eq(error_status(ERROR_NONE), EX_OK);
}
END_TEST

START_TEST(an_errno_has_its_row_by_name)
{
    for (size_t i = 0; i < ELEMENTSOF(mapped); i++) {
        _cleanup_failure_ Failure f = {0};

        ck_assert_int_eq(error_from_errno(mapped[i].error), mapped[i].number);
        ck_assert_int_eq(error_from_errno(-mapped[i].error), mapped[i].number);
        ck_assert_int_eq(failure_set_errno(&f, -mapped[i].error, "a/b"), -mapped[i].error);
        ck_assert_int_eq(f.number, mapped[i].number);
        ck_assert_ptr_nonnull(strstr(f.text, strerrordesc_np(mapped[i].error)));
    }
    ck_assert_int_eq(error_from_errno(ENOENT), ERROR_FILE);
    ck_assert_int_eq(error_from_errno(-EISDIR), ERROR_FILE);
    ck_assert_int_eq(error_from_spawn(-EAGAIN), 10067);
    ck_assert_int_eq(error_from_spawn(-ENOMEM), ERROR_MEMORY);
}
END_TEST

START_TEST(a_code_of_getaddrinfo_has_its_row_by_name)
{
    ck_assert_int_eq(error_from_getaddrinfo(EAI_NONAME, 0), 11001);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_AGAIN, 0), 11002);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_FAIL, 0), 11003);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_NODATA, 0), 11004);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_ADDRFAMILY, 0), 11004);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_MEMORY, 0), ERROR_MEMORY);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_FAMILY, 0), 10047);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_SOCKTYPE, 0), 10044);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_BADFLAGS, 0), 10022);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_SYSTEM, EMFILE), 10024);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_SYSTEM, ENETUNREACH), 10051);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_SYSTEM, ENOENT), 11002);
    ck_assert_int_eq(error_from_getaddrinfo(EAI_SERVICE, 0), 11002);
}
END_TEST

static Suite *errors_suite(void)
{
    Suite *s = suite_create("base errors");
    TCase *t = tcase_create("all");

    tcase_add_test(t, each_number_has_its_symbol_text_and_status);
    tcase_add_test(t, what_is_in_no_row_is_an_error_of_communication);
    tcase_add_test(t, an_errno_has_its_row_by_name);
    tcase_add_test(t, a_code_of_getaddrinfo_has_its_row_by_name);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_run(errors_suite());
}
