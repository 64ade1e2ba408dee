/* Sentences and fields of what the daemon does itself: start, stop, reload, its directory. Must
 * never put a secret into an entry. */
#include "config.h"

#include <syslog.h>

#include "daemon/events.h"
#include "daemon/messages.h"
#include "daemon/place.h"

static Entry *start(Log *log, int priority, const char *message_id, const char *event)
{
    Entry *entry = log_entry(log);

    entry_start(entry, priority, message_id, event);
    entry_open(entry, "MESSAGE=");
    return entry;
}

static void finish(Log *log)
{
    entry_close(log_entry(log));
    log_write(log);
}

/* The same for a failure: its text ends the sentence, its number is a field. */
static void finish_failure(Log *log, const Failure *failure)
{
    Entry *entry = log_entry(log);

    entry_lines(entry, failure_text(failure));
    entry_close(entry);
    if (failure->number != 0)
        entry_field_number(entry, "OUTBOX_ERROR=", (uint64_t)failure->number);
    log_write(log);
}

/* "/var/spool/outbox, by way of primary (smtp.example.com port 587)". */
static void add_config(Entry *entry, const Config *config)
{
    _cleanup_free_
    char *place = place_name(config);

    entry_printable(entry, place ?: "the queue", ENTRY_VALUE_MAX);
    for (size_t i = 0; i < config->n_relays; i++) {
        const RelayConfig *relay = config->relays[i];

        entry_text(entry, i == 0 ? ", by way of " : ", ");
        entry_printable(entry, relay->name, ENTRY_VALUE_MAX);
        entry_text(entry, " (");
        entry_printable(entry, relay->host, ENTRY_VALUE_MAX);
        if (!relay_socket_path(relay)) {
            entry_text(entry, " port ");
            entry_number(entry, relay->port);
        }
        entry_text(entry, ")");
    }
    if (config->notices) {
        entry_text(entry, "\n");
        entry_lines(entry, config->notices);
    }
}

void event_started(Log *log, const Config *config)
{
    Entry *entry = start(log, LOG_INFO, MESSAGE_ID_STARTED, "started");

    entry_text(entry, "outboxd " PACKAGE_VERSION " delivers the messages in ");
    add_config(entry, config);
    finish(log);
}

void event_stopping(Log *log, size_t in_flight, usec_t stop_timeout)
{
    Entry *entry = start(log, LOG_INFO, MESSAGE_ID_STOPPING, "stopping");

    if (in_flight == 0) {
        entry_text(entry, "stopping: no message is in flight");
    } else {
        entry_text(entry, "stopping: messages in flight: ");
        entry_number(entry, in_flight);
        entry_text(entry, "; seconds they have to end: ");
        entry_number(entry, stop_timeout / USEC_PER_SEC);
    }
    finish(log);
}

void event_reloaded(Log *log, const Config *config)
{
    Entry *entry = start(log, LOG_INFO, MESSAGE_ID_RELOADED, "reloaded");

    entry_text(entry, "new configuration taken: messages in ");
    add_config(entry, config);
    finish(log);
}

void event_reload_refused(Log *log, const Failure *failure)
{
    Entry *entry = start(log, LOG_ERR, MESSAGE_ID_RELOAD_REFUSED, "reload-refused");

    entry_text(entry, "the new configuration is not taken, the old one stays:\n");
    finish_failure(log, failure);
}

void event_limits(Log *log, const Limits *limits)
{
    Entry *entry = start(log, LOG_WARNING, MESSAGE_ID_LIMITS, "limits");
    char text[LIMITS_TEXT_MAX];

    entry_text(entry, limits_format(limits, text));
    finish(log);
}

void event_no_leases(Log *log, const Failure *failure)
{
    (void)start(log, LOG_WARNING, MESSAGE_ID_NO_LEASES, "no-leases");
    finish_failure(log, failure);
}

