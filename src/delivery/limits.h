/* How many connections the process can have at a time, as far as open files go. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "settings/config.h"

#define LIMITS_TEXT_MAX 256

/* What a connection takes: its socket, twice, the two messages that may be on it, and the record of
 * one of them. */
#define LIMITS_FILES_EACH 5

typedef struct Limits {
    size_t files;       /* that the process may have open (RLIMIT_NOFILE) */
    size_t own;         /* that it needs besides connections */
    size_t wanted;      /* connections, as configured, of all relays together */
    size_t descriptors; /* of `files`, what is left for connections and their messages */
    size_t bearable;    /* connections that these allow, those of a former configuration included,
                           which end in their own time; at least 1 */
    size_t connections; /* of those, at most `wanted` */
} Limits;

/* `reserved`: what the queue keeps open besides (CLOSER_KEPT_MAX). */
void limits_compute(size_t files, size_t reserved, const Config *config, Limits *ret);

/* Whether fewer connections are possible than are configured. */
bool limits_are_short(const Limits *limits);

/* The sentence for the log: what is so, and what to do. Returns `text`. */
char *limits_format(const Limits *limits, char text[static LIMITS_TEXT_MAX]);
