/* The Online Certificate Status Protocol (RFC 6960). */
#pragma once

#include "net/fetch.h"
#include "net/revocation.h"

/* Asks about `certificate`, which `issuer` signed: first the answer that came along (NULL: none),
 * then who the certificate names. Blocks as long as the patience goes. */
void ocsp_ask(X509 *certificate, X509 *issuer, const unsigned char *stapled, size_t n,
    FetchPatience *patience, RevocationAnswer *ret);

/* Whether a good answer has to come along with the certificate (RFC 7633). */
bool ocsp_must_be_stapled(X509 *certificate);

/* What came along alone. */
void ocsp_look_at(
    X509 *certificate, X509 *issuer, const unsigned char *stapled, size_t n, RevocationAnswer *ret);
