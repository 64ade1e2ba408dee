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
    AUTH_CERTIFICATE = 1 << 8,  /* it is TLS that tells who we are */
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
extern const AuthBackend smtp_auth_scram;
extern const AuthBackend smtp_auth_oauth;
extern const AuthBackend smtp_auth_ntlm;
extern const AuthBackend smtp_auth_gssapi;

typedef struct AuthMechanism {
    const char *name; /* as on the wire */
    unsigned flags;   /* AuthFlag */
    const AuthBackend *backend;
} AuthMechanism;

/* What an exchange binds to, in the order in which they are tried. */
typedef enum SmtpAuthBinding {
    SMTP_AUTH_EXPORTER,   /* RFC 9266 */
    SMTP_AUTH_UNIQUE,     /* RFC 5929, 3 */
    SMTP_AUTH_END_POINT,  /* RFC 5929, 4 */
    SMTP_AUTH_COULD_BIND, /* nothing; the server does not seem to know how (RFC 5802, 6) */
    SMTP_AUTH_NO_BINDING,
    SMTP_AUTH_BINDING_MAX,
} SmtpAuthBinding;

typedef struct AuthWay {
    const AuthMechanism *mechanism;
    SmtpAuthBinding binding;
} AuthWay;

#define SMTP_AUTH_SAID_MAX 4 /* of clear mechanisms there are no more */

struct SmtpAuth {
    AuthWay way;
    const AuthMechanism *mechanism;  /* of the way */
    SmtpAuthOptions options;         /* what it points to is borrowed */
    void *state;                     /* the backend's */
    Buffer said[SMTP_AUTH_SAID_MAX]; /* the first answers, as they were sent */
    size_t n_said;
    Buffer initial;      /* the answer line that was too long to stand behind AUTH */
    unsigned challenges; /* seen so far */
    char title[64];
    bool satisfied;
    bool unproven;      /* the server does not know the password itself */
    char *server_error; /* NULL: none was reported */
};

/* The way to use, as smtp_auth_new(). */
int smtp_auth_choose(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays excluded, SmtpAuthWays preferred, AuthWay *ret,
    Failure *f);

/* A mechanism's row, or NULL: there is none behind the last. */
const AuthMechanism *smtp_auth_row(size_t i);

/* Why a mechanism cannot be used, or NULL where it can. `ret_offered`: whether the server has it.
 */
const char *smtp_auth_obstacle(const AuthMechanism *mechanism, const SmtpAuthOptions *options,
    const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, bool *ret_offered);

/* Whether a mechanism that shows the password, hidden by TLS, is offered. */
bool smtp_auth_offers_clear(const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls);

/* The bits of a way, of a mechanism's ways, and of all mechanisms that have one of the flags. */
SmtpAuthWays smtp_auth_bit(const AuthWay *way);
SmtpAuthWays smtp_auth_bits(const AuthMechanism *mechanism);
SmtpAuthWays smtp_auth_bits_flagged(unsigned flags);

/* Those of the mechanism without -PLUS. */
SmtpAuthWays smtp_auth_bits_unbound(const AuthMechanism *mechanism);

/* What TLS has for a binding, or NULL. */
const void *smtp_auth_binding(const SmtpTlsInfo *tls, SmtpAuthBinding binding, size_t *ret_n);

/* saslname (RFC 5801, 4). 0 or -ENOMEM. */
int smtp_auth_append_name(Buffer *out, const char *name);

/* -EPROTONOSUPPORT with a Failure for one with a NUL byte. */
int smtp_auth_check_password(const SmtpAuth *auth, Failure *f);

/* The token of a mechanism with AUTH_TOKEN, without "Bearer" in front; NULL when none is
 * configured. */
const char *smtp_auth_token(const SmtpAuthOptions *options);

/* Keeps a line that was sent, so that it is known where a server tells it. 0 or -ENOMEM. */
int smtp_auth_note_said(SmtpAuth *auth, const char *line, size_t n);
void smtp_auth_forget_said(SmtpAuth *auth);

/* Writes asterisks over what a text tells of the secret and of the answers. */
void smtp_auth_hide_text(const SmtpAuth *auth, char *data, size_t n);

/* As buffer_done(), for what may hold a secret. It must have been reserved in one piece: growing
 * leaves copies behind. */
static inline void buffer_wipe(Buffer *b)
{
    if (b->memory)
        explicit_bzero(b->memory, b->allocated);
    buffer_done(b);
}
#define _cleanup_wiped_buffer_ _cleanup_(buffer_wipe)
