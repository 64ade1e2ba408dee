/* How far a daemon has come in what is ready, lane by lane: behind which message it goes on, and
 * which transactions it has overtaken, whose messages stand before that
 * (doc/decisions/database-queue.md). Pure, but for the text of the database. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lane.h"

#define CLAIMS_LANES_MAX 1000 /* more than the database takes, but for those that come at once */

typedef struct ClaimsLane {
    char name[LANE_NAME_MAX + 1];
    unsigned number; /* for whoever claims, 0 at first */
    uint64_t after;  /* the transaction of the last message that was claimed */
    int64_t after_message;
    uint64_t *late; /* transactions before that which still ran */
    size_t n_late;
    bool more;    /* the last claim took as many as it might */
    bool busy;    /* there was something to be had at the last look */
    bool looking; /* it is being looked into, with others */
} ClaimsLane;

typedef struct Claims {
    ClaimsLane *lanes; /* the first is '' */
    size_t n;
    size_t turn;     /* the lane that is asked first */
    size_t n_asking; /* claims that are under way */
    unsigned scan;   /* how often it was begun at the beginning: what was asked before is no mark */
    bool looked;     /* there was nothing to be had at the last look */
} Claims;

/* One claim's answer. */
typedef struct ClaimsAnswer {
    size_t n, most;     /* messages, and how many were asked for */
    size_t n_overtaken; /* of those before the mark */
    uint64_t last; /* of those behind it, the last that may be the next mark; 0: there is none */
    int64_t last_message;
    const char *snapshot; /* borrowed, as PostgreSQL writes it: "xmin:xmax:xip,xip" */
} ClaimsAnswer;

int claims_init(Claims *claims); /* 0 or -ENOMEM */
void claims_done(Claims *claims);

/* Adds a lane, if it is not known. 0, -ENOMEM, or -ENOSPC when there are too many. */
int claims_add_lane(Claims *claims, const char *name);

/* Looks at everything from the beginning. */
void claims_rescan(Claims *claims);

/* There may be, in any lane, behind where it has come. */
void claims_look_again(Claims *claims);

/* The transactions that were overtaken, as an array of PostgreSQL's: "{12,15}". 0 or -ENOMEM. */
int claims_format_late(const ClaimsLane *lane, Buffer *out);

/* Begins with the snapshot. 0, or -EINVAL for what is none. */
int claims_answer_init(ClaimsAnswer *answer, size_t most, const char *snapshot);

/* Adds a message, in any order. */
void claims_answer_add(
    ClaimsAnswer *answer, const ClaimsLane *lane, uint64_t arrived, int64_t message);

/* Notes what a claim answered. 0, or -ENOMEM: look at everything from the beginning. */
int claims_note(ClaimsLane *lane, const ClaimsAnswer *answer);

/* There was nothing, behind the mark nor before it, in that snapshot: the transactions that had
 * ended are forgotten. What is no snapshot changes nothing. */
void claims_note_nothing(ClaimsLane *lane, const char *snapshot);
