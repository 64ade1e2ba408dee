/* Restraints in the engine. Must never keep a message from relays that may take it. */
#include "delivery/restrain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "delivery/active.h"
#include "delivery/lanes.h"
#include "delivery/split.h"
#include "delivery/view.h"

/* How long what was sent may be known to this process alone. */
#define SAVE_PAUSE (5 * USEC_PER_SEC)

/* That a relay takes no more is told where that is for longer, and not again for a while. */
#define TOLD_AGAIN USEC_PER_HOUR

#define HEAD "outbox-sent 1 "

static RestraintRoom room_of(const Engine *engine, const Relay *relay)
{
    return restraint_room(relay->restraint, engine_now(engine), engine_now_real(engine));
}

bool restrain_has_room(const Engine *engine, const Relay *relay)
{
    RestraintRoom room;

    if (!relay->restraint)
        return true;
    room = room_of(engine, relay);
    return room.messages > 0 && room.recipients > 0;
}

void restrain_view(const Engine *engine, const Relay *relay, PlanRelay *view)
{
    RestraintRoom room;

    if (!relay->restraint)
        return;
    room = room_of(engine, relay);
    view->restrained = true;
    view->room = (size_t)MIN(MIN(room.messages, room.recipients), (uint64_t)SIZE_MAX);
    view->room_from = room.from;
}

/* Of a message that goes by several rules, those whose turn it is. */
static size_t recipients_of(const HeldMessage *message)
{
    size_t first, n_lost;

    return split_recipients(message, &first, &n_lost);
}

/* A relay counts transactions, of which there are several where it takes fewer recipients. */
static size_t transactions_of(const Link *link, size_t recipients)
{
    size_t max = MAX(view_recipients_max(link), 1u);

    return (recipients + max - 1) / max;
}

/* Those whose turn it is wait for a further attempt; others of the message, whom other relays may
 * take, go on without them. */
static bool goes_on_without(Link *link, HeldMessage *message)
{
    Engine *engine = link->engine;
    Split *split = split_of(message);

    if (!split || link->set != engine->relays)
        return false;
    split->parts[split->current].done = true;
    if (split_relays(engine->relays, engine->config->rules, message) == 0)
        return false;
    engine_put_elsewhere(engine, message);
    return true;
}

/* Settings may let it go earlier, which nobody is told of: it is asked for again by then. */
#define REFUSED_PAUSE_MAX (5 * USEC_PER_MINUTE)

static usec_t ask_again(const Engine *engine, usec_t when, usec_t now)
{
    return engine_to_real(engine, MIN(when, usec_add(now, REFUSED_PAUSE_MAX)));
}

/* Where there is another relay, that one may take it earlier. */
#define ANOTHER_PAUSE_MIN (5 * USEC_PER_SEC)
#define ANOTHER_PAUSE_MAX USEC_PER_MINUTE

static usec_t ask_another(const Engine *engine, usec_t when, usec_t now)
{
    when = MAX(when, usec_add(now, ANOTHER_PAUSE_MIN));
    return engine_to_real(engine, MIN(when, usec_add(now, ANOTHER_PAUSE_MAX)));
}

bool restrain_admits(Link *link, HeldMessage *message)
{
    Engine *engine = link->engine;
    Restraint *restraint = link->relay->restraint;
    usec_t now = engine_now(engine), when;
    char text[RESTRAINT_TEXT_MAX], whose[sizeof("relay ") + 100];
    size_t n, transactions;

    if (!restraint && !engine->lanes)
        return true;
    n = recipients_of(message);
    transactions = transactions_of(link, n);
    when = lanes_when(engine, message->lane, transactions, n, text);
    if (when > now) {
        engine_put_aside(engine, message, ask_again(engine, when, now), text);
        return false;
    }
    if (restraint)
        when = MAX(restraint_when(restraint, n, now),
            restraint_when_several(restraint, transactions, now));
    if (when <= now)
        return true;
    if (goes_on_without(link, message))
        return false;
    snprintf(whose, sizeof(whose), "relay %.100s", link->relay->config->name);
    restraint_refuse(whose, transactions, n, text);
    engine_put_aside(engine, message,
        engine->relays->n_relays > 1 ? ask_another(engine, when, now)
                                     : ask_again(engine, when, now),
        text);
    return false;
}

void restrain_count(Engine *engine, Restraint *restraint, size_t messages, size_t recipients)
{
    restraint_note(restraint, messages, recipients, engine_now(engine));
    engine->sent_unsaved = engine->sent_unsaved || restraint_is_long(restraint);
    engine->sent_due = engine->sent_due || restraint_is_due(restraint);
}

void restrain_note(Link *link, const HeldMessage *message)
{
    Engine *engine = link->engine;
    size_t n, transactions;

    if (!link->relay->restraint && !engine->lanes)
        return;
    n = recipients_of(message);
    transactions = transactions_of(link, n);
    lanes_note(engine, message->lane, transactions, n);
    if (!link->relay->restraint)
        return;
    restrain_count(engine, link->relay->restraint, transactions, n);
}

/* ---- telling ---- */

