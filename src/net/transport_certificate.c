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
static int ask(Connection *c, int verdict)
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

int transport_run_certificate(Connection *c, usec_t now)
{
    int r;

    (void)now;
    if (!c->tls)
        return 1;
    r = tls_stream_judge(c->tls, &c->failure);
    if (c->on_certificate && r != -ENOMEM)
        r = ask(c, r);
    tls_stream_decide(c->tls, r > 0);
    if (r < 0)
        connection_shared_forget_tls(c->shared);
    return r;
}
