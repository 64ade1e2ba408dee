/* Finding out why a server is silent. Must never keep the connection waiting, nor end it for
 * anything but words of TLS. */
#include "net/silence.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "base/macros.h"
#include "net/address.h"

#define PROBE_TIME (5 * USEC_PER_SEC)
#define PROBE_PAUSE (200 * USEC_PER_MSEC) /* between looks: it need not be fast */

#define RECORD_ALERT 21 /* RFC 8446, 5.1 */
#define RECORD_HANDSHAKE 22
#define RECORD_MAJOR_VERSION 3

/* The first words of a TLS client. False without memory. */
static bool first_words(BIO *out)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    BIO *in = ssl ? BIO_new(BIO_s_mem()) : NULL;
    bool good = in && BIO_up_ref(out) == 1;

    if (good) {
        SSL_set_bio(ssl, in, out);
        (void)SSL_connect(ssl);
    } else
        BIO_free(in);
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return good;
}

/* Sends them once the connection stands. 1 sent, 0 not yet, or a negative errno. */
static int speak(int fd)
{
    BIO *words = BIO_new(BIO_s_mem());
    char *data = NULL;
    ssize_t r = -ENOMEM;

    if (words && first_words(words)) {
        long n = BIO_get_mem_data(words, &data);

        r = n > 0 ? send(fd, data, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) : -ENOMEM;
        if (r < 0)
            r = errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
    }
    BIO_free(words);
    return (int)MIN(r, 1);
}

/* 1 it is TLS, 0 not yet, or a negative errno: it is not, or cannot be told. */
static int listen_to(int fd)
{
    unsigned char answer[3];
    ssize_t n = recv(fd, answer, sizeof(answer), MSG_PEEK | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
    if (n < (ssize_t)sizeof(answer))
        return n == 0 ? -ECONNRESET : 0;
    return (answer[0] == RECORD_ALERT || answer[0] == RECORD_HANDSHAKE) &&
                   answer[1] == RECORD_MAJOR_VERSION
               ? 1
               : -EPROTO;
}

/* As listen_to(). */
static int probe(Silence *silence)
{
    int r;

    if (!silence->said) {
        r = speak(silence->fd);
        silence->said = r > 0;
        return MIN(r, 0);
    }
    return listen_to(silence->fd);
}

static bool start_probe(Silence *silence, const struct sockaddr_storage *peer)
{
    int fd = socket(peer->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (connect(fd, (const struct sockaddr *)peer, address_size(peer)) >= 0 ||
                       errno == EINPROGRESS)) {
        silence->fd = fd;
        silence->probing = true;
    } else
        close_p(&fd);
    return silence->probing;
}

static void end_probe(Silence *silence)
{
    if (silence->probing)
        (void)close(silence->fd);
    silence->probing = silence->said = false;
}

void silence_begin(Silence *silence, usec_t now)
{
    silence_end(silence);
    silence->next = usec_add(now, SILENCE_STRANGE);
}

SilenceNews silence_step(
    Silence *silence, const struct sockaddr_storage *peer, bool may_probe, usec_t now)
{
    int r;

    if (silence->next == 0 || now < silence->next)
        return SILENCE_NOTHING;
    silence->next = usec_add(now, PROBE_PAUSE);
    if (silence->end == 0) {
        silence->end = usec_add(now, PROBE_TIME);
        if (!may_probe || !start_probe(silence, peer))
            silence->next = 0;
        return SILENCE_LASTS;
    }
    r = probe(silence);
    if (r == 0 && now < silence->end)
        return SILENCE_NOTHING;
    silence_end(silence);
    return r > 0 ? SILENCE_IS_TLS : SILENCE_NOTHING;
}

usec_t silence_deadline(const Silence *silence)
{
    return silence->next > 0 ? silence->next : USEC_NEVER;
}

void silence_end(Silence *silence)
{
    end_probe(silence);
    silence->next = silence->end = 0;
}
