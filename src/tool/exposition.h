/* Metrics as text: OpenMetrics 1.0, and the form before it, "text 0.0.4", for those who know only
 * that. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"

typedef enum MetricType { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO } MetricType;

typedef struct MetricFamily {
    const char *name; /* without the suffix of its samples; ends with its unit */
    MetricType type;
    const char *unit; /* "seconds", "bytes"; NULL: none */
    const char *help;
} MetricFamily;

/* Ends with one without a name. */
typedef struct MetricLabel {
    const char *name;
    const char *value; /* UTF-8; NULL is "" */
} MetricLabel;

typedef struct Exposition {
    Buffer *out; /* borrowed */
    bool open;   /* OpenMetrics */
    const MetricFamily *family;
    int error; /* 0, or -ENOMEM: nothing is appended any more */
} Exposition;

/* What follows are samples of this family, which come together and once. */
void exposition_begin(Exposition *e, const MetricFamily *family);

/* A sample of a gauge, or what is known of something (1). */
void exposition_number(Exposition *e, const MetricLabel *labels, uint64_t value);
void exposition_seconds(Exposition *e, const MetricLabel *labels, usec_t value);

/* One of a counter, which began to count then (realtime; 0: not known). */
void exposition_count(Exposition *e, const MetricLabel *labels, uint64_t value, usec_t created);

typedef struct MetricHistogram {
    const usec_t *bounds;   /* rising */
    const uint64_t *counts; /* one a bound, not added up, and that of what is above the last */
    size_t n;               /* bounds */
    usec_t sum;
} MetricHistogram;

/* One of a histogram of times; at most one label. */
void exposition_histogram(
    Exposition *e, const MetricLabel *label, const MetricHistogram *histogram, usec_t created);

/* The end. 0 or -ENOMEM. */
int exposition_end(Exposition *e);
