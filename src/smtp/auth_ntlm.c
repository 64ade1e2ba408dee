/* AUTH NTLM (MS-SMTPNTLM): carries the messages of smtp/ntlm. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth_mechanism.h"
#include "smtp/ntlm.h"

#define SIGNATURE "NTLMSSP" /* with its NUL */
#define END_POINT_MAX 64    /* bytes of the longest hash of a certificate */

typedef struct NtlmState {
    NtlmFresh fresh;
    char end_point[END_POINT_MAX];
    size_t end_point_n; /* 0: there is none */
    bool said_again;
} NtlmState;

static NtlmLogin login_of(const SmtpAuth *auth)
{
    const SmtpAuthOptions *o = &auth->options;
    const NtlmState *state = auth->state;

    return (NtlmLogin){.user = o->user,
        .password = o->secret,
        .version_1 = o->ntlm_1,
        .end_point = state->end_point_n > 0 ? state->end_point : NULL,
        .end_point_size = state->end_point_n};
}

static int start(SmtpAuth *auth, const SmtpTlsInfo *tls, Failure *f)
{
    NtlmState *state;
    int r = smtp_auth_check_password(auth, f);

    if (r < 0)
        return r;
    auth->state = state = calloc(1, sizeof(*state));
    if (!state)
        return -ENOMEM;
    if (tls->binding_end_point && tls->binding_end_point_size <= sizeof(state->end_point)) {
        state->end_point_n = tls->binding_end_point_size;
        memcpy(state->end_point, tls->binding_end_point, state->end_point_n);
    }
    return ntlm_fresh_at(auth->options.realtime, &state->fresh);
}

/* A server that knows version 1 alone says of version 2 what it says of a wrong password. */
static int note_version(SmtpAuth *auth)
{
    if (auth->options.ntlm_1)
        return 0;
    free(auth->server_error);
    auth->server_error = strdup("the answer was of NTLM version 2; an old server that knows "
                                "version 1 alone needs ntlm_v2 = false");
    return auth->server_error ? 0 : -ENOMEM;
}

static int step(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f)
{
    NtlmState *state = auth->state;
    NtlmLogin login = login_of(auth);
    bool message =
        challenge && n >= sizeof(SIGNATURE) && memcmp(challenge, SIGNATURE, sizeof(SIGNATURE)) == 0;
    bool prompt = challenge && !message && !state->said_again;
    int r;

    /* Some servers do not look at what comes with AUTH, and ask: "334 NTLM supported". */
    state->said_again |= prompt;
    if (!challenge || prompt)
        return ntlm_negotiate(&login, response);
    r = ntlm_authenticate(&login, &state->fresh, challenge, n, response, f);
    auth->satisfied = r >= 0;
    return r < 0 ? (r == -ENOTSUP ? -EBADMSG : r) : note_version(auth);
}

static void stop(SmtpAuth *auth)
{
    free(auth->state);
}

const AuthBackend smtp_auth_ntlm = {start, step, stop};
