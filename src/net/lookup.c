/* Jobs that connections share. Must never block, nor let this host's name keep a connection from
 * anything but its EHLO, and from that not for long. */
#include "net/lookup.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/text.h"
#include "net/job_addresses.h"
#include "net/job_name.h"
#include "net/job_secrets.h"

#define ADDRESSES_KEPT (30 * USEC_PER_SEC)
#define FAILURE_KEPT (5 * USEC_PER_SEC)
#define NAME_PATIENCE (5 * USEC_PER_SEC)
#define NAME_PAUSE (10 * USEC_PER_MINUTE)   /* until a name is looked for again */
#define COMMAND_TIMEOUT (40 * USEC_PER_SEC) /* more than a password command may take */

struct Lookup {
    ConnectionShared *shared;
    Answer *addresses, *secrets; /* NULL: no job is needed */
    Answer *name;                /* NULL: not waited for */
    const Answer *watched;
    int fd; /* readable with the watched one, or -1 */
    unsigned watches;
    usec_t limit, deadline; /* of addresses and secrets */
    usec_t waits_until;
    int error; /* a job could not be submitted; then `failure` says why */
    Failure failure;
};

/* ---- starting them ---- */

static bool wants_client(const ConnectionShared *shared)
{
    return shared->relay->tls != TLS_MODE_NONE && !shared->tls;
}

static bool are_fresh(Answer *addresses, usec_t now)
{
    const AddressesResult *result = job_addresses_result(addresses, now);

    if (!result)
        return true; /* it comes */
    return now <
           usec_add(answer_seen(addresses), result->error < 0 ? FAILURE_KEPT : ADDRESSES_KEPT);
}

static int want_addresses(Lookup *lookup, usec_t now)
{
    ConnectionShared *shared = lookup->shared;
    int r = 0;

    if (!resolve_may_block(shared->relay))
        return 0;
    if (shared->addresses && !are_fresh(shared->addresses, now))
        shared->addresses = answer_unref(shared->addresses);
    if (!shared->addresses)
        r = job_addresses_start(shared->worker, shared->relay, &shared->addresses);
    if (r >= 0)
        lookup->addresses = answer_ref(shared->addresses);
    return r;
}

/* Only a job that still runs is shared: a password that has been changed is used at once. */
static int want_secrets(Lookup *lookup, usec_t now)
{
    ConnectionShared *shared = lookup->shared;
    int r = 0;

    if (!job_secrets_may_block(shared->relay, wants_client(shared)))
        return 0;
    if (job_secrets_are_single(shared->relay))
        return job_secrets_start(shared->worker, shared->relay, shared->oauth, wants_client(shared),
            shared->refused, &lookup->secrets);
    if (shared->secrets && job_secrets_result(shared->secrets, now))
        shared->secrets = answer_unref(shared->secrets);
    if (!shared->secrets)
        r = job_secrets_start(shared->worker, shared->relay, shared->oauth, wants_client(shared),
            shared->refused, &shared->secrets);
    if (r >= 0)
        lookup->secrets = answer_ref(shared->secrets);
    return r;
}

/* Takes over the name when it has come. */
static void see_name(ConnectionShared *shared, usec_t now)
{
    char **name = shared->name ? job_name_result(shared->name, now) : NULL;

    if (!name)
        return;
    free(shared->host_name);
    shared->host_name = TAKE_PTR(*name);
    shared->name = answer_unref(shared->name);
    shared->name_again = usec_add(now, NAME_PAUSE);
}

/* Without the job there is no name, and the address will do. */
static void start_name(ConnectionShared *shared, usec_t now)
{
    shared->name_again = usec_add(now, NAME_PAUSE);
    shared->name_until = usec_add(now, NAME_PATIENCE);
    (void)job_name_start(shared->worker, &shared->name);
}

static void want_name(Lookup *lookup, usec_t now)
{
    ConnectionShared *shared = lookup->shared;

    if (shared->relay->hello)
        return;
    see_name(shared, now);
    if (shared->host_name)
        return;
    if (host_name_is_qualified())
        (void)host_name_get(&shared->host_name);
    else if (!shared->name && now >= shared->name_again)
        start_name(shared, now);
    if (shared->name && now < shared->name_until)
        lookup->name = answer_ref(shared->name);
}

static int refuse(Lookup *lookup, int error)
{
    if (error == -ENOMEM)
        return error;
    lookup->error = failure_set(&lookup->failure, error, error_from_spawn(error),
        "cannot look up %s: no %s can be had (%s); raise the limit of %s",
        resolve_name(lookup->shared->relay), error == -EAGAIN ? "thread" : "descriptor",
        strerrordesc_np(-error), error == -EAGAIN ? "tasks (TasksMax=, ulimit -u)" : "open files");
    lookup->failure.reason = REASON_NO_RESOURCES;
    return 0;
}

