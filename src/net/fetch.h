/* What certificates say where to find: small things over HTTP. Blocks: for a worker's threads
 * alone. No proxy is used, whatever the environment says, and nothing but http: what is fetched is
 * signed.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "settings/secret_source.h"

bool fetch_is_possible(const char *url);

typedef struct FetchPatience {
    usec_t deadline;   /* monotonic; put off by what is nobody's time */
    CommandStop *stop; /* ends it before; NULL: nothing does */
} FetchPatience;

typedef struct FetchWhat {
    const char *url;
    const Buffer *request; /* posted; NULL: then it is a GET */
    const char *request_type;
    size_t max; /* bytes */
    FetchPatience *patience;
} FetchWhat;

/* 0 with the body, which is the caller's, or a negative errno with a Failure: why there is none. */
int fetch(const FetchWhat *what, Buffer *ret, Failure *f);

/* Of such an errno: whether nothing came over the network; whether the server has trouble of its
 * own, which passes. */
bool fetch_was_unreachable(int error);
bool fetch_will_pass(int error);
