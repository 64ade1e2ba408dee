/* A relay's TLS settings applied to an SSL_CTX. */
#pragma once

#include <openssl/ssl.h>

#include "base/failure.h"
#include "net/credentials.h"
#include "settings/relay.h"

/* Each: 0, or a negative errno with a Failure that names the setting, the file and what to do. */
int tls_settings_protocols(SSL_CTX *ssl, const RelayConfig *relay, Failure *f);
int tls_settings_ciphers(SSL_CTX *ssl, const RelayConfig *relay, Failure *f);
int tls_settings_authorities(SSL_CTX *ssl, const RelayConfig *relay, Failure *f);
/* Our own certificate must come from those that tls_client_ca_file names, which complete its chain.
 * After the certificate has been loaded. */
int tls_settings_client_authorities(SSL_CTX *ssl, const RelayConfig *relay, Failure *f);
int tls_settings_client_certificate(SSL_CTX *ssl, const Credentials *client, Failure *f);
