/* The submission socket: who is let in, and groups of messages. Must never hold up the delivery, or
 * one user for what another does. */
#include "daemon/submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "daemon/submit_database.h"
#include "daemon/submit_server.h"
#include "daemon/submit_socket.h"
#include "queue/timer.h"

#define ACCEPTED_MAX 32 /* in one go */
#define ACCEPT_AGAIN USEC_PER_SEC
#define SWEEP_EVERY (30 * USEC_PER_SEC)
#define SILENCE_MAX (5 * USEC_PER_MINUTE)
#define COUNT_EVERY (5 * USEC_PER_SEC)
#define LINGER_MAX (2 * USEC_PER_MSEC)
#define GROUPS_MAX 4096 /* supplementary groups of a process that are looked at */

SubmitPlace submit_place(const Submit *submit)
{
    return (SubmitPlace){submit->config->spool.directory, submit->config->spool.database};
}

/* ---- groups of messages ---- */

/* Clients that have just been answered are about to send more: a group that leaves most of them
 * behind would make them wait for it, and a moment is short beside that. */
static void begin_soon(Submit *submit)
{
    if (submit->commit || submit->n_ready == 0)
        return;
    if (submit->n_ready >= submit->last_n)
        (void)sd_event_source_set_enabled(submit->start, SD_EVENT_ONESHOT);
    else
        timer_arm(submit->linger, MIN(submit->took / 4, LINGER_MAX));
}

static int on_committed(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    SubmitItem *items[SUBMIT_GROUP_MAX];
    Submit *submit = user;
    size_t n = submit_commit_end(submit->commit, items, &submit->link);

    submit->committed = sd_event_source_disable_unref(submit->committed);
    (void)job_free(TAKE_PTR(submit->commit));
    for (size_t i = 0; i < n; i++) {
        SubmitClient *client = items[i]->client;

        if (items[i]->error < 0)
            submit_users_failed(&submit->users, items[i]->uid);
        else
            submit->accepted++;
        if (client) {
            client->item = NULL;
            submit_client_committed(client, items[i]);
        } else {
            submit_item_free(items[i]);
        }
    }
    submit->last_n = n;
    submit->took = clock_monotonic() - submit->began;
    begin_soon(submit);
    return 0;
}

uint64_t submit_count_accepted(const Submit *submit)
{
    return submit ? submit->accepted : 0;
}

static void fail_all(Submit *submit, SubmitItem **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SubmitClient *client = items[i]->client;

        items[i]->error = failure_set(&items[i]->failure, -ENOMEM, ERROR_MEMORY,
            "memory or threads are short: try again; nothing was queued");
        submit_users_failed(&submit->users, items[i]->uid);
        client->item = NULL;
        submit_client_committed(client, items[i]);
    }
}

/* What will not be answered is not accepted. A daemon that was held up finds here who has waited no
 * longer. */
static void drop_gone(Submit *submit)
{
    for (size_t i = submit->n_ready; i-- > 0;)
        if (submit_client_is_gone(submit->ready[i]))
            submit_client_free(submit->ready[i]); /* the last takes its place */
}

/* All that are ready come together: no user can have more of them than connections. */
static int begin(Submit *submit)
{
    SubmitItem *items[SUBMIT_CLIENTS_MAX];
    size_t n;
    int r;

    if (submit->commit)
        return 0;
    drop_gone(submit);
    n = submit->n_ready;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        items[i] = submit->ready[i]->item;
        items[i]->client = submit->ready[i];
        submit->ready[i]->step = STEP_COMMITTING;
    }
    submit->n_ready = 0;
    submit->began = clock_monotonic();
    timer_disarm(submit->linger);
    r = submit_commit(
        submit->worker, submit_place(submit), &submit->link, items, n, &submit->commit);
    if (r >= 0 && sd_event_add_io(submit->loop, &submit->committed, job_fd(submit->commit), EPOLLIN,
                      on_committed, submit) < 0)
        return -ENOMEM;
    if (r < 0)
        fail_all(submit, items, n);
    return 0;
}

static int on_start(_unused_ sd_event_source *source, void *user)
{
    return begin(user);
}

static int on_linger(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    return begin(user);
}

void submit_add(Submit *submit, SubmitClient *client)
{
    client->step = STEP_READY;
    submit->ready[submit->n_ready++] = client;
    begin_soon(submit);
}

/* ---- counting ---- */

static int on_counted(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Submit *submit = user;
    size_t n;
    const SubmitCount *counts;

    /* Where they could not be counted, what was known of them stands. */
    if (submit_count_end(submit->count, &counts, &n) >= 0) {
        submit_users_end_count(&submit->users);
        for (size_t i = 0; i < n; i++)
            (void)submit_users_counted(&submit->users, counts[i].uid, counts[i].n);
    }
    submit->counted = sd_event_source_disable_unref(submit->counted);
    (void)job_free(TAKE_PTR(submit->count));
    submit->counted_at = clock_monotonic();
    for (SubmitClient *c = submit->clients, *next; c; c = next) {
        next = c->next;
        if (c->step == STEP_COUNT)
            submit_client_counted(c);
    }
    return 0;
}

