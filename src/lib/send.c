/* Sending a message. Must never ask a relay again for a recipient that has been accepted. */
#include "lib/send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "delivery/advice.h"
#include "delivery/split.h"
#include "lib/client.h"
#include "lib/message.h"
#include "lib/message_file.h"
#include "lib/recipients.h"

#define READ_BYTES ((size_t)64 * 1024)
#define ID_CHARACTERS 13 /* random; the Message-ID of a message without one is made from it */

static void outcome_done(OutboxOutcome *outcome)
{
    free((char *)outcome->recipient);
    free((char *)outcome->enhanced);
    free((char *)outcome->text);
    free((char *)outcome->relay);
}

/* What is only needed while it goes on. */
static void sending_done(OutboxClient *client)
{
    Sending *s = &client->sending;

    content_done(&s->outgoing);
    message_free(s->message);
    if (s->source) {
        message_end_streams(s->source);
        message_release(s->source);
    }
    free(s->waiting);
    free(s->places);
    free(s->kinds);
    free(s->done);
    free(s->text);
    buffer_done(&s->lacks);
    *s = (Sending){0};
}

void send_forget(OutboxClient *client)
{
    sending_done(client);
    for (size_t i = 0; i < client->n_outcomes; i++)
        outcome_done(&client->outcomes[i]);
    free(client->outcomes);
    client->outcomes = NULL;
    client->n_outcomes = 0;
}

size_t outbox_outcome_count(const OutboxClient *client)
{
    return client_is_here(client) ? client->n_outcomes : 0;
}

const OutboxOutcome *outbox_outcome(const OutboxClient *client, size_t i)
{
    return i < outbox_outcome_count(client) ? &client->outcomes[i] : NULL;
}

/* ---- Before there is a connection ---- */

/* What the properties list them as; where they list nobody, what the header says. */
static int find_kinds(Sending *s)
{
    const Envelope *envelope = message_envelope(s->message);
    int r = message_addressees(s->message, s->kinds);

    for (size_t i = 0; r >= 0 && i < envelope->n_recipients; i++) {
        int kind = message_kind_of(s->source, envelope->recipients[i].address);

        if (kind >= 0)
            s->kinds[i] = (AddresseeKind)kind;
    }
    return r;
}

static int list_recipients(OutboxClient *client)
{
    Sending *s = &client->sending;
    const Envelope *envelope = message_envelope(s->message);
    size_t n = envelope->n_recipients;

    s->waiting = calloc(n, sizeof(SmtpRecipient));
    s->places = calloc(n, sizeof(size_t));
    s->kinds = calloc(n, sizeof(AddresseeKind));
    s->done = calloc(n, sizeof(bool));
    client->outcomes = calloc(n, sizeof(OutboxOutcome));
    if (!s->waiting || !s->places || !s->kinds || !s->done || !client->outcomes)
        return -ENOMEM;
    for (; client->n_outcomes < n; client->n_outcomes++) {
        size_t i = client->n_outcomes;

        s->waiting[i] = (SmtpRecipient){.address = envelope->recipients[i].address,
            .parameters = envelope->recipients[i].parameters};
        s->places[i] = i;
        client->outcomes[i] = (OutboxOutcome){
            .recipient = strdup(envelope->recipients[i].address), .kind = -1, .stage = ""};
        if (!client->outcomes[i].recipient)
            return -ENOMEM;
    }
    s->n_waiting = n;
    return find_kinds(s);
}

static int open_message(OutboxClient *client, OutboxMessage *source)
{
    _cleanup_envelope_ Envelope asked = {0};
    Sending *s = &client->sending;
    char id[ID_CHARACTERS + 1];
    int r = message_compose(source, true);

    if (r >= 0)
        r = message_asked(source, &asked);
    if (r < 0)
        return r;
    file_random_name(id, ID_CHARACTERS);
    return message_open_as(
        message_file(source), &asked, clock_realtime(), id, &s->message, &source->failure);
}

static int refuse_ways(OutboxClient *client, const char *first, const char *other)
{
    return client_fail(client, ERROR_USAGE,
        "%s and %s go by different rules of routes, over relays of their own: queue the message, "
        "or "
        "send it to each apart",
        first, other);
}

/* The relays that the rules of `routes` name for the message, unless the program has chosen one. 0,
 * -ENOMEM, or an error number: its recipients go different ways. */
