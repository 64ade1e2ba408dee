/* The inside of the simulated store: store.c (what is durable) and held.c (what a process holds).
 */
#pragma once

#include "base/input.h"
#include "store.h"

typedef enum TroubleKind {
    TROUBLE_NONE,
    TROUBLE_FULL,      /* records cannot be written */
    TROUBLE_READ_ONLY, /* nothing can be changed */
    TROUBLE_TAKING,    /* messages cannot be read */
    TROUBLE_KIND_MAX,
} TroubleKind;

/* A message as it is on the disk. */
typedef struct Stored {
    StoredState state;
    uint64_t order;              /* of its latest change: the queue is first in, first out */
    unsigned delivered, refused; /* recipients, bits */
    unsigned attempts;
    usec_t arrival, first_attempt, next; /* realtime */
    usec_t aside;                        /* queued: not given before. Only this process knows */
    int error;                           /* it has failed with */
    bool gave_up;                        /* one attempt is all that it had */
    bool deleted;
    unsigned takes; /* so far */
} Stored;

/* One that the process holds. */
typedef struct Held {
    HeldMessage base;
    unsigned number;
    char id[16];
    InputMemory input;
    unsigned delivered, refused; /* gathered, and not written */
    unsigned n_lines;
    bool lost;     /* another process has it */
    bool settling; /* its end is told later */
    MessageEnd end;
    char text[64];
} Held;

typedef struct Store {
    Source base;
    const Config *config;
    usec_t longest_retry; /* of all configurations: what was decided by a former one stands */
    bool gives_up;        /* likewise: messages may be given up */
    bool one_attempt;     /* likewise: one is all that a message has */
    bool open;
    Stored stored[MESSAGES_MAX];
    Held *held[MESSAGES_MAX];
    uint64_t orders, timers;
    bool deferred_turn;
    uint32_t lanes;    /* bits: of these messages are given */
    usec_t next_timer; /* realtime */
    TroubleKind trouble;
    bool had_trouble;
    unsigned n_held;
} Store;

extern Store store;

/* How long a message that was returned waits at most, and at first; not what a wrong clock says. */
#define STORE_ASIDE_MAX (5 * USEC_PER_MINUTE)
#define STORE_ASIDE (5 * USEC_PER_SEC)

bool store_is_due(const Stored *stored);
unsigned store_lane(unsigned message);
void store_change(unsigned message, StoredState state);
void store_plan_trouble(void);
