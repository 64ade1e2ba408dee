/* One claimed file as a SourceMessage: what its record says is left to do, and the ends that change
 * its state. Only the spool source uses this. */
#pragma once

#include "delivery/source.h"
#include "spool/spool.h"

/* Consumes the claim. 0 with the message; SOURCE_DEFECT (the file is `.failed` now, the Failure
 * says why); -EAGAIN when nothing was left to do for it; or another negative errno with a Failure,
 * the file being `.queued` again where possible. */
int spool_message_open(
    Source *source, SpoolClaim *claim, bool keep_sent, usec_t now, SourceMessage **ret, Failure *f);

/* The operations of SourceOps. */
int spool_message_record_outcome(SourceMessage *message, usec_t now, const char *recipient,
    unsigned attempt, const DeliveryOutcome *outcome, const OutcomeVia *via);
int spool_message_write(SourceMessage *message, Failure *f);
int spool_message_complete(SourceMessage *message, usec_t now, bool keep_sent, Failure *f);
int spool_message_defer(
    SourceMessage *message, usec_t now, unsigned attempt, usec_t next, Failure *f);
int spool_message_fail(SourceMessage *message, usec_t now, int error, const char *text, Failure *f);
int spool_message_release(SourceMessage *message, Failure *f);
void spool_message_abandon(SourceMessage *message);

/* Puts the id, whose file is in that state again, at the end of the names to look at. */
void spool_source_requeue(Source *source, const char *id, SpoolState state);
