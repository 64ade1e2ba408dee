/* A job that gets a policy. Must never let one that counts be forgotten because nothing newer can
 * be had: whoever is in between could keep it away. */
#include "net/job_mta_sts.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"
#include "net/http_call.h"
#include "net/mta_sts_file.h"

#define LIFETIME_GOOD USEC_PER_HOUR
#define LIFETIME_TROUBLE (5 * USEC_PER_MINUTE) /* RFC 8461, 3.3 */
#define AGE_MIN USEC_PER_MINUTE                /* so long any policy counts */
#define CLOCK_SLACK USEC_PER_HOUR /* that clocks are set back by, and times lie ahead */
#define FETCH_LIMIT (20 * USEC_PER_SEC)

/* ---- the record ---- */

static int no_record(const char *domain, const char *what, Failure *f)
{
    return failure_set(f, -ENOENT, ERROR_NO_DATA,
        "%s has no MTA-STS policy: %s _mta-sts.%s; see what \"dig TXT _mta-sts.%s\" says, and "
        "check "
        "tls_mta_sts_domain",
        domain, what, domain, domain);
}

static int ask(res_state state, const char *domain, unsigned char *message, char *id, Failure *f)
{
    char question[NS_MAXDNAME];
    int n;

    snprintf(question, sizeof(question), "_mta-sts.%.*s", NS_MAXDNAME - 20, domain);
    n = res_nquery(state, question, ns_c_in, ns_t_txt, message, NS_MAXMSG);
    if (n < 0 && (state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA))
        return no_record(domain, "there is no record", f);
    if (n < 0)
        return failure_set(f, -EAGAIN, ERROR_TRY_AGAIN,
            "whether %s has an MTA-STS policy cannot be found out: no name server tells about "
            "_mta-sts.%s; check /etc/resolv.conf and its name servers",
            domain, domain);
    n = mta_sts_record(message, (size_t)MIN(n, NS_MAXMSG), id);
    return n > 0 ? 0 : no_record(domain, "there is not one good record", f);
}

static int find_record(const char *domain, char id[static MTA_STS_ID_MAX], Failure *f)
{
    struct __res_state state = {0};
    unsigned char *message = malloc(NS_MAXMSG);
    int r = -ENOMEM;

    if (message && res_ninit(&state) >= 0) {
        state.options |= RES_USE_EDNS0;
        r = ask(&state, domain, message, id, f);
        res_nclose(&state);
    }
    free(message);
    return r;
}

/* ---- the policy ---- */

static int judge_response(const HttpResponse *response, Failure *f)
{
    size_t n = strlen("text/plain");

    if (response->status / 100 == 3)
        return failure_set(f, -EPROTO, ERROR_COMMUNICATION,
            "it sends on elsewhere (status %d), which does not count for a policy",
            response->status);
    if (response->status != 200)
        return failure_set(
            f, -EPROTO, ERROR_COMMUNICATION, "it answers with status %d", response->status);
    if (response->type && (!text_starts_nocase(response->type, "text/plain") ||
                              text_is_alphanumeric(response->type[n])))
        return failure_set(f, -EPROTO, ERROR_COMMUNICATION,
            "what it answers is not text/plain, as a policy has to be");
    return 0;
}

static int fetch_text(
    const RelayConfig *relay, const char *url, CommandStop *stop, Buffer *ret, Failure *f)
{
    const HttpCall call = {
        .url = url,
        .url_setting = "tls_mta_sts_domain",
        .accept = "text/plain",
        .ca_file = relay->tls_mta_sts_ca_file,
        .ca_setting = "tls_mta_sts_ca_file",
        .way = relay,
        .max = MTA_STS_POLICY_MAX,
        .limit = FETCH_LIMIT,
        .stop = stop,
        .server = "the MTA-STS server",
        .remedy = "see whether this host gets there, and who runs it; tls_mta_sts = \"off\" does "
                  "without",
    };
    HttpResponse response;
    int r = http_call(&call, &response, f);

    if (r < 0)
        return r;
    r = judge_response(&response, f);
    if (r >= 0)
        r = buffer_append(ret, buffer_data(&response.body), buffer_size(&response.body));
    http_response_done(&response);
    return r;
}

/* The clock may be set meanwhile: the end is one that it has no part in. */
static void set_text(
    MtaStsResult *result, Buffer *text, MtaStsPolicy *policy, usec_t fetched, usec_t age)
{
    usec_t max_age = MAX(policy->max_age, AGE_MIN);

    buffer_done(&result->text);
    mta_sts_policy_done(&result->policy);
    result->text = *text;
    result->policy = *policy;
    *text = (Buffer){0};
    *policy = (MtaStsPolicy){0};
    result->fetched = fetched;
    result->known = age < max_age;
    result->until = result->known ? usec_add(clock_monotonic(), max_age - age) : 0;
}

