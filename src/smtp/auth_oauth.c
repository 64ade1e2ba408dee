/* XOAUTH2 (Google's and Microsoft's) and OAUTHBEARER (RFC 7628). Must never put the token, or any
 * part of it, into words. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/auth_mechanism.h"

#define SERVER_ERROR_MAX 512

static int start(SmtpAuth *auth, _unused_ const SmtpTlsInfo *tls, Failure *f)
{
    const SmtpAuthOptions *o = &auth->options;
    const char *token = smtp_auth_token(o);

    if (!text_is_ascii(token, strlen(token)) || text_has_control(token) || strchr(token, ' '))
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "the token for %s is not one: it holds blanks, line ends or other characters that no "
            "token has (RFC 6750, 2.1); check where it comes from",
            auth->mechanism->name);
    if (text_has_control(o->user) || text_has_control(o->host))
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "user or host hold a control character, which %s cannot send", auth->mechanism->name);
    return 0;
}

/* RFC 7628, 3.1. */
static int append_bearer(const SmtpAuthOptions *o, const char *token, Buffer *out)
{
    return buffer_append_string(out, "n,a=")
               ?: smtp_auth_append_name(out, o->user)
               ?: buffer_appendf(out, ",\001host=%s\001port=%u\001auth=Bearer ", o->host, o->port)
               ?: buffer_append_string(out, token)
               ?: buffer_append(out, "\001\001", 2);
}

static int append_xoauth2(const SmtpAuthOptions *o, const char *token, Buffer *out)
{
    return buffer_append_string(out, "user=")
               ?: buffer_append_string(out, o->user)
               ?: buffer_append_string(out, "\001auth=Bearer ")
               ?: buffer_append_string(out, token)
               ?: buffer_append(out, "\001\001", 2);
}

/* Keeps what the server says of the token, which may be the token itself. 0 or -ENOMEM. */
static int take_error(SmtpAuth *auth, const char *challenge, size_t n)
{
    char *copy = malloc(n + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, challenge, n);
    smtp_auth_hide_text(auth, copy, n);
    free(auth->server_error);
    auth->server_error = text_printable(copy, n, SERVER_ERROR_MAX);
    explicit_bzero(copy, n + 1);
    free(copy);
    return auth->server_error ? 0 : -ENOMEM;
}

/* The only challenge there is reports an error, and wants an answer before the final reply: an
 * empty one from XOAUTH2, a lone ^A from OAUTHBEARER (RFC 7628, 3.2.3). */
static int step(
    SmtpAuth *auth, const char *challenge, size_t n, Buffer *response, _unused_ Failure *f)
{
    const SmtpAuthOptions *o = &auth->options;
    const char *token = smtp_auth_token(o);
    bool bearer = text_equal(auth->mechanism->name, "OAUTHBEARER");

    auth->satisfied = !challenge;
    if (challenge) {
        if (take_error(auth, challenge, n) < 0)
            return -ENOMEM;
        return bearer ? buffer_append(response, "\001", 1) : 0;
    }
    /* in one piece, so that no copy of the token is left behind by growing */
    if (!buffer_reserve(response, 3 * strlen(o->user) + strlen(o->host) + strlen(token) + 64))
        return -ENOMEM;
    return bearer ? append_bearer(o, token, response) : append_xoauth2(o, token, response);
}

const AuthBackend smtp_auth_oauth = {.start = start, .step = step};
