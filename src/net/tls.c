/* TLS streams. Must never block, never raise SIGPIPE, and never let a certificate pass that the
 * relay's settings do not allow. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "net/tls_context.h"
#include "net/tls_error.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266, 2 */
#define EXPORTER_BYTES 32
#define FINISHED_BYTES_MAX 64
#define DESCRIPTION_MAX 96

struct TlsStream {
    TlsContext *context;
    SSL *ssl;
    short wants;
    bool broken;       /* the session must not be resumed */
    bool dead;         /* after a fatal error OpenSSL must not be asked for anything more */
    bool unwritable;   /* the same of writing; what has come may still be read */
    Failure untrusted; /* why the certificate was not accepted */
    SmtpTlsInfo info;
    char description[DESCRIPTION_MAX];
    unsigned char exporter[EXPORTER_BYTES];
    unsigned char unique[FINISHED_BYTES_MAX];
};

/* ---- what OpenSSL calls ---- */

static int on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    TlsStream *stream = SSL_get_app_data(ssl);

    if (good)
        return 1;
    if (certificate_pin_matches(&stream->context->pin, X509_STORE_CTX_get0_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    certificate_explain(store, stream->context->host, &stream->untrusted);
    return 0;
}

/* In TLS 1.3 tickets come after the handshake, several and at any time: the newest is the one that
 * lasts longest. Returning 1 keeps the reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    TlsStream *stream = SSL_get_app_data(ssl);

    SSL_SESSION_free(stream->context->session);
    stream->context->session = session;
    return 1;
}

static void on_key(const SSL *ssl, const char *line)
{
    TlsStream *stream = SSL_get_app_data(ssl);
    char text[512];
    int n = snprintf(text, sizeof(text), "%s\n", line);

    /* In one piece, for several processes may append; a full disk must not stop the mail. */
    if (n > 0 && (size_t)n < sizeof(text))
        (void)file_write_all(stream->context->key_log_fd, text, (size_t)n);
}

void tls_stream_prepare(TlsContext *context, bool verify)
{
    SSL_CTX *ssl = context->ssl;

    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1); /* one recv() a record, not one for its header too */
    SSL_CTX_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? on_verify : NULL);
    if (context->key_log_fd >= 0)
        SSL_CTX_set_keylog_callback(ssl, on_key);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (context->reuse_session) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, on_new_session);
    } else
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
}

/* ---- a stream ---- */

/* Server Name Indication takes names only, without the root's dot (RFC 6066, 3). */
static bool set_server_name(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    _cleanup_free_
    char *name = NULL;
    size_t n = strlen(host);

    if (inet_pton(AF_INET, host, address) == 1 || strchr(host, ':'))
        return true;
    name = strndup(host, n > 0 && host[n - 1] == '.' ? n - 1 : n);
    return name && SSL_set_tlsext_host_name(ssl, name) == 1;
}

int tls_stream_new(TlsContext *context, int fd, TlsStream **ret, Failure *f)
{
    _cleanup_(tls_stream_free_p) TlsStream *stream = calloc(1, sizeof(TlsStream));
    char reason[TLS_ERROR_MAX];
    BIO *bio;

    if (!stream)
        return -ENOMEM;
    ERR_clear_error();
    stream->context = tls_context_ref(context);
    stream->ssl = SSL_new(context->ssl);
    bio = stream->ssl ? tls_bio_new(context->bio, fd) : NULL;
    if (!bio)
        return -ENOMEM;
    SSL_set_bio(stream->ssl, bio, bio);
    if (SSL_set_app_data(stream->ssl, stream) != 1)
        return -ENOMEM;
    if (!set_server_name(stream->ssl, context->host) ||
        (context->session && SSL_set_session(stream->ssl, context->session) != 1))
        return failure_set(f, -EINVAL, ERROR_TLS_LIBRARY, "cannot prepare TLS with %s: %s",
            context->host, tls_error_reason(reason));
    SSL_set_connect_state(stream->ssl);
    *ret = TAKE_PTR(stream);
    return 0;
}

/* OpenSSL would not let the session be resumed when a connection just ends. */
static void keep_session(TlsStream *stream)
{
    TlsContext *context = stream->context;

    if (!stream->broken) {
        SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        return;
    }
    SSL_SESSION_free(context->session);
    context->session = NULL;
}

void tls_stream_free(TlsStream *stream)
{
    if (!stream)
        return;
    if (stream->ssl)
        keep_session(stream);
    SSL_free(stream->ssl);
    (void)tls_context_unref(stream->context);
    failure_done(&stream->untrusted);
    OPENSSL_cleanse(stream->exporter, sizeof(stream->exporter));
    free(stream);
}

