/* What the loop and a thread that shakes hands both do with a stream. Must never look at what is
 * the other's. */
#include "net/tls_stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>

#include "base/errors.h"

ssize_t tls_stream_judge_result(TlsStream *stream, int result, TlsMoment moment, Failure *f)
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
        return failure_set_socket(f, -error, "the connection with %s broke", stream->context->host);
    default:
        stream->dead = stream->unwritable = true;
        r = tls_error_explain(stream->context->host, moment, f);
        stream->broken = stream->broken || r < 0;
        return r;
    }
}

void tls_stream_dispose(TlsStream *stream)
{
    SSL_free(stream->ssl);
    SSL_SESSION_free(stream->early);
    X509_free(stream->peer);
    sk_X509_pop_free(stream->verified, X509_free);
    (void)tls_context_unref(stream->context);
    OPENSSL_cleanse(stream->exporter, sizeof(stream->exporter));
    buffer_done(&stream->told);
    free(stream);
}
