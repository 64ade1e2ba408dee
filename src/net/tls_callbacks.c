/* What OpenSSL calls. Must never keep a session whose certificate was not accepted. */
#include "net/tls_callbacks.h"

#include <stdio.h>

#include "base/file.h"
#include "net/tls_stream.h"

/* tls_stream_judge() does it, behind the handshake. In one that comes later (RFC 5246, 7.4.1.1) the
 * server is to be who it was: nobody would look at another certificate any more. */
static int leave_to_judge(X509_STORE_CTX *store, void *user)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const TlsStream *stream = SSL_get_app_data(ssl);
    bool good = !stream->peer || X509_cmp(X509_STORE_CTX_get0_cert(store), stream->peer) == 0;

    (void)user;
    X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return good;
}

void tls_context_keep_session(TlsContext *context, SSL_SESSION *session, usec_t judged)
{
    SSL_SESSION_free(context->session);
    context->session = session;
    context->session_judged = judged;
}

/* In TLS 1.3 tickets come after the handshake, several and at any time: the newest is the one that
 * lasts longest. Before, they come within it, when the certificate has not been judged. Returning 1
 * keeps the reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    TlsStream *stream = SSL_get_app_data(ssl);

    if (stream->accepted && !stream->broken) {
        tls_context_keep_session(stream->context, session, stream->judged);
        return 1;
    }
    SSL_SESSION_free(stream->early);
    stream->early = session;
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

void tls_stream_prepare(TlsContext *context)
{
    SSL_CTX *ssl = context->ssl;

    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1); /* one recv() a record, not one for its header too */
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, leave_to_judge, NULL);
    if (context->key_log_fd >= 0)
        SSL_CTX_set_keylog_callback(ssl, on_key);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (context->reuse_session) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, on_new_session);
    } else
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
}