/* How long addresses and secrets may take; 0: for ever. */
static usec_t time_limit(const RelayConfig *relay)
{
    return job_secrets_take_long(relay) && relay->timeout > 0 ? MAX(relay->timeout, COMMAND_TIMEOUT)
                                                              : relay->timeout;
}

int lookup_new(ConnectionShared *shared, usec_t now, Lookup **ret)
{
    _cleanup_(lookup_free_p) Lookup *lookup = calloc(1, sizeof(Lookup));
    int r;

    if (!lookup)
        return -ENOMEM;
    lookup->shared = shared;
    lookup->fd = -1;
    lookup->limit = time_limit(shared->relay);
    lookup->deadline = lookup->limit > 0 ? usec_add(now, lookup->limit) : USEC_NEVER;
    r = want_addresses(lookup, now);
    if (r >= 0)
        r = want_secrets(lookup, now);
    if (r >= 0)
        want_name(lookup, now);
    else
        r = refuse(lookup, r);
    if (r >= 0)
        *ret = TAKE_PTR(lookup);
    return r;
}

/* ---- waiting for them ---- */

/* 0, or a negative errno. */
static int watch(Lookup *lookup, const Answer *answer, usec_t until)
{
    lookup->waits_until = until;
    if (lookup->watched == answer)
        return 0;
    close_p(&lookup->fd);
    lookup->fd = answer_watch(answer);
    lookup->watches++;
    lookup->watched = answer;
    return MIN(lookup->fd, 0);
}

LookupWait lookup_waits_for(
    const Lookup *lookup, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy)
{
    ret[0] = '\0';
    *ret_remedy = NULL;
    if (!lookup->watched)
        return LOOKUP_WAITS_FOR_NOTHING;
    if (lookup->watched == lookup->secrets) {
        job_secrets_waits_for(lookup->secrets, ret, ret_remedy);
        return LOOKUP_WAITS_FOR_SECRETS;
    }
    return lookup->watched == lookup->addresses ? LOOKUP_WAITS_FOR_ADDRESSES
                                                : LOOKUP_WAITS_FOR_NAME;
}

static void time_out(const Lookup *lookup, LookupResult *ret)
{
    const RelayConfig *relay = lookup->shared->relay;
    _cleanup_free_
    char *time = text_format_duration(lookup->limit);
    char what[COMMAND_WAITS_MAX];
    const char *remedy;

    ret->own = ret->secret_failed =
        lookup_waits_for(lookup, what, &remedy) == LOOKUP_WAITS_FOR_SECRETS;
    if (ret->secret_failed)
        ret->error = failure_set(&ret->failure, -ETIMEDOUT, ERROR_TIMEOUT,
            "what the login at %s needs was waited for longer than %s: for %s; %s", relay->host,
            time ?: "allowed", *what ? what : "its turn",
            remedy ?: "others hang that were asked for before: see what the log says of them");
    else
        ret->error = failure_set(&ret->failure, -ETIMEDOUT, ERROR_TIMEOUT,
            "the name lookup of %s took longer than %s: check /etc/resolv.conf "
            "and its name servers",
            resolve_name(relay), time ?: "allowed");
    ret->failure.reason = ret->secret_failed ? REASON_SECRET_TIMEOUT : REASON_NAME_SERVER_SILENT;
}

/* 1 when the answer is there, or none is wanted; 0 to wait; 2 when the result is a failure. */
static int wait_for(Lookup *lookup, Answer *answer, usec_t now, LookupResult *ret)
{
    int r;

    if (!answer || answer_result(answer, now))
        return 1;
    r = watch(lookup, answer, lookup->deadline);
    if (r < 0) {
        ret->own = true;
        ret->error = failure_set_errno(&ret->failure, r,
            "cannot wait for the lookup of %s; raise the limit of open files",
            resolve_name(lookup->shared->relay));
        ret->failure.reason = REASON_NO_RESOURCES;
        return 2;
    }
    if (now < lookup->deadline)
        return 0;
    time_out(lookup, ret);
    return 2;
}

static void copy_failure(const Failure *failure, int error, LookupResult *ret)
{
    ret->error = failure_set(&ret->failure, error, failure->number, "%s", failure_text(failure));
    ret->failure.reason = failure->reason;
}

static void take_addresses(Lookup *lookup, usec_t now, LookupResult *ret)
{
    const AddressesResult *result =
        lookup->addresses ? job_addresses_result(lookup->addresses, now) : NULL;

    if (!result)
        ret->error = resolve_relay(lookup->shared->relay, &ret->found, &ret->failure);
    else if (result->error < 0)
        copy_failure(&result->failure, result->error, ret);
    else
        ret->error = address_list_copy(&result->found, &ret->found);
    ret->own = ret->failure.reason == REASON_HOST_MALFORMED;
}

