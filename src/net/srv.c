/* SRV records of submission. Must never give a name that is no host's, nor read past a message. */
#include "net/srv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define FIXED_BYTES 6 /* priority, weight, port (RFC 2782) */
#define LABEL_MAX 63

/* RFC 1123, 2.1: letters, digits and hyphens, in labels; an address is none. */
static bool is_host(const char *name)
{
    size_t label = 0;
    struct in_addr address;

    if (!*name || inet_pton(AF_INET, name, &address) == 1)
        return false;
    for (; *name; name++) {
        if (*name == '.' ? label == 0 : !text_is_alphanumeric(*name) && *name != '-')
            return false;
        label = *name == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

/* 1, or 0 for one that is of no use. */
static int take(const ns_msg *message, const ns_rr *rr, bool implicit, SrvRecord *ret)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    char target[NS_MAXDNAME];

    if (ns_rr_rdlen(*rr) <= FIXED_BYTES ||
        ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + FIXED_BYTES, target,
            sizeof(target)) < 0)
        return 0;
    *ret = (SrvRecord){
        .priority = (uint16_t)ns_get16(data),
        .weight = (uint16_t)ns_get16(data + 2),
        .port = (uint16_t)ns_get16(data + 4),
        .implicit = implicit,
    };
    if (strcmp(target, ".") == 0)
        return 1;
    if (ret->port == 0 || strlen(target) >= SRV_TARGET_MAX || !is_host(target))
        return 0;
    memcpy(ret->target, target, strlen(target) + 1);
    return 1;
}

int srv_parse(const unsigned char *message, size_t n, bool implicit,
    SrvRecord ret[static SRV_RECORDS_MAX], size_t *ret_n)
{
    ns_msg parsed;

    *ret_n = 0;
    if (n > NS_MAXMSG || ns_initparse(message, (int)n, &parsed) < 0)
        return -EBADMSG;
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an) && *ret_n < SRV_RECORDS_MAX; i++) {
        ns_rr rr;

        if (ns_parserr(&parsed, ns_s_an, i, &rr) < 0)
            return *ret_n = 0, -EBADMSG;
        if (ns_rr_class(rr) == ns_c_in && ns_rr_type(rr) == ns_t_srv)
            *ret_n += (size_t)take(&parsed, &rr, implicit, &ret[*ret_n]);
    }
    return 0;
}

bool srv_is_before(const SrvRecord *a, const SrvRecord *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a->implicit != b->implicit)
        return a->implicit;
    return a->weight > b->weight;
}

/* ---- asking ---- */

/* Adds the best of what is said of one service. 0, or -EAGAIN where no name server knows. */
static int ask(res_state state, const char *domain, bool implicit, unsigned char *message,
    SrvRecord *best, bool *found)
{
    SrvRecord records[SRV_RECORDS_MAX];
    char question[NS_MAXDNAME];
    size_t n_records;
    int n;

    snprintf(question, sizeof(question), "_submission%s._tcp.%.*s", implicit ? "s" : "",
        NS_MAXDNAME - 30, domain);
    n = res_nquery(state, question, ns_c_in, ns_t_srv, message, NS_MAXMSG);
    if (n < 0)
        return state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA ? 0 : -EAGAIN;
    if (srv_parse(message, (size_t)(n < NS_MAXMSG ? n : NS_MAXMSG), implicit, records, &n_records) <
        0)
        return -EAGAIN;
    for (size_t i = 0; i < n_records; i++)
        if (records[i].target[0] && (!*found || srv_is_before(&records[i], best))) {
            *best = records[i];
            *found = true;
        }
    return 0;
}

static int ask_both(res_state state, const char *domain, SrvRecord *ret, Failure *f)
{
    unsigned char *message = malloc(NS_MAXMSG);
    bool found = false;
    int secure, other;

    if (!message)
        return -ENOMEM;
    secure = ask(state, domain, true, message, ret, &found);
    other = ask(state, domain, false, message, ret, &found);
    free(message);
    if (found)
        return 0;
    if (secure < 0 || other < 0)
        return failure_set(f, -EAGAIN, ERROR_TRY_AGAIN,
            "the relay of %s cannot be found out: no name server tells about _submissions._tcp.%s; "
            "check /etc/resolv.conf, or name the relay",
            domain, domain);
    return failure_set(f, -ENOENT, ERROR_NO_DATA,
        "%s does not say where its mail is submitted: it has no record _submissions._tcp.%s nor "
        "_submission._tcp.%s (RFC 6186); name the relay, which whoever runs its mail knows",
        domain, domain, domain);
}

int srv_find_submission(const char *domain, SrvRecord *ret, Failure *f)
{
    struct __res_state state = {0};
    int r;

    if (res_ninit(&state) < 0)
        return -ENOMEM;
    state.options |= RES_USE_EDNS0;
    r = ask_both(&state, domain, ret, f);
    res_nclose(&state);
    return r;
}
