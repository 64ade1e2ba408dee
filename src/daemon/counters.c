/* Counting what the engine reports. Must never grow by what strangers choose. */
#include "daemon/counters.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* From a relay at hand to the five days after which mail is given up. */
static const usec_t bounds[COUNTERS_DELAYS] = {
    USEC_PER_SEC / 10,
    USEC_PER_SEC / 2,
    USEC_PER_SEC,
    5 * USEC_PER_SEC / 2,
    5 * USEC_PER_SEC,
    10 * USEC_PER_SEC,
    30 * USEC_PER_SEC,
    USEC_PER_MINUTE,
    5 * USEC_PER_MINUTE,
    30 * USEC_PER_MINUTE,
    2 * USEC_PER_HOUR,
    12 * USEC_PER_HOUR,
    5 * USEC_PER_DAY,
};

static void forget(CountersRelay *relay)
{
    free(relay->name);
    *relay = (CountersRelay){0};
}

void counters_done(Counters *counters)
{
    for (size_t i = 0; i < COUNTERS_RELAYS; i++)
        forget(&counters->relays[i]);
}

const CountersRelay *counters_relay(const Counters *counters, const char *name)
{
    for (size_t i = 0; i < COUNTERS_RELAYS && name; i++)
        if (counters->relays[i].name && strcmp(counters->relays[i].name, name) == 0)
            return &counters->relays[i];
    return NULL;
}

/* NULL where there is no place, or no memory. */
static CountersRelay *get_relay(Counters *counters, const char *name)
{
    CountersRelay *known = (CountersRelay *)counters_relay(counters, name);

    for (size_t i = 0; !known && name && i < COUNTERS_RELAYS; i++)
        if (!counters->relays[i].name) {
            counters->relays[i].name = strdup(name);
            return counters->relays[i].name ? &counters->relays[i] : NULL;
        }
    return known;
}

static void count(CountersRecipients *recipients, DeliveryKind kind, uint64_t n)
{
    switch (kind) {
    case DELIVERY_DELIVERED: recipients->delivered += n; break;
    case DELIVERY_REFUSED: recipients->refused += n; break;
    case DELIVERY_DEFERRED:
    case DELIVERY_CUT_OFF: recipients->deferred += n; break;
    case DELIVERY_POSTPONED:
    case DELIVERY_KIND_MAX: break;
    }
}

static void count_delay(Counters *counters, usec_t delay, uint64_t n)
{
    size_t at = 0;

    while (at < COUNTERS_DELAYS && delay > bounds[at])
        at++;
    counters->delays[at] += n;
    counters->delay_sum += delay * n;
}

void counters_note_outcome(Counters *counters, const OutcomeReport *report, usec_t now)
{
    DeliveryKind kind = report->outcome->kind;
    CountersRelay *relay = get_relay(counters, report->relay);

    count(&counters->recipients, kind, report->n_recipients);
    if (relay)
        count(&relay->recipients, kind, report->n_recipients);
    if (kind != DELIVERY_DELIVERED)
        return;
    counters->bytes += report->bytes;
    if (report->delay_usec > 0)
        count_delay(counters, report->delay_usec, report->n_recipients);
    if (relay)
        relay->last_delivered = now;
}

void counters_note_message(Counters *counters, const MessageReport *report)
{
    counters->notices += report->change == MESSAGE_NOTICE;
    counters->untold += report->change == MESSAGE_UNTOLD;
}

void counters_note_relay(Counters *counters, const RelayReport *report)
{
    CountersRelay *relay = report->change == RELAY_HELD ? get_relay(counters, report->relay) : NULL;

    if (relay)
        relay->holds++;
}

void counters_keep_relays(Counters *counters, const Config *config)
{
    for (size_t i = 0; i < COUNTERS_RELAYS; i++)
        if (counters->relays[i].name && !config_find_relay(config, counters->relays[i].name))
            forget(&counters->relays[i]);
}

static json_t *delay_to_json(const Counters *counters)
{
    json_t *json = json_object(), *edges = json_array(), *counts = json_array();
    size_t n = COUNTERS_DELAYS + 1;

    while (n > 0 && counters->delays[n - 1] == 0)
        n--;
    for (size_t i = 0; i < COUNTERS_DELAYS; i++)
        (void)json_array_append_new(edges, json_integer((json_int_t)bounds[i]));
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(counts, json_integer((json_int_t)counters->delays[i]));
    (void)json_object_set_new(json, "sum", json_integer((json_int_t)counters->delay_sum));
    (void)json_object_set_new(json, "bounds", edges);
    (void)json_object_set_new(json, "counts", counts);
    return json;
}

json_t *counters_to_json(const Counters *counters)
{
    const CountersRecipients *r = &counters->recipients;

    return json_pack("{s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:o}", "recipients", "delivered",
        (json_int_t)r->delivered, "deferred", (json_int_t)r->deferred, "refused",
        (json_int_t)r->refused, "bytes", (json_int_t)counters->bytes, "notices",
        (json_int_t)counters->notices, "untold", (json_int_t)counters->untold, "problems",
        (json_int_t)counters->problems, "delay", delay_to_json(counters));
}
