/* The daemon's state as JSON. Must never hold a secret, and never grow without a bound. */
#include "daemon/state.h"

#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define TEXT_MAX 1000 /* bytes of what a relay says, or a failure */
#define RELAYS_MAX 30 /* that are told of */

void state_init(State *state, usec_t now)
{
    *state = (State){.started = now, .minute = now / USEC_PER_MINUTE};
}

static void problem_done(StateProblem *problem)
{
    free(problem->id);
    free(problem->text);
    *problem = (StateProblem){0};
}

void state_done(State *state)
{
    for (size_t i = 0; i < STATE_PROBLEMS; i++)
        problem_done(&state->problems[i]);
    counters_done(&state->counters);
    free(state->pause);
    free(state->refused);
}

/* Moves what was counted, so that the present minute is the first. A clock that is set back starts
 * anew. */
static void turn(State *state, usec_t now)
{
    uint64_t minute = now / USEC_PER_MINUTE, by = minute - state->minute;
    size_t kept;

    if (by == 0)
        return;
    kept = minute < state->minute || by >= STATE_MINUTES ? 0 : STATE_MINUTES - (size_t)by;
    memmove(state->sent + (STATE_MINUTES - kept), state->sent, kept * sizeof(*state->sent));
    memset(state->sent, 0, (STATE_MINUTES - kept) * sizeof(*state->sent));
    state->minute = minute;
}

void state_note_sent(State *state, usec_t now)
{
    turn(state, now);
    state->sent[0]++;
    state->last_sent = now;
}

/* Where memory is short for the words there are none. */
static void keep(char **text, const Failure *failure)
{
    free(*text);
    *text = failure ? strdup(failure_text(failure)) : NULL;
}

static void take_out(State *state, size_t at)
{
    problem_done(&state->problems[at]);
    memmove(&state->problems[at], &state->problems[at + 1],
        (STATE_PROBLEMS - 1 - at) * sizeof(StateProblem));
    state->problems[STATE_PROBLEMS - 1] = (StateProblem){0};
}

void state_forget_problem(State *state, const char *id)
{
    for (size_t i = 0; i < STATE_PROBLEMS && state->problems[i].id; i++)
        if (strcmp(state->problems[i].id, id) == 0) {
            take_out(state, i);
            return;
        }
}

void state_note_problem(State *state, const char *id, const Failure *failure, usec_t now)
{
    StateProblem problem = {.time = now};

    if (!id) {
        keep(&state->pause, failure);
        return;
    }
    state_forget_problem(state, id);
    problem.id = strdup(id);
    problem.text = strdup(failure_text(failure));
    if (!problem.id || !problem.text) {
        problem_done(&problem);
        return;
    }
    problem_done(&state->problems[STATE_PROBLEMS - 1]);
    memmove(&state->problems[1], &state->problems[0], (STATE_PROBLEMS - 1) * sizeof(StateProblem));
    state->problems[0] = problem;
}

void state_note_reload(State *state, const Failure *failure, usec_t now)
{
    keep(&state->refused, failure);
    state->refused_time = failure ? now : 0;
}

/* NULL for NULL and where memory is short: json_pack() with "o?" makes null of it. */
static json_t *to_text(const char *text)
{
    _cleanup_free_
    char *printable = NULL;
    size_t n = text ? strlen(text) : 0;

    if (!text || (n <= TEXT_MAX && text_is_utf8(text, n)))
        return text ? json_string(text) : NULL;
    printable = text_printable(text, n, TEXT_MAX);
    return printable ? json_string(printable) : NULL;
}

/* The same of a text of several lines, which stay lines. */
static json_t *to_lines(const char *text)
{
    _cleanup_buffer_ Buffer lines = {0};
    size_t n = text ? strlen(text) : 0;

    for (size_t at = 0, length; at < n; at += length + 1) {
        _cleanup_free_
        char *line = NULL;

        if (buffer_size(&lines) >= TEXT_MAX)
            return buffer_append_string(&lines, "\n...") < 0
                       ? NULL
                       : json_stringn(buffer_data(&lines), buffer_size(&lines));
        length = strcspn(text + at, "\n");
        line = text_printable(text + at, length, TEXT_MAX - buffer_size(&lines));
        if (!line || (at > 0 && buffer_append_string(&lines, "\n") < 0) ||
            buffer_append_string(&lines, line) < 0)
            return NULL;
    }
    return text ? json_stringn(buffer_data(&lines), buffer_size(&lines)) : NULL;
}

