/* outbox send: delivers one message at once, without the queue. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/command.h"
#include "tool/input.h"
#include "tool/progress.h"
#include "tool/terminal.h"
#include "tool/watched.h"

#define SHOWN_MAX 2000 /* bytes of what a stranger wrote */

typedef struct Sending {
    Buffer start; /* of the message */
    InputRest rest;
    Failure failure; /* why it could not be read */
    bool verbose;
    Progress progress;
    size_t deferred, refused, left; /* recipients; those whom no relay could be asked for */
} Sending;

/* ---- What the client tells ---- */

static void on_start(void *user, int direction _unused_)
{
    Sending *s = user;

    s->progress = (Progress){0};
}

static void on_transfer(void *user, int direction _unused_, uint64_t bytes _unused_, uint64_t total,
    int percent _unused_, const char *text _unused_, size_t n)
{
    Sending *s = user;

    if (s->progress.done == 0)
        progress_start(&s->progress, s->verbose ? 0 : total);
    progress_add(&s->progress, n);
}

static void on_end(void *user, int direction _unused_)
{
    progress_end(&((Sending *)user)->progress);
}

static void on_error(void *user, int error, const char *text)
{
    progress_end(&((Sending *)user)->progress);
    watched_error(error, text);
}

/* What went wrong with one has been said as an error. */
static void on_recipient(void *user, const OutboxOutcome *outcome)
{
    Sending *s = user;

    s->left += outcome->relay[0] == '\0';
    s->refused += outcome->kind == OUTBOX_REFUSED;
    s->deferred += outcome->kind == OUTBOX_DEFERRED && outcome->relay[0] != '\0';
    if (outcome->kind != OUTBOX_DELIVERED)
        return;
    progress_end(&s->progress);
    (void)terminal_print(stdout, outcome->recipient, SHOWN_MAX);
    printf(" delivered by %s: %d%s%s ", outcome->relay, outcome->code,
        outcome->enhanced[0] ? " " : "", outcome->enhanced);
    (void)terminal_print(stdout, outcome->text, SHOWN_MAX);
    putchar('\n');
}

/* ---- The message ---- */

static ssize_t read_message(void *user, void *to, size_t n)
{
    Sending *s = user;

    if (buffer_size(&s->start) == 0) {
        int r = input_rest_read(&s->rest, &s->start, &s->failure);

        if (r < 0)
            return r;
    }
    n = MIN(n, buffer_size(&s->start));
    if (n > 0)
        memcpy(to, buffer_data(&s->start), n);
    buffer_consume(&s->start, n);
    return (ssize_t)n;
}

/* Those of --recipient. They have been read before, and without a mistake. */
static int name_people(OutboxMessage *message, const ToolInput *input)
{
    int r = 0;

    for (size_t i = 0; i < input->recipients.n && r == 0; i++) {
        _cleanup_(input_person_done) InputPerson person = {0};

        r = input_person_read(&person, input->recipients.items[i], NULL);
        if (r == 0)
            r = outbox_message_add_recipient(message, (int)person.kind, NULL, person.address, NULL);
    }
    return r;
}

/* Who is named to whom: the envelope is in the message already. */
static int name_recipients(OutboxMessage *message, const ToolInput *input, char **arguments)
{
    const struct {
        const char *name;
        const char *const *lists, *const *more;
    } rows[] = {
        {"SendTo", input->to.items, (const char *const *)arguments},
        {"Cc", input->cc.items, NULL},
        {"BCc", input->bcc.items, NULL},
    };
    int r = 0;

    message_keep_envelope(message);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(rows); i++) {
        _cleanup_buffer_ Buffer list = {0};

        for (const char *const *l = rows[i].more; l && *l; l++)
            r = r ?: buffer_appendf(&list, "%s%s", buffer_size(&list) > 0 ? ", " : "", *l);
        for (const char *const *l = rows[i].lists; l && *l; l++)
            r = r ?: buffer_appendf(&list, "%s%s", buffer_size(&list) > 0 ? ", " : "", *l);
        if (r == 0 && buffer_size(&list) > 0)
            r = buffer_append(&list, "", 1)
                    ?: outbox_message_set(message, rows[i].name, buffer_data(&list));
    }
    return r ?: name_people(message, input);
}

static int exit_status(const Sending *s, const OutboxClient *client, int result)
{
    if (s->left > 0 || (result != 0 && s->deferred + s->refused == 0)) {
        int status = watched_fail(client);

        return s->deferred > 0 ? EX_TEMPFAIL : status;
    }
    if (s->deferred > 0)
        return EX_TEMPFAIL;
    return s->refused > 0 ? EX_UNAVAILABLE : EX_OK;
}

static int send_by(OutboxClient *client, SmtpVerb verb)
{
    switch (verb) {
    case SMTP_VERB_SEND: return outbox_send_to_terminal_only(client, NULL);
    case SMTP_VERB_SOML: return outbox_send_to_terminal_or_email(client, NULL);
    case SMTP_VERB_SAML: return outbox_send_to_terminal_and_email(client, NULL);
    default: return outbox_send(client, NULL);
    }
}

static int send_message(
    Sending *s, Config *config, const ToolInput *input, char **arguments, SmtpVerb verb)
{
    _cleanup_(outbox_client_free_p) OutboxClient *client = client_new_by(config);
    OutboxEvents events = watched_events(s->verbose);
    const OutboxStream stream = {.read = read_message, .user = s};
    int r = client ? 0 : -1;

    events.user = s;
    events.start_transfer = on_start;
    events.transfer = on_transfer;
    events.end_transfer = on_end;
    events.error = on_error;
    events.recipient = on_recipient;
    if (r == 0)
        r = outbox_set_events(client, &events);
    if (r == 0)
        r = outbox_message_set_stream(outbox_client_message(client), OUTBOX_RAW, &stream);
    if (r == 0)
        r = name_recipients(outbox_client_message(client), input, arguments);
    if (r != 0)
        return tool_fail_memory();
    r = send_by(client, verb);
    if (s->failure.number != 0)
        return input_fail(input, &s->failure);
    return exit_status(s, client, r);
}

static int run(
    const Command *command, const ToolInput *input, char **recipients, SmtpVerb verb, bool verbose)
{
    _cleanup_config_ Config *config = NULL;
    Sending s = {.verbose = verbose, .rest = INPUT_REST_NONE};
    int status = tool_load(input->tool, &config);

    if (status == 0)
        status = input_open(input, command, recipients, &s.start, &s.rest);
    if (status == 0)
        status = send_message(&s, config, input, recipients, verb);
    buffer_done(&s.start);
    input_rest_done(&s.rest);
    failure_done(&s.failure);
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
        default: status = input_option(&input, command, c, optarg); break;
        }
    return status != 0 ? status : run(command, &input, argv + optind, verb, verbose);
}