/* Takes the text for the policy, which was fetched then and is so old. 0, -EBADMSG or -ENOMEM; the
 * text is used up. */
static int take_text(MtaStsResult *result, Buffer *text, const char *id, usec_t fetched, usec_t age)
{
    MtaStsPolicy policy;
    int r =
        mta_sts_parse(buffer_size(text) > 0 ? buffer_data(text) : "", buffer_size(text), &policy);

    if (r >= 0) {
        snprintf(result->id, sizeof(result->id), "%s", id);
        set_text(result, text, &policy, fetched, age);
    }
    buffer_done(text);
    return r;
}

static int fetch_policy(const RelayConfig *relay, const char *domain, const char *id,
    CommandStop *stop, MtaStsResult *ret)
{
    _cleanup_free_
    char *url = NULL;
    Buffer text = {0};
    Failure *f = &ret->trouble;
    int r;

    if (asprintf(&url, "https://mta-sts.%s/.well-known/mta-sts.txt", domain) < 0) {
        url = NULL;
        return -ENOMEM;
    }
    r = fetch_text(relay, url, stop, &text, f);
    if (r < 0)
        buffer_done(&text);
    else {
        r = take_text(ret, &text, id, clock_realtime(), 0);
        if (r == -EBADMSG)
            (void)failure_set(f, r, ERROR_COMMUNICATION, "what it answers is no policy of MTA-STS");
    }
    if (r < 0 && r != -ENOMEM)
        return failure_prefix(f, r, url);
    if (r >= 0 && relay->tls_mta_sts_file)
        r = mta_sts_file_save(relay->tls_mta_sts_file, domain, id, ret->fetched, &ret->text, f);
    return r;
}

/* ---- both ---- */

static int copy_former(const MtaStsResult *former, MtaStsResult *ret)
{
    Buffer text = {0};
    int r;

    if (!former->known)
        return 0;
    if (buffer_append(&text, buffer_data(&former->text), buffer_size(&former->text)) < 0)
        return -ENOMEM;
    r = take_text(ret, &text, former->id, former->fetched, 0);
    ret->until = former->until;
    if (former->notice && former->lifetime == 0)
        ret->notice = strdup(former->notice);
    ret->known = r >= 0 && clock_monotonic() < ret->until;
    return r;
}

/* A time that lies ahead, or before outbox was, is none: it is of a clock that was wrong. The
 * policy counts from now on then, which is written down, that it comes to its end. */
static int take_from_file(const RelayConfig *relay, const char *domain, Buffer *text,
    const char *id, usec_t fetched, MtaStsResult *ret)
{
    usec_t now = clock_realtime();
    bool believed = clock_is_plausible(fetched) && fetched <= usec_add(now, CLOCK_SLACK);
    _cleanup_failure_ Failure f = {0};
    int r =
        take_text(ret, text, id, believed ? fetched : now, believed ? clock_age(fetched, now) : 0);

    if (r < 0 || believed || !clock_is_plausible(now))
        return r;
    r = mta_sts_file_save(relay->tls_mta_sts_file, domain, id, now, &ret->text, &f);
    if (r < 0 && r != -ENOMEM)
        ret->notice = strdup(failure_text(&f));
    return r == -ENOMEM ? r : 0;
}

/* What cannot be read, or is none, does not count, and is told of: a policy was kept there, whose
 * domain may not be as safe without. */
static int load(const RelayConfig *relay, const char *domain, MtaStsResult *ret)
{
    const char *path = relay->tls_mta_sts_file;
    char id[MTA_STS_ID_MAX];
    Buffer text = {0};
    usec_t fetched;
    int r = mta_sts_file_load(path, domain, id, &fetched, &text);

    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = take_from_file(relay, domain, &text, id, fetched, ret);
    if (r >= 0 || r == -ENOMEM)
        return r;
    if (asprintf(&ret->notice,
            "tls_mta_sts_file: %s %s%s, and counts as none: the policy of %s is fetched anew, and "
            "the file written once it is there",
            path,
            r == -EBADMSG || r == -EFBIG ? "is damaged, or of another domain" : "cannot be read: ",
            r == -EBADMSG || r == -EFBIG ? "" : strerror(-r), domain) < 0) {
        ret->notice = NULL;
        return -ENOMEM;
    }
    return 0;
}

