/* Long records and large messages, read beside the loop. Must never touch a message that a thread
 * has. */
#include "queue/directory_load.h"

#include <errno.h>
#include <sys/epoll.h>

#define LOADING_MAX 32

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
    .limit = 4,
    .limit_of_key = 2, /* nobody's long ones keep those of others waiting */
};

/* Whether the message is the loop's again. */
static bool loading_free(Loading *l)
{
    bool ended;

    (void)sd_event_source_disable_unref(l->source);
    ended = job_free(l->job);
    free(l);
    return ended;
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

bool directory_loads_enough(const Directory *d)
{
    return d->worker && d->n_loading >= LOADING_MAX;
}

int directory_load_beside(Directory *d, FileMessage *message, NameKind kind)
{
    Loading *l, **at;
    int r;

    if (!d->worker)
        return -EOPNOTSUPP;
    l = calloc(1, sizeof(Loading));
    if (!l)
        return -ENOMEM;
    *l = (Loading){.directory = d, .message = message, .kind = kind};
    r = worker_submit(d->worker, &load_kind, file_message_owner_name(message), message, &l->job);
    if (r < 0) {
        free(l);
        return r;
    }
    for (at = &d->loading; *at;)
        at = &(*at)->next;
    *at = l;
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
        (void)loading_free(l);
        return message;
    }
    return NULL;
}

void directory_drop_loading(Directory *d)
{
    while (d->loading) {
        Loading *l = d->loading;
        FileMessage *message = l->message;
        char id[SPOOL_NAME_MAX];

        d->loading = l->next;
        /* What a thread is reading is left to it: the process is about to end. */
        if (loading_free(l))
            file_message_put_back(message, id);
    }
    d->n_loading = 0;
}
