/* Entries to the journal in its native protocol (systemd.io, JOURNAL_NATIVE_PROTOCOL): a datagram
 * an entry, "NAME=value" a line. Must never wait for journald, which sd_journal_sendv() does. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "daemon/log_outlet.h"

#define SEND_BUFFER_BYTES (8 * 1024 * 1024) /* more is granted than this seldom, less often */
#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* ---- An entry as a datagram ---- */

static char *put(char *at, const void *data, size_t n)
{
    memcpy(at, data, n);
    return at + n;
}

/* A value of several lines has its length in front, 64 bits, the lowest first. */
static char *put_field(char *at, const char *field, size_t n)
{
    const char *value = memchr(field, '=', n);
    uint64_t length;

    if (!value)
        return at;
    value++;
    length = (uint64_t)(field + n - value);
    if (!memchr(value, '\n', (size_t)length)) {
        at = put(at, field, n);
    } else {
        at = put(at, field, (size_t)(value - 1 - field));
        *at++ = '\n';
        for (unsigned shift = 0; shift < 64; shift += 8)
            *at++ = (char)(length >> shift);
        at = put(at, value, (size_t)length);
    }
    *at++ = '\n';
    return at;
}

static size_t encode(const Entry *entry, char *ret, size_t size)
{
    static const char identifier[] = "SYSLOG_IDENTIFIER=outboxd";
    const size_t overhead = 1 + sizeof(uint64_t) + 1;
    char *at = put_field(ret, identifier, sizeof(identifier) - 1);

    for (size_t i = 0; i < entry->n_fields; i++) {
        const struct iovec *field = &entry->fields[i];

        if (field->iov_len + overhead <= size - (size_t)(at - ret))
            at = put_field(at, field->iov_base, field->iov_len);
    }
    return (size_t)(at - ret);
}

/* ---- The socket ---- */

static int open_socket(LogOutlet *outlet)
{
    static const int buffer = SEND_BUFFER_BYTES;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (strlen(outlet->path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, outlet->path);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    outlet->fd = TAKE_FD(fd);
    return 0;
}

/* What is too large for a datagram goes in a sealed memory file. */
static int send_file(int socket_fd, const char *data, size_t n)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
    _cleanup_close_ int fd = memfd_create("outboxd-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    r = file_write_all(fd, data, n);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0)
        return -errno;
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* 0, -EAGAIN, or another negative errno. */
static int send_datagram(LogOutlet *outlet, const char *data, size_t n)
{
    int r;

    if (outlet->fd < 0) {
        r = open_socket(outlet);
        if (r < 0)
            return r;
    }
    if (send(outlet->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    r = errno == EMSGSIZE ? send_file(outlet->fd, data, n) : -errno;
    return r == -ENOBUFS || r == -EINTR ? -EAGAIN : r;
}

/* A socket that somebody listens on no longer may have a successor at the same path. */
static ssize_t send_entry(LogOutlet *outlet, const char *data, size_t n)
{
    int r = send_datagram(outlet, data, n);

    if (r < 0 && r != -EAGAIN && outlet->fd >= 0) {
        close(TAKE_FD(outlet->fd));
        r = send_datagram(outlet, data, n);
    }
    return r < 0 ? r : (ssize_t)n;
}

int log_journal_new(const char *path, bool patient, LogOutlet **ret)
{
    static const LogOutletOps ops = {.encode = encode, .send = send_entry};
    int r = log_outlet_new(&ops, -1, patient, ret);

    if (r >= 0)
        (*ret)->path = path;
    return r;
}
