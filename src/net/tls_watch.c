/* What a TLS stream tells: its states, what was negotiated, the server's certificates. Must never
 * tell a byte of what is encrypted, nor of what encrypts it. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "net/tls_stream.h"

#define LINE_MAX_BYTES 200
#define TOLD_MAX 16384 /* of one job: a handshake has some forty lines */

static void time_p(ASN1_TIME **time)
{
    ASN1_TIME_free(*time);
}

/* ---- how it comes up ---- */

/* On a job's thread it is kept, for it is told on the loop's. */
static void tell(TlsStream *stream, const char *line)
{
    if (!stream->signing)
        stream->status(stream->status_user, line);
    else if (buffer_size(&stream->told) < TOLD_MAX)
        (void)buffer_append(&stream->told, line, strlen(line) + 1);
}

static void on_state(const SSL *ssl, int where, int value)
{
    TlsStream *stream = SSL_get_app_data(ssl);
    char line[LINE_MAX_BYTES];

    if (where & SSL_CB_ALERT)
        snprintf(line, sizeof(line), "%s alert: %s, %s", where & SSL_CB_READ ? "received" : "sent",
            SSL_alert_type_string_long(value), SSL_alert_desc_string_long(value));
    else if (where & SSL_CB_HANDSHAKE_START)
        snprintf(line, sizeof(line), "handshake begins");
    else if (where & SSL_CB_HANDSHAKE_DONE)
        snprintf(line, sizeof(line), "handshake done: %s %s", SSL_get_version(ssl),
            SSL_get_cipher_name(ssl));
    else if (where & SSL_CB_LOOP)
        snprintf(line, sizeof(line), "%s", SSL_state_string_long(ssl));
    else
        return;
    tell(stream, line);
}

/* RFC 8446, B.3, and RFC 5246, 7.4. */
static const char *message_name(unsigned char type)
{
    static const char *const names[] = {
        [0] = "hello_request",
        [1] = "client_hello",
        [2] = "server_hello",
        [4] = "new_session_ticket",
        [5] = "end_of_early_data",
        [8] = "encrypted_extensions",
        [11] = "certificate",
        [12] = "server_key_exchange",
        [13] = "certificate_request",
        [14] = "server_hello_done",
        [15] = "certificate_verify",
        [16] = "client_key_exchange",
        [20] = "finished",
        [22] = "certificate_status",
        [24] = "key_update",
    };

    return type < ELEMENTSOF(names) && names[type] ? names[type] : "unknown message";
}

/* Nothing but kind and size: a ticket, for one, is a secret. */
static void on_message(
    int sent, int version, int kind, const void *data, size_t n, SSL *ssl, void *user)
{
    const char *arrow = sent ? "sent" : "received";
    const unsigned char *bytes = data;
    TlsStream *stream = user;
    char line[LINE_MAX_BYTES];

    (void)version;
    (void)ssl;
    if (kind == SSL3_RT_HANDSHAKE && n > 0)
        snprintf(
            line, sizeof(line), "%s handshake %s, %zu bytes", arrow, message_name(bytes[0]), n);
    else if (kind == SSL3_RT_CHANGE_CIPHER_SPEC)
        snprintf(line, sizeof(line), "%s change_cipher_spec, %zu bytes", arrow, n);
    else if (kind == SSL3_RT_ALERT && n == 2)
        snprintf(line, sizeof(line), "%s alert %u, %zu bytes", arrow, bytes[1], n);
    else
        return;
    tell(stream, line);
}

void tls_stream_watch(TlsStream *stream, TlsStatus status, bool packets, void *user)
{
    stream->status = status;
    stream->status_user = user;
    SSL_set_info_callback(stream->ssl, status ? on_state : NULL);
    SSL_set_msg_callback(stream->ssl, status && packets ? on_message : NULL);
    SSL_set_msg_callback_arg(stream->ssl, stream);
}

/* ---- what was negotiated ---- */

