/* The answers to challenges: what stands in Proxy-Authorization. */
#pragma once

#include "base/secret.h"
#include "proxy/challenge.h"

#define DIGEST_CNONCE_MAX 33

typedef struct Credentials {
    const char *user;
    const Secret *password; /* or NULL: an empty one */
    const char *method;     /* "CONNECT" */
    const char *target;     /* what the request names */
    const char *cnonce;     /* a number used once, of ours */
} Credentials;

/* Hexadecimal digits that nobody can guess. */
void digest_cnonce(char text[static DIGEST_CNONCE_MAX]);

/* The value of Proxy-Authorization, a secret which the caller wipes and frees. 0; -EINVAL where the
 * user cannot be said in this scheme (a colon, with basic); -ENOTSUP where this machine's OpenSSL
 * forbids the hash; -ENOMEM. */
int challenge_answer(const Challenge *challenge, const Credentials *credentials, char **ret);
