/* The inside of the engine, shared by engine.c (the public face), pump.c (acts on the plan),
 * active.c (the messages that are held) and link.c (one connection). */
#pragma once

#include "delivery/attempt.h"
#include "delivery/blame.h"
#include "delivery/engine.h"
#include "delivery/plan.h"
#include "delivery/suspects.h"
#include "net/drive_event.h"

/* Messages that are held and have no connection yet. */
#define LANE_MAX 64

/* Messages that go the same way, first in first out. */
typedef struct Lane {
    HeldMessage *first, **end;
    size_t n;
} Lane;

/* A connection and the messages on it. */
typedef struct Link {
    Engine *engine;
    RelaySet *set;
    Relay *relay;
    Connection *connection;
    ConnectionSource *source;
    Attempt *attempts[PLAN_DEPTH_MAX];
    unsigned n_attempts;
    bool ready;
    bool quitting; /* takes no more messages; QUIT is said when the last is done */
    bool closed;   /* over; freed by the pump */
    bool served;   /* the relay said what becomes of a message */
    bool judged;   /* `blame` is of its end */
    Blame blame;
    unsigned taken; /* messages */
    usec_t since;   /* being opened, or without a message */
    struct Link *next;
} Link;

struct Engine {
    sd_event *loop;
    Config *config;
    RelaySet *relays;
    Worker *worker; /* what may block */
    Source *source;
    AttemptContext context;
    EngineStatistics statistics;
    Lane lane;
    Link *links;
    size_t n_links, links_max;
    PlanLink *plan_links; /* room for every link */
    size_t plan_links_allocated;
    PlanRelay *plan_relays; /* for every relay */
    Attempt *stuck;         /* over, but what became of them cannot be written at present */
    Attempt *settling;      /* over; the source is about to say that it is written */
    Suspects suspects;
    uint64_t served; /* messages of which a relay has said something */
    Buffer scratch;
    SmtpTrace trace;
    void *trace_user;
    sd_event_source *pump_source; /* defer: runs engine_pump() once, before the loop waits */
    sd_event_source *timer;       /* holds, idle connections, trouble, the deadline */
    usec_t timer_at;
    usec_t paused_until; /* a failure of our own: nothing is taken before */
    usec_t stuck_until;  /* when those are tried again */
    usec_t stop_deadline;
    bool stopping;
    bool idle_reported;
};

/* Asks for a run of the pump, once, however often it is called. */
void engine_wake(Engine *engine);

/* Times of the plan and of the relays' health are of a clock that goes on while the machine sleeps;
 * those of connections are monotonic, and those of messages realtime. */
usec_t engine_now(const Engine *engine);
usec_t engine_now_monotonic(const Engine *engine);
usec_t engine_now_real(const Engine *engine);

/* ---- active.c ---- */

extern const SourceHandlers engine_source_handlers;

bool engine_is_taking(const Engine *engine);

/* Takes messages from the source until the lane holds `n`. Returns whether there may be more. */
bool engine_fill_lane(Engine *engine, size_t n);

/* The next message to deliver, or NULL. */
HeldMessage *engine_next_message(Engine *engine);

/* Gives messages back, nothing having been done with them. */
void engine_give_back(Engine *engine, HeldMessage *message);
void engine_empty_lane(Engine *engine);

/* Reports a failure of our own (a negative errno), and takes nothing for a while. */
void engine_trouble(Engine *engine, int error);
void engine_pause(Engine *engine);

/* Ends an attempt, or keeps it where that cannot be written yet. */
void engine_end_attempt(Engine *engine, Attempt *attempt);

/* Tries once more to settle those that are stuck; lets go of what is not settled, the messages
 * being as a dead process leaves them. */
void engine_retry_stuck(Engine *engine);
void engine_abandon_unsettled(Engine *engine);

/* Where one attempt is all that a message has (retry.max_attempts), every error is final, that of
 * the relays too: with none left to try, what waits is given up. */
void engine_give_up_waiting(Engine *engine);

/* ---- pump.c ---- */

void engine_pump(Engine *engine);

/* Whether the plan has this connection take another message now. */
bool engine_wants_filled(Engine *engine, const Link *link);

/* ---- link.c ---- */

int link_open(Engine *engine, Relay *relay);
bool link_can_submit(const Link *link);
bool link_is_used_up(const Link *link);
void link_fill(Link *link); /* takes a message */
void link_quit(Link *link);
void link_close(Link *link); /* gives it up; the pump frees it */
void link_free(Link *link);  /* the attempts of what is on it end here */