static json_t *to_time(usec_t realtime)
{
    char text[RFC3339_MAX];

    return realtime > 0 && realtime != USEC_NEVER
               ? json_string(clock_format_rfc3339(realtime, text))
               : NULL;
}

static json_t *fault_to_json(const EngineRelay *relay)
{
    const DeliveryOutcome *fault = relay->fault;

    if (!fault)
        return NULL;
    return json_pack("{s:s, s:i, s:s, s:i, s:o?, s:o?}", "stage", delivery_stage_name(fault->stage),
        "code", fault->code, "enhanced", fault->enhanced, "error", fault->error, "text",
        to_text(fault->text), "hint", to_text(relay->hint));
}

/* {"stage": "auth", "for": "the token server https://...", "hint": "..."}, or NULL. */
static json_t *wait_to_json(const EngineRelay *relay)
{
    const ConnectionWait *wait = &relay->wait;

    if (!relay->silent || wait->stage == STAGE_NONE)
        return NULL;
    return json_pack("{s:s, s:o?, s:o?}", "stage", delivery_stage_name(wait->stage), "for",
        to_text(*wait->what ? wait->what : NULL), "hint", to_text(relay->wait_hint));
}

/* What was counted of the relay since the start. */
static json_t *counted_to_json(const CountersRelay *counted)
{
    static const CountersRelay nothing = {0};
    const CountersRelay *c = counted ?: &nothing;

    return json_pack("{s:I, s:I, s:I, s:I, s:o?}", "delivered", (json_int_t)c->recipients.delivered,
        "deferred", (json_int_t)c->recipients.deferred, "refused",
        (json_int_t)c->recipients.refused, "holds", (json_int_t)c->holds, "last_delivered",
        to_time(c->last_delivered));
}

/* {"until": "...", "text": "..."}, or NULL. */
static json_t *restraint_to_json(usec_t until, const char *text)
{
    if (until == 0)
        return NULL;
    return json_pack("{s:o?, s:o?}", "until", to_time(until), "text", to_text(text));
}

static json_t *relay_to_json(const EngineRelay *relay, const Counters *counters)
{
    const RelayConfig *config = relay->config;

    return json_pack("{s:o?, s:o?, s:i, s:s, s:o?, s:i, s:b, s:o?, s:i, s:o?, s:o?, s:o?, s:o}",
        "name", to_text(config->name), "host", to_text(config->host), "port", (int)config->port,
        "state", relay->state, "until", to_time(relay->until), "holds", (int)relay->holds, "silent",
        (int)relay->silent, "waits", wait_to_json(relay), "connections", (int)relay->connections,
        "fault", fault_to_json(relay), "restrained",
        restraint_to_json(relay->restrained_until, relay->restraint), "certificate_ends",
        to_time(relay->certificate_ends), "counters",
        counted_to_json(counters_relay(counters, config->name)));
}

