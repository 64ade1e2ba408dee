/* Combinations of TLS settings. Must never open what they name. */
#include "settings/check_tls.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/host.h"
#include "settings/value.h"

static const Setting *relay_setting(const char *name)
{
    return setting_find(SECTION_RELAYS, name);
}

/* The component's ways to say "whatever there is". */
static bool is_automatic(const char *provider)
{
    static const char *const words[] = {"automatic", "platform", "internal", "sslpAutomatic",
        "sslpPlatform", "sslpInternal", "0", "1", "2"};

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (text_equal_nocase(words[i], provider))
            return true;
    return false;
}

/* A name becomes that of a file: it has nothing but letters, digits and the like. */
static int check_provider(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];

    if (!config->tls_provider)
        return 0;
    if (is_automatic(config->tls_provider)) {
        value_done(relay_setting("tls_provider"), config);
        return 0;
    }
    for (const char *p = config->tls_provider; *p; p++)
        if (!text_is_alphanumeric(*p) && !strchr(" ,;-_", *p))
            return draft_mistake_in(draft, relay_setting("tls_provider"), relay,
                "holds a character that is in no provider's name; write names such as default, "
                "fips, legacy or pkcs11, with blanks between them");
    return 0;
}

static bool list_has(const char *list, const char *word, size_t n)
{
    for (list += strspn(list, " "); *list; list += strspn(list, " ")) {
        size_t length = strcspn(list, " ");

        if (length == n && strncmp(list, word, n) == 0)
            return true;
        list += length;
    }
    return false;
}

/* Where only one list of groups is set it holds for both versions. */
static int check_key_shares(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *groups = config->tls13_groups ?: config->tls12_groups;

    if (!config->tls13_key_shares || !groups)
        return 0;
    for (const char *p = config->tls13_key_shares; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");

        if (!list_has(groups, p, n))
            return draft_mistake_in(draft, relay_setting("tls13_key_shares"), relay,
                "names %.*s, which %s leaves out; add it there, or leave it out here too", (int)n,
                p,
                config->tls13_groups ? "tls13_groups"
                                     : "tls12_groups (and tls13_groups is not set)");
        p += n;
    }
    return 0;
}

/* Nobody asks about a certificate that is not looked at, nor looks into a list without being told.
 */
static int check_revocation(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    bool crl = config->tls_check_crl != TLS_CHECK_OFF,
         ocsp = config->tls_check_ocsp != TLS_CHECK_OFF;

    if (config->tls_crl_file && !crl)
        return draft_mistake_in(draft, relay_setting("tls_crl_file"), relay,
            "is not looked into; set tls_check_crl = \"try\" or \"require\"");
    if (config->tls_verify || (!crl && !ocsp))
        return 0;
    return draft_mistake_in(draft, relay_setting(crl ? "tls_check_crl" : "tls_check_ocsp"), relay,
        "tls_verify = false accepts any certificate, a revoked one too; leave one of the two out");
}

/* What is asked of a certificate has to be asked: where there is no TLS there is none, and where
 * TLS is used only if it is offered any will do. */
static int check_effect(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *name = config->tls_check_crl == TLS_CHECK_REQUIRE    ? "tls_check_crl"
                       : config->tls_check_ocsp == TLS_CHECK_REQUIRE ? "tls_check_ocsp"
                       : config->tls_accept_certificate              ? "tls_accept_certificate"
                                                                     : NULL;

    if (name && config->tls == TLS_MODE_NONE)
        return draft_mistake_in(draft, relay_setting(name), relay,
            "without TLS there is no certificate; set tls = \"starttls\" or \"implicit\", or leave "
            "%s out",
            name);
    if (name && config->tls_verify && !relay_verifies(config))
        return draft_mistake_in(draft, relay_setting(name), relay,
            "tls = \"opportunistic\" takes any certificate, and none; set tls = \"starttls\" or "
            "\"implicit\", or leave %s out",
            name);
    if (config->tls != TLS_MODE_NONE)
        return 0;
    name = config->tls_check_crl == TLS_CHECK_TRY    ? "tls_check_crl"
           : config->tls_check_ocsp == TLS_CHECK_TRY ? "tls_check_ocsp"
                                                     : NULL;
    if (name)
        return draft_notice_in(draft, relay_setting(name), relay,
            "has no effect without TLS: there is no certificate");
    if (!config->tls_certificate)
        return 0;
    return draft_notice_in(draft, relay_setting("tls_certificate"), relay,
        "has no effect without TLS: it is not shown");
}

