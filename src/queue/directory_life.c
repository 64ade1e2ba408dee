/* The life of a directory source: opening it, losing it, finding it again, and time. Must never
 * free an attachment that a held message refers to. */
#include "queue/directory_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "queue/directory_sync.h"
#include "queue/timer.h"

#define REOPEN_FIRST USEC_PER_SEC
#define REOPEN_MAX (30 * USEC_PER_SEC)
#define RECOVER_FIRST (5 * USEC_PER_SEC)
#define RECOVER_MAX (10 * USEC_PER_MINUTE)
#define READ_AGAIN USEC_PER_HOUR

static void tell(Directory *d, SourceFinding finding, const Failure *f)
{
    if (d->base.handlers)
        d->base.handlers->found(d->base.user, finding, NULL, f);
}

/* ---- what the watch sees ---- */

/* Others change the states of messages with mv, or the tool does. */
static void tell_state(const Directory *d, const char *file_name)
{
    SourceFound message = {.owner = FILE_OWNER_UNKNOWN};
    char id[SPOOL_NAME_MAX];
    SpoolState state;
    size_t n;

    if (!d->base.handlers || !spool_name_parse(file_name, &state, &n) ||
        (state != SPOOL_QUEUED && state != SPOOL_HELD))
        return;
    memcpy(id, file_name, n);
    id[n] = '\0';
    message.id = id;
    d->base.handlers->found(
        d->base.user, state == SPOOL_HELD ? FOUND_HELD : FOUND_QUEUED, &message, NULL);
}

static void on_notice(void *user, const char *file_name, bool complete)
{
    Directory *d = user;

    names_event(&d->current->names, file_name, complete, d->settle, directory_now(d));
    if (complete)
        tell_state(d, file_name);
    directory_wake(d);
}

static void on_overflow(void *user)
{
    Directory *d = user;

    names_rescan(&d->current->names);
    directory_wake(d);
}

/* No event may come any more: what could not be looked at is looked at again, ever later. */
static void doubt_later(Directory *d)
{
    timer_arm(d->check, d->reopen_delay);
    d->reopen_delay = MIN(d->reopen_delay * 2, REOPEN_MAX);
}

/* Mounts elsewhere on a busy machine lead here as well: for those this look is all. */
static void on_doubt(void *user)
{
    Directory *d = user;
    int r = spool_is_current(d->current->spool);

    if (r == 0)
        directory_check(d);
    else if (r < 0)
        doubt_later(d);
}

/* The lock outlives the event for a moment, and a live process may only have looked at the file: so
 * the look comes later, and ever later as long as this goes on. */
static void on_abandoned(void *user)
{
    Directory *d = user;

    if (clock_monotonic() > usec_add(d->recovered_at, RECOVER_MAX))
        d->recover_delay = RECOVER_FIRST;
    timer_arm(d->recover, d->recover_delay);
}

static void on_read(void *user, const char *file_name)
{
    Directory *d = user;

    if (d->current->presence)
        presence_answer(d->current->presence, file_name, clock_monotonic());
}

static void on_arm(void *user)
{
    directory_arm(user, directory_now(user));
}

static void on_suspect(void *user)
{
    Directory *d = user;

    timer_arm(d->recover, d->recover_delay);
}

static void on_ended(void *user)
{
    directory_sync_later(user);
}

static const AttachmentHandlers attachment_handlers = {
    .arm = on_arm,
    .ended = on_ended,
    .suspect = on_suspect,
};

static const WatchHandlers watch_handlers = {
    .notice = on_notice,
    .abandoned = on_abandoned,
    .read = on_read,
    .overflow = on_overflow,
    .doubt = on_doubt,
};

/* ---- opening and losing it ---- */

