/* What happens, as log entries: one entry each, with the fields that doc/man/outboxd.8 lists and
 * one sentence for a person. A message that is delivered in one attempt is one entry. */
#pragma once

#include "daemon/log.h"
#include "delivery/limits.h"
#include "delivery/report.h"
#include "settings/config.h"

#define EVENTS_RECIPIENTS_MAX 100 /* an entry; an outcome of more recipients makes several */

/* What the engine reports (events.c). A postponed recipient has no outcome yet and makes no entry.
 */
void event_outcome(Log *log, const OutcomeReport *report);
void event_message(Log *log, const MessageReport *report);
void event_relay(Log *log, const RelayReport *report);
void event_lane(Log *log, const LaneReport *report);
void event_problem(Log *log, const ProblemReport *report);

/* The daemon's own (events_daemon.c). */
void event_problems_left_out(Log *log, unsigned n);
void event_started(Log *log, const Config *config);
void event_stopping(Log *log, size_t in_flight, usec_t stop_timeout);
void event_reloaded(Log *log, const Config *config);
void event_reload_refused(Log *log, const Failure *failure);
void event_limits(Log *log, const Limits *limits);
void event_no_leases(Log *log, const Failure *failure);
void event_alarm(Log *log, const char *kind, bool begins, const char *text);
void event_picked_up(
    Log *log, const char *directory, const char *name, const char *id, uid_t owner);
void event_pickup_refused(Log *log, const char *directory, const char *name, const char *bad,
    uid_t owner, const Failure *failure);
void event_directory_lost(Log *log, const char *path, const Failure *failure);
void event_directory_back(Log *log, const char *path);
void event_database(Log *log, const char *place, const Failure *lost_for); /* NULL: it is back */