/* A token locks itself after a few wrong PINs. */
static void note_refused(ConnectionShared *shared, Credentials *client)
{
    if (!client || client == shared->refused)
        return;
    (void)credentials_unref(shared->refused);
    shared->refused = client->refused ? credentials_ref(client) : NULL;
}

static void take_secrets(Lookup *lookup, usec_t now, LookupResult *ret)
{
    SecretsResult here = {0};
    SecretsResult *result = lookup->secrets ? job_secrets_result(lookup->secrets, now) : &here;

    if (result == &here)
        secrets_fetch(lookup->shared->relay, lookup->shared->oauth, wants_client(lookup->shared),
            lookup->shared->refused, NULL, &here);
    note_refused(lookup->shared, result->client);
    ret->password = secret_ref(result->password);
    ret->client = credentials_ref(result->client);
    ret->proxy_password = secret_ref(result->proxy);
    ret->kept = result->kept;
    ret->notice = TAKE_PTR(result->notice);
    if (job_secrets_are_single(lookup->shared->relay)) {
        ret->tickets = TAKE_PTR(result->tickets);
        ret->proxy_tickets = TAKE_PTR(result->proxy_tickets);
    }
    ret->own = ret->secret_failed = result->error < 0;
    if (result->error < 0)
        copy_failure(&result->failure, result->error, ret);
    if (result->error < 0 && ret->failure.reason == REASON_NONE)
        ret->failure.reason = REASON_SECRET;
    secrets_done(&here);
}

/* 1 when the name is there or not to be waited for any longer. */
static int wait_for_name(Lookup *lookup, usec_t now)
{
    ConnectionShared *shared = lookup->shared;
    usec_t until = MIN(shared->name_until, lookup->deadline);

    see_name(shared, now);
    if (!lookup->name || lookup->name != shared->name || now >= until)
        return 1;
    return watch(lookup, lookup->name, until) < 0;
}

static int take_all(Lookup *lookup, usec_t now, LookupResult *ret)
{
    take_addresses(lookup, now, ret);
    if (ret->error >= 0)
        take_secrets(lookup, now, ret);
    if (ret->error >= 0 && lookup->shared->host_name) {
        ret->host_name = strdup(lookup->shared->host_name);
        ret->error = ret->host_name ? 0 : -ENOMEM;
    }
    return 1;
}

int lookup_step(Lookup *lookup, usec_t now, LookupResult *ret)
{
    Answer *const answers[] = {lookup->addresses, lookup->secrets};

    *ret = (LookupResult){0};
    if (lookup->error < 0) {
        ret->error = lookup->error;
        ret->own = true;
        ret->failure = lookup->failure;
        lookup->failure = (Failure){0};
        return 1;
    }
    for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
        int r = wait_for(lookup, answers[i], now, ret);

        if (r != 1)
            return r == 2;
    }
    return wait_for_name(lookup, now) ? take_all(lookup, now, ret) : 0;
}

int lookup_fd(const Lookup *lookup)
{
    return lookup->fd;
}

unsigned lookup_watches(const Lookup *lookup)
{
    return lookup->watches;
}

usec_t lookup_deadline(const Lookup *lookup)
{
    return lookup->waits_until;
}

void lookup_put_off(Lookup *lookup, usec_t time)
{
    lookup->deadline = usec_add(lookup->deadline, time);
    lookup->waits_until = usec_add(lookup->waits_until, time);
}

void lookup_result_done(LookupResult *result)
{
    address_list_done(&result->found);
    free(result->host_name);
    free(result->notice);
    (void)secret_unref(result->password);
    (void)credentials_unref(result->client);
    (void)secret_unref(result->proxy_password);
    tickets_free(result->tickets);
    tickets_free(result->proxy_tickets);
    failure_done(&result->failure);
    *result = (LookupResult){0};
}

/* What is under way is not kept for itself: a later connection asks anew. */
static void leave(Answer *mine, Answer **shared)
{
    bool kept = mine && mine == *shared;

    (void)answer_unref(mine);
    if (kept && !answer_is_shared(*shared) && answer_seen(*shared) == USEC_NEVER)
        *shared = answer_unref(*shared);
}

void lookup_free(Lookup *lookup)
{
    if (!lookup)
        return;
    close_p(&lookup->fd);
    leave(lookup->addresses, &lookup->shared->addresses);
    leave(lookup->secrets, &lookup->shared->secrets);
    (void)answer_unref(lookup->name);
    failure_done(&lookup->failure);
    free(lookup);
}
