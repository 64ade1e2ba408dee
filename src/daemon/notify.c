/* Datagrams to the service manager. Must never wait for it, which sd_notify() does: what it does
 * not take stays pending. */
#include "daemon/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "queue/timer.h"

#define RETRY_FIRST (USEC_PER_SEC / 4)
#define RETRY_MAX (10 * USEC_PER_SEC)
#define TEXT_MAX (NOTIFY_STATUS_MAX + 128)

struct Notify {
    struct sockaddr_un address;
    socklen_t address_length;
    int fd; /* -1: no manager */
    sd_event_source *retry;
    sd_event_source *watchdog; /* NULL: none */
    usec_t retry_delay, watchdog_delay;

    /* Pending, in the order in which they are sent. */
    usec_t reloading; /* since; 0: no */
    bool ready, stopping;
    usec_t extend; /* with `stopping` */
    bool status_is_new;
    char status[NOTIFY_STATUS_MAX];
};

/* ---- Sending ---- */

/* 0, or a negative errno: -EAGAIN when the manager does not read. */
static int send_text(Notify *notify, const char *text)
{
    ssize_t n = sendto(notify->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
        (const struct sockaddr *)&notify->address, notify->address_length);

    return n < 0 ? -errno : 0;
}

/* A reload is told apart from its end. */
static int send_reloading(Notify *notify)
{
    char text[TEXT_MAX];
    int r;

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
        (unsigned long long)notify->reloading);
    r = send_text(notify, text);
    if (r >= 0)
        notify->reloading = 0;
    return r;
}

static int send_rest(Notify *notify)
{
    char text[TEXT_MAX], stopping[64] = "";
    int r;

    if (notify->stopping)
        snprintf(stopping, sizeof(stopping), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n",
            (unsigned long long)notify->extend);
    snprintf(text, sizeof(text), "%s%sSTATUS=%s", notify->ready ? "READY=1\n" : "", stopping,
        notify->status);
    r = send_text(notify, text);
    if (r < 0)
        return r;
    notify->ready = notify->stopping = notify->status_is_new = false;
    return 0;
}

static bool must_be_told(const Notify *notify)
{
    return notify->reloading > 0 || notify->ready || notify->stopping;
}

/* A status alone is not worth a timer: the next change says it. */
static void send_pending(Notify *notify)
{
    int r = 0;

    if (notify->fd < 0)
        return;
    if (notify->reloading > 0)
        r = send_reloading(notify);
    if (r >= 0 && (must_be_told(notify) || notify->status_is_new))
        r = send_rest(notify);
    if (r >= 0)
        notify->retry_delay = RETRY_FIRST;
    else if (must_be_told(notify))
        timer_arm(notify->retry, notify->retry_delay);
}

static int on_retry(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Notify *notify = user;

    notify->retry_delay = MIN(notify->retry_delay * 2, RETRY_MAX);
    send_pending(notify);
    return 0;
}

/* sd_event_set_watchdog() would wait for the manager. One that is missed is followed by another. */
static int on_watchdog(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Notify *notify = user;

    (void)send_text(notify, "WATCHDOG=1");
    timer_arm(notify->watchdog, notify->watchdog_delay);
    return 0;
}

/* ---- The face ---- */

static void take_status(Notify *notify, const char *status)
{
    if (strcmp(status, notify->status) == 0)
        return;
    snprintf(notify->status, sizeof(notify->status), "%s", status);
    notify->status_is_new = true;
}

void notify_ready(Notify *notify, const char *status)
{
    take_status(notify, status);
    notify->ready = true;
    send_pending(notify);
}

void notify_reloading(Notify *notify)
{
    notify->ready = false; /* it comes again at the end */
    notify->reloading = clock_monotonic();
    send_pending(notify);
}

void notify_stopping(Notify *notify, const char *status, usec_t timeout)
{
    take_status(notify, status);
    notify->ready = false;
    notify->reloading = 0;
    notify->stopping = true;
    notify->extend = timeout;
    send_pending(notify);
}

void notify_status(Notify *notify, const char *status)
{
    take_status(notify, status);
    send_pending(notify);
}

static int open_socket(Notify *notify, const char *path)
{
    size_t length = strlen(path);

    if (length < 2 || (path[0] != '/' && path[0] != '@') ||
        length >= sizeof(notify->address.sun_path))
        return 0;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, length);
    if (path[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return notify->fd < 0 ? -errno : 0;
}

/* Twice in the time that is granted. */
static int start_watchdog(Notify *notify, sd_event *loop)
{
    uint64_t limit;
    int r = sd_watchdog_enabled(0, &limit);

    if (r <= 0)
        return 0;
    r = timer_new(loop, on_watchdog, notify, &notify->watchdog);
    if (r < 0)
        return r;
    notify->watchdog_delay = limit / 2;
    (void)sd_event_source_set_time_accuracy(notify->watchdog, MAX(limit / 4, (uint64_t)1));
    timer_arm(notify->watchdog, 0);
    return 0;
}

int notify_new(sd_event *loop, const char *path, Notify **ret)
{
    _cleanup_(notify_free_p) Notify *notify = calloc(1, sizeof(*notify));
    int r = 0;

    if (!notify)
        return -ENOMEM;
    notify->fd = -1;
    notify->retry_delay = RETRY_FIRST;
    if (path)
        r = open_socket(notify, path);
    if (r >= 0)
        r = timer_new(loop, on_retry, notify, &notify->retry);
    if (r >= 0 && notify->fd >= 0)
        r = start_watchdog(notify, loop);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(notify);
    return 0;
}

void notify_free(Notify *notify)
{
    if (!notify)
        return;
    close_p(&notify->fd);
    (void)sd_event_source_disable_unref(notify->retry);
    (void)sd_event_source_disable_unref(notify->watchdog);
    free(notify);
}