/* Where mail would go in clear, or to anybody, a record decides nothing. */
static int check_dane(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (config->tls_dane == TLS_CHECK_OFF)
        return 0;
    if (!config->tls_verify)
        return draft_mistake_in(draft, relay_setting("tls_dane"), relay,
            "tls_verify = false accepts any certificate, whatever a record names; leave one of the "
            "two out");
    if (relay_is_proxied(config) && config->proxy_resolve == PROXY_RESOLVE_PROXY)
        return draft_mistake_in(draft, relay_setting("tls_dane"), relay,
            "asks a name server of this host's for the relay, whose name only the proxy is to be "
            "told; "
            "leave it out, or set proxy_resolve = \"here\"");
    if (config->tls == TLS_MODE_STARTTLS || config->tls == TLS_MODE_IMPLICIT)
        return 0;
    return draft_mistake_in(draft, relay_setting("tls_dane"), relay,
        "needs TLS in any case; set tls = \"starttls\" or \"implicit\"");
}

static int mta_sts_mistake(Draft *draft, size_t relay, const char *name, const char *what)
{
    return draft_mistake_in(draft, relay_setting(name), relay, "%s", what);
}

/* The domain is most often what the host is in: mail.example.com is a server of example.com's. A
 * name of two labels is a domain itself. */
static int take_domain(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];
    const char *host = config->tls_name ?: config->host, *dot = strchr(host, '.');

    if (config->tls_mta_sts_domain)
        return host_family(config->tls_mta_sts_domain) == 0
                   ? 0
                   : mta_sts_mistake(draft, relay, "tls_mta_sts_domain",
                         "is an address; name a domain, such as \"example.com\"");
    if (relay_socket_path(config) || host_family(host) != 0 || !dot)
        return mta_sts_mistake(draft, relay, "tls_mta_sts",
            "whose policy it is does not show in the relay's name; set tls_mta_sts_domain");
    config->tls_mta_sts_domain = strdup(strchr(dot + 1, '.') ? dot + 1 : host);
    return config->tls_mta_sts_domain ? 0 : -ENOMEM;
}

/* A policy asks for a certificate that holds, so whatever forgives one does not go with it. */
static int check_mta_sts(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *alone = config->tls_mta_sts_domain    ? "tls_mta_sts_domain"
                        : config->tls_mta_sts_file    ? "tls_mta_sts_file"
                        : config->tls_mta_sts_ca_file ? "tls_mta_sts_ca_file"
                                                      : NULL;

    if (config->tls_mta_sts == TLS_CHECK_OFF)
        return alone ? mta_sts_mistake(draft, relay, alone,
                           "has no effect; set tls_mta_sts = \"try\" or \"require\"")
                     : 0;
    if (!config->tls_verify)
        return mta_sts_mistake(draft, relay, "tls_mta_sts",
            "tls_verify = false accepts any certificate, which no policy allows; leave one of the "
            "two out");
    if (config->tls_security_flags & TLS_SECURITY_FORGIVES)
        return mta_sts_mistake(draft, relay, "tls_mta_sts",
            "tls_security_flags forgives a certificate what no policy does; leave one of the two "
            "out");
    if (relay_is_proxied(config) && config->proxy_resolve == PROXY_RESOLVE_PROXY)
        return mta_sts_mistake(draft, relay, "tls_mta_sts",
            "asks a name server of this host's for the relay's domain, where only the proxy is to "
            "look names up; leave it out, or set proxy_resolve = \"here\"");
    if (config->tls != TLS_MODE_STARTTLS && config->tls != TLS_MODE_IMPLICIT)
        return mta_sts_mistake(draft, relay, "tls_mta_sts",
            "needs TLS in any case; set tls = \"starttls\" or \"implicit\"");
    return take_domain(draft, relay);
}

int check_tls(Draft *draft, size_t relay)
{
    return check_revocation(draft, relay)
               ?: check_effect(draft, relay)
               ?: check_dane(draft, relay) ?: check_mta_sts(draft, relay)
               ?: check_provider(draft, relay) ?: check_key_shares(draft, relay);
}
