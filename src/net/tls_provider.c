/* Loading providers. Must never change what others of this process use. */
#include "net/tls_provider.h"

#include <errno.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/tls_error.h"

#define PROVIDERS_MAX 8

struct TlsProvider {
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *loaded[PROVIDERS_MAX];
    size_t n_loaded;
    bool fips; /* and no default: nothing else may be fetched */
};

void tls_provider_free(TlsProvider *provider)
{
    if (!provider)
        return;
    for (size_t i = provider->n_loaded; i > 0; i--)
        (void)OSSL_PROVIDER_unload(provider->loaded[i - 1]);
    OSSL_LIB_CTX_free(provider->library);
    free(provider);
}

DEFINE_CLEANUP(TlsProvider, tls_provider_free);

static int load(TlsProvider *provider, const char *name, Failure *f)
{
    char reason[TLS_ERROR_MAX];
    OSSL_PROVIDER *loaded;

    ERR_clear_error();
    loaded =
        provider->n_loaded < PROVIDERS_MAX ? OSSL_PROVIDER_load(provider->library, name) : NULL;
    if (!loaded)
        return failure_reason(f, REASON_TLS_LIBRARY,
            failure_set(f, -ENOENT, ERROR_TLS_LIBRARY,
                "tls_provider: OpenSSL's provider \"%s\" cannot be loaded: %s; it must be "
                "installed "
                "as %s.so where \"openssl version -m\" says, and configured as its manual has it",
                name, tls_error_reason(reason), name));
    provider->loaded[provider->n_loaded++] = loaded;
    return 0;
}

/* Its configuration holds what some providers do not work without: fips the checksum of its module,
 * others the library that they stand before. */
static void read_configuration(TlsProvider *provider)
{
    char *path = CONF_get1_default_config_file();

    if (path)
        (void)OSSL_LIB_CTX_load_config(provider->library, path);
    OPENSSL_free(path);
    ERR_clear_error();
}

/* Files are read by what "base" has: with it certificates load whatever else is named. */
static int load_all(TlsProvider *provider, const char *names, Failure *f)
{
    _cleanup_free_
    char *list = strdup(names);
    bool has_default = false;
    int r = list ? load(provider, "base", f) : -ENOMEM;
    char *rest;

    for (char *name = r < 0 ? NULL : strtok_r(list, " ,;", &rest); name && r >= 0;
         name = strtok_r(NULL, " ,;", &rest)) {
        r = text_equal(name, "base") ? 0 : load(provider, name, f);
        has_default = has_default || text_equal(name, "default");
        provider->fips = provider->fips || text_equal(name, "fips");
    }
    provider->fips = provider->fips && !has_default;
    return r;
}

int tls_provider_new(const char *names, TlsProvider **ret, Failure *f)
{
    _cleanup_(tls_provider_free_p) TlsProvider *provider = calloc(1, sizeof(TlsProvider));
    int r;

    if (!provider)
        return -ENOMEM;
    provider->library = OSSL_LIB_CTX_new();
    if (!provider->library)
        return -ENOMEM;
    read_configuration(provider);
    r = load_all(provider, names, f);
    if (r >= 0)
        *ret = TAKE_PTR(provider);
    return r;
}

void tls_provider_leave(const TlsProvider *provider)
{
    if (provider)
        OPENSSL_thread_stop_ex(provider->library);
}

SSL_CTX *tls_provider_context(const TlsProvider *provider)
{
    return SSL_CTX_new_ex(provider ? provider->library : NULL,
        provider && provider->fips ? "fips=yes" : NULL, TLS_client_method());
}
