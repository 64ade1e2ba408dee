/* Weighing what is known of a revocation. Must never let one pass that somebody says is revoked. */
#include "net/revocation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/errors.h"
#include "net/certificate.h"
#include "net/crl.h"
#include "net/ocsp.h"

#define LIFETIME_UNKNOWN (5 * USEC_PER_MINUTE) /* until it is asked again */
#define LIFETIME_REVOKED USEC_PER_HOUR
#define LIFETIME_MAX (7 * USEC_PER_DAY)

static int refuse(const RevocationRequest *request, int i, FaultReason why, const char *what,
    const char *advice, RevocationVerdict *ret)
{
    _cleanup_free_
    char *subject = certificate_name_text(X509_get_subject_name(sk_X509_value(request->chain, i)));

    if (why == REASON_CERTIFICATE_UNCONFIRMED)
        ret->lifetime = 0; /* the next connection may find out more */
    ret->error = failure_reason(&ret->failure, why,
        failure_set(&ret->failure, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "the certificate of %s cannot be trusted: %s (subject \"%s\", number %d in the chain); "
            "%s",
            request->host, what, subject ?: "", i, advice));
    return ret->error;
}

/* Whether it matters that nobody could tell. An authority is asked about where it names somebody:
 * most name a list, and few a responder. */
static bool is_required(
    const RevocationRequest *request, int i, TlsCheck check, const RevocationAnswer *answer)
{
    unsigned forgiven =
        i == 0 ? TLS_SECURITY_IGNORE_REVOCATION : TLS_SECURITY_IGNORE_AUTHORITY_REVOCATION;

    return check == TLS_CHECK_REQUIRE && !(request->flags & forgiven) &&
           (i == 0 || answer->has_source);
}

/* The network is at fault only where nothing came over it. */
static const char *remedy(const RevocationAnswer *answer)
{
    if (!answer->has_source)
        return "have the server's owner get a certificate that names one";
    if (answer->passes)
        return "that passes by itself as a rule, and it is asked again with the next connection";
    if (answer->unreachable)
        return "see whether this host gets there";
    return "what is answered must be mended by who signed the certificate, or see whether "
           "something "
           "in between answers in its place";
}

static int weigh(const RevocationRequest *request, int i, const char *setting, TlsCheck check,
    const RevocationAnswer *answer, RevocationVerdict *ret)
{
    char advice[360];

    switch (answer->status) {
    case REVOCATION_GOOD: ret->lifetime = MIN(ret->lifetime, answer->lifetime); return 0;
    case REVOCATION_REVOKED:
        ret->lifetime = MIN(LIFETIME_REVOKED, ret->lifetime);
        return refuse(request, i, REASON_CERTIFICATE_REVOKED, answer->text,
            "the server's owner must get a new one; do not go round it before you know why", ret);
    case REVOCATION_UNKNOWN: break;
    }
    ret->lifetime = MIN(ret->lifetime, LIFETIME_UNKNOWN);
    if (!is_required(request, i, check, answer))
        return 0;
    snprintf(advice, sizeof(advice),
        "it cannot be told whether it was revoked, and %s = \"require\" asks for that: %s; "
        "or set it to \"try\"",
        setting, remedy(answer));
    return refuse(request, i, REASON_CERTIFICATE_UNCONFIRMED, answer->text, advice, ret);
}

static int check_ocsp(
    const RevocationRequest *request, int i, FetchPatience *patience, RevocationVerdict *ret)
{
    X509 *certificate = sk_X509_value(request->chain, i);
    X509 *issuer = sk_X509_value(request->chain, i + 1);
    const unsigned char *stapled = i == 0 ? request->stapled : NULL;
    RevocationAnswer answer = {0};

    if (request->check_ocsp == TLS_CHECK_OFF)
        return 0;
    if (i == 0 && ocsp_must_be_stapled(certificate)) {
        ocsp_look_at(certificate, issuer, stapled, request->stapled_size, &answer);
        if (answer.status == REVOCATION_UNKNOWN)
            return refuse(request, i, REASON_CERTIFICATE_UNCONFIRMED, answer.text,
                "it says of itself that an OCSP answer comes along with it (RFC 7633): the "
                "server's "
                "owner must turn on OCSP stapling there",
                ret);
    } else
        ocsp_ask(certificate, issuer, stapled, request->stapled_size, patience, &answer);
    return weigh(request, i, "tls_check_ocsp", request->check_ocsp, &answer, ret);
}

static int check_crl(const RevocationRequest *request, int i, STACK_OF(X509_CRL) * own,
    FetchPatience *patience, RevocationVerdict *ret)
{
    RevocationAnswer answer = {0};

    if (request->check_crl == TLS_CHECK_OFF)
        return 0;
    crl_ask(sk_X509_value(request->chain, i), sk_X509_value(request->chain, i + 1), own, patience,
        &answer);
    return weigh(request, i, "tls_check_crl", request->check_crl, &answer, ret);
}

void revocation_judge(const RevocationRequest *request, RevocationVerdict *ret)
{
    FetchPatience patience = {usec_add(clock_monotonic(), request->patience), request->stop};
    STACK_OF(X509_CRL) *own = NULL;
    int r = 0;

    *ret = (RevocationVerdict){.lifetime = LIFETIME_MAX};
    if (request->crl_file && request->check_crl != TLS_CHECK_OFF)
        r = crl_file_load(request->crl_file, &own, &ret->failure);
    if (r < 0)
        ret->lifetime = 0;
    for (int i = 0; i + 1 < sk_X509_num(request->chain) && r == 0; i++) {
        r = check_ocsp(request, i, &patience, ret);
        if (r == 0)
            r = check_crl(request, i, own, &patience, ret);
    }
    ret->error = r;
    crl_list_free(own);
}

void revocation_verdict_done(RevocationVerdict *verdict)
{
    failure_done(&verdict->failure);
}
