/* sendmail -bs: SMTP on standard input and output. Must never say that a message is queued before
 * it is on the disk, nor queue one whose end has not come. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "receive/session.h"
#include "settings/load.h"
#include "tool/put.h"
#include "tool/queue.h"
#include "tool/sendmail_admit.h"

#define READ_BYTES ((size_t)64 * 1024)
#define PATIENCE_MSEC (5 * 60 * 1000) /* with other ends of TCP: RFC 5321, 4.5.3.2.7 */

typedef struct Service {
    const SendmailOptions *options;
    ReceiveSession *session;
    Buffer input;     /* what has not been looked at */
    bool is_terminal; /* where a line ends with LF alone */
    bool ended;       /* nothing more comes, or nobody is there to answer */
    bool is_silent;   /* the other end said nothing for too long */
    bool is_short;    /* of memory */
    bool is_gone;     /* it takes no replies any more */
    bool is_remote;   /* this is a TCP connection */
    Peer peer;
    Local names; /* as they were when the session began: what this host is called */
    /* of a message: */
    Local local;
    QueueTarget target;
    Envelope envelope;
    bool is_complete;
} Service;

static void forget_message(Service *s)
{
    local_done(&s->local);
    queue_target_done(&s->target);
    envelope_done(&s->envelope);
    s->local = (Local){0};
    s->target = (QueueTarget){0};
    s->envelope = (Envelope){0};
    s->is_complete = false;
}

/* ---- input and output ---- */

/* Whether to do again what failed: a descriptor that does not block is waited for. A program that
 * has a pipe to this one may be silent for days. */
static bool may_go_on(Service *s, int fd, short events)
{
    struct pollfd waits = {.fd = fd, .events = events};
    int r;

    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        return false;
    r = poll(&waits, 1, s->is_remote ? PATIENCE_MSEC : -1);
    s->is_silent = r == 0;
    return r > 0 || (r < 0 && errno == EINTR);
}

/* Sends what there is to say. False: nobody is there any more. */
static bool flush(Service *s)
{
    Buffer *replies = receive_session_replies(s->session);

    while (buffer_size(replies) > 0) {
        ssize_t n = write(STDOUT_FILENO, buffer_data(replies), buffer_size(replies));

        if (n >= 0)
            buffer_consume(replies, (size_t)n);
        else if (!may_go_on(s, STDOUT_FILENO, POLLOUT)) {
            s->is_gone = true;
            return false;
        }
    }
    return true;
}

/* Sends what is ready, before something that may wait for others: a client is not to take for
 * unanswered what was done long before. False: nobody is there any more, so that nothing more is to
 * be begun. */
static bool flush_before_waiting(Service *s)
{
    s->ended = s->ended || !flush(s);
    return !s->ended;
}

/* Who types ends lines with a key. */
static int append_typed(Buffer *out, const char *data, size_t n)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = data[i] == '\n' ? buffer_append(out, "\r\n", 2) : buffer_append(out, &data[i], 1);
    return r;
}

/* Reads on. False: nothing more comes. */
static bool read_on(Service *s)
{
    char data[READ_BYTES];
    ssize_t n;

    do
        n = read(STDIN_FILENO, data, sizeof(data));
    while (n < 0 && may_go_on(s, STDIN_FILENO, POLLIN));
    if (n <= 0)
        return false;
    if ((s->is_terminal ? append_typed(&s->input, data, (size_t)n)
                        : buffer_append(&s->input, data, (size_t)n)) >= 0)
        return true;
    receive_session_close(s->session, 421, "4.3.0", "memory is short; try again");
    s->is_short = true;
    return false;
}

/* What is told next. RECEIVE_CLOSE with `ended`: the input is over. The part is borrowed until the
 * next call. */