bool submit_recount(Submit *submit)
{
    if (submit->count)
        return true;
    if (submit->counted_at > 0 && clock_monotonic() < submit->counted_at + COUNT_EVERY)
        return false;
    if (submit_count(submit->worker, submit_place(submit), &submit->count) < 0)
        return false;
    submit_users_begin_count(&submit->users);
    if (sd_event_add_io(submit->loop, &submit->counted, job_fd(submit->count), EPOLLIN, on_counted,
            submit) < 0) {
        (void)job_free(TAKE_PTR(submit->count));
        return false;
    }
    return true;
}

/* ---- who is let in ---- */

/* 1, 0 or -ENOMEM. */
static int has_group(int fd, gid_t group)
{
    _cleanup_free_
    gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
    socklen_t n = GROUPS_MAX * sizeof(*groups);

    if (!groups)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
        return 0;
    for (size_t i = 0; i < n / sizeof(*groups); i++)
        if (groups[i] == group)
            return 1;
    return 0;
}

/* Who may not is told so; who cannot be told from those may come again. 0, -EACCES with a Failure,
 * or -ENOMEM. */
static int admit(const Submit *submit, int fd, const struct ucred *peer, Failure *f)
{
    int member = peer->gid == submit->group ? 1 : has_group(fd, submit->group);

    if (member < 0 || user_list_has(submit->config->spool.submit, peer->uid, member > 0))
        return MIN(member, 0);
    return failure_set(f, -EACCES, ERROR_EACCES,
        "user %u may not queue through the submission socket: spool.submit says who may",
        peer->uid);
}

