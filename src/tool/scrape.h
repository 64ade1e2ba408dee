/* The request of HTTP/1.1 (RFC 9112) by which metrics are asked for, and the head of its answer.
 * Without I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define SCRAPE_REQUEST_MAX ((size_t)16 * 1024)

typedef enum ScrapeKind {
    SCRAPE_METRICS,     /* 200 */
    SCRAPE_WRONG,       /* 400: it is no request */
    SCRAPE_NOT_FOUND,   /* 404 */
    SCRAPE_NO_METHOD,   /* 405: neither GET nor HEAD */
    SCRAPE_TOO_LATE,    /* 408 */
    SCRAPE_TOO_LARGE,   /* 431 */
    SCRAPE_UNAVAILABLE, /* 503: the queue could not be looked at */
    SCRAPE_NO_VERSION,  /* 505 */
    SCRAPE_KIND_MAX,
} ScrapeKind;

typedef struct Scrape {
    ScrapeKind kind;
    bool head; /* no content is wanted */
    bool open; /* OpenMetrics is preferred to text 0.0.4 */
} Scrape;

/* Whether the head of the request, up to its empty line, is there as a whole. */
bool scrape_is_complete(const char *request, size_t n);

/* What such a head asks for. */
Scrape scrape_parse(const char *request, size_t n);

/* What is answered beside the metrics: a line for a person. */
const char *scrape_words(ScrapeKind kind);

/* Appends the head of the answer. `date` is as HTTP writes it, `bytes` of content. 0 or -ENOMEM. */
int scrape_format_head(const Scrape *scrape, const char *date, size_t bytes, Buffer *out);
