/* One connection of the engine: turns its events into the progress of attempts, and takes to the
 * relay's health and to the messages what delivery/blame.h says of its end. Must never free itself:
 * the pump does, outside of any callback of the connection. */
#include "delivery/link.h"

#include <errno.h>
#include <sys/random.h>

#include "base/errors.h"
#include "delivery/active.h"
#include "delivery/advice.h"
#include "delivery/link_tell.h"
#include "delivery/restrain.h"
#include "delivery/route.h"
#include "delivery/split.h"
#include "delivery/view.h"

/* So many messages that it cannot take are looked at in one go. */
#define PASSED_MAX 16

static void remove_attempt(Link *link, const Attempt *attempt)
{
    for (unsigned i = 0; i < link->n_attempts; i++) {
        if (link->attempts[i] != attempt)
            continue;
        for (link->n_attempts--; i < link->n_attempts; i++)
            link->attempts[i] = link->attempts[i + 1];
        return;
    }
}

static int submit(Link *link, Attempt *attempt)
{
    link->transactions++;
    return attempt_submit(attempt, connection_session(link->connection), view_recipients_max(link),
        engine_now_real(link->engine), engine_now_monotonic(link->engine));
}

/* Or goes on with one, by another part of its recipients. */
static int begin_attempt(const Link *link, HeldMessage *message, Attempt **ret)
{
    Split *split = split_of(message);

    if (!split || !split->attempt)
        return attempt_new(message, link->relay->config, link->connection, ret);
    *ret = TAKE_PTR(split->attempt);
    attempt_go_on(*ret, link->relay->config, link->connection);
    return 0;
}

/* 0; 1: it waits for another relay; or a negative errno after which the message has been given
 * back.
 */
static int take_message(Link *link, HeldMessage *message)
{
    Engine *engine = link->engine;
    char *nowhere = NULL;
    Attempt *attempt;
    int r = route_message(link, message, &nowhere);

    if (r > 0)
        return r;
    if (r >= 0 && !restrain_admits(link, message)) {
        free(nowhere);
        return 1;
    }
    if (r >= 0)
        r = begin_attempt(link, message, &attempt);
    if (r < 0) {
        free(nowhere);
        engine_give_back(engine, message);
        return r;
    }
    attempt_set_nowhere(attempt, nowhere);
    r = submit(link, attempt);
    if (r < 0) {
        engine_end_attempt(engine, attempt);
        return r;
    }
    restrain_note(link, message);
    link->attempts[link->n_attempts++] = attempt;
    link->taken++;
    link->since = engine_now(link->engine);
    return 0;
}

void link_fill(Link *link)
{
    HeldMessage *message;
    int r = 1;

    for (unsigned n = 0; r > 0 && n < PASSED_MAX; n++) {
        message = engine_next_message(link->engine, link->relay);
        r = message ? take_message(link, message) : 0;
    }
    if (r < 0)
        engine_trouble(link->engine, r);
}

/* From within an event of the connection: what is submitted now goes out in the same write. */
static void refill(Link *link)
{
    Engine *engine = link->engine;
    unsigned before;

    do {
        before = link->n_attempts;
        if (view_wants_filled(engine, link))
            link_fill(link);
    } while (link->n_attempts > before && link->n_attempts < PLAN_DEPTH_MAX);
    if (link->n_attempts == 0)
        engine_wake(engine);
}

/* ---- what the relay says of messages ---- */

static int on_ready(Link *link)
{
    link->ready = true;
    link->since = engine_now(link->engine);
    relay_learn_offer(link->relay, connection_session(link->connection), engine_now(link->engine));
    if (relay_ready(link->relay))
        view_forget_rest(link->engine); /* what had to wait may have connections of its own now */
    link->relay->certificate_ends = connection_certificate_ends(link->connection);
    link_tell_coming(link);
    link_tell_secrets(link);
    refill(link);
    engine_wake(link->engine);
    return 0;
}

static void resume_relay(Link *link)
{
    if (!relay_works(link->relay))
        return;
    link->resumed = true;
    engine_wake(link->engine); /* for more connections */
}

/* Only what a relay says of a message shows that it works: one that takes connections may be at
 * fault all the same, and answer every MAIL with 421. */
static void on_verdict(Link *link, const Attempt *attempt)
{
    Engine *engine = link->engine;

    link->relay->served = ++engine->served;
    suspects_forget(&engine->suspects, attempt_id(attempt));
    if (link->served)
        return;
    link->served = true;
    resume_relay(link);
}

/* What postpones a recipient says nothing of it, and comes again with every connection that is lost
 * behind it. */
static bool is_verdict(const DeliveryOutcome *outcome)
{
    return outcome->cause == CAUSE_REPLY && outcome->kind != DELIVERY_CUT_OFF &&
           outcome->kind != DELIVERY_POSTPONED;
}

static bool doubt_address(Link *link)
{
    return connection_doubt_address(link->connection, engine_now_monotonic(link->engine));
}

/* What puts a message off apart from its recipients may be one server's trouble out of several that
 * the relay's name stands for. */