static int closed(const TlsStream *stream, const char *when, Failure *f)
{
    return failure_set(f, -ECONNRESET, ERROR_CONNECTION_DROPPED, "%s closed the connection %s",
        stream->context->host, when);
}

/* What an operation that got nowhere means: -EAGAIN, 0 at the end of data, or a failure. */
static ssize_t judge(TlsStream *stream, int result, Failure *f)
{
    int error = errno;
    ssize_t r;

    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ: stream->wants = POLLIN; return -EAGAIN;
    case SSL_ERROR_WANT_WRITE: stream->wants = POLLOUT; return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        stream->unwritable = true;
        if (error == 0)
            return 0;
        return failure_set_errno(f, -error, "the connection with %s broke", stream->context->host);
    default:
        stream->dead = stream->unwritable = true;
        r = tls_error_explain(stream->context->host, f);
        stream->broken = stream->broken || r < 0;
        return r;
    }
}

static void describe(TlsStream *stream)
{
    SSL *ssl = stream->ssl;
    bool modern = SSL_version(ssl) >= TLS1_3_VERSION;
    bool extended = SSL_get_extms_support(ssl) == 1; /* RFC 7627 */
    size_t n;

    snprintf(stream->description, sizeof(stream->description), "%s %s", SSL_get_version(ssl),
        SSL_get_cipher_name(ssl));
    stream->info = (SmtpTlsInfo){.active = true, .description = stream->description};
    if ((modern || extended) &&
        SSL_export_keying_material(ssl, stream->exporter, sizeof(stream->exporter), EXPORTER_LABEL,
            strlen(EXPORTER_LABEL), NULL, 0, 0) == 1) {
        stream->info.binding_exporter = stream->exporter;
        stream->info.binding_exporter_size = sizeof(stream->exporter);
    }
    /* RFC 5929, 3: the first Finished message of the handshake, which the server sends when a
     * session is resumed. Without RFC 7627 that one binds nothing. */
    if (modern || (SSL_session_reused(ssl) && !extended))
        return;
    n = SSL_session_reused(ssl) ? SSL_get_peer_finished(ssl, stream->unique, sizeof(stream->unique))
                                : SSL_get_finished(ssl, stream->unique, sizeof(stream->unique));
    if (n == 0 || n > sizeof(stream->unique))
        return;
    stream->info.binding_unique = stream->unique;
    stream->info.binding_unique_size = n;
}

ssize_t tls_stream_handshake(TlsStream *stream, Failure *f)
{
    ssize_t r;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        describe(stream);
        return 1;
    }
    r = judge(stream, result, f);
    if (r == -EAGAIN)
        return r;
    stream->broken = true;
    if (stream->untrusted.number != 0)
        return failure_set(
            f, -EACCES, stream->untrusted.number, "%s", failure_text(&stream->untrusted));
    return r == 0 ? closed(stream, "during the TLS handshake", f) : r;
}

ssize_t tls_stream_read(TlsStream *stream, void *data, size_t n, Failure *f)
{
    int result;

    if (stream->dead)
        return closed(stream, "after an error of TLS", f);
    ERR_clear_error();
    errno = 0;
    result = SSL_read(stream->ssl, data, (int)MIN(n, (size_t)INT_MAX));
    return result > 0 ? result : judge(stream, result, f);
}

ssize_t tls_stream_write(TlsStream *stream, const void *data, size_t n, Failure *f)
{
    ssize_t r;
    int result;

    if (stream->unwritable)
        return closed(stream, "while it was being sent to", f);
    ERR_clear_error();
    errno = 0;
    result = SSL_write(stream->ssl, data, (int)MIN(n, (size_t)INT_MAX));
    if (result > 0)
        return result;
    r = judge(stream, result, f);
    return r == 0 ? closed(stream, "while it was being sent to", f) : r;
}

short tls_stream_wants(const TlsStream *stream)
{
    return stream->wants;
}

bool tls_stream_pending(const TlsStream *stream)
{
    return !stream->dead && SSL_has_pending(stream->ssl) == 1;
}

void tls_stream_shutdown(TlsStream *stream)
{
    ERR_clear_error();
    if (!stream->broken && !stream->unwritable)
        (void)SSL_shutdown(stream->ssl);
    ERR_clear_error();
}

const SmtpTlsInfo *tls_stream_info(const TlsStream *stream)
{
    return &stream->info;
}

bool tls_stream_resumed(const TlsStream *stream)
{
    return SSL_session_reused(stream->ssl) == 1;
}

char *tls_stream_describe_certificate(const TlsStream *stream)
{
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);

    return certificate ? certificate_describe(certificate) : NULL;
}
