/* Jobs that read files, run commands, and get tickets and tokens. A relay whose source hangs keeps
 * two of their threads at most: one that was given up, and the one that follows. */
#include "net/job_secrets.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/text.h"
#include "settings/secret_source.h"

typedef struct SecretsTask {
    SecretsResult result;
    RelayConfig *relay;   /* referenced */
    OauthTokens *oauth;   /* referenced, or NULL */
    Credentials *refused; /* the same */
    bool with_client;
    CommandStop stop;
} SecretsTask;

static bool source_may_block(const SecretSource *source)
{
    return source->file || source->command || source->credential;
}

bool job_secrets_may_block(const RelayConfig *relay, bool with_client)
{
    return source_may_block(&relay->password) || job_secrets_are_single(relay) ||
           oauth_is_configured(relay) || (with_client && relay->tls_certificate) ||
           (relay_is_proxied(relay) && source_may_block(&relay->proxy_password));
}

static bool takes_tickets(const RelayConfig *relay)
{
    return text_equal(relay->auth, "gssapi");
}

static bool proxy_takes_tickets(const RelayConfig *relay)
{
    return relay_is_proxied(relay) && relay->proxy_auth == PROXY_AUTH_GSSAPI;
}

bool job_secrets_are_single(const RelayConfig *relay)
{
    return takes_tickets(relay) || proxy_takes_tickets(relay);
}

static bool run_command(const RelayConfig *relay)
{
    return relay->password.command || relay->tls_key_password.command ||
           (relay_is_proxied(relay) && relay->proxy_password.command);
}

static void wait_for_ticket(const char *whose, CommandStop *stop)
{
    command_stop_waits(stop,
        "see whether the key distribution centres of /etc/krb5.conf, and the name servers, answer",
        "a Kerberos ticket for %.180s", whose);
}

static int fetch_for_proxy(const RelayConfig *relay, CommandStop *stop, SecretsResult *ret)
{
    int r = 0;

    if (relay_is_proxied(relay))
        r = secret_source_fetch(&relay->proxy_password, stop, &ret->proxy, &ret->failure);
    if (r < 0)
        return failure_prefix(&ret->failure, r, "the password for the proxy");
    if (proxy_takes_tickets(relay))
        wait_for_ticket("the proxy", stop);
    if (proxy_takes_tickets(relay))
        r = tickets_fetch_for_proxy(relay, &ret->proxy_tickets, &ret->failure);
    return r < 0 ? failure_prefix(&ret->failure, r, "the login at the proxy") : r;
}

bool job_secrets_take_long(const RelayConfig *relay)
{
    return run_command(relay) || oauth_is_configured(relay);
}

void secrets_fetch(RelayConfig *relay, OauthTokens *oauth, bool with_client, Credentials *refused,
    CommandStop *stop, SecretsResult *ret)
{
    _cleanup_secret_ Secret *key_password = NULL;

    *ret = (SecretsResult){0};
    ret->error = oauth ? oauth_tokens_get(oauth, relay, stop, &ret->password, &ret->kept,
                             &ret->notice, &ret->failure)
                       : secret_source_fetch(&relay->password, stop, &ret->password, &ret->failure);
    if (ret->error >= 0)
        ret->error = fetch_for_proxy(relay, stop, ret);
    if (ret->error >= 0 && takes_tickets(relay))
        wait_for_ticket(relay->host, stop);
    if (ret->error >= 0 && takes_tickets(relay))
        ret->error = tickets_fetch(relay, &ret->tickets, &ret->failure);
    if (ret->error < 0 || !with_client || !relay->tls_certificate)
        return;
    ret->error = secret_source_fetch(&relay->tls_key_password, stop, &key_password, &ret->failure);
    if (ret->error < 0)
        return;
    command_stop_waits(stop, "see whether the disk, or the token, that has it answers",
        "the certificate and key %.190s", relay->tls_certificate);
    ret->client = credentials_were_refused(refused, key_password)
                      ? credentials_ref(refused)
                      : credentials_load(relay, key_password);
    ret->error = ret->client ? 0 : -ENOMEM;
}

void secrets_done(SecretsResult *result)
{
    (void)secret_unref(result->password);
    (void)credentials_unref(result->client);
    (void)secret_unref(result->proxy);
    tickets_free(result->tickets);
    tickets_free(result->proxy_tickets);
    free(result->notice);
    failure_done(&result->failure);
}

static void run(void *argument)
{
    SecretsTask *task = argument;

    secrets_fetch(
        task->relay, task->oauth, task->with_client, task->refused, &task->stop, &task->result);
    /* What OpenSSL keeps for this thread, which may not use it again before it ends. */
    if (task->oauth || task->result.client)
        OPENSSL_thread_stop();
}

static void drop(void *argument)
{
    SecretsTask *task = argument;

    secrets_done(&task->result);
    (void)oauth_tokens_unref(task->oauth);
    (void)credentials_unref(task->refused);
    (void)relay_config_unref(task->relay);
    command_stop_done(&task->stop);
    free(task);
}

/* A command that waits for somebody would outlive the program that wanted its words. */
static void stop(void *argument)
{
    SecretsTask *task = argument;

    command_stop(&task->stop);
}

static const JobKind kind_files = {"secrets", run, drop, stop, .limit = 64, .limit_of_key = 2};
static const JobKind kind_commands = {
    "password commands", run, drop, stop, .limit = 64, .limit_of_key = 2};
static const JobKind kind_tokens = {"tokens", run, drop, stop, .limit = 64, .limit_of_key = 2};
static const JobKind kind_tickets = {"tickets", run, drop, stop, .limit = 64, .limit_of_key = 2};

static const JobKind *kind_for(const RelayConfig *relay)
{
    if (oauth_is_configured(relay))
        return &kind_tokens;
    if (job_secrets_are_single(relay))
        return &kind_tickets;
    return run_command(relay) ? &kind_commands : &kind_files;
}

int job_secrets_start(Worker *worker, RelayConfig *relay, OauthTokens *oauth, bool with_client,
    Credentials *refused, Answer **ret)
{
    SecretsTask *task = calloc(1, sizeof(SecretsTask));
    int r;

    if (!task)
        return -ENOMEM;
    task->relay = relay_config_ref(relay);
    task->oauth = oauth_tokens_ref(oauth);
    task->refused = credentials_ref(refused);
    task->with_client = with_client;
    command_stop_init(&task->stop);
    r = answer_new(worker, kind_for(relay), relay->name, task, ret);
    if (r < 0)
        drop(task);
    return r;
}

void job_secrets_waits_for(
    Answer *answer, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy)
{
    SecretsTask *task = answer_argument(answer);

    command_stop_what(&task->stop, ret, ret_remedy);
}

SecretsResult *job_secrets_result(Answer *answer, usec_t now)
{
    SecretsTask *task = answer_result(answer, now);

    return task ? &task->result : NULL;
}
