/* Whether a certificate was revoked, asked beside the caller's loop, and what is known of it
 * already: an answer is kept as long as its signer lets it hold. */
#pragma once

#include "net/answer.h"
#include "net/revocation.h"

#define REVOCATION_KNOWN_MAX                                             \
    8 /* certificates that a relay shows: one, or one a server behind it \
       */
#define REVOCATION_DIGEST_BYTES 32

typedef struct RevocationKnown {
    unsigned char digest[REVOCATION_DIGEST_BYTES]; /* of the chain */
    usec_t until;                                  /* 0: nothing is known */
    int error;
    Failure failure;
} RevocationKnown;

/* Of one relay; zeroed to begin with. */
typedef struct RevocationMemory {
    RevocationKnown known[REVOCATION_KNOWN_MAX];
    size_t next;                                   /* the place that is used next */
    Answer *running;                               /* or NULL */
    unsigned char digest[REVOCATION_DIGEST_BYTES]; /* of what it is about */
} RevocationMemory;

void revocation_memory_done(RevocationMemory *memory);

/* What one connection waits for. */
typedef struct Revocation Revocation;

typedef struct RevocationQuestion {
    RevocationMemory *memory; /* borrowed, and must outlive it */
    Worker *worker;           /* borrowed; */
    RelayConfig *relay;       /* of both the job keeps a reference */
    STACK_OF(X509) * chain;   /* as it was verified; borrowed */
    const unsigned char *stapled;
    size_t stapled_size;
    usec_t patience;
} RevocationQuestion;

/* 0, or a negative errno: as worker_submit(), -ENOMEM. */
int revocation_new(const RevocationQuestion *question, usec_t now, Revocation **ret);
void revocation_free(Revocation *revocation); /* accepts NULL */

/* 1 when the server may be spoken to, 0 when revocation_fd() must become readable or the deadline
 * pass, or a negative errno with a Failure. */
int revocation_step(Revocation *revocation, usec_t now, Failure *f);
/* What it waits for, and what to do about that: as command_stop_what(). */
void revocation_waits_for(
    const Revocation *revocation, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy);

int revocation_fd(const Revocation *revocation);
usec_t revocation_deadline(const Revocation *revocation);
void revocation_put_off(Revocation *revocation, usec_t time);

DEFINE_CLEANUP(Revocation, revocation_free);
