/* Keeping what a reader does not take, and waiting for it as long as it is alive. Must never wait
 * for one that is not, and never send a part of a record behind a part of another. */
#include "daemon/log_outlet.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

/* Entries that are kept without a look whether the reader takes something again. For a reader that
 * is merely slower than we are, a look for each would cost more than all else. */
#define ENTRIES_A_LOOK 16

int log_outlet_new(const LogOutletOps *ops, int fd, bool patient, LogOutlet **ret)
{
    LogOutlet *outlet = calloc(1, sizeof(*outlet));

    if (!outlet)
        return -ENOMEM;
    outlet->ops = ops;
    outlet->fd = fd;
    outlet->patient = patient;
    outlet->patience = patient ? LOG_OUTLET_PATIENCE_MAX : 0;
    *ret = outlet;
    return 0;
}

void log_outlet_free(LogOutlet *outlet)
{
    if (!outlet)
        return;
    if (!outlet->borrowed)
        close_p(&outlet->fd);
    buffer_done(&outlet->kept);
    free(outlet);
}

static void was_taken(LogOutlet *outlet)
{
    if (outlet->patient)
        outlet->patience =
            MIN(outlet->patience + LOG_OUTLET_PATIENCE_EACH, LOG_OUTLET_PATIENCE_MAX);
}

int log_outlet_drain(LogOutlet *outlet)
{
    while (buffer_size(&outlet->kept) > 0) {
        const char *record = buffer_data(&outlet->kept);
        size_t length;
        ssize_t n;

        memcpy(&length, record, sizeof(length));
        n = outlet->ops->send(
            outlet, record + sizeof(length) + outlet->sent, length - outlet->sent);
        if (n < 0) {
            /* Another reader is to get the whole of it. */
            if (n != -EAGAIN)
                outlet->sent = 0;
            return (int)n;
        }
        outlet->sent += (size_t)n;
        if (outlet->sent < length)
            continue;
        buffer_consume(&outlet->kept, sizeof(length) + length);
        outlet->sent = 0;
        was_taken(outlet);
    }
    buffer_done(&outlet->kept);
    outlet->unlooked = 0;
    outlet->full = false;
    return 0;
}

/* Twice the room at once, so that a full store is not moved for each record that leaves it. */
static int keep(LogOutlet *outlet, const char *record, size_t length)
{
    if (!buffer_reserve(&outlet->kept,
            2 * LOG_OUTLET_KEPT_BYTES + LOG_OUTLET_RECORD_BYTES - buffer_size(&outlet->kept)))
        return -EAGAIN;
    (void)buffer_append(&outlet->kept, &length, sizeof(length));
    (void)buffer_append(&outlet->kept, record, length);
    return 0;
}

/* With nothing kept. What is left of a record that was taken in part has to be kept. */
static int send_now(LogOutlet *outlet, const char *record, size_t length)
{
    ssize_t n = outlet->ops->send(outlet, record, length);
    int r;

    if (n < 0)
        return (int)n;
    if ((size_t)n < length) {
        r = keep(outlet, record, length);
        if (r >= 0)
            outlet->sent = (size_t)n;
        return r;
    }
    was_taken(outlet);
    return 0;
}

/* Until the reader takes something again, or the patience is used up: -EAGAIN. */
static int await(LogOutlet *outlet)
{
    struct pollfd wanted = {.fd = outlet->fd, .events = POLLOUT};
    struct timespec limit = {.tv_nsec = (long)(outlet->patience * 1000)};
    usec_t begin = clock_monotonic();
    int n;

    if (outlet->patience == 0)
        return -EAGAIN;
    n = ppoll(&wanted, 1, &limit, NULL);
    /* At least something, so that one that is always ready and takes nothing is found out. */
    outlet->patience -= MIN(outlet->patience, MAX(clock_monotonic() - begin, (usec_t)10));
    return n > 0 ? 0 : -EAGAIN;
}

/* Once it was full, a quarter has to leave: else each small entry would end a gap, and the next
 * large one begin another. */
static bool has_room(const LogOutlet *outlet, size_t length)
{
    size_t limit = outlet->full ? LOG_OUTLET_KEPT_BYTES / 4 * 3 : LOG_OUTLET_KEPT_BYTES;

    return buffer_size(&outlet->kept) + sizeof(length) + length <= limit;
}

int log_outlet_write(LogOutlet *outlet, const Entry *entry)
{
    char record[LOG_OUTLET_RECORD_BYTES];
    size_t length = outlet->ops->encode(entry, record, sizeof(record));

    if (outlet->unlooked > 0 && has_room(outlet, length)) {
        outlet->unlooked--;
        return keep(outlet, record, length);
    }
    for (;;) {
        int r = log_outlet_drain(outlet);

        if (r == 0)
            r = send_now(outlet, record, length);
        if (r != -EAGAIN)
            return r;
        if (has_room(outlet, length)) {
            outlet->unlooked = ENTRIES_A_LOOK - 1;
            outlet->full = false;
            return keep(outlet, record, length);
        }
        if (await(outlet) < 0) {
            outlet->full = true;
            return -EAGAIN;
        }
    }
}

size_t log_outlet_left(const LogOutlet *outlet)
{
    return buffer_size(&outlet->kept) - outlet->sent;
}

/* Who sent a datagram, and of which unit he is, is looked up when it is read: the process has to be
 * there still. */
static void await_reading(const LogOutlet *outlet)
{
    const struct timespec beat = {.tv_nsec = 1000000};
    usec_t deadline = usec_add(clock_monotonic(), LOG_OUTLET_PATIENCE_MAX);
    int left;

    while (outlet->fd >= 0 && ioctl(outlet->fd, SIOCOUTQ, &left) == 0 && left > 0 &&
           clock_monotonic() < deadline)
        (void)nanosleep(&beat, NULL);
}

int log_outlet_finish(LogOutlet *outlet)
{
    usec_t deadline = usec_add(clock_monotonic(), LOG_OUTLET_FINISH_MAX);
    int r;

    do
        r = log_outlet_drain(outlet);
    while (r == -EAGAIN && clock_monotonic() < deadline && await(outlet) == 0);
    if (r == 0 && outlet->path)
        await_reading(outlet);
    return r;
}

void log_outlet_reconnect(LogOutlet *outlet)
{
    close_p(&outlet->fd);
}
