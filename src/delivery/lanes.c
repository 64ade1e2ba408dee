/* Lanes in the engine. Must never keep a message that may go waiting for one that may not. */
#include "delivery/lanes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "delivery/health.h"
#include "delivery/restrain.h"

/* That a lane takes no more is told where that is for longer, and not again for a while. */
#define TOLD_AGAIN USEC_PER_HOUR

#define KEPT_NAME_MAX 80

typedef struct EngineLaneState {
    const LaneConfig *config; /* NULL: of the messages that are in none of them */
    Restraint *restraint;     /* NULL: none but `connections` */
    bool restrained;          /* that was told, and not that it is over */
    usec_t told;
    size_t put_off; /* messages that were given back for it takes none, since the start */
} LaneState;

struct EngineLanes {
    Config *settings; /* whose lanes they are */
    unsigned n;
    unsigned passed[LANES_MAX];  /* of the messages that connections got */
    unsigned claimed[LANES_MAX]; /* of those that were taken ahead */
    LaneState all[LANES_MAX];
};

/* ---- of a configuration ---- */

void lanes_free(struct EngineLanes *lanes)
{
    for (unsigned i = 0; lanes && i < lanes->n; i++)
        restraint_free(lanes->all[i].restraint);
    if (lanes)
        (void)config_unref(lanes->settings);
    free(lanes);
}

static const LaneState *find_former(const Engine *engine, const char *name)
{
    for (unsigned i = 0; engine->lanes && i < engine->lanes->n; i++) {
        const LaneConfig *config = engine->lanes->all[i].config;

        if (config && text_equal_nocase(config->name, name))
            return &engine->lanes->all[i];
    }
    return NULL;
}

static int set_lane(const Engine *engine, const LaneConfig *config, LaneState *ret)
{
    const LaneState *former = find_former(engine, config->name);
    const RestraintTerms terms = {config->message_rate, config->recipient_rate, config->quiet};

    ret->config = config;
    if (former) {
        ret->restrained = former->restrained;
        ret->told = former->told;
        ret->put_off = former->put_off;
    }
    return restraint_new(terms, former ? former->restraint : NULL, &ret->restraint);
}

/* Those on their way are in lanes of the new configuration from now on. */
static void renumber(const Engine *engine, const Config *config)
{
    for (const Link *link = engine->links; link; link = link->next)
        for (unsigned i = 0; i < link->n_attempts; i++) {
            HeldMessage *message = attempt_message(link->attempts[i]);

            message->lane = config_find_lane(config, message_envelope(message->message)->lane);
        }
}

int lanes_new(const Engine *engine, Config *config, struct EngineLanes **ret)
{
    struct EngineLanes *lanes;
    int r = 0;

    if (config->n_lanes == 0)
        return 0;
    lanes = calloc(1, sizeof(*lanes));
    if (!lanes)
        return -ENOMEM;
    lanes->settings = config_ref(config);
    lanes->n = (unsigned)config->n_lanes + 1;
    for (unsigned i = 1; r == 0 && i < lanes->n; i++)
        r = set_lane(engine, config->lanes[i - 1], &lanes->all[i]);
    if (r < 0)
        lanes_free(lanes);
    else
        *ret = lanes;
    return r;
}

void lanes_share(Engine *engine)
{
    for (unsigned i = 0; engine->lanes && i < engine->lanes->n; i++)
        if (engine->lanes->all[i].restraint)
            restraint_share(engine->lanes->all[i].restraint, &engine->share);
}

void lanes_use(Engine *engine, const Config *config, struct EngineLanes *lanes)
{
    renumber(engine, config);
    lanes_free(engine->lanes);
    engine->lanes = lanes;
}

unsigned lanes_number(const Engine *engine, const HeldMessage *message)
{
    return engine->lanes
               ? config_find_lane(engine->config, message_envelope(message->message)->lane)
               : LANE_NONE;
}

/* ---- what may go ---- */

typedef struct Counts {
    size_t pending[LANES_MAX]; /* held, without a connection */
    size_t sending[LANES_MAX];
} Counts;

static void count_list(const Lane *list, Counts *counts)
{
    const HeldMessage *message = list->first;

    for (size_t n = list->n; n > 0; n--, message = message->next)
        counts->pending[message->lane]++;
}

static Counts count(const Engine *engine)
{
    Counts counts = {0};

    count_list(&engine->lane, &counts);
    count_list(&engine->elsewhere, &counts);
    for (const Link *link = engine->links; link; link = link->next)
        for (unsigned i = 0; i < link->n_attempts; i++)
            counts.sending[attempt_message(link->attempts[i])->lane]++;
    return counts;
}

static RestraintRoom room_of(const Engine *engine, const LaneState *lane)
{
    return restraint_room(lane->restraint, engine_now(engine), engine_now_real(engine));
}

static size_t less(size_t a, size_t b)
{
    return a - MIN(a, b);
}

