/* What a proxy says it wants to be shown (RFC 9110, 11.3): its challenges, and the best of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

typedef enum ChallengeScheme {
    CHALLENGE_NONE,
    CHALLENGE_NEGOTIATE,  /* RFC 4559 */
    CHALLENGE_NTLM,       /* MS-NTHT */
    CHALLENGE_BASIC,      /* RFC 7617 */
    CHALLENGE_DIGEST_MD5, /* RFC 7616 */
    CHALLENGE_DIGEST_SHA256,
} ChallengeScheme; /* what is chosen first is last */

/* A set of them. */
#define CHALLENGE_BIT(scheme) (1U << (scheme))
#define CHALLENGE_BITS_DIGEST \
    (CHALLENGE_BIT(CHALLENGE_DIGEST_MD5) | CHALLENGE_BIT(CHALLENGE_DIGEST_SHA256))

/* Why a Digest cannot be answered. */
typedef enum DigestFlaw {
    DIGEST_FLAW_NONE,
    DIGEST_FLAW_REALM, /* it has none */
    DIGEST_FLAW_NONCE, /* likewise */
    DIGEST_FLAW_QOP,   /* there are some, and none is "auth" */
    DIGEST_FLAW_ALGORITHM,
    DIGEST_FLAW_SESSION, /* the algorithm needs a qop, and there is none */
} DigestFlaw;

/* Strings are owned. */
typedef struct Challenge {
    ChallengeScheme scheme;
    char *algorithm; /* as it was written; NULL: it was not */
    char *realm, *nonce;
    char *opaque; /* or NULL */
    char *token;  /* base64, of Negotiate and NTLM; or NULL */
    bool session; /* the algorithm ends with "-sess" */
    bool qop;     /* "auth" is among them; false: there are none (RFC 2617) */
    bool userhash;
    bool stale;      /* the nonce was too old: the password may be right */
    DigestFlaw flaw; /* of scheme CHALLENGE_NONE: of the first Digest there was */
} Challenge;

/* Chooses among the challenges in a field value, or in several with commas between them. What is
 * malformed, unknown or not `allowed` is left out: of scheme CHALLENGE_NONE where nothing is left.
 * `names` gets the schemes there are, as text, with commas between them. 0 or -ENOMEM. */
int challenge_choose(const char *text, size_t n, unsigned allowed, Challenge *ret, Buffer *names);

void challenge_done(Challenge *challenge);
