/* OpenSSL's put-aside algorithms. Must never make them available to anything but what opens a
 * store: they are in a library context of their own. */
#include "certificate/legacy.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "base/errors.h"

OSSL_LIB_CTX *legacy_enter(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

    if (context && OSSL_PROVIDER_load(context, "default") &&
        OSSL_PROVIDER_load(context, "legacy") && OSSL_LIB_CTX_set0_default(context))
        return context;
    OSSL_LIB_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

/* Providers are unloaded with their context. */
void legacy_leave(OSSL_LIB_CTX *context)
{
    if (!context)
        return;
    (void)OSSL_LIB_CTX_set0_default(OSSL_LIB_CTX_get0_global_default());
    OSSL_LIB_CTX_free(context);
}

bool legacy_is_wanted(void)
{
    bool wanted = false;
    unsigned long code;

    while ((code = ERR_get_error()) != 0)
        if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED ||
            (ERR_GET_LIB(code) == ERR_LIB_EVP &&
                (ERR_GET_REASON(code) == EVP_R_UNSUPPORTED_ALGORITHM ||
                    ERR_GET_REASON(code) == EVP_R_UNKNOWN_CIPHER ||
                    ERR_GET_REASON(code) == EVP_R_UNSUPPORTED_CIPHER)))
            wanted = true;
    return wanted;
}

int legacy_lacking(Failure *f)
{
    return failure_set(f, -ENOTSUP, ERROR_CERTIFICATE_STORE,
        "it is encrypted with an old algorithm, which OpenSSL's legacy provider cannot be loaded "
        "for; install openssl-provider-legacy where there is such a package, or encrypt it anew");
}
