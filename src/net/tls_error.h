/* OpenSSL's error queue in words. */
#pragma once

#include <openssl/err.h>
#include <sys/types.h>

#include "base/failure.h"

#define TLS_ERROR_MAX 256

/* The newest entry of the queue, which is emptied. Returns `text`. */
char *tls_error_reason(char text[static TLS_ERROR_MAX]);

/* What was being done when it broke. */
typedef enum TlsMoment {
    TLS_AT_HANDSHAKE,
    TLS_AT_READ, /* since the handshake */
    TLS_AT_WRITE,
} TlsMoment;

/* Fills `f` for a connection that broke with the queue's newest entry, which is emptied: what
 * happened, what it means, what to do. Returns a negative errno, or 0 when the server merely closed
 * without saying so. */
int tls_error_explain(const char *host, TlsMoment moment, Failure *f);
