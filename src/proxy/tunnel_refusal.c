/* What a proxy of HTTP refuses, in words. */
#include <errno.h>

#include "proxy/dialogue_internal.h"

typedef struct StatusRow {
    unsigned code;
    FaultReason reason;
    const char *advice; /* NULL: on the target */
} StatusRow;

/* RFC 9110, 15. */
static const StatusRow rows[] = {
    {400, REASON_PROXY_REFUSED, "see its log, and check proxy_data"},
    {401, REASON_PROXY_LOGIN, "check proxy_user and proxy_password"},
    {403, REASON_PROXY_REFUSED, PROXY_ASK_OWNER ": many allow port 443 alone"},
    {404, REASON_PROXY_REFUSED, "it may be a web server: check proxy_host and proxy_port"},
    {405, REASON_PROXY_REFUSED, "it does not do CONNECT here: " PROXY_ASK_OWNER},
    {429, REASON_PROXY_REFUSED, "it has been asked too often: it is tried again"},
    {500, REASON_PROXY_TARGET, NULL},
    {501, REASON_PROXY_REFUSED, "it does not do CONNECT: use another proxy"},
    {502, REASON_PROXY_TARGET, NULL},
    {503, REASON_PROXY_TARGET, NULL},
    {504, REASON_PROXY_TARGET, NULL},
};

int tunnel_refused(const ProxyDialogue *dialogue, Failure *f)
{
    const Tunnel *t = &dialogue->tunnel;
    StatusRow row = {t->code, REASON_PROXY_REFUSED, "the proxy's log may say more"};
    char target[PROXY_ADVICE_MAX];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (rows[i].code == t->code)
            row = rows[i];
    return proxy_fail(dialogue, -ECONNREFUSED, row.reason, f, "did not connect to %s (%s): %s",
        dialogue->target, t->status, row.advice ?: proxy_advise_on_target(dialogue, target));
}
