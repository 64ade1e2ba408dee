/* A job that asks name servers. A relay whose name server hangs keeps two of its threads at most:
 * one that was given up, and the one that follows. */
#include "net/job_addresses.h"

#include <errno.h>
#include <stdlib.h>

typedef struct AddressesTask {
    AddressesResult result;
    RelayConfig *relay; /* referenced */
} AddressesTask;

static void run(void *argument)
{
    AddressesTask *task = argument;
    AddressesResult *result = &task->result;

    result->error = resolve_relay(task->relay, &result->found, &result->failure);
}

static void drop(void *argument)
{
    AddressesTask *task = argument;

    address_list_done(&task->result.found);
    failure_done(&task->result.failure);
    (void)relay_config_unref(task->relay);
    free(task);
}

static const JobKind kind = {"name lookup", run, drop, .limit = 64, .limit_of_key = 2};

int job_addresses_start(Worker *worker, RelayConfig *relay, Answer **ret)
{
    AddressesTask *task = calloc(1, sizeof(AddressesTask));
    int r;

    if (!task)
        return -ENOMEM;
    task->relay = relay_config_ref(relay);
    r = answer_new(worker, &kind, relay->host, task, ret);
    if (r < 0)
        drop(task);
    return r;
}

const AddressesResult *job_addresses_result(Answer *answer, usec_t now)
{
    const AddressesTask *task = answer_result(answer, now);

    return task ? &task->result : NULL;
}
