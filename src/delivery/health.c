/* How the relays are. Must never change anything. */
#include "delivery/health.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "delivery/advice.h"
#include "delivery/state.h"

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

bool engine_relay_is_at_fault(const Relay *relay)
{
    return relay->state == RELAY_STATE_HELD || relay->state == RELAY_STATE_PROBING;
}

usec_t engine_to_real(const Engine *engine, usec_t time)
{
    usec_t now = engine_now(engine);

    return time > now && time != USEC_NEVER ? usec_add(engine_now_real(engine), time - now) : 0;
}

/* The connection that is being opened for the longest time tells. */
static void say_wait(const Engine *engine, const Relay *relay, EngineRelay *ret)
{
    const Link *first = NULL;
    DeliveryOutcome waits = {.kind = DELIVERY_CUT_OFF, .cause = CAUSE_TIMEOUT, .text = ""};

    for (const Link *link = engine->links; link; link = link->next)
        if (link->relay == relay && !link->ready && !link->closed &&
            (!first || link->since < first->since))
            first = link;
    if (!first)
        return;
    ret->wait = connection_waits_for(first->connection);
    waits.stage = ret->wait.stage;
    ret->wait_hint = ret->wait.remedy ?: advice_on(&waits, relay->config);
}

static void say_restraint(const Engine *engine, const Relay *relay, EngineRelay *ret)
{
    RestraintRoom room;

    if (!relay->restraint)
        return;
    room = restraint_room(relay->restraint, engine_now(engine), engine_now_real(engine));
    if (room.kind == RESTRAINT_NONE)
        return;
    ret->restrained_until = engine_to_real(engine, room.from);
    (void)restraint_explain(relay->restraint, room.kind, ret->restraint);
}

/* Connections that are being opened, or that carry something. */
static size_t count_tries(const Engine *engine, const Relay *relay)
{
    size_t n = 0;

    for (const Link *link = engine->links; link; link = link->next)
        n += link->relay == relay && !link->closed && (!link->ready || link->n_attempts > 0);
    return n;
}

static bool is_on_hold(const Engine *engine, const Relay *relay)
{
    return relay->state == RELAY_STATE_HELD && relay->until > engine_now(engine);
}

/* What nobody has seen work is not said to; nor is what nobody tries said to be tried, as where
 * there is nothing to be tried when its hold is over. */
static const char *name_state(const Engine *engine, const Relay *relay)
{
    if (engine_relay_is_at_fault(relay) && !is_on_hold(engine, relay))
        return count_tries(engine, relay) > 0 ? relay_state_name(RELAY_STATE_PROBING) : "hold-over";
    if (relay->state != RELAY_STATE_WORKS)
        return relay_state_name(relay->state);
    if (relay->silence_told)
        return "silent";
    return relay->worked ? relay_state_name(relay->state) : "untried";
}

/* Whether nobody is waited for any more who said nothing: the connection is gone, and none follows
 * while it is at fault. */
static bool is_over(const Engine *engine, const Relay *relay)
{
    return engine_relay_is_at_fault(relay) && count_tries(engine, relay) == 0;
}

static size_t count_connections(const Engine *engine, const Relay *relay)
{
    size_t n = 0;

    for (const Link *link = engine->links; link; link = link->next)
        n += link->relay == relay && !link->closed;
    return n;
}

bool engine_relay(const Engine *engine, size_t place, EngineRelay *ret)
{
    const Relay *relay = &engine->relays->relays[place];

    if (place >= engine->relays->n_relays)
        return false;
    *ret = (EngineRelay){
        .config = relay->config,
        .state = name_state(engine, relay),
        .at_fault = engine_relay_is_at_fault(relay),
        .until = engine_to_real(engine, relay->until),
        .holds = relay->holds,
        .silent = relay->silence_told && !is_over(engine, relay),
        .connections = count_connections(engine, relay),
        .certificate_ends = relay->certificate_ends,
        .fault = relay->state == RELAY_STATE_WORKS ? NULL : &relay->fault,
    };
    if (ret->fault)
        ret->hint = advice_on(ret->fault, relay->config);
    if (ret->silent)
        say_wait(engine, relay, ret);
    say_restraint(engine, relay, ret);
    return true;
}

uint64_t engine_health(const Engine *engine)
{
    uint64_t number = FNV_START;

    for (size_t i = 0; i < engine->relays->n_relays; i++) {
        const Relay *relay = &engine->relays->relays[i];
        bool works = relay->state == RELAY_STATE_WORKS && relay->worked;
        const uint64_t facts[] = {relay->state, relay->silence_told, relay->worked,
            works ? 0 : count_connections(engine, relay), works ? 0 : count_tries(engine, relay),
            is_on_hold(engine, relay), relay->restrained};

        for (size_t n = 0; n < ELEMENTSOF(facts); n++)
            number = (number ^ facts[n]) * FNV_PRIME;
    }
    return number;
}

static char *explain_relay(const EngineRelay *relay)
{
    char codes[DELIVERY_CODES_MAX], until[RFC3339_MAX], *text;

    return asprintf(&text, "relay %s is %s%s%s, stage %s: %s%s", relay->config->name,
               relay->until > 0 ? "on hold" : "being tried again",
               relay->until > 0 ? " until " : "",
               relay->until > 0 ? clock_format_rfc3339(relay->until, until) : "",
               delivery_stage_name(relay->fault->stage), delivery_format_codes(relay->fault, codes),
               relay->fault->text) < 0
               ? NULL
               : text;
}

char *engine_explain_waiting(const Engine *engine)
{
    EngineRelay relay, first = {0};

    if (engine->paused_until > engine_now(engine))
        return strdup("nothing is taken for a moment, after a failure of this machine");
    for (size_t i = 0; engine_relay(engine, i, &relay); i++) {
        if (!relay.at_fault || strcmp(relay.state, "hold-over") == 0)
            return NULL;
        if (!first.config || relay.until < first.until)
            first = relay;
    }
    return explain_relay(&first);
}
