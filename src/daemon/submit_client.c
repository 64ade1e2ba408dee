/* One connection to the submission socket. Must never wait for its client, and keep more of what it
 * sends in memory than a piece. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/errors.h"
#include "daemon/submit_server.h"
#include "spool/name.h"

#define READ_BYTES ((size_t)32 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024) /* of a message, before they go to the disk */
#define ERROR_TEXT_MAX 2000

int submit_format_error(const Failure *f, Buffer *out)
{
    int number = f->number > 0 ? f->number : ERROR_MEMORY;
    const char *text = failure_text(f);
    size_t before, n = strnlen(text, ERROR_TEXT_MAX);
    int r = buffer_appendf(out, "ERROR %d ", number);
    char *at;

    before = buffer_size(out);
    if (r >= 0)
        r = buffer_append(out, text, n);
    if (r < 0)
        return r;
    at = (char *)(uintptr_t)buffer_at(out, before);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)at[i] < ' ' || at[i] == 0x7f)
            at[i] = ' ';
    return buffer_append(out, "\n", 1);
}

/* ---- the descriptor ---- */

static void choose_events(SubmitClient *c)
{
    bool speaks = c->step == STEP_ENDING || buffer_size(&c->out) > 0;
    uint32_t events = speaks ? EPOLLOUT : c->step == STEP_READING ? EPOLLIN : 0;

    (void)sd_event_source_set_io_events(c->io, events);
}

/* Sends what there is to say. False: the client is gone, and freed. */
static bool flush(SubmitClient *c)
{
    while (buffer_size(&c->out) > 0) {
        ssize_t n =
            send(c->fd, buffer_data(&c->out), buffer_size(&c->out), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0) {
            submit_client_free(c);
            return false;
        }
        buffer_consume(&c->out, (size_t)n);
        c->since = clock_monotonic();
    }
    if (c->step == STEP_ENDING) {
        submit_client_free(c);
        return false;
    }
    return true;
}

/* Once what is to be said has been sent the loop frees it: not here, for callers look at it. */
static void end(SubmitClient *c)
{
    c->step = STEP_ENDING;
    submit_item_discard(c->submit->worker, TAKE_PTR(c->item));
    buffer_done(&c->in);
    choose_events(c);
}

void submit_client_fail(SubmitClient *c, const Failure *f)
{
    (void)submit_format_error(f, &c->out);
    end(c);
}

static void fail(SubmitClient *c, int r, int number, const char *text)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set(&f, r, number, "%s", text);
    submit_client_fail(c, &f);
}

static void go_on(SubmitClient *c);

#define ANSWER_BYTES (SPOOL_NAME_MAX + 16)

/* Who says nothing more may well wait for the answer; who has closed the connection hears none, and
 * tries again. */
bool submit_client_is_gone(const SubmitClient *c)
{
    struct pollfd connection = {.fd = c->fd};

    return poll(&connection, 1, 0) > 0 && (connection.revents & (POLLHUP | POLLERR));
}

/* ---- the message ---- */

static void stop_job(SubmitClient *c)
{
    c->worked = sd_event_source_disable_unref(c->worked);
    (void)job_free(TAKE_PTR(c->job));
}

static int on_written(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    SubmitClient *c = user;

    c->item = submit_write_end(c->job);
    stop_job(c);
    c->step = STEP_READING;
    c->since = clock_monotonic();
    if (c->item->error < 0)
        submit_client_fail(c, &c->item->failure);
    else
        go_on(c);
    return 0;
}

/* What there is of the message goes to the disk, and nothing is read meanwhile. */
static void write_piece(SubmitClient *c)
{
    Submit *submit = c->submit;
    int r = submit_write(submit->worker, submit_place(submit), c->item, &c->job);

    if (r >= 0) {
        c->item = NULL;
        c->step = STEP_WORKING;
        r = sd_event_add_io(submit->loop, &c->worked, job_fd(c->job), EPOLLIN, on_written, c);
    }
    if (r < 0)
        fail(c, r, ERROR_MEMORY, "memory or threads are short: try again; nothing was queued");
}

static void let_through(SubmitClient *c);

static int on_turn(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    SubmitClient *c = user;

    c->wait = sd_event_source_disable_unref(c->wait);
    let_through(c);
    return 0;
}

static void fail_waiting(SubmitClient *c)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set(&f, -EDQUOT, ERROR_WOULD_BLOCK,
        "user %u has %llu messages in the queue, and spool.submit_max_waiting allows %u; delete "
        "some, or try again when they have been sent; nothing was queued",
        c->uid, (unsigned long long)submit_users_waiting(&c->submit->users, c->uid),
        c->submit->config->spool.submit_max_waiting);
    submit_client_fail(c, &f);
}