bool restrain_all_wait(const Engine *engine, const PlanView *view, usec_t now)
{
    for (size_t i = 0; i < view->n_relays; i++)
        if (engine->relays->relays[i].state != RELAY_STATE_HELD &&
            plan_rests(&view->relays[i], now) == 0)
            return false;
    return true;
}

static void tell(const Engine *engine, const Relay *relay, RelayChange change)
{
    RestraintRoom room = room_of(engine, relay);
    char text[RESTRAINT_TEXT_MAX];
    const RelayReport report = {
        .relay = relay->config->name,
        .address = "",
        .change = change,
        .news = true,
        .until = engine_to_real(engine, room.from),
        .restraint = restraint_explain(relay->restraint, room.kind, text),
    };

    if (engine->context.observer->relay)
        engine->context.observer->relay(engine->context.user, &report);
}

static void tell_changes(const Engine *engine, Relay *relay, const PlanRelay *view, usec_t now)
{
    bool again = relay->restraint_told == 0 || now >= usec_add(relay->restraint_told, TOLD_AGAIN);

    if (!relay->restrained && plan_rests(view, now) > 0 && again && view_waiting(engine) > 0) {
        relay->restrained = true;
        relay->restraint_told = now;
        tell(engine, relay, RELAY_RESTRAINED);
    } else if (relay->restrained && view->room > 0) {
        relay->restrained = false;
        tell(engine, relay, RELAY_UNRESTRAINED);
    }
}

usec_t restrain_tick(Engine *engine, const PlanView *view, usec_t now)
{
    for (size_t i = 0; i < view->n_relays; i++)
        if (view->relays[i].restrained)
            tell_changes(engine, &engine->relays->relays[i], &view->relays[i], now);
    if (!engine->sent_unsaved)
        return USEC_NEVER;
    if (engine->sent_saved == 0 || engine->sent_due ||
        now >= usec_add(engine->sent_saved, SAVE_PAUSE))
        restrain_save(engine);
    return engine->sent_unsaved ? usec_add(engine->sent_saved, SAVE_PAUSE) : USEC_NEVER;
}

/* ---- kept over a restart ---- */

static int format(const Engine *engine, Buffer *out)
{
    char time[RFC3339_MAX];
    int r = buffer_appendf(out, HEAD "%s\n", clock_format_rfc3339(engine_now_real(engine), time));

    for (size_t i = 0; i < engine->relays->n_relays && r >= 0; i++) {
        const Relay *relay = &engine->relays->relays[i];

        if (relay->restraint)
            r = restraint_save(relay->restraint, relay->config->name, engine_now(engine), out);
    }
    return r < 0 ? r : lanes_save(engine, out);
}

/* What cannot be written now is written later, with what comes then. */
void restrain_save(Engine *engine)
{
    _cleanup_buffer_ Buffer text = {0};

    if (!engine->sent_unsaved || !engine->source->ops->keep)
        return;
    engine->sent_saved = engine_now(engine);
    engine->sent_due = false;
    if (format(engine, &text) >= 0 &&
        engine->source->ops->keep(engine->source, buffer_data(&text), buffer_size(&text)) >= 0)
        engine->sent_unsaved = false;
}

static bool is_wanted(const Engine *engine)
{
    for (size_t i = 0; i < engine->relays->n_relays; i++) {
        const Restraint *restraint = engine->relays->relays[i].restraint;

        if (restraint && restraint_is_long(restraint))
            return true;
    }
    return lanes_are_long(engine);
}

static void load_line(Engine *engine, const char *line, usec_t age, RestraintLoad load)
{
    lanes_load(engine, line, age, load);
    for (size_t i = 0; i < engine->relays->n_relays; i++) {
        const Relay *relay = &engine->relays->relays[i];

        if (relay->restraint)
            load(relay->restraint, relay->config->name, line, age, engine_now(engine));
    }
}

/* Lines behind each head. A clock that was set back since makes them no older. */
static void load_lines(Engine *engine, char *text, RestraintLoad load)
{
    usec_t saved, real = engine_now_real(engine), age = 0;
    bool known = false;
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (text_starts_nocase(line, HEAD)) {
            known = clock_parse_rfc3339(line + strlen(HEAD), &saved) >= 0;
            age = known && real > saved ? real - saved : 0;
        } else if (known) {
            load_line(engine, line, age, load);
        }
    }
}

void restrain_load(Engine *engine)
{
    _cleanup_buffer_ Buffer text = {0};
    int r;

    engine->sent_unread = false;
    if (!is_wanted(engine) || !engine->source->ops->kept)
        return;
    r = engine->source->ops->kept(engine->source, &text);
    engine->sent_unread = r == -EAGAIN;
    if (r < 0 || buffer_append(&text, "", 1) < 0)
        return;
    load_lines(engine, text.memory, restraint_load);
}

void restrain_load_others(Engine *engine)
{
    _cleanup_buffer_ Buffer text = {0};

    if (!engine->source->ops->others || engine->source->ops->others(engine->source, &text) <= 0 ||
        buffer_append(&text, "", 1) < 0)
        return;
    for (size_t i = 0; i < engine->relays->n_relays; i++)
        if (engine->relays->relays[i].restraint)
            restraint_forget_others(engine->relays->relays[i].restraint);
    lanes_forget_others(engine);
    load_lines(engine, text.memory, restraint_load_others);
}
