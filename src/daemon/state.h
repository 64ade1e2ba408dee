/* What the daemon says of itself in the queue directory (spool/presence.h), for `outbox status`,
 * `list` and `show`: how it and its relays are, as JSON. The members are documented in
 * doc/spool.md. Nothing in it depends on the time that passes, so that nobody has to wake up to
 * keep it true. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "daemon/alarm.h"
#include "daemon/counters.h"
#include "daemon/queue.h"

#define STATE_MINUTES 60 /* that deliveries are counted in */
#define STATE_PROBLEMS                                                         \
    10 /* messages that cannot be dealt with on this machine, the latest first \
        */

typedef struct StateProblem {
    char *id, *text; /* NULL: none */
    usec_t time;
} StateProblem;

typedef struct State {
    usec_t started;               /* realtime, as all times here */
    usec_t last_sent;             /* 0: nothing was, since the start */
    uint64_t minute;              /* since the epoch: that of the first of `sent` */
    unsigned sent[STATE_MINUTES]; /* messages, the latest minute first */
    StateProblem problems[STATE_PROBLEMS];
    char *pause;         /* why nothing was taken; NULL: it never was so */
    char *refused;       /* why the configuration was not taken at the last reload; NULL: it was */
    usec_t refused_time; /* then */
    Counters counters;
} State;

void state_init(State *state, usec_t now);
void state_done(State *state);

void state_note_sent(State *state, usec_t now);
/* A failure of our own; `id` is NULL when it is about no one message, and nothing is taken for a
 * while because of it. */
void state_note_problem(State *state, const char *id, const Failure *failure, usec_t now);

/* That message has come to something else. */
void state_forget_problem(State *state, const char *id);

/* A reload; NULL: it was taken. */
void state_note_reload(State *state, const Failure *failure, usec_t now);

/* Whose state it is, beside what was noted. */
typedef struct StateOf {
    const Queue *queue;
    const Config *config;
    const Alarm *alarm; /* NULL: there is none yet */
    uint64_t submitted; /* messages that came by the submission socket */
    bool stopping;
} StateOf;

/* Appends the JSON text. 0 or -ENOMEM. */
int state_format(const State *state, const StateOf *of, usec_t now, Buffer *out);