/* The message is complete: it is queued when the limits of the user let it. */
static void let_through(SubmitClient *c)
{
    const SpoolConfig *spool = &c->submit->config->spool;
    SubmitUsers *users = &c->submit->users;
    usec_t now = clock_monotonic(), turn;

    c->step = STEP_RATE;
    if (!c->unlimited && spool->submit_max_waiting > 0 &&
        submit_users_waiting(users, c->uid) >= spool->submit_max_waiting) {
        c->step = STEP_COUNT;
        if (!submit_recount(c->submit))
            fail_waiting(c);
        return;
    }
    turn = c->unlimited ? 0 : submit_users_may_queue_at(users, c->uid, spool->submit_rate, now);
    if (!buffer_reserve(&c->out, ANSWER_BYTES)) { /* who is not answered may queue it again */
        fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again; nothing was queued");
    } else if (turn == 0) {
        submit_users_queued(users, c->uid, c->unlimited ? 0 : spool->submit_rate, now);
        submit_add(c->submit, c);
    } else if (sd_event_add_time(c->submit->loop, &c->wait, CLOCK_MONOTONIC, turn, USEC_PER_MSEC,
                   on_turn, c) < 0) {
        fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again; nothing was queued");
    }
}

void submit_client_counted(SubmitClient *c)
{
    if (submit_users_waiting(&c->submit->users, c->uid) >=
        c->submit->config->spool.submit_max_waiting)
        fail_waiting(c);
    else
        let_through(c);
}

static int answer(SubmitClient *c, const SubmitItem *item)
{
    return item->id ? buffer_appendf(&c->out, "OK %s\n", item->id) : -ENOMEM;
}

void submit_client_committed(SubmitClient *c, SubmitItem *item)
{
    int r;

    c->step = STEP_READING;
    c->since = clock_monotonic();
    if (item->error < 0)
        submit_client_fail(c, &item->failure);
    r = item->error < 0 ? 0 : answer(c, item);
    if (item->error >= 0 && r < 0)
        submit_client_free(c); /* it was not answered, and must not think that it was refused */
    else if (item->error >= 0 && flush(c))
        go_on(c);
    submit_item_free(item);
}

/* ---- questions ---- */

static int on_answered(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    _cleanup_failure_ Failure f = {0};
    SubmitClient *c = user;
    int status = submit_question_end(c->job, &f);

    stop_job(c);
    c->step = STEP_READING;
    c->since = clock_monotonic();
    if (status < 0)
        submit_client_fail(c, &f);
    else if (buffer_appendf(&c->out, "END %d\n", status) < 0)
        submit_client_free(c);
    else if (flush(c))
        go_on(c);
    return 0;
}

/* With what is said go the descriptors of the answer, so that it goes to who asked without passing
 * through the loop. */
static int send_descriptors(int socket_fd, const int *fds)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    char text[] = "OUTPUT\n";
    struct iovec octets = {text, strlen(text)};
    struct msghdr message = {.msg_iov = &octets,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof(control.room)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), fds, 2 * sizeof(int));
    return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)octets.iov_len
               ? 0
               : -EAGAIN;
}

