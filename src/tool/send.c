/* outbox send: delivers one message at once, without the queue. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/file.h"
#include "delivery/relay.h"
#include "message/message.h"
#include "net/drive_poll.h"
#include "tool/dialogue.h"
#include "tool/input.h"

#define READ_BYTES 65536

/* Below this many bytes there is nothing to watch. */
#define PROGRESS_BYTES_MIN (1024 * 1024)

typedef struct Sending {
    Message *message;
    SmtpTransaction transaction;
    SmtpRecipient *recipients;
    Connection *connection;
    const RelayConfig *relay;
    bool progress;
    uint64_t sent;
    int last_percent;
    size_t delivered, deferred, refused, faults;
    int fault_error;
} Sending;

/* The whole message in memory that is no heap: the content is read from there as it would be from a
 * file. */
static int to_memfd(const Buffer *start, FILE *rest, int *ret_fd, uint64_t *ret_size)
{
    _cleanup_close_ int fd = memfd_create("message", MFD_CLOEXEC);
    char data[READ_BYTES];
    size_t n;
    int r;

    if (fd < 0)
        return -errno;
    r = file_write_all(fd, buffer_data(start), buffer_size(start));
    *ret_size = buffer_size(start);
    while (r >= 0 && rest && (n = fread(data, 1, sizeof(data), rest)) > 0) {
        r = file_write_all(fd, data, n);
        *ret_size += n;
    }
    if (r >= 0 && rest && ferror(rest))
        r = -EIO;
    if (r >= 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

static void show_progress(Sending *s)
{
    uint64_t size = message_size(s->message);
    int percent = size > 0 ? (int)(s->sent * 100 / size) : 100;

    if (!s->progress || percent == s->last_percent)
        return;
    s->last_percent = percent;
    fprintf(stderr, "\r[%-50.*s] %3d %%  %llu of %llu bytes", percent / 2,
        "##################################################", percent, (unsigned long long)s->sent,
        (unsigned long long)size);
    if (percent == 100)
        fputc('\n', stderr);
}

static int feed(Sending *s, usec_t now)
{
    _cleanup_buffer_ Buffer chunk = {0};
    SmtpSession *session = connection_session(s->connection);
    int64_t n = message_read(s->message, READ_BYTES, &chunk);
    int r;

    if (n < 0) {
        smtp_session_content_abort(session, "the message could not be read");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    s->sent += (uint64_t)n;
    show_progress(s);
    r = smtp_session_content(session, buffer_data(&chunk), buffer_size(&chunk));
    return r < 0 || n > 0 ? r : smtp_session_content_end(session, now);
}

static void note_recipient(Sending *s, const SmtpEvent *event)
{
    const DeliveryOutcome *o = event->outcome;
    char codes[DELIVERY_CODES_MAX];

    s->delivered += o->kind == DELIVERY_DELIVERED;
    s->deferred += o->kind == DELIVERY_DEFERRED;
    s->refused += o->kind == DELIVERY_REFUSED;
    s->faults += o->kind == DELIVERY_RELAY_FAULT;
    if (o->kind == DELIVERY_DELIVERED)
        printf("%s delivered to %s: %s%s\n", s->recipients[event->recipient].address,
            s->relay->name, delivery_format_codes(o, codes), o->text);
    else
        fprintf(stderr, "outbox: %d: %s %s by %s at %s: %s%s\n", o->error,
            s->recipients[event->recipient].address, delivery_kind_name(o->kind), s->relay->name,
            delivery_stage_name(o->stage), delivery_format_codes(o, codes), o->text);
}

static int submit(Sending *s, usec_t now)
{
    return smtp_session_submit(connection_session(s->connection), &s->transaction, now);
}

/* Acts on one event. 1 when the session is over, 0, or a negative errno. */
static int on_event(Sending *s, const SmtpEvent *event)
{
    usec_t now = clock_monotonic();
    char codes[DELIVERY_CODES_MAX];

    switch (event->type) {
    case SMTP_EVENT_READY: return submit(s, now);
    case SMTP_EVENT_NEED_CONTENT: return feed(s, now);
    case SMTP_EVENT_RECIPIENT: note_recipient(s, event); return 0;
    case SMTP_EVENT_TRANSACTION_DONE:
        smtp_session_quit(connection_session(s->connection), now);
        return 0;
    case SMTP_EVENT_CLOSED:
        if (event->outcome->kind == DELIVERY_RELAY_FAULT &&
            s->delivered + s->deferred + s->refused == 0) {
            s->fault_error = event->outcome->error;
            fprintf(stderr, "outbox: %d: relay %s, %s: %s%s; %s\n", event->outcome->error,
                s->relay->name, delivery_stage_name(event->outcome->stage),
                delivery_format_codes(event->outcome, codes), event->outcome->text,
                relay_hint(event->outcome));
        }
        return 1;
    default: return 0;
    }
}

/* One relay. 0 when the session came to its end, whatever the outcomes, or a negative errno. */
static int try_relay(Sending *s, Config *config, size_t index, bool verbose)
{
    ConnectionShared *shared = NULL;
    int r;

    s->relay = &config->relays[index];
    s->fault_error = 0;
    s->faults = 0;
    message_rewind(s->message);
    r = connection_shared_new(config, index, &shared);
    if (r >= 0)
        r = connection_new(
            shared, verbose ? dialogue_print : NULL, NULL, clock_monotonic(), &s->connection);
    while (r == 0) {
        SmtpEvent event;

        r = connection_wait(s->connection, false, &event);
        if (r > 0)
            r = on_event(s, &event);
    }
    connection_free(s->connection);
    s->connection = NULL;
    connection_shared_unref(shared);
    return MIN(r, 0);
}

static int exit_status(const Sending *s)
{
    if (s->delivered == s->transaction.n_recipients)
        return EX_OK;
    if (s->deferred > 0)
        return EX_TEMPFAIL;
    if (s->refused > 0)
        return EX_UNAVAILABLE;
    return s->fault_error == 0 ? EX_TEMPFAIL : error_status(s->fault_error);
}

/* The relays in order of preference, until one has taken the message's part in hand. */
static int send_message(Sending *s, Config *config, bool verbose)
{
    for (size_t i = 0; i < config->n_relays; i++) {
        int r = try_relay(s, config, i, verbose);

        if (r < 0)
            return tool_fail_number(error_from_errno(r), "cannot connect to relay %s: %s",
                s->relay->name, strerror(-r));
        if (s->delivered + s->deferred + s->refused > 0)
            break;
    }
    return exit_status(s);
}

static int send_input(Config *config, const Buffer *start, FILE *rest, bool verbose)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    SmtpRecipient *recipients = NULL;
    _cleanup_close_ int fd = -1;
    const Envelope *envelope;
    uint64_t size;
    int r;

    r = to_memfd(start, rest, &fd, &size);
    if (r < 0)
        return tool_fail_number(ERROR_FILE, "cannot read the message: %s", strerror(-r));
    if (message_open(fd, size, clock_realtime(), "send", &message, &f) < 0)
        return tool_fail(&f);
    envelope = message_envelope(message);
    recipients = calloc(envelope->n_recipients, sizeof(SmtpRecipient));
    if (!recipients)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    for (size_t i = 0; i < envelope->n_recipients; i++)
        recipients[i] = (SmtpRecipient){.address = envelope->recipients[i].address,
            .parameters = envelope->recipients[i].parameters};
    return send_message(
        &(Sending){
            .message = message,
            .recipients = recipients,
            .last_percent = -1,
            .progress =
                !verbose && isatty(STDERR_FILENO) && message_size(message) >= PROGRESS_BYTES_MIN,
            .transaction =
                {
                    .sender = envelope->sender,
                    .sender_parameters = envelope->sender_parameters,
                    .recipients = recipients,
                    .n_recipients = envelope->n_recipients,
                    .size = message_size(message),
                    .is_8bit = message_may_be_8bit(message),
                    .wants_utf8 = message_wants_utf8(message),
                },
        },
        config, verbose);
}

static int run(
    const Tool *tool, const Command *command, Input *input, char **recipients, bool verbose)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_buffer_ Buffer start = {0};
    FILE *rest = NULL;
    int status;

    status = tool_load(tool, &config);
    if (status == 0)
        status = input_open(input, command, recipients, &start, &rest);
    if (status == 0)
        status = send_input(config, &start, rest, verbose);
    if (rest && rest != stdin)
        fclose(rest);
    return status;
}

static int run_send(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const struct option options[] = {
        {"verbose", no_argument, NULL, 'v'}, INPUT_OPTIONS, TOOL_OPTION_HELP, {0}};
    _cleanup_(input_free_p) Input *input = NULL;
    bool verbose = false;
    int c, status;

    if (input_new(argc, &input) < 0)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    while ((c = tool_getopt(command, argc, argv, ":vh", options)) >= 0)
        switch (c) {
        case 'v': verbose = true; break;
        case 'h': return tool_help(command);
        default:
            status = input_option(input, command, c, optarg);
            if (status != 0)
                return status;
        }
    return run(tool, command, input, argv + optind, verbose);
}

const Command command_send = {
    .name = "send",
    .synopsis = "[OPTION...] [RECIPIENT...]",
    .summary = "Deliver a message at once, without the queue",
    .help = "  -v, --verbose           print the dialogue with the relay\n"
            "  -h, --help              print this\n\n" INPUT_HELP
            "\nThe relays are tried in order. Exit statuses: 0 delivered to everybody, 69 refused, "
            "75 worth another try.\n",
    .run = run_send,
};
