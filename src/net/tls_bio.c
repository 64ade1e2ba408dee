/* A BIO that sends with MSG_NOSIGNAL, which OpenSSL's own does not: a peer that went away must be
 * an error here and never a SIGPIPE, and a library does not change how its process takes signals.
 */
#include "net/tls_bio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"

#define FILL_BYTES (16 * 1024)

typedef struct Way {
    int fd;
    const TlsCarrier *carrier;
    bool held;
    Buffer in, out;
    bool in_ended; /* behind `in` the data ends, */
    int in_error;  /* or there is an error: an errno */
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

/* What recv() would have said, of what was taken in. */
static ssize_t read_held(Way *way, char *data, size_t n)
{
    size_t size = buffer_size(&way->in);

    if (size == 0 && !way->in_ended) {
        errno = way->in_error > 0 ? way->in_error : EAGAIN;
        return -1;
    }
    n = MIN(n, size);
    if (n > 0)
        memcpy(data, buffer_data(&way->in), n);
    buffer_consume(&way->in, n);
    return (ssize_t)n;
}

static ssize_t write_held(Way *way, const char *data, size_t n)
{
    if (buffer_append(&way->out, data, n) >= 0)
        return (ssize_t)n;
    errno = ENOMEM;
    return -1;
}

static bool has_taken_in(const Way *way)
{
    return buffer_size(&way->in) > 0 || way->in_ended || way->in_error > 0;
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
    Way *way = BIO_get_data(bio);
    ssize_t got;

    errno = 0;
    got = way->held || has_taken_in(way) ? read_held(way, data, (size_t)n)
                                         : read_some(way, data, (size_t)n);
    if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return finish(bio, got, BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *data, int n)
{
    Way *way = BIO_get_data(bio);
    ssize_t n_written;

    errno = 0;
    n_written = way->held ? write_held(way, data, (size_t)n) : write_some(way, data, (size_t)n);
    return finish(bio, n_written, BIO_FLAGS_WRITE);
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
    Way *way = BIO_get_data(bio);

    if (way) {
        buffer_done(&way->in);
        buffer_done(&way->out);
    }
    free(way);
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
    *way = (Way){.fd = fd, .carrier = carrier};
    BIO_set_data(bio, way);
    BIO_set_init(bio, 1);
    return bio;
}

void tls_bio_hold(BIO *bio)
{
    Way *way = BIO_get_data(bio);

    way->held = true;
}

void tls_bio_release(BIO *bio)
{
    Way *way = BIO_get_data(bio);

    way->held = false;
    buffer_done(&way->out);
}

int tls_bio_fill(BIO *bio)
{
    Way *way = BIO_get_data(bio);
    char *room = buffer_reserve(&way->in, FILL_BYTES);
    ssize_t n;

    if (!room)
        return -ENOMEM;
    errno = 0;
    n = read_some(way, room, FILL_BYTES);
    if (n > 0)
        buffer_commit(&way->in, (size_t)n);
    else if (n == 0)
        way->in_ended = true;
    else if (errno == EAGAIN || errno == EINTR)
        return 0;
    else
        way->in_error = errno;
    return 1;
}

int tls_bio_flush(BIO *bio)
{
    Way *way = BIO_get_data(bio);

    while (buffer_size(&way->out) > 0) {
        ssize_t n = write_some(way, buffer_data(&way->out), buffer_size(&way->out));

        if (n < 0)
            return errno == EINTR ? -EAGAIN : -errno;
        buffer_consume(&way->out, (size_t)n);
    }
    return 0;
}

bool tls_bio_pending(BIO *bio)
{
    return has_taken_in(BIO_get_data(bio));
}
