/* Sentences and fields of what the engine reports. Must never put a message's content, or a secret,
 * into an entry. */
#include "daemon/events.h"

#include <string.h>
#include <syslog.h>

#include "base/file.h"
#include "base/macros.h"
#include "daemon/messages.h"

#define RECIPIENT_MAX 400 /* bytes of one recipient in an entry; addresses are far shorter */

typedef struct EventRow {
    const char *event;
    const char *message_id;
    int priority;
} EventRow;

static const EventRow outcome_rows[] = {
    [DELIVERY_DELIVERED] = {"delivered", MESSAGE_ID_DELIVERED, LOG_INFO},
    [DELIVERY_DEFERRED] = {"deferred", MESSAGE_ID_DEFERRED, LOG_NOTICE},
    [DELIVERY_REFUSED] = {"refused", MESSAGE_ID_REFUSED, LOG_WARNING},
    [DELIVERY_CUT_OFF] = {"deferred", MESSAGE_ID_DEFERRED, LOG_NOTICE},
};
static const EventRow message_rows[] = {
    [MESSAGE_SENT] = {"sent", MESSAGE_ID_MESSAGE_SENT, LOG_INFO},
    [MESSAGE_DEFERRED] = {"retry", MESSAGE_ID_MESSAGE_RETRY, LOG_NOTICE},
    [MESSAGE_FAILED] = {"failed", MESSAGE_ID_MESSAGE_FAILED, LOG_WARNING},
    [MESSAGE_RETURNED] = {"returned", MESSAGE_ID_MESSAGE_RETURNED, LOG_DEBUG},
    [MESSAGE_RECOVERED] = {"recovered", MESSAGE_ID_MESSAGE_RECOVERED, LOG_NOTICE},
    [MESSAGE_WAITING] = {"waiting", MESSAGE_ID_MESSAGE_WAITING, LOG_NOTICE},
    [MESSAGE_HELD] = {"held", MESSAGE_ID_MESSAGE_HELD, LOG_NOTICE},
    [MESSAGE_ABANDONED] = {"abandoned", MESSAGE_ID_MESSAGE_ABANDONED, LOG_ERR},
    [MESSAGE_NOTICE] = {"notice", MESSAGE_ID_MESSAGE_NOTICE, LOG_INFO},
    [MESSAGE_UNTOLD] = {"untold", MESSAGE_ID_MESSAGE_UNTOLD, LOG_WARNING},
};
static const EventRow relay_rows[] = {
    [RELAY_HELD] = {"relay-held", MESSAGE_ID_RELAY_HELD, LOG_ERR},
    [RELAY_REFUSED_MORE] = {"relay-limited", MESSAGE_ID_RELAY_LIMITED, LOG_WARNING},
    [RELAY_SILENT] = {"relay-silent", MESSAGE_ID_RELAY_SILENT, LOG_WARNING},
    [RELAY_LACKS] = {"relay-lacks", MESSAGE_ID_RELAY_LACKS, LOG_WARNING},
    [RELAY_EXPIRES] = {"relay-expires", MESSAGE_ID_RELAY_EXPIRES, LOG_WARNING},
    [RELAY_POLICY] = {"relay-policy", MESSAGE_ID_RELAY_POLICY, LOG_WARNING},
    [RELAY_RESTRAINED] = {"relay-restrained", MESSAGE_ID_RELAY_RESTRAINED, LOG_NOTICE},
    [RELAY_UNRESTRAINED] = {"relay-unrestrained", MESSAGE_ID_RELAY_UNRESTRAINED, LOG_NOTICE},
    [RELAY_RESUMED] = {"relay-resumed", MESSAGE_ID_RELAY_RESUMED, LOG_NOTICE},
};

static Entry *start(Log *log, const EventRow *row)
{
    Entry *entry = log_entry(log);

    entry_start(entry, row->priority, row->message_id, row->event);
    return entry;
}

/* "250ms", "3m20s", "2h5m", "5d3h": two units are enough for a sentence. */
static void add_span(Entry *entry, usec_t span)
{
    static const struct {
        const char *name;
        usec_t usec;
    } units[] = {
        {"d", USEC_PER_DAY},
        {"h", USEC_PER_HOUR},
        {"m", USEC_PER_MINUTE},
        {"s", USEC_PER_SEC},
        {"ms", USEC_PER_MSEC},
    };
    size_t first = 0;

    while (first + 1 < ELEMENTSOF(units) && span < units[first].usec)
        first++;
    for (size_t i = first; i < ELEMENTSOF(units) && i < first + 2; i++) {
        if (i > first && span < units[i].usec)
            return;
        entry_number(entry, span / units[i].usec);
        entry_text(entry, units[i].name);
        span %= units[i].usec;
    }
}