static json_t *relays_to_json(const Queue *queue, const Counters *counters)
{
    json_t *array = json_array();
    EngineRelay relay;

    for (size_t i = 0; array && i < RELAYS_MAX && queue_relay(queue, i, &relay); i++)
        if (json_array_append_new(array, relay_to_json(&relay, counters)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* Messages in no lane that has settings come first, with null for a name. */
static json_t *lane_to_json(const EngineLane *lane)
{
    const LaneConfig *config = lane->config;

    return json_pack("{s:o?, s:i, s:I, s:I, s:i, s:o?}", "name",
        to_text(config ? config->name : NULL), "priority", config ? config->priority : 0, "waiting",
        (json_int_t)lane->waiting, "sending", (json_int_t)lane->sending, "connections",
        config ? (int)config->connections : 0, "restrained",
        restraint_to_json(lane->restrained_until, lane->restraint));
}

static json_t *lanes_to_json(const Queue *queue)
{
    json_t *array = json_array();
    EngineLane lane;

    for (unsigned i = 0; array && queue_lane(queue, i, &lane); i++)
        if (json_array_append_new(array, lane_to_json(&lane)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* {"minute": 29391234, "sent": [3, 0, 12]}: trailing zeros are left out. */
static json_t *rates_to_json(const State *state)
{
    json_t *counts = json_array();
    size_t n = STATE_MINUTES;

    while (n > 0 && state->sent[n - 1] == 0)
        n--;
    for (size_t i = 0; counts && i < n; i++)
        if (json_array_append_new(counts, json_integer(state->sent[i])) < 0) {
            json_decref(counts);
            return NULL;
        }
    return json_pack("{s:I, s:o}", "minute", (json_int_t)state->minute, "sent", counts);
}

static json_t *problems_to_json(const State *state)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < STATE_PROBLEMS && state->problems[i].id; i++)
        (void)json_array_append_new(
            array, json_pack("{s:o?, s:o?, s:o?}", "id", to_text(state->problems[i].id), "time",
                       to_time(state->problems[i].time), "text", to_text(state->problems[i].text)));
    return array;
}

static json_t *alarms_to_json(const Alarm *alarm)
{
    json_t *array = json_array();
    AlarmView one;

    for (size_t i = 0; array && alarm_at(alarm, i, &one); i++)
        (void)json_array_append_new(
            array, json_pack("{s:s, s:o?, s:o?}", "alarm", one.kind, "since", to_time(one.since),
                       "text", to_text(one.text)));
    return array;
}

static json_t *figures_to_json(const EngineStatistics *s, const StateOf *of)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sent",
        (json_int_t)s->sent, "deferred", (json_int_t)s->deferred, "failed", (json_int_t)s->failed,
        "sending", (json_int_t)s->in_flight, "queued", (json_int_t)s->waiting, "waiting",
        (json_int_t)s->deferred_waiting, "connections", (json_int_t)s->connections, "unsettled",
        (json_int_t)s->unsettled, "arrived", (json_int_t)s->arrived, "submitted",
        (json_int_t)of->submitted, "alarms", (json_int_t)alarm_count_begun(of->alarm));
}

int state_format(const State *state, const StateOf *of, usec_t now, Buffer *out)
{
    EngineStatistics statistics;
    json_t *json, *pause = NULL, *reload = NULL;
    _cleanup_free_
    char *text = NULL;

    (void)queue_statistics(of->queue, &statistics);
    if (statistics.paused_until > 0)
        pause = json_pack("{s:o?, s:o?}", "until", to_time(statistics.paused_until), "text",
            to_text(state->pause));
    if (state->refused_time > 0)
        reload = json_pack(
            "{s:o?, s:o?}", "time", to_time(state->refused_time), "text", to_lines(state->refused));
    json = json_pack(
        "{s:s, s:s, s:i, s:i, s:o?, s:o?, s:o?, s:b, s:b, s:o?, s:o?, s:o?, s:o?, s:o, s:o, s:o, "
        "s:o, s:o, s:o}",
        "program", "outboxd", "version", PACKAGE_VERSION, "pid", (int)getpid(), "uid",
        (int)geteuid(), "started", to_time(state->started), "time", to_time(now), "configuration",
        to_text(of->config->path), "answers", 1, "stopping", (int)of->stopping, "pause", pause,
        "reload_refused", reload, "last_sent", to_time(state->last_sent), "figures",
        figures_to_json(&statistics, of), "rates", rates_to_json(state), "relays",
        relays_to_json(of->queue, &state->counters), "lanes", lanes_to_json(of->queue), "problems",
        problems_to_json(state), "alarm", alarms_to_json(of->alarm), "counters",
        counters_to_json(&state->counters));
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text ? buffer_append_string(out, text) : -ENOMEM;
}
