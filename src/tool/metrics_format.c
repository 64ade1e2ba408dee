/* The metrics, one family after the other: doc/man/outbox.1 lists them. Must never have a label
 * whose values strangers choose, be it an address, a user or a message. */
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/metrics.h"

#define BOUNDS_MAX 64
#define LABEL_MAX 300

static const MetricLabel no_labels[] = {{0}};

/* A process that delivers, as it is written of. */
typedef struct Daemon {
    char label[LABEL_MAX];
    const json_t *state;
    bool answers;
    usec_t started, now;
} Daemon;

/* Of two on one machine the first is the one that began last, and one that stays is before one
 * that empties the queue once. */
static bool is_before(const Servers *servers, size_t a, size_t b)
{
    bool one = json_is_true(json_object_get(servers->live[a], "passing")),
         other = json_is_true(json_object_get(servers->live[b], "passing"));

    return one != other ? other : a > b;
}

/* The number of its `.state-N`. In a database, where each start has a number of its own, its
 * machine, and which one it is there. */
static void form_label(const Servers *servers, size_t i, char label[static LABEL_MAX])
{
    const char *machine = servers_text(servers->live[i], "machine");
    unsigned nth = 1;

    if (!servers->database || !machine) {
        snprintf(label, LABEL_MAX, "%u", servers->place[i] + 1);
        return;
    }
    for (size_t k = 0; k < servers->n; k++)
        nth += k != i && text_equal(servers_text(servers->live[k], "machine"), machine) &&
               is_before(servers, k, i);
    if (nth == 1)
        snprintf(label, LABEL_MAX, "%.255s", machine);
    else
        snprintf(label, LABEL_MAX, "%.255s:%u", machine, nth);
}

static Daemon daemon_at(const Metrics *m, size_t i)
{
    Daemon daemon = {.state = m->servers.live[i],
        .answers = m->servers.silent[i] == 0,
        .started = servers_time(m->servers.live[i], "started"),
        .now = m->now};

    form_label(&m->servers, i, daemon.label);
    return daemon;
}

static uint64_t count_of(const json_t *object, const char *name)
{
    long long n = servers_number(object, name);

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- the queue ---- */

static void put_states(Exposition *e, const MetricFamily *family, const Metrics *m, bool bytes)
{
    exposition_begin(e, family);
    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++)
        exposition_number(e, (const MetricLabel[]){{"state", spool_state_name(s)}, {0}},
            bytes ? m->queue.states[s].bytes : m->queue.states[s].messages);
}

static void put_one(
    Exposition *e, const char *name, const char *unit, const char *help, uint64_t value)
{
    const MetricFamily family = {name, METRIC_GAUGE, unit, help};

    exposition_begin(e, &family);
    exposition_number(e, no_labels, value);
}

static bool is_up(const Metrics *m)
{
    for (size_t i = 0; i < m->servers.n; i++)
        if (m->servers.silent[i] == 0)
            return true;
    return m->servers.n == 0 && m->servers.unknown;
}

static void put_queue(Exposition *e, const Metrics *m)
{
    static const MetricFamily messages = {
        "outbox_messages", METRIC_GAUGE, NULL, "Messages in the queue, by state."};
    static const MetricFamily bytes = {
        "outbox_message_bytes", METRIC_GAUGE, "bytes", "Size of those messages."};
    static const MetricFamily oldest = {"outbox_oldest_waiting_seconds", METRIC_GAUGE, "seconds",
        "Age of the oldest message that is queued, being sent or deferred, but for those that "
        "are not to go yet; 0 when there is none."};

    put_states(e, &messages, m, false);
    put_states(e, &bytes, m, true);
    exposition_begin(e, &oldest);
    exposition_seconds(
        e, no_labels, m->queue.waiting > 0 ? clock_age(m->queue.waiting, m->now) : 0);
    put_one(e, "outbox_strangers", NULL, "Files in the queue directory that are no message.",
        m->queue.n_strangers);
    put_one(e, "outbox_directory_full", NULL,
        "1 when the file system of the queue directory has no room.", m->servers.full);
    put_one(
        e, "outbox_up", NULL, "1 when a process delivers from the queue and answers.", is_up(m));
}

