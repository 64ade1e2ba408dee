/* How the relays are, and why nothing can be delivered where that is so: for whoever asks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/outcome.h"
#include "delivery/restraint.h"
#include "net/connection.h"
#include "settings/config.h"

typedef struct Engine Engine;

/* A relay as it is. Borrowed until the loop runs again. */
typedef struct EngineRelay {
    const RelayConfig *config;
    const char *state;       /* "untried", "silent", "hold-over", or as of relay_state_name() */
    bool at_fault;           /* held, or not seen to work again since */
    usec_t until;            /* realtime: LIMITED and HELD end then; 0: neither */
    unsigned holds;          /* in a row */
    usec_t restrained_until; /* realtime: it is to take nothing before; 0: it may */
    char restraint[RESTRAINT_TEXT_MAX]; /* then: why */
    bool silent;                        /* it is waited for, and is of no use yet */
    ConnectionWait wait;                /* then: for what; without a stage: nothing is any more */
    const char *wait_hint;              /* what to do about that, or NULL */
    size_t connections;                 /* open or opening */
    const DeliveryOutcome *fault;       /* the latest, why it is not "works"; else NULL */
    const char *hint;                   /* what to do about it, or NULL */
    usec_t certificate_ends; /* realtime, of its latest session; 0: not known, or no TLS */
} EngineRelay;

/* The relay of that place in the order of preference; false when there is none. */
bool engine_relay(const Engine *engine, size_t place, EngineRelay *ret);

/* A lane of the configuration as it is. Borrowed until the loop runs again. */
typedef struct EngineLane {
    const LaneConfig *config; /* NULL: what is in none of them */
    size_t waiting;           /* messages that are known, and not taken */
    size_t put_off; /* that it kept from going, since the start: once it was seen whose they are */
    size_t sending;
    usec_t restrained_until;            /* realtime: it is to take nothing before; 0: it may */
    char restraint[RESTRAINT_TEXT_MAX]; /* then: why */
} EngineLane;

/* The lane of that number (config_find_lane()); false when there is none. */
bool engine_lane(const Engine *engine, unsigned number, EngineLane *ret);

/* A number that is another one whenever the health of a relay has changed. How many connections a
 * relay has that works is none of it: that changes with every message. */
uint64_t engine_health(const Engine *engine);

/* Why nothing is taken from the source at present, whatever waits there: a text, which the caller
 * frees, or NULL where something may be (or memory is short). */
char *engine_explain_waiting(const Engine *engine);
