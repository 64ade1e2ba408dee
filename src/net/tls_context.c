/* What the TLS connections of one relay share. Must never be made for a relay that has no TLS: it
 * brings OpenSSL's memory with it. */
#include "net/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/idn.h"
#include "net/tls_callbacks.h"
#include "net/tls_error.h"
#include "net/tls_settings.h"

/* Whether a file can be made there. 0 or a negative errno. */
static int try_directory(const char *path)
{
    _cleanup_free_
    char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    return access(dirname(copy), W_OK | X_OK) < 0 ? -errno : 0;
}

/* Nobody waits for who reads a pipe. */
static int open_key_log(TlsContext *context, const RelayConfig *relay, bool try, Failure *f)
{
    const char *path = relay->tls_key_log_file;
    int r;

    if (!path)
        return 0;
    context->key_log_fd = open(
        path, O_WRONLY | O_APPEND | (try ? 0 : O_CREAT) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    r = context->key_log_fd < 0 ? -errno : 0;
    if (try && r == -ENOENT)
        r = try_directory(path);
    if (r < 0)
        return failure_reason(f, REASON_TLS_KEY_LOG,
            failure_set_errno(f, r, "tls_key_log_file: cannot open %s", path));
    return 0;
}

/* Who is to be found at the other end. */
static int set_names(TlsContext *context, const RelayConfig *relay, Failure *f)
{
    const char *name = relay->tls_name ?: relay->host;
    int r = domain_to_ascii(name, &context->name);

    if (r >= 0 && strchr(context->name, ':'))
        context->name[strcspn(context->name, "%")] = '\0'; /* a scope is this host's affair */
    if (r == -EINVAL || r == -ELIBACC)
        return failure_reason(f, REASON_HOST_MALFORMED,
            failure_set(f, r, ERROR_CONFIGURATION, "%s: \"%s\" %s",
                relay->tls_name ? "tls_name" : "host", name, domain_trouble(r)));
    context->host = strdup(relay->host);
    return r >= 0 && context->host ? 0 : -ENOMEM;
}

static int note_token(TlsContext *context)
{
    if (!context->client || !credentials_are_on_token(context->client))
        return 0;
    context->token = credentials_token(context->client);
    return context->token ? 0 : -ENOMEM;
}

static int apply(TlsContext *context, const RelayConfig *relay, bool try, Failure *f)
{
    int r = set_names(context, relay, f);

    if (r >= 0)
        r = tls_settings_protocols(context->ssl, relay, f);
    if (r >= 0)
        r = tls_settings_ciphers(context->ssl, relay, f);
    if (r >= 0)
        r = tls_parameters_apply(context->ssl, relay, f);
    if (r >= 0)
        r = tls_allowed_init(&context->allowed, relay);
    if (r >= 0)
        r = tls_settings_client_certificate(context->ssl, context->client, f);
    if (r >= 0)
        r = note_token(context);
    if (r >= 0)
        r = tls_settings_client_authorities(context->ssl, relay, f);
    if (r >= 0 && context->verify)
        r = tls_settings_authorities(context->ssl, relay, f);
    if (r >= 0 && relay->tls_accept_certificate)
        r = tls_pins_load(relay->tls_accept_certificate, &context->trust.pins, f);
    if (r >= 0)
        r = open_key_log(context, relay, try, f);
    if (r < 0)
        return r;
    context->trust.store = SSL_CTX_get_cert_store(context->ssl);
    context->trust.level = SSL_CTX_get_security_level(context->ssl);
    context->trust.flags = relay->tls_security_flags;
    context->trust.host = context->host;
    context->trust.ca_setting = relay->tls_ca_setting;
    context->trust.name = context->name;
    return 0;
}

static int make(
    const RelayConfig *relay, Credentials *client, bool try, TlsContext **ret, Failure *f)
{
    TlsContext *context = calloc(1, sizeof(TlsContext));
    char reason[TLS_ERROR_MAX];
    int r;

    if (!context)
        return -ENOMEM;
    context->references = 1;
    context->client = credentials_ref(client);
    context->key_log_fd = -1;
    context->verify = relay_verifies(relay);
    context->is_strict =
        context->verify && (relay->tls_security_flags & TLS_SECURITY_FORGIVES) == 0;
    context->reuse_session = relay->tls_reuse_session;
    context->asks_status = context->verify && relay->tls_check_ocsp != TLS_CHECK_OFF;
    context->renegotiates = relay->tls_renegotiation;
    ERR_clear_error();
    r = relay->tls_provider ? tls_provider_new(relay->tls_provider, &context->provider, f) : 0;
    context->ssl = r < 0 ? NULL : tls_provider_context(context->provider);
    context->bio = tls_bio_method_new();
    if (r < 0)
        ERR_clear_error();
    else if (!context->ssl)
        r = failure_reason(f, REASON_TLS_LIBRARY,
            failure_set(f, -EIO, ERROR_TLS_LIBRARY,
                "OpenSSL cannot be used: %s; check its configuration (openssl version -d)",
                tls_error_reason(reason)));
    else
        r = context->bio ? apply(context, relay, try, f) : -ENOMEM;
    if (r < 0) {
        (void)tls_context_unref(context);
        return r;
    }
    tls_stream_prepare(context);
    *ret = context;
    return 0;
}

int tls_context_new(const RelayConfig *relay, Credentials *client, TlsContext **ret, Failure *f)
{
    return make(relay, client, false, ret, f);
}

int tls_context_try(const RelayConfig *relay, Credentials *client, TlsContext **ret, Failure *f)
{
    return make(relay, client, true, ret, f);
}

TlsContext *tls_context_ref(TlsContext *context)
{
    (void)__atomic_add_fetch(&context->references, 1, __ATOMIC_RELAXED);
    return context;
}

TlsContext *tls_context_unref(TlsContext *context)
{
    if (!context || __atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    SSL_SESSION_free(context->session);
    SSL_CTX_free(context->ssl);
    (void)credentials_unref(context->client); /* behind whoever uses its key */
    BIO_meth_free(context->bio);
    tls_provider_free(context->provider);
    tls_allowed_done(&context->allowed);
    tls_pins_done(&context->trust.pins);
    close_p(&context->key_log_fd);
    free(context->token);
    free(context->host);
    free(context->name);
    free(context);
    return NULL;
}