static void weigh_address(Link *link, const DeliveryOutcome *outcome)
{
    bool at_recipient = outcome->stage == STAGE_RCPT;

    if (outcome->kind == DELIVERY_DEFERRED && !at_recipient) {
        link->doubted = doubt_address(link);
        link->trusted = false;
    } else if (!link->trusted) {
        connection_trust_address(link->connection);
        link->trusted = true;
        link->doubted = false;
    }
}

static void on_recipient(Link *link, const SmtpEvent *event)
{
    Attempt *attempt = attempt_of(event->transaction);

    if (is_verdict(event->outcome)) {
        weigh_address(link, event->outcome);
        on_verdict(link, attempt);
    }
    attempt_note(attempt, &link->engine->context, event, engine_now_real(link->engine));
}

/* ---- how a connection ends ---- */

/* Other connections to the same relay, and those of them that are of use. */
static unsigned count_others(const Link *link, unsigned *ret_ready)
{
    unsigned n = 0;

    *ret_ready = 0;
    for (const Link *other = link->engine->links; other; other = other->next) {
        if (other == link || other->relay != link->relay || other->closed)
            continue;
        n++;
        *ret_ready += other->ready;
    }
    return n;
}

/* Whether a relay behind this one would get what this one does not take. */
static bool is_there_another(const Link *link)
{
    const RelaySet *set = link->set;

    if (set->config->rules)
        return split_has_next(set, set->config->rules, relay_place(set, link->relay));
    for (size_t i = relay_place(set, link->relay) + 1; i < set->n_relays; i++)
        if (set->relays[i].state != RELAY_STATE_HELD)
            return true;
    return false;
}

/* Whose fault the end of the connection is; `attempt` is the message it was met with, or NULL. */
static Blame judge(const Link *link, const DeliveryOutcome *outcome, const Attempt *attempt)
{
    const Engine *engine = link->engine;
    const Suspect *suspect = attempt ? suspects_find(&engine->suspects, attempt_id(attempt),
                                           relay_place(link->set, link->relay))
                                     : NULL;
    unsigned others_ready, others = count_others(link, &others_ready);
    const LinkEnd end = {
        .outcome = outcome,
        .usable = link->ready,
        .fresh = !link->served,
        .in_turn = attempt && attempt == link->attempts[0] && !link->judged,
        .others = others,
        .others_ready = others_ready,
        .losses = link->relay->losses,
        .met_before = suspect ? suspect->times : 0,
        .others_passed = suspect && link->relay->served > suspect->served,
        .others_lost = relay_lost_others(link->relay, link->met),
        .elsewhere = is_there_another(link),
    };

    return blame(&end);
}

/* A message was cut off: it is counted as an attempt of its, or nothing is held against it. */
static void judge_attempt(Link *link, Attempt *attempt)
{
    Engine *engine = link->engine;
    const DeliveryOutcome *outcome = attempt_cut_off(attempt);
    Blame b;

    if (!outcome)
        return;
    if (!link->judged)
        link->met = suspects_key(&engine->suspects, attempt_id(attempt));
    b = judge(link, outcome, attempt);
    if (b.remember)
        suspects_add(&engine->suspects, attempt_id(attempt), relay_place(link->set, link->relay),
            engine->served);
    if (b.unread) {
        attempt_note_unread(attempt);
        link_tell_unread(link, attempt, outcome);
    }
    if (b.counts)
        attempt_defer_cut_off(attempt, &engine->context, engine_now_real(engine));
    if (b.exonerates)
        resume_relay(link);
    if (!link->judged)
        link->blame = b;
    link->judged = true;
}

static void learn_limit(Link *link, const SmtpEvent *event)
{
    if (event->accepted > 0)
        relay_learn_recipients(link->relay, (unsigned)MIN(event->accepted, (size_t)UINT32_MAX),
            engine_now(link->engine));
}

/* Where further replies have been read already, those come first that need no disk to be waited
 * for: until a message has its end, to die is to send it again. */
static void end_attempt(Link *link, Attempt *attempt)
{
    Engine *engine = link->engine;

    if (attempt_is_sent(attempt, &engine->context) || !connection_has_more(link->connection)) {
        engine_end_turn(engine, link->set, attempt);
        return;
    }
    *attempt_next(attempt) = link->late;
    link->late = attempt;
}

static void end_late(Link *link)
{
    while (link->late) {
        Attempt *attempt = link->late;

        link->late = *attempt_next(attempt);
        engine_end_turn(link->engine, link->set, attempt);
    }
}

static int on_transaction_done(Link *link, const SmtpEvent *event)
{
    Engine *engine = link->engine;
    Attempt *attempt = attempt_of(event->transaction);
    bool goes_on = smtp_session_can_submit(connection_session(link->connection)) &&
                   !view_has_no_transaction_left(link);

    learn_limit(link, event);
    if (attempt_transaction_done(attempt, &engine->context, goes_on, engine_now_real(engine)) &&
        submit(link, attempt) >= 0)
        return 0;
    judge_attempt(link, attempt);
    remove_attempt(link, attempt);
    end_attempt(link, attempt);
    link->since = engine_now(engine);
    refill(link);
    return 0;
}

