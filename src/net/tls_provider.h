/* OpenSSL's providers for one relay alone: loaded into a library context of its own, so that one
 * relay's "legacy" is not another's. */
#pragma once

#include <openssl/ssl.h>

#include "base/failure.h"

typedef struct TlsProvider TlsProvider;

/* `names` with blanks, commas or semicolons between them. 0, -ENOMEM, or another negative errno
 * with a Failure (ERROR_TLS_LIBRARY) that names the one that cannot be loaded. */
int tls_provider_new(const char *names, TlsProvider **ret, Failure *f);
void tls_provider_free(TlsProvider *provider); /* after all that was made with it; accepts NULL */

/* With NULL, what the whole process uses. NULL when OpenSSL cannot. */
SSL_CTX *tls_provider_context(const TlsProvider *provider);
