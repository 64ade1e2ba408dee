/* A domain's MTA-STS policy, which connections to its relay share, and what it says of a server
 * whose certificate is good. Must never keep a connection waiting where a policy is known, nor do
 * without one that counts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "net/job_mta_sts.h"
#include "net/transport.h"

#define DOUBT (5 * USEC_PER_MINUTE)
#define PATIENCE_NEWER (5 * USEC_PER_SEC) /* that a policy which counts waits for a newer one */
#define PATIENCE (60 * USEC_PER_SEC)      /* more than name server and policy host are waited for */

void transport_forget_mta_sts(Connection *c)
{
    close_p(&c->policy_fd);
    c->policy = answer_unref(c->policy);
    free(c->policy_notice);
    c->policy_notice = NULL;
    c->policy_waited = false;
}

/* The newest answer takes the place of the one before. */
static const MtaStsResult *latest(ConnectionShared *shared, usec_t now)
{
    if (shared->next_policy && job_mta_sts_result(shared->next_policy, now)) {
        (void)answer_unref(shared->policy);
        shared->policy = TAKE_PTR(shared->next_policy);
    }
    return shared->policy ? job_mta_sts_result(shared->policy, now) : NULL;
}

static bool is_fresh(Answer *answer, const MtaStsResult *result, usec_t now)
{
    return now < usec_add(answer_seen(answer), result->lifetime);
}

/* 0, or a negative errno. */
static int start(ConnectionShared *shared, const MtaStsResult *former, usec_t now)
{
    if (shared->next_policy)
        return 0;
    shared->policy_begun = now;
    return job_mta_sts_start(shared->worker, shared->relay, former, &shared->next_policy);
}

static bool counts(const MtaStsResult *result, usec_t now)
{
    return result && result->known && now < result->until;
}

/* 1 with the policy that counts now, or with the reason why there is none; 0 where it has to be
 * waited for. */
static int choose(Connection *c, usec_t now)
{
    ConnectionShared *shared = c->shared;
    const MtaStsResult *result = latest(shared, now);
    bool fresh = result && is_fresh(shared->policy, result, now);
    int r;

    if (counts(result, now) || (fresh && !result->known)) {
        c->policy = answer_ref(shared->policy);
        return 1;
    }
    r = start(shared, result, now);
    if (r >= 0)
        c->policy = answer_ref(shared->next_policy);
    c->policy_until = usec_add(now, PATIENCE);
    return r;
}

static int await(Connection *c)
{
    c->policy_fd = answer_watch(c->policy);
    if (c->policy_fd < 0)
        return c->policy_fd;
    transport_trace(c, "asking for the MTA-STS policy of %s", c->relay->tls_mta_sts_domain);
    transport_use_fd(c, c->policy_fd);
    return 0;
}

static int begin(Connection *c, usec_t now)
{
    int r = choose(c, now);

    return r == 0 ? await(c) : MIN(r, 0);
}

static int no_thread(Connection *c, int error)
{
    if (error == -ENOMEM)
        return error;
    c->own = true;
    return failure_reason(&c->failure, REASON_NO_RESOURCES,
        failure_set_errno(&c->failure, error, "cannot ask for the MTA-STS policy of %s",
            c->relay->tls_mta_sts_domain));
}

/* Nobody knows then whether there is one that counts. */
static int time_out(Connection *c)
{
    char what[COMMAND_WAITS_MAX];
    const char *remedy;

    job_mta_sts_waits_for(c->policy, what, &remedy);
    return failure_reason(&c->failure, REASON_NAME_SERVER_SILENT,
        failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
            "the MTA-STS policy of %s did not come in time%s%s: %s", c->relay->tls_mta_sts_domain,
            *what ? ", for there is no answer of " : "", what,
            remedy
                ?: "another such question has no answer yet; tls_mta_sts = \"off\" does without"));
}

/* What it does not allow: a server that it does not name, and where one is required that is
 * enforced, anything else. */
static bool forbids(const Connection *c, const MtaStsResult *result)
{
    bool enforced = result->known && result->policy.mode == MTA_STS_ENFORCE;

    if (!enforced)
        return c->relay->tls_mta_sts == TLS_CHECK_REQUIRE;
    return !mta_sts_matches(&result->policy, tls_stream_name(c->tls));
}

/* Before a server is turned down for a policy it is looked for anew, if that was not done just now
 * (RFC 8461, 5.1). */
static bool is_doubtful(const Connection *c, const MtaStsResult *result, usec_t now)
{
    return result->known && forbids(c, result) &&
           (result->lifetime == 0 || now >= usec_add(answer_seen(c->policy), DOUBT));
}

/* What allows the relay and counts is used where nothing newer comes. */
static const MtaStsResult *fall_back(Connection *c, usec_t now)
{
    const MtaStsResult *former = latest(c->shared, now);

    if (!counts(former, now) || forbids(c, former))
        return NULL;
    (void)answer_unref(c->policy);
    c->policy = answer_ref(c->shared->policy);
    return former;
}

/* 0, or a negative errno after which what was known is still there. */
static int wait_for_newer(Connection *c, const MtaStsResult *result, usec_t now, usec_t patience)
{
    int r = start(c->shared, result, now);

    if (r < 0)
        return r;
    close_p(&c->policy_fd);
    (void)answer_unref(c->policy);
    c->policy = answer_ref(c->shared->next_policy);
    c->policy_until = usec_add(patience == PATIENCE ? now : c->shared->policy_begun, patience);
    r = await(c);
    if (r >= 0)
        transport_wait_for(c, POLLIN, c->policy_until);
    return r;
}

/* One that counts is from the file, or old: there may be a new record, after which it is not to be
 * used any more (RFC 8461, 3.1). Once a connection, and not for long. */
