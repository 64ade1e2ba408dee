/* The delivery record `X.status`: one JSON object a line (RFC 8259), appended, and replaced as a
 * whole when most of it has been superseded.
 *
 * It belongs to the file that its first line names, and no other inherits it, whatever it is called
 * (spool/identity.h).
 *
 * A torn last line (the machine died while it was written) is no error: it is ended before the next
 * line is appended. Unknown events and fields are skipped, so that older programs read newer
 * records. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/outcome.h"
#include "spool/spool.h"

/* Attempts of the present life at whose end a connection was lost under recipients, with no verdict
 * on them, as far as the record still has them. */
typedef struct SpoolLoss {
    char *address;
    unsigned attempt; /* 1: the first of those */
} SpoolLoss;

typedef struct SpoolLosses {
    SpoolLoss *list; /* by address */
    size_t n;
    unsigned attempts;
    bool open; /* while the record is read: the last of them has no end yet */
} SpoolLosses;

/* The last of those attempts in which that address (as written) was among them; 0: none. */
unsigned spool_losses_latest(const SpoolLosses *losses, const char *address);

/* What a record says about the attempts so far. A message has one life after the other: a new one
 * begins when it was given up (`failed`) and when somebody queued it anew (`queued`). */
typedef struct SpoolHistory {
    unsigned attempts;    /* counted attempts of the present life; the last `retry` line's number */
    unsigned tries;       /* attempts that were made in it, or, when it has ended, in the last one:
                           * the highest number that a line tells */
    usec_t first_attempt; /* realtime of the first of them, from which its age counts; 0: none */
    usec_t next;          /* of the last of them (realtime): when it is due again; 0: none */
    usec_t latest;        /* realtime of the last line that is not `deferred` */
    char **delivered;     /* addresses with a `delivered` line, sorted for spool_history_has() */
    size_t n_delivered;
    char **refused; /* addresses with a `refused` line since the last `failed` line (an operator who
                     * queues a failed message anew wants those tried again), sorted */
    size_t n_refused;
    SpoolLosses losses;
    bool warned;  /* somebody was told that it waits */
    bool waiting; /* the last line is `retry`: in `.queued`, somebody released the message, or had
                     it retried; write a `queued` line */
    bool ended;   /* it is `failed` or `sent` */
    bool sent;    /* it is `sent`: the record is closed */
} SpoolHistory;

/* Reads the record of the claim into it, once: where it is there already, or the claim has no
 * record, nothing is done. A long record (spool_claim_record_bytes()) takes a while, linear in its
 * size, in memory bounded by the number of recipients: read it on another thread, while
 * which nobody else uses the claim; nothing else is shared. A record that is long and says little
 * that still holds is replaced by a shorter one (spool/compact.c), the message's times unchanged.
 *
 * 0, or a negative errno with a Failure: delivering without the record could send twice. Lines that
 * are not JSON, or longer than any of ours, are skipped. A record is never too large. */
int spool_history_load(SpoolClaim *claim, Failure *f);

/* What was read, with nothing of what was appended since. Borrowed until the claim ends; NULL
 * before spool_history_load() when the claim has a record. */
const SpoolHistory *spool_claim_history(const SpoolClaim *claim);

/* The same by name, for a message in any state (the tool); nothing is changed. A message without a
 * record, beside which another's may be, has an empty history: 0. */
int spool_history_load_id(
    const Spool *spool, const char *id, SpoolState state, SpoolHistory *ret, Failure *f);
void spool_history_done(SpoolHistory *history);

/* The same of `n` bytes in memory. 0 or -ENOMEM. */
int spool_history_parse(const char *data, size_t n, SpoolHistory *ret);

/* Whether that mailbox, an address with its domain in ASCII and in any case (base/idn.h), has been
 * delivered to, however the record writes it. */
bool spool_history_has(const SpoolHistory *history, const char *mailbox);

/* Whether it has been refused for good, in the present life of the message. */
bool spool_history_has_refused(const SpoolHistory *history, const char *mailbox);

/* A line as JSON; NULL, and 0, for one that is none, be it torn. The caller drops it. 0 or -ENOMEM.
 */
int spool_record_line_load(const char *line, size_t n, json_t **ret);

/* Called with each line in turn, without its end; borrowed. Not 0 ends the reading. */
typedef int (*SpoolLineHandler)(void *user, const char *line, size_t n);

/* Streams through the record of a message in any state. 0, also without a line when it has none;
 * what the handler returned, or a negative errno with a Failure. */
int spool_record_read(const Spool *spool, const char *id, SpoolState state,
    SpoolLineHandler handler, void *user, Failure *f);

/* What was said of a recipient in one attempt. Borrowed for the call; no member is NULL but
 * `relay`. */
typedef struct SpoolVerdict {
    const char *recipient; /* as written */
    bool delivered, refused;
    int code;
    const char *enhanced, *text;
    const char *relay;
    usec_t time; /* realtime */
} SpoolVerdict;

/* Called with each in turn, and with NULL where a new life of the message begins. Not 0 ends the
 * reading. */
typedef int (*SpoolVerdictHandler)(void *user, const SpoolVerdict *verdict);

/* Streams through what the record of a claim says by now. As spool_record_read(). */
int spool_record_verdicts(
    const SpoolClaim *claim, SpoolVerdictHandler handler, void *user, Failure *f);

/* The same of `n` bytes in memory. 0, -ENOMEM, or what the handler returned. */
int spool_record_verdicts_parse(
    const char *data, size_t n, SpoolVerdictHandler handler, void *user);

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

/* The end of an attempt. `hint` says what can be done about it, once for all its recipients, or is
 * NULL. */
int spool_record_retry(Buffer *lines, usec_t now, unsigned attempt, usec_t next, const char *hint);
int spool_record_failed(Buffer *lines, usec_t now, int error, const char *text, const char *hint);

/* Somebody queued the message anew: its life begins again, with no attempt counted. Those who were
 * refused stay refused. */
int spool_record_queued(Buffer *lines, usec_t now);
int spool_record_sent(Buffer *lines, usec_t now);

/* Somebody is told that the message waits, once. Before the `retry` line. */
int spool_record_warned(Buffer *lines, usec_t now);

/* Appends to the claim's record, creating it (mode 0640) when there is none, and makes file and,
 * when created, directory durable. Before a record is created, a claim whose id another message
 * uses as well gets a new one: see spool_claim_id().
 *
 * A record that can no longer be appended to (somebody linked, removed, replaced or locked it up)
 * is written anew from what the claim knows, under a new id where its name cannot be had; for that
 * the claim's history must have been loaded.
 *
 * 0 or a negative errno with a Failure. Nothing is appended by halves: call it again later with the
 * same lines. error_is_common() tells what pauses everything from what is this message's
 * alone. */
int spool_record_append(SpoolClaim *claim, const Buffer *lines, Failure *f);
