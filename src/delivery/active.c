/* The active set: messages on their way into the engine and out of it. Must never lose sight of one
 * that is held. */
#include "delivery/active.h"

#include <errno.h>
#include <stdio.h>

#include "base/errors.h"
#include "base/file.h"
#include "delivery/health.h"
#include "delivery/held.h"
#include "delivery/lanes.h"
#include "delivery/restrain.h"
#include "delivery/split.h"
#include "delivery/ways.h"

/* How long taking pauses after a failure of our own, such as a full disk, and how long a message
 * whose end cannot be written waits. */
#define TROUBLE_PAUSE (5 * USEC_PER_SEC)

#define SHARED_PAUSE USEC_PER_MINUTE

/* So many ends may wait for room. Others are sent meanwhile: those that are delivered make some. */
#define STUCK_MAX 256

/* `message` NULL: everything stops for a while. */
static void report_problem(Engine *engine, const SourceFound *message, const Failure *failure)
{
    const ProblemReport report = {
        .id = message ? message->id : NULL,
        .owner = message ? message->owner : FILE_OWNER_UNKNOWN,
        .failure = failure,
        .pauses = !message,
    };

    if (engine->context.observer->problem)
        engine->context.observer->problem(engine->context.user, &report);
}

static void report_change(
    Engine *engine, const SourceFound *message, MessageChange change, const Failure *f)
{
    const MessageReport report = {
        .id = message->id,
        .old_id = message->old_id,
        .owner = message->owner,
        .change = change,
        .error = f ? f->number : 0,
        .text = f ? f->text : NULL,
    };

    if (engine->context.observer->message)
        engine->context.observer->message(engine->context.user, &report);
}

/* A message that can go at once is told of when it has gone. */
static void report_waiting(Engine *engine, const SourceFound *message)
{
    Failure why = {.text = engine_explain_waiting(engine)};

    if (why.text)
        report_change(engine, message, MESSAGE_WAITING, &why);
    free(why.text);
}

void engine_pause(Engine *engine)
{
    engine->paused_until = usec_add(engine_now(engine), TROUBLE_PAUSE);
    engine_wake(engine);
}

void engine_trouble(Engine *engine, int error)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set_errno(&f, error, "cannot deliver at present; trying again soon");
    engine_pause(engine);
    report_problem(engine, NULL, &f);
}

/* ---- what the source tells ---- */

static void on_wake(void *user)
{
    Engine *engine = user;

    if (engine->sent_unread)
        restrain_load(engine);
    engine_wake(engine);
}

static void on_found(
    void *user, SourceFinding finding, const SourceFound *message, const Failure *f)
{
    Engine *engine = user;

    switch (finding) {
    case FOUND_DEFECT:
        engine->statistics.failed++;
        report_change(engine, message, MESSAGE_FAILED, f);
        break;
    case FOUND_QUEUED:
        engine->statistics.arrived++;
        report_waiting(engine, message);
        break;
    case FOUND_EARLY: report_change(engine, message, MESSAGE_WAITING, f); break;
    case FOUND_HELD: report_change(engine, message, MESSAGE_HELD, NULL); break;
    case FOUND_RECOVERED: report_change(engine, message, MESSAGE_RECOVERED, f); break;
    case FOUND_NOTICE: report_change(engine, message, MESSAGE_NOTICE, f); break;
    case FOUND_UNTOLD: report_change(engine, message, MESSAGE_UNTOLD, f); break;
    case FOUND_PROBLEM: report_problem(engine, message, f); break;
    case FOUND_TROUBLE: report_problem(engine, NULL, f); break;
    case FOUND_LOST:
    case FOUND_BACK:
        if (engine->context.observer->source)
            engine->context.observer->source(engine->context.user, finding == FOUND_BACK, f);
        break;
    }
}

static Attempt *take_from(Attempt **list, const HeldMessage *message)
{
    for (Attempt **at = list; *at; at = attempt_next(*at)) {
        Attempt *attempt = *at;

        if (attempt_message(attempt) != message)
            continue;
        *at = *attempt_next(attempt);
        return attempt;
    }
    return NULL;
}

