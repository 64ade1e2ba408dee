/* Distinguished names and alternative names as text. */
#pragma once

#include <openssl/x509v3.h>

#include "base/buffer.h"

/* "CN=www.server.com, OU=test, C=US": the last part first, as RFC 4514 has it, or in the order of
 * the certificate. Appends; 0 or -ENOMEM. */
int names_format(const X509_NAME *name, bool in_order, Buffer *out);

/* subjectAltName, with commas between its names. Appends; 0 or -ENOMEM. */
int names_format_alternative(const X509 *certificate, Buffer *out);
