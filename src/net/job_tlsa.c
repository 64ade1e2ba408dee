/* A job that asks for TLSA records. Must never believe what nobody has signed. */
#include "net/job_tlsa.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"

#define LIFETIME_NONE (5 * USEC_PER_MINUTE) /* of "there are none" */
#define LIFETIME_MIN (30 * USEC_PER_SEC)
#define LIFETIME_MAX USEC_PER_HOUR
#define LIFETIME_FAILED (5 * USEC_PER_SEC)

typedef enum Found {
    FOUND_NOTHING, /* no such record */
    FOUND_UNSIGNED,
    FOUND_SIGNED,
    FOUND_FAILURE,
} Found;

/* What comes from this host has passed nobody's hands; of others resolv.conf has to say that. */
static void trust_own_servers(res_state state)
{
    bool own = state->nscount > 0;

    for (int i = 0; i < state->nscount && own; i++)
        own = state->nsaddr_list[i].sin_family == AF_INET &&
              ntohl(state->nsaddr_list[i].sin_addr.s_addr) >> 24 == 127;
    if (own)
        state->options |= RES_TRUSTAD;
}

static Found ask(res_state state, const char *name, int type, unsigned char *message, size_t *ret_n)
{
    int n = res_nquery(state, name, ns_c_in, type, message, NS_MAXMSG);

    *ret_n = n > 0 ? MIN((size_t)n, (size_t)NS_MAXMSG) : 0;
    if (n >= (int)sizeof(HEADER))
        return ((const HEADER *)(const void *)message)->ad ? FOUND_SIGNED : FOUND_UNSIGNED;
    return state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA ? FOUND_NOTHING
                                                                                 : FOUND_FAILURE;
}

/* A name server that stumbles over such a question matters only where the zone is signed (RFC 7672,
 * 2.1.3): else nobody could have relied on the answer. */
static bool is_signed_zone(res_state state, const char *name, unsigned char *message)
{
    size_t n;
    Found found = ask(state, name, ns_t_a, message, &n);

    if (found == FOUND_NOTHING)
        found = ask(state, name, ns_t_aaaa, message, &n);
    return found == FOUND_SIGNED || found == FOUND_FAILURE;
}

static int failed(const char *name, unsigned port, TlsaResult *ret)
{
    ret->lifetime = LIFETIME_FAILED;
    ret->error = failure_reason(&ret->failure, REASON_NAME_SERVER_FAILED,
        failure_set(&ret->failure, -EAGAIN, ERROR_TRY_AGAIN,
            "the TLSA records of _%u._tcp.%s cannot be had, though its zone is signed: try again, "
            "then see what \"delv TLSA _%u._tcp.%s\" says; tls_dane = \"off\" does without",
            port, name, port, name));
    return ret->error;
}

static void look_up(
    res_state state, const char *name, unsigned port, unsigned char *message, TlsaResult *ret)
{
    char question[NS_MAXDNAME];
    size_t n;

    snprintf(question, sizeof(question), "_%u._tcp.%s", port, name);
    switch (ask(state, question, TLSA_TYPE, message, &n)) {
    case FOUND_NOTHING:
    case FOUND_UNSIGNED: return;
    case FOUND_FAILURE:
        if (is_signed_zone(state, name, message))
            (void)failed(name, port, ret);
        return;
    case FOUND_SIGNED: break;
    }
    ret->error = tlsa_parse(message, n, &ret->set);
    if (ret->error == -EBADMSG)
        (void)failed(name, port, ret);
    else if (ret->error == 0)
        ret->lifetime = MAX(MIN(ret->set.lifetime, LIFETIME_MAX), LIFETIME_MIN);
}

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || strchr(name, ':');
}

void tlsa_look_up(const char *name, unsigned port, TlsaResult *ret)
{
    _cleanup_free_
    unsigned char *message = NULL;
    struct __res_state state = {0};

    *ret = (TlsaResult){.lifetime = LIFETIME_NONE};
    if (is_address(name))
        return;
    message = malloc(NS_MAXMSG);
    if (!message || res_ninit(&state) < 0) {
        ret->error = -ENOMEM;
        return;
    }
    state.options |= RES_USE_EDNS0 | RES_USE_DNSSEC;
    trust_own_servers(&state);
    look_up(&state, name, port, message, ret);
    res_nclose(&state);
}

void tlsa_result_done(TlsaResult *result)
{
    tlsa_set_done(&result->set);
    failure_done(&result->failure);
}

/* ---- the job ---- */

typedef struct TlsaTask {
    TlsaResult result;
    unsigned port;
    char name[];
} TlsaTask;

static void run(void *argument)
{
    TlsaTask *task = argument;

    tlsa_look_up(task->name, task->port, &task->result);
}

static void drop(void *argument)
{
    TlsaTask *task = argument;

    tlsa_result_done(&task->result);
    free(task);
}

static const JobKind kind = {"TLSA lookup", run, drop, .limit = 32, .limit_of_key = 2};

int job_tlsa_start(Worker *worker, const char *name, unsigned port, Answer **ret)
{
    size_t n = strlen(name) + 1;
    TlsaTask *task = calloc(1, sizeof(TlsaTask) + n);
    int r;

    if (!task)
        return -ENOMEM;
    task->port = port;
    memcpy(task->name, name, n);
    r = answer_new(worker, &kind, task->name, task, ret);
    if (r < 0)
        drop(task);
    return r;
}

const TlsaResult *job_tlsa_result(Answer *answer, usec_t now)
{
    const TlsaTask *task = answer_result(answer, now);

    return task ? &task->result : NULL;
}
