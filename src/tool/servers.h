/* Who delivers from the queue, by what each says there of itself (spool/presence.h). */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "settings/config.h"
#include "spool/presence.h"

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