static bool names_relay(const RelayConfig *relay, const MtaStsResult *result)
{
    _cleanup_free_
    char *name = NULL;

    return domain_to_ascii(relay->tls_name ?: relay->host, &name) >= 0 &&
           mta_sts_matches(&result->policy, name);
}

/* In the second half of its life a policy is fetched anew, whatever the record says; and where it
 * forbids the relay, for some change the one and forget the other. */
static bool is_current(const RelayConfig *relay, const MtaStsResult *result, const char *id)
{
    return result->known && text_equal(result->id, id) && names_relay(relay, result) &&
           usec_add(clock_monotonic(), MAX(result->policy.max_age, AGE_MIN) / 2) < result->until;
}

static int refresh(
    const RelayConfig *relay, const char *domain, CommandStop *stop, MtaStsResult *ret)
{
    char id[MTA_STS_ID_MAX];
    int r;

    command_stop_waits(stop,
        "check /etc/resolv.conf and its name servers; tls_mta_sts = \"off\" does without",
        "the name servers, which are asked for _mta-sts.%.190s", domain);
    r = find_record(domain, id, &ret->trouble);

    if (r >= 0 && !is_current(relay, ret, id))
        r = fetch_policy(relay, domain, id, stop, ret);
    ret->lifetime = r < 0 ? LIFETIME_TROUBLE : LIFETIME_GOOD;
    return r == -ENOMEM ? r : 0;
}

void mta_sts_look_up(
    const RelayConfig *relay, const MtaStsResult *former, CommandStop *stop, MtaStsResult *ret)
{
    _cleanup_free_
    char *domain = NULL;

    *ret = (MtaStsResult){0};
    ret->error = domain_to_ascii(relay->tls_mta_sts_domain, &domain);
    if (ret->error == -EINVAL || ret->error == -ELIBACC) {
        ret->error = 0;
        ret->lifetime = USEC_PER_HOUR;
        (void)failure_set(&ret->trouble, -EINVAL, ERROR_CONFIGURATION,
            "tls_mta_sts_domain: \"%s\" is no domain that can be looked up",
            relay->tls_mta_sts_domain);
        return;
    }
    if (ret->error >= 0 && former)
        ret->error = copy_former(former, ret);
    else if (ret->error >= 0 && relay->tls_mta_sts_file)
        ret->error = load(relay, domain, ret);
    if (ret->error >= 0 && (former || !ret->known))
        ret->error = refresh(relay, domain, stop, ret);
}

void mta_sts_result_done(MtaStsResult *result)
{
    mta_sts_policy_done(&result->policy);
    buffer_done(&result->text);
    failure_done(&result->trouble);
    free(result->notice);
}

/* ---- the job ---- */

typedef struct MtaStsTask {
    MtaStsResult result, former;
    bool has_former;
    RelayConfig *relay; /* referenced */
    CommandStop stop;
} MtaStsTask;

static void run(void *argument)
{
    MtaStsTask *task = argument;

    mta_sts_look_up(
        task->relay, task->has_former ? &task->former : NULL, &task->stop, &task->result);
}

static void drop(void *argument)
{
    MtaStsTask *task = argument;

    mta_sts_result_done(&task->result);
    mta_sts_result_done(&task->former);
    (void)relay_config_unref(task->relay);
    command_stop_done(&task->stop);
    free(task);
}

static void stop(void *argument)
{
    MtaStsTask *task = argument;

    command_stop(&task->stop);
}

static const JobKind kind = {"MTA-STS policy", run, drop, stop, .limit = 32, .limit_of_key = 2};

int job_mta_sts_start(Worker *worker, RelayConfig *relay, const MtaStsResult *former, Answer **ret)
{
    MtaStsTask *task = calloc(1, sizeof(MtaStsTask));
    int r;

    if (!task)
        return -ENOMEM;
    task->relay = relay_config_ref(relay);
    task->has_former = former;
    command_stop_init(&task->stop);
    r = former ? copy_former(former, &task->former) : 0;
    if (r >= 0)
        r = answer_new(worker, &kind, relay->tls_mta_sts_domain, task, ret);
    if (r < 0)
        drop(task);
    return r;
}

void job_mta_sts_waits_for(
    Answer *answer, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy)
{
    MtaStsTask *task = answer_argument(answer);

    command_stop_what(&task->stop, ret, ret_remedy);
}

const MtaStsResult *job_mta_sts_result(Answer *answer, usec_t now)
{
    const MtaStsTask *task = answer_result(answer, now);

    return task ? &task->result : NULL;
}
