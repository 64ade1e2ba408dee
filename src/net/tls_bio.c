/* A BIO that sends with MSG_NOSIGNAL, which OpenSSL's own does not: a peer that went away must be
 * an error here and never a SIGPIPE, and a library does not change how its process takes signals.
 */
#include "net/tls_bio.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

typedef struct Way {
    int fd;
    const TlsCarrier *carrier;
} Way;

static ssize_t read_some(const Way *way, char *data, size_t n)
{
    return way->carrier ? way->carrier->read(way->carrier->user, data, n)
                        : recv(way->fd, data, n, 0);
}

static ssize_t write_some(const Way *way, const char *data, size_t n)
{
    return way->carrier ? way->carrier->write(way->carrier->user, data, n)
                        : send(way->fd, data, n, MSG_NOSIGNAL);
}

static int finish(BIO *bio, ssize_t n, int retry)
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int bio_read(BIO *bio, char *data, int n)
{
    ssize_t got;

    errno = 0;
    got = read_some(BIO_get_data(bio), data, (size_t)n);
    if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return finish(bio, got, BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *data, int n)
{
    errno = 0;
    return finish(bio, write_some(BIO_get_data(bio), data, (size_t)n), BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1; /* nothing is held back */
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return 0;
    }
}

static int bio_free(BIO *bio)
{
    free(BIO_get_data(bio));
    return 1;
}

BIO_METHOD *tls_bio_method_new(void)
{
    /* No index of its own: OpenSSL has little more than a hundred for the life of a process. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "outbox socket");

    if (!method)
        return NULL;
    if (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_ctrl(method, bio_ctrl) != 1 || BIO_meth_set_destroy(method, bio_free) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

BIO *tls_bio_new(const BIO_METHOD *method, int fd, const TlsCarrier *carrier)
{
    BIO *bio = BIO_new(method);
    Way *way = bio ? malloc(sizeof(Way)) : NULL;

    if (!way) {
        BIO_free(bio);
        return NULL;
    }
    *way = (Way){fd, carrier};
    BIO_set_data(bio, way);
    BIO_set_init(bio, 1);
    return bio;
}
