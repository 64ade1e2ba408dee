/* Whether a certificate that is good in all else was revoked by who signed it: RFC 6960 (OCSP), RFC
 * 5280 (lists), RFC 7633 (a certificate that is to come with the answer). Blocks: for a worker's
 * threads alone. */
#pragma once

#include <openssl/x509.h>

#include "base/clock.h"
#include "base/failure.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

typedef enum RevocationStatus {
    REVOCATION_UNKNOWN, /* could not be found out */
    REVOCATION_GOOD,
    REVOCATION_REVOKED,
} RevocationStatus;

#define REVOCATION_TEXT_MAX 400

/* What one source says of one certificate. */
typedef struct RevocationAnswer {
    RevocationStatus status;
    usec_t lifetime;  /* so long it holds */
    bool has_source;  /* the certificate names somebody who could be asked, or the answer came along
                       */
    bool unreachable; /* there was no connection to it, or no answer over one */
    bool passes;      /* it has trouble of its own, as it says or by how it breaks off */
    char text[REVOCATION_TEXT_MAX]; /* who says so, or why nobody does */
} RevocationAnswer;

typedef struct RevocationRequest {
    STACK_OF(X509) * chain; /* as it was verified: the server's first, then its issuers up to one
                               that is trusted as it stands, about which nobody is asked */
    const unsigned char *stapled; /* an OCSP answer that the server sent, or NULL */
    size_t stapled_size;
    TlsCheck check_crl, check_ocsp;
    unsigned flags;       /* TLS_SECURITY_* */
    const char *crl_file; /* or NULL */
    const char *host;     /* for words */
    usec_t patience;      /* for all of it */
    CommandStop *stop;    /* nobody wants the verdict any more; or NULL */
} RevocationRequest;

typedef struct RevocationVerdict {
    int error; /* 0: it may be spoken to; or a negative errno */
    Failure failure;
    usec_t lifetime; /* so long the verdict holds */
} RevocationVerdict;

void revocation_judge(const RevocationRequest *request, RevocationVerdict *ret);
void revocation_verdict_done(RevocationVerdict *verdict);
