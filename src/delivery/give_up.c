/* Messages that are given up because their relays are at fault: where one attempt is all that they
 * have. Must never do so while a relay may take them. */
#include <errno.h>
#include <stdio.h>

#include "delivery/active.h"
#include "delivery/split.h"

#define GIVEN_UP_MAX 16 /* in one go: each costs a write to the disk */

int engine_give_up(Engine *engine, HeldMessage *message, const Relay *relay)
{
    _cleanup_free_
    char *text = NULL;
    Split *split = split_of(message);
    Attempt *attempt;
    int r;

    if (split && split->attempt) {
        attempt = TAKE_PTR(split->attempt);
    } else {
        r = attempt_new(message, relay->config, NULL, &attempt);
        if (r < 0) {
            engine_give_back(engine, message);
            return r;
        }
    }
    if (asprintf(&text, "relay %s, %s: %s", relay->config->name,
            delivery_stage_name(relay->fault.stage), relay->fault.text) < 0)
        text = NULL;
    r = attempt_give_up(attempt, &relay->fault, text ?: relay->fault.text);
    engine_end_attempt(engine, attempt);
    return r;
}

void engine_give_up_waiting(Engine *engine)
{
    HeldMessage *message;

    if (engine->context.retry->max_attempts != 1 || !relay_set_all_held(engine->relays))
        return;
    for (unsigned n = 0; n < GIVEN_UP_MAX && (message = engine_next_message(engine, NULL)); n++) {
        const RouteRules *rules = engine->config->rules;
        const Relay *held = rules ? split_waits_for(engine->relays, rules, message) : NULL;
        int r = engine_give_up(engine, message, held ?: &engine->relays->relays[0]);

        if (r < 0)
            engine_trouble(engine, r);
        engine_wake(engine); /* for the next ones */
    }
}
