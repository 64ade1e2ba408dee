/* What was offered to log in with, and why it is used or not, for a user who asks. */
#include <stdio.h>
#include <string.h>

#include "smtp/auth_mechanism.h"

static bool is_known(const char *name)
{
    const AuthMechanism *row;

    for (size_t i = 0; (row = smtp_auth_row(i)); i++)
        if (strcmp(row->name, name) == 0)
            return true;
    return false;
}

void smtp_auth_explain(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays refused, void (*tell)(void *user, const SmtpAuthFit *fit),
    void *user)
{
    const AuthMechanism *row;

    /* As "auto" goes through them: without TLS, those that show the password come last. */
    for (int clear = 0; clear < 2; clear++)
        for (size_t i = 0; (row = smtp_auth_row(i)); i++) {
            SmtpAuthFit fit = {.name = row->name};

            if ((!tls->active && row->flags & AUTH_CLEAR) != clear)
                continue;
            fit.reason = smtp_auth_obstacle(row, options, capabilities, tls, &fit.offered);
            if (!fit.reason && refused & smtp_auth_bits(row))
                fit.reason = "refused by the server";
            fit.fits = !fit.reason;
            tell(user, &fit);
        }
    for (const char *at = capabilities->mechanisms; *at; at += strspn(at, " ")) {
        char name[sizeof(capabilities->mechanisms)];
        size_t n = strcspn(at, " ");

        snprintf(name, sizeof(name), "%.*s", (int)n, at);
        if (!is_known(name))
            tell(user, &(SmtpAuthFit){name, true, false, "not known here"});
        at += n;
    }
}