static int find_way(OutboxClient *client)
{
    const RouteRules *rules = client->config->rules;
    const Envelope *e = message_envelope(client->sending.message);
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    size_t way = 0;
    int r;

    client->way = NULL;
    if (!rules || client->one_relay)
        return 0;
    r = split_ask(rules, client->sending.message, &query);
    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++) {
        size_t rule, one;

        r = route_query_rule(query, e->recipients[i].address, &rule);
        one = r < 0 ? way : route_rules_way_of(rules, rule);
        if (i > 0 && one != way)
            return refuse_ways(client, e->recipients[0].address, e->recipients[i].address);
        way = one;
    }
    if (r < 0)
        return r;
    client->way = route_rules_way(rules, way);
    if (client->contact == CONTACT_READY && !(client->way->mask >> client->relay & 1))
        contact_close(client, 0, NULL); /* the message before went another way */
    return 0;
}

static int prepare(OutboxClient *client, OutboxMessage *source)
{
    int r;

    send_forget(client);
    /* A stream is the program's: what it calls meanwhile is refused. */
    client->in_event++;
    source->in_use++;
    r = open_message(client, source);
    client->in_event--;
    client->sending.source = source;
    if (r < 0) {
        r = source->failure.number != 0 ? source->failure.number : ERROR_MEMORY;
        r = client_fail(client, r, "%s", failure_text(&source->failure));
        send_forget(client);
        return r;
    }
    r = find_way(client);
    if (r > 0) {
        send_forget(client);
        return r;
    }
    if (r == 0)
        r = list_recipients(client);
    if (r < 0) {
        send_forget(client);
        return client_fail(client, ERROR_MEMORY, "no memory is left");
    }
    return 0;
}

static int send_by(OutboxClient *client, OutboxMessage *message, SmtpVerb verb)
{
    int r = client_check_message(client, &message);

    if (r == 0)
        r = settings_prepare(client);
    if (r == 0)
        r = prepare(client, message);
    if (r != 0)
        return r;
    client->sending.verb = verb;
    return client_call(client, CALL_SEND);
}

int outbox_send(OutboxClient *client, OutboxMessage *message)
{
    return send_by(client, message, SMTP_VERB_MAIL);
}

int outbox_send_to_terminal_and_email(OutboxClient *client, OutboxMessage *message)
{
    return send_by(client, message, SMTP_VERB_SAML);
}

int outbox_send_to_terminal_only(OutboxClient *client, OutboxMessage *message)
{
    return send_by(client, message, SMTP_VERB_SEND);
}

int outbox_send_to_terminal_or_email(OutboxClient *client, OutboxMessage *message)
{
    return send_by(client, message, SMTP_VERB_SOML);
}

/* ---- Outcomes ---- */

int send_kind(const DeliveryOutcome *outcome)
{
    switch (outcome->kind) {
    case DELIVERY_DELIVERED: return OUTBOX_DELIVERED;
    case DELIVERY_REFUSED: return OUTBOX_REFUSED;
    default: return OUTBOX_DEFERRED;
    }
}

/* The first one that says something of the whole call is its result. */
static int note_trouble(
    OutboxClient *client, const OutboxOutcome *outcome, const DeliveryOutcome *o, bool blind)
{
    Sending *s = &client->sending;
    const char *advice = advice_without_reply(o, client_relay(client));
    char codes[DELIVERY_CODES_MAX];
    _cleanup_free_
    char *text = NULL;

    if (asprintf(&text, "%s %s by %s at %s: %s%s%s%s", outcome->recipient,
            outcome->kind == OUTBOX_REFUSED ? "refused" : "deferred", outcome->relay,
            outcome->stage, delivery_format_codes(o, codes), outcome->text, advice ? "; " : "",
            advice ?: "") < 0) {
        text = NULL;
        return -ENOMEM;
    }
    if (!blind && !s->text) {
        s->number = outcome->error != 0 ? outcome->error : ERROR_SMTP_PROTOCOL;
        s->text = TAKE_PTR(text);
        notify_error(client, s->number, s->text);
    } else
        notify_error(client, outcome->error, text);
    return 0;
}