static void keep_unsettled(Engine *engine, Attempt *attempt, int result)
{
    Attempt **list = result == SOURCE_LATER ? &engine->settling : &engine->stuck;

    *attempt_next(attempt) = *list;
    *list = attempt;
    if (result < 0) {
        engine->stuck_until = usec_add(engine_now(engine), TROUBLE_PAUSE);
        if (error_is_common(result) &&
            (!error_is_no_room(result) || engine_count_stuck(engine) >= STUCK_MAX))
            engine_pause(engine);
        engine_wake(engine);
    }
}

static void on_ended(void *user, HeldMessage *message, int result, const Failure *f)
{
    Engine *engine = user;
    Attempt *attempt = take_from(&engine->settling, message);
    int r;

    if (!attempt)
        return;
    r = attempt_ended(
        attempt, &engine->context, &engine->statistics, result, attempt_id(attempt), f);
    if (r != 0)
        keep_unsettled(engine, attempt, r);
    else
        engine->statistics.in_flight--;
    engine_wake(engine);
}

/* Another process has it. What is under way for it cannot be called back; nothing is written. */
static void on_lost(void *user, HeldMessage *message)
{
    Engine *engine = user;
    Attempt *attempt = take_from(&engine->stuck, message) ?: take_from(&engine->settling, message);

    if (!attempt)
        return; /* it is told when it is settled */
    attempt_abandon(attempt);
    engine->statistics.in_flight--;
    engine_wake(engine);
}

static bool take_out(Lane *lane, const HeldMessage *message)
{
    for (HeldMessage **at = &lane->first; lane->n > 0 && at != lane->end; at = &(*at)->next)
        if (*at == message) {
            (void)held_remove(lane, at);
            return true;
        }
    return false;
}

/* Others of its way may wait outside for its place: nobody else would bring them. The source frees
 * it after that. */
static bool on_yield(void *user, HeldMessage *message)
{
    Engine *engine = user;

    if (message->sending ||
        !(take_out(&engine->lane, message) || take_out(&engine->elsewhere, message)))
        return false;
    engine->statistics.in_flight--;
    if (engine->ways)
        ways_bring(engine, split_way_number(message));
    engine_wake(engine);
    return true;
}

const SourceHandlers engine_source_handlers = {
    .wake = on_wake,
    .ended = on_ended,
    .lost = on_lost,
    .yield = on_yield,
    .found = on_found,
};

/* ---- in ---- */

bool engine_is_taking(const Engine *engine)
{
    return !engine->stopping && engine->paused_until <= engine_now(engine);
}

/* ---- back ---- */

/* An attempt that waits between two relays ends; else nothing has been done with it. */
static void return_it(Engine *engine, HeldMessage *message, const MessageEnd *end)
{
    Split *split = split_of(message);
    char id[SOURCE_ID_MAX];
    int r;

    if (split && split->attempt) {
        attempt_wait_until(split->attempt, end->until);
        engine_end_attempt(engine, TAKE_PTR(split->attempt));
        return;
    }
    engine->statistics.in_flight--;
    r = message->source->ops->settle(message, end, id, NULL);
    if (r < 0 || r == SOURCE_LATER) /* nobody waits for that */
        message->source->ops->abandon(message);
}

static void give_back_until(Engine *engine, HeldMessage *message, bool aside, usec_t until)
{
    const MessageEnd end = {
        .kind = END_RETURNED, .now = engine_now_real(engine), .aside = aside, .until = until};

    return_it(engine, message, &end);
}

/* For want of room: it is asked for when there is some, where it is remembered. */
static void give_back_full(Engine *engine, HeldMessage *message, bool parked)
{
    const usec_t now = engine_now_real(engine);
    const MessageEnd end = {
        .kind = END_RETURNED,
        .now = now,
        .aside = true,
        .full = parked,
        .until = parked ? usec_add(now, WAYS_PAUSE) : 0,
    };

    return_it(engine, message, &end);
}

static void give_back(Engine *engine, HeldMessage *message, bool aside)
{
    give_back_until(engine, message, aside, 0);
}

static void tell_waits(Engine *engine, const HeldMessage *message, const Relay *held)
{
    const SourceFound found = {.id = message->id, .owner = message->owner};
    Failure f = {0};

    (void)ways_park(engine, message, false);
    if (!ways_tells(engine, message->id))
        return;
    if (asprintf(&f.text, "it waits for relay %s, which %s and is to take it%s", held->config->name,
            held->state == RELAY_STATE_HELD
                ? "is on hold"
                : "takes none at present (message_rate, recipient_rate, quiet)",
            split_of(message) ? " by a rule of routes" : "") < 0)
        return;
    report_change(engine, &found, MESSAGE_WAITING, &f);
    free(f.text);
}

