/* The lookup of a relay's addresses, as a job beside the caller's loop. */
#pragma once

#include "net/answer.h"
#include "net/resolve.h"

typedef struct AddressesResult {
    AddressList found;
    int error; /* 0 or negative errno; then `failure` says why */
    Failure failure;
} AddressesResult;

/* Keeps a reference to the relay. 0, or a negative errno as worker_submit(). */
int job_addresses_start(Worker *worker, RelayConfig *relay, Answer **ret);

/* Borrowed from the answer; NULL: it is not there yet. */
const AddressesResult *job_addresses_result(Answer *answer, usec_t now);