/* What became of the recipient that waits at `i`. 0 or -ENOMEM. */
static int note_outcome(OutboxClient *client, size_t i, const DeliveryOutcome *o)
{
    OutboxOutcome *outcome = &client->outcomes[client->sending.places[i]];
    AddresseeKind kind = client->sending.kinds[client->sending.places[i]];
    int r = 0;

    outcome->kind = send_kind(o);
    outcome->error = o->error;
    outcome->code = o->code;
    outcome->stage = delivery_stage_name(o->stage);
    outcome->enhanced = strdup(o->enhanced);
    outcome->text = strdup(o->text);
    outcome->relay = strdup(client_relay(client)->name);
    client->sending.done[i] = true;
    if (!outcome->enhanced || !outcome->text || !outcome->relay)
        return -ENOMEM;
    if (outcome->kind != OUTBOX_DELIVERED)
        r = note_trouble(client, outcome, o, kind == ADDRESSEE_BCC);
    notify_recipient(client, outcome);
    return r;
}

/* Our own refusals for what the relay does not offer: SMTPUTF8, what the sender needs, the size,
 * the content. */
static bool is_lack(const DeliveryOutcome *o)
{
    static const char *const codes[] = {"5.6.7", "5.7.30", "5.3.3", "5.3.4", "5.6.3"};
    bool found = false;

    for (size_t i = 0; i < ELEMENTSOF(codes); i++)
        found |= strcmp(o->enhanced, codes[i]) == 0;
    return found && o->kind == DELIVERY_REFUSED && o->cause == CAUSE_OWN &&
           o->stage == STAGE_MESSAGE;
}

/* Leaves the recipient to the next relay. 0 or -ENOMEM. */
static int leave_to_next(OutboxClient *client, const DeliveryOutcome *o)
{
    Sending *s = &client->sending;
    int r;

    if (s->elsewhere)
        return 0;
    s->elsewhere = true;
    s->transaction.nowhere = NULL; /* what `lacks` held is in the text */
    buffer_done(&s->lacks);
    r = buffer_appendf(&s->lacks, "relay %s: %s", client_relay(client)->name, o->text);
    return r < 0 ? r : buffer_append(&s->lacks, "", 1);
}

bool send_goes_elsewhere(OutboxClient *client)
{
    Sending *s = &client->sending;

    if (!s->elsewhere || !send_has_waiting(client))
        return false;
    s->elsewhere = false;
    (void)failure_set(&client->failure, -EOPNOTSUPP, ERROR_MESSAGE,
        "another relay is asked, for this one cannot take the message: %s", buffer_data(&s->lacks));
    return true;
}

/* For a recipient that met the relay's fault another relay may do, and for what the relay does not
 * offer. */
static int on_recipient(OutboxClient *client, const SmtpEvent *event)
{
    const DeliveryOutcome *o = event->outcome;

    if (is_lack(o) && contact_has_next(client) && !client->sending.required)
        return leave_to_next(client, o);

    if (o->kind == DELIVERY_POSTPONED) {
        client->sending.postponed = true;
        return 0;
    }
    if (o->kind == DELIVERY_CUT_OFF && (!o->perhaps || o->cause == CAUSE_REPLY))
        return 0;
    return note_outcome(client, event->recipient, o);
}

/* Takes those that are done with out of the list. Returns whether there were any. */
static bool drop_done(Sending *s)
{
    size_t kept = 0, before = s->n_waiting;

    for (size_t i = 0; i < before; i++)
        if (!s->done[i]) {
            s->places[kept] = s->places[i];
            s->waiting[kept++] = s->waiting[i];
        }
    memset(s->done, 0, before * sizeof(bool));
    s->n_waiting = kept;
    return kept < before;
}

bool send_has_waiting(const OutboxClient *client)
{
    for (size_t i = 0; i < client->sending.n_waiting; i++)
        if (!client->sending.done[i])
            return true;
    return false;
}

/* ---- Transactions ---- */

/* The settings stop_on_..._errors. Whether there is a recipient without whom nobody is sent to. */
static bool require(Sending *s, const RelayConfig *relay)
{
    const bool stops[] = {
        [ADDRESSEE_TO] = relay->stop_on_to_errors,
        [ADDRESSEE_CC] = relay->stop_on_cc_errors,
        [ADDRESSEE_BCC] = relay->stop_on_bcc_errors,
    };
    bool any = false;

    for (size_t i = 0; i < s->n_waiting; i++) {
        s->waiting[i].required = stops[s->kinds[s->places[i]]];
        any |= s->waiting[i].required;
    }
    return any;
}

