/* An HTTP server on a thread that gives what a test has put there: OCSP answers and lists of
 * revoked certificates, and what is none. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "certificates.h"

typedef enum ResponderWay {
    RESPONDER_ANSWERS,
    RESPONDER_HANGS,   /* takes the request and says nothing until the client goes */
    RESPONDER_FAILS,   /* with 503 */
    RESPONDER_CLOSES,  /* takes the request and goes */
    RESPONDER_ENDLESS, /* begins an object that has no end */
} ResponderWay;

typedef struct Responder Responder;

Responder *responder_start(void);
void responder_stop(Responder *responder);
uint16_t responder_port(const Responder *responder);

/* What a path gives from now on, such as "/ocsp"; one that was never named gives 404. */
void responder_put(
    Responder *responder, const char *path, ResponderWay way, const void *body, size_t n);

/* How often it was asked for. */
unsigned responder_count(Responder *responder, const char *path);

/* An OCSP answer about `about`, which `issuer` signed. Caller frees with OPENSSL_free(). */
typedef struct OcspSpec {
    const TestCertificate *about, *issuer, *signer;
    int status; /* V_OCSP_CERTSTATUS_* */
    long from_seconds, to_seconds;
    int error; /* OCSP_RESPONSE_STATUS_*, instead of an answer */
} OcspSpec;
unsigned char *test_ocsp_new(const OcspSpec *spec, size_t *ret_n);

/* A list of `signer`'s under the name of `issuer`, with `revoked` (or NULL) in it. DER; and PEM
 * into a file where `path` is given. Caller frees with OPENSSL_free(). */
typedef struct CrlSpec {
    const TestCertificate *revoked, *issuer, *signer;
    long from_seconds, to_seconds;
    const char *path;
} CrlSpec;
unsigned char *test_crl_new(const CrlSpec *spec, size_t *ret_n);
