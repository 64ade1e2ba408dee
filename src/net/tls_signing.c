/* Handshakes beside the loop. Must never let a thread touch what the loop has, nor the loop what a
 * thread has: who abandons a job leaves it the stream. */
#include "net/tls_signing.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "base/errors.h"
#include "net/tls_error.h"

struct TlsSigning {
    TlsStream *stream;
    Job *job;
    bool abandoned; /* set before job_free(), whose lock orders it before the thread's look */
    ssize_t result;
    Failure failure;
};

/* The errors of an engine or a provider have numbers that OpenSSL gives out while it runs. */
static bool token_has_failed(void)
{
    return ERR_GET_LIB(ERR_peek_error()) >= ERR_LIB_USER;
}

static ssize_t explain_token(TlsStream *stream, Failure *f)
{
    char reason[TLS_ERROR_MAX];

    stream->dead = stream->unwritable = true;
    return failure_reason(f, REASON_TLS_CLIENT_KEY,
        failure_set(f, -EIO, ERROR_TLS_CREDENTIALS,
            "the token did not sign for %s (%s): check that it is there and works, and that its "
            "key may sign",
            stream->context->host, tls_error_reason(reason)));
}

static void run(void *argument)
{
    TlsSigning *signing = argument;
    TlsStream *stream = signing->stream;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(stream->ssl);
    if (result == 1)
        signing->result = 1;
    else if (token_has_failed())
        signing->result = explain_token(stream, &signing->failure);
    else
        signing->result =
            tls_stream_judge_result(stream, result, TLS_AT_HANDSHAKE, &signing->failure);
    /* What OpenSSL keeps for this thread, which may not use it again before it ends. */
    tls_provider_leave(stream->context->provider);
    OPENSSL_thread_stop();
}

static void drop(void *argument)
{
    TlsSigning *signing = argument;

    if (signing->abandoned)
        tls_stream_dispose(signing->stream);
    failure_done(&signing->failure);
    free(signing);
}

/* Whoever hangs keeps so many threads, and no other token any. */
static const JobKind kind = {
    "signatures", run, drop, .limit = 32, .limit_of_key = 4, .waiting_max = 256};

static int cannot_start(const TlsStream *stream, int error, Failure *f)
{
    if (error == -ENOMEM)
        return error;
    return failure_reason(f, REASON_TLS_CLIENT_KEY,
        failure_set(f, -EBUSY, ERROR_TLS_CREDENTIALS,
            "no thread is left to have the token sign for %s: %s; check that it answers",
            stream->context->host,
            error == -EBUSY ? "too many wait for it already" : strerrordesc_np(-error)));
}

int tls_signing_start(TlsStream *stream, Worker *worker, Failure *f)
{
    TlsSigning *signing = calloc(1, sizeof(TlsSigning));
    int r;

    if (!signing)
        return -ENOMEM;
    signing->stream = stream;
    stream->signing = signing; /* the thread's callbacks look at it */
    r = worker_submit(worker, &kind, stream->context->token, signing, &signing->job);
    if (r < 0) {
        stream->signing = NULL;
        free(signing);
        return cannot_start(stream, r, f);
    }
    stream->n_jobs++;
    return 0;
}

bool tls_signing_has_ended(const TlsSigning *signing)
{
    return job_has_ended(signing->job);
}

int tls_signing_fd(const TlsSigning *signing)
{
    return job_fd(signing->job);
}

static void tell_what_was_told(TlsStream *stream)
{
    const char *line = buffer_data(&stream->told), *end = line + buffer_size(&stream->told);

    for (; line < end; line += strlen(line) + 1)
        stream->status(stream->status_user, line);
    buffer_done(&stream->told);
}

ssize_t tls_signing_end(TlsStream *stream, Failure *f)
{
    TlsSigning *signing = stream->signing;
    ssize_t r = signing->result;

    failure_done(f);
    *f = signing->failure;
    signing->failure = (Failure){0};
    stream->signing = NULL;
    (void)job_free(signing->job);
    if (buffer_size(&stream->told) > 0)
        tell_what_was_told(stream);
    return r;
}

void tls_signing_abandon(TlsStream *stream)
{
    TlsSigning *signing = stream->signing;

    signing->abandoned = true;
    (void)job_free(signing->job);
}