static int submit(OutboxClient *client)
{
    Sending *s = &client->sending;
    const RelayConfig *relay = client_relay(client);
    const Envelope *envelope = message_envelope(s->message);
    SmtpSession *session = connection_session(client->connection);
    int r;

    (void)drop_done(s);
    r = content_open(&s->outgoing, s->message, smtp_session_capabilities(session), relay);
    if (r < 0)
        return r;
    s->handed = 0;
    s->transfers = false;
    s->required = require(s, relay);
    s->transaction = (SmtpTransaction){
        .verb = s->verb,
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .recipients = s->waiting,
        .n_recipients = s->required ? s->n_waiting
                                    : MIN(s->n_waiting, (size_t)relay->recipients_per_transaction),
        .size = s->outgoing.size,
        .unfit = s->outgoing.unfit,
        .nowhere = buffer_data(&s->lacks),
        .is_8bit = s->outgoing.is_8bit,
    };
    return smtp_session_submit(session, &s->transaction, client_now(client));
}

int send_begin(OutboxClient *client)
{
    return submit(client);
}

static void end_transfer(OutboxClient *client)
{
    if (client->sending.transfers)
        notify_end(client);
    client->sending.transfers = false;
}

static int feed(OutboxClient *client)
{
    Sending *s = &client->sending;
    SmtpSession *session = connection_session(client->connection);
    _cleanup_buffer_ Buffer chunk = {0};
    int64_t n = content_read(&s->outgoing, READ_BYTES, &chunk);
    int r;

    if (n < 0) {
        smtp_session_content_abort(session, "the message could not be read");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    if (!s->transfers) {
        s->transfers = true;
        notify_start(client);
    }
    s->handed += (uint64_t)n;
    if (n > 0)
        notify_transfer(
            client, s->handed, s->outgoing.total, buffer_data(&chunk), buffer_size(&chunk));
    r = smtp_session_content(session, buffer_data(&chunk), buffer_size(&chunk));
    if (r < 0 || n > 0)
        return r;
    end_transfer(client);
    return smtp_session_content_end(session, client_now(client));
}

void send_finish(OutboxClient *client)
{
    Sending *s = &client->sending;
    int number = s->text ? s->number : 0;

    if (number != 0)
        (void)failure_set(&client->failure, -EIO, number, "%s", s->text);
    sending_done(client);
    client_end(client, number);
}

/* What comes after a transaction: the next part of the recipients, or the end. */
static int go_on(OutboxClient *client)
{
    Sending *s = &client->sending;
    bool any = drop_done(s) || s->postponed;

    end_transfer(client);
    s->postponed = false;
    if (s->n_waiting == 0) {
        send_finish(client);
        return 0;
    }
    if (any && smtp_session_can_submit(connection_session(client->connection)))
        return submit(client);
    smtp_session_quit(connection_session(client->connection), client_now(client));
    return 0;
}

int send_on_event(OutboxClient *client, const SmtpEvent *event)
{
    switch (event->type) {
    case SMTP_EVENT_NEED_CONTENT: return feed(client);
    case SMTP_EVENT_RECIPIENT: return on_recipient(client, event);
    default: return go_on(client);
    }
}

/* ---- Without a connection ---- */

/* Why is the call's own error, and said once. */
static void defer_waiting(OutboxClient *client, int number)
{
    Sending *s = &client->sending;

    for (size_t i = 0; i < s->n_waiting; i++) {
        OutboxOutcome *outcome = &client->outcomes[s->places[i]];

        if (s->done[i])
            continue;
        outcome->kind = OUTBOX_DEFERRED;
        outcome->error = number;
        outcome->code = client->fault_code;
        outcome->stage = delivery_stage_name(client->fault_stage);
        outcome->enhanced = strdup(client->fault_enhanced);
        outcome->text = strdup(failure_text(&client->failure));
        outcome->relay = strdup("");
        s->done[i] = true;
        if (outcome->enhanced && outcome->text && outcome->relay)
            notify_recipient(client, outcome);
    }
}

void send_give_up(OutboxClient *client, int number)
{
    end_transfer(client);
    defer_waiting(client, number);
    sending_done(client);
    client_end(client, number);
}

void send_abandon(OutboxClient *client)
{
    end_transfer(client);
    defer_waiting(client, client->failure.number);
    sending_done(client);
}
