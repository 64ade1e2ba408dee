/* Fetching. Must never wait longer than it is told, nor keep more than it is told. */
#include "net/fetch.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"
#include "certificate/handles.h"

bool fetch_is_possible(const char *url)
{
    return text_starts_nocase(url, "http://");
}

/* Whole seconds, as OpenSSL has it, which takes 0 for ever. */
static int seconds_until(usec_t deadline)
{
    usec_t now = clock_monotonic();

    return now >= deadline ? 0 : (int)((deadline - now + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

/* 0, or a negative errno. */
static int wait_connected(int fd, usec_t deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t n = sizeof(int);
    int error = 0, r;

    do
        r = poll(&p, 1, seconds_until(deadline) * 1000);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return r < 0 ? -errno : -ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? -errno : -error;
}

/* A descriptor, or a negative errno. */
static int connect_to(const struct addrinfo *address, usec_t deadline)
{
    _cleanup_close_ int fd = socket(
        address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        r = errno == EINPROGRESS ? wait_connected(fd, deadline) : -errno;
    return r < 0 ? r : TAKE_FD(fd);
}

/* Our own, for OpenSSL's tries a port that refuses again and again until the time is over. NULL
 * with an error of OpenSSL's kind. */
static BIO *dial(const char *host, const char *port, usec_t deadline)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    _cleanup_free_
    char *bare = strndup(host + (*host == '['), strcspn(host + (*host == '['), "]"));
    struct addrinfo *found = NULL;
    int r, fd = -EHOSTUNREACH;
    BIO *bio;

    r = bare ? getaddrinfo(bare, port, &hints, &found) : EAI_MEMORY;
    for (const struct addrinfo *a = r == 0 ? found : NULL; a && fd < 0; a = a->ai_next)
        fd = connect_to(a, deadline);
    if (r == 0)
        freeaddrinfo(found);
    bio = fd < 0 ? NULL : BIO_new_socket(fd, BIO_CLOSE);
    if (fd < 0 && r != 0)
        ERR_raise_data(ERR_LIB_HTTP, ERR_R_INTERNAL_ERROR, "%s: %s", host, gai_strerror(r));
    else if (fd < 0)
        ERR_raise(ERR_LIB_SYS, -fd);
    else if (!bio)
        close(fd);
    return bio;
}

BIO *fetch(const char *url, BIO *request, const char *request_type, size_t max, usec_t deadline)
{
    char *host = NULL, *port = NULL, *path = NULL;
    _cleanup_bio_ BIO *connection = NULL;
    int tls = 0;
    BIO *body = NULL;

    ERR_clear_error();
    if (!fetch_is_possible(url) || seconds_until(deadline) == 0 ||
        OSSL_HTTP_parse_url(url, &tls, NULL, &host, &port, NULL, &path, NULL, NULL) != 1)
        return NULL;
    connection = dial(host, port, deadline);
    /* For both directions: with one alone OpenSSL would connect it once more. */
    if (connection && seconds_until(deadline) > 0)
        body = OSSL_HTTP_transfer(NULL, host, port, path, 0, NULL, NULL, connection, connection,
            NULL, NULL, 0, NULL, request_type, request, NULL, 1, max, seconds_until(deadline), 0);
    OPENSSL_free(host);
    OPENSSL_free(port);
    OPENSSL_free(path);
    return body;
}

/* The oldest error is the cause, and what came with it the rest of it ("Code=404"). */
char *fetch_error(char text[static FETCH_ERROR_MAX])
{
    const char *data = NULL, *reason;
    int flags = 0;
    unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    _cleanup_free_
    char *more = NULL;

    reason = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
                                    : ERR_reason_error_string(code);
    if (data && *data && flags & ERR_TXT_STRING)
        more = text_printable(data, strlen(data), FETCH_ERROR_MAX / 2);
    snprintf(text, FETCH_ERROR_MAX, "%.70s%s%s%s", code == 0 ? "no answer in time" : reason ?: "?",
        more ? " (" : "", more ?: "", more ? ")" : "");
    ERR_clear_error();
    return text;
}
