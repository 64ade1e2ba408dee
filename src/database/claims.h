/* How far a daemon has come in what is ready, lane by lane: behind which message it goes on, and
 * which transactions it has overtaken, whose messages stand before that
 * (doc/decisions/database-queue.md). Pure, but for the text of the database. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/lane.h"

#define CLAIMS_LANES_MAX 64 /* more are not looked into by one daemon */

typedef struct ClaimsLane {
    char name[LANE_NAME_MAX + 1];
    uint64_t after; /* the transaction of the last message that was claimed */
    int64_t after_message;
    uint64_t *late; /* transactions before that which still ran */
    size_t n_late;
    bool more; /* the last claim took as many as it might */
} ClaimsLane;

typedef struct Claims {
    ClaimsLane *lanes; /* the first is '' */
    size_t n;
    size_t turn;     /* the lane that is asked first */
    size_t n_asking; /* claims that are under way */
    bool looked;     /* there was nothing to be had at the last look */
} Claims;

/* One claim's answer. */
typedef struct ClaimsAnswer {
    size_t n, most; /* messages, and how many were asked for */
    uint64_t last;  /* of those behind the mark, the last; 0: there were none */
    int64_t last_message;
    size_t n_overtaken;   /* of those before it */
    const char *snapshot; /* as PostgreSQL writes it: "xmin:xmax:xip,xip" */
} ClaimsAnswer;

int claims_init(Claims *claims); /* 0 or -ENOMEM */
void claims_done(Claims *claims);

/* Adds a lane, if it is not known. 0, -ENOMEM, or -ENOSPC when there are too many. */
int claims_add_lane(Claims *claims, const char *name);

/* Looks at everything from the beginning. */
void claims_rescan(Claims *claims);

/* The transactions that were overtaken, as an array of PostgreSQL's: "{12,15}". 0 or -ENOMEM. */
int claims_format_late(const ClaimsLane *lane, Buffer *out);

/* Whether a message of that transaction stands before the mark. */
bool claims_is_overtaken(const ClaimsLane *lane, uint64_t arrived, int64_t message);

/* Notes what a claim answered. 0; -EINVAL for what is no snapshot; -ENOMEM: look at everything from
 * the beginning. */
int claims_note(ClaimsLane *lane, const ClaimsAnswer *answer);
