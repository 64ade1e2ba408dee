/* Who gets work: which connections take a message, where one is opened or given up, and when to
 * look again. A pure function of what there is: no connection, no clock, no memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "delivery/relay.h"

/* How long a connection that is being opened counts as room for a message. One that takes longer
 * may hang: others are opened as if it were not there, and count twice as long for each one to the
 * relay that may hang. */
#define PLAN_FRESH (2 * USEC_PER_SEC)
#define PLAN_DOUBLINGS 8u

/* How long a relay may keep all its connections from being of use before the next one gets the
 * mail. Servers that keep clients waiting on purpose greet within this time. */
#define PLAN_SILENT (10 * USEC_PER_SEC)

#define PLAN_ELSEWHERE_MAX 64u /* messages that wait for another relay than the others */
#define PLAN_ELSEWHERE_RELAYS 64u

#define PLAN_DEPTH_MAX 2 /* transactions a session takes at a time */

/* A connection takes a second message only while it gets on: within this time since it last took
 * one or was done with one. */
#define PLAN_BRISK (250 * USEC_PER_MSEC)

typedef struct PlanLink {
    size_t relay;     /* index; SIZE_MAX: of a configuration that holds no more */
    bool ready;       /* else it is being opened, since `since` */
    bool logging_in;  /* being opened, and the password has been said */
    bool quitting;    /* takes nothing more */
    bool can_submit;  /* another transaction */
    bool used_up;     /* has carried as many messages as it may */
    unsigned carries; /* messages */
    usec_t since;     /* being opened; idle; or, carrying messages, no further than it is */
    usec_t idle_timeout;
} PlanLink;

typedef struct PlanRelay {
    RelayState state;
    usec_t until;         /* of HELD and LIMITED */
    unsigned limit;       /* connections it may have now, by setting and state */
    unsigned connections; /* of this configuration, open or being opened */
    bool unproven;        /* whether it takes the login is to be seen: one connection tries */
    bool by_rule;         /* a rule's: it gets none but those that other relays cannot take */
    bool unwanted;        /* no message would go to it now, whatever comes */
    bool restrained; /* it may take `room` messages now, and what is more from `room_from` on */
    size_t room;
    usec_t room_from;
} PlanRelay;

typedef struct PlanView {
    const PlanLink *links;
    size_t n_links;
    const PlanRelay *relays; /* in order of preference */
    size_t n_relays;
    size_t waiting; /* messages to deliver, as far as is known */
    /* Messages beside those that some relays cannot take, and for each the others, of the first
     * PLAN_ELSEWHERE_RELAYS: a bit is a relay that it must not go to. */
    const uint64_t *elsewhere;
    size_t n_elsewhere;
    bool rules;           /* which relay a message goes to is a matter of rules, too */
    size_t openable;      /* connections that may be opened in all: descriptors are limited */
    usec_t paused_until;  /* nothing is taken before */
    bool stopping;        /* nothing is taken at all */
    usec_t stop_deadline; /* of a stop */
} PlanView;

typedef enum PlanActionKind {
    PLAN_FILL, /* link `index` takes a message */
    PLAN_OPEN, /* a connection to relay `index` */
    PLAN_QUIT, /* link `index` is given up */
} PlanActionKind;

typedef struct PlanAction {
    PlanActionKind kind;
    size_t index;
} PlanAction;

typedef struct PlanRest {
    usec_t next;   /* when to look again though nothing happens: never a time that is past,
                      USEC_NEVER for not at all */
    size_t left;   /* messages without a place */
    size_t relays; /* so many of them were to give one, in order of preference */
} PlanRest;

/* What to do, at most `max` actions of it; the rest of them comes with the next call. */
size_t plan(const PlanView *view, usec_t now, PlanAction *ret, size_t max, PlanRest *ret_rest);

/* Whether that connection, which has become free since, takes one of those that were left without a
 * place. Without looking at all the others, which have none to give: a plan would say the same. */
bool plan_takes_of_rest(const PlanRest *rest, const PlanLink *link, usec_t now);

/* Whether nothing is heard of the relay: no connection is of use, and one should have been for
 * long. Its mail is the next one's, as long as there is one that takes it. */
bool plan_is_silent(const PlanView *view, size_t relay, usec_t now);

/* Until when the relay takes none, where that is for longer than one is waited for that is silent;
 * else 0. */
usec_t plan_rests(const PlanRelay *relay, usec_t now);

/* How many messages could be put to use now: room on connections, and on those that may be
 * opened. */
size_t plan_demand(const PlanView *view, usec_t now);

/* The same with that relay alone. */
size_t plan_room(const PlanView *view, size_t relay, usec_t now);

/* When there is some at a relay that takes none now, for a hold or what it may take in a time;
 * USEC_NEVER where that is not known. */
usec_t plan_room_from(const PlanView *view, size_t relay, usec_t now);