static void view_room(const Engine *engine, unsigned i, const Counts *counts, PlanLane *ret)
{
    const LaneState *lane = &engine->lanes->all[i];
    unsigned max = lane->config ? lane->config->connections : 0; /* 0: any number */
    RestraintRoom room = {.messages = UINT64_MAX, .recipients = UINT64_MAX};

    if (lane->restraint)
        room = room_of(engine, lane);
    ret->room = (size_t)MIN(MIN(room.messages, room.recipients), (uint64_t)SIZE_MAX);
    ret->room_from = ret->room == 0 ? room.from : USEC_NEVER;
    if (lane->restraint)
        ret->room = less(ret->room, counts->pending[i]);
    if (max > 0)
        ret->room = MIN(ret->room,
            less(share_of(&engine->share, max), counts->pending[i] + counts->sending[i]));
}

unsigned lanes_view(const Engine *engine, PlanLane *ret, const unsigned *passed)
{
    size_t waiting[LANES_MAX] = {0};
    Counts counts;

    if (!engine->lanes)
        return 0;
    counts = count(engine);
    if (engine->source->ops->lanes)
        engine->source->ops->lanes(engine->source, waiting);
    for (unsigned i = 0; i < engine->lanes->n; i++) {
        const LaneConfig *config = engine->lanes->all[i].config;

        ret[i] = (PlanLane){
            .priority = config ? config->priority : 0, .waiting = waiting[i], .passed = passed[i]};
        view_room(engine, i, &counts, &ret[i]);
    }
    return engine->lanes->n;
}

const unsigned *lanes_passed(const Engine *engine)
{
    return engine->lanes->passed;
}

void lanes_note_turn(Engine *engine, const PlanLane *lanes)
{
    for (unsigned i = 0; i < engine->lanes->n; i++)
        engine->lanes->passed[i] = lanes[i].passed;
}

size_t lanes_room(const Engine *engine)
{
    PlanLane lanes[LANES_MAX];
    unsigned n = lanes_view(engine, lanes, engine->lanes->passed);

    return plan_lanes_room(lanes, n);
}

size_t lanes_waiting(const Engine *engine)
{
    PlanLane lanes[LANES_MAX];
    unsigned n = lanes_view(engine, lanes, engine->lanes->passed);
    size_t waiting = 0;

    for (unsigned i = 0; i < n; i++)
        waiting += plan_lane_rests(&lanes[i], engine_now(engine)) > 0 ? 0 : lanes[i].waiting;
    return waiting;
}

/* ---- taking ---- */

static int take_among(Engine *engine, uint32_t lanes, HeldMessage **ret)
{
    const SourceOps *ops = engine->source->ops;

    if (ops->choose)
        ops->choose(engine->source, lanes);
    return ops->take(engine->source, ret);
}

static uint32_t open_lanes(const PlanLane *lanes, unsigned n)
{
    uint32_t open = 0;

    for (unsigned i = 0; i < n; i++)
        open |= (uint32_t)(lanes[i].room > 0) << i;
    return open;
}

/* Until it is asked again, the source wakes the engine for those alone that may go. */
static int take_chosen(
    Engine *engine, const PlanLane *lanes, unsigned n, unsigned lane, HeldMessage **ret)
{
    int r = take_among(engine, (uint32_t)1 << lane, ret);

    if (engine->source->ops->choose)
        engine->source->ops->choose(engine->source, open_lanes(lanes, n));
    return r;
}

int lanes_take_of(Engine *engine, unsigned lane, HeldMessage **ret)
{
    PlanLane lanes[LANES_MAX];
    unsigned n = lanes_view(engine, lanes, engine->lanes->claimed);

    return take_chosen(engine, lanes, n, lane, ret);
}

int lanes_take(Engine *engine, HeldMessage **ret)
{
    PlanLane lanes[LANES_MAX];
    unsigned n, lane;
    int r = 0;

    if (!engine->lanes)
        return engine->source->ops->take(engine->source, ret);
    n = lanes_view(engine, lanes, engine->lanes->claimed);
    lane = plan_lane(lanes, n);
    if (lane < n)
        r = take_chosen(engine, lanes, n, lane, ret);
    if (r != 0) {
        plan_lane_turn(lanes, n, lane);
        for (unsigned i = 0; i < n; i++)
            engine->lanes->claimed[i] = lanes[i].passed;
        return r;
    }
    return take_among(engine, open_lanes(lanes, n), ret);
}

bool lanes_admit(const Engine *engine, const HeldMessage *message, usec_t *ret_until)
{
    PlanLane lanes[LANES_MAX];
    const PlanLane *lane = &lanes[message->lane];

    (void)lanes_view(engine, lanes, engine->lanes->passed);
    *ret_until = lane->room_from == USEC_NEVER ? 0 : engine_to_real(engine, lane->room_from);
    return lane->room > 0;
}

void lanes_note_put_off(Engine *engine, unsigned lane)
{
    engine->lanes->all[lane].put_off++;
}

bool lanes_is_quiet(const Engine *engine, unsigned lane)
{
    const LaneState *state = &engine->lanes->all[lane];

    return state->restraint && room_of(engine, state).kind == RESTRAINT_QUIET;
}

