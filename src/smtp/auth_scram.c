/* SCRAM (RFC 5802, RFC 7677), with and without binding to the TLS channel. Must never accept a
 * server that does not show that it knows the password, nor let one keep the processor busy.
 *
 * Written here, for libgsasl knows neither tls-server-end-point nor when to say that the client
 * could have bound. */
#include <errno.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/auth_mechanism.h"

#define ROUNDS_MAX 1000000 /* about a second of a processor */
#define NONCE_BYTES 18
#define SERVER_ERROR_MAX 64

typedef struct ScramState {
    const EVP_MD *hash;
    char nonce[NONCE_BYTES / 3 * 4 + 1];
    char *user, *password; /* prepared (RFC 4013) */
    Buffer header;         /* gs2-header (RFC 5802, 7), and behind it what it binds to */
    size_t header_n;       /* of the header alone */
    Buffer first;          /* client-first-message-bare */
    unsigned char server_signature[EVP_MAX_MD_SIZE];
    bool said_final;
} ScramState;

/* The message of the server, taken apart; borrowed from it. */
typedef struct ServerFirst {
    const char *nonce, *salt, *rounds;
    size_t nonce_n, salt_n, rounds_n;
} ServerFirst;

static int fail_bad_words(const SmtpAuth *auth, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "%s failed on what the server sent: it is no message of RFC 5802", auth->mechanism->name);
}

static int fail_unproven(SmtpAuth *auth, Failure *f)
{
    auth->unproven = true;
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "the server failed its own part of %s: it does not know the password, or is not the "
        "server that it should be; check host and tls_verify",
        auth->mechanism->name);
}

static int prepare(const SmtpAuth *auth, const char *text, char **ret, Failure *f)
{
    int code = gsasl_saslprep(text, 0, ret, NULL);

    if (code == GSASL_OK)
        return 0;
    if (code == GSASL_MALLOC_ERROR)
        return -ENOMEM;
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "user or password hold characters that %s does not allow (RFC 4013)",
        auth->mechanism->name);
}

/* RFC 5802, 5.1: a name of which nothing is left is none. */
static int prepare_user(const SmtpAuth *auth, char **ret, Failure *f)
{
    int r = prepare(auth, auth->options.user, ret, f);

    if (r < 0 || **ret)
        return r;
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "user has only characters that %s leaves out (RFC 4013): check it", auth->mechanism->name);
}

static int append_base64(Buffer *out, const void *data, size_t n)
{
    char *base64 = NULL;
    size_t size;
    int r;

    if (gsasl_base64_to(data, n, &base64, &size) != GSASL_OK)
        return -ENOMEM;
    r = buffer_append(out, base64, size);
    gsasl_free(base64);
    return r;
}

static int make_nonce(ScramState *state)
{
    unsigned char random[NONCE_BYTES];
    _cleanup_buffer_ Buffer text = {0};
    int r;

    if (gsasl_nonce((char *)random, sizeof(random)) != GSASL_OK)
        return -EIO;
    r = append_base64(&text, random, sizeof(random));
    if (r < 0)
        return r;
    memcpy(state->nonce, buffer_data(&text), sizeof(state->nonce) - 1);
    return 0;
}

/* cbind-input: the header, and what the channel is known by. */
static int make_header(const SmtpAuth *auth, ScramState *state, const SmtpTlsInfo *tls)
{
    static const char *const flags[SMTP_AUTH_BINDING_MAX] = {
        [SMTP_AUTH_NO_BINDING] = "n,",
        [SMTP_AUTH_COULD_BIND] = "y,",
        [SMTP_AUTH_EXPORTER] = "p=tls-exporter,",
        [SMTP_AUTH_UNIQUE] = "p=tls-unique,",
        [SMTP_AUTH_END_POINT] = "p=tls-server-end-point,",
    };
    const char *identity = auth->options.authorization_identity;
    size_t n = 0;
    const void *data = smtp_auth_binding(tls, auth->way.binding, &n);
    int r = buffer_append_string(&state->header, flags[auth->way.binding]);

    if (r >= 0 && identity && *identity)
        r = buffer_append(&state->header, "a=", 2)
                ?: smtp_auth_append_name(&state->header, identity);
    if (r >= 0)
        r = buffer_append(&state->header, ",", 1);
    state->header_n = buffer_size(&state->header);
    return r < 0 || !data ? r : buffer_append(&state->header, data, n);
}