/* For whoever is to deliver, and only for them: the directory can be made theirs. */
static int cannot_open(const Directory *d, int r, Failure *f)
{
    struct stat st;

    if ((r != -EACCES && r != -EPERM) || !f || stat(d->path, &st) < 0 || st.st_uid == geteuid())
        return r;
    return failure_set(f, r, f->number,
        "%s; where user %u is to deliver what is in it, instead of user %u: chown %u %s",
        failure_text(f), geteuid(), st.st_uid, geteuid(), d->path);
}

static int open_attachment(Directory *d, Attachment *a, Failure *f)
{
    int r = spool_open(d->path, &a->spool, f);

    if (r < 0)
        return cannot_open(d, r, f);
    if (d->watches)
        r = watch_new(d->loop, d->path, &watch_handlers, d, &a->watch, f);
    if (r < 0)
        return r;
    /* Between the two calls the path may have come to lead elsewhere. */
    if (spool_is_current(a->spool) == 0)
        return failure_set(f, -ESTALE, ERROR_SPOOL,
            "%s was replaced while it was being opened; try again", d->path);
    r = spool_use_worker(a->spool, d->worker);
    if (r >= 0)
        r = names_init(&a->names, a->spool, d->retry_max);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start delivering from %s", d->path);
    caution_look(&a->caution, a->spool, clock_realtime());
    return 0;
}

void directory_tell_names(Directory *d)
{
    d->current->names.retry_max = d->retry_max;
    d->current->names.keeps_sent = d->keep_sent;
    /* Without the memory for it, lanes are what they were: engine and file know better. */
    if (names_use_lanes(&d->current->names, d->config) < 0)
        d->current->names.tables.open = UINT32_MAX;
}

int directory_attach(Directory *d, Failure *f)
{
    _cleanup_(attachment_free_p) Attachment *a = calloc(1, sizeof(Attachment));
    int r;

    if (!a)
        return failure_set_errno(f, -ENOMEM, "%s", d->path);
    a->handlers = &attachment_handlers;
    a->user = d;
    a->source = &d->base;
    a->notices = &d->notices;
    caution_init(&a->caution);
    r = open_attachment(d, a, f);
    if (r < 0)
        return r;
    d->current = TAKE_PTR(a);
    directory_tell_names(d);
    names_rescan(&d->current->names);
    if (d->watches)
        timer_arm(d->again, READ_AGAIN);
    directory_wake(d);
    return 0;
}

/* Says why there is no directory, once for each reason that it comes to have. */
static void tell_lost(Directory *d, const Failure *f)
{
    if (text_equal(d->lost_for, failure_text(f)))
        return;
    free(d->lost_for);
    d->lost_for = strdup(failure_text(f));
    tell(d, FOUND_LOST, f);
}

static void tell_gone(Directory *d)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set(&f, -ESTALE, ERROR_SPOOL,
        "it was removed, moved, replaced or unmounted; put it back, or create it with the owner "
        "and mode it had");
    tell_lost(d, &f);
}

static void lose(Directory *d)
{
    attachment_drain(TAKE_PTR(d->current));
    tell_gone(d);
    d->reopen_delay = REOPEN_FIRST;
    timer_arm(d->check, 0);
}

/* It cannot be opened for now: tried again, ever later. */
static void stay_lost(Directory *d, int error, const Failure *f)
{
    if (error == -ENOENT)
        tell_gone(d);
    else if (error != -ESTALE) /* it is being changed at this moment */
        tell_lost(d, f);
    doubt_later(d);
}

static void be_back(Directory *d)
{
    d->reopen_delay = REOPEN_FIRST;
    free(TAKE_PTR(d->lost_for));
    tell(d, FOUND_BACK, NULL);
}

static void check_current(Directory *d)
{
    int r = spool_is_current(d->current->spool);

    if (r == 0)
        lose(d);
    else if (r < 0) /* it tells nothing, and changes nothing */
        doubt_later(d);
    else
        d->reopen_delay = REOPEN_FIRST;
}

static int on_check(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Directory *d = user;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (d->current) {
        check_current(d);
        return 0;
    }
    r = directory_attach(d, &f);
    if (r < 0)
        stay_lost(d, r, &f);
    else
        be_back(d);
    return 0;
}

