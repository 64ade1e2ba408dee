/* What the lines of a record add up to: the history, and which of them still say something. Private
 * to the spool. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "spool/lines.h"
#include "spool/record.h"

typedef enum RecordEvent {
    RECORD_NOTHING, /* no JSON object with an event: torn, or not ours */
    RECORD_UNKNOWN, /* of a newer program, or malformed */
    RECORD_DELIVERED,
    RECORD_DEFERRED,
    RECORD_REFUSED,
    RECORD_RETRY,
    RECORD_QUEUED,
    RECORD_SENT,
    RECORD_FAILED,
} RecordEvent;

/* The event of a line. `*ret` (the caller drops it) is its JSON; NULL where that need not be known:
 * for nothing, and for `deferred` lines of ours, of which there may be many. 0 or -ENOMEM. */
int record_line_parse(const char *data, size_t n, RecordEvent *ret_event, json_t **ret);

/* A `deferred` line of ours that is whole, told without parsing it. */
bool record_line_is_deferred(const char *data, size_t n);

/* The time in that member (RFC 3339) of a line; 0 when there is none. */
usec_t record_line_time(const json_t *line, const char *name);

/* Where a line is; `bytes` is 0 when there is none. */
typedef struct RecordMark {
    uint64_t offset, bytes;
} RecordMark;

/* Initialise with {0}. What is superseded: `deferred` lines of all attempts but the last; all
 * `retry` lines of the present life but the first and the last, and of former lives; all `failed`
 * and `queued` lines but the last; `refused` lines before the last `failed`; what is no line. */
typedef struct RecordScan {
    SpoolHistory history; /* its lists are sorted by record_scan_end() */
    RecordEvent last;     /* known ones only */
    uint64_t bytes, superseded;
    RecordMark first_retry, last_retry, queued, failed;
    uint64_t deferred_from, deferred_bytes; /* of the last attempt */
    uint64_t refused_from, refused_bytes;   /* of the present life */
    bool life_over;                         /* a `failed` line ended it */
    bool attempt_open;                      /* the last attempt has no `retry` line yet */
    bool keeps_all; /* set by who wants each line to be kept that says something to a person */
} RecordScan;

/* Takes one line in. 0 or -ENOMEM. */
int record_scan_add(RecordScan *scan, const RecordLine *line);
void record_scan_end(RecordScan *scan);
void record_scan_done(RecordScan *scan);

/* Reads the whole file. 0 or a negative errno. */
int record_scan_file(RecordScan *scan, int fd);

/* After the end: whether that line, which record_scan_add() has seen, still says something. */
bool record_scan_keeps(const RecordScan *scan, RecordEvent event, uint64_t offset);
