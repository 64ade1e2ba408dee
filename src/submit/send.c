/* Handing a message to the submission socket. Must never take for queued what was not answered. */
#include "submit/send.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/errors.h"
#include "base/macros.h"
#include "submit/protocol.h"

#define PIECE_BYTES ((size_t)64 * 1024)
#define ANSWER_MAX 4096

int submit_connect(const char *path, int *ret, Failure *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = SUBMIT_PATIENCE_MSEC / 1000};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return failure_set_socket(f, -errno, "cannot make a socket");
    if (strlen(path) >= sizeof(address.sun_path))
        return failure_set(
            f, -ENAMETOOLONG, ERROR_ENAMETOOLONG, "%s: too long for the path of a socket", path);
    strcpy(address.sun_path, path);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = errno == ENOENT ? -ECONNREFUSED : -errno; /* who ends well takes it away */
        return failure_set_socket(f, r, "%s: %s", path,
            r == -ECONNREFUSED ? "nobody serves it: outboxd is to run" : "cannot connect");
    }
    *ret = TAKE_FD(fd);
    return 0;
}

/* What is no part of a line cannot be said. */
static int check_key(const char *key, Failure *f)
{
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return failure_set(f, -EINVAL, ERROR_USAGE, "the key has a control character");
    return *key && strlen(key) <= SUBMIT_KEY_MAX
               ? 0
               : failure_set(
                     f, -EINVAL, ERROR_USAGE, "the key is empty, or longer than 480 octets");
}

int submit_sender_open(const char *path, SubmitSender *ret, Failure *f)
{
    int r = ret->key ? check_key(ret->key, f) : 0;

    if (r >= 0)
        r = submit_connect(path, &ret->fd, f);
    if (r < 0)
        return r;
    r = buffer_append_string(&ret->pending, "QUEUE\n");
    if (r >= 0 && ret->key)
        r = buffer_appendf(&ret->pending, "KEY %s\n", ret->key);
    return r < 0 ? failure_set_errno(f, r, "cannot queue the message") : 0;
}

void submit_sender_done(SubmitSender *sender)
{
    close_p(&sender->fd);
    buffer_done(&sender->pending);
}

/* After a call that could not go on, with its negative errno: until it can. 0, -ETIME, or what else
 * it was. Who waits in silence for long is told for whom. */
static int await(SubmitSender *sender, short event, int error)
{
    struct pollfd connection = {.fd = sender->fd, .events = event};
    int n;

    if (error != -EAGAIN && error != -EINTR)
        return error;
    n = poll(&connection, 1, sender->notice_msec);
    if (n != 0)
        return n > 0 || errno == EINTR ? 0 : -errno;
    if (sender->on_silence)
        sender->on_silence(sender->userdata);
    sender->on_silence = NULL;
    n = poll(&connection, 1, sender->patience_msec - sender->notice_msec);
    return n > 0 || (n < 0 && errno == EINTR) ? 0 : n == 0 ? -ETIME : -errno;
}

static int lost(const SubmitSender *sender, int r, Failure *f)
{
    if (r == -ETIME)
        return failure_set(f, r, ERROR_TIMEOUT,
            "outboxd has not answered at its submission socket for %d s, and is not waited for any "
            "longer; what was not answered is not queued, unless the answer was about to come: see "
            "`outbox list`, and try again when outboxd answers (`systemctl status outboxd`)",
            sender->patience_msec / 1000);
    return failure_set_socket(f, r == 0 ? -ECONNRESET : r,
        "the connection to outboxd's submission socket was lost, and no answer had come");
}

int submit_take_error(const char *line, Failure *f)
{
    static const char start[] = "ERROR ";
    char *text;
    unsigned long number;

    if (strncmp(line, start, strlen(start)) != 0)
        return failure_set(f, -EPROTO, ERROR_COMMUNICATION,
            "what answers at the submission socket is not outboxd");
    number = strtoul(line + strlen(start), &text, 10);
    return failure_set(f, -EREMOTEIO,
        number > 0 && number < 100000 ? (int)number : ERROR_COMMUNICATION, "%s",
        *text == ' ' ? text + 1 : text);
}

/* "OK ID", whose id is put into *ret, or what it is else. */
static int take_answer(const char *line, char **ret, Failure *f)
{
    if (strncmp(line, "OK ", 3) == 0 && line[3] && !strchr(line + 3, '/')) {
        *ret = strdup(line + 3);
        return *ret ? 0 : failure_set_errno(f, -ENOMEM, "the message is queued");
    }
    return submit_take_error(line, f);
}

static int read_answer(SubmitSender *sender, char **ret, Failure *f)
{
    char line[ANSWER_MAX];
    size_t n = 0;

    *ret = NULL;
    while (n < sizeof(line)) {
        ssize_t got = recv(sender->fd, line + n, sizeof(line) - n, MSG_DONTWAIT);
        char *end = got > 0 ? memchr(line + n, '\n', (size_t)got) : NULL;
        int r = got < 0 ? await(sender, POLLIN, -errno) : 0;

        if (got < 0 && r >= 0)
            continue;
        if (got <= 0)
            return lost(sender, r, f);
        if (end) {
            *end = '\0';
            return take_answer(line, ret, f);
        }
        n += (size_t)got;
    }
    return failure_set(
        f, -EPROTO, ERROR_COMMUNICATION, "what answers at the submission socket is not outboxd");
}

/* Whoever does not want to hear the rest has said why. */
static int explain(SubmitSender *sender, int r, Failure *f)
{
    _cleanup_free_
    char *id = NULL;

    if (r != -EPIPE && r != -ECONNRESET)
        return lost(sender, r, f);
    r = read_answer(sender, &id, f);
    return r < 0 ? r : lost(sender, 0, f);
}

static int flush(SubmitSender *sender, Failure *f)
{
    while (buffer_size(&sender->pending) > 0) {
        ssize_t n = send(sender->fd, buffer_data(&sender->pending), buffer_size(&sender->pending),
            MSG_NOSIGNAL | MSG_DONTWAIT);
        int r = n < 0 ? await(sender, POLLOUT, -errno) : 0;

        if (r < 0)
            return explain(sender, r, f);
        if (n < 0)
            continue;
        buffer_consume(&sender->pending, (size_t)n);
    }
    return 0;
}

int submit_sender_write(SubmitSender *sender, const void *data, size_t n, Failure *f)
{
    int r = 0;

    if (n == 0)
        return 0;
    r = buffer_appendf(&sender->pending, "DATA %zu\n", n);
    if (r >= 0)
        r = buffer_append(&sender->pending, data, n);
    if (r < 0)
        return failure_set_errno(f, r, "cannot queue the message");
    return buffer_size(&sender->pending) >= PIECE_BYTES ? flush(sender, f) : 0;
}

int submit_sender_commit(SubmitSender *sender, char **ret_id, Failure *f)
{
    int r = buffer_append_string(&sender->pending, "END\n");

    if (r < 0)
        return failure_set_errno(f, r, "cannot queue the message");
    r = flush(sender, f);
    return r < 0 ? r : read_answer(sender, ret_id, f);
}