/* "2026-01-02T03:04:05Z". */
static void add_time(Entry *entry, usec_t realtime)
{
    char text[RFC3339_MAX];

    clock_format_rfc3339(realtime, text);
    strcpy(text + strlen("2026-01-02T03:04:05"), "Z");
    entry_text(entry, text);
}

/* " by primary [192.0.2.1:587]"; nothing when no relay was in play. */
static void add_relay(Entry *entry, const char *before, const char *relay, const char *address)
{
    if (!relay)
        return;
    entry_text(entry, before);
    entry_printable(entry, relay, ENTRY_VALUE_MAX);
    if (!address || *address == '\0')
        return;
    entry_text(entry, " [");
    entry_printable(entry, address, ENTRY_VALUE_MAX);
    entry_text(entry, "]");
}

/* For an outcome that comes without a text. */
static const char *cause_words(DeliveryCause cause)
{
    switch (cause) {
    case CAUSE_LOST: return "the connection was lost";
    case CAUSE_TIMEOUT: return "no reply came in time";
    case CAUSE_PROTOCOL: return "what came was no reply that may come there";
    case CAUSE_REPLY:
    case CAUSE_OWN: break;
    }
    return "no reason is known";
}

/* ": 550 5.1.1 No such user"; our own words have no code. */
static void add_reply(Entry *entry, const DeliveryOutcome *outcome)
{
    entry_text(entry, ": ");
    if (outcome->code > 0) {
        entry_number(entry, (uint64_t)outcome->code);
        entry_text(entry, " ");
    }
    if (outcome->enhanced[0]) {
        entry_printable(entry, outcome->enhanced, sizeof(outcome->enhanced));
        entry_text(entry, " ");
    }
    if (outcome->code == 0 && *outcome->text == '\0')
        entry_text(entry, cause_words(outcome->cause));
    entry_printable(entry, outcome->text, ENTRY_VALUE_MAX);
}

static void outcome_fields(Entry *entry, const DeliveryOutcome *outcome)
{
    entry_field(entry, "OUTBOX_STAGE=", delivery_stage_name(outcome->stage));
    if (outcome->code > 0)
        entry_field_number(entry, "OUTBOX_CODE=", (uint64_t)outcome->code);
    entry_field(entry, "OUTBOX_ENHANCED=", outcome->enhanced);
    entry_field(entry, "OUTBOX_REPLY=", outcome->text);
    if (outcome->error != 0)
        entry_field_number(entry, "OUTBOX_ERROR=", (uint64_t)outcome->error);
}

/* "X: ", and "X2 (was X): " for one that got another name. */
static void id_text(Entry *entry, const char *id, const char *old_id)
{
    entry_printable(entry, id, ENTRY_VALUE_MAX);
    if (old_id) {
        entry_text(entry, " (was ");
        entry_printable(entry, old_id, ENTRY_VALUE_MAX);
        entry_text(entry, ")");
    }
    entry_text(entry, ": ");
}

static void id_fields(Entry *entry, const char *id, const char *old_id, uid_t owner)
{
    entry_field(entry, "OUTBOX_ID=", id);
    entry_field(entry, "OUTBOX_OLD_ID=", old_id);
    if (owner != FILE_OWNER_UNKNOWN)
        entry_field_number(entry, "OUTBOX_UID=", owner);
}

/* Which of the outcome's recipients an entry names. */
typedef struct Part {
    size_t first, n;
} Part;

static void outcome_sentence(Entry *entry, const OutcomeReport *report, Part part)
{
    static const char *const verbs[] = {
        [DELIVERY_DELIVERED] = "delivered to ",
        [DELIVERY_DEFERRED] = "put off for ",
        [DELIVERY_REFUSED] = "refused for ",
        [DELIVERY_CUT_OFF] = "put off for ",
    };

    id_text(entry, report->id, NULL);
    entry_text(entry, verbs[report->outcome->kind]);
    if (part.n > 0)
        entry_printable(entry, report->recipients[part.first], RECIPIENT_MAX);
    if (part.n > 1) {
        entry_text(entry, " and ");
        entry_number(entry, part.n - 1);
        entry_text(entry, " more");
    }
    add_relay(entry, " by ", report->relay, report->address);
    if (report->outcome->kind == DELIVERY_DELIVERED) {
        entry_text(entry, " after ");
        add_span(entry, report->delay_usec);
    } else {
        entry_text(entry, " at attempt ");
        entry_number(entry, report->attempt);
        entry_text(entry, ", stage ");
        entry_text(entry, delivery_stage_name(report->outcome->stage));
    }
    add_reply(entry, report->outcome);
}

