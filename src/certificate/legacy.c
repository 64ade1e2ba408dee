/* OpenSSL's put-aside algorithms. Must never make them available to anything but what opens a
 * store: they are in a library context of their own. */
#include "certificate/legacy.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/errors.h"

/* Providers that were loaded are not unloaded with their context. */
static void unload(Legacy *legacy)
{
    if (legacy->standard)
        (void)OSSL_PROVIDER_unload(legacy->standard);
    if (legacy->legacy)
        (void)OSSL_PROVIDER_unload(legacy->legacy);
    OSSL_LIB_CTX_free(legacy->context);
    ERR_clear_error();
    *legacy = (Legacy){0};
}

bool legacy_enter(Legacy *legacy)
{
    *legacy = (Legacy){.context = OSSL_LIB_CTX_new()};
    if (legacy->context) {
        legacy->standard = OSSL_PROVIDER_load(legacy->context, "default");
        legacy->legacy = OSSL_PROVIDER_load(legacy->context, "legacy");
    }
    if (legacy->standard && legacy->legacy && OSSL_LIB_CTX_set0_default(legacy->context))
        return true;
    unload(legacy);
    return false;
}

void legacy_leave(Legacy *legacy)
{
    (void)OSSL_LIB_CTX_set0_default(OSSL_LIB_CTX_get0_global_default());
    unload(legacy);
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
    return failure_set(f, -ENOPKG, ERROR_CERTIFICATE_STORE,
        "it is encrypted with an old algorithm, which OpenSSL's legacy provider cannot be loaded "
        "for; install openssl-provider-legacy where there is such a package, or encrypt it anew");
}
