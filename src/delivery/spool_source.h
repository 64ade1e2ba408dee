/* A queue directory as a source of messages: streams through it, listens to what the watch on it
 * saw, keeps the times of deferred messages, claims one file after the other. */
#pragma once

#include "delivery/engine.h"
#include "delivery/source.h"
#include "settings/config.h"
#include "spool/spool.h"

typedef struct SpoolSource SpoolSource;

/* The spool is borrowed. Nothing is read before spool_source_rescan(). */
int spool_source_new(Spool *spool, const SpoolConfig *config, SpoolSource **ret);
void spool_source_free(
    SpoolSource *source); /* every claimed message must have met its end; accepts NULL */

Source *spool_source_base(SpoolSource *source);

void spool_source_notice(
    SpoolSource *source, const char *file_name, EngineNotice notice, usec_t now);

/* Reads the whole directory, once more after a pass that is under way. */
void spool_source_rescan(SpoolSource *source);

/* From now on by these settings; the directory stays the same. */
void spool_source_configure(SpoolSource *source, const SpoolConfig *config);

DEFINE_CLEANUP(SpoolSource, spool_source_free);
