/* Advice by cause. Must never guess at a cause by the stage alone. */
#include "delivery/advice.h"

#include <stddef.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "net/oauth.h"

#define ANY_STAGE STAGE_MAX

/* The first row that fits counts. */
typedef struct AdviceRow {
    DeliveryCause cause;
    DeliveryStage stage; /* or ANY_STAGE */
    int from, to;        /* codes, of a reply */
    const char *text;
    const char *implicit; /* instead, with TLS from the first byte; or NULL */
    const char *token;    /* instead, where the login is by a token; or NULL */
    const char *login;    /* instead, where there is one and TLS is sure; or NULL */
    const char *clear;    /* instead, where there is one and TLS is not; or NULL */
} AdviceRow;

static const AdviceRow rows[] = {
    {CAUSE_REPLY, STAGE_AUTH, 530, 530,
        "the relay wants a login or TLS first: set user and a password, and see tls and port",
        .login = "the relay wants another login than this, or takes none here: see that user, "
                 "password or token, and auth are what it expects, and that port is the one for "
                 "programs "
                 "that log in (587 or 465)",
        .clear = "the relay wants TLS before a login: set tls = \"starttls\" or \"implicit\", and "
                 "see port"},
    {CAUSE_REPLY, STAGE_AUTH, 500, 599,
        "see that user, password and auth are what the relay expects; some take a password of its "
        "own for programs",
        NULL,
        "the token was not taken: see that user is the mailbox that it is for, and that it covers "
        "SMTP (oauth_scope); a new one may help (`outbox authorize`, where it is by a refresh "
        "token)"},
    {CAUSE_REPLY, STAGE_STARTTLS, 400, 499,
        "that may pass; if it lasts, ask who runs the relay; without a login, tls = "
        "\"opportunistic\" goes on in clear"},
    {CAUSE_REPLY, STAGE_STARTTLS, 500, 599,
        "the relay cannot do TLS here: try another port; only tls = \"none\" and \"opportunistic\" "
        "let mail go in clear"},
    {CAUSE_REPLY, ANY_STAGE, 400, 499, "that may pass; if it lasts, the relay's log says more"},
    {CAUSE_REPLY, STAGE_GREETING, 500, 599,
        "the relay does not want this host: its words say why; ask who runs it, or whether this "
        "address is on a block list"},
    {CAUSE_REPLY, STAGE_EHLO, 500, 599,
        "the relay does not want this host, or its name: see the setting hello, and ask who runs "
        "the relay"},
    {CAUSE_REPLY, ANY_STAGE, 0, 999,
        "the relay's own log may say more; `outbox check --verbose` shows the dialogue"},
    {CAUSE_LOST, STAGE_LOOKUP, 0, 0,
        "check the spelling of host, and this machine's name service (/etc/resolv.conf)"},
    {CAUSE_TIMEOUT, STAGE_LOOKUP, 0, 0, "check this machine's name service (/etc/resolv.conf)"},
    {CAUSE_LOST, STAGE_CONNECT, 0, 0, NULL}, /* net/socket.c says it of each errno */
    {CAUSE_TIMEOUT, STAGE_CONNECT, 0, 0,
        "ask whether a firewall or the provider blocks this port; 587 or 465 may be open"},
    {CAUSE_PROTOCOL, STAGE_CERTIFICATE, 0, 0,
        "correct the relay's certificate or the host's name; tls_ca_file names an authority of "
        "your own, tls_accept_certificate one certificate"},
    {CAUSE_PROTOCOL, STAGE_TLS, 0, 0,
        "check tls_protocols, and that the relay speaks TLS on this port",
        "check port and tls: TLS from the first byte is usual on port 465 only; with 587 and 25 "
        "goes tls = \"starttls\""},
    {CAUSE_PROTOCOL, STAGE_GREETING, 0, 0, "check port and tls: no mail server answers there",
        "check port: no mail server answers there"},
    {CAUSE_TIMEOUT, STAGE_GREETING, 0, 0,
        "check port and tls: with port 465 goes tls = \"implicit\"",
        "check host and port: the relay says nothing"},
    {CAUSE_LOST, STAGE_GREETING, 0, 0,
        "check port and tls, and whether the relay takes connections from this address", NULL},
    {CAUSE_LOST, STAGE_TLS, 0, 0, "check port and tls, and the relay's own log", NULL},
    {CAUSE_TIMEOUT, STAGE_TLS, 0, 0, "check port and tls, and the relay's own log", NULL},
    {CAUSE_LOST, ANY_STAGE, 0, 0,
        "the relay's own log may say more; `outbox check --verbose` shows the dialogue"},
    {CAUSE_TIMEOUT, ANY_STAGE, 0, 0,
        "the relay is too slow, or a firewall between cuts it off: see its log, and timeout"},
    {CAUSE_PROTOCOL, ANY_STAGE, 0, 999,
        "the relay's own log may say more; `outbox check --verbose` shows the dialogue"},
};

static bool fits(const AdviceRow *row, const DeliveryOutcome *o)
{
    return row->cause == o->cause && (row->stage == ANY_STAGE || row->stage == o->stage) &&
           ((row->from == 0 && row->to == 0) || (o->code >= row->from && o->code <= row->to));
}

/* One that is in the settings themselves is a token, too, by these mechanisms. */
static bool uses_token(const RelayConfig *relay)
{
    return oauth_is_configured(relay) || text_equal(relay->auth, "xoauth2") ||
           text_equal(relay->auth, "oauthbearer");
}

static const char *choose(const AdviceRow *row, const RelayConfig *relay)
{
    bool sure = relay->tls == TLS_MODE_STARTTLS || relay->tls == TLS_MODE_IMPLICIT;
    const char *with_login = sure ? row->login : row->clear;

    if (relay->user && with_login)
        return with_login;
    if (row->token && uses_token(relay))
        return row->token;
    return row->implicit && relay->tls == TLS_MODE_IMPLICIT ? row->implicit : row->text;
}

const char *advice_on(const DeliveryOutcome *outcome, const RelayConfig *relay)
{
    if (outcome->reason != REASON_NONE)
        return NULL; /* its text says it, and better than stage and cause could */
    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (fits(&rows[i], outcome))
            return choose(&rows[i], relay);
    return NULL; /* our own words */
}

const char *advice_without_reply(const DeliveryOutcome *outcome, const RelayConfig *relay)
{
    return outcome->cause == CAUSE_REPLY || outcome->kind == DELIVERY_DELIVERED
               ? NULL
               : advice_on(outcome, relay);
}

/* Of a connection that came to nothing: a relay may be mended, and so may a disk; settings, secrets
 * and permissions are somebody's to correct here. */
static int cut_off_status(const DeliveryOutcome *o)
{
    int status = error_status(o->error);
    bool here = o->cause == CAUSE_OWN && o->stage != STAGE_MESSAGE && o->error != ERROR_NONE &&
                status != EX_UNAVAILABLE;

    return here || status == EX_NOPERM ? status : EX_TEMPFAIL;
}

int advice_status(const DeliveryOutcome *o)
{
    if (o->kind == DELIVERY_DELIVERED)
        return EX_OK;
    if (o->code / 100 == 4 || o->kind == DELIVERY_DEFERRED || o->kind == DELIVERY_POSTPONED)
        return EX_TEMPFAIL;
    if (o->kind == DELIVERY_REFUSED)
        return EX_UNAVAILABLE;
    return o->error == ERROR_AUTHENTICATION ? EX_NOPERM : cut_off_status(o);
}

int advice_join_status(int before, int status)
{
    if (status == EX_OK || before == EX_TEMPFAIL)
        return before;
    return status;
}
