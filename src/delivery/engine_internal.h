/* The inside of the engine, shared by engine.c (the public face), pump.c (who gets work, when),
 * messages.c (their way in and out) and link.c (one connection). */
#pragma once

#include "delivery/delivery.h"
#include "delivery/engine.h"
#include "delivery/relay.h"
#include "delivery/spool_source.h"
#include "net/drive_event.h"

#define LINK_DELIVERIES_MAX 2 /* as many transactions as a session takes at a time */

/* A connection and the messages on it. */
typedef struct Link {
    Engine *engine;
    RelaySet *set;
    Relay *relay;
    Connection *connection;
    ConnectionSource *source;
    Delivery *deliveries[LINK_DELIVERIES_MAX];
    unsigned n_deliveries;
    bool ready;
    bool quitting;      /* takes no more messages; QUIT is said when the last is done */
    bool closed;        /* over; freed by the pump */
    bool served;        /* the relay said what becomes of a message */
    const void *blamed; /* the delivery that its being cut off is held against */
    unsigned taken;     /* messages */
    usec_t idle_since;  /* monotonic */
    struct Link *next;
} Link;

struct Engine {
    sd_event *loop;
    Worker *worker; /* what may block */
    Config *config;
    RelaySet *relays;
    SpoolSource *spool_source;
    Source *source; /* the same, as the rest of the engine knows it */
    DeliveryContext context;
    EngineStatistics statistics;
    Link *links;
    Delivery *stuck; /* attempts that are over, whose record cannot be written at present */
    Buffer scratch;
    SmtpTrace trace;
    void *trace_user;
    sd_event_source *pump_source; /* defer: runs engine_pump() once, before the loop waits */
    sd_event_source *timer;       /* monotonic: holds, idle connections, trouble, the deadline */
    sd_event_source *due_timer;   /* realtime: deferred messages */
    usec_t timer_at, due_timer_at;
    usec_t trouble_until; /* monotonic: a failure of our own; nothing is claimed before */
    usec_t stop_deadline; /* monotonic */
    bool stopping;
    bool idle_reported;
};

/* Asks for a run of the pump, once, however often it is called. */
void engine_wake(Engine *engine);

/* ---- messages.c ---- */

/* False while stopping, and for a while after a failure of our own. */
bool engine_is_claiming(const Engine *engine);
bool engine_has_candidates(const Engine *engine);

/* Reads on in the store until a message is known, a step a round: a connection is opened for a
 * message, never to find out whether there is one. */
void engine_look(Engine *engine);

/* The next message to deliver, or NULL: there is none, or a failure of our own (reported) has
 * stopped claiming for a while. */
SourceMessage *engine_take(Engine *engine);

/* Gives it back, nothing having been done with it. */
void engine_give_back(Engine *engine, SourceMessage *message);

/* Reports a failure of our own (a negative errno), and claims nothing for a while. */
void engine_trouble(Engine *engine, int error);

/* Ends the attempt of a delivery, or keeps it where its record cannot be written yet. */
void engine_end_delivery(Engine *engine, Delivery *delivery);

/* Tries once more to write the records of those; lets go of them, their messages staying `.sending`
 * and unlocked. */
void engine_retry_stuck(Engine *engine);
void engine_abandon_stuck(Engine *engine);

/* Where one attempt is all that a message has (retry.max_attempts), every error is final, that of
 * the relays too: with none left to try, what waits is given up. */
void engine_give_up_waiting(Engine *engine, usec_t now);

/* ---- engine.c ---- */

usec_t engine_now(const Engine *engine, clockid_t clock);
usec_t engine_now_real(const Engine *engine);

/* ---- pump.c: the callback of pump_source and both timers ---- */
void engine_pump(Engine *engine);

/* ---- link.c ---- */
int link_open(Engine *engine, Relay *relay);
bool link_has_room(const Link *link);
void link_fill(Link *link); /* hands it messages as long as it has room */
void link_rest(
    Link *link, usec_t now); /* what to do with one that has nothing on it: keep, or say QUIT */
void link_close(Link *link); /* gives it up; the pump frees it */
void link_free(Link *link);  /* the attempts of what is on it end here */
