/* The mechanisms that libgsasl computes. Must never leave a copy of the password behind that can
 * be reached, nor let a server keep the processor busy. */
#include <errno.h>
#include <gsasl.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth_mechanism.h"

#define SCRAM_ROUNDS_MAX 1000000 /* about a second of a processor */

typedef struct GsaslState {
    Gsasl *library;
    Gsasl_session *session;
} GsaslState;

static int fail_step(const SmtpAuth *auth, int code, Failure *f)
{
    const char *name = auth->mechanism->name;

    switch (code) {
    case GSASL_MALLOC_ERROR: return -ENOMEM;
    case GSASL_SASLPREP_ERROR:
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "user or password hold characters that %s does not allow (RFC 4013)", name);
    case GSASL_AUTHENTICATION_ERROR:
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server failed its own part of %s: it does not know the password, or is not the "
            "server that it should be; check host and tls_verify",
            name);
    default:
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "%s failed on what the server sent: %s", name, gsasl_strerror(code));
    }
}

static int set_property(Gsasl_session *session, Gsasl_property property, const char *value)
{
    if (!value || !*value)
        return 0;
    return gsasl_property_set(session, property, value) == GSASL_OK ? 0 : -ENOMEM;
}

static int set_binding(Gsasl_session *session, Gsasl_property property, const void *data, size_t n)
{
    char *base64 = NULL;
    int r;

    if (!data)
        return 0;
    if (gsasl_base64_to(data, n, &base64, NULL) != GSASL_OK)
        return -ENOMEM;
    r = set_property(session, property, base64);
    gsasl_free(base64);
    return r;
}

/* The binding data is withheld from SCRAM without -PLUS: with it the client would say "y", that it
 * could bind but believes the server cannot, and servers that offer -PLUS as well take that for
 * an attack (RFC 5802, 6). */
static int set_properties(const SmtpAuth *auth, Gsasl_session *session, const SmtpTlsInfo *tls)
{
    const SmtpAuthOptions *o = &auth->options;
    bool external = auth->mechanism->flags & AUTH_NO_SECRET;
    const char *identity = o->authorization_identity;
    int r = 0;

    if (external && (!identity || !*identity))
        identity = o->user;
    r = set_property(session, GSASL_AUTHID, o->user)
            ?: set_property(session, GSASL_AUTHZID, identity)
            ?: set_property(session, GSASL_SERVICE, "smtp")
            ?: set_property(session, GSASL_HOSTNAME, o->host);
    if (r >= 0 && !external)
        r = set_property(session, GSASL_PASSWORD, secret_text(o->secret));
    if (r < 0 || !(auth->mechanism->flags & AUTH_BINDING))
        return r;
    if (tls->binding_exporter)
        return set_binding(
            session, GSASL_CB_TLS_EXPORTER, tls->binding_exporter, tls->binding_exporter_size);
    return set_binding(session, GSASL_CB_TLS_UNIQUE, tls->binding_unique, tls->binding_unique_size);
}

static int start(SmtpAuth *auth, const SmtpTlsInfo *tls, Failure *f)
{
    const Secret *secret = auth->options.secret;
    GsaslState *state;
    int code;

    if (secret && memchr(secret_text(secret), '\0', secret_size(secret)))
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "the password holds a NUL byte, which no mechanism can send: check where it comes "
            "from");
    auth->state = state = calloc(1, sizeof(*state));
    if (!state || gsasl_init(&state->library) != GSASL_OK)
        return -ENOMEM;
    code = gsasl_client_start(state->library, auth->mechanism->name, &state->session);
    if (code == GSASL_MALLOC_ERROR)
        return -ENOMEM;
    if (code != GSASL_OK)
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "libgsasl cannot do %s here (%s): set auth to another mechanism", auth->mechanism->name,
            gsasl_strerror(code));
    return set_properties(auth, state->session, tls);
}

/* The number of rounds in a server-first-message (RFC 5802, 7), which libgsasl would compute
 * whatever it is. */
static int check_rounds(const char *challenge, size_t n, Failure *f)
{
    const char *rounds = memmem(challenge, n, ",i=", 3);
    unsigned long long number = 0;

    if (!rounds)
        return 0;
    for (rounds += 3; rounds < challenge + n && *rounds >= '0' && *rounds <= '9'; rounds++) {
        number = number * 10 + (unsigned)(*rounds - '0');
        if (number > SCRAM_ROUNDS_MAX)
            return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
                "the server asks for more than %d rounds of SCRAM, which would only cost time: "
                "lower its iteration count, or set auth to another mechanism",
                SCRAM_ROUNDS_MAX);
    }
    return 0;
}

static int step(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    const GsaslState *state = auth->state;
    size_t size = 0;
    char *answer = NULL;
    int code, r = 0;

    if (challenge && auth->mechanism->flags & AUTH_SCRAM)
        r = check_rounds(challenge, n, f);
    if (r < 0)
        return r;
    code = gsasl_step(state->session, challenge, n, &answer, &size);
    auth->satisfied = code == GSASL_OK;
    if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
        r = fail_step(auth, code, f);
    else if (answer)
        r = buffer_append(response, answer, size);
    if (answer) {
        explicit_bzero(answer, size);
        gsasl_free(answer);
    }
    return r;
}

/* libgsasl frees its properties without wiping them. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    char *value = (char *)gsasl_property_fast(session, property);

    if (value)
        explicit_bzero(value, strlen(value));
}

static void stop(SmtpAuth *auth)
{
    GsaslState *state = auth->state;

    if (!state)
        return;
    if (state->session) {
        wipe_property(state->session, GSASL_PASSWORD);
        wipe_property(state->session, GSASL_SCRAM_SALTED_PASSWORD);
        gsasl_finish(state->session);
    }
    if (state->library)
        gsasl_done(state->library);
    free(state);
}

const AuthBackend smtp_auth_gsasl = {start, step, stop};
