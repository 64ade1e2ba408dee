/* The way through a proxy. Must never look anything up on the network. */
#include "settings/check_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "settings/proxy.h"
#include "settings/proxy_environment.h"
#include "settings/secret_source.h"

#define TUNNEL_PORT 80
#define TUNNEL_TLS_PORT 443
#define SOCKS_PORT 1080

static const Setting *relay_setting(const char *name)
{
    return setting_find(SECTION_RELAYS, name);
}

static bool is_set(const Draft *draft, size_t relay, const char *name)
{
    return draft_origin(draft, relay_setting(name), relay)->file;
}

static int mistake(Draft *draft, size_t relay, const char *setting, const char *what)
{
    return draft_mistake_in(draft, relay_setting(setting), relay, "%s", what);
}

/* The address family of a host that is an address; 0: a name. */
static int family_of(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    if (host && inet_pton(AF_INET, host, bytes) == 1)
        return AF_INET;
    return host && strchr(host, ':') ? AF_INET6 : 0;
}

static bool is_socks_4(const RelayConfig *config)
{
    return config->proxy_type == PROXY_MODE_SOCKS4 || config->proxy_type == PROXY_MODE_SOCKS4A;
}

/* Programs differ in what they take there, so it is no mistake. */
static int notice_ignored(Draft *draft, size_t relay)
{
    char entry[PROXY_ENTRY_MAX];
    const char *why = proxy_environment_ignored(entry);
    _cleanup_free_
    char *shown = why ? text_printable(entry, strlen(entry), 80) : NULL, *notice = NULL;

    if (!why)
        return 0;
    if (!shown || asprintf(&notice, "\"%s\" in no_proxy of the environment is passed over: it %s",
                      shown, why) < 0) {
        notice = NULL;
        return -ENOMEM;
    }
    return draft_notice_in(draft, relay_setting("proxy_auto_detect"), relay, notice);
}

static int take_environment(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];
    _cleanup_failure_ Failure f = {0};
    int r;

    if (!config->proxy_auto_detect || is_set(draft, relay, "proxy_type") || config->proxy_host)
        return 0;
    r = proxy_environment_apply(config, &f);
    if (r == -EINVAL)
        return mistake(draft, relay, "proxy_auto_detect", failure_text(&f));
    return r < 0 || !config->proxy_host ? r : notice_ignored(draft, relay);
}

/* The "*" before the host, which is not a part of it. */
static bool take_star(RelayConfig *config)
{
    if (!config->host || config->host[0] != '*')
        return false;
    memmove(config->host, config->host + 1, strlen(config->host));
    return true;
}

static void resolve_port(RelayConfig *config)
{
    if (config->proxy_port != 0)
        return;
    config->proxy_port = SOCKS_PORT;
    if (config->proxy_type == PROXY_MODE_TUNNEL)
        config->proxy_port = config->proxy_tls ? TUNNEL_TLS_PORT : TUNNEL_PORT;
}

/* An address is nobody's to look up. */
static int resolve_lookup(Draft *draft, size_t relay, bool star)
{
    RelayConfig *config = draft->config->relays[relay];
    int family = family_of(config->host);

    if (star)
        config->proxy_resolve = PROXY_RESOLVE_PROXY;
    if (config->proxy_resolve == PROXY_RESOLVE_AUTOMATIC)
        config->proxy_resolve =
            config->proxy_type == PROXY_MODE_TUNNEL || config->proxy_type == PROXY_MODE_SOCKS4A
                ? PROXY_RESOLVE_PROXY
                : PROXY_RESOLVE_HERE;
    if (config->proxy_type == PROXY_MODE_SOCKS4 && config->proxy_resolve == PROXY_RESOLVE_PROXY)
        return mistake(draft, relay, star ? "host" : "proxy_resolve",
            "a proxy of SOCKS4 cannot look names up; set proxy_type = \"socks4a\" or \"socks5\"");
    if (is_socks_4(config) && family == AF_INET6)
        return mistake(draft, relay, "host",
            "SOCKS4 has no IPv6 addresses; set proxy_type = \"socks5\" or \"tunnel\"");
    if (is_socks_4(config) && config->ip_version == IP_VERSION_6 &&
        config->proxy_resolve == PROXY_RESOLVE_HERE)
        return mistake(draft, relay, "ip_version",
            "SOCKS4 has no IPv6 addresses; set proxy_type = \"socks5\" or \"tunnel\"");
    if (family != 0)
        config->proxy_resolve = PROXY_RESOLVE_HERE;
    return 0;
}

