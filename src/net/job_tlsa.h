/* Asking a validating name server for TLSA records, as a job beside the caller's loop. */
#pragma once

#include "base/failure.h"
#include "net/answer.h"
#include "net/tlsa.h"

typedef struct TlsaResult {
    TlsaSet set;     /* signed records; none: there are none, or nobody has signed them */
    usec_t lifetime; /* of this result */
    int error;       /* 0 or negative errno; then `failure` says why */
    Failure failure;
} TlsaResult;

/* `name` in ASCII. Only what the name server calls authentic counts (the AD bit, RFC 6840, 5.7):
 * of one on this host, or where resolv.conf says "options trust-ad". Blocks. */
void tlsa_look_up(const char *name, unsigned port, TlsaResult *ret);
void tlsa_result_done(TlsaResult *result);

/* 0, or a negative errno as worker_submit(). */
int job_tlsa_start(Worker *worker, const char *name, unsigned port, Answer **ret);

/* Borrowed from the answer; NULL: it is not there yet. */
const TlsaResult *job_tlsa_result(Answer *answer, usec_t now);
