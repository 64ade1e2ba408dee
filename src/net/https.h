/* One POST over HTTPS, which blocks: for jobs beside the loop, and for the tool. The server's
 * certificate is verified as a relay's is, by the system's authorities or those of a file.
 * Redirects are not followed, for what is posted is secret. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"
#include "net/http.h"

typedef struct HttpsUrl {
    char *host, *path; /* path: with its query */
    unsigned port;
} HttpsUrl;

/* "https://host[:port][/path]". 0; -EINVAL when it is no such thing; -ENOMEM. */
int https_url_parse(const char *text, HttpsUrl *ret);
void https_url_done(HttpsUrl *url);

/* Posts the form (application/x-www-form-urlencoded) and reads the response. 0 with a response of
 * whatever status, which the caller ends; or a negative errno with a Failure: what failed, where
 * and why, ERROR_TIMEOUT after `limit`. */
int https_post(const char *url, const char *ca_file, const Buffer *form, usec_t limit,
    HttpResponse *ret, Failure *f);
