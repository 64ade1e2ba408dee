/* Whose fault it is. Must never hold a relay's fault against a message that meets with it once, nor
 * let a message that always meets with one hold up the others.
 *
 * Nothing but the next connection, or the next message, tells a faulty relay from a message that it
 * stumbles over. So the first time nobody is blamed for good: the message goes back to the end of
 * the queue, and others go first. */
#include "delivery/blame.h"

#define CLOSING 421 /* "service not available, closing" (RFC 5321, 3.8) */

/* So many fresh connections lost in a row are the relay's fault, whatever the messages were. */
#define LOSSES_MAX 2

/* So often in a row that it is the message, even if no other has passed meanwhile: there may be no
 * other. */
#define MEETINGS_ALONE 4

/* At the first word of a transaction on a connection that had been used: servers close what is
 * idle, and what has carried its share of messages. Some say the latter further on. */
static bool is_between(const LinkEnd *e)
{
    DeliveryStage stage = e->outcome->stage;

    return !e->fresh && (stage == STAGE_MAIL || stage == STAGE_RSET || stage == STAGE_IDLE ||
                            e->outcome->reason == REASON_USED_UP);
}

/* Beyond MAIL the relay has taken up this message, and this one alone. */
static bool is_about_message(const LinkEnd *e)
{
    DeliveryStage stage = e->outcome->stage;

    return stage == STAGE_RCPT || stage == STAGE_DATA || stage == STAGE_CONTENT;
}

/* Whether it is the message that it comes back with. */
static bool follows_message(const LinkEnd *e)
{
    if (e->met_before == 0)
        return false;
    if (e->others_passed)
        return true;
    if (e->met_before + 1 >= MEETINGS_ALONE)
        return true;
    /* Where others fare the same it is the relay, and those under way are about to show it. */
    return is_about_message(e) && !e->others_lost && e->others == 0;
}

/* Whether the relay has closed its door, or says "not now" there. */
static bool is_turned_away(const LinkEnd *e)
{
    const DeliveryOutcome *o = e->outcome;

    return o->stage >= STAGE_CONNECT && o->stage <= STAGE_EHLO &&
           (o->cause == CAUSE_LOST || (o->cause == CAUSE_REPLY && o->code / 100 == 4));
}

/* What others have got through, and this one for the time being has not. A reply for good to the
 * greeting tells of the client, too, which the others are as well. */
static bool is_one_too_many(const LinkEnd *e)
{
    const DeliveryOutcome *o = e->outcome;

    if (e->others_ready == 0 || o->stage < STAGE_CONNECT)
        return false;
    return o->cause == CAUSE_LOST || o->cause == CAUSE_TIMEOUT ||
           (o->cause == CAUSE_REPLY && (o->code / 100 == 4 || o->stage == STAGE_GREETING));
}

/* Of a connection that was no use yet. Only what is about connections tells of their number: where
 * the others have met with the same, or are about to, it is no limit. */
static RelayBlame blame_opening(const LinkEnd *e)
{
    bool limit = (e->others > 0 && is_turned_away(e)) || is_one_too_many(e);

    return limit ? BLAME_LIMIT : BLAME_FAULT;
}

/* What the end of a connection says of the relay, with a message under way. */
static RelayBlame blame_relay(const LinkEnd *e)
{
    bool closing = e->outcome->cause == CAUSE_REPLY && e->outcome->code == CLOSING;

    if (!e->fresh)
        return BLAME_NOTHING; /* it has worked; the next connection shows whether it still does */
    if (is_about_message(e) && e->others > 0 && e->losses + 1 < LOSSES_MAX)
        return BLAME_SUSPECT;
    return closing || e->losses + 1 >= LOSSES_MAX ? BLAME_FAULT : BLAME_SUSPECT;
}

/* This one is about to be held, and then the message goes to a relay that may take it. */
static bool next_relay_will_tell(const LinkEnd *e, RelayBlame relay)
{
    return relay == BLAME_FAULT && e->elsewhere && !e->others_passed;
}

static Blame blame_in_turn(const LinkEnd *e)
{
    Blame b = {.relay = blame_relay(e)};

    if (!e->outcome->under_way || (is_between(e) && !e->outcome->perhaps))
        return b;
    b.remember = true;
    b.counts = e->outcome->perhaps || (follows_message(e) && !next_relay_will_tell(e, b.relay));
    b.exonerates = b.counts && e->others_passed && e->met_before > 0;
    if (b.exonerates)
        b.relay = BLAME_NOTHING;
    return b;
}

Blame blame(const LinkEnd *e)
{
    if (e->outcome->cause == CAUSE_OWN && e->outcome->stage == STAGE_MESSAGE)
        return (Blame){.unread = e->in_turn}; /* no disk's fault is the message's, or the relay's */
    if (e->outcome->cause == CAUSE_OWN && e->outcome->stage == STAGE_CONNECT)
        return (Blame){.ours = true}; /* no descriptor, no memory, no address of our own */
    if (!e->usable)
        return (Blame){.relay = blame_opening(e)};
    if (delivery_stage_is_relay(e->outcome->stage))
        return (Blame){.relay = BLAME_FAULT};
    if (e->in_turn)
        return blame_in_turn(e);
    /* Nothing was handed over, or what was had its replies to come behind another's. */
    return (Blame){.relay = BLAME_NOTHING, .counts = e->outcome->perhaps};
}