static void note_bulk_cipher(TlsNegotiated *to, const SSL_CIPHER *cipher)
{
    const char *name = OBJ_nid2ln(SSL_CIPHER_get_cipher_nid(cipher));

    to->cipher_bits = (unsigned)SSL_CIPHER_get_bits(cipher, NULL);
    snprintf(to->cipher, sizeof(to->cipher), "%s",
        SSL_CIPHER_get_cipher_nid(cipher) != NID_undef && name ? name : "");
    snprintf(to->suite, sizeof(to->suite), "%s", SSL_CIPHER_standard_name(cipher) ?: "");
}

/* A session of TLS 1.2 that is resumed makes no new key: only the kind of the former one is known.
 * To ML-KEM the server has no key, only this side has. */
static void note_key_exchange(TlsNegotiated *to, SSL *ssl, const SSL_CIPHER *cipher)
{
    int kind = SSL_CIPHER_get_kx_nid(cipher), group = SSL_get_negotiated_group(ssl);
    const char *name = group > 0 ? SSL_group_to_name(ssl, group) : NULL;
    bool finite = name && text_starts_nocase(name, "ffdhe");
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    EVP_PKEY *key = NULL;

    switch (kind) {
    case NID_kx_rsa: kind = EVP_PKEY_RSA; break;
    case NID_kx_dhe: finite = true; break;
    default: break;
    }
    snprintf(to->key_exchange, sizeof(to->key_exchange), "%s",
        kind == EVP_PKEY_RSA ? "RSA"
        : finite             ? "DHE"
                             : "ECDHE");
    if (kind != EVP_PKEY_RSA && name)
        snprintf(to->group, sizeof(to->group), "%s", name);
    if (kind == EVP_PKEY_RSA && certificate)
        to->key_exchange_bits = (unsigned)EVP_PKEY_get_bits(X509_get0_pubkey(certificate));
    else if (SSL_get_peer_tmp_key(ssl, &key) == 1 || SSL_get_tmp_key(ssl, &key) == 1)
        to->key_exchange_bits = (unsigned)EVP_PKEY_get_bits(key);
    EVP_PKEY_free(key);
}

void tls_stream_note_negotiated(TlsStream *stream)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(stream->ssl);
    TlsNegotiated *to = &stream->negotiated;

    *to = (TlsNegotiated){.resumed = SSL_session_reused(stream->ssl) == 1};
    snprintf(to->version, sizeof(to->version), "%s", SSL_get_version(stream->ssl));
    if (cipher) {
        note_bulk_cipher(to, cipher);
        note_key_exchange(to, stream->ssl, cipher);
    }
    ERR_clear_error();
}

const TlsNegotiated *tls_stream_negotiated(const TlsStream *stream)
{
    return &stream->negotiated;
}

/* ---- the certificates ---- */

/* While a thread has the stream, none is known. */
X509 *tls_stream_certificate(const TlsStream *stream)
{
    return stream->signing ? NULL : SSL_get0_peer_certificate(stream->ssl);
}

Certificate *tls_stream_shown(const TlsStream *stream)
{
    X509 *certificate = tls_stream_certificate(stream);

    return certificate ? certificate_from_x509(certificate, SSL_get_peer_cert_chain(stream->ssl))
                       : NULL;
}

/* Certificates that the server showed, its own one included. */
static size_t count_sent(const TlsStream *stream)
{
    int n = stream->signing ? 0 : sk_X509_num(SSL_get_peer_cert_chain(stream->ssl));

    if (n > 0)
        return (size_t)n;
    return tls_stream_certificate(stream) ? 1 : 0;
}

/* NULL behind the last. */
static X509 *sent_certificate(const TlsStream *stream, size_t i)
{
    const STACK_OF(X509) * chain;

    if (i >= count_sent(stream))
        return NULL;
    chain = SSL_get_peer_cert_chain(stream->ssl);
    return sk_X509_num(chain) > 0 ? sk_X509_value(chain, (int)i)
                                  : SSL_get0_peer_certificate(stream->ssl);
}