static void outcome_part(Log *log, const OutcomeReport *report, Part part)
{
    Entry *entry = start(log, &outcome_rows[report->outcome->kind]);

    entry_open(entry, "MESSAGE=");
    outcome_sentence(entry, report, part);
    entry_close(entry);
    id_fields(entry, report->id, NULL, report->owner);
    entry_field(entry, "OUTBOX_SENDER=", report->sender);
    entry_field(entry, "OUTBOX_RELAY=", report->relay);
    entry_field(entry, "OUTBOX_ADDRESS=", report->address);
    outcome_fields(entry, report->outcome);
    entry_field_number(entry, "OUTBOX_ATTEMPT=", report->attempt);
    entry_field_number(entry, "OUTBOX_BYTES=", report->bytes);
    entry_field_number(entry, "OUTBOX_DELAY_USEC=", report->delay_usec);
    entry_field(entry, "OUTBOX_TLS=", report->tls);
    for (size_t i = part.first; i < part.first + part.n; i++) {
        entry_open(entry, "OUTBOX_RECIPIENT=");
        entry_printable(entry, report->recipients[i], RECIPIENT_MAX);
        entry_close(entry);
    }
    log_write(log);
}

void event_outcome(Log *log, const OutcomeReport *report)
{
    Part part = {0};

    if (report->outcome->kind == DELIVERY_POSTPONED)
        return;
    do {
        part.n = MIN(report->n_recipients - part.first, (size_t)EVENTS_RECIPIENTS_MAX);
        outcome_part(log, report, part);
        part.first += part.n;
    } while (part.first < report->n_recipients);
}

static void message_sentence(Entry *entry, const MessageReport *report)
{
    id_text(entry, report->id, report->old_id);
    switch (report->change) {
    case MESSAGE_SENT:
        entry_text(entry, "delivered to every recipient at attempt ");
        entry_number(entry, report->attempt);
        entry_text(entry, ", after ");
        add_span(entry, report->delay_usec);
        break;
    case MESSAGE_DEFERRED:
        entry_text(entry, "attempt ");
        entry_number(entry, report->attempt);
        entry_text(entry, " is over, the next is due at ");
        add_time(entry, report->next);
        break;
    case MESSAGE_FAILED: entry_text(entry, "given up"); break;
    case MESSAGE_RETURNED:
        entry_text(entry, "back in the queue, with nothing held against it");
        break;
    case MESSAGE_RECOVERED:
        entry_text(entry, "taken over from a process that died while sending it; queued again");
        break;
    case MESSAGE_WAITING: entry_text(entry, "came, and has to wait"); break;
    case MESSAGE_HELD: entry_text(entry, "put aside by an operator until it is released"); break;
    case MESSAGE_ABANDONED: entry_text(entry, "left as .sending"); break;
    case MESSAGE_NOTICE:
    case MESSAGE_UNTOLD: entry_printable(entry, report->text, ENTRY_VALUE_MAX); return;
    case MESSAGE_CHANGE_MAX: break;
    }
    if (report->text) {
        entry_text(entry, ": ");
        entry_printable(entry, report->text, ENTRY_VALUE_MAX);
    }
}

void event_message(Log *log, const MessageReport *report)
{
    Entry *entry;

    /* Its outcome said it all. */
    if (report->change == MESSAGE_SENT && report->attempt <= 1 && !report->old_id)
        return;
    entry = start(log, &message_rows[report->change]);
    entry_open(entry, "MESSAGE=");
    message_sentence(entry, report);
    entry_close(entry);
    id_fields(entry, report->id, report->old_id, report->owner);
    entry_field(entry, "OUTBOX_SENDER=", report->sender);
    if (report->attempt > 0)
        entry_field_number(entry, "OUTBOX_ATTEMPT=", report->attempt);
    if (report->delay_usec > 0)
        entry_field_number(entry, "OUTBOX_DELAY_USEC=", report->delay_usec);
    if (report->error != 0)
        entry_field_number(entry, "OUTBOX_ERROR=", (uint64_t)report->error);
    log_write(log);
}

