/* The SASL mechanism GSSAPI (RFC 4752): the words around a security context that is lent. Must
 * never be satisfied with a server that has not proved itself, nor agree to a security layer: TLS
 * is one. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth_mechanism.h"

#define LAYER_NONE 1
#define OFFER_SIZE 4 /* a byte of layers, three of the most that the server takes at once */

typedef struct GssapiState {
    void *context;
    bool established;
} GssapiState;

static int start(SmtpAuth *auth, _unused_ const SmtpTlsInfo *tls, Failure *f)
{
    if (!auth->options.gssapi)
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "GSSAPI needs a Kerberos ticket, and none was asked for: set auth = \"gssapi\"");
    auth->state = calloc(1, sizeof(GssapiState));
    return auth->state ? 0 : -ENOMEM;
}

static int begin(SmtpAuth *auth, Buffer *response, Failure *f)
{
    const Gssapi *gssapi = auth->options.gssapi;
    GssapiState *state = auth->state;
    int r = gssapi->begin(gssapi->user, &state->context, response, f);

    if (r != -EAGAIN)
        return r;
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "the server's other addresses have used up the Kerberos tickets of this connection; the "
        "next "
        "one gets more");
}

static int establish(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    GssapiState *state = auth->state;

    return auth->options.gssapi->step(
        state->context, challenge, n, response, &state->established, f);
}

/* The server offers security layers, the client chooses, and says whom it acts for. */
static int negotiate(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    const Gssapi *gssapi = auth->options.gssapi;
    const GssapiState *state = auth->state;
    const char *identity = auth->options.authorization_identity ?: "";
    _cleanup_buffer_ Buffer offer = {0}, choice = {0};
    int r = gssapi->unwrap(state->context, challenge, n, &offer, NULL, f);

    if (r < 0)
        return r;
    if (buffer_size(&offer) != OFFER_SIZE)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "GSSAPI failed on what the server sent: its offer of security layers is no message of "
            "RFC 4752");
    if (!(buffer_data(&offer)[0] & LAYER_NONE))
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server insists on a security layer of Kerberos (it offers %#x), which is not done "
            "here: have it allow none (Cyrus SASL: sasl_minimum_layer = 0), and use TLS",
            (unsigned)(unsigned char)buffer_data(&offer)[0]);
    r = buffer_append(&choice, "\1\0\0\0", OFFER_SIZE) ?: buffer_append_string(&choice, identity);
    r = r
            ?: gssapi->wrap(
                   state->context, false, buffer_data(&choice), buffer_size(&choice), response, f);
    auth->satisfied = r >= 0;
    return r;
}

static int step(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    const GssapiState *state = auth->state;

    if (!challenge)
        return begin(auth, response, f);
    return state->established ? negotiate(auth, challenge, n, response, f)
                              : establish(auth, challenge, n, response, f);
}

static void stop(SmtpAuth *auth)
{
    GssapiState *state = auth->state;

    if (state && state->context)
        auth->options.gssapi->end(state->context);
    free(state);
}

const AuthBackend smtp_auth_gssapi = {start, step, stop};
