/* The simulated machine: its time, what is to happen on it, and what has gone wrong. There is one
 * at a time: system calls know no other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"
#include "schedule.h"

/* What is found to be wrong, by what should always hold. */
typedef enum Fault {
    FAULT_NONE,
    FAULT_LOST,    /* a recipient has ended without having been delivered or refused */
    FAULT_DOUBLED, /* one got a message again though the reply to the first had been read */
    FAULT_UNREAD,  /* a reply that had come was not read, and it was sent again */
    FAULT_STARVED, /* what could be delivered was not, for longer than anything may take */
    FAULT_HUNG,    /* something was waited for longer than its time-out */
    FAULT_SPUN,    /* the loop went round without work */
    FAULT_LEAKED,  /* memory, descriptors or event sources were not given back */
    FAULT_WRONG,   /* what was said or done is no sense: content, order of calls, a report */
} Fault;

const char *fault_name(Fault fault);

/* Called when its time has come. */
typedef void (*Happening)(void *user, uint64_t argument);

typedef struct World {
    Schedule *schedule;
    usec_t now;         /* goes on whatever becomes of the machine: CLOCK_BOOTTIME */
    usec_t suspended;   /* of it, not counted by CLOCK_MONOTONIC */
    usec_t real_offset; /* of CLOCK_REALTIME; wraps */
    bool clock_was_set;
    bool is_calm;      /* nobody interferes, and the last relay works */
    usec_t faults_end; /* from then on everything works */
    bool dead;         /* the process has crashed: nothing that it does has any effect */
    uint64_t effects;  /* system calls so far that others can notice */
    uint64_t dies_at;  /* with which of them it crashes; 0: none */
    unsigned connects; /* in a row that came to nothing, as far as messages go */
    usec_t connects_since;
    uint64_t work; /* things that give the loop a reason to go round */
    uint64_t randoms;
    unsigned jobs; /* of the worker, so far */
    bool shows;    /* tells what happens */
    Fault fault;
    char what[512]; /* the first that was found */
} World;

extern World world;

void world_begin(Schedule *schedule, bool shows);
void world_end(void);

/* Something to happen at `when`, in order. What has been dropped never does. */
void world_at(usec_t when, Happening happening, void *user, uint64_t argument);
void world_forget(const void *user);

/* When the next thing happens; USEC_NEVER: nothing will. */
usec_t world_next(void);

/* Lets all happen that is due. */
void world_catch_up(void);

usec_t world_clock(clockid_t clock);

/* One more effect is about to be had. True: it is not, the process is no more. */
bool world_is_dead(void);

/* The first is kept. */
void world_wrong(Fault fault, const char *format, ...) _printf_(2, 3);
void world_tell(const char *format, ...) _printf_(1, 2);
#define TELL(...)                    \
    do {                             \
        if (world.shows)             \
            world_tell(__VA_ARGS__); \
    } while (0)

static inline unsigned choose(Decision decision, Which which, unsigned n)
{
    return schedule_choose(world.schedule, decision, which, n);
}

static inline unsigned seldom(Decision decision, Which which, unsigned n, unsigned often)
{
    return schedule_seldom(world.schedule, decision, which, n, often);
}

static inline bool world_has_faults(void)
{
    return world.now < world.faults_end;
}
