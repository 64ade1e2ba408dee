/* The table of providers: what each says of itself in its own documentation. Must never have a
 * relay in it that is not its owner's to name. */
#include "tool/setup_provider.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static const SetupProvider providers[] = {
    {
        .name = "gmail",
        .title = "Gmail and Google Workspace",
        .domains = "gmail.com googlemail.com",
        .host = "smtp.gmail.com",
        .port = 587,
        .password = "an app password (https://myaccount.google.com/apppasswords, which wants "
                    "2-step verification), not that of the account",
        .note = "It takes 500 recipients a day (2000 with Workspace), and writes the account's "
                "address in place of a sender that is none of its own. doc/oauth.md has how to "
                "log in without a password.",
    },
    {
        .name = "microsoft365",
        .title = "Microsoft 365",
        .host = "smtp.office365.com",
        .port = 587,
        .login = SETUP_LOGIN_OAUTH,
        .note = "It takes 30 messages a minute and 10000 recipients a day, from the mailbox's own "
                "address alone, and SMTP AUTH has to be enabled for the mailbox. The client ID is "
                "that of an application in Microsoft Entra (doc/oauth.md).",
    },
    {
        .name = "outlook",
        .title = "Outlook.com",
        .domains = "outlook.com hotmail.com live.com msn.com",
        .host = "smtp-mail.outlook.com",
        .port = 587,
        .login = SETUP_LOGIN_OAUTH,
        .note = "It takes no password any more. The client ID is that of an application in "
                "Microsoft Entra (doc/oauth.md).",
    },
    {
        .name = "ses",
        .title = "Amazon SES",
        .host = "email-smtp.*.amazonaws.com",
        .region = "eu-central-1",
        .port = 587,
        .password = "the SMTP password that the SES console makes with the user name (SMTP "
                    "settings), not an IAM access key's secret, and of this region alone",
        .note = "Senders must be verified identities; in the sandbox recipients, too, and 200 "
                "messages a day are all.",
    },
    {
        .name = "mailgun",
        .title = "Mailgun (US)",
        .host = "smtp.mailgun.org",
        .port = 587,
        .password = "the SMTP password of that user (Sending, Domain settings), not the API key",
        .note = "A domain that was made in the EU is at `mailgun-eu`.",
    },
    {
        .name = "mailgun-eu",
        .title = "Mailgun (EU)",
        .host = "smtp.eu.mailgun.org",
        .port = 587,
        .password = "the SMTP password of that user (Sending, Domain settings), not the API key",
        .note = "A domain that was made in the US is at `mailgun`.",
    },
    {
        .name = "fastmail",
        .title = "Fastmail",
        .domains = "fastmail.com fastmail.fm",
        .host = "smtp.fastmail.com",
        .port = 465,
        .password = "an app password for SMTP (Settings, Privacy & Security), not that of the "
                    "account",
    },
    {
        .name = "sendgrid",
        .title = "SendGrid",
        .host = "smtp.sendgrid.net",
        .port = 587,
        .user = "apikey",
        .password = "an API key that may send mail",
        .note = "Senders must be verified.",
    },
    {
        .name = "postmark",
        .title = "Postmark",
        .host = "smtp.postmarkapp.com",
        .port = 587,
        .password = "the token of the server, which is the user as well",
        .note = "Senders must be confirmed, and every recipient of one message counts.",
    },
    {
        .name = "brevo",
        .title = "Brevo",
        .host = "smtp-relay.brevo.com",
        .port = 587,
        .password = "an SMTP key, not the API key",
    },
    {
        .name = "mailjet",
        .title = "Mailjet",
        .host = "in-v3.mailjet.com",
        .port = 587,
        .password = "the secret key; the user is the API key",
    },
    {
        .name = "icloud",
        .title = "iCloud Mail",
        .domains = "icloud.com me.com mac.com",
        .host = "smtp.mail.me.com",
        .port = 587,
        .password = "an app-specific password (https://account.apple.com), not that of the account",
        .note = "It takes 1000 messages a day.",
    },
    {
        .name = "yahoo",
        .title = "Yahoo Mail",
        .domains = "yahoo.com ymail.com",
        .host = "smtp.mail.yahoo.com",
        .port = 465,
        .password = "an app password (Account security), not that of the account",
    },
    {
        .name = "local",
        .title = "a mail server on this machine",
        .host = "localhost",
        .port = 25,
        .tls = "none",
        .login = SETUP_LOGIN_NONE,
    },
};

const SetupProvider *setup_provider_at(unsigned i)
{
    return i < ELEMENTSOF(providers) ? &providers[i] : NULL;
}

const SetupProvider *setup_provider_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(providers); i++)
        if (text_equal_nocase(providers[i].name, name))
            return &providers[i];
    return NULL;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (; list && *list; list += strcspn(list, " "), list += *list == ' ')
        if (strcspn(list, " ") == n && strncasecmp(list, word, n) == 0)
            return true;
    return false;
}

const SetupProvider *setup_provider_of_domain(const char *domain)
{
    for (size_t i = 0; i < ELEMENTSOF(providers) && *domain; i++)
        if (has_word(providers[i].domains, domain))
            return &providers[i];
    return NULL;
}

bool setup_region_is_good(const char *region)
{
    size_t n = 0;

    while (text_is_alphanumeric(region[n]) || region[n] == '-')
        n++;
    return n > 0 && n < 40 && region[n] == '\0';
}

char *setup_provider_host(const SetupProvider *provider, const char *region)
{
    const char *star = strchr(provider->host, '*');
    char *host = NULL;

    if (!star)
        return strdup(provider->host);
    if (asprintf(&host, "%.*s%s%s", (int)(star - provider->host), provider->host, region ?: "",
            star + 1) < 0)
        return NULL;
    return host;
}
