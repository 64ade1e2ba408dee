/* Combinations of settings. Must never look anything up on the network. */
#include "settings/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/charset.h"
#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/check_files.h"
#include "settings/check_lanes.h"
#include "settings/check_oauth.h"
#include "settings/check_proxy.h"
#include "settings/check_restraint.h"
#include "settings/check_routes.h"
#include "settings/check_secrets.h"
#include "settings/check_tls.h"
#include "settings/command.h"
#include "settings/from_rules.h"
#include "settings/host.h"
#include "settings/hours.h"
#include "settings/rate.h"
#include "settings/secret_source.h"

#define SMTPS_PORT 465
#define LMTP_PORT 24

static const Setting *relay_setting(const char *name)
{
    return setting_find(SECTION_RELAYS, name);
}

static bool is_set(const Draft *draft, size_t relay, const char *name)
{
    return draft_origin(draft, relay_setting(name), relay)->file;
}

static bool is_unix(const RelayConfig *config)
{
    return config->host && host_is_unix(config->host);
}

/* An unset port follows an explicit tls; an automatic tls follows the port; "*" is the component's
 * word for OpenSSL's choice of ciphers. */
static void resolve_tls(const Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];

    if (text_equal(config->tls_ciphers, "*"))
        value_done(relay_setting("tls_ciphers"), config);
    if (config->tls == TLS_MODE_IMPLICIT && !is_set(draft, relay, "port"))
        config->port = SMTPS_PORT;
    if (config->protocol == PROTOCOL_LMTP && !is_set(draft, relay, "port"))
        config->port = LMTP_PORT;
    if (config->tls == TLS_MODE_AUTOMATIC && is_unix(config))
        config->tls = TLS_MODE_NONE;
    else if (config->tls == TLS_MODE_AUTOMATIC && config->protocol == PROTOCOL_LMTP)
        config->tls = TLS_MODE_STARTTLS;
    else if (config->tls == TLS_MODE_AUTOMATIC)
        config->tls =
            config->port == 25 || config->port == 587 ? TLS_MODE_STARTTLS : TLS_MODE_IMPLICIT;
}

static int check_host(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];
    char label[DRAFT_LABEL_MAX];
    int r;

    if (config->host && host_is_unspecified(config->host)) {
        r = draft_mistake_in(draft, relay_setting("host"), relay,
            "\"%s\" is no server's address but stands for any of this host's; write 127.0.0.1 or "
            "::1 for this host, or the relay's name",
            config->host);
        draft->number = ERROR_HOST_ADDRESS_INVALID;
        return r;
    }
    if (config->host) {
        if (config->name)
            return 0;
        if (is_unix(config))
            config->name = strdup(config->host);
        else if (asprintf(&config->name, "%s:%u", config->host, config->port) < 0)
            config->name = NULL;
        return config->name ? 0 : -ENOMEM;
    }
    r = draft_mistake(draft, draft->relays[relay].group, draft_label(draft, NULL, relay, label),
        "no mail server is specified; set host");
    draft->number = ERROR_NO_MAIL_SERVER;
    return r;
}

static int check_name(Draft *draft, size_t relay)
{
    RelayConfig **relays = draft->config->relays;

    for (size_t i = 0; relays[relay]->name && i < relay; i++)
        if (text_equal(relays[i]->name, relays[relay]->name))
            return draft_mistake_in(draft, relay_setting("name"), relay,
                "an earlier relay is called the same; give each a name of its own");
    return 0;
}

/* An address of a family that is not to be used would never be tried. */
static int check_family(Draft *draft, size_t relay, const char *name, const char *host)
{
    IpVersion version = draft->config->relays[relay]->ip_version;
    int family = host ? host_family(host) : 0, only = version == IP_VERSION_4 ? 4 : 6;

    if (version == IP_VERSION_ANY || family == 0 || family == only)
        return 0;
    return draft_mistake_in(draft, relay_setting(name), relay,
        "\"%s\" is an IPv%d address, and ip_version = %d (UseIPv6) allows IPv%d only; leave "
        "ip_version out, or name an address of that kind",
        host, family, (int)version, only);
}

