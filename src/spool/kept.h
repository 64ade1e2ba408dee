/* What a process that delivers wants to find again after a restart: a small file beside the
 * messages, .kept. It is not synced, and nothing depends on it. */
#pragma once

#include "base/buffer.h"
#include "spool/spool.h"

/* Replaces it. 0 or a negative errno. */
int spool_kept_save(const Spool *spool, const void *data, size_t n);

/* Appends what is there; -ENOENT, also for what others may have written. */
int spool_kept_load(const Spool *spool, Buffer *out);
