/* What happens in one run: a list of decisions.
 *
 * Whatever the simulated world does that could be otherwise is asked for here, under a name and up
 * to four numbers: "the reply to the fifth command on the second connection to address 0 of relay
 * 1". The answer hangs on the seed and on that alone, not on what was asked before, so that a
 * schedule keeps its meaning when one of its decisions is taken out, and when the program changes.
 * 0 is always what is plain: no fault, at once, the smallest. So a schedule is written down as the
 * decisions that are not 0, and everything else follows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, word */
#define DECISIONS(X)                                                                               \
    X(RANDOM, "random")                     /* all that is random by itself */                     \
    X(MESSAGES, "messages")                 /* how many there are, less one */                     \
    X(ARRIVES, "arrives")                   /* message: when */                                    \
    X(RECIPIENTS, "recipients")             /* message: how many, less one */                      \
    X(RECIPIENT, "recipient")               /* message, recipient: what relays make of it */       \
    X(POISON, "poison")                     /* message: what it does to relays */                  \
    X(SIZE, "size")                         /* message: its content */                             \
    X(RELAYS, "relays")                     /* how many, less one */                               \
    X(ADDRESSES, "addresses")               /* relay: how many, less one */                        \
    X(CONNECTIONS, "connections")           /* relay: setting */                                   \
    X(SHARE, "share")                       /* relay: setting messages_per_connection */           \
    X(GROUP, "group")                       /* relay: setting recipients_per_transaction */        \
    X(TIMEOUT, "timeout")                   /* relay: settings of time-outs */                     \
    X(HOLD, "hold")                         /* relay: settings of holds and idle connections */    \
    X(SAYS_RSET, "rset")                    /* relay: setting send_rset */                         \
    X(RETRY, "retry")                       /* settings of the back-off */                         \
    X(KEEP, "keep")                         /* setting keep_sent */                                \
    X(LANES, "lanes")                       /* settings of lanes: 0: there are none */             \
    X(LANE, "lane")                         /* message: its lane */                                \
    X(HINT, "hint")                         /* message: another lane that it seems to be in */     \
    X(OFFERS, "offers")                     /* relay: extensions */                                \
    X(DISTANCE, "distance")                 /* relay: latency */                                   \
    X(WINDOW, "window")                     /* relay: bytes it takes before it reads */            \
    X(BEARS, "bears")                       /* relay: connections at a time; 0: any number */      \
    X(BEARS_MESSAGES, "bears-messages")     /* relay: a connection; 0: any number */               \
    X(BEARS_RECIPIENTS, "bears-recipients") /* relay: a transaction; 0: any number */              \
    X(CLOSES_IDLE, "closes-idle")           /* relay: after so long */                             \
    X(OUTAGE, "outage")                     /* relay, number: kind */                              \
    X(OUTAGE_BEGIN, "outage-begin")         /* likewise */                                         \
    X(OUTAGE_LENGTH, "outage-length")                                                              \
    X(OUTAGE_ADDRESS, "outage-address") /* likewise: of one address only */                        \
    X(CONNECT, "connect")               /* relay, address, connection: fault */                    \
    X(REPLY, "reply")                   /* relay, address, connection, command: fault */           \
    X(SLOWNESS, "slowness")             /* likewise: of a slow reply */                            \
    X(LOOKUP, "lookup")                 /* number: fault of a name lookup */                       \
    X(INTENSITY, "intensity")           /* relay: how often replies are faulty */                  \
    X(PERIOD, "period")                 /* how long faults go on */                                \
    X(CALM, "calm") /* 1: the last relay works, nobody interferes, and so no message waits long */ \
    X(OPERATOR, "operator") /* number: what somebody does */                                       \
    X(OPERATOR_WHEN, "operator-when")                                                              \
    X(OPERATOR_WHAT, "operator-what") /* number: with what */                                      \
    X(STORE_TROUBLE, "store-trouble") /* number: kind of a failure of the store */                 \
    X(STORE_BEGIN, "store-begin")                                                                  \
    X(STORE_LENGTH, "store-length")                                                                \
    X(STORE_LATER, "store-later") /* message, number: its end is told later */                     \
    X(STORE_LOST, "store-lost")   /* message: another process takes it over */                     \
    X(STORE_TORN, "store-torn")   /* message: lines that survive a crash while writing */          \
    X(TIMERS, "timers")           /* how late timers are, and in which order what is ready comes */

typedef enum Decision {
#define DECISION_ENUM(name, word) DECIDE_##name,
    DECISIONS(DECISION_ENUM)
#undef DECISION_ENUM
        DECISION_MAX,
} Decision;

/* Which one of its kind. Numbers up to 4095, above that the last ones count. */
typedef struct Which {
    unsigned a, b, c, d;
} Which;

typedef struct Decided {
    uint64_t key;
    unsigned value;
} Decided;

typedef struct Schedule {
    bool listed; /* what is not in the list is 0; else the seed decides */
    uint64_t seed, random;
    Decided *list; /* sorted by key */
    size_t n, allocated;
    bool records; /* the decisions of the seed that are not 0 go to the list */
} Schedule;

void schedule_init_seed(Schedule *schedule, uint64_t seed);
void schedule_done(Schedule *schedule);

/* Returns 0 to n - 1, each as often. */
unsigned schedule_choose(Schedule *schedule, Decision decision, Which which, unsigned n);

/* Not 0 in `often` of 1,024 cases. */
unsigned schedule_seldom(
    Schedule *schedule, Decision decision, Which which, unsigned n, unsigned often);

/* Before a run. */
void schedule_begin(Schedule *schedule);

/* Any number that hangs on the schedule, for what is random by itself. */
uint64_t schedule_random(const Schedule *schedule, uint64_t number);

/* From "messages=2 reply.0.0.1.3=7 ...". False for what is none. */
bool schedule_parse(Schedule *schedule, const char *text);
void schedule_print(const Schedule *schedule);

/* Takes a copy of a list. */
void schedule_init_list(Schedule *schedule, const Decided *list, size_t n);