static int check_families(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    int r = check_family(draft, relay, "host", config->host);

    return r == 0 ? check_family(draft, relay, "local_host", config->local_host) : r;
}

/* LMTP answers for each recipient once the content is there: who was taken by then has it. */
static int check_lmtp(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *stop = config->stop_on_to_errors    ? "stop_on_to_errors"
                       : config->stop_on_cc_errors  ? "stop_on_cc_errors"
                       : config->stop_on_bcc_errors ? "stop_on_bcc_errors"
                                                    : NULL;

    if (!config->extensions)
        return draft_mistake_in(draft, relay_setting("extensions"), relay,
            "LMTP has no dialogue without extensions; leave extensions out");
    if (!stop)
        return 0;
    return draft_mistake_in(draft, relay_setting(stop), relay,
        "LMTP refuses recipients after the content, too, when others have it; leave %s out, or "
        "protocol",
        stop);
}

/* What a socket of this machine has not. */
static int check_socket(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *net = config->local_host ? "local_host" : "local_port";
    int r = 0;

    if (is_unix(config) && (config->local_host || config->local_port > 0))
        r = draft_mistake_in(draft, relay_setting(net), relay,
            "the relay's host is a socket of this machine, to which one comes from no address; "
            "leave %s out",
            net);
    if (r == 0 && is_unix(config) && config->proxy_type != PROXY_MODE_NONE &&
        is_set(draft, relay, "proxy_type"))
        r = draft_mistake_in(draft, relay_setting("proxy_type"), relay,
            "the relay's host is a socket of this machine, to which no proxy leads; leave "
            "proxy_type out");
    if (r == 0 && is_unix(config) && config->tls != TLS_MODE_NONE && !config->tls_name)
        r = draft_mistake_in(draft, relay_setting("tls"), relay,
            "the relay's host is a socket, whose name no certificate has; set tls_name, or leave "
            "tls out");
    return r;
}

static int check_protocol(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    int r = config->protocol == PROTOCOL_LMTP ? check_lmtp(draft, relay) : 0;

    if (r == 0)
        r = check_socket(draft, relay);
    if (r == 0 && !config->linger && config->linger_time > 0)
        r = draft_notice_in(draft, relay_setting("linger_time"), relay,
            "has no effect with linger = false, which resets a connection at once");
    return r;
}

/* A fixed local port can serve one connection to the relay at a time. */
static int check_local_port(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];

    if (config->local_port == 0 || config->connections == 1)
        return 0;
    if (is_set(draft, relay, "connections"))
        return draft_mistake_in(draft, relay_setting("connections"), relay,
            "a fixed local_port allows one connection at a time; set connections = 1 or leave "
            "local_port out");
    config->connections = 1;
    return 0;
}

/* Whoever says when an idle connection is probed wants it probed, unless he says that he does not.
 */
static void resolve_keepalive(const Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];

    if (!is_set(draft, relay, "keepalive"))
        config->keepalive = config->keepalive_time > 0 || config->keepalive_interval > 0;
}

/* The mechanism asks who we are elsewhere (RFC 4422, appendix A). */
static int check_external(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const Setting *auth = relay_setting("auth");

    if (!is_unix(config) && !config->tls_certificate)
        return draft_mistake_in(draft, auth, relay,
            "\"external\" shows who we are by a client certificate, and there is none; set "
            "tls_certificate");
    if (!is_unix(config) && config->tls == TLS_MODE_NONE)
        return draft_mistake_in(draft, auth, relay,
            "\"external\" shows who we are by the client certificate, and without TLS none is "
            "shown; set tls = \"starttls\" or \"implicit\"");
    if (!secret_source_is_set(&config->password))
        return 0;
    return draft_notice_in(draft, auth, relay,
        "\"external\" shows the client certificate: the password is never used");
}

