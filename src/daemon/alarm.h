/* Alarms: a message waits for too long, a relay cannot be used for too long, messages fail. The
 * first two begin and end; all are told to a command of the configuration, if there is one, for a
 * machine that cannot send mail has to be heard in another way. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "daemon/log.h"
#include "daemon/queue.h"
#include "settings/config.h"

typedef struct Alarm Alarm;

/* Called from the loop: what alarm_text() says may have changed. */
typedef void (*AlarmChanged)(void *user);

/* Loop, log and queue are borrowed, worker and configuration referenced. 0 or a negative errno. */
int alarm_new(sd_event *loop, Worker *worker, Log *log, Config *config, Queue *queue,
    AlarmChanged changed, void *user, Alarm **ret);
void alarm_free(Alarm *alarm); /* a command that runs is ended; accepts NULL */

/* From now on by this configuration. */
void alarm_configure(Alarm *alarm, Config *config);

/* Something has happened: it is looked soon whether there is an alarm, and as long as there is
 * anything to look at. */
void alarm_note(Alarm *alarm);
void alarm_note_message(Alarm *alarm, const MessageReport *report);

/* What is wrong, in a few words, and NULL when nothing is, or there is no `alarm`. Borrowed until
 * the next call from the loop. */
const char *alarm_text(const Alarm *alarm);

/* One that has begun, borrowed likewise. */
typedef struct AlarmView {
    const char *kind; /* "waiting", "relay" */
    const char *text;
    usec_t since; /* realtime */
} AlarmView;

/* Those that have begun, one a place from 0 on. False when there are no more. */
bool alarm_at(const Alarm *alarm, size_t place, AlarmView *ret);

/* How many have, since the start. */
uint64_t alarm_count_begun(const Alarm *alarm);

DEFINE_CLEANUP(Alarm, alarm_free);
