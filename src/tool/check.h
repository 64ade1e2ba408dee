/* What `outbox check` finds out about a relay, and how it is told. */
#pragma once

#include <jansson.h>

#include "base/outcome.h"
#include "certificate/certificate.h"
#include "net/tls.h"
#include "settings/config.h"
#include "tool/check_as.h"

#define CHECK_SHOWN_MAX 2000 /* bytes of what a stranger wrote */

/* Strings and values of JSON are owned. */
typedef struct Finding {
    const RelayConfig *relay;
    const CheckAs *as;
    bool verbose;       /* the dialogue is printed as it goes on */
    bool colors;        /* it is printed in */
    unsigned listening; /* for what the relay offers: 1 to its first line, 2 to the others */
    char *address, *local, *proxy, *tls, *certificate, *server, *mechanisms, *mechanism, *size_max;
    char *tried;              /* addresses that were of no use, a line each */
    json_t *extensions;       /* what EHLO said, {keyword, parameters} */
    json_t *certificates;     /* of the server's chain, {subject, expires, days} */
    json_t *notes;            /* what is to be known though it works */
    json_t *probe;            /* replies, {command, code, enhanced, lines}; NULL: none was asked */
    char *policy;             /* of MTA-STS, in words */
    char *tokens;             /* what cannot be kept of OAuth's, or NULL */
    char *expiring;           /* certificates that end soon */
    json_t *logins;           /* how each mechanism fares; NULL: nothing is known of them */
    Certificate *shown;       /* the server's; NULL: none */
    char *chain, *pem;        /* what else the server sent, in words; all that it sent */
    TlsNegotiated negotiated; /* version "": no TLS */
    int result;               /* of finding out: 0 or -ENOMEM */
    bool ok;
    DeliveryStage stage; /* where it failed */
    int error;
    char *text;       /* why */
    const char *hint; /* what to do; NULL: `text` says it */
    int status;       /* to exit with */
} Finding;
void finding_done(Finding *finding);

/* What is asked for. Borrowed. */
typedef struct CheckAsked {
    const char *recipient; /* --probe; NULL: nothing is probed */
    const char *sender;    /* --from; NULL: none is named, "": the null sender */
    const CheckAs *as;
    bool verbose, colors;
    json_t *array; /* NULL: it is printed as it comes */
} CheckAsked;

/* (check.c) Tries the relay at that place of the configuration, which the finding borrows from.
 * EX_OK when all is known that can be; or an exit status after having said why not. */
int check_relay(Config *config, size_t i, const CheckAsked *asked, Finding *ret);

/* Notes it, once a connection stands: what nobody verified, what is offered and not used. 0 or
 * -ENOMEM. */
int finding_take_notes(Finding *finding);

/* To standard output. */
void finding_print(const Finding *finding);
json_t *finding_json(const Finding *finding);
