/* Questions to the submission socket. Must never take for the whole answer what is a part of it. */
#include "submit/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/macros.h"
#include "submit/protocol.h"
#include "submit/send.h"

#define ANSWER_MAX 4096
#define PATIENCE_SECONDS 10 /* for a line: what takes long is read from the descriptors */

static int lost(int r, Failure *f)
{
    if (r == -EAGAIN)
        return failure_set(f, r, ERROR_TIMEOUT,
            "outboxd has not answered at its submission socket for %d s: it is stopped or hangs; "
            "try again when it works",
            PATIENCE_SECONDS);
    return failure_set_socket(f, r == 0 ? -ECONNRESET : r,
        "the connection to outboxd's submission socket was lost before it had answered");
}

/* A word that is no part of a line cannot be said. */
static int check_word(const char *word, Failure *f)
{
    for (const char *p = word; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return failure_set(f, -EINVAL, ERROR_USAGE,
                "an argument with control characters cannot be passed to outboxd");
    if (!*word || strlen(word) > SUBMIT_LINE_MAX - strlen("ARGUMENT \n") - 1)
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "an argument that is empty, or longer than 500 octets, cannot be passed to outboxd");
    return 0;
}

static int format(const SubmitAsk *ask, Buffer *out, Failure *f)
{
    int r = buffer_append_string(out, "ASK\n");

    if (r >= 0 && ask->columns > 0)
        r = buffer_appendf(out, "COLUMNS %zu\n", ask->columns);
    if (r >= 0 && ask->color)
        r = buffer_append_string(out, "COLOR\n");
    for (char *const *word = ask->words; r >= 0 && *word; word++) {
        r = check_word(*word, f);
        if (r < 0)
            return r;
        r = buffer_appendf(out, "ARGUMENT %s\n", *word);
    }
    if (r >= 0)
        r = buffer_append_string(out, "RUN\n");
    return r < 0 ? failure_set_errno(f, r, "cannot ask outboxd") : 0;
}

/* All of it; who does not take it any more has said why. */
static int send_all(int fd, const Buffer *out)
{
    for (size_t sent = 0; sent < buffer_size(out);) {
        ssize_t n = send(fd, buffer_data(out) + sent, buffer_size(out) - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
        sent += (size_t)n;
    }
    return 0;
}

/* Those that have come with octets. More than two are none of ours. */
static void keep_descriptors(struct msghdr *message, int fds[static 2])
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t n = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
                       ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
                       : 0;

        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (i < 2 && fds[i] < 0)
                fds[i] = fd;
            else
                (void)close(fd);
        }
    }
}

/* One line, and the descriptors that have come with it. */
static int read_line(int fd, char line[static ANSWER_MAX], int fds[static 2], Failure *f)
{
    size_t n = 0;

    while (n < ANSWER_MAX - 1) {
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct iovec octet = {line + n, 1};
        struct msghdr message = {.msg_iov = &octet,
            .msg_iovlen = 1,
            .msg_control = control.room,
            .msg_controllen = sizeof(control.room)};
        ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return lost(got < 0 ? -errno : 0, f);
        keep_descriptors(&message, fds);
        if (line[n] == '\n') {
            line[n] = '\0';
            return 0;
        }
        n++;
    }
    return failure_set(
        f, -EPROTO, ERROR_COMMUNICATION, "what answers at the submission socket is not outboxd");
}

/* What can be read is written. 1, 0 at the end, or a negative errno. */
static int pass_on(int from, int to)
{
    char data[65536];
    ssize_t n = read(from, data, sizeof(data));

    if (n < 0)
        return errno == EINTR ? 1 : -errno;
    for (ssize_t done = 0; done < n;) {
        ssize_t written = write(to, data + done, (size_t)(n - done));

        if (written < 0 && errno != EINTR)
            return -errno;
        done += MAX(written, (ssize_t)0);
    }
    return n > 0;
}

static int pass_all(int fds[static 2], int out_fd, int error_fd, Failure *f)
{
    const int to[2] = {out_fd, error_fd};

    while (fds[0] >= 0 || fds[1] >= 0) {
        struct pollfd polls[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};

        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return failure_set_errno(f, -errno, "cannot wait for the answer");
        for (size_t i = 0; i < 2; i++) {
            int r = polls[i].revents ? pass_on(fds[i], to[i]) : 1;

            if (r < 0)
                return failure_set_errno(f, r, "cannot write the answer");
            if (r == 0)
                close_p(&fds[i]);
        }
    }
    return 0;
}

/* "END STATUS" */
static int take_end(const char *line, Failure *f)
{
    static const char start[] = "END ";
    const char *number = line + strlen(start);
    unsigned long status;
    char *end;

    if (strncmp(line, start, strlen(start)) != 0)
        return submit_take_error(line, f);
    status = strtoul(number, &end, 10);
    if (end == number || *end || status > 255)
        return submit_take_error(line, f);
    return (int)status;
}

static int take_answer(int socket_fd, int fds[static 2], int out_fd, int error_fd, Failure *f)
{
    char line[ANSWER_MAX];
    int r = read_line(socket_fd, line, fds, f);

    if (r < 0)
        return r;
    if (strcmp(line, "OUTPUT") != 0 || fds[0] < 0 || fds[1] < 0)
        return submit_take_error(line, f);
    r = pass_all(fds, out_fd, error_fd, f);
    if (r == 0)
        r = read_line(socket_fd, line, fds, f);
    return r < 0 ? r : take_end(line, f);
}

int submit_ask(int socket_fd, const SubmitAsk *ask, int out_fd, int error_fd, Failure *f)
{
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    _cleanup_buffer_ Buffer out = {0};
    int fds[2] = {-1, -1}, r = format(ask, &out, f);

    if (r < 0)
        return r;
    (void)setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    r = send_all(socket_fd, &out);
    r = r < 0 ? lost(r, f) : take_answer(socket_fd, fds, out_fd, error_fd, f);
    close_p(&fds[0]);
    close_p(&fds[1]);
    return r;
}
