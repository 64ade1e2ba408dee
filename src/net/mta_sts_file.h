/* The file that an MTA-STS policy is kept in (tls_mta_sts_file): a line of what it is, and its text
 * as it was fetched. Nothing of it is secret; it is replaced whole. Blocks. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "net/mta_sts.h"

/* 0 with the text of that domain, or a negative errno: -ENOENT, -EBADMSG where it is another's or
 * none, ... */
int mta_sts_file_load(const char *path, const char *domain, char ret_id[static MTA_STS_ID_MAX],
    usec_t *ret_fetched, Buffer *ret_text);

/* 0, or a negative errno with a Failure. `fetched` is realtime. */
int mta_sts_file_save(const char *path, const char *domain, const char *id, usec_t fetched,
    const Buffer *text, Failure *f);