void directory_check(Directory *d)
{
    timer_disarm(d->check);
    timer_arm(d->check, 0);
}

static int on_recover(_unused_ sd_event_source *source, usec_t now, void *user)
{
    Directory *d = user;

    d->recovered_at = now;
    d->recover_delay = MIN(d->recover_delay * 2, RECOVER_MAX);
    if (d->current)
        names_rescan(&d->current->names);
    directory_wake(d);
    return 0;
}

static int on_again(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Directory *d = user;

    if (d->current)
        names_clean(&d->current->names);
    timer_arm(d->again, READ_AGAIN);
    directory_check(d);
    directory_wake(d);
    return 0;
}

/* ---- time ---- */

static int on_turn(_unused_ sd_event_source *source, void *user)
{
    Directory *d = user;

    if (d->base.handlers)
        d->base.handlers->wake(d->base.user);
    return 0;
}

static int on_step(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    directory_wake(user);
    return 0;
}

static int on_due(_unused_ sd_event_source *source, _unused_ usec_t when, void *user)
{
    Directory *d = user;

    d->due_at = 0;
    directory_wake(d);
    return 0;
}

/* Asks the kernel to tell when the clock is set, by jumps only. */
static void watch_clock(Directory *d)
{
    const struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX}};

    (void)timerfd_settime(d->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

/* What waits for a time that was far away by the old clock need not be by the new one. */
static int on_clock(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events, void *user)
{
    Directory *d = user;
    uint64_t expirations;

    (void)!read(fd, &expirations, sizeof(expirations)); /* -ECANCELED */
    watch_clock(d);
    if (d->current)
        names_distrust_clock(&d->current->names, clock_realtime());
    d->due_at = 0;
    directory_wake(d);
    return 0;
}

static int add_clock(Directory *d)
{
    d->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->clock_fd < 0)
        return -errno;
    watch_clock(d);
    return sd_event_add_io(d->loop, &d->clock, d->clock_fd, EPOLLIN, on_clock, d);
}

static int add_turn(Directory *d)
{
    int r = sd_event_add_defer(d->loop, &d->turn, on_turn, d);

    return r < 0 ? r : sd_event_source_set_enabled(d->turn, SD_EVENT_OFF);
}

static int add_due(Directory *d)
{
    int r = sd_event_add_time(d->loop, &d->due, CLOCK_REALTIME, 0, 0, on_due, d);

    return r < 0 ? r : sd_event_source_set_enabled(d->due, SD_EVENT_OFF);
}

int directory_add_timers(Directory *d)
{
    int r;

    d->clock_fd = -1;
    d->reopen_delay = REOPEN_FIRST;
    d->recover_delay = RECOVER_FIRST;
    r = add_turn(d);
    if (r >= 0)
        r = add_due(d);
    if (r >= 0)
        r = add_clock(d);
    if (r >= 0)
        r = timer_new(d->loop, on_check, d, &d->check);
    if (r >= 0)
        r = timer_new(d->loop, on_recover, d, &d->recover);
    if (r >= 0)
        r = timer_new(d->loop, on_step, d, &d->step);
    if (r >= 0)
        r = directory_sync_init(d);
    return r < 0 ? r : timer_new(d->loop, on_again, d, &d->again);
}

void directory_end(Directory *d)
{
    directory_sync_end(d);
    if (d->current)
        attachment_drain(TAKE_PTR(d->current));
    (void)sd_event_source_disable_unref(d->turn);
    (void)sd_event_source_disable_unref(d->due);
    (void)sd_event_source_disable_unref(d->clock);
    (void)sd_event_source_disable_unref(d->check);
    (void)sd_event_source_disable_unref(d->recover);
    (void)sd_event_source_disable_unref(d->step);
    (void)sd_event_source_disable_unref(d->again);
    close_p(&d->clock_fd);
    free(d->lost_for);
}
