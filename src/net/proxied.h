/* The way through a relay's proxy: TLS with it where that is set, its dialogue (proxy/dialogue.h),
 * and which of the relay's addresses it is asked for.
 *
 * Each address of the proxy is tried with each of the relay's, but for those that a connection was
 * made to already: they have had their turn. */
#pragma once

#include "base/clock.h"
#include "proxy/dialogue.h"

typedef struct Connection Connection;

#define PROXIED_WORDS_MAX 320

typedef struct Proxied {
    char words[PROXIED_WORDS_MAX]; /* "proxy.example.com port 1080"; "": there is none */
    ProxyDialogue *dialogue;       /* outlives a connection that is of no use for it any more */
    unsigned char address[16];     /* asked for, of found.targets */
    usec_t limit, deadline;
    size_t target;         /* an index of found.targets; 0 where the proxy looks the name up */
    unsigned targets_done; /* bits: a connection to these was made */
    bool begun;            /* over the connection in use */
    bool judged;           /* its TLS */
    bool stands;           /* what comes and goes is the relay's */
    bool is_about_target;  /* the proxy did not get there, or does not want to */
    unsigned connections;  /* for this dialogue */
} Proxied;

/* Of a connection that has just been made. */
void proxied_name(Connection *connection);

/* A row of transport.c's table: 1 the way stands, or there is no proxy; 0 it must wait; 2 over a
 * new connection; or a negative errno with the connection's failure set (but for -ENOMEM). */
int proxied_step(Connection *connection, usec_t now);

/* What the proxy is waited for, and what to do about that; before the way stands. */
void proxied_waits_for(const Connection *connection, char *what, size_t size, const char **remedy);

/* Whether, after a failure, another of the relay's addresses, or of the proxy's, is left. */
bool proxied_can_go_on(const Connection *connection);
/* Whether a further address of the relay can be asked for over the proxy's address in use. */
bool proxied_has_target(const Connection *connection);

/* Goes on to the next: true when it is over the same address of the proxy. */
bool proxied_advance(Connection *connection);

/* The connection in use is given up; with `whole`, all that is known of the targets, too. */
void proxied_reset(Connection *connection, bool whole);
