/* A server's certificate by its TLSA records (RFC 7672): they alone decide, and no authority. */
#pragma once

#include "net/tlsa.h"
#include "net/trust.h"

/* As trust_judge(), for a set with something usable in it. Of the server's own certificate (3) only
 * that it is the one counts; one of an authority (2) is trusted for this chain, and name and time
 * count as ever. */
int dane_judge(
    const Trust *trust, const TlsaSet *set, X509 *certificate, STACK_OF(X509) * sent, Failure *f);
