/* Lists of revoked certificates (RFC 5280, 5 and 6.3). */
#pragma once

#include "net/fetch.h"
#include "net/revocation.h"

/* The lists of a PEM file. Caller frees with crl_list_free(). 0, or a negative errno with a Failure
 * that names tls_crl_file. */
int crl_file_load(const char *path, STACK_OF(X509_CRL) * *ret, Failure *f);
void crl_list_free(STACK_OF(X509_CRL) * list);

/* Looks for `certificate`, which `issuer` signed: first in `own` lists (NULL: none), then in the
 * one that the certificate names. Blocks as long as the patience goes. */
void crl_ask(X509 *certificate, X509 *issuer, STACK_OF(X509_CRL) * own, FetchPatience *patience,
    RevocationAnswer *ret);