/* Where each error is final a hold is one; a rate and quiet hours are none. */
static bool gives_up(const Engine *engine, const HeldMessage *message, const Relay *held)
{
    return held && engine->context.retry->max_attempts == 1 &&
           !split_rests(engine->relays, engine->config->rules, message);
}

/* Every relay that may take it is on hold, or takes none for a while. */
static void wait_in_source(Engine *engine, HeldMessage *message)
{
    const Relay *held = split_waits_for(engine->relays, engine->config->rules, message);

    if (gives_up(engine, message, held)) {
        int r = engine_give_up(engine, message, held);

        if (r < 0)
            engine_trouble(engine, r);
        return;
    }
    if (held)
        tell_waits(engine, message, held);
    give_back_until(engine, message, true, held ? ways_until(engine, held) : 0);
}

/* ---- in ---- */

/* Where others deliver, too, what is this process's part may be more soon, and another may send it
 * now: it is not put off for long for the sake of a rate. */
static usec_t not_for_long(const Engine *engine, unsigned lane, usec_t until)
{
    if ((engine->share.known && engine->share.count == 1) || lanes_is_quiet(engine, lane))
        return until;
    return MIN(until, usec_add(engine_now_real(engine), SHARED_PAUSE));
}

/* What the source said of its lane was a hint. Of one that is to wait it is told where it is next.
 */
static bool is_out_of_turn(Engine *engine, HeldMessage *message)
{
    usec_t until;

    message->lane = lanes_number(engine, message);
    if (lanes_admit(engine, message, &until))
        return false;
    lanes_note_put_off(engine, message->lane);
    give_back_until(engine, message, true, not_for_long(engine, message->lane, until));
    engine_wake(engine);
    return true;
}

/* NULL: it is given back. */
static HeldMessage *take_up(Engine *engine, HeldMessage *message)
{
    int r;

    message->next = NULL;
    message->sending = false;
    message->unfit_for = 0;
    message->routes = NULL;
    message->lane = LANE_NONE;
    engine->statistics.in_flight++;
    if (engine->lanes && is_out_of_turn(engine, message))
        return NULL;
    r = split_message(engine->config->rules, message);
    if (r < 0) {
        give_back(engine, message, false);
        engine_trouble(engine, r);
        return NULL;
    }
    return message;
}

HeldMessage *engine_take(Engine *engine)
{
    HeldMessage *message;
    int r;

    if (!engine_is_taking(engine))
        return NULL;
    r = lanes_take(engine, &message);
    if (r < 0)
        engine_pause(engine);
    if (r <= 0)
        return NULL;
    return take_up(engine, message);
}

HeldMessage *engine_take_of(Engine *engine, unsigned lane)
{
    HeldMessage *message;
    int r = engine_is_taking(engine) ? lanes_take_of(engine, lane, &message) : 0;

    if (r < 0)
        engine_pause(engine);
    return r > 0 ? take_up(engine, message) : NULL;
}

void engine_keep(Engine *engine, HeldMessage *message)
{
    const RouteRules *rules = engine->config->rules;

    if (rules && split_relays(engine->relays, rules, message) == 0)
        wait_in_source(engine, message);
    else if (message->routes)
        engine_put_elsewhere(engine, message);
    else if (!rules || engine->lane.n < LANE_MAX)
        held_append(&engine->lane, message);
    else
        give_back_full(engine, message, ways_park(engine, message, true));
}

/* ---- out ---- */

void engine_end_attempt(Engine *engine, Attempt *attempt)
{
    int r = attempt_end(attempt, &engine->context, &engine->statistics, engine_now_real(engine));

    if (r == 0)
        engine->statistics.in_flight--;
    else
        keep_unsettled(engine, attempt, r);
    if (engine->lanes) /* the next of its lane may have waited for this one */
        engine_wake(engine);
}

void engine_give_back(Engine *engine, HeldMessage *message)
{
    give_back(engine, message, false);
}

static void empty(Engine *engine, Lane *lane)
{
    while (lane->n > 0)
        give_back(engine, held_remove(lane, &lane->first), false);
}

