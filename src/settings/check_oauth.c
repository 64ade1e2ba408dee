/* Combinations of the oauth_ settings. Must never look anything up on the network. */
#include "settings/check_oauth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "base/url.h"
#include "settings/secret_source.h"

static const Setting *setting_of(const char *name)
{
    return setting_find(SECTION_RELAYS, name);
}

/* Without the URL none of them has an effect. */
static int check_alone(Draft *draft, size_t relay)
{
    static const char *const settings[] = {"oauth_client_id", "oauth_client_secret",
        "oauth_client_secret_file", "oauth_client_secret_command", "oauth_client_secret_credential",
        "oauth_refresh_token", "oauth_refresh_token_file", "oauth_refresh_token_command",
        "oauth_refresh_token_credential", "oauth_scope", "oauth_token_file", "oauth_device_url",
        "oauth_ca_file", "oauth_token_key_file", "oauth_token_key_command",
        "oauth_token_key_credential"};

    for (size_t i = 0; i < ELEMENTSOF(settings); i++)
        if (value_is_set(setting_of(settings[i]), draft->config->relays[relay]))
            return draft_mistake_in(draft, setting_of(settings[i]), relay,
                "has no effect without a place to get tokens from; set oauth_token_url");
    return 0;
}

/* Whether what stands in front of the path has a login in it (RFC 3986, 3.2.1). */
static bool has_login(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + strlen("://") : url;

    return memchr(host, '@', strcspn(host, "/?#"));
}

/* Whether what stands behind the host and a colon is a port, or there is none. */
static bool is_port(const char *host)
{
    const char *colon = host[0] == '[' ? strchr(host, ']') : host;
    size_t n = colon ? strcspn(colon, ":/?#") : 0, digits;

    if (!colon || colon[n] != ':')
        return true;
    colon += n + 1;
    digits = strspn(colon, "0123456789");
    n = strcspn(colon, "/?#");
    return n == digits && n > 0 && n <= 5 && atoi(colon) >= 1 && atoi(colon) <= 65535;
}

/* What is sent with the request anyway has a setting, where it can be kept from other readers. */
static int check_parameters(Draft *draft, size_t relay, const char *name, const char *url)
{
    static const struct {
        const char *parameter, *setting;
    } rows[] = {{"client_secret", "oauth_client_secret_file"},
        {"refresh_token", "oauth_refresh_token_file"}};
    UrlParameter found;

    while (url_next_secret(&url, &found))
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
            if (found.n_name == strlen(rows[i].parameter) &&
                text_starts_nocase(found.name, rows[i].parameter))
                return draft_mistake_in(draft, setting_of(name), relay,
                    "there is a secret (%s) in the URL; leave it out, and set %s, which is sent "
                    "with each request",
                    rows[i].parameter, rows[i].setting);
    return 0;
}

static int check_url(Draft *draft, size_t relay, const char *name, const char *url)
{
    _cleanup_free_
    char *shown = url ? url_shown(url) : NULL;
    const char *host;

    if (!url)
        return 0;
    if (!shown)
        return -ENOMEM;
    /* Not shown, not even where something else is wrong with it, too. */
    if (strchr(url, '@'))
        return draft_mistake_in(draft, setting_of(name), relay,
            has_login(url)
                ? "there is a login in the URL (between \"https://\" and \"@\"), which is not "
                  "used; "
                  "leave it out, and set oauth_client_id and oauth_client_secret_file"
                : "there is an \"@\" in the URL, which outbox does not take there; write \"%%40\"");
    if (text_starts_nocase(url, "http://"))
        return draft_mistake_in(draft, setting_of(name), relay,
            "\"%s\" would show secrets to everybody on the way; write https://", shown);
    host = url + MIN(strlen(url), strlen("https://"));
    if (text_starts_nocase(url, "https://") && !is_port(host))
        return draft_mistake_in(draft, setting_of(name), relay,
            "the port in \"%s\" is none; it is a number from 1 to 65535, such as 443", shown);
    if (!text_starts_nocase(url, "https://") || strcspn(host, "/?") == 0 || strchr(url, ' ') ||
        strchr(url, '#') || strchr(url, '@') || !text_is_ascii(url, strlen(url)))
        return draft_mistake_in(draft, setting_of(name), relay,
            "\"%s\" is no URL; it takes one such as \"https://login.example.com/token\"", shown);
    return check_parameters(draft, relay, name, url);
}

static int check_grant(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    bool secret = secret_source_is_set(&config->oauth_client_secret);
    bool refresh = secret_source_is_set(&config->oauth_refresh_token) || config->oauth_token_file;

    if (config->oauth_grant == OAUTH_GRANT_CLIENT && !secret)
        return draft_mistake_in(draft, setting_of("oauth_grant"), relay,
            "\"client-credentials\" needs the client's secret; set oauth_client_secret_file");
    if (config->oauth_grant == OAUTH_GRANT_CLIENT && refresh)
        return draft_mistake_in(draft, setting_of("oauth_grant"), relay,
            "with \"client-credentials\" there is no refresh token; leave oauth_refresh_token and "
            "oauth_token_file out");
    if (config->oauth_grant == OAUTH_GRANT_REFRESH && !refresh)
        return draft_mistake_in(draft, setting_of("oauth_token_url"), relay,
            "there is nothing to get a token by; set oauth_token_file and run `outbox authorize`, "
            "or "
            "set oauth_refresh_token_file, or oauth_grant = \"client-credentials\"");
    return 0;
}

static int check_mechanism(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (!text_equal(config->auth, "auto") && !text_equal(config->auth, "xoauth2") &&
        !text_equal(config->auth, "oauthbearer"))
        return draft_mistake_in(draft, setting_of("auth"), relay,
            "\"%s\" takes no OAuth token; set auth to \"xoauth2\", \"oauthbearer\" or \"auto\", or "
            "leave oauth_token_url out",
            config->auth);
    if (secret_source_is_set(&config->password))
        return draft_mistake_in(draft, setting_of("oauth_token_url"), relay,
            "there is a password, too; leave one of the two out");
    if (config->oauth_device_url && !config->oauth_token_file)
        return draft_mistake_in(draft, setting_of("oauth_device_url"), relay,
            "what is allowed by the code must be kept; set oauth_token_file");
    return 0;
}

/* The name of the row that the key stands in; NULL: there is none. */
static const char *key_setting(const SecretSource *key)
{
    return key->file         ? "oauth_token_key_file"
           : key->command    ? "oauth_token_key_command"
           : key->credential ? "oauth_token_key_credential"
                             : NULL;
}

static int check_key(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *name = key_setting(&config->oauth_token_key);

    if (!name || config->oauth_token_file)
        return 0;
    return draft_mistake_in(draft, setting_of(name), relay,
        "has no effect without a file to seal; set oauth_token_file, or leave it out");
}

int check_oauth(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    int r;

    if (!config->oauth_token_url)
        return check_alone(draft, relay);
    r = check_url(draft, relay, "oauth_token_url", config->oauth_token_url);
    if (r == 0)
        r = check_url(draft, relay, "oauth_device_url", config->oauth_device_url);
    if (r == 0 && !config->oauth_client_id)
        r = draft_mistake_in(draft, setting_of("oauth_token_url"), relay,
            "needs the name that outbox is registered by there; set oauth_client_id");
    if (r == 0)
        r = check_key(draft, relay) ?: check_mechanism(draft, relay);
    return r != 0 ? r : check_grant(draft, relay);
}