static ReceiveEvent next(Service *s, ReceivePart *ret)
{
    while (!s->ended) {
        const char *data = buffer_data(&s->input);
        size_t n = buffer_size(&s->input), before = n;
        ReceiveEvent event = receive_session_take(s->session, &data, &n, ret);

        buffer_consume(&s->input, before - n);
        if (event != RECEIVE_MORE)
            return event;
        s->ended = !flush(s) || !read_on(s);
    }
    return RECEIVE_CLOSE;
}

/* ---- answers ---- */

/* A fault of this machine's is to be tried again: only what is wrong with the message, and what
 * this user may not do, is so for good. */
static void refuse(Service *s, const Failure *f)
{
    int status = f->number != 0 ? error_status(f->number) : EX_TEMPFAIL;

    if (f->number == ERROR_STORAGE)
        receive_session_refuse(s->session, 452, "4.3.1", failure_text(f));
    else if (status == EX_DATAERR)
        receive_session_refuse(s->session, 554, "5.6.0", failure_text(f));
    else if (status == EX_NOPERM)
        receive_session_refuse(s->session, 550, "5.7.1", failure_text(f));
    else
        receive_session_refuse(
            s->session, 451, status == EX_CONFIG ? "4.3.5" : "4.3.0", failure_text(f));
}

/* What may be said of an address, and is not its host's to judge. 0, or a negative errno with the
 * refusal said. */
static int check_path(Service *s, const ReceivePart *part, EnvelopeParty party)
{
    _cleanup_failure_ Failure f = {0};
    bool is_sender = party == ENVELOPE_SENDER;
    int r = 0;

    if (part->address[0])
        r = address_check(part->address, strlen(part->address), true, &f);
    if (r < 0) {
        receive_session_refuse(s->session, 501, is_sender ? "5.1.7" : "5.1.3", failure_text(&f));
        return r;
    }
    if (part->parameters)
        r = envelope_check_parameters(part->parameters, party, &f);
    if (r < 0)
        receive_session_refuse(s->session, 501, "5.5.4", failure_text(&f));
    return r;
}

/* ---- the envelope ---- */

static int open_target(Service *s, Failure *f)
{
    const char *none[] = {NULL};
    int r = config_load_directory(s->options->config_path, none, &s->target.directory,
        &s->target.senders, &s->target.socket, f);

    if (r >= 0)
        r = config_load_database(s->options->config_path, none, &s->target.database, f);
    if (r < 0)
        return r;
    queue_target_look(&s->target);
    return 0;
}

/* Whether this user may name the sender, as which it will be sent. */
static int check_sender(Service *s, Failure *f)
{
    _cleanup_free_
    char *rewritten = NULL;
    int r = s->local.from ? from_rules_apply(s->local.from, s->envelope.sender, &rewritten) : 0;

    if (r < 0)
        return failure_set_errno(f, r, "cannot look at the sender");
    return sender_rules_check(
        s->target.senders, geteuid(), s->target.owner, rewritten ?: s->envelope.sender, f);
}

static int set_sender(Service *s, const ReceivePart *part, Failure *f)
{
    _cleanup_free_
    char *joined = NULL;
    const char *address = part->address;

    if (*address && !address_domain(address)) {
        if (asprintf(&joined, "%s@%s", address, s->local.domain) < 0) {
            joined = NULL;
            return failure_set_errno(f, -ENOMEM, "cannot read the sender");
        }
        address = joined;
    }
    return envelope_set_sender(&s->envelope, address, part->parameters, f);
}

/* The rules are read for each message: a program may keep this one for days. */
static void take_sender(Service *s, const ReceivePart *part)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    forget_message(s);
    if (check_path(s, part, ENVELOPE_SENDER) < 0 || !flush_before_waiting(s))
        return;
    r = local_open_again(s->options->config_path, &s->names, &s->local, &f);
    if (r >= 0)
        r = open_target(s, &f);
    if (r >= 0)
        r = set_sender(s, part, &f);
    if (r >= 0)
        r = check_sender(s, &f);
    if (r >= 0)
        receive_session_accept(s->session, "the sender is taken");
    else
        refuse(s, &f);
}

