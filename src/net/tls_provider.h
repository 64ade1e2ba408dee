/* OpenSSL's providers for one relay alone: loaded into a library context of its own, so that one
 * relay's "legacy" is not another's. */
#pragma once

#include <openssl/ssl.h>

#include "base/failure.h"

typedef struct TlsProvider TlsProvider;

/* `names` with blanks, commas or semicolons between them. 0, -ENOMEM, or another negative errno
 * with a Failure (ERROR_TLS_LIBRARY) that names the one that cannot be loaded. */
int tls_provider_new(const char *names, TlsProvider **ret, Failure *f);
/* After all that was made with it, and on the thread that used it: OpenSSL keeps random numbers for
 * each thread and context. Accepts NULL. */
void tls_provider_free(TlsProvider *provider);

/* A thread that has used it, and is not the one that frees it, will not do so again. Accepts NULL.
 */
void tls_provider_leave(const TlsProvider *provider);

/* With NULL, what the whole process uses. NULL when OpenSSL cannot. */
SSL_CTX *tls_provider_context(const TlsProvider *provider);