/* ---- each daemon ---- */

typedef void (*PutDaemon)(Exposition *e, const Daemon *daemon);

static void put_daemons(
    Exposition *e, const Metrics *m, const MetricFamily *family, PutDaemon put_daemon)
{
    exposition_begin(e, family);
    for (size_t i = 0; i < m->servers.n; i++) {
        const Daemon daemon = daemon_at(m, i);

        put_daemon(e, &daemon);
    }
}

/* Ends behind the first without a name. */
typedef struct Labels {
    MetricLabel at[4];
} Labels;

/* Those of what is told of a daemon; `name` is of what tells it apart, NULL where nothing does. */
static Labels labels_of(const Daemon *daemon, const char *name, const char *value)
{
    return (Labels){.at = {{"daemon", daemon->label}, {name, value}}};
}

static Labels labels_of_relay(
    const Daemon *daemon, const json_t *relay, const char *name, const char *value)
{
    return (Labels){
        .at = {{"daemon", daemon->label}, {"relay", servers_text(relay, "name")}, {name, value}}};
}

static void put_info(Exposition *e, const Daemon *d)
{
    exposition_number(e, labels_of(d, "version", servers_text(d->state, "version")).at, 1);
}

static void put_answers(Exposition *e, const Daemon *d)
{
    exposition_number(e, labels_of(d, NULL, NULL).at, d->answers);
}

static void put_start(Exposition *e, const Daemon *d)
{
    exposition_seconds(e, labels_of(d, NULL, NULL).at, d->started);
}

static void put_paused(Exposition *e, const Daemon *d)
{
    exposition_number(
        e, labels_of(d, NULL, NULL).at, json_is_object(json_object_get(d->state, "pause")));
}

static void put_reload_refused(Exposition *e, const Daemon *d)
{
    exposition_number(e, labels_of(d, NULL, NULL).at,
        json_is_object(json_object_get(d->state, "reload_refused")));
}

static void put_alarm(Exposition *e, const Daemon *d)
{
    static const char *const kinds[] = {"relay", "waiting"};

    for (size_t n = 0; n < ELEMENTSOF(kinds); n++) {
        const json_t *alarm;
        bool on = false;
        size_t i;

        json_array_foreach(json_object_get(d->state, "alarm"), i, alarm) on |=
            text_equal(servers_text(alarm, "alarm"), kinds[n]);
        exposition_number(e, labels_of(d, "alarm", kinds[n]).at, on);
    }
}

static void put_last_delivery(Exposition *e, const Daemon *d)
{
    usec_t last = servers_time(d->state, "last_sent");

    if (last > 0)
        exposition_seconds(e, labels_of(d, NULL, NULL).at, last);
}

static const json_t *figures_of(const Daemon *d)
{
    return json_object_get(d->state, "figures");
}

static const json_t *counters_of(const Daemon *d)
{
    return json_object_get(d->state, "counters");
}

static void put_connections(Exposition *e, const Daemon *d)
{
    exposition_number(e, labels_of(d, NULL, NULL).at, count_of(figures_of(d), "connections"));
}

static void put_unsettled(Exposition *e, const Daemon *d)
{
    exposition_number(e, labels_of(d, NULL, NULL).at, count_of(figures_of(d), "unsettled"));
}

static void count_one(Exposition *e, const Daemon *d, const json_t *object, const char *name)
{
    exposition_count(e, labels_of(d, NULL, NULL).at, count_of(object, name), d->started);
}

static void put_arrivals(Exposition *e, const Daemon *d)
{
    count_one(e, d, figures_of(d), "arrived");
}