/* Such a password is never said (smtp/auth_choose), so that each message would wait for ever. */
static int check_clear(Draft *draft, size_t relay)
{
    static const char *const showing[] = {"plain", "login", "xoauth2", "oauthbearer"};
    const RelayConfig *config = draft->config->relays[relay];

    if (config->tls != TLS_MODE_NONE || is_unix(config) ||
        config->auth_without_tls != CLEAR_AUTH_NEVER)
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(showing); i++)
        if (text_equal(config->auth, showing[i]))
            return draft_mistake_in(draft, relay_setting("auth"), relay,
                "\"%s\" would show the password or token to everybody on the way, and tls = "
                "\"none\" hides nothing; set tls = \"starttls\" or \"implicit\", or see "
                "auth_without_tls",
                config->auth);
    return 0;
}

static int check_auth(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    bool secret = secret_source_is_set(&config->password) || config->oauth_token_url;
    bool needs_user = config->auth && !text_equal(config->auth, "none") &&
                      !text_equal(config->auth, "external") &&
                      !text_equal(config->auth, "oauthbearer");

    if (config->auth_without_tls == CLEAR_AUTH_LOOPBACK && config->host &&
        !host_is_loopback(config->host))
        return draft_mistake_in(draft, relay_setting("auth_without_tls"), relay,
            "true lets a password go in clear to this host only, and the relay is another; use TLS "
            "and false, or write \"yes, in clear\"");
    if (secret && !config->user && needs_user)
        return draft_mistake_in(draft, relay_setting("user"), relay,
            "there is a %s but no user; set user, or leave the %s out",
            config->oauth_token_url ? "token" : "password",
            config->oauth_token_url ? "oauth_ settings" : "password");
    if (!config->user && needs_user && !text_equal(config->auth, "auto") &&
        !text_equal(config->auth, "gssapi"))
        return draft_mistake_in(draft, relay_setting("auth"), relay,
            "\"%s\" logs in, and there is no user; set user, or leave auth out", config->auth);
    return text_equal(config->auth, "external") ? check_external(draft, relay) : 0;
}

/* A setting that goes with a mechanism that is not configured has no effect, and whoever wrote it
 * thinks that it has. Keytab and cache are the proxy's, too. */
static int check_kerberos(Draft *draft, size_t relay)
{
    static const char *const settings[] = {
        "kerberos_service", "kerberos_keytab", "kerberos_ccache"};
    const RelayConfig *config = draft->config->relays[relay];
    bool at_proxy = relay_is_proxied(config) && config->proxy_auth == PROXY_AUTH_GSSAPI;
    int r = 0;

    if (text_equal(config->auth, "gssapi")) {
        if (!secret_source_is_set(&config->password))
            return 0;
        return draft_mistake_in(draft, relay_setting("auth"), relay,
            "gssapi shows a Kerberos ticket and no password; leave the password out, and see "
            "kerberos_keytab");
    }
    for (size_t i = 0; r == 0 && i < (at_proxy ? 1 : ELEMENTSOF(settings)); i++)
        if (value_is_set(relay_setting(settings[i]), config))
            r = draft_mistake_in(draft, relay_setting(settings[i]), relay,
                "is for Kerberos alone; set auth = \"gssapi\"");
    return r;
}

static int check_pin(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (config->tls_verify || !config->tls_accept_certificate)
        return 0;
    return draft_mistake_in(draft, relay_setting("tls_accept_certificate"), relay,
        "tls_verify = false accepts any certificate, and this one in particular says otherwise; "
        "leave one of the two out");
}

