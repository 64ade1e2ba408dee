/* The delivery record `X.status`: one JSON object a line (RFC 8259), appended, never rewritten.
 *
 * A torn last line (the machine died while it was written) is no error: it is ended before the next
 * line is appended. Unknown events and fields are skipped, so that older programs read newer
 * records. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/outcome.h"
#include "spool/spool.h"

#define SPOOL_RECORD_MAX ((size_t)64 << 20) /* bytes; a longer record is refused */

/* What a record says about the attempts so far. */
typedef struct SpoolHistory {
    unsigned attempts;  /* counted attempts since the message was last queued anew; the last `retry`
                           line's number */
    usec_t next;        /* of the last `retry` line (realtime); 0 when there is none */
    usec_t lease_start; /* realtime of the last `failed` line: the retry life of a message queued
                           anew starts there; 0 when none */
    char **delivered;   /* addresses with a `delivered` line, sorted for spool_history_has() */
    size_t n_delivered;
    char **refused; /* addresses with a `refused` line since the last `failed` line (an operator who
                     * queues a failed message anew wants those tried again), sorted */
    size_t n_refused;
    bool ended; /* the last attempt line is `failed` or `sent` */
    bool sent;  /* it is `sent`: the record is closed */
} SpoolHistory;

/* Reads the record of the claim (nothing when it has none). 0, or a negative errno with a Failure;
 * a record that cannot be read is a failure (-EIO, -EACCES, -EFBIG over SPOOL_RECORD_MAX, ...):
 * delivering without it could send twice. Lines that are not JSON are skipped. */
int spool_history_load(const SpoolClaim *claim, SpoolHistory *ret, Failure *f);

/* The same by id, for a message in any state (the tool). -ENOENT is 0 with an empty history. */
int spool_history_load_id(const Spool *spool, const char *id, SpoolHistory *ret, Failure *f);
void spool_history_done(SpoolHistory *history);

/* The same of `n` bytes in memory. 0 or -ENOMEM. */
int spool_history_parse(const char *data, size_t n, SpoolHistory *ret);

/* Whether that address (as written, domain compared without case) has been delivered to. */
bool spool_history_has(const SpoolHistory *history, const char *address);

/* Whether that address has been refused for good, in the present life of the message. */
bool spool_history_has_refused(const SpoolHistory *history, const char *address);

/* ---- Lines. Each formats one line into `lines`; spool_record_append() writes them in one write. 0
 * or -ENOMEM. ---- */

/* Where an outcome came from; NULL members are left out. */
typedef struct SpoolVia {
    const char *relay;   /* its name */
    const char *address; /* "192.0.2.1:587" */
    const char *tls;     /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
} SpoolVia;

/* `delivered`, `deferred` or `refused`; a relay's fault is written as `deferred`. */
int spool_record_outcome(Buffer *lines, usec_t now, const char *recipient, unsigned attempt,
    const DeliveryOutcome *outcome, const SpoolVia *via);
int spool_record_retry(Buffer *lines, usec_t now, unsigned attempt, usec_t next);
int spool_record_sent(Buffer *lines, usec_t now);
int spool_record_failed(Buffer *lines, usec_t now, int error, const char *text);

/* Appends to the claim's record, creating it (mode 0640) when there is none, and makes file and,
 * when created, directory durable. Before a record is created, a claim whose id another message
 * uses as well gets a new one: see spool_claim_id(). 0 or a negative errno with a Failure. */
int spool_record_append(SpoolClaim *claim, const Buffer *lines, Failure *f);
