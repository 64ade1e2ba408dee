/* AUTH (RFC 4954) without I/O: choosing a mechanism and computing each answer. Passwords never
 * leave through a trace.
 *
 * PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5 and EXTERNAL come from libgsasl; SCRAM-SHA-1(-PLUS),
 * SCRAM-SHA-256(-PLUS), NTLM, XOAUTH2 and OAUTHBEARER (RFC 7628) are written here, and what RFC
 * 4752 has around GSSAPI, which is the caller's. A mechanism is one row of one table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/gssapi.h"
#include "base/secret.h"
#include "smtp/capabilities.h"

/* Everything borrowed. */
typedef struct SmtpAuthOptions {
    const char *mechanism; /* "auto", "none", or a name in any case; NULL is "auto" */
    const char *user;      /* NULL: no AUTH, except EXTERNAL and GSSAPI, which need none */
    const Secret *secret;  /* password, or token for the OAuth mechanisms */
    const char *authorization_identity; /* or NULL; with the OAuth mechanisms and no secret: the
                                           token, "Bearer " in front or not */
    const char *host;                   /* for DIGEST-MD5, GSSAPI, OAUTHBEARER */
    unsigned port;
    bool clear_allowed;   /* a password may go over a connection without TLS */
    bool secret_is_token; /* the secret is an OAuth token, and no password */
    bool has_certificate; /* TLS shows the server one of ours when it asks */
    bool ntlm_1;          /* NTLM's answer is of version 1 */
    usec_t realtime;      /* the wall clock's, for NTLM */
    const Gssapi *gssapi; /* or NULL */
} SmtpAuthOptions;

/* What TLS gives AUTH; everything may be absent (RFC 5929, RFC 9266). */
typedef struct SmtpTlsInfo {
    bool active;
    bool verified; /* the certificate was, by nothing less than authorities (or records, or a pin)
                      and name */
    const char *description;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
    const void *binding_exporter; /* tls-exporter, TLS 1.3 */
    size_t binding_exporter_size;
    const void *binding_unique; /* tls-unique, up to TLS 1.2 */
    size_t binding_unique_size;
    const void *binding_end_point; /* tls-server-end-point */
    size_t binding_end_point_size;
} SmtpTlsInfo;

/* Ways to log in, one bit each: a mechanism, and what it binds to. */
typedef uint64_t SmtpAuthWays;
#define SMTP_AUTH_WAYS_ALL UINT64_MAX

typedef struct SmtpAuth SmtpAuth;

/* Whether AUTH is to be done at all with these options. */
bool smtp_auth_wanted(const SmtpAuthOptions *options);

/* Chooses the best way that is not `excluded`, or the one in `preferred` where it can be had, and
 * starts it. 0; -EPROTONOSUPPORT when the server offers none that may be used, with a Failure
 * (ERROR_AUTHENTICATION) that lists what it offers, what was asked for, and what to do (TLS
 * missing, wrong name, no password, amAPOP ...); -EAGAIN when all that could be used are excluded;
 * -ENOMEM. */
int smtp_auth_new(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays excluded, SmtpAuthWays preferred, SmtpAuth **ret,
    Failure *f);
void smtp_auth_free(SmtpAuth *auth);

/* The way in use. */
SmtpAuthWays smtp_auth_way(const SmtpAuth *auth);
SmtpAuthWays smtp_auth_all_ways(const SmtpAuth *auth); /* of its mechanism */

/* The ways that make no sense any more, the login having failed by a final reply with this code, or
 * (0) for a reason of our own. A refusal of the mechanism rules out that way alone. A refusal of
 * the login leaves one try with the password as it is, where TLS hides it: a server may hold no
 * password for mechanisms with challenges. Where it cannot be shown, SCRAM that was refused at its
 * first word leaves one try without the hint at binding: Dovecot refuses it behind a Postfix that
 * cannot bind. What is left is few, for each failure counts towards the locking of accounts. */
SmtpAuthWays smtp_auth_ruled_out(
    const SmtpAuth *auth, const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, int code);

/* How each mechanism fares, in the order in which "auto" prefers them; then what the server offers
 * and nobody here knows. One of which a way was `refused` does not fit. */
typedef struct SmtpAuthFit {
    const char *name; /* in upper case; borrowed until the callback returns */
    bool offered;
    bool fits;          /* could be used */
    const char *reason; /* why not, in words; NULL where it fits */
} SmtpAuthFit;
void smtp_auth_explain(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays refused, void (*tell)(void *user, const SmtpAuthFit *fit),
    void *user);

/* The name in upper case. */
const char *smtp_auth_mechanism(const SmtpAuth *auth);

/* The name in upper case, and behind it what it binds to: "SCRAM-SHA-256-PLUS (tls-exporter)". */
const char *smtp_auth_title(const SmtpAuth *auth);

/* Whether this mechanism shows the password, or a token, to the server (PLAIN, LOGIN, XOAUTH2,
 * OAUTHBEARER). */
bool smtp_auth_is_clear(const SmtpAuth *auth);

/* Appends "AUTH MECH [initial-response]CRLF" (RFC 4954, 4; no initial response when the line would
 * pass 512 bytes). 0; -EBADMSG when user or secret cannot be put into this mechanism's words,
 * then nothing has been appended; -ENOMEM.
 *
 * What this and the next function append may hold the password: wipe it once it is written. */
int smtp_auth_start(SmtpAuth *auth, Buffer *out, Failure *f);

/* Answers a 334 challenge (its text, base64): appends the line to send. 0; -EBADMSG when the
 * challenge is wrong or the server could not prove itself (SCRAM), then "*CRLF" has been appended
 * to cancel (RFC 4954, 4); -ENOMEM. */
int smtp_auth_challenge(SmtpAuth *auth, const char *text, Buffer *out, Failure *f);

/* On 235: whether the mechanism is satisfied, so that a server that skipped its own proof (SCRAM,
 * RFC 5802, 3) is refused. 0 or -EBADMSG. */
int smtp_auth_finish(SmtpAuth *auth, Failure *f);

/* Writes asterisks over what complete lines of the server's tell of the secret and of the answers,
 * in whatever writing (base/mask.h), that it may not get into logs and records. Challenges stay as
 * they are. Returns how many bytes these lines have. */
size_t smtp_auth_hide(const SmtpAuth *auth, char *data, size_t n);

/* Whether a challenge (the text behind 334), decoded or as it is, tells of them: it is not to be
 * shown then. */
bool smtp_auth_challenge_tells(const SmtpAuth *auth, const char *text, size_t n);

/* What a server said of a token that it does not take (RFC 7628, 3.2.2: JSON; made printable), to
 * stand behind the text of its final reply, which says less. NULL when it said nothing. */
const char *smtp_auth_server_error(const SmtpAuth *auth);

DEFINE_CLEANUP(SmtpAuth, smtp_auth_free);