static int check_hello(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];
    const char *why = config->hello ? host_check_hello(config->hello) : NULL;

    if (!why)
        return 0;
    return draft_mistake_in(draft, relay_setting("hello"), relay,
        "\"%s\" %s; it takes a host's full name, or its address as in \"[192.0.2.1]\" or "
        "\"[IPv6:2001:db8::1]\"",
        config->hello, why);
}

static int check_client_certificate(Draft *draft, size_t relay)
{
    static const char *const settings[] = {"tls_certificate_subject", "tls_key",
        "tls_client_ca_file", "tls_key_password", "tls_key_password_file",
        "tls_key_password_command", "tls_key_password_credential"};
    const RelayConfig *config = draft->config->relays[relay];
    int r = 0;

    for (size_t i = 0; r == 0 && !config->tls_certificate && i < ELEMENTSOF(settings); i++)
        if (value_is_set(relay_setting(settings[i]), config))
            r = draft_mistake_in(draft, relay_setting(settings[i]), relay,
                "has no certificate to go with; set tls_certificate");
    return r;
}

static int check_restraint(Draft *draft, size_t place)
{
    const RelayConfig *relay = draft->config->relays[place];

    return check_restraints(
        draft, SECTION_RELAYS, place, relay->message_rate, relay->recipient_rate, relay->quiet);
}

static int check_holds(Draft *draft, size_t relay)
{
    const RelayConfig *config = draft->config->relays[relay];

    if (config->hold_max >= config->hold_first)
        return 0;
    return draft_mistake_in(draft,
        relay_setting(is_set(draft, relay, "hold_max") ? "hold_max" : "hold_first"), relay,
        "hold_max is shorter than hold_first; make it at least as long");
}

static const struct {
    int (*check)(Draft *draft, size_t relay);
    bool alone; /* of one setting by itself; others are of one beside another */
} relay_checks[] = {
    {check_proxy, false},
    {check_host, true},
    {check_files, true},
    {check_secrets, true},
    {check_name, true},
    {check_families, false},
    {check_protocol, false},
    {check_local_port, false},
    {check_auth, false},
    {check_clear, false},
    {check_kerberos, false},
    {check_oauth, false},
    {check_hello, true},
    {check_pin, false},
    {check_client_certificate, false},
    {check_tls, false},
    {check_restraint, true},
    {check_holds, false},
};

/* What could not be read has been told: what stands beside it would be told for the same reason. */
static int check_relay(Draft *draft, size_t relay)
{
    bool wrong = draft_is_wrong_at(draft, SECTION_RELAYS, relay);
    int r = 0;

    if (!draft->config->relays[relay]
             ->host) /* what is set with it has nothing to be held against */
        return wrong ? 0 : check_host(draft, relay);
    resolve_tls(draft, relay);
    resolve_keepalive(draft, relay);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(relay_checks); i++)
        if (relay_checks[i].alone || !wrong)
            r = relay_checks[i].check(draft, relay);
    return r;
}

static int check_retry(Draft *draft)
{
    const RetryConfig *retry = &draft->config->retry;
    const Setting *setting = setting_find(SECTION_RETRY, "max");

    if (retry->max >= retry->first || draft_is_wrong(draft, SECTION_RETRY))
        return 0;
    if (!draft_origin(draft, setting, 0)->file)
        setting = setting_find(SECTION_RETRY, "first");
    return draft_mistake_in(
        draft, setting, 0, "retry.max is shorter than retry.first; make it at least as long");
}

/* That this system can convert to it; composing says the same of what only composing reads. */
static int check_charset(Draft *draft)
{
    const Setting *setting = setting_find(SECTION_MESSAGE, "charset");
    _cleanup_failure_ Failure f = {0};
    Charset charset;
    int r = charset_open(draft->config->message.charset ?: "UTF-8", &charset, &f);

    charset_close(&charset);
    if (r != -EBADMSG)
        return MIN(r, 0);
    return draft_mistake_in(draft, setting, 0, "%s", failure_text(&f));
}