static int start(SmtpAuth *auth, const SmtpTlsInfo *tls, Failure *f)
{
    ScramState *state = calloc(1, sizeof(*state));
    int r;

    if (!state)
        return -ENOMEM;
    auth->state = state;
    r = smtp_auth_check_password(auth, f);
    if (r < 0)
        return r;
    state->hash = strstr(auth->mechanism->name, "SHA-256") ? EVP_sha256() : EVP_sha1();
    r = prepare_user(auth, &state->user, f)
            ?: prepare(auth, secret_text(auth->options.secret), &state->password, f)
            ?: make_nonce(state)
            ?: make_header(auth, state, tls);
    return r == -EBADMSG ? -EPROTONOSUPPORT : r;
}

static int say_first(ScramState *state, Buffer *response)
{
    return buffer_append(&state->first, "n=", 2)
               ?: smtp_auth_append_name(&state->first, state->user)
               ?: buffer_appendf(&state->first, ",r=%s", state->nonce)
               ?: buffer_append(response, buffer_data(&state->header), state->header_n)
               ?: buffer_append(response, buffer_data(&state->first), buffer_size(&state->first));
}

/* Takes "X=value" off the front, and the comma behind it. */
static bool take(const char **at, const char *end, char name, const char **ret, size_t *ret_n)
{
    const char *comma;

    if (end - *at < 2 || (*at)[0] != name || (*at)[1] != '=')
        return false;
    *ret = *at + 2;
    comma = memchr(*ret, ',', (size_t)(end - *ret)) ?: end;
    *ret_n = (size_t)(comma - *ret);
    *at = comma < end ? comma + 1 : end;
    return true;
}

static bool take_apart(const char *text, size_t n, ServerFirst *ret)
{
    const char *at = text, *end = text + n;

    return take(&at, end, 'r', &ret->nonce, &ret->nonce_n) &&
           take(&at, end, 's', &ret->salt, &ret->salt_n) &&
           take(&at, end, 'i', &ret->rounds, &ret->rounds_n) && ret->salt_n > 0;
}

/* The server's nonce is ours, and more. */
static bool is_our_nonce(const ScramState *state, const ServerFirst *first)
{
    size_t own = strlen(state->nonce);

    return first->nonce_n > own && memcmp(first->nonce, state->nonce, own) == 0;
}

/* 0: no number. */
static int read_rounds(const ServerFirst *first, unsigned *ret, Failure *f)
{
    *ret = 0;
    for (size_t i = 0; i < first->rounds_n; i++) {
        if (first->rounds[i] < '0' || first->rounds[i] > '9') {
            *ret = 0;
            return 0;
        }
        *ret = *ret * 10 + (unsigned)(first->rounds[i] - '0');
        if (*ret > ROUNDS_MAX)
            return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
                "the server asks for more than %d rounds of SCRAM, which would only cost time: "
                "lower its iteration count, or set auth to another mechanism",
                ROUNDS_MAX);
    }
    return 0;
}

static int mac(const EVP_MD *hash, const unsigned char *key, const void *data, size_t n,
    unsigned char ret[static EVP_MAX_MD_SIZE])
{
    return HMAC(hash, key, EVP_MD_get_size(hash), data, n, ret, NULL) ? 0 : -ENOMEM;
}

static int salt_password(
    const ScramState *state, const ServerFirst *first, unsigned rounds, unsigned char *ret)
{
    char *salt = NULL;
    size_t n;
    int code = gsasl_base64_from(first->salt, first->salt_n, &salt, &n);

    if (code != GSASL_OK)
        return code == GSASL_MALLOC_ERROR ? -ENOMEM : -EBADMSG;
    code = PKCS5_PBKDF2_HMAC(state->password, (int)strlen(state->password),
        (const unsigned char *)salt, (int)n, (int)rounds, state->hash, EVP_MD_get_size(state->hash),
        ret);
    gsasl_free(salt);
    return code == 1 ? 0 : -ENOMEM;
}

