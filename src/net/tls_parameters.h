/* What a relay's settings allow a handshake to come to: strength of suites, groups, signatures.
 *
 * OpenSSL has one list of groups and one of signatures for all versions, and settings have two:
 * both are offered, and what came of it is held against the list of the version that was chosen. */
#pragma once

#include <openssl/ssl.h>

#include "base/failure.h"
#include "settings/relay.h"

/* The lists of one version; NULL: whatever OpenSSL does. Strings are owned. */
typedef struct TlsAllowed {
    char *groups12, *groups13;
    char *signatures12, *signatures13;
} TlsAllowed;

/* After the ciphers have been set. 0, or a negative errno with a Failure that names the setting. */
int tls_parameters_apply(SSL_CTX *ssl, const RelayConfig *relay, Failure *f);
/* Whether this OpenSSL sends more than one key share. */
bool tls_parameters_know_key_shares(void);

int tls_allowed_init(TlsAllowed *allowed, const RelayConfig *relay); /* 0 or -ENOMEM */
void tls_allowed_done(TlsAllowed *allowed);

/* Behind the handshake. 0, or -EPROTO with a Failure: the server chose what is allowed with another
 * version only. */
int tls_allowed_check(const TlsAllowed *allowed, SSL *ssl, const char *host, Failure *f);