static void take_recipient(Service *s, const ReceivePart *part)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    if (check_path(s, part, ENVELOPE_RECIPIENT) < 0)
        return;
    r = local_names_add(&s->local.names, &s->envelope, part->address, part->parameters, &f);
    if (r >= 0)
        receive_session_accept(s->session, "the recipient is taken");
    else if (r == -EINVAL)
        receive_session_refuse(s->session, 550, "5.1.1", failure_text(&f));
    else
        receive_session_refuse(s->session, 451, "4.3.0", "memory is short; try again");
}

/* ---- the message ---- */

/* Appends the next octets: a QueueRead. -ECANCELED: no more will come, nor is it to be queued. */
static int read_message(void *service, Buffer *out, Failure *f)
{
    Service *s = service;
    ReceivePart part;

    if (s->is_complete)
        return 0;
    switch (next(s, &part)) {
    case RECEIVE_CONTENT:
        return buffer_append(out, part.data, part.n) < 0
                   ? failure_set_errno(f, -ENOMEM, "cannot read the message")
                   : 1;
    case RECEIVE_END: s->is_complete = flush_before_waiting(s); break;
    default: break;
    }
    return s->is_complete
               ? 0
               : failure_set(f, -ECANCELED, ERROR_INTERRUPTED, "the message was broken off");
}

/* Its whole header at least. */
static int read_start(Service *s, Buffer *start, Failure *f)
{
    int r = 1;

    while (r > 0 && buffer_size(start) < MESSAGE_HEADER_MAX)
        r = read_message(s, start, f);
    return r;
}

/* The name under which this host greets. */
static const char *host_of(const Service *s)
{
    if (s->names.full)
        return s->names.full;
    return s->names.node[0] ? s->names.node : "localhost";
}

/* What has come by a pipe was on no way that is to be traced. */
static int address(Service *s, const Buffer *start, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer trace = {0};

    if (s->is_remote && sendmail_trace(&s->peer, s->session, host_of(s), &trace) < 0)
        return failure_set_errno(f, -ENOMEM, "cannot read the message");
    return sendmail_address_as(
        s->options, &s->local, &s->envelope, buffer_data(&trace), start, out, f);
}

static int queue(Service *s, Buffer *start, char **ret_path, Failure *f)
{
    _cleanup_buffer_ Buffer message = {0};
    int r = read_start(s, start, f);

    if (r >= 0 && sendmail_loops(start))
        return failure_set(f, -ELOOP, ERROR_MESSAGE, "the message goes round in circles");
    if (r >= 0)
        r = address(s, start, &message, f);
    if (r >= 0)
        r = queue_check(&s->target, &message, !s->is_complete, f);
    if (r >= 0)
        r = put_message(&s->target, &message, read_message, s, ret_path, f);
    return r;
}

static void accept_message(Service *s, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    char text[300];

    (void)snprintf(text, sizeof(text), "queued as %.*s", (int)(dot ? dot - name : 255), name);
    receive_session_accept(s->session, text);
}

/* What has come of it is in `start`. */
static void take_message(Service *s, Buffer *start)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int r = flush_before_waiting(s) ? queue(s, start, &path, &f) : -ECANCELED;

    if (r >= 0)
        accept_message(s, path);
    else if (r == -ELOOP)
        receive_session_refuse(s->session, 554, "5.4.6", failure_text(&f));
    else if (r != -ECANCELED)
        refuse(s, &f);
    forget_message(s);
}

static void take_first(Service *s, const ReceivePart *part)
{
    _cleanup_buffer_ Buffer start = {0};

    if (buffer_append(&start, part->data, part->n) >= 0)
        take_message(s, &start);
    else
        receive_session_refuse(s->session, 451, "4.3.0", "memory is short; try again");
}