static void blame_relay(Link *link, const Blame *b, const DeliveryOutcome *outcome)
{
    Engine *engine = link->engine;
    usec_t now = engine_now(engine);
    const char *hint = advice_on(outcome, link->relay->config);
    unsigned n, n_ready;
    uint32_t random = 0;
    bool news;

    if (b->relay != BLAME_NOTHING && link->ready && !link->served) {
        relay_lost(link->relay, link->met);
        if (doubt_address(link))
            return; /* it is one server's fault, as far as this tells: the next connection goes
                       elsewhere */
    }
    if (b->relay == BLAME_LIMIT) {
        n = count_others(link, &n_ready);
        if (relay_refused_more(link->relay, outcome, n, n_ready, now))
            link_tell_fault(link, outcome, RELAY_REFUSED_MORE, hint, true);
    }
    if (b->relay != BLAME_FAULT)
        return;
    (void)getrandom(&random, sizeof(random), 0);
    news = relay_fault(link->relay, outcome, random, now);
    if (relay_set_all_held(engine->relays))
        engine_empty_lane(engine); /* whoever hears of it finds the messages in the queue */
    link_tell_fault(link, outcome, RELAY_HELD, hint, news);
}

void link_close(Link *link)
{
    if (link->closed)
        return;
    link->closed = true;
    engine_wake(link->engine);
}

static int on_closed(Link *link, const SmtpEvent *event)
{
    const DeliveryOutcome *outcome = event->outcome;

    if (!link->judged && outcome->kind == DELIVERY_CUT_OFF)
        link->blame = judge(link, outcome, NULL);
    link_tell_secrets(link);
    link_close(link);
    if (outcome->kind != DELIVERY_CUT_OFF)
        return 0;
    if (link->blame.ours) {
        engine_pause(link->engine); /* the next connection would meet with it too */
        link_tell_ours(link->engine, outcome);
    } else
        blame_relay(link, &link->blame, outcome);
    return 0;
}

static int on_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Link *link = user;
    Engine *engine = link->engine;

    switch (event->type) {
    case SMTP_EVENT_READY: return on_ready(link);
    case SMTP_EVENT_NEED_CONTENT:
        attempt_report(attempt_of(event->transaction), &engine->context, engine_now_real(engine));
        return attempt_feed(attempt_of(event->transaction), connection_session(connection),
            &engine->scratch, engine_now_monotonic(engine));
    case SMTP_EVENT_RECIPIENT: on_recipient(link, event); return 0;
    case SMTP_EVENT_TRANSACTION_DONE: return on_transaction_done(link, event);
    case SMTP_EVENT_CLOSED: return on_closed(link, event);
    default: return 0;
    }
}

/* `result` is negative when memory or something of the loop's ran out: the connection is given up,
 * its messages are ended by link_free(). */
static void on_settled(void *user, Connection *connection _unused_, int result)
{
    Link *link = user;

    end_late(link);
    link_tell_resumed(link);
    link_tell_lacks(link);
    if (result >= 0)
        return;
    engine_trouble(link->engine, result);
    link_close(link);
}

/* ---- life ---- */

void link_quit(Link *link)
{
    if (!link->ready) {
        link_close(link);
        return;
    }
    link->quitting = true;
    smtp_session_quit(connection_session(link->connection), engine_now_monotonic(link->engine));
    connection_source_kick(link->source);
}

/* The plan's view of the connections must never fail for want of memory. */
static int reserve_view(Engine *engine)
{
    size_t n = engine->plan_links_allocated;
    PlanLink *views;

    if (engine->n_links < n)
        return 0;
    n = MAX((size_t)16, 2 * n);
    views = realloc(engine->plan_links, n * sizeof(PlanLink));
    if (!views)
        return -ENOMEM;
    engine->plan_links = views;
    engine->plan_links_allocated = n;
    return 0;
}

int link_open(Engine *engine, Relay *relay)
{
    Link *link = reserve_view(engine) < 0 ? NULL : calloc(1, sizeof(Link));
    int r;

    if (!link)
        return -ENOMEM;
    link->engine = engine;
    link->relay = relay;
    link->set = relay_set_ref(engine->relays);
    link->since = engine_now(engine);
    r = connection_new(relay->shared, engine->trace, engine->trace_user,
        engine_now_monotonic(engine), &link->connection);
    if (r >= 0)
        r = connection_source_new(
            engine->loop, link->connection, on_event, on_settled, link, &link->source);
    if (r < 0) {
        link->closed = true;
        link_free(link);
        return r;
    }
    link->next = engine->links;
    engine->links = link;
    engine->n_links++;
    return 0;
}

void link_free(Link *link)
{
    Engine *engine = link->engine;

    end_late(link);
    for (unsigned i = 0; i < link->n_attempts; i++)
        engine_end_turn(engine, link->set, link->attempts[i]);
    connection_source_free(link->source);
    connection_free(link->connection);
    relay_set_unref(link->set);
    free(link);
}