/* What goes with the way to log in that is set. */
static int check_auth(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    bool is_kerberos = config->proxy_auth == PROXY_AUTH_GSSAPI;
    bool has_password = secret_source_is_set(&config->proxy_password);

    if (config->proxy_kerberos_service && !is_kerberos)
        return mistake(draft, relay, "proxy_kerberos_service",
            "is for Kerberos alone; set proxy_auth = \"gssapi\"");
    if (config->proxy_type != PROXY_MODE_TUNNEL && !is_kerberos)
        return mistake(draft, relay, "proxy_auth",
            "is a way of HTTP proxies; leave it out, or set proxy_type = \"tunnel\"");
    if (is_socks_4(config))
        return mistake(draft, relay, "proxy_auth",
            "SOCKS4 has no logins but a user's name; set proxy_type = \"socks5\"");
    if (is_kerberos && has_password)
        return mistake(draft, relay, "proxy_auth",
            "gssapi shows a Kerberos ticket and no password; leave the password out, and see "
            "kerberos_keytab");
    if (!is_kerberos && !config->proxy_user)
        return mistake(draft, relay, "proxy_auth",
            "says how to log in, and there is no user; set proxy_user, or leave it out");
    if (config->proxy_auth == PROXY_AUTH_NTLM && !has_password)
        return mistake(draft, relay, "proxy_auth",
            "NTLM needs a password; set proxy_password or one of its kind");
    return 0;
}

static int check_login(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (config->proxy_data && config->proxy_type != PROXY_MODE_TUNNEL)
        return mistake(draft, relay, "proxy_data",
            "is for the header of HTTP, and SOCKS has none; set proxy_type = \"tunnel\", or leave "
            "it out");
    if (config->proxy_auth != PROXY_AUTH_AUTO || config->proxy_kerberos_service)
        return check_auth(draft, relay);
    if (!secret_source_is_set(&config->proxy_password))
        return 0;
    if (is_socks_4(config))
        return mistake(draft, relay, "proxy_type",
            "SOCKS4 has users and no passwords; set proxy_type = \"socks5\", or leave "
            "proxy_password out");
    if (!config->proxy_user)
        return mistake(draft, relay, "proxy_user",
            "there is a password for the proxy but no user; set proxy_user, or leave the password "
            "out");
    return 0;
}

static int check_exceptions(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];
    char entry[PROXY_ENTRY_MAX];
    const char *list = config->proxy_exceptions, *why;
    int r;

    if (!list)
        return 0;
    why = proxy_exceptions_check(list, entry);
    if (why)
        return draft_mistake_in(draft, relay_setting("proxy_exceptions"), relay,
            "\"%s\" %s; it takes names, *.example.com, addresses and networks such as "
            "192.0.2.0/24, with ; between them",
            entry, why);
    r = config->host ? proxy_exceptions_have(list, config->host, config->port, false) : 0;
    config->proxy_bypassed = config->proxy_bypassed || r > 0;
    return MIN(r, 0);
}

/* Whoever has turned the proxy off, or takes one where there is one, may leave the rest. */
static int notice_absence(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *name = config->proxy_user                                 ? "proxy_user"
                       : config->proxy_auth != PROXY_AUTH_AUTO            ? "proxy_auth"
                       : config->proxy_kerberos_service                   ? "proxy_kerberos_service"
                       : config->proxy_exceptions                         ? "proxy_exceptions"
                       : config->proxy_resolve != PROXY_RESOLVE_AUTOMATIC ? "proxy_resolve"
                                                                          : NULL;

    if (!name || is_set(draft, relay, "proxy_type") || config->proxy_auto_detect)
        return 0;
    return draft_notice_in(draft, relay_setting(name), relay,
        "has no effect without a proxy; proxy_type and proxy_host name one");
}

/* Where there is none. */
static int check_absence(Draft *draft, size_t relay, bool star)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (config->proxy_host && !is_set(draft, relay, "proxy_type"))
        return mistake(draft, relay, "proxy_host",
            "the kind of proxy is missing; set proxy_type to \"tunnel\" (HTTP), \"socks5\", "
            "\"socks4a\" or \"socks4\"");
    /* Whoever has turned the proxy off may leave the rest as it is. */
    if (star && !is_set(draft, relay, "proxy_type") && !config->proxy_auto_detect)
        return mistake(draft, relay, "host",
            "the * leaves the lookup to a proxy, and there is none; leave it out, or set "
            "proxy_type and proxy_host");
    return notice_absence(draft, relay);
}

int check_proxy(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    bool star = take_star(draft->config->relays[relay]);
    int r = take_environment(draft, relay) ?: check_exceptions(draft, relay);

    if (r != 0)
        return r;
    if (config->proxy_type == PROXY_MODE_NONE)
        return check_absence(draft, relay, star);
    if (!config->proxy_host && !is_set(draft, relay, "proxy_host"))
        return mistake(
            draft, relay, "proxy_type", "there is no proxy to go through; set proxy_host");
    resolve_port(draft->config->relays[relay]);
    return resolve_lookup(draft, relay, star) ?: check_login(draft, relay);
}