usec_t lanes_when(const Engine *engine, unsigned lane, size_t messages, size_t recipients,
    char text[static RESTRAINT_TEXT_MAX])
{
    const LaneState *state = engine->lanes ? &engine->lanes->all[lane] : NULL;
    usec_t now = engine_now(engine);
    char whose[LANE_NAME_MAX + sizeof("lane ")];

    if (!state || !state->restraint)
        return now;
    snprintf(whose, sizeof(whose), "lane %s", state->config->name);
    restraint_refuse(whose, messages, recipients, text);
    return MAX(restraint_when(state->restraint, recipients, now),
        restraint_when_several(state->restraint, messages, now));
}

void lanes_note(Engine *engine, unsigned lane, size_t messages, size_t recipients)
{
    Restraint *restraint = engine->lanes ? engine->lanes->all[lane].restraint : NULL;

    if (!restraint)
        return;
    restrain_count(engine, restraint, messages, recipients);
}

/* ---- telling ---- */

static void tell(const Engine *engine, const LaneState *lane, bool restrained)
{
    RestraintRoom room = room_of(engine, lane);
    char text[RESTRAINT_TEXT_MAX];
    const LaneReport report = {
        .lane = lane->config->name,
        .restrained = restrained,
        .until = engine_to_real(engine, room.from),
        .restraint = restraint_explain(lane->restraint, room.kind, text),
    };

    if (engine->context.observer->lane)
        engine->context.observer->lane(engine->context.user, &report);
}

static void tell_changes(const Engine *engine, LaneState *lane, const PlanLane *view, usec_t now)
{
    bool again = lane->told == 0 || now >= usec_add(lane->told, TOLD_AGAIN);
    bool rests = plan_lane_rests(view, now) > 0;

    if (!lane->restrained && rests && again && view->waiting > 0) {
        lane->restrained = true;
        lane->told = now;
        tell(engine, lane, true);
    } else if (lane->restrained && view->room_from == USEC_NEVER) {
        lane->restrained = false;
        tell(engine, lane, false);
    }
}

usec_t lanes_tick(Engine *engine, usec_t now)
{
    PlanLane lanes[LANES_MAX];
    unsigned n;

    if (!engine->lanes)
        return USEC_NEVER;
    n = lanes_view(engine, lanes, engine->lanes->passed);
    for (unsigned i = 0; i < n; i++)
        if (engine->lanes->all[i].restraint)
            tell_changes(engine, &engine->lanes->all[i], &lanes[i], now);
    return plan_lanes_next(lanes, n, now);
}

bool engine_lane(const Engine *engine, unsigned number, EngineLane *ret)
{
    PlanLane lanes[LANES_MAX];
    const LaneState *lane;
    RestraintRoom room;

    if (number >= lanes_view(engine, lanes, engine->lanes ? engine->lanes->passed : NULL))
        return false;
    lane = &engine->lanes->all[number];
    *ret = (EngineLane){
        .config = lane->config,
        .waiting = lanes[number].waiting,
        .put_off = lane->put_off,
        .sending = count(engine).sending[number],
    };
    if (!lane->restraint || lanes[number].room_from == USEC_NEVER)
        return true;
    room = room_of(engine, lane);
    ret->restrained_until = engine_to_real(engine, room.from);
    (void)restraint_explain(lane->restraint, room.kind, ret->restraint);
    return true;
}

/* ---- kept over a restart ---- */

bool lanes_are_long(const Engine *engine)
{
    for (unsigned i = 0; engine->lanes && i < engine->lanes->n; i++)
        if (engine->lanes->all[i].restraint && restraint_is_long(engine->lanes->all[i].restraint))
            return true;
    return false;
}

/* No relay's name has a blank; and a lane stays the same however it is written. */
static const char *kept_name(const LaneState *lane, char name[static KEPT_NAME_MAX])
{
    snprintf(name, KEPT_NAME_MAX, "lane %s", lane->config->name);
    for (char *c = name; *c != '\0'; c++)
        *c = text_fold(*c);
    return name;
}

int lanes_save(const Engine *engine, Buffer *out)
{
    char name[KEPT_NAME_MAX];
    int r = 0;

    for (unsigned i = 0; engine->lanes && i < engine->lanes->n && r >= 0; i++) {
        const LaneState *lane = &engine->lanes->all[i];

        if (lane->restraint)
            r = restraint_save(lane->restraint, kept_name(lane, name), engine_now(engine), out);
    }
    return r;
}

void lanes_load(Engine *engine, const char *line, usec_t age, RestraintLoad load)
{
    char name[KEPT_NAME_MAX];

    for (unsigned i = 0; engine->lanes && i < engine->lanes->n; i++) {
        const LaneState *lane = &engine->lanes->all[i];

        if (lane->restraint)
            load(lane->restraint, kept_name(lane, name), line, age, engine_now(engine));
    }
}

void lanes_forget_others(Engine *engine)
{
    for (unsigned i = 0; engine->lanes && i < engine->lanes->n; i++)
        if (engine->lanes->all[i].restraint)
            restraint_forget_others(engine->lanes->all[i].restraint);
}