void event_alarm(Log *log, const char *kind, bool begins, const char *text)
{
    Entry *entry = begins ? start(log, LOG_ERR, MESSAGE_ID_ALARM, "alarm")
                          : start(log, LOG_NOTICE, MESSAGE_ID_ALARM_OVER, "alarm-over");

    entry_text(entry, begins ? "alarm: " : "the alarm is over: ");
    entry_printable(entry, text, ENTRY_VALUE_MAX);
    entry_close(entry);
    entry_field(entry, "OUTBOX_ALARM=", kind);
    log_write(log);
}

void event_directory_lost(Log *log, const char *path, const Failure *failure)
{
    Entry *entry = start(log, LOG_ERR, MESSAGE_ID_DIRECTORY_LOST, "directory-lost");

    entry_text(entry, "nothing is delivered from ");
    entry_printable(entry, path, ENTRY_VALUE_MAX);
    entry_text(entry, " until it can be used again: ");
    finish_failure(log, failure);
}

void event_directory_back(Log *log, const char *path)
{
    Entry *entry = start(log, LOG_NOTICE, MESSAGE_ID_DIRECTORY_BACK, "directory-back");

    entry_text(entry, "the queue directory can be used again: ");
    entry_printable(entry, path, ENTRY_VALUE_MAX);
    finish(log);
}

void event_database(Log *log, const char *place, const Failure *lost_for)
{
    Entry *entry = lost_for ? start(log, LOG_ERR, MESSAGE_ID_DATABASE_LOST, "database-lost")
                            : start(log, LOG_NOTICE, MESSAGE_ID_DATABASE_BACK, "database-back");

    if (lost_for) {
        entry_text(entry, "nothing is delivered until this is mended: ");
        finish_failure(log, lost_for);
        return;
    }
    entry_text(entry, "messages are taken again from ");
    entry_printable(entry, place, ENTRY_VALUE_MAX);
    finish(log);
}

/* "DIRECTORY/NAME". */
static void add_file(Entry *entry, const char *directory, const char *name)
{
    entry_printable(entry, directory, ENTRY_VALUE_MAX);
    entry_text(entry, "/");
    entry_printable(entry, name, ENTRY_VALUE_MAX);
}

/* The file's name, and whose it is. */
static void add_origin(Entry *entry, const char *directory, const char *name, uid_t owner)
{
    entry_close(entry);
    entry_open(entry, "OUTBOX_FILE=");
    add_file(entry, directory, name);
    entry_close(entry);
    entry_field_number(entry, "OUTBOX_UID=", owner);
}

void event_picked_up(Log *log, const char *directory, const char *name, const char *id, uid_t owner)
{
    Entry *entry = start(log, LOG_INFO, MESSAGE_ID_PICKED_UP, "picked-up");

    entry_text(entry, "message ");
    entry_printable(entry, id, ENTRY_VALUE_MAX);
    entry_text(entry, " was taken from ");
    add_file(entry, directory, name);
    add_origin(entry, directory, name, owner);
    entry_field(entry, "OUTBOX_ID=", id);
    log_write(log);
}

void event_pickup_refused(Log *log, const char *directory, const char *name, const char *bad,
    uid_t owner, const Failure *failure)
{
    Entry *entry = start(log, LOG_WARNING, MESSAGE_ID_PICKUP_REFUSED, "pickup-refused");

    add_file(entry, directory, name);
    entry_text(entry, " is no message that can be taken, and is called ");
    entry_printable(entry, bad, ENTRY_VALUE_MAX);
    entry_text(entry, " now: ");
    entry_lines(entry, failure_text(failure));
    add_origin(entry, directory, name, owner);
    entry_field_number(entry, "OUTBOX_ERROR=", (uint64_t)failure->number);
    log_write(log);
}

void event_problems_left_out(Log *log, unsigned n)
{
    Entry *entry = start(log, LOG_ERR, MESSAGE_ID_PROBLEM, "problem");

    entry_text(
        entry, "further problems before this, like those already told, that were left out: ");
    entry_number(entry, n);
    finish(log);
}
