/* Jobs that read files and run commands. A relay whose source hangs keeps two of their threads at
 * most: one that was given up, and the one that follows. */
#include "net/job_secrets.h"

#include <errno.h>
#include <stdlib.h>

#include "settings/secret_source.h"

typedef struct SecretsTask {
    SecretsResult result;
    RelayConfig *relay; /* referenced */
    bool with_client;
} SecretsTask;

static bool source_may_block(const SecretSource *source)
{
    return source->file || source->command || source->credential;
}

bool job_secrets_may_block(const RelayConfig *relay, bool with_client)
{
    return source_may_block(&relay->password) || (with_client && relay->tls_certificate);
}

bool job_secrets_run_command(const RelayConfig *relay)
{
    return relay->password.command || relay->tls_key_password.command;
}

void secrets_fetch(const RelayConfig *relay, bool with_client, SecretsResult *ret)
{
    _cleanup_secret_ Secret *key_password = NULL;

    *ret = (SecretsResult){0};
    ret->error = secret_source_fetch(&relay->password, &ret->password, &ret->failure);
    if (ret->error < 0 || !with_client || !relay->tls_certificate)
        return;
    ret->error = secret_source_fetch(&relay->tls_key_password, &key_password, &ret->failure);
    if (ret->error < 0)
        return;
    ret->client = credentials_load(relay, key_password);
    ret->error = ret->client ? 0 : -ENOMEM;
}

void secrets_done(SecretsResult *result)
{
    (void)secret_unref(result->password);
    (void)credentials_unref(result->client);
    failure_done(&result->failure);
}

static void run(void *argument)
{
    SecretsTask *task = argument;

    secrets_fetch(task->relay, task->with_client, &task->result);
}

static void drop(void *argument)
{
    SecretsTask *task = argument;

    secrets_done(&task->result);
    (void)relay_config_unref(task->relay);
    free(task);
}

static const JobKind kind_files = {"secrets", run, drop, .limit = 64, .limit_of_key = 2};
static const JobKind kind_commands = {
    "password commands", run, drop, .limit = 64, .limit_of_key = 2};

int job_secrets_start(Worker *worker, RelayConfig *relay, bool with_client, Answer **ret)
{
    const JobKind *kind = job_secrets_run_command(relay) ? &kind_commands : &kind_files;
    SecretsTask *task = calloc(1, sizeof(SecretsTask));
    int r;

    if (!task)
        return -ENOMEM;
    task->relay = relay_config_ref(relay);
    task->with_client = with_client;
    r = answer_new(worker, kind, relay->name, task, ret);
    if (r < 0)
        drop(task);
    return r;
}

const SecretsResult *job_secrets_result(Answer *answer, usec_t now)
{
    const SecretsTask *task = answer_result(answer, now);

    return task ? &task->result : NULL;
}