static void put_submissions(Exposition *e, const Daemon *d)
{
    count_one(e, d, figures_of(d), "submitted");
}

static void put_alarms(Exposition *e, const Daemon *d)
{
    count_one(e, d, figures_of(d), "alarms");
}

static void put_problems(Exposition *e, const Daemon *d)
{
    count_one(e, d, counters_of(d), "problems");
}

static void put_delivered_bytes(Exposition *e, const Daemon *d)
{
    count_one(e, d, counters_of(d), "bytes");
}

static void put_outcome(
    Exposition *e, const Daemon *d, const char *outcome, const json_t *object, const char *name)
{
    exposition_count(e, labels_of(d, "outcome", outcome).at, count_of(object, name), d->started);
}

static void put_outcomes(Exposition *e, const Daemon *d)
{
    put_outcome(e, d, "delivered", figures_of(d), "sent");
    put_outcome(e, d, "deferred", figures_of(d), "deferred");
    put_outcome(e, d, "failed", figures_of(d), "failed");
}

static const char *const recipient_outcomes[] = {"delivered", "deferred", "refused"};

static void put_recipient_outcomes(Exposition *e, const Daemon *d)
{
    const json_t *recipients = json_object_get(counters_of(d), "recipients");

    for (size_t i = 0; i < ELEMENTSOF(recipient_outcomes); i++)
        put_outcome(e, d, recipient_outcomes[i], recipients, recipient_outcomes[i]);
}

static void put_reports(Exposition *e, const Daemon *d)
{
    put_outcome(e, d, "queued", counters_of(d), "notices");
    put_outcome(e, d, "withheld", counters_of(d), "untold");
}

static void put_delay(Exposition *e, const Daemon *d)
{
    const json_t *delay = json_object_get(counters_of(d), "delay");
    const json_t *edges = json_object_get(delay, "bounds"),
                 *counts = json_object_get(delay, "counts");
    usec_t bounds[BOUNDS_MAX];
    uint64_t numbers[BOUNDS_MAX + 1] = {0};
    MetricHistogram histogram = {.bounds = bounds,
        .counts = numbers,
        .n = MIN(json_array_size(edges), (size_t)BOUNDS_MAX),
        .sum = count_of(delay, "sum")};

    if (histogram.n == 0)
        return; /* of a daemon of a former version */
    for (size_t i = 0; i < histogram.n; i++)
        bounds[i] = (usec_t)json_integer_value(json_array_get(edges, i));
    for (size_t i = 0; i <= histogram.n; i++)
        numbers[i] = (uint64_t)json_integer_value(json_array_get(counts, i));
    exposition_histogram(e, labels_of(d, NULL, NULL).at, &histogram, d->started);
}

