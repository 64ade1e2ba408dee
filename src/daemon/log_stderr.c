/* Entries as lines: "time level message key=value...". Must never write a line in several pieces
 * where it can be written in one, for other processes may share the stream; and must never wait. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/text.h"
#include "daemon/log.h"
#include "daemon/log_outlet.h"

#define FIELD_PREFIX "OUTBOX_"
#define TERMINAL_PIECE 64 /* a terminal that is ready may have room for little */

/* Where a line is put together; what does not fit is left out. */
typedef struct Line {
    char *text;
    size_t used, size;
} Line;

static void put(Line *line, char c)
{
    if (line->used < line->size)
        line->text[line->used++] = c;
}

static void put_text(Line *line, const char *text)
{
    while (*text)
        put(line, *text++);
}

static const char *level_name(int priority)
{
    static const char *const names[] = {
        "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

    return names[priority & LOG_PRIMASK];
}

static bool is_named(const struct iovec *field, const char *name)
{
    size_t n = strlen(name);

    return field->iov_len >= n && memcmp(field->iov_base, name, n) == 0;
}

static void put_message(Line *line, const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(line, value[i]);
        if (value[i] == '\n')
            put_text(line, "    ");
    }
}

/* The value in quotes where a reader, or awk, could otherwise not tell its end. */
static void put_value(Line *line, const char *value, size_t n)
{
    bool quoted = memchr(value, ' ', n) || memchr(value, '"', n);

    if (quoted)
        put(line, '"');
    for (size_t i = 0; i < n; i++) {
        if (quoted && (value[i] == '"' || value[i] == '\\'))
            put(line, '\\');
        put(line, value[i]);
    }
    if (quoted)
        put(line, '"');
}

/* " code=250" from "OUTBOX_CODE=250". */
static void put_field(Line *line, const struct iovec *field)
{
    const char *name = (const char *)field->iov_base + strlen(FIELD_PREFIX);
    size_t n = field->iov_len - strlen(FIELD_PREFIX);
    const char *equals = memchr(name, '=', n);

    if (!equals)
        return;
    put(line, ' ');
    for (const char *c = name; c < equals; c++)
        put(line, text_fold(*c));
    put(line, '=');
    put_value(line, equals + 1, n - (size_t)(equals + 1 - name));
}

size_t log_stderr_format(const Entry *entry, const char *time, char *ret_line, size_t size)
{
    static const char message[] = "MESSAGE=";
    Line line = {.text = ret_line, .size = size - 2}; /* for the line end and a NUL */

    put_text(&line, time);
    put(&line, ' ');
    put_text(&line, level_name(entry->priority));
    put(&line, ' ');
    for (size_t i = 0; i < entry->n_fields; i++)
        if (is_named(&entry->fields[i], message))
            put_message(&line, (const char *)entry->fields[i].iov_base + strlen(message),
                entry->fields[i].iov_len - strlen(message));
    for (size_t i = 0; i < entry->n_fields; i++)
        if (is_named(&entry->fields[i], FIELD_PREFIX))
            put_field(&line, &entry->fields[i]);
    line.text[line.used++] = '\n';
    line.text[line.used] = '\0';
    return line.used;
}

/* ---- Writing without waiting ---- */

static size_t encode(const Entry *entry, char *ret, size_t size)
{
    char time[RFC3339_MAX];

    clock_format_rfc3339(clock_realtime(), time);
    return log_stderr_format(entry, time, ret, size);
}

static ssize_t send_to_file(LogOutlet *outlet, const char *data, size_t n)
{
    ssize_t written = write(outlet->fd, data, n);

    return written < 0 ? -errno : written;
}

/* A piece at a time, where the description is shared and must stay as it is. */
static ssize_t send_piece(LogOutlet *outlet, const char *data, size_t n)
{
    struct pollfd wanted = {.fd = outlet->fd, .events = POLLOUT};

    if (poll(&wanted, 1, 0) <= 0)
        return -EAGAIN;
    return send_to_file(outlet, data, MIN(n, outlet->piece));
}

static ssize_t send_to_socket(LogOutlet *outlet, const char *data, size_t n)
{
    ssize_t sent = send(outlet->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent < 0 ? -errno : sent;
}

/* O_NONBLOCK belongs to the open file description, which the shell and other programs share: set on
 * theirs it would make their own writes fail. A pipe or a terminal that is opened anew has one of
 * its own; a socket cannot be opened, but does not need it. Where opening is denied (another user's
 * pipe), a piece is written when there is room: a pipe that poll(2) finds ready takes PIPE_BUF
 * bytes. Everything else never blocks. */
int log_stderr_new(bool patient, LogOutlet **ret)
{
    static const LogOutletOps file = {.encode = encode, .send = send_to_file};
    static const LogOutletOps pieces = {.encode = encode, .send = send_piece};
    static const LogOutletOps sockets = {.encode = encode, .send = send_to_socket};
    bool terminal = isatty(STDERR_FILENO), waits;
    struct stat st = {0};
    int fd = -1, r;

    (void)fstat(STDERR_FILENO, &st);
    waits = terminal || S_ISFIFO(st.st_mode);
    if (waits)
        fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    r = log_outlet_new(S_ISSOCK(st.st_mode) ? &sockets
                       : waits && fd < 0    ? &pieces
                                            : &file,
        fd < 0 ? STDERR_FILENO : fd, patient, ret);
    if (r < 0) {
        close_p(&fd);
        return r;
    }
    (*ret)->borrowed = fd < 0;
    (*ret)->piece = terminal ? TERMINAL_PIECE : PIPE_BUF;
    return 0;
}