/* RFC 5802, 3: the proof for `message`, and the signature to expect. */
static int compute_proof(
    ScramState *state, const unsigned char *salted, const Buffer *message, unsigned char *ret)
{
    size_t n = buffer_size(message), size = (size_t)EVP_MD_get_size(state->hash);
    unsigned char client[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
    int r = mac(state->hash, salted, "Client Key", strlen("Client Key"), client)
                ?: mac(state->hash, salted, "Server Key", strlen("Server Key"), server);

    if (r >= 0 && EVP_Digest(client, size, stored, NULL, state->hash, NULL) != 1)
        r = -ENOMEM;
    r = r ?: mac(state->hash, stored, buffer_data(message), n, ret);
    r = r ?: mac(state->hash, server, buffer_data(message), n, state->server_signature);
    for (size_t i = 0; i < size; i++)
        ret[i] ^= client[i];
    OPENSSL_cleanse(client, sizeof(client));
    OPENSSL_cleanse(stored, sizeof(stored));
    OPENSSL_cleanse(server, sizeof(server));
    return r;
}

/* client-final-message-without-proof */
static int append_final(const ScramState *state, const ServerFirst *first, Buffer *out)
{
    return buffer_append(out, "c=", 2)
               ?: append_base64(out, buffer_data(&state->header), buffer_size(&state->header))
               ?: buffer_append(out, ",r=", 3)
               ?: buffer_append(out, first->nonce, first->nonce_n);
}

static int say_final(ScramState *state, const char *challenge, size_t n, const ServerFirst *first,
    unsigned rounds, Buffer *response)
{
    _cleanup_buffer_ Buffer message = {0};
    unsigned char salted[EVP_MAX_MD_SIZE], proof[EVP_MAX_MD_SIZE] = {0};
    int r = salt_password(state, first, rounds, salted);

    r = r
            ?: buffer_append(&message, buffer_data(&state->first), buffer_size(&state->first))
            ?: buffer_append(&message, ",", 1)
            ?: buffer_append(&message, challenge, n)
            ?: buffer_append(&message, ",", 1)
            ?: append_final(state, first, &message)
            ?: compute_proof(state, salted, &message, proof)
            ?: append_final(state, first, response)
            ?: buffer_append(response, ",p=", 3)
            ?: append_base64(response, proof, (size_t)EVP_MD_get_size(state->hash));
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(proof, sizeof(proof));
    return r;
}

static int answer_first(
    SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    ScramState *state = auth->state;
    ServerFirst first;
    unsigned rounds;
    int r;

    if (!take_apart(challenge, n, &first))
        return fail_bad_words(auth, f);
    if (!is_our_nonce(state, &first))
        return fail_unproven(auth, f);
    r = read_rounds(&first, &rounds, f);
    if (r < 0 || rounds == 0)
        return r < 0 ? r : fail_bad_words(auth, f);
    r = say_final(state, challenge, n, &first, rounds, response);
    state->said_final = r >= 0;
    return r == -EBADMSG ? fail_bad_words(auth, f) : r;
}

/* The server says what it found wrong (RFC 5802, 7); its final reply follows an empty answer. */
static int note_error(SmtpAuth *auth, const char *text, size_t n)
{
    free(auth->server_error);
    auth->server_error = text_printable(text, n, SERVER_ERROR_MAX);
    return auth->server_error ? 0 : -ENOMEM;
}

static int check_server(SmtpAuth *auth, const char *challenge, size_t n, Failure *f)
{
    const ScramState *state = auth->state;
    _cleanup_buffer_ Buffer expected = {0};
    const char *at = challenge, *text;
    size_t text_n;

    if (take(&at, challenge + n, 'e', &text, &text_n))
        return note_error(auth, text, text_n);
    if (!take(&at, challenge + n, 'v', &text, &text_n))
        return fail_bad_words(auth, f);
    if (append_base64(&expected, state->server_signature, (size_t)EVP_MD_get_size(state->hash)) < 0)
        return -ENOMEM;
    auth->satisfied = text_n == buffer_size(&expected) &&
                      CRYPTO_memcmp(text, buffer_data(&expected), text_n) == 0;
    return auth->satisfied ? 0 : fail_unproven(auth, f);
}

static int step(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    ScramState *state = auth->state;

    if (!challenge)
        return say_first(state, response);
    return state->said_final ? check_server(auth, challenge, n, f)
                             : answer_first(auth, challenge, n, response, f);
}

static void stop(SmtpAuth *auth)
{
    ScramState *state = auth->state;

    if (!state)
        return;
    if (state->password)
        explicit_bzero(state->password, strlen(state->password));
    free(state->password);
    free(state->user);
    buffer_wipe(&state->header);
    buffer_done(&state->first);
    free(state);
}

const AuthBackend smtp_auth_scram = {start, step, stop};
