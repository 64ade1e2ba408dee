/* What certificates say where to find: small things over HTTP, by OpenSSL's client. Blocks: for a
 * worker's threads alone. No proxy is used, whatever the environment says, and nothing but http:
 * what is fetched is signed. */
#pragma once

#include <openssl/bio.h>
#include <stdbool.h>

#include "base/clock.h"

#define FETCH_ERROR_MAX 150

/* Why there is none, from OpenSSL's errors, which are emptied. Returns `text`. */
char *fetch_error(char text[static FETCH_ERROR_MAX]);

bool fetch_is_possible(const char *url);

/* The body, one DER object of at most `max` bytes, or NULL with OpenSSL's errors: until `deadline`
 * (monotonic). The caller frees it. `request` is posted, or NULL: then it is a GET. */
BIO *fetch(const char *url, BIO *request, const char *request_type, size_t max, usec_t deadline);