static void refuse(int fd, const Failure *f)
{
    _cleanup_buffer_ Buffer text = {0};

    if (submit_format_error(f, &text) >= 0)
        (void)!send(fd, buffer_data(&text), buffer_size(&text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

/* The one of a user's that has been silent for the longest makes room, of those whose message is
 * not on its way already. */
static bool make_room(Submit *submit, uid_t uid)
{
    SubmitClient *oldest = NULL;
    uid_t largest;

    if (submit->users.connections < submit->max)
        return true;
    if (!submit_users_find_largest(&submit->users, uid, &largest))
        return false;
    for (SubmitClient *c = submit->clients; c; c = c->next)
        if (c->uid == largest && c->step != STEP_READY && c->step != STEP_COMMITTING &&
            (!oldest || c->since < oldest->since))
            oldest = c;
    if (oldest)
        submit_client_free(oldest);
    return oldest;
}

static int find_place(Submit *submit, int fd, uid_t uid, bool unlimited)
{
    return make_room(submit, uid) ? submit_client_new(submit, fd, uid, unlimited) : -EBUSY;
}

/* Who connects anew for each message has left before it is seen here, and is not to stand in the
 * own way. */
static int take_in(Submit *submit, int fd, uid_t uid, bool unlimited)
{
    int r = find_place(submit, fd, uid, unlimited);

    if (r == -EBUSY && submit_clients_forget_gone(submit))
        r = find_place(submit, fd, uid, unlimited);
    return r;
}

static void let_in(Submit *submit, int fd)
{
    _cleanup_failure_ Failure f = {0};
    struct ucred peer;
    socklen_t n = sizeof(peer);
    bool unlimited;
    int r = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        (void)close(fd);
        return;
    }
    unlimited = peer.uid == 0 || peer.uid == submit->owner || peer.uid == geteuid();
    if (!unlimited)
        r = admit(submit, fd, &peer, &f);
    if (r >= 0)
        r = take_in(submit, fd, peer.uid, unlimited);
    if (r == -ENOMEM)
        failure_set(&f, r, ERROR_MEMORY, "memory is short: try again; nothing was queued");
    else if (r < 0 && !f.text)
        failure_set(
            &f, r, ERROR_WOULD_BLOCK, "too many connections to the submission socket; try again");
    if (r < 0)
        refuse(fd, &f);
}

static int on_resume(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Submit *submit = user;

    (void)sd_event_source_set_enabled(submit->listener, SD_EVENT_ON);
    return 0;
}

static int on_connection(
    _unused_ sd_event_source *source, int listener, _unused_ uint32_t events, void *user)
{
    Submit *submit = user;

    for (int i = 0; i < ACCEPTED_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno != EAGAIN) {
            (void)sd_event_source_set_enabled(submit->listener, SD_EVENT_OFF);
            timer_arm(submit->resume, ACCEPT_AGAIN);
        }
        if (fd < 0)
            return 0;
        let_in(submit, fd);
    }
    return 0;
}

static int listen_at(Submit *submit)
{
    return sd_event_add_io(
        submit->loop, &submit->listener, submit->fd, EPOLLIN, on_connection, submit);
}

/* Who cleans up in /run may have taken the name away: nobody would come any more. */
static void renew(Submit *submit)
{
    int fd = submit->path && !submit->stopped ? submit_socket_renew(submit->path) : -EEXIST;

    if (fd < 0)
        return;
    submit->listener = sd_event_source_disable_unref(submit->listener);
    (void)close(submit->fd);
    submit->fd = fd;
    (void)listen_at(submit);
}

/* Those who say nothing are let go, and what others did to the socket's name is undone. */
static int on_sweep(_unused_ sd_event_source *source, usec_t now, void *user)
{
    char text[] = "nothing was heard for five minutes; nothing was queued";
    const Failure silent = {.number = ERROR_TIMEOUT, .text = text};
    Submit *submit = user;

    for (SubmitClient *c = submit->clients, *next; c; c = next) {
        next = c->next;
        if (now < c->since + SILENCE_MAX)
            continue;
        if (c->step == STEP_READING)
            submit_client_fail(c, &silent);
        else if (c->step == STEP_ENDING)
            submit_client_free(c);
    }
    renew(submit);
    timer_arm(submit->sweep, SWEEP_EVERY);
    return 0;
}

/* ---- life ---- */

/* Those that are not kept for deliveries (compute_limits() of the manager), two a connection; no
 * user has more than a quarter. */
static void limit_connections(Submit *submit)
{
    size_t room = file_descriptors_max() / SUBMIT_FILES_SHARE / SUBMIT_FILES_EACH;

    submit->max = (unsigned)MIN(room, (size_t)SUBMIT_CLIENTS_MAX);
    submit->max = MAX(submit->max, 4u);
    submit->each = MIN(submit->max / 4, (unsigned)SUBMIT_CLIENTS_EACH);
}

static void look_at_directory(Submit *submit)
{
    struct stat st;

    submit->owner = geteuid();
    submit->group = getegid();
    if (stat(submit->config->spool.directory, &st) < 0)
        return;
    submit->owner = st.st_uid;
    submit->group = st.st_gid;
}

static int open_sources(Submit *submit)
{
    int r = listen_at(submit);

    if (r >= 0)
        r = timer_new(submit->loop, on_resume, submit, &submit->resume);
    if (r >= 0)
        r = timer_new(submit->loop, on_sweep, submit, &submit->sweep);
    if (r >= 0)
        r = timer_new(submit->loop, on_linger, submit, &submit->linger);
    if (r >= 0)
        r = sd_event_source_set_time_accuracy(submit->linger, LINGER_MAX / 20);
    if (r >= 0)
        r = sd_event_add_defer(submit->loop, &submit->start, on_start, submit);
    if (r >= 0)
        r = sd_event_source_set_enabled(submit->start, SD_EVENT_OFF);
    return r;
}

int submit_new(sd_event *loop, Worker *worker, Config *config, const char *const *overrides,
    Submit **ret, Failure *f)
{
    _cleanup_(submit_free_p) Submit *submit = calloc(1, sizeof(*submit));
    int r;

    *ret = NULL;
    if (!submit)
        return failure_set_errno(f, -ENOMEM, "cannot open the submission socket");
    submit->fd = -1;
    submit->loop = loop;
    submit->worker = worker_ref(worker);
    submit->config = config_ref(config);
    submit->overrides = overrides;
    if (config->spool.database && submit_link_new(config->spool.database, &submit->link) < 0)
        return failure_set_errno(f, -ENOMEM, "cannot open the submission socket");
    r = submit_socket_open(&config->spool, &submit->fd, &submit->path, f);
    if (r < 0 || submit->fd < 0)
        return r;
    look_at_directory(submit);
    limit_connections(submit);
    r = open_sources(submit);
    if (r < 0)
        return failure_set_errno(f, r, "cannot serve the submission socket");
    timer_arm(submit->sweep, SWEEP_EVERY);
    *ret = TAKE_PTR(submit);
    return 0;
}

void submit_configure(Submit *submit, Config *config)
{
    if (!submit)
        return;
    (void)config_unref(submit->config);
    submit->config = config_ref(config);
}

void submit_stop(Submit *submit)
{
    if (!submit)
        return;
    submit->stopped = true;
    (void)sd_event_source_set_enabled(submit->listener, SD_EVENT_OFF);
    timer_disarm(submit->resume);
}

void submit_free(Submit *submit)
{
    if (!submit)
        return;
    while (submit->clients)
        submit_client_free(submit->clients);
    (void)sd_event_source_disable_unref(submit->committed);
    (void)sd_event_source_disable_unref(submit->counted);
    (void)sd_event_source_disable_unref(submit->start);
    (void)sd_event_source_disable_unref(submit->linger);
    (void)sd_event_source_disable_unref(submit->sweep);
    (void)sd_event_source_disable_unref(submit->resume);
    (void)sd_event_source_disable_unref(submit->listener);
    (void)job_free(submit->commit);
    (void)job_free(submit->count);
    submit_link_free(submit->link);
    submit_users_done(&submit->users);
    submit_socket_close(submit->fd, submit->path);
    (void)worker_unref(submit->worker);
    (void)config_unref(submit->config);
    free(submit);
}
