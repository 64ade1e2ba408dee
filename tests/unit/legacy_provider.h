/* Whether OpenSSL's old algorithms can be had here: some systems have them in a package of their
 * own. */
#pragma once

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <string.h>

static inline bool legacy_provider_is_there(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *provider = OSSL_PROVIDER_load(context, "legacy");
    bool there = provider != NULL;

    if (provider)
        OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(context);
    return there;
}

/* Of the files of tests/data/certificates. */
static inline bool needs_legacy_provider(const char *file)
{
    return strcmp(file, "rsa-des.key") == 0 || strcmp(file, "rsa-old.p12") == 0;
}
