/* outbox send: delivers one message at once, without the queue. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "delivery/content.h"
#include "message/message.h"
#include "tool/call.h"
#include "tool/input.h"
#include "tool/progress.h"
#include "tool/send_kinds.h"
#include "tool/terminal.h"

#define READ_BYTES ((size_t)64 * 1024)
#define SHOWN_MAX 2000   /* bytes of what a stranger wrote */
#define ID_CHARACTERS 13 /* random; the Message-ID of a message without one is made from it */

typedef struct Sending {
    InputFile content;
    Message *message;
    Content outgoing; /* of the transaction under way */
    SmtpVerb verb;
    bool verbose;
    SmtpRecipient *waiting; /* recipients without an outcome so far */
    AddresseeKind *kinds;   /* of each */
    bool all_or_none;       /* they go together: some are required */
    bool *done;             /* those of them that the transaction under way has an outcome for */
    size_t n_waiting;
    SmtpTransaction transaction; /* under way: the first of those that wait */
    Progress progress;
    size_t deferred, refused;
    bool postponed;   /* one is to go in a further transaction */
    int fault_status; /* of the last relay that was at fault */
} Sending;

/* A file that the message is read from as from one in the queue: in memory when it is small. */
static int open_scratch(bool small)
{
    int fd;

    if (!small)
        return file_scratch();
    fd = memfd_create("message", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Copies the message there. The descriptor, or a negative errno with a Failure. */
static int gather(const Buffer *start, InputRest *rest, uint64_t *ret_size, Failure *f)
{
    _cleanup_close_ int fd = open_scratch(!input_rest_any(rest));
    _cleanup_buffer_ Buffer data = {0};
    int r = fd < 0 ? fd : file_write_all(fd, buffer_data(start), buffer_size(start)), more = 1;

    *ret_size = buffer_size(start);
    while (r >= 0 && more > 0) {
        buffer_clear(&data);
        more = input_rest_read(rest, &data, f);
        if (more < 0)
            return more;
        r = file_write_all(fd, buffer_data(&data), buffer_size(&data));
        *ret_size += buffer_size(&data);
    }
    if (r < 0)
        return failure_set_errno(
            f, r, "cannot keep the message in a temporary file; TMPDIR names another directory");
    return TAKE_FD(fd);
}

static int feed(Sending *s, SmtpSession *session)
{
    _cleanup_buffer_ Buffer chunk = {0};
    int64_t n = content_read(&s->outgoing, READ_BYTES, &chunk);
    int r;

    if (n < 0) {
        smtp_session_content_abort(session, "the message could not be read");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    progress_add(&s->progress, (uint64_t)n);
    r = smtp_session_content(session, buffer_data(&chunk), buffer_size(&chunk));
    return r < 0 || n > 0 ? r : smtp_session_content_end(session, clock_monotonic());
}

static int submit(Sending *s, const Call *call)
{
    const Envelope *envelope = message_envelope(s->message);
    SmtpSession *session = connection_session(call->connection);
    int r = content_open(&s->outgoing, s->message, smtp_session_capabilities(session), call->relay);

    if (r < 0)
        return r;
    progress_start(&s->progress, s->verbose ? 0 : s->outgoing.total);
    s->transaction = (SmtpTransaction){
        .verb = s->verb,
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .recipients = s->waiting,
        .n_recipients = s->all_or_none
                            ? s->n_waiting
                            : MIN(s->n_waiting, (size_t)call->relay->recipients_per_transaction),
        .size = s->outgoing.size,
        .unfit = s->outgoing.unfit,
        .is_8bit = s->outgoing.is_8bit,
    };
    return smtp_session_submit(session, &s->transaction, clock_monotonic());
}

static void print_delivered(
    const char *address, const char *relay, const char *codes, const char *text)
{
    (void)terminal_print(stdout, address, SHOWN_MAX);
    printf(" delivered by %s: %s", relay, codes);
    (void)terminal_print(stdout, text, SHOWN_MAX);
    putchar('\n');
}

/* For a recipient that met the relay's fault another relay may do. */
static void note_recipient(Sending *s, const Call *call, const SmtpEvent *event)
{
    const DeliveryOutcome *o = event->outcome;
    const char *address = s->waiting[event->recipient].address;
    char codes[DELIVERY_CODES_MAX];

    progress_end(&s->progress);
    if (o->kind == DELIVERY_POSTPONED) {
        s->postponed = true;
        return;
    }
    if (o->kind == DELIVERY_CUT_OFF && (!o->under_way || o->cause == CAUSE_REPLY))
        return;
    delivery_format_codes(o, codes);
    if (o->kind == DELIVERY_DELIVERED)
        print_delivered(address, call->relay->name, codes, o->text);
    else
        (void)tool_fail_number(o->error, "%s %s by %s at %s: %s%s", address,
            delivery_kind_name(o->kind == DELIVERY_CUT_OFF ? DELIVERY_DEFERRED : o->kind),
            call->relay->name, delivery_stage_name(o->stage), codes, o->text);
    s->deferred += o->kind == DELIVERY_DEFERRED || o->kind == DELIVERY_CUT_OFF;
    s->refused += o->kind == DELIVERY_REFUSED;
    s->done[event->recipient] = true;
}

/* Takes those that are done with out of the list. Returns whether there were any. */
static bool drop_done(Sending *s)
{
    size_t kept = 0, before = s->n_waiting;

    for (size_t i = 0; i < before; i++)
        if (!s->done[i]) {
            s->kinds[kept] = s->kinds[i];
            s->waiting[kept++] = s->waiting[i];
        }
    memset(s->done, 0, before * sizeof(bool));
    s->n_waiting = kept;
    return kept < before;
}

/* What comes after a transaction: the next part of the recipients, or the end. */
static int go_on(Sending *s, const Call *call)
{
    SmtpSession *session = connection_session(call->connection);
    bool any = drop_done(s) || s->postponed;

    s->postponed = false;
    if (any && s->n_waiting > 0 && smtp_session_can_submit(session))
        return submit(s, call);
    smtp_session_quit(session, clock_monotonic());
    return 0;
}

/* Delivers to those that wait, over one relay that is ready. 0, with the connection's end, or a
 * negative errno. */
static int deliver(Sending *s, Call *call, const DeliveryOutcome **ret_end)
{
    SmtpEvent event = {0};
    int r = submit(s, call);

    while (r >= 0 && event.type != SMTP_EVENT_CLOSED) {
        r = call_wait(call, &event);
        if (r < 0)
            break;
        switch (event.type) {
        case SMTP_EVENT_NEED_CONTENT: r = feed(s, connection_session(call->connection)); break;
        case SMTP_EVENT_RECIPIENT: note_recipient(s, call, &event); break;
        case SMTP_EVENT_TRANSACTION_DONE: r = go_on(s, call); break;
        default: break;
        }
    }
    progress_end(&s->progress);
    (void)drop_done(s);
    *ret_end = event.outcome;
    return MIN(r, 0);
}

static int try_relay(Sending *s, RelayConfig *relay)
{
    _cleanup_(call_done) Call call = {0};
    const DeliveryOutcome *fault;
    int r = call_open(relay, s->verbose, &call, &fault);

    s->all_or_none = send_require(relay, s->kinds, s->waiting, s->n_waiting);
    while (r > 0) {
        r = deliver(s, &call, &fault);
        if (r >= 0 && s->n_waiting > 0)
            r = call_open_again(&call, &fault);
    }
    if (r == -EALREADY)
        r = 0;
    if (r == 0 && s->n_waiting > 0)
        s->fault_status = call_say_fault(call.relay, fault);
    return r;
}

/* The relays in order of preference, each for the recipients that those before were no help to. */
static int send_message(Sending *s, Config *config)
{
    for (size_t i = 0; i < config->n_relays && s->n_waiting > 0; i++) {
        int r = try_relay(s, config->relays[i]);

        if (r < 0)
            return tool_fail_number(error_from_errno(r), "cannot work with relay %s: %s",
                config->relays[i]->name, strerror(-r));
    }
    if (s->deferred > 0)
        return EX_TEMPFAIL;
    if (s->n_waiting > 0)
        return s->fault_status;
    return s->refused > 0 ? EX_UNAVAILABLE : EX_OK;
}

static int send_input(Sending *s, Config *config, const ToolInput *input, char **arguments,
    const Buffer *start, InputRest *rest)
{
    _cleanup_free_
    AddresseeKind *kinds = NULL;
    _cleanup_free_
    SmtpRecipient *recipients = NULL;
    _cleanup_free_
    bool *done = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_close_ int fd = -1;
    char id[ID_CHARACTERS + 1];
    const Envelope *envelope;
    uint64_t size;
    int status;

    fd = gather(start, rest, &size, &f);
    if (fd < 0)
        return tool_fail(&f);
    file_random_name(id, ID_CHARACTERS);
    input_file_init(&s->content, fd, size);
    if (message_open(&s->content.base, clock_realtime(), id, &s->message, &f) < 0)
        return input_fail(input, &f);
    envelope = message_envelope(s->message);
    recipients = calloc(envelope->n_recipients, sizeof(SmtpRecipient));
    done = calloc(envelope->n_recipients, sizeof(bool));
    kinds = calloc(envelope->n_recipients, sizeof(AddresseeKind));
    if (!recipients || !done || !kinds)
        return tool_fail_memory();
    status = send_kinds(input, arguments, s->message, kinds);
    if (status != 0)
        return status;
    for (size_t i = 0; i < envelope->n_recipients; i++)
        recipients[i] = (SmtpRecipient){.address = envelope->recipients[i].address,
            .parameters = envelope->recipients[i].parameters};
    s->waiting = recipients;
    s->done = done;
    s->kinds = kinds;
    s->n_waiting = envelope->n_recipients;
    return send_message(s, config);
}

static int run(
    const Command *command, const ToolInput *input, char **recipients, SmtpVerb verb, bool verbose)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_buffer_ Buffer start = {0};
    _cleanup_input_rest_ InputRest rest = INPUT_REST_NONE;
    Sending s = {.verb = verb, .verbose = verbose};
    int status;

    status = tool_load(input->tool, &config);
    if (status == 0)
        status = input_open(input, command, recipients, &start, &rest);
    if (status != 0)
        return status;
    status = send_input(&s, config, input, recipients, &start, &rest);
    content_done(&s.outgoing);
    message_free(s.message);
    return status;
}

static int choose_verb(const Command *command, const char *name, SmtpVerb *ret)
{
    for (SmtpVerb v = 0; v < SMTP_VERB_MAX; v++)
        if (text_equal_nocase(smtp_verb_name(v), name)) {
            *ret = v;
            return 0;
        }
    return tool_usage(command, "--command is mail, send, soml or saml, not '%s'", name);
}

int run_send(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(input_done) ToolInput input = {.tool = tool};
    SmtpVerb verb = SMTP_VERB_MAIL;
    bool verbose = false;
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'v': verbose = true; break;
        case 'c': status = choose_verb(command, optarg, &verb); break;
        case 'h': return tool_help(command);
        default: status = input_option(&input, command, c, optarg); break;
        }
    return status != 0 ? status : run(command, &input, argv + optind, verb, verbose);
}
