/* The decision at the end of an attempt. Must never decide by anything but outcomes, nor forget a
 * recipient. */
#include "delivery/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "delivery/retry.h"

static Verdict expired(const Tally *t)
{
    Verdict v = {.change = MESSAGE_FAILED, .error = ERROR_EXPIRED};

    if (asprintf(&v.text, "given up after %u attempt%s; the last: %s", t->attempt,
            t->attempt == 1 ? "" : "s", t->reason ?: "not enough memory to tell") < 0)
        v.text = NULL;
    return v;
}

static Verdict refused(const Tally *t)
{
    Verdict v = {.change = MESSAGE_FAILED, .error = ERROR_REFUSED};

    if (asprintf(&v.text, "%zu of %zu recipients refused; %s", t->refused + t->refused_before,
            t->recipients, t->reason ?: "recipients were refused in an earlier attempt") < 0)
        v.text = NULL;
    return v;
}

Verdict verdict_reach(const Tally *t, const RetryConfig *retry, uint32_t random, usec_t now)
{
    if (t->deferred > 0 && retry_is_over(retry, t->attempt, t->first_attempt, now))
        return expired(t);
    if (t->deferred > 0)
        return (Verdict){
            .change = MESSAGE_DEFERRED,
            .next = usec_add(now, retry_pause(retry, t->attempt, random)),
            .text = strdup(t->reason ?: "not enough memory to tell"),
        };
    if (t->delivered + t->refused < t->pending)
        return (Verdict){.change = MESSAGE_RETURNED};
    if (t->refused + t->refused_before > 0)
        return refused(t);
    return (Verdict){.change = MESSAGE_SENT};
}
