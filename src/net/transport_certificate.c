/* The step between the handshake and the first word: whether the server may be spoken to. Must
 * never let anything be read or written before that is decided. */
#include <errno.h>
#include <openssl/x509.h>

#include "base/errors.h"
#include "net/transport.h"

static int refused(Connection *c)
{
    return failure_reason(&c->failure, REASON_CERTIFICATE_OTHER,
        failure_set(&c->failure, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "the certificate of %s was not accepted by the program that asked for the connection",
            c->relay->host));
}

/* What the program says that uses the connection. `verdict` is 1, or a negative errno with
 * `failure` set, which is the result unless the program knows better. */
static int ask_program(Connection *c, int verdict)
{
    unsigned char *der = NULL;
    ConnectionCertificate certificate = {
        .x509 = tls_stream_certificate(c->tls),
        .status = verdict < 0                   ? failure_text(&c->failure)
                  : tls_stream_verifies(c->tls) ? "OK"
                                                : "not verified: the settings do not ask for it",
        .resumed = tls_stream_resumed(c->tls),
    };
    bool accept = verdict > 0;
    int n = certificate.x509 ? i2d_X509(certificate.x509, &der) : 0;
    _cleanup_free_
    char *pem = connection_chain_pem(c);

    if (n < 0 || (certificate.x509 && !pem)) {
        OPENSSL_free(der);
        return -ENOMEM;
    }
    certificate.der = der;
    certificate.pem = pem ?: "";
    certificate.der_size = (size_t)n;
    c->on_certificate(c->certificate_user, c, &certificate, &accept);
    OPENSSL_free(der);
    if (accept) {
        if (verdict < 0)
            transport_trace(c, "accepted in spite of: %s", failure_text(&c->failure));
        failure_done(&c->failure);
        return 1;
    }
    return verdict < 0 ? verdict : refused(c);
}

/* ---- revocation ---- */

#define PATIENCE (20 * USEC_PER_SEC) /* with who signed the certificate */

static bool asks_signer(const Connection *c)
{
    return (c->relay->tls_check_crl != TLS_CHECK_OFF ||
               c->relay->tls_check_ocsp != TLS_CHECK_OFF) &&
           tls_stream_verified(c->tls);
}

static int start_asking(Connection *c, usec_t now)
{
    usec_t patience = transport_patience(c);
    RevocationQuestion question = {
        .memory = &c->shared->revocation,
        .worker = c->shared->worker,
        .relay = c->shared->relay,
        .chain = tls_stream_verified(c->tls),
        .patience = patience > 0 ? MIN(patience, PATIENCE) : PATIENCE,
    };
    int r;

    question.stapled = tls_stream_stapled(c->tls, &question.stapled_size);
    r = revocation_new(&question, now, &c->revocation);
    if (r >= 0 && revocation_fd(c->revocation) >= 0) {
        transport_trace(c, "asking whether the certificate was revoked");
        transport_use_fd(c, revocation_fd(c->revocation));
    }
    if (r >= 0 || r == -ENOMEM)
        return r;
    c->own = true;
    return failure_reason(&c->failure, REASON_NO_RESOURCES,
        failure_set_errno(&c->failure, r, "cannot ask whether the certificate of %s was revoked",
            c->relay->host));
}

/* As transport_step(). */
static int ask_signer(Connection *c, usec_t now)
{
    int r = c->revocation ? 0 : start_asking(c, now);

    if (r < 0)
        return r;
    r = revocation_step(c->revocation, now, &c->failure);
    if (r == 0) {
        transport_wait_for(c, POLLIN, revocation_deadline(c->revocation));
        return 0;
    }
    if (revocation_fd(c->revocation) >= 0)
        transport_use_fd(c, c->socket_fd);
    revocation_free(c->revocation);
    c->revocation = NULL;
    c->own = r < 0 && c->failure.number == ERROR_CERTIFICATE_STORE; /* a file of ours */
    return r;
}

/* ---- the judgement ---- */

static int lacks_records(Connection *c)
{
    return failure_reason(&c->failure, REASON_CERTIFICATE_DANE,
        failure_set(&c->failure, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "the certificate of %s cannot be trusted: there are no TLSA records of _%u._tcp.%s "
            "that "
            "are signed and of use, and tls_dane = \"require\" asks for some: see what \"delv TLSA "
            "_%u._tcp.%s\" says, and that this host's name server validates, or set it to \"try\"",
            c->relay->host, c->relay->port, tls_stream_name(c->tls), c->relay->port,
            tls_stream_name(c->tls)));
}

/* By TLSA records where there are any, and else by authorities and the domain's policy (RFC 8461,
 * 2). As transport_step(). */
static int judge(Connection *c, usec_t now)
{
    bool anew = tls_stream_verifies(c->tls) && !tls_stream_resumed(c->tls);
    bool by_dane = c->relay->tls_dane != TLS_CHECK_OFF && anew;
    bool by_policy = c->relay->tls_mta_sts != TLS_CHECK_OFF && anew;
    const TlsaSet *set = NULL;
    int r = by_dane && !c->policy ? transport_find_tlsa(c, now, &set) : 1;

    if (r <= 0)
        return r;
    if (set)
        return tls_stream_judge_dane(c->tls, set, &c->failure);
    r = by_policy ? transport_find_mta_sts(c, now) : 1;
    if (r <= 0)
        return r;
    r = tls_stream_judge(c->tls, &c->failure);
    if (r <= 0 || !tls_stream_verified(c->tls))
        return r;
    if (by_dane && c->relay->tls_dane == TLS_CHECK_REQUIRE)
        return lacks_records(c);
    return by_policy ? transport_judge_mta_sts(c, now) : r;
}

/* ---- the step ---- */

int transport_run_certificate(Connection *c, usec_t now)
{
    int r = 1, verdict;

    if (!c->tls)
        return 1;
    if (!c->revocation)
        r = judge(c, now);
    if (r > 0 && asks_signer(c))
        r = ask_signer(c, now);
    if (r == 0 || r == -ENOMEM)
        return r;
    verdict = r;
    if (c->on_certificate)
        r = ask_program(c, verdict);
    tls_stream_decide(c->tls, verdict > 0, r > 0);
    if (r < 0)
        connection_shared_forget_tls(c->shared);
    return r;
}
