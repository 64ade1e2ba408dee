/* What `outbox metrics` tells of a queue. */
#pragma once

#include "tool/exposition.h"
#include "tool/store.h"

typedef struct Metrics {
    StoreFigures queue;
    usec_t now; /* realtime */
    Servers servers;
} Metrics;

/* Appends all of it, as OpenMetrics or as text 0.0.4. 0 or -ENOMEM. */
int metrics_format(const Metrics *metrics, bool open, Buffer *out);

/* Answers one request of HTTP that comes over standard input, on standard output. `gather` has both
 * forms of the text made, and returns 0 or an exit status. Does not return. */
typedef int (*MetricsGather)(void *user, Buffer *ret_open, Buffer *ret_text);
void metrics_serve(MetricsGather gather, void *user) __attribute__((noreturn));
