/* What the TLS connections of one relay share. Must never be made for a relay that has no TLS: it
 * brings OpenSSL's memory with it. */
#include "net/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "net/tls_error.h"
#include "net/tls_settings.h"

static int open_key_log(TlsContext *context, const RelayConfig *relay, Failure *f)
{
    if (!relay->tls_key_log_file)
        return 0;
    context->key_log_fd =
        open(relay->tls_key_log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (context->key_log_fd < 0)
        return failure_set_errno(
            f, -errno, "tls_key_log_file: cannot open %s", relay->tls_key_log_file);
    return 0;
}

/* The name that the certificate must have (RFC 6125), or the address. */
static int expect_host(TlsContext *context)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context->ssl);
    size_t n = strlen(context->host);
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, context->host, address) == 1 ||
        inet_pton(AF_INET6, context->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, context->host) == 1 ? 0 : -ENOMEM;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (n > 0 && context->host[n - 1] == '.') /* the root's dot is in no certificate */
        n--;
    return X509_VERIFY_PARAM_set1_host(param, context->host, n) == 1 ? 0 : -ENOMEM;
}

static int apply(
    TlsContext *context, const RelayConfig *relay, const Secret *key_password, Failure *f)
{
    int r = tls_settings_protocols(context->ssl, relay, f);

    if (r >= 0)
        r = tls_settings_ciphers(context->ssl, relay, f);
    if (r >= 0)
        r = tls_settings_client_certificate(context->ssl, relay, key_password, f);
    if (r >= 0 && relay->tls_verify)
        r = tls_settings_authorities(context->ssl, relay, f);
    if (r >= 0 && relay->tls_verify)
        r = expect_host(context);
    if (r >= 0 && relay->tls_accept_certificate)
        r = certificate_pin_load(relay->tls_accept_certificate, &context->pin, f);
    if (r >= 0)
        r = open_key_log(context, relay, f);
    return r;
}

int tls_context_new(
    const RelayConfig *relay, const Secret *key_password, TlsContext **ret, Failure *f)
{
    TlsContext *context = calloc(1, sizeof(TlsContext));
    char reason[TLS_ERROR_MAX];
    int r;

    if (!context)
        return -ENOMEM;
    context->references = 1;
    context->key_log_fd = -1;
    context->reuse_session = relay->tls_reuse_session;
    context->host = strdup(relay->host);
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_client_method());
    context->bio = tls_bio_method_new();
    if (!context->ssl)
        r = failure_set(f, -EIO, ERROR_TLS_LIBRARY,
            "OpenSSL cannot be used: %s; check its configuration (openssl version -d)",
            tls_error_reason(reason));
    else
        r = context->host && context->bio ? apply(context, relay, key_password, f) : -ENOMEM;
    if (r < 0) {
        (void)tls_context_unref(context);
        return r;
    }
    tls_stream_prepare(context, relay->tls_verify);
    *ret = context;
    return 0;
}

TlsContext *tls_context_ref(TlsContext *context)
{
    context->references++;
    return context;
}

TlsContext *tls_context_unref(TlsContext *context)
{
    if (!context || --context->references > 0)
        return NULL;
    SSL_SESSION_free(context->session);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    close_p(&context->key_log_fd);
    free(context->host);
    free(context);
    return NULL;
}