char *tls_stream_pem(const TlsStream *stream, bool whole)
{
    size_t n = whole ? count_sent(stream) : MIN(count_sent(stream), (size_t)1);
    BIO *bio = n > 0 ? BIO_new(BIO_s_mem()) : NULL;
    bool good = bio;
    char *data = NULL, *text = NULL;
    long size;

    for (size_t i = 0; i < n && good; i++)
        good = PEM_write_bio_X509(bio, sent_certificate(stream, i)) == 1;
    size = good ? BIO_get_mem_data(bio, &data) : 0;
    if (size > 0)
        text = strndup(data, (size_t)size);
    BIO_free(bio);
    ERR_clear_error();
    return text;
}

char *tls_stream_describe_chain(const TlsStream *stream)
{
    _cleanup_buffer_ Buffer out = {0};
    int r = 0;

    for (size_t i = 1; i < count_sent(stream) && r >= 0; i++) {
        X509 *certificate = sent_certificate(stream, i);
        _cleanup_free_
        char *subject = certificate_name_text(X509_get_subject_name(certificate));
        _cleanup_free_
        char *issuer = certificate_name_text(X509_get_issuer_name(certificate));

        r = subject && issuer ? buffer_appendf(&out, "%s, issuer %s\n", subject, issuer) : -ENOMEM;
    }
    return r < 0 || buffer_size(&out) == 0 ? NULL : strndup(buffer_data(&out), buffer_size(&out));
}

/* "the certificate of mail.test ends on 2026-01-02 03:04:05 UTC, in 5 days; ...". 0 or -ENOMEM. */
static int append_expiring(
    Buffer *out, X509 *certificate, const char *whose, const char *advice, time_t now, usec_t span)
{
    const ASN1_TIME *end = certificate ? X509_get0_notAfter(certificate) : NULL;
    _cleanup_(time_p) ASN1_TIME *from = ASN1_TIME_set(NULL, now);
    char date[CERTIFICATE_DATE_MAX];
    int days = 0, seconds = 0, r;

    if (!end || !from || ASN1_TIME_diff(&days, &seconds, from, end) != 1)
        return 0;
    if (days > 0 && (usec_t)days * USEC_PER_DAY + (usec_t)seconds * USEC_PER_SEC > span)
        return 0;
    r = buffer_appendf(out, "%s%s %s on %s", buffer_size(out) > 0 ? "\n" : "", whose,
        days < 0 || seconds < 0 ? "has ended" : "ends", certificate_date_text(end, date));
    if (r >= 0 && days >= 0 && seconds >= 0)
        r = buffer_appendf(out, ", in %d day%s", days, days == 1 ? "" : "s");
    return r < 0 ? r : buffer_appendf(out, "; %s", advice);
}

char *tls_stream_expiring(const TlsStream *stream, usec_t now, usec_t span)
{
    _cleanup_buffer_ Buffer out = {0};
    time_t seconds = (time_t)(now / USEC_PER_SEC);
    char whose[300];
    int r;

    snprintf(whose, sizeof(whose), "the certificate of %.255s", stream->context->host);
    r = append_expiring(
        &out, tls_stream_certificate(stream), whose, "its owner must renew it", seconds, span);
    if (r >= 0)
        r = append_expiring(&out, stream->signing ? NULL : SSL_get_certificate(stream->ssl),
            "our own certificate (tls_certificate)", "have it renewed", seconds, span);
    ERR_clear_error();
    return r < 0 || buffer_size(&out) == 0 ? NULL : strndup(buffer_data(&out), buffer_size(&out));
}

usec_t tls_stream_certificate_ends(const TlsStream *stream)
{
    X509 *certificate = tls_stream_certificate(stream);
    struct tm tm;
    time_t end = 0;

    if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
        end = timegm(&tm);
    ERR_clear_error();
    return end > 0 ? (usec_t)end * USEC_PER_SEC : 0;
}

char *tls_stream_describe_certificate(const TlsStream *stream)
{
    X509 *certificate = tls_stream_certificate(stream);

    return certificate ? certificate_describe(certificate) : NULL;
}
