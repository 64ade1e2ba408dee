/* Long records and large messages, read beside the loop. Must never touch a message that a thread
 * has. */
#include "queue/directory_load.h"

#include <errno.h>
#include <sys/epoll.h>

struct Loading {
    Directory *directory;
    FileMessage *message;
    NameKind kind;
    Job *job;
    sd_event_source *source;
    Loading *next;
};

static void run_load(void *user)
{
    file_message_load_record(user);
    file_message_look(user);
}

/* The message is the loop's: nothing of it is freed on a thread. */
static void keep_message(_unused_ void *user)
{
}

static const JobKind load_kind = {
    .name = "record",
    .run = run_load,
    .drop = keep_message,
    .limit = 2,
};

static void loading_free(Loading *l)
{
    (void)sd_event_source_disable_unref(l->source);
    job_free(l->job);
    free(l);
}

static int on_loaded(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Loading *l = user;

    if (job_has_ended(l->job)) {
        l->source = sd_event_source_disable_unref(l->source);
        directory_wake(l->directory);
    }
    return 0;
}

int directory_load_beside(Directory *d, FileMessage *message, NameKind kind)
{
    Loading *l;
    int r;

    if (!d->worker)
        return -EOPNOTSUPP;
    l = calloc(1, sizeof(Loading));
    if (!l)
        return -ENOMEM;
    *l = (Loading){.directory = d, .message = message, .kind = kind};
    r = worker_submit(d->worker, &load_kind, NULL, message, &l->job);
    if (r < 0) {
        free(l);
        return r;
    }
    l->next = d->loading;
    d->loading = l;
    d->n_loading++;
    /* Without an event it is found when the engine next takes something. */
    (void)sd_event_add_io(d->loop, &l->source, job_fd(l->job), EPOLLIN, on_loaded, l);
    return 0;
}

FileMessage *directory_take_loaded(Directory *d, NameKind *ret_kind)
{
    for (Loading **at = &d->loading; *at; at = &(*at)->next) {
        Loading *l = *at;
        FileMessage *message = l->message;

        if (!job_has_ended(l->job))
            continue;
        *ret_kind = l->kind;
        *at = l->next;
        d->n_loading--;
        loading_free(l);
        return message;
    }
    return NULL;
}

void directory_drop_loading(Directory *d)
{
    while (d->loading) {
        Loading *l = d->loading;

        d->loading = l->next;
        /* What a thread is reading is left to it: the process is about to end. */
        if (job_has_ended(l->job))
            file_message_abandon((HeldMessage *)l->message);
        loading_free(l);
    }
    d->n_loading = 0;
}