static void put_daemon_gauges(Exposition *e, const Metrics *m)
{
    static const struct {
        MetricFamily family;
        PutDaemon put;
    } rows[] = {
        {{"outbox_daemon", METRIC_INFO, NULL, "Each process that delivers, and its version."},
            put_info},
        {{"outbox_daemon_answers", METRIC_GAUGE, NULL,
             "1 when it answers; 0: it is stopped, or hangs, and the rest is what it said before."},
            put_answers},
        {{"outbox_daemon_start_time_seconds", METRIC_GAUGE, "seconds",
             "When it started, since 1970."},
            put_start},
        {{"outbox_daemon_paused", METRIC_GAUGE, NULL,
             "1 while it takes nothing from the queue, for a failure of this machine."},
            put_paused},
        {{"outbox_daemon_reload_refused", METRIC_GAUGE, NULL,
             "1 when it did not take the configuration at its last reload."},
            put_reload_refused},
        {{"outbox_alarm", METRIC_GAUGE, NULL, "1 while there is this alarm."}, put_alarm},
        {{"outbox_last_delivery_timestamp_seconds", METRIC_GAUGE, "seconds",
             "When it last delivered a message, since 1970; absent before it has."},
            put_last_delivery},
        {{"outbox_connections", METRIC_GAUGE, NULL, "Connections to relays, open or opening."},
            put_connections},
        {{"outbox_unsettled_messages", METRIC_GAUGE, NULL,
             "Messages that are over, and cannot be written down as such at present."},
            put_unsettled},
        {{"outbox_message_outcomes", METRIC_COUNTER, NULL,
             "Messages that were delivered to all, put off, or given up."},
            put_outcomes},
        {{"outbox_recipient_outcomes", METRIC_COUNTER, NULL,
             "Recipients that relays took, put off, or refused, each time."},
            put_recipient_outcomes},
        {{"outbox_delivered_bytes", METRIC_COUNTER, "bytes", "Size of what relays took."},
            put_delivered_bytes},
        {{"outbox_delivery_delay_seconds", METRIC_HISTOGRAM, "seconds",
             "From queueing to the reply of the relay that took it, of each recipient."},
            put_delay},
        {{"outbox_arrivals", METRIC_COUNTER, NULL,
             "Messages that came into the queue, or were put back there by somebody."},
            put_arrivals},
        {{"outbox_submissions", METRIC_COUNTER, NULL, "Those that came by the submission socket."},
            put_submissions},
        {{"outbox_reports", METRIC_COUNTER, NULL,
             "Reports of messages that failed or are late: queued, or withheld."},
            put_reports},
        {{"outbox_problems", METRIC_COUNTER, NULL, "Failures of this machine that it met with."},
            put_problems},
        {{"outbox_alarms", METRIC_COUNTER, NULL, "Alarms that began."}, put_alarms},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        put_daemons(e, m, &rows[i].family, rows[i].put);
}

/* ---- each relay of each daemon ---- */

typedef void (*PutOne)(Exposition *e, const Daemon *daemon, const json_t *one);

static void put_each(
    Exposition *e, const Metrics *m, const char *which, const MetricFamily *family, PutOne put)
{
    exposition_begin(e, family);
    for (size_t i = 0; i < m->servers.n; i++) {
        const Daemon daemon = daemon_at(m, i);
        const json_t *one;
        size_t n;

        json_array_foreach(json_object_get(daemon.state, which), n, one) put(e, &daemon, one);
    }
}

static void put_relay_state(Exposition *e, const Daemon *d, const json_t *relay)
{
    static const char *const states[] = {
        "untried", "works", "silent", "limited", "held", "probing", "hold-over"};

    for (size_t i = 0; i < ELEMENTSOF(states); i++)
        exposition_number(e, labels_of_relay(d, relay, "state", states[i]).at,
            text_equal(servers_text(relay, "state"), states[i]));
}

static void put_relay_connections(Exposition *e, const Daemon *d, const json_t *relay)
{
    exposition_number(e, labels_of_relay(d, relay, NULL, NULL).at, count_of(relay, "connections"));
}

static void put_relay_hold(Exposition *e, const Daemon *d, const json_t *relay)
{
    usec_t until =
        text_equal(servers_text(relay, "state"), "held") ? servers_time(relay, "until") : 0;

    exposition_seconds(
        e, labels_of_relay(d, relay, NULL, NULL).at, until > d->now ? until - d->now : 0);
}

static void put_relay_time(
    Exposition *e, const Daemon *d, const json_t *relay, const json_t *object, const char *name)
{
    usec_t time = servers_time(object, name);

    if (time > 0)
        exposition_seconds(e, labels_of_relay(d, relay, NULL, NULL).at, time);
}

static void put_relay_last(Exposition *e, const Daemon *d, const json_t *relay)
{
    put_relay_time(e, d, relay, json_object_get(relay, "counters"), "last_delivered");
}

static void put_relay_certificate(Exposition *e, const Daemon *d, const json_t *relay)
{
    put_relay_time(e, d, relay, relay, "certificate_ends");
}

static void put_relay_holds(Exposition *e, const Daemon *d, const json_t *relay)
{
    exposition_count(e, labels_of_relay(d, relay, NULL, NULL).at,
        count_of(json_object_get(relay, "counters"), "holds"), d->started);
}

static void put_relay_outcomes(Exposition *e, const Daemon *d, const json_t *relay)
{
    for (size_t i = 0; i < ELEMENTSOF(recipient_outcomes); i++)
        exposition_count(e, labels_of_relay(d, relay, "outcome", recipient_outcomes[i]).at,
            count_of(json_object_get(relay, "counters"), recipient_outcomes[i]), d->started);
}

static void put_relay_families(Exposition *e, const Metrics *m)
{
    static const struct {
        MetricFamily family;
        PutOne put;
    } rows[] = {
        {{"outbox_relay_state", METRIC_GAUGE, NULL, "1 for the state that the relay is in."},
            put_relay_state},
        {{"outbox_relay_connections", METRIC_GAUGE, NULL,
             "Connections to the relay, open or opening."},
            put_relay_connections},
        {{"outbox_relay_hold_remaining_seconds", METRIC_GAUGE, "seconds",
             "Until the end of its hold; 0 when it is not on hold."},
            put_relay_hold},
        {{"outbox_relay_last_delivery_timestamp_seconds", METRIC_GAUGE, "seconds",
             "When it last took a message, since 1970; absent before it has."},
            put_relay_last},
        {{"outbox_relay_certificate_end_timestamp_seconds", METRIC_GAUGE, "seconds",
             "When its certificate ends, since 1970; absent without TLS, and before a session."},
            put_relay_certificate},
        {{"outbox_relay_holds", METRIC_COUNTER, NULL, "Times that it was put on hold."},
            put_relay_holds},
        {{"outbox_relay_recipient_outcomes", METRIC_COUNTER, NULL,
             "Recipients that it took, put off, or refused, each time."},
            put_relay_outcomes},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        put_each(e, m, "relays", &rows[i].family, rows[i].put);
}

/* ---- each lane of each daemon that has lanes ---- */

/* A lane in none of the configuration's has no name. */
static Labels labels_of_lane(
    const Daemon *daemon, const json_t *lane, const char *name, const char *value)
{
    return (Labels){.at = {{"daemon", daemon->label}, {"lane", servers_text(lane, "name") ?: ""},
                        {name, value}}};
}

static void put_lane_messages(Exposition *e, const Daemon *d, const json_t *lane)
{
    static const char *const states[] = {"waiting", "sending"};

    for (size_t i = 0; i < ELEMENTSOF(states); i++)
        exposition_number(
            e, labels_of_lane(d, lane, "state", states[i]).at, count_of(lane, states[i]));
}

static void put_lane_restraint(Exposition *e, const Daemon *d, const json_t *lane)
{
    usec_t until = servers_time(json_object_get(lane, "restrained"), "until");

    exposition_seconds(
        e, labels_of_lane(d, lane, NULL, NULL).at, until > d->now ? until - d->now : 0);
}

static void put_lane_families(Exposition *e, const Metrics *m)
{
    static const struct {
        MetricFamily family;
        PutOne put;
    } rows[] = {
        {{"outbox_lane_messages", METRIC_GAUGE, NULL,
             "Messages of the lane that wait for their turn, and that are being sent."},
            put_lane_messages},
        {{"outbox_lane_restraint_remaining_seconds", METRIC_GAUGE, "seconds",
             "Until its rates and quiet hours let the lane send again; 0 when they do."},
            put_lane_restraint},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        put_each(e, m, "lanes", &rows[i].family, rows[i].put);
}

int metrics_format(const Metrics *m, bool open, Buffer *out)
{
    Exposition e = {.out = out, .open = open};

    put_queue(&e, m);
    put_daemon_gauges(&e, m);
    put_relay_families(&e, m);
    put_lane_families(&e, m);
    return exposition_end(&e);
}
