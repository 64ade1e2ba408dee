/* What sessions with one server teach those that follow. A caller keeps one for each server, zeroed
 * at first, and lends it to all sessions with it, which read and write it; without it each session
 * begins anew. For one thread. */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "smtp/auth.h"

typedef struct SmtpMemory {
    unsigned lessons;  /* how often something was learned that makes it worth while to connect again
                          at once: the next session leaves out what ended this one */
    unsigned lacks;    /* SmtpCapability: offered, refused when it was used, and not missed then.
                          No session uses it any more */
    usec_t bdat_again; /* BDAT was sent and never answered: no session uses it before (monotonic) */
    usec_t ehlo_again; /* it closed when EHLO was said, with a reply or without: HELO is, where that
                          suffices; likewise */
    bool ehlo_taken;   /* it has: when it closes behind EHLO it has another reason */
    SmtpAuthWays auth_worked;   /* the way of the last login that was taken */
    uint64_t auth_offered;      /* a hash of what was offered then */
    SmtpAuthWays auth_excluded; /* a login was refused, and the connection closed before the next
                                   way was through: these have been tried */
} SmtpMemory;