static void relay_sentence(Entry *entry, const RelayReport *report)
{
    if (report->change == RELAY_RESUMED) {
        entry_text(entry, " works again");
        return;
    }
    if (report->change == RELAY_UNRESTRAINED) {
        entry_text(entry, " takes messages again");
        return;
    }
    if (report->change == RELAY_RESTRAINED) {
        entry_text(entry, " is to take no message before ");
        add_time(entry, report->until);
        entry_text(entry, ": ");
        entry_text(entry, report->restraint);
        return;
    }
    if (report->change == RELAY_EXPIRES) {
        entry_text(entry, ": ");
        entry_lines(entry, report->expires);
        return;
    }
    if (report->change == RELAY_POLICY) {
        entry_text(entry, ": ");
        entry_printable(entry, report->policy, ENTRY_VALUE_MAX);
        return;
    }
    if (report->change == RELAY_LACKS) {
        entry_text(entry, " offers what it refuses when it is used, which is done without from now "
                          "on; so that it is not tried again set discard_ehlo_keywords = \"");
        entry_text(entry, report->lacks);
        entry_text(entry, "\"");
        return;
    }
    if (report->change == RELAY_SILENT) {
        const char *what = report->outcome->text;

        entry_text(entry, *what ? " has not been of use for ten seconds, stage "
                                : " has been waited for in vain for ten seconds, stage ");
        entry_text(entry, delivery_stage_name(report->outcome->stage));
        if (*what) {
            entry_text(entry, ", where what is waited for is ");
            entry_printable(entry, what, ENTRY_VALUE_MAX);
        }
        entry_text(entry, ": until it gets on the next relay has the mail, if there is one");
        return;
    }
    if (report->change == RELAY_HELD) {
        entry_text(entry, " is on hold until ");
    } else {
        entry_text(entry, " takes no more connections than ");
        entry_number(entry, report->connections);
        entry_text(
            entry, "; what they cannot take goes to the next relay, if there is one, until ");
    }
    add_time(entry, report->until);
    entry_text(entry, ", stage ");
    entry_text(entry, delivery_stage_name(report->outcome->stage));
    add_reply(entry, report->outcome);
}

void event_relay(Log *log, const RelayReport *report)
{
    DeliveryOutcome said = {0};
    Entry *entry;

    if (!report->news)
        return;
    entry = start(log, &relay_rows[report->change]);
    entry_open(entry, "MESSAGE=");
    add_relay(entry, "relay ", report->relay, report->address);
    relay_sentence(entry, report);
    if (report->hint) {
        entry_text(entry, "; ");
        entry_printable(entry, report->hint, ENTRY_VALUE_MAX);
    }
    entry_close(entry);
    entry_field(entry, "OUTBOX_RELAY=", report->relay);
    entry_field(entry, "OUTBOX_ADDRESS=", report->address);
    if (report->outcome)
        said = *report->outcome;
    if (report->change == RELAY_SILENT)
        said.text = ""; /* nobody replied */
    if (report->outcome)
        outcome_fields(entry, &said);
    log_write(log);
}

void event_lane(Log *log, const LaneReport *report)
{
    static const EventRow rows[] = {
        {"lane-unrestrained", MESSAGE_ID_LANE_UNRESTRAINED, LOG_NOTICE},
        {"lane-restrained", MESSAGE_ID_LANE_RESTRAINED, LOG_NOTICE},
    };
    Entry *entry = start(log, &rows[report->restrained]);

    entry_open(entry, "MESSAGE=");
    entry_text(entry, "lane ");
    entry_printable(entry, report->lane, ENTRY_VALUE_MAX);
    if (report->restrained) {
        entry_text(entry, " is to send no message before ");
        add_time(entry, report->until);
        entry_text(entry, ": ");
        entry_text(entry, report->restraint);
    } else {
        entry_text(entry, " sends messages again");
    }
    entry_close(entry);
    entry_field(entry, "OUTBOX_LANE=", report->lane);
    log_write(log);
}

void event_problem(Log *log, const ProblemReport *report)
{
    static const EventRow row = {"problem", MESSAGE_ID_PROBLEM, LOG_ERR};
    Entry *entry = start(log, &row);

    entry_open(entry, "MESSAGE=");
    if (report->id)
        id_text(entry, report->id, NULL);
    entry_lines(entry, failure_text(report->failure));
    entry_close(entry);
    if (report->id)
        id_fields(entry, report->id, NULL, report->owner);
    if (report->failure->number != 0)
        entry_field_number(entry, "OUTBOX_ERROR=", (uint64_t)report->failure->number);
    log_write(log);
}
