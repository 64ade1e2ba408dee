/* A server that takes the connection and does not greet: it may keep newcomers waiting, which RFC
 * 5321 gives it five minutes for, or wait itself for TLS to begin. After a few seconds that is
 * found out over a second connection: a server that speaks TLS first answers the first words of TLS
 * with words of TLS. The first connection is left alone meanwhile: who speaks before the greeting
 * is taken for a spammer. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/clock.h"

#define SILENCE_STRANGE (5 * USEC_PER_SEC) /* so long is not */

typedef enum SilenceNews {
    SILENCE_NOTHING,
    SILENCE_LASTS, /* once: nothing has come for a few seconds */
    SILENCE_IS_TLS /* the server speaks TLS first */
} SilenceNews;

typedef struct Silence {
    usec_t next, end; /* when to look again, and when no more; `next` 0: it is not waited for */
    int fd;           /* of the second connection, while `probing` */
    bool probing, said;
} Silence;

/* Where the server has to greet from now on. */
void silence_begin(Silence *silence, usec_t now);

/* To be called when the deadline has passed; never blocks. `may_probe`: a second connection to
 * `peer` may be made. */
SilenceNews silence_step(
    Silence *silence, const struct sockaddr_storage *peer, bool may_probe, usec_t now);

usec_t silence_deadline(const Silence *silence); /* monotonic; USEC_NEVER: none */

/* A greeting came, or the connection is over. */
void silence_end(Silence *silence);
