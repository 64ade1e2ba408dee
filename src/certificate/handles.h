/* OpenSSL's objects that are freed when their block ends. */
#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/macros.h"

DEFINE_CLEANUP(BIO, BIO_free_all);
DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free);
DEFINE_CLEANUP(X509, X509_free);
DEFINE_CLEANUP(X509_STORE, X509_STORE_free);
DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free);

#define _cleanup_bio_ _cleanup_(BIO_free_all_p)
#define _cleanup_pkcs8_ _cleanup_(PKCS8_PRIV_KEY_INFO_free_p)
#define _cleanup_x509_ _cleanup_(X509_free_p)
#define _cleanup_store_ _cleanup_(X509_STORE_free_p)
#define _cleanup_store_context_ _cleanup_(X509_STORE_CTX_free_p)