void engine_empty_lane(Engine *engine)
{
    empty(engine, &engine->lane);
    empty(engine, &engine->elsewhere);
}

void engine_put_aside(Engine *engine, HeldMessage *message, usec_t until, const char *why)
{
    const SourceFound found = {.id = message->id, .owner = message->owner};
    const Failure f = {.text = (char *)why};

    report_change(engine, &found, MESSAGE_WAITING, &f);
    give_back_until(engine, message, true, until);
}

void engine_put_elsewhere(Engine *engine, HeldMessage *message)
{
    const Split *split = split_of(message);
    bool goes_on = split && split->attempt;

    if (split && !goes_on ? ways_has_room(engine, message)
                          : engine->elsewhere.n < PLAN_ELSEWHERE_MAX)
        held_append(&engine->elsewhere, message);
    else
        give_back_full(engine, message, split && !goes_on && ways_park(engine, message, true));
    engine_wake(engine);
}

/* Whether no relay that may take it can be used at present. */
static bool waits_in_vain(const Engine *engine, const HeldMessage *message)
{
    const RelaySet *set = engine->relays;

    if (engine->config->rules)
        return split_relays(set, engine->config->rules, message) == 0;
    for (size_t i = 0; i < MIN(set->n_relays, (size_t)PLAN_ELSEWHERE_RELAYS); i++)
        if (!(message->unfit_for >> i & 1) && set->relays[i].state != RELAY_STATE_HELD)
            return false;
    return true;
}

/* The other recipients have had their turn, or wait in vain. */
static void end_others(Engine *engine, HeldMessage *message, Attempt *attempt)
{
    const Relay *held = split_waits_for(engine->relays, engine->config->rules, message);

    if (gives_up(engine, message, held)) {
        split_of(message)->attempt = attempt;
        (void)engine_give_up(engine, message, held);
        return;
    }
    if (held)
        attempt_wait_until(attempt, ways_until(engine, held));
    engine_end_attempt(engine, attempt);
}

/* Those of a lane that is quiet by now go back. */
static void recall_quiet_of(Engine *engine, Lane *lane)
{
    for (HeldMessage **at = &lane->first; lane->n > 0 && at != lane->end;) {
        const Split *split = split_of(*at);

        if ((split && split->attempt) || !lanes_is_quiet(engine, (*at)->lane))
            at = &(*at)->next;
        else
            give_back(engine, held_remove(lane, at), false);
    }
}

void engine_recall_quiet(Engine *engine)
{
    if (!engine->lanes)
        return;
    recall_quiet_of(engine, &engine->lane);
    recall_quiet_of(engine, &engine->elsewhere);
}

void engine_recall_elsewhere(Engine *engine, bool all)
{
    Lane *lane = &engine->elsewhere;

    for (HeldMessage **at = &lane->first; lane->n > 0 && at != lane->end;) {
        if (!all && !waits_in_vain(engine, *at))
            at = &(*at)->next;
        else if (all || !engine->config->rules)
            give_back(engine, held_remove(lane, at), !all);
        else
            wait_in_source(engine, held_remove(lane, at));
    }
    /* What goes by default waits for its own relays alone. */
    while (engine->config->rules && engine->lane.n > 0 &&
           (all || waits_in_vain(engine, engine->lane.first)))
        all ? give_back(engine, held_remove(&engine->lane, &engine->lane.first), false)
            : wait_in_source(engine, held_remove(&engine->lane, &engine->lane.first));
}

void engine_end_turn(Engine *engine, const RelaySet *set, Attempt *attempt)
{
    HeldMessage *message = attempt_message(attempt);
    Split *split = split_of(message);

    if (split)
        split->parts[split->current].done = true;
    if (!split || set != engine->relays || engine->stopping) {
        engine_end_attempt(engine, attempt);
        return;
    }
    if (split_relays(set, engine->config->rules, message) == 0) {
        end_others(engine, message, attempt);
        return;
    }
    if (engine->elsewhere.n >= PLAN_ELSEWHERE_MAX ||
        !attempt_pause(attempt, &engine->context, engine_now_real(engine))) {
        engine_end_attempt(engine, attempt);
        return;
    }
    split->attempt = attempt;
    held_append(&engine->elsewhere, message);
    engine_wake(engine);
}