/* ---- the session ---- */

static void take_event(Service *s, ReceiveEvent event, const ReceivePart *part)
{
    switch (event) {
    case RECEIVE_SENDER: take_sender(s, part); break;
    case RECEIVE_RECIPIENT: take_recipient(s, part); break;
    case RECEIVE_CONTENT: take_first(s, part); break;
    case RECEIVE_END:
        s->is_complete = true;
        take_message(s, &(Buffer){0});
        break;
    default: forget_message(s); break;
    }
}

static int finish(Service *s)
{
    bool idle = s->is_silent
                    ? receive_session_give_up(s->session, "nothing was heard for five minutes")
                    : receive_session_end(s->session);

    if (!s->is_gone)
        (void)flush(s);
    if (s->is_short)
        return tool_fail_memory();
    return idle ? EX_OK
                : tool_fail_number(ERROR_CONNECTION_DROPPED,
                      "the input ended within a message or a command; nothing was queued of it");
}

static int serve(Service *s)
{
    ReceiveEvent event;
    ReceivePart part;

    do {
        event = next(s, &part);
        take_event(s, event, &part);
    } while (event != RECEIVE_CLOSE);
    return finish(s);
}

/* The limit of the submission socket is that of who queues by it. */
static uint64_t find_max_bytes(const SendmailOptions *options)
{
    const char *none[] = {NULL};
    _cleanup_config_ Config *config = NULL;

    if (geteuid() == 0 || config_load_spool(options->config_path, none, &config, NULL) < 0 ||
        access(config->spool.directory, W_OK | X_OK) == 0)
        return 0;
    return config->spool.submit_max_size;
}

/* Answers whom this is not for. Returns an exit status, having said why. */
static int turn_away(Service *s, const Rejection *rejection, const Failure *f)
{
    s->session = receive_session_new("localhost", 0);
    if (!s->session)
        return tool_fail_memory();
    receive_session_close(s->session, rejection->code, rejection->enhanced, failure_text(f));
    (void)flush(s);
    return tool_fail(f);
}

/* Nobody is there to answer, nor to queue for: such are the checks whether a port is open. */
static int leave_alone(bool has_sent)
{
    return has_sent ? tool_fail_number(ERROR_CONNECTION_DROPPED,
                          "the client was gone before it could be found out who is connected; "
                          "nothing was taken of what it sent")
                    : EX_OK;
}

/* The descriptor of a connection is this process's alone. Whether the session is on; else with an
 * exit status. */
static bool admit(Service *s, int *ret_status)
{
    _cleanup_failure_ Failure f = {0};
    int flags = fcntl(STDIN_FILENO, F_GETFL), r;
    Rejection rejection;
    bool has_sent;

    if (flags >= 0)
        (void)fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK);
    r = s->peer.is_gone ? -ENOENT : sendmail_admit(s->options, &s->peer, &rejection, &f);
    if (r == -ENOENT && (peer_has_closed(STDIN_FILENO, &has_sent) || s->peer.is_gone))
        *ret_status = leave_alone(has_sent);
    else if (r < 0)
        *ret_status = turn_away(s, &rejection, &f);
    return r >= 0;
}

static int run(Service *s)
{
    int status;

    if (s->is_remote && !admit(s, &status))
        return status;
    if (local_open(s->options->config_path, &s->names, NULL) != -ENOMEM)
        s->session = receive_session_new(host_of(s), find_max_bytes(s->options));
    return s->session ? serve(s) : tool_fail_memory();
}

int sendmail_serve(const SendmailOptions *options)
{
    Service service = {.options = options, .is_terminal = isatty(STDIN_FILENO)};
    int status;

    service.is_remote = peer_look(STDIN_FILENO, &service.peer);
    status = run(&service);
    forget_message(&service);
    receive_session_free(service.session);
    buffer_done(&service.input);
    local_done(&service.names);
    return status;
}
