/* The mechanisms that libgsasl computes. Must never leave a copy of the password behind that can
 * be reached. */
#include <errno.h>
#include <gsasl.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth_mechanism.h"

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

static int set_properties(const SmtpAuth *auth, Gsasl_session *session)
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
    return r;
}

static int start(SmtpAuth *auth, _unused_ const SmtpTlsInfo *tls, Failure *f)
{
    GsaslState *state;
    int code = smtp_auth_check_password(auth, f);

    if (code < 0)
        return code;
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
    return set_properties(auth, state->session);
}

static int step(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    const GsaslState *state = auth->state;
    size_t size = 0;
    char *answer = NULL;
    int code, r = 0;

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
        gsasl_finish(state->session);
    }
    if (state->library)
        gsasl_done(state->library);
    free(state);
}

const AuthBackend smtp_auth_gsasl = {start, step, stop};
