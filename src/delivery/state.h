/* The inside of the engine: what it owns, its clocks, and how it is woken. For delivery/ alone. */
#pragma once

#include <systemd/sd-event.h>

#include "delivery/attempt.h"
#include "delivery/blame.h"
#include "delivery/drive_event.h"
#include "delivery/plan.h"
#include "delivery/suspects.h"

typedef struct Engine Engine;

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
    bool trusted;  /* the address serves */
    bool spare;    /* more than the relay is to have from here (fleet.h); takes no more */
    bool doubted; /* it could not take a message, and the relay has others: no more over this one */
    bool judged;  /* `blame` is of its end */
    bool told_secrets; /* that one of them cannot be kept */
    Blame blame;
    uint64_t met;          /* the message that met with its end, by suspects_key(); 0: none */
    unsigned taken;        /* messages */
    unsigned transactions; /* of them */
    Attempt *late;         /* over; they wait for the disk, and so for the end of the round */
    bool resumed;          /* to be told at the end of the round */
    usec_t since;          /* being opened, or without a message */
    struct Link *next;
} Link;

struct Engine {
    sd_event *loop;
    Config *config;
    RelaySet *relays;
    Worker *worker; /* what may block */
    Source *source;
    Share share; /* of the limits of relays and lanes */
    AttemptContext context;
    EngineStatistics statistics;
    Lane lane;
    Lane elsewhere;            /* what a relay could not take, and another may, or is a rule's */
    struct EngineLanes *lanes; /* of the configuration (lanes.h); NULL: there are none */
    struct Ways *ways;         /* what waits for those outside (ways.h); NULL: there are no rules */
    Link *links;
    size_t n_links, links_max;
    PlanLink *plan_links; /* room for every link */
    size_t plan_links_allocated;
    PlanRelay *plan_relays; /* for every relay */
    uint64_t plan_elsewhere[PLAN_ELSEWHERE_MAX];
    PlanRest plan_rest; /* of the last plan, less what has been taken since */
    Attempt *stuck;     /* over, but what became of them cannot be written at present */
    Attempt *settling;  /* over; the source is about to say that it is written */
    Suspects suspects;
    uint64_t served; /* verdicts on messages */
    Buffer scratch;
    SmtpTrace trace;
    void *trace_user;
    sd_event_source *pump_source; /* defer: runs engine_pump() once, before the loop waits */
    sd_event_source *yield;       /* time: does so once others have had their turn */
    unsigned pumped;              /* rounds by the first of them in a row */
    sd_event_source *timer;       /* holds, idle connections, trouble, the deadline */
    usec_t timer_at;
    usec_t paused_until; /* a failure of our own: nothing is taken before */
    usec_t stuck_until;  /* when those are tried again */
    usec_t stop_deadline;
    bool sent_unsaved; /* what relays with rates have taken */
    bool sent_due;     /* so much of it that it is to be written down at once */
    usec_t sent_saved; /* when that was written down */
    bool sent_unread;  /* what they had taken before the start is to come */
    bool stopping;
    bool idle_reported;
    uint64_t health_reported; /* engine_health() then */
};

/* Asks for a run of the pump, once, however often it is called. */
void engine_wake(Engine *engine);

/* Whether it is on hold, or being tried again. */
bool engine_relay_is_at_fault(const Relay *relay);

/* Times of the plan and of the relays' health are of a clock that goes on while the machine sleeps;
 * those of connections are monotonic, and those of messages realtime. */
usec_t engine_now(const Engine *engine);
usec_t engine_now_monotonic(const Engine *engine);
usec_t engine_now_real(const Engine *engine);

/* A time of the plan's clock as one of the day; 0 when it is over, or none. */
usec_t engine_to_real(const Engine *engine, usec_t time);