static void ask(SubmitClient *c)
{
    Submit *submit = c->submit;
    int fds[2], r = submit_question_ask(
                    c->question, submit->worker, submit->config, submit->overrides, fds, &c->job);

    if (r >= 0) {
        c->question = NULL;
        c->step = STEP_WORKING;
        r = sd_event_add_io(submit->loop, &c->worked, job_fd(c->job), EPOLLIN, on_answered, c);
        if (r >= 0)
            r = send_descriptors(c->fd, fds);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    if (r < 0)
        stop_job(c);
    if (r == -ENOENT)
        fail(c, r, ERROR_FILE, "outboxd does not find the program outbox: install it completely");
    else if (r < 0)
        fail(c, r, ERROR_MEMORY, "memory, threads or descriptors are short: try again");
}

/* ---- what is said ---- */

static void take_data(SubmitClient *c, const SubmitPart *part)
{
    if (buffer_append(&c->item->data, part->data, part->n) < 0)
        fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again; nothing was queued");
    else if (buffer_size(&c->item->data) >= PIECE_BYTES)
        write_piece(c);
}

/* Where there are files nobody knows a message again that has gone. */
static void take_key(SubmitClient *c, const SubmitPart *part)
{
    if (!submit_place(c->submit).database)
        fail(c, -EOPNOTSUPP, ERROR_USAGE,
            "a key is for a queue in a database, and outboxd has it in a directory; nothing was "
            "queued");
    else if (submit_item_ask_key(c->item, part->data) < 0)
        fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again; nothing was queued");
}

static void begin_question(SubmitClient *c)
{
    submit_question_free(c->question);
    c->question = submit_question_new(c->uid);
    if (!c->question)
        fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again");
}

static void take_event(SubmitClient *c, SubmitEvent event, const SubmitPart *part, Failure *f)
{
    switch (event) {
    case SUBMIT_ASK: begin_question(c); break;
    case SUBMIT_COLUMNS: submit_question_columns(c->question, part->n); break;
    case SUBMIT_COLOR: submit_question_color(c->question); break;
    case SUBMIT_ARGUMENT:
        if (submit_question_add(c->question, part->data) < 0)
            fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again");
        break;
    case SUBMIT_RUN: ask(c); break;
    case SUBMIT_BEGIN:
        c->item = submit_item_new(c->uid);
        if (!c->item)
            fail(c, -ENOMEM, ERROR_MEMORY, "memory is short: try again; nothing was queued");
        break;
    case SUBMIT_KEY: take_key(c, part); break;
    case SUBMIT_DATA: take_data(c, part); break;
    case SUBMIT_END: let_through(c); break;
    case SUBMIT_WRONG: submit_client_fail(c, f); break;
    default: break;
    }
}

/* Reads on in what has come, as long as nothing has to be waited for. */
static void go_on(SubmitClient *c)
{
    SubmitEvent event = SUBMIT_DATA;

    while (event != SUBMIT_MORE && c->step == STEP_READING && buffer_size(&c->out) == 0) {
        _cleanup_failure_ Failure f = {0};
        const char *data = buffer_data(&c->in);
        size_t n = buffer_size(&c->in), before = n;
        SubmitPart part;

        c->parser.max_bytes = c->unlimited ? 0 : c->submit->config->spool.submit_max_size;
        event = submit_parse(&c->parser, &data, &n, &part, &f);
        take_event(c, event, &part, &f);
        if (c->step == STEP_ENDING)
            return;
        buffer_consume(&c->in, before - n);
    }
    choose_events(c);
}

static void receive(SubmitClient *c)
{
    char *room = buffer_reserve(&c->in, READ_BYTES);
    ssize_t n = room ? recv(c->fd, room, READ_BYTES, MSG_DONTWAIT) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        submit_client_free(c);
        return;
    }
    buffer_commit(&c->in, (size_t)n);
    c->since = clock_monotonic();
    go_on(c);
}

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, uint32_t events, void *user)
{
    SubmitClient *c = user;

    if (events & EPOLLIN)
        receive(c);
    else if (events & (EPOLLHUP | EPOLLERR))
        submit_client_free(c);
    else if (flush(c))
        go_on(c);
    return 0;
}

/* ---- life ---- */

int submit_client_new(Submit *submit, int fd, uid_t uid, bool unlimited)
{
    SubmitClient *c = calloc(1, sizeof(*c));
    int r = c ? submit_users_connect(&submit->users, uid, submit->each) : -ENOMEM;

    if (r < 0) {
        free(c);
        return r;
    }
    c->submit = submit;
    c->fd = -1;
    c->uid = uid;
    c->unlimited = unlimited;
    c->since = clock_monotonic();
    c->previous = submit->last;
    *(submit->last ? &submit->last->next : &submit->clients) = c;
    submit->last = c;
    submit_parser_init(&c->parser, 0);
    r = sd_event_add_io(submit->loop, &c->io, fd, EPOLLIN, on_io, c);
    if (r < 0)
        submit_client_free(c);
    else
        c->fd = fd;
    return r;
}

bool submit_clients_forget_gone(Submit *submit)
{
    struct pollfd polled[SUBMIT_CLIENTS_MAX];
    SubmitClient *clients[SUBMIT_CLIENTS_MAX];
    nfds_t n = 0;
    bool any = false;

    for (SubmitClient *c = submit->clients; c && n < SUBMIT_CLIENTS_MAX; c = c->next)
        if (c->step != STEP_COMMITTING) {
            polled[n] = (struct pollfd){.fd = c->fd};
            clients[n++] = c;
        }
    if (poll(polled, n, 0) <= 0)
        return false;
    for (nfds_t i = 0; i < n; i++)
        if (polled[i].revents & (POLLHUP | POLLERR)) {
            submit_client_free(clients[i]);
            any = true;
        }
    return any;
}

void submit_client_free(SubmitClient *c)
{
    Submit *submit = c->submit;

    *(c->previous ? &c->previous->next : &submit->clients) = c->next;
    *(c->next ? &c->next->previous : &submit->last) = c->previous;
    for (size_t i = 0; i < submit->n_ready; i++)
        if (submit->ready[i] == c) {
            submit->ready[i] = submit->ready[--submit->n_ready];
            submit_users_failed(&submit->users, c->uid);
            break;
        }
    if (c->step == STEP_COMMITTING)
        c->item->client = NULL; /* it is the group's */
    else
        submit_item_discard(submit->worker, c->item);
    (void)sd_event_source_disable_unref(c->io);
    (void)sd_event_source_disable_unref(c->wait);
    stop_job(c);
    submit_question_free(c->question);
    close_p(&c->fd);
    submit_users_disconnect(&submit->users, c->uid, clock_monotonic());
    buffer_done(&c->in);
    buffer_done(&c->out);
    free(c);
}