static bool is_old(Connection *c, const MtaStsResult *result, usec_t now)
{
    bool old = latest(c->shared, now) == result && !is_fresh(c->policy, result, now);

    if (!old || c->policy_waited)
        return false;
    c->policy_waited = true;
    return true;
}

int transport_find_mta_sts(Connection *c, usec_t now)
{
    int r = c->policy ? 0 : begin(c, now);
    const MtaStsResult *result;

    if (r < 0)
        return no_thread(c, r);
    result = job_mta_sts_result(c->policy, now);
    if (!result && now >= c->policy_until)
        result = fall_back(c, now);
    if (!result && now >= c->policy_until)
        return time_out(c);
    if (!result) {
        transport_wait_for(c, POLLIN, c->policy_until);
        return 0;
    }
    (void)latest(c->shared, now); /* else this one would be waited for again */
    if (is_doubtful(c, result, now)) {
        r = wait_for_newer(c, result, now, PATIENCE);
        return r < 0 ? no_thread(c, r) : 0;
    }
    if (is_old(c, result, now)) {
        r = wait_for_newer(c, result, now, PATIENCE_NEWER);
        if (r >= 0 || r == -ENOMEM)
            return r;
    }
    if (c->policy_fd >= 0) {
        transport_use_fd(c, c->socket_fd);
        close_p(&c->policy_fd);
    }
    if (result->error < 0)
        return result->error;
    if (result->notice)
        transport_trace(c, "MTA-STS: %s", result->notice);
    if (result->notice && !c->policy_notice)
        c->policy_notice = strdup(result->notice);
    if (result->trouble.number != 0)
        transport_trace(c, "MTA-STS: %s", failure_text(&result->trouble));
    if (result->known)
        transport_trace(c, "MTA-STS: the policy of %s is %s", c->relay->tls_mta_sts_domain,
            mta_sts_mode_name(result->policy.mode));
    return 1;
}

/* ---- what it says ---- */

static int lacks_policy(Connection *c, const MtaStsResult *result)
{
    char why[400];

    if (result->known)
        snprintf(why, sizeof(why), "the MTA-STS policy of %.255s has the mode \"%s\"",
            c->relay->tls_mta_sts_domain, mta_sts_mode_name(result->policy.mode));
    else
        snprintf(why, sizeof(why), "%.390s",
            result->trouble.number != 0 ? failure_text(&result->trouble) : "there is no policy");
    return failure_reason(&c->failure, REASON_CERTIFICATE_POLICY,
        failure_set(&c->failure, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "%s may not be used: tls_mta_sts = \"require\" asks for an MTA-STS policy that is "
            "enforced, and %s; set tls_mta_sts to \"try\" to do without",
            c->relay->host, why));
}

/* Others are told; where the policy is only tested, nothing more comes of it. */
static int is_another(Connection *c, const MtaStsResult *result)
{
    char names[MTA_STS_LIST_MAX];
    bool enforced = result->policy.mode == MTA_STS_ENFORCE;

    mta_sts_list(&result->policy, names);
    if (!enforced) {
        free(c->policy_notice);
        c->policy_notice = NULL;
        if (asprintf(&c->policy_notice,
                "the MTA-STS policy of %s, which is being tested, does not name %s (its mx: %s); "
                "once "
                "it is enforced the relay is not used: check host and tls_mta_sts_domain",
                c->relay->tls_mta_sts_domain, tls_stream_name(c->tls), names) < 0) {
            c->policy_notice = NULL;
            return -ENOMEM;
        }
        transport_trace(c, "MTA-STS: %s", c->policy_notice);
        return 1;
    }
    return failure_reason(&c->failure, REASON_CERTIFICATE_POLICY,
        failure_set(&c->failure, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "%s may not be used: the MTA-STS policy of %s does not name it (its mx: %s); check "
            "host "
            "and tls_mta_sts_domain, or set tls_mta_sts to \"off\" where the relay is none of that "
            "domain's",
            tls_stream_name(c->tls), c->relay->tls_mta_sts_domain, names));
}

int transport_judge_mta_sts(Connection *c, usec_t now)
{
    const MtaStsResult *result = job_mta_sts_result(c->policy, now);
    bool enforced = result->known && result->policy.mode == MTA_STS_ENFORCE;

    if (!enforced && forbids(c, result))
        return lacks_policy(c, result);
    if (!result->known || result->policy.mode == MTA_STS_NONE ||
        mta_sts_matches(&result->policy, tls_stream_name(c->tls)))
        return 1;
    return is_another(c, result);
}

/* ---- for who asks ---- */

const char *connection_policy_notice(const Connection *c)
{
    return c->policy_notice;
}

char *connection_describe_policy(const Connection *c, usec_t now)
{
    const MtaStsResult *result =
        c->policy && answer_seen(c->policy) != USEC_NEVER ? job_mta_sts_result(c->policy, 0) : NULL;
    char names[MTA_STS_LIST_MAX];
    char *text = NULL;
    int r;

    if (!result)
        return NULL;
    mta_sts_list(&result->policy, names);
    if (result->known)
        r = asprintf(&text, "%s: %s, mx %s; fetched %llu hours ago, counts for %llu hours%s%s",
            c->relay->tls_mta_sts_domain, mta_sts_mode_name(result->policy.mode),
            *names ? names : "of nobody",
            (unsigned long long)((now > result->fetched ? now - result->fetched : 0) /
                                 USEC_PER_HOUR),
            (unsigned long long)(result->policy.max_age / USEC_PER_HOUR),
            c->policy_notice ? "\n" : "", c->policy_notice ?: "");
    else
        r = asprintf(&text, "none: %s",
            result->trouble.number != 0 ? failure_text(&result->trouble) : "there is none");
    return r < 0 ? NULL : text;
}
