/* What the parts of smtp/auth share: the row of a mechanism, and one exchange under way. Not for
 * use outside of them. */
#pragma once

#include "smtp/auth.h"

typedef enum AuthFlag {
    AUTH_CLIENT_FIRST = 1 << 0, /* the client speaks first (RFC 4422, 5): an initial response */
    AUTH_CLEAR = 1 << 1,        /* shows the password or token to whoever reads along */
    AUTH_BINDING = 1 << 2,      /* binds to the TLS channel (RFC 5801, "-PLUS") */
    AUTH_SCRAM = 1 << 3,        /* RFC 5802 */
    AUTH_TOKEN = 1 << 4,        /* the secret is an OAuth token */
    AUTH_NO_SECRET = 1 << 5,    /* needs none */
    AUTH_BY_NAME = 1 << 6,      /* never chosen by "auto" */
    AUTH_ANY_PROMPT = 1 << 7,   /* the server's prompts do not matter, base64 or not */
} AuthFlag;

/* Computes the answers of one or more mechanisms. */
typedef struct AuthBackend {
    /* 0, -EPROTONOSUPPORT with a Failure, or -ENOMEM. */
    int (*start)(SmtpAuth *auth, const SmtpTlsInfo *tls, Failure *f);
    /* Appends the answer to the decoded challenge; `challenge` is NULL for the initial response.
     * Tells by auth->satisfied whether the server may now say 235. 0, -EBADMSG with a Failure, or
     * -ENOMEM. */
    int (*step)(SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, Failure *f);
    /* Also after a start that failed; NULL where there is nothing to release. */
    void (*stop)(SmtpAuth *auth);
} AuthBackend;

extern const AuthBackend smtp_auth_gsasl;
extern const AuthBackend smtp_auth_oauth;

typedef struct AuthMechanism {
    const char *name; /* as on the wire */
    unsigned flags;   /* AuthFlag */
    const AuthBackend *backend;
} AuthMechanism;

#define SMTP_AUTH_SAID_MAX 4 /* of clear mechanisms there are no more */

struct SmtpAuth {
    const AuthMechanism *mechanism;
    SmtpAuthOptions options;         /* what it points to is borrowed */
    void *state;                     /* the backend's */
    Buffer said[SMTP_AUTH_SAID_MAX]; /* the first answers, as they were sent */
    size_t n_said;
    Buffer initial;      /* the answer line that was too long to stand behind AUTH */
    unsigned challenges; /* seen so far */
    bool satisfied;
    char *server_error; /* NULL: none was reported */
};

/* The row to use; -EPROTONOSUPPORT with a Failure when there is none. */
int smtp_auth_choose(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, const AuthMechanism **ret, Failure *f);

/* The token of a mechanism with AUTH_TOKEN, without "Bearer" in front; NULL when none is
 * configured. */
const char *smtp_auth_token(const SmtpAuthOptions *options);

/* Keeps a line that was sent, so that it is known where a server tells it. 0 or -ENOMEM. */
int smtp_auth_note_said(SmtpAuth *auth, const char *line, size_t n);
void smtp_auth_forget_said(SmtpAuth *auth);

/* As buffer_done(), for what may hold a secret. It must have been reserved in one piece: growing
 * leaves copies behind. */
static inline void buffer_wipe(Buffer *b)
{
    if (b->memory)
        explicit_bzero(b->memory, b->allocated);
    buffer_done(b);
}
#define _cleanup_wiped_buffer_ _cleanup_(buffer_wipe)
