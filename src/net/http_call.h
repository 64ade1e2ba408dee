/* One request over HTTP or HTTPS and its response, for whoever may block: jobs beside the loop, and
 * the tool. Lookup, dialling, the way through a proxy, TLS and the judging of certificates are
 * those of relays. Redirects are not followed. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"
#include "net/http.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

/* Everything borrowed. */
typedef struct HttpCall {
    const char *url;
    const char *url_setting; /* where the host is set; NULL: a certificate names it */
    bool clear;              /* http: may be, for what comes is signed; else https: alone */
    const Buffer *body;      /* posted; NULL: a GET */
    const char *body_type;   /* its media type */
    const char *accept;      /* media types of the response, or NULL: any */
    const char *ca_file;     /* trusted authorities; NULL: the system's */
    const char *ca_setting;
    const RelayConfig *way; /* reached as this relay is, through its proxy; NULL: straight */
    const char *server;     /* "the token server": what it is, for who asks what is waited for */
    const char *remedy;     /* what to do where it keeps silent; a constant */
    size_t max;             /* bytes of the response's body */
    usec_t limit;           /* for all of it */
    usec_t
        *late; /* what is nobody's time (net/lateness.h), and not of the limit, is added; or NULL */
    CommandStop *stop; /* ends it at once; NULL: nothing does */
    usec_t grace;      /* but where the request has gone out, an answer may come for so long:
                        * one that may not be lost, though nobody waits for it any more */
} HttpCall;

/* 0 with a response of whatever status, which the caller ends by http_response_done(); or a
 * negative errno with a Failure, which names neither URL nor body: -EINVAL no URL, -EBADMSG no
 * HTTP, -ENODATA no answer at all, -EMSGSIZE too much, -ETIMEDOUT, -ECANCELED, or what the
 * connection failed by. */
int http_call(const HttpCall *call, HttpResponse *ret, Failure *f);
