/* Who delivers from the queue, by what each says there of itself (spool/presence.h), and
 * what a message waits for. */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "settings/config.h"
#include "spool/presence.h"
#include "tool/inspect.h"

#define SERVERS_MAX 256 /* of a database; more are not told of */

typedef struct Servers {
    json_t *live[SERVERS_MAX];  /* what those say who live */
    usec_t silent[SERVERS_MAX]; /* the last sign of life of those who do not answer (realtime), in a
                                   database the end of their lease; 0: they do */
    unsigned place[SERVERS_MAX];   /* where each says it */
    Config *by_rules[SERVERS_MAX]; /* of those whose relays go by rules that can be read */
    size_t n;
    json_t *last; /* what the one said that ended last, where nobody lives; NULL: nobody ever was */
    bool unknown; /* somebody delivers, of whom nothing can be read */
    bool full;    /* the directory's file system has no room */
    bool database;      /* it is one that they deliver from */
    usec_t looked;      /* when they were looked at (realtime) */
    const Spool *spool; /* borrowed */
} Servers;

/* 0 or -ENOMEM. */
int servers_look(const Spool *spool, Servers *ret);
void servers_done(Servers *servers);

/* ---- what is in it ---- */

/* Members of an object; NULL or 0 where there is no such. */
const char *servers_text(const json_t *object, const char *name);
long long servers_number(const json_t *object, const char *name);
usec_t servers_time(const json_t *object, const char *name); /* realtime */

/* Messages that this server sent in the last minutes, at most 60. */
uint64_t servers_rate(const json_t *server, usec_t now, unsigned minutes);

/* ---- what a message waits for ---- */

typedef enum WaitsFor {
    WAITS_FOR_NOTHING,  /* it is being sent, is sent, or was given up */
    WAITS_FOR_TURN,     /* as many as may be are being sent before it */
    WAITS_FOR_TIME,     /* its next attempt */
    WAITS_FOR_OPERATOR, /* it is held */
    WAITS_FOR_LANE,     /* its lane is to send nothing now, or as many as it may are being sent */
    WAITS_FOR_RELAY,    /* no relay can be used at present */
    WAITS_FOR_MACHINE,  /* a failure of this machine's, such as a full disk */
    WAITS_FOR_DAEMON,   /* nobody delivers */
    WAITS_FOR_MAX,
} WaitsFor;

/* "nothing", "turn", "time", "operator", "lane", "relay", "machine", "daemon". */
const char *waits_for_name(WaitsFor what);

typedef struct Waiting {
    WaitsFor what;
    usec_t until; /* realtime, as far as it is known; else 0 */
    char *relay;  /* WAITS_FOR_RELAY: its name, the first of them to be of use; else NULL */
    char *text;   /* why, and what to do; NULL: the word says it all */
} Waiting;

/* What that message waits for, which is in that lane (NULL: in none), or with NULL all those of its
 * state that nothing is the matter with; `next` is when a deferred one is due. 0 or -ENOMEM. */
int waiting_find(const Servers *servers, const char *id, const char *lane, SpoolState state,
    usec_t next, usec_t now, Waiting *ret);
void waiting_done(Waiting *waiting);

/* {"for": "relay", "relay": NAME, "until": TIME, "text": TEXT}; NULL when memory is short. */
json_t *waiting_to_json(const Waiting *waiting);
