/* TLS streams. Must never block, never raise SIGPIPE, and never resume a session whose certificate
 * was not accepted. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "net/dane.h"
#include "net/tls_callbacks.h"
#include "net/tls_error.h"
#include "net/tls_signing.h"
#include "net/tls_stream.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266, 2 */
#define CHAIN_MAX USEC_PER_DAY /* of resumptions without a look at a certificate */

/* Server Name Indication takes names only, without the root's dot (RFC 6066, 3). */
static bool set_server_name(SSL *ssl, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    _cleanup_free_
    char *bare = NULL;
    size_t n = strlen(name);

    if (inet_pton(AF_INET, name, address) == 1 || strchr(name, ':'))
        return true;
    bare = strndup(name, n > 0 && name[n - 1] == '.' ? n - 1 : n);
    return bare && SSL_set_tlsext_host_name(ssl, bare) == 1;
}

/* A resumed session shows no certificate (RFC 8446, 2.2), and each leads to the next: so that
 * certificates are looked at again now and then, a chain of them ends after a while, and when the
 * certificate does that it began with. */
static bool may_resume(const TlsContext *context, usec_t now)
{
    X509 *certificate = context->session ? SSL_SESSION_get0_peer(context->session) : NULL;

    return certificate && now < usec_add(context->session_judged, CHAIN_MAX) &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* A copy is resumed, for OpenSSL takes one of TLS 1.3 for used up then, and a server such as
 * Postfix gives no new one for it. Used twice, it tells who looks on that both connections are
 * ours, as their addresses do (RFC 8446, C.4). 1, or 0 when OpenSSL cannot. */
static int use_session(TlsStream *stream, usec_t now)
{
    TlsContext *context = stream->context;
    SSL_SESSION *copy;
    int r;

    stream->judged = now;
    if (!may_resume(context, now)) {
        tls_context_keep_session(context, NULL, 0);
        return 1;
    }
    stream->chain = context->session_judged;
    stream->offered = true;
    copy = SSL_SESSION_dup(context->session);
    r = copy ? SSL_set_session(stream->ssl, copy) : 0;
    SSL_SESSION_free(copy);
    return r;
}

static int make(
    TlsContext *context, int fd, const TlsCarrier *carrier, usec_t now, TlsStream **ret, Failure *f)
{
    _cleanup_(tls_stream_free_p) TlsStream *stream = calloc(1, sizeof(TlsStream));
    char reason[TLS_ERROR_MAX];
    BIO *bio;

    if (!stream)
        return -ENOMEM;
    ERR_clear_error();
    stream->context = tls_context_ref(context);
    stream->ssl = SSL_new(context->ssl);
    bio = stream->ssl ? tls_bio_new(context->bio, fd, carrier) : NULL;
    if (!bio)
        return -ENOMEM;
    SSL_set_bio(stream->ssl, bio, bio);
    if (SSL_set_app_data(stream->ssl, stream) != 1)
        return -ENOMEM;
    if (!set_server_name(stream->ssl, context->name) || use_session(stream, now) != 1)
        return failure_reason(f, REASON_TLS_LIBRARY,
            failure_set(f, -EINVAL, ERROR_TLS_LIBRARY,
                "cannot prepare TLS with %s: %s; check host, tls_name and OpenSSL's own "
                "configuration",
                context->host, tls_error_reason(reason)));
    if (context->asks_status)
        (void)SSL_set_tlsext_status_type(stream->ssl, TLSEXT_STATUSTYPE_ocsp);
    SSL_set_connect_state(stream->ssl);
    *ret = TAKE_PTR(stream);
    return 0;
}

int tls_stream_new(TlsContext *context, int fd, usec_t now, TlsStream **ret, Failure *f)
{
    return make(context, fd, NULL, now, ret, f);
}

int tls_stream_new_over(
    TlsContext *context, const TlsCarrier *carrier, usec_t now, TlsStream **ret, Failure *f)
{
    return make(context, -1, carrier, now, ret, f);
}

/* OpenSSL would not let the session be resumed when a connection just ends. */
static void end_session(TlsStream *stream)
{
    if (stream->broken)
        tls_context_keep_session(stream->context, NULL, 0);
    else
        SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void tls_stream_free(TlsStream *stream)
{
    if (!stream)
        return;
    if (stream->signing) {
        tls_signing_abandon(stream);
        return;
    }
    if (stream->ssl)
        end_session(stream);
    tls_stream_dispose(stream);
}

static int closed(const TlsStream *stream, const char *when, Failure *f)
{
    return failure_reason(f, REASON_TLS_CLOSED,
        failure_set(f, -ECONNRESET, ERROR_CONNECTION_DROPPED, "%s closed the connection %s",
            stream->context->host, when));
}

/* RFC 5929, 4.1: the certificate by the hash of its own signature, but never by MD5 or SHA-1. */
static void bind_end_point(TlsStream *stream)
{
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    const EVP_MD *hash;
    unsigned int n = 0;
    int nid = NID_undef;

    if (!certificate || X509_get_signature_info(certificate, &nid, NULL, NULL, NULL) != 1)
        return;
    hash = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
    if (!hash || X509_digest(certificate, hash, stream->end_point, &n) != 1)
        return;
    stream->info.binding_end_point = stream->end_point;
    stream->info.binding_end_point_size = n;
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
    bind_end_point(stream);
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

static ssize_t shake(TlsStream *stream, Failure *f)
{
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(stream->ssl);
    return result == 1 ? 1 : tls_stream_judge_result(stream, result, TLS_AT_HANDSHAKE, f);
}

static ssize_t flush(TlsStream *stream, Failure *f)
{
    int r = tls_bio_flush(SSL_get_wbio(stream->ssl));

    if (r == -EAGAIN)
        stream->wants = POLLOUT;
    else if (r < 0) {
        stream->unwritable = true;
        return failure_set_socket(f, r, "the connection with %s broke", stream->context->host);
    }
    return r;
}

/* The first words need no key, and are said at once; each of the server's is answered by a job, for
 * nobody can tell before whether the answer is to be signed. As tls_stream_handshake(). */
static ssize_t shake_beside(TlsStream *stream, Failure *f)
{
    BIO *bio = SSL_get_rbio(stream->ssl);
    ssize_t r = -EAGAIN;
    int filled;

    if (stream->signing && !tls_signing_has_ended(stream->signing))
        return -EAGAIN;
    if (stream->signing)
        stream->shaken = r = tls_signing_end(stream, f);
    else if (stream->n_jobs == 0 && SSL_in_before(stream->ssl)) {
        tls_bio_hold(bio);
        stream->shaken = r = shake(stream, f);
    }
    if (r != 1 && r != -EAGAIN) {
        (void)tls_bio_flush(bio); /* an alert that says why */
        return r;
    }
    r = flush(stream, f);
    if (r < 0)
        return r;
    if (stream->shaken == 1) {
        tls_bio_release(bio);
        return 1;
    }
    filled = tls_bio_pending(bio) ? 1 : tls_bio_fill(bio);
    stream->wants = POLLIN;
    if (filled > 0)
        filled = tls_signing_start(stream, stream->worker, f);
    return filled < 0 ? filled : -EAGAIN;
}

void tls_stream_sign_beside(TlsStream *stream, Worker *worker)
{
    if (stream->context->token)
        stream->worker = worker;
}

int tls_stream_signing_fd(const TlsStream *stream)
{
    return stream->signing ? tls_signing_fd(stream->signing) : -1;
}

unsigned tls_stream_signings(const TlsStream *stream)
{
    return stream->n_jobs;
}

ssize_t tls_stream_handshake(TlsStream *stream, Failure *f)
{
    ssize_t r = stream->worker ? shake_beside(stream, f) : shake(stream, f);

    if (r == 1) {
        describe(stream);
        tls_stream_note_negotiated(stream);
        r = tls_allowed_check(&stream->context->allowed, stream->ssl, stream->context->host, f);
        stream->broken |= r < 0;
        return r < 0 ? r : 1;
    }
    if (r == -EAGAIN)
        return r;
    stream->broken = true;
    return r == 0 ? closed(stream,
                        "during the TLS handshake: its log may say what it wants, such as another "
                        "port, a client certificate, or a smaller first message (see tls13_groups)",
                        f)
                  : r;
}

int tls_stream_judge(TlsStream *stream, Failure *f)
{
    TlsContext *context = stream->context;
    int r = 0;

    if (SSL_session_reused(stream->ssl))
        stream->judged = stream->chain;
    else if (context->verify)
        r = trust_judge(&context->trust, SSL_get0_peer_certificate(stream->ssl),
            SSL_get_peer_cert_chain(stream->ssl), &stream->verified, f);
    return r < 0 ? r : 1;
}

int tls_stream_judge_dane(TlsStream *stream, const TlsaSet *set, Failure *f)
{
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    const Trust *trust = &stream->context->trust;
    int r = 0;

    if (!certificate || !tls_pins_match(&trust->pins, certificate))
        r = dane_judge(trust, set, certificate, SSL_get_peer_cert_chain(stream->ssl), f);
    return r < 0 ? r : 1;
}

const char *tls_stream_name(const TlsStream *stream)
{
    return stream->context->name;
}

bool tls_stream_verifies(const TlsStream *stream)
{
    return stream->context->verify;
}

struct stack_st_X509 *tls_stream_verified(const TlsStream *stream)
{
    return stream->verified;
}

const unsigned char *tls_stream_stapled(const TlsStream *stream, size_t *ret_n)
{
    const unsigned char *bytes = NULL;
    long n = SSL_get_tlsext_status_ocsp_resp(stream->ssl, &bytes);

    *ret_n = n > 0 ? (size_t)n : 0;
    return n > 0 ? bytes : NULL;
}

void tls_stream_decide(TlsStream *stream, bool trusted, bool accepted)
{
    stream->accepted = accepted && trusted;
    stream->info.verified = trusted && stream->context->is_strict;
    stream->broken |= !accepted;
    if (stream->context->renegotiates && !stream->peer) {
        stream->peer = SSL_get1_peer_certificate(stream->ssl);
        SSL_set_verify(stream->ssl, SSL_VERIFY_PEER, NULL);
    }
    if (stream->accepted && stream->early)
        tls_context_keep_session(stream->context, TAKE_PTR(stream->early), stream->judged);
    else if (accepted && !trusted)
        tls_context_keep_session(stream->context, NULL, 0);
}

bool tls_stream_offered(const TlsStream *stream)
{
    return stream->offered;
}

void tls_stream_distrust(TlsStream *stream)
{
    if (!stream->signing)
        stream->broken |= SSL_session_reused(stream->ssl) == 1;
}

ssize_t tls_stream_read(TlsStream *stream, void *data, size_t n, Failure *f)
{
    int result;

    if (stream->dead)
        return closed(stream, "after an error of TLS", f);
    ERR_clear_error();
    errno = 0;
    result = SSL_read(stream->ssl, data, (int)MIN(n, (size_t)INT_MAX));
    return result > 0 ? result : tls_stream_judge_result(stream, result, TLS_AT_READ, f);
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
    r = tls_stream_judge_result(stream, result, TLS_AT_WRITE, f);
    return r == 0 ? closed(stream, "while it was being sent to", f) : r;
}

short tls_stream_wants(const TlsStream *stream)
{
    return stream->wants;
}

bool tls_stream_pending(const TlsStream *stream)
{
    return !stream->signing && !stream->dead &&
           (SSL_has_pending(stream->ssl) == 1 || tls_bio_pending(SSL_get_rbio(stream->ssl)));
}

void tls_stream_shutdown(TlsStream *stream)
{
    if (stream->signing)
        return;
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
    return !stream->signing && SSL_session_reused(stream->ssl) == 1;
}

void tls_keep_at_exit(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