static int check_from(Draft *draft)
{
    const char *text = draft->config->local.rewrite_from;
    _cleanup_(from_rules_free_p) FromRules *rules = NULL;
    _cleanup_failure_ Failure why = {0};
    int r = text ? from_rules_parse(text, &rules, &why) : 0;

    return r == -EINVAL ? draft_mistake_in(draft, setting_find(SECTION_LOCAL, "rewrite_from"), 0,
                              "\"%s\" %s", text, failure_text(&why))
                        : r;
}

/* A file that is named is there, and the domain is none of an address. */
static int check_local(Draft *draft)
{
    const LocalConfig *local = &draft->config->local;
    const Setting *aliases = setting_find(SECTION_LOCAL, "aliases");
    int r = check_from(draft);

    if (r >= 0 && draft_origin(draft, aliases, 0)->file && local->aliases &&
        access(local->aliases, F_OK) < 0)
        r = draft_mistake_in(draft, aliases, 0, "%s: %s; leave the setting out where there is none",
            local->aliases, strerrordesc_np(errno) ?: "cannot be looked at");
    if (r >= 0 && local->root && strchr("|/:\\", local->root[strspn(local->root, " \"")]))
        r = draft_mistake_in(draft, setting_find(SECTION_LOCAL, "root"), 0,
            "\"%s\" is no address: outbox runs no command and delivers to no file or mailbox; "
            "write "
            "addresses such as \"me@example.org\"",
            local->root);
    if (r < 0 || !local->domain || host_family(local->domain) == 0)
        return r;
    return draft_mistake_in(draft, setting_find(SECTION_LOCAL, "domain"), 0,
        "\"%s\" is an address and no domain; write a name such as \"example.org\"", local->domain);
}

static bool is_mailbox(const char *text)
{
    const char *at = strrchr(text, '@');

    return at && at > text && at[1] && !strpbrk(text, "<>,; ") && strchr(text, '@') == at;
}

static int check_bounce(Draft *draft)
{
    const char *to = draft->config->bounce.to;

    if (!to || strcmp(to, BOUNCE_NONE) == 0 || strcmp(to, BOUNCE_SENDER) == 0 || is_mailbox(to))
        return 0;
    return draft_mistake_in(draft, setting_find(SECTION_BOUNCE, "to"), 0,
        "\"%s\" is no address; write \"" BOUNCE_SENDER "\", \"" BOUNCE_NONE
        "\" or an address such as \"postmaster@example.org\"",
        to);
}

static int check_alarm(Draft *draft)
{
    const char *command = draft->config->alarm.command;
    _cleanup_failure_ Failure f = {0};
    int r = command ? command_check(command, &f) : 0;

    if (r != -ENOENT && r != -EACCES)
        return r;
    return draft_mistake_in(
        draft, setting_find(SECTION_ALARM, "alarm_command"), 0, "%s", failure_text(&f));
}

int check_settings(Draft *draft)
{
    int r = check_retry(draft) ?: check_bounce(draft) ?: check_alarm(draft) ?: check_database(draft) ?: check_directory_is_known(draft) ?: check_charset(draft)
            ?: check_local(draft);
    bool routes_are_read =
        !draft_is_wrong(draft, SECTION_RELAYS) && !draft_is_wrong(draft, SECTION_ROUTES);

    for (size_t i = 0; r == 0 && i < draft->config->n_relays; i++)
        r = check_relay(draft, i);
    if (r == 0 && draft->config->n_relays > 0 && routes_are_read)
        r = check_routes(draft);
    if (r == 0)
        r = check_lanes(draft);
    if (r < 0 || draft->config->n_relays > 0 || draft->n_mistakes > 0)
        return r;
    r = draft_mistake(draft, (Origin){0}, "relays",
        "there is no relay to deliver to; write relays = ( { host = \"smtp.example.com\"; } );");
    draft->number = ERROR_NO_MAIL_SERVER;
    return r;
}
