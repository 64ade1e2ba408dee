/* The rows of the table of settings. Must hold nothing that this version does not carry out. */
#include "settings/table.h"

#include "base/clock.h"
#include "base/macros.h"
#include "settings/config.h"
#include "settings/draft.h"
#include "settings/table_choices.h"
#include "settings/table_lanes.h"
#include "settings/table_routes.h"
#include "settings/tls_names.h"

#define SPOOL(name) SECTION_SPOOL, #name
#define RELAY(name) SECTION_RELAYS, #name
#define RETRY(name) SECTION_RETRY, #name
#define BOUNCE(name) SECTION_BOUNCE, #name
#define ALARM(name) SECTION_ALARM, #name
#define DAEMON(name) SECTION_DAEMON, #name
#define MESSAGE(name) SECTION_MESSAGE, #name
#define LOCAL(name) SECTION_LOCAL, #name
#define IN_SPOOL(field) offsetof(SpoolConfig, field)
#define IN_RELAY(field) offsetof(RelayConfig, field)
#define IN_RETRY(field) offsetof(RetryConfig, field)
#define IN_BOUNCE(field) offsetof(BounceConfig, field)
#define IN_ALARM(field) offsetof(AlarmConfig, field)
#define IN_DAEMON(field) offsetof(DaemonConfig, field)
#define IN_MESSAGE(field) offsetof(MessageConfig, field)
#define IN_LOCAL(field) offsetof(LocalConfig, field)

static const SettingChoice tls_choices[] = {
    {"automatic|sslAutomatic|true|0", TLS_MODE_AUTOMATIC},
    {"implicit|sslImplicit|1", TLS_MODE_IMPLICIT},
    {"starttls|sslExplicit|2", TLS_MODE_STARTTLS},
    {"opportunistic", TLS_MODE_OPPORTUNISTIC},
    {"none|sslNone|false|3", TLS_MODE_NONE},
    {"ssl|smtps|tls|ssl/tls", .refusal = "may be either kind of TLS: \"implicit\" from the first "
                                         "byte, on port 465, or \"starttls\", on port 587"},
    {NULL},
};

static const SettingChoice auth_choices[] = {
    {"auto|amUserPassword|0"},
    {"none"},
    {"plain|amSASLPlain|4"},
    {"login"},
    {"cram-md5|amCRAMMD5|1"},
    {"digest-md5|amSASLDigestMD5|5"},
    {"scram-sha-1"},
    {"scram-sha-1-plus"},
    {"scram-sha-256"},
    {"scram-sha-256-plus"},
    {"xoauth2|amXOAUTH2|7"},
    {"oauthbearer"},
    {"external"},
    {"ntlm|amNTLM|2"},
    {"apop|amAPOP|3", .refusal = "is a mechanism of POP3, which SMTP does not have"},
    {"gssapi|amKerberos|6"},
    {NULL},
};

static const SettingChoice clear_auth_choices[] = {
    {"false|no", CLEAR_AUTH_NEVER},
    {"true|yes", CLEAR_AUTH_LOOPBACK},
    {"yes, in clear", CLEAR_AUTH_ALWAYS},
    {NULL},
};

static const SettingChoice oauth_grant_choices[] = {
    {"refresh-token", OAUTH_GRANT_REFRESH},
    {"client-credentials", OAUTH_GRANT_CLIENT},
    {NULL},
};

static const SettingChoice tls_check_choices[] = {
    {"off|0|false|no", TLS_CHECK_OFF},
    {"try|1", TLS_CHECK_TRY},
    {"require|2", TLS_CHECK_REQUIRE},
    {NULL},
};

static const SettingChoice ip_version_choices[] = {
    {"0", IP_VERSION_4},
    {"1", IP_VERSION_6},
    {"2", IP_VERSION_ANY},
    {NULL},
};

static const SettingChoice protocol_choices[] = {
    {"smtp", PROTOCOL_SMTP},
    {"lmtp", PROTOCOL_LMTP},
    {NULL},
};

static const SettingChoice proxy_choices[] = {
    {"none|fwNone|0", PROXY_MODE_NONE},
    {"tunnel|fwTunnel|1|http", PROXY_MODE_TUNNEL},
    {"socks4|fwSOCKS4|2", PROXY_MODE_SOCKS4},
    {"socks4a|fwSOCKS4A|10", PROXY_MODE_SOCKS4A},
    {"socks5|fwSOCKS5|3", PROXY_MODE_SOCKS5},
    {NULL},
};

static const SettingChoice proxy_auth_choices[] = {
    {"auto", PROXY_AUTH_AUTO},
    {"basic", PROXY_AUTH_BASIC},
    {"digest", PROXY_AUTH_DIGEST},
    {"ntlm", PROXY_AUTH_NTLM},
    {"gssapi|negotiate|kerberos", PROXY_AUTH_GSSAPI},
    {NULL},
};

static const SettingChoice proxy_resolve_choices[] = {
    {"automatic", PROXY_RESOLVE_AUTOMATIC},
    {"here", PROXY_RESOLVE_HERE},
    {"proxy", PROXY_RESOLVE_PROXY},
    {NULL},
};

static const SettingChoice digest_choices[] = {
    {"sha256"},
    {"sha1"},
    {"md5"},
    {NULL},
};

static const Setting table[] = {
    /* ---- spool ---- */
    {SPOOL(directory), "", SETTING_PATH, IN_SPOOL(directory), LOCALSTATEDIR "/spool/outbox",
        .required = true, .help = "the queue directory"},
    {SPOOL(database), "", SETTING_CONNINFO, IN_SPOOL(database), NULL,
        .help = "the PostgreSQL database that has the queue, in the place of the directory"},
    {SPOOL(share_limits), "", SETTING_BOOL, IN_SPOOL(share_limits), "true",
        .help = "the limits and rates of relays and lanes hold for all daemons on the database "
                "together"},
    {SPOOL(keep_sent), "KeepQueue", SETTING_BOOL, IN_SPOOL(keep_sent), "false",
        .help = "keep a delivered message as NAME.sent instead of removing it"},
    {SPOOL(settle), "", SETTING_DURATION, IN_SPOOL(settle), "2s", 0, USEC_PER_HOUR,
        .help = "how long a file must be left alone where no lease can tell that its writer is "
                "done"},
    {SPOOL(senders), "", SETTING_SENDERS, IN_SPOOL(senders), NULL,
        .help = "which envelope senders a user may name; anybody may name any when not set"},
    {SPOOL(pickup), "", SETTING_PICKUP, IN_SPOOL(pickup), NULL,
        .help = "directories that programs write whole messages into, which are taken from there"},
    {SPOOL(submit), "", SETTING_USERS, IN_SPOOL(submit), "all", .required = true,
        .help = "who may queue through the submission socket"},
    {SPOOL(submit_socket), "", SETTING_PATH, IN_SPOOL(submit_socket), "/run/outbox/submit",
        .help = "the submission socket"},
    {SPOOL(submit_max_size), "", SETTING_SIZE, IN_SPOOL(submit_max_size), "100M", 0,
        UINT64_C(1) << 40,
        .help = "how large a message may be that comes by the socket; 0: any size"},
    {SPOOL(submit_rate), "", SETTING_UNSIGNED, IN_SPOOL(submit_rate), "600", 0, 1000000,
        .help = "how many messages a user may queue by the socket in a minute; 0: any number"},
    {SPOOL(submit_max_waiting), "", SETTING_UNSIGNED, IN_SPOOL(submit_max_waiting), "10000", 0,
        100000000,
        .help = "how many messages a user may have in the queue who queues by the socket; 0: any "
                "number"},
    {SPOOL(submit_networks), "", SETTING_NETWORKS, IN_SPOOL(submit_networks), NULL,
        .help = "whose hosts may hand over mail by SMTP, besides this one"},
    {SPOOL(submit_network_user), "", SETTING_USER, IN_SPOOL(submit_network_user), "nobody",
        .required = true, .help = "the user whose mail that of other hosts is"},

    /* ---- relays: who and where ---- */
    {RELAY(name), "", SETTING_WORD, IN_RELAY(name), NULL,
        .help = "the relay's name in the log and in relays.NAME.SETTING; host:port when not set"},
    {RELAY(host), "MailServer", SETTING_HOST, IN_RELAY(host), NULL, .required = true,
        .help =
            "the relay's host name or address, or \"unix:/PATH\", a socket of this machine; every "
            "relay needs one"},
    {RELAY(port), "MailPort", SETTING_PORT, IN_RELAY(port), "25", 1, 65535,
        .help = "the relay's port; with tls = \"implicit\" the default is 465"},
    {RELAY(protocol), "", SETTING_ENUM, IN_RELAY(protocol), "smtp", .choices = protocol_choices,
        .help = "what the relay speaks; lmtp: a mailbox server that judges each recipient's copy"},
    {RELAY(ip_version), "UseIPv6", SETTING_ENUM, IN_RELAY(ip_version), "2",
        .choices = ip_version_choices,
        .help = "0: IPv4 only; 1: IPv6 only; 2: IPv6, then IPv4 where that fails"},
    {RELAY(local_host), "LocalHost", SETTING_HOST, IN_RELAY(local_host), NULL,
        .help = "the local address or name to connect from; the system chooses when not set"},
    {RELAY(local_port), "LocalPort", SETTING_PORT, IN_RELAY(local_port), "0", 0, 65535,
        .help = "the local port to connect from; 0: the system chooses; another one allows one "
                "connection at a time"},

    /* ---- relays: who we are ---- */
    {RELAY(auth), "AuthMechanism", SETTING_KEYWORD, IN_RELAY(auth), "auto", .choices = auth_choices,
        .required = true,
        .help = "the SASL mechanism; auto: the best that is offered, none: never log in"},
    {RELAY(user), "User", SETTING_STRING, IN_RELAY(user), NULL, .help = "the name to log in with"},
    {RELAY(password), "Password", SETTING_SECRET, IN_RELAY(password.value), NULL,
        .help =
            "the password or OAuth token itself; nobody but the daemon and root may read the file "
            "then"},
    {RELAY(password_file), "", SETTING_FILE, IN_RELAY(password.file), NULL,
        .help = "a file whose first line is the password"},
    {RELAY(password_command), "", SETTING_STRING, IN_RELAY(password.command), NULL,
        .help = "a shell command whose first line of output is the password; run for every "
                "connection"},
    {RELAY(password_credential), "", SETTING_WORD, IN_RELAY(password.credential), NULL,
        .help = "a systemd credential that holds the password (LoadCredential= in the unit)"},
    {RELAY(authorization_identity), "AuthorizationIdentity", SETTING_STRING,
        IN_RELAY(authorization_identity), NULL,
        .help = "whom to act for, where that is not the user; with auth = \"xoauth2\" and no "
                "password the token"},
    {RELAY(auth_without_tls), "", SETTING_ENUM, IN_RELAY(auth_without_tls), "false",
        .choices = clear_auth_choices,
        .help = "whether a password may go over a connection without TLS; true is for this host "
                "only, \"yes, in clear\" for any"},
    {RELAY(ntlm_v2), "UseNTLMv2", SETTING_BOOL, IN_RELAY(ntlm_v2), "true",
        .help = "answer NTLM in version 2; false: in version 1, which is as good as no secret, for "
                "servers that know nothing else"},
    {RELAY(oauth_token_url), "", SETTING_URL, IN_RELAY(oauth_token_url), NULL,
        .help = "the URL (https) where tokens for xoauth2 and oauthbearer are got and renewed"},
    {RELAY(oauth_client_id), "", SETTING_STRING, IN_RELAY(oauth_client_id), NULL,
        .help = "the name that outbox is registered by at oauth_token_url"},
    {RELAY(oauth_client_secret), "", SETTING_SECRET, IN_RELAY(oauth_client_secret.value), NULL,
        .help =
            "the client's secret itself; nobody but the daemon and root may read the file then"},
    {RELAY(oauth_client_secret_file), "", SETTING_FILE, IN_RELAY(oauth_client_secret.file), NULL,
        .help = "a file whose first line is the client's secret"},
    {RELAY(oauth_client_secret_command), "", SETTING_STRING, IN_RELAY(oauth_client_secret.command),
        NULL, .help = "a shell command whose first line of output is the client's secret"},
    {RELAY(oauth_client_secret_credential), "", SETTING_WORD,
        IN_RELAY(oauth_client_secret.credential), NULL,
        .help = "a systemd credential that holds the client's secret"},
    {RELAY(oauth_grant), "", SETTING_ENUM, IN_RELAY(oauth_grant), "refresh-token",
        .choices = oauth_grant_choices,
        .help = "what tokens are got by: a refresh token, or the client's own secret"},
    {RELAY(oauth_refresh_token), "", SETTING_SECRET, IN_RELAY(oauth_refresh_token.value), NULL,
        .help = "the refresh token itself; nobody but the daemon and root may read the file then"},
    {RELAY(oauth_refresh_token_file), "", SETTING_FILE, IN_RELAY(oauth_refresh_token.file), NULL,
        .help = "a file whose first line is the refresh token"},
    {RELAY(oauth_refresh_token_command), "", SETTING_STRING, IN_RELAY(oauth_refresh_token.command),
        NULL, .help = "a shell command whose first line of output is the refresh token"},
    {RELAY(oauth_refresh_token_credential), "", SETTING_WORD,
        IN_RELAY(oauth_refresh_token.credential), NULL,
        .help = "a systemd credential that holds the refresh token"},
    {RELAY(oauth_scope), "", SETTING_STRING, IN_RELAY(oauth_scope), NULL,
        .help = "what the tokens are to be good for, with blanks between"},
    {RELAY(oauth_token_file), "", SETTING_PATH, IN_RELAY(oauth_token_file), NULL,
        .help =
            "where the daemon keeps the newest refresh token; `outbox authorize` puts the first "
            "one there"},
    {RELAY(oauth_token_key_file), "", SETTING_FILE, IN_RELAY(oauth_token_key.file), NULL,
        .help = "a file whose first line is the key that oauth_token_file is sealed with"},
    {RELAY(oauth_token_key_command), "", SETTING_STRING, IN_RELAY(oauth_token_key.command), NULL,
        .help = "a shell command whose first line of output is that key"},
    {RELAY(oauth_token_key_credential), "", SETTING_WORD, IN_RELAY(oauth_token_key.credential),
        NULL, .help = "a systemd credential that holds that key"},
    {RELAY(oauth_device_url), "", SETTING_URL, IN_RELAY(oauth_device_url), NULL,
        .help = "the URL (https) where `outbox authorize` asks for a code"},
    {RELAY(oauth_ca_file), "", SETTING_FILE, IN_RELAY(oauth_ca_file), NULL,
        .help = "trusted authorities (PEM) for the two URLs instead of the system's"},
    {RELAY(oauth_proxy), "", SETTING_BOOL, IN_RELAY(oauth_proxy), "true",
        .help =
            "reach the two URLs through the relay's proxy, where there is one; false: straight"},
    {RELAY(kerberos_keytab), "", SETTING_FILE, IN_RELAY(kerberos_keytab), NULL,
        .help = "with auth = \"gssapi\", a keytab of the user's, by which tickets are got; without "
                "it there must be some already"},
    {RELAY(kerberos_ccache), "", SETTING_STRING, IN_RELAY(kerberos_ccache), NULL,
        .help =
            "with auth = \"gssapi\", where tickets are, as in KRB5CCNAME; with a keytab they are "
            "kept in memory when not set"},
    {RELAY(kerberos_service), "", SETTING_WORD, IN_RELAY(kerberos_service), NULL,
        .help =
            "with auth = \"gssapi\", the relay's principal, smtp@HOST or smtp/HOST@REALM; smtp@ "
            "and the relay's name when not set"},

    /* ---- relays: TLS ---- */
    {RELAY(tls), "SSLStartMode SSLEnabled", SETTING_ENUM, IN_RELAY(tls), "automatic",
        .choices = tls_choices,
        .help = "when TLS starts; automatic: STARTTLS is required on ports 25 and 587, elsewhere "
                "TLS comes first"},
    {RELAY(tls_verify), "", SETTING_BOOL, IN_RELAY(tls_verify), "true",
        .help = "verify the certificate's chain and name"},
    {RELAY(tls_name), "", SETTING_HOST, IN_RELAY(tls_name), NULL,
        .help =
            "the name that the server's certificate must have, and that TLS asks for (SNI); host "
            "when not set"},
    {RELAY(tls_ca_file), "CACertFilePaths SSLServerCACerts SSLCACerts", SETTING_FILE,
        IN_RELAY(tls_ca_file), NULL,
        .help =
            "trusted authorities (PEM, DER or PKCS#7) instead of the system's; of several files "
            "with ';' "
            "between them, the first that exists"},
    {RELAY(tls_ca_directory), "", SETTING_DIRECTORY, IN_RELAY(tls_ca_directory), NULL,
        .help = "a directory of trusted authorities, as `openssl rehash` makes it"},
    {RELAY(tls_accept_certificate), "SSLAcceptServerCert", SETTING_CERTIFICATE,
        IN_RELAY(tls_accept_certificate), NULL,
        .help = "certificates (PEM files), or the SHA-256 fingerprints of some or of their public "
                "keys, accepted whatever the verification says"},
    {RELAY(tls_certificate), "SSLCert", SETTING_STORE, IN_RELAY(tls_certificate), NULL,
        .help = "the client certificate with its chain, and with its key unless tls_key has it"},
    {RELAY(tls_certificate_subject), "", SETTING_STRING, IN_RELAY(tls_certificate_subject), NULL,
        .help = "which of several certificates: its subject or a part of it, or "
                "\"Thumbprint=...\""},
    {RELAY(tls_key), "", SETTING_STORE, IN_RELAY(tls_key), NULL,
        .help = "the client certificate's key; in the certificate's file when not set"},
    {RELAY(tls_key_password), "", SETTING_SECRET, IN_RELAY(tls_key_password.value), NULL,
        .help = "the key's pass-phrase itself; the file must not be readable by everyone"},
    {RELAY(tls_key_password_file), "", SETTING_FILE, IN_RELAY(tls_key_password.file), NULL,
        .help = "a file whose first line is the key's pass-phrase"},
    {RELAY(tls_key_password_command), "", SETTING_STRING, IN_RELAY(tls_key_password.command), NULL,
        .help = "a shell command that prints the key's pass-phrase"},
    {RELAY(tls_key_password_credential), "", SETTING_WORD, IN_RELAY(tls_key_password.credential),
        NULL, .help = "a systemd credential that holds the key's pass-phrase"},
    {RELAY(tls_protocols), "SSLEnabledProtocols", SETTING_PROTOCOLS, IN_RELAY(tls_protocols),
        "TLSv1.2 TLSv1.3", .required = true,
        .help = "the TLS versions to use, with blanks between them, or the component's bit mask"},
    {RELAY(tls_ciphers), "SSLEnabledCipherSuites", SETTING_CIPHERS, IN_RELAY(tls_ciphers), NULL,
        .help = "the cipher suites to use, IANA or OpenSSL names; OpenSSL's choice when not set"},
    {RELAY(tls_reuse_session), "ReuseSSLSession", SETTING_BOOL, IN_RELAY(tls_reuse_session), "true",
        .help = "resume the former TLS session with the next connection"},
    {RELAY(tls_key_log_file), "SSLKeyLogFile", SETTING_PATH, IN_RELAY(tls_key_log_file), NULL,
        .help = "append every session's keys to this file, for debugging: it breaks all secrecy"},
    {RELAY(tls_cipher_strength), "SSLCipherStrength", SETTING_UNSIGNED,
        IN_RELAY(tls_cipher_strength), "0", 0, 256,
        .help =
            "the least strength of a cipher suite in bits, such as 128; 0: whatever tls_ciphers "
            "allows"},
    {RELAY(tls12_groups), "TLS12SupportedGroups", SETTING_KEYWORDS, IN_RELAY(tls12_groups), NULL,
        .choices = tls12_group_choices,
        .help = "the groups for the key exchange of TLS 1.2, the best first; OpenSSL's choice when "
                "not set"},
    {RELAY(tls13_groups), "TLS13SupportedGroups", SETTING_KEYWORDS, IN_RELAY(tls13_groups), NULL,
        .choices = tls13_group_choices, .help = "the same of TLS 1.3"},
    {RELAY(tls13_key_shares), "TLS13KeyShareGroups", SETTING_KEYWORDS, IN_RELAY(tls13_key_shares),
        NULL, .choices = tls13_group_choices,
        .help =
            "the groups of TLS 1.3 for which a key is sent at once, so that a server that takes "
            "one of them need not ask"},
    {RELAY(tls12_signature_algorithms), "TLS12SignatureAlgorithms", SETTING_KEYWORDS,
        IN_RELAY(tls12_signature_algorithms), NULL, .choices = tls12_signature_choices,
        .help = "how a server may sign in TLS 1.2, the best first; OpenSSL's choice when not set"},
    {RELAY(tls13_signature_algorithms), "TLS13SignatureAlgorithms", SETTING_KEYWORDS,
        IN_RELAY(tls13_signature_algorithms), NULL, .choices = tls13_signature_choices,
        .help = "the same in TLS 1.3"},
    {RELAY(tls_renegotiation), "SSLEnableRenegotiation", SETTING_BOOL, IN_RELAY(tls_renegotiation),
        "false", .help = "let a server of TLS 1.2 renegotiate, with the same certificate"},
    {RELAY(tls_security_flags), "SSLSecurityFlags", SETTING_FLAGS, IN_RELAY(tls_security_flags),
        "0", .choices = tls_security_choices,
        .help =
            "what is not held against a server's certificate, in words or the component's bits"},
    {RELAY(tls_check_crl), "SSLCheckCRL", SETTING_ENUM, IN_RELAY(tls_check_crl), "off",
        .choices = tls_check_choices,
        .help = "whether the server's certificate is looked up in its authority's list of revoked "
                "ones"},
    {RELAY(tls_crl_file), "", SETTING_FILE, IN_RELAY(tls_crl_file), NULL,
        .help = "such lists (PEM, or one in DER), looked into before those that certificates name"},
    {RELAY(tls_check_ocsp), "SSLCheckOCSP", SETTING_ENUM, IN_RELAY(tls_check_ocsp), "off",
        .choices = tls_check_choices,
        .help = "whether the server's certificate has to be confirmed by its authority (OCSP)"},
    {RELAY(tls_dane), "", SETTING_ENUM, IN_RELAY(tls_dane), "off", .choices = tls_check_choices,
        .help = "whether TLSA records decide on the server's certificate (DANE), where there are "
                "any"},
    {RELAY(tls_mta_sts), "", SETTING_ENUM, IN_RELAY(tls_mta_sts), "off",
        .choices = tls_check_choices,
        .help = "whether a domain's MTA-STS policy has to name the relay, where there is one"},
    {RELAY(tls_mta_sts_domain), "", SETTING_HOST, IN_RELAY(tls_mta_sts_domain), NULL,
        .help = "the domain whose policy it is; tls_name or host without its first label when not "
                "set"},
    {RELAY(tls_mta_sts_file), "", SETTING_PATH, IN_RELAY(tls_mta_sts_file), NULL,
        .help = "where the policy is kept, so that it counts after a restart, too"},
    {RELAY(tls_mta_sts_ca_file), "", SETTING_FILE, IN_RELAY(tls_mta_sts_ca_file), NULL,
        .help = "trusted authorities (PEM) for the policy's host instead of the system's"},
    {RELAY(tls_log_packets), "LogSSLPackets", SETTING_BOOL, IN_RELAY(tls_log_packets), "false",
        .help = "tell each message of the TLS handshake, its kind and size, in the trace (-v)"},
    {RELAY(tls_include_chain), "SSLIncludeCertChain", SETTING_BOOL, IN_RELAY(tls_include_chain),
        "true", .help = "show all certificates that the server sent, and not its own alone"},
    {RELAY(tls_client_ca_file), "SSLClientCACerts", SETTING_FILE, IN_RELAY(tls_client_ca_file),
        NULL,
        .help = "the authorities (PEM) that the client certificate must come from; those between "
                "are sent with it"},
    {RELAY(tls_provider), "SSLProvider", SETTING_STRING, IN_RELAY(tls_provider), NULL,
        .help = "the providers of OpenSSL to use, and no others, such as \"fips\" or \"default "
                "legacy\"; those of its configuration when not set"},

    /* ---- relays: through a proxy ---- */
    {RELAY(proxy_type), "FirewallType", SETTING_ENUM, IN_RELAY(proxy_type), "none",
        .choices = proxy_choices,
        .help = "the kind of proxy to go through; tunnel: HTTP CONNECT; none: go directly"},
    {RELAY(proxy_host), "FirewallHost", SETTING_HOST, IN_RELAY(proxy_host), NULL,
        .help = "the proxy's host name or address"},
    {RELAY(proxy_port), "FirewallPort", SETTING_PORT, IN_RELAY(proxy_port), "0", 0, 65535,
        .help = "the proxy's port; 0: 80 for tunnel (443 with proxy_tls), 1080 for SOCKS"},
    {RELAY(proxy_user), "FirewallUser", SETTING_STRING, IN_RELAY(proxy_user), NULL,
        .help = "the name to log in with at the proxy"},
    {RELAY(proxy_password), "FirewallPassword", SETTING_SECRET, IN_RELAY(proxy_password.value),
        NULL,
        .help = "the password for the proxy itself; nobody but the daemon and root may read the "
                "file then"},
    {RELAY(proxy_password_file), "", SETTING_FILE, IN_RELAY(proxy_password.file), NULL,
        .help = "a file whose first line is the password for the proxy"},
    {RELAY(proxy_password_command), "", SETTING_STRING, IN_RELAY(proxy_password.command), NULL,
        .help = "a shell command that prints the password for the proxy; run for every connection"},
    {RELAY(proxy_password_credential), "", SETTING_WORD, IN_RELAY(proxy_password.credential), NULL,
        .help = "a systemd credential that holds the password for the proxy"},
    {RELAY(proxy_auth), "", SETTING_ENUM, IN_RELAY(proxy_auth), "auto",
        .choices = proxy_auth_choices,
        .help =
            "how to log in at the proxy; auto: by digest, basic or NTLM, the first that it offers"},
    {RELAY(proxy_kerberos_service), "", SETTING_WORD, IN_RELAY(proxy_kerberos_service), NULL,
        .help = "with proxy_auth = \"gssapi\", the proxy's principal; HTTP@ (tunnel) or rcmd@ "
                "(socks5) and proxy_host when not set"},
    {RELAY(proxy_resolve), "", SETTING_ENUM, IN_RELAY(proxy_resolve), "automatic",
        .choices = proxy_resolve_choices,
        .help = "who looks up the relay's name; automatic: the proxy with tunnel and socks4a, this "
                "host with socks4 and socks5"},
    {RELAY(proxy_data), "FirewallData", SETTING_HEADERS, IN_RELAY(proxy_data), NULL,
        .help = "further lines of the header of a CONNECT request"},
    {RELAY(proxy_exceptions), "ProxyExceptionsList", SETTING_STRING, IN_RELAY(proxy_exceptions),
        NULL,
        .help = "hosts to reach without the proxy, with ; between them: names, *.example.com, "
                "addresses, networks"},
    {RELAY(proxy_auto_detect), "FirewallAutoDetect", SETTING_BOOL, IN_RELAY(proxy_auto_detect),
        "false",
        .help = "where no proxy is set, take the one of the environment: smtp_proxy, all_proxy, "
                "https_proxy, no_proxy"},
    {RELAY(proxy_tls), "", SETTING_BOOL, IN_RELAY(proxy_tls), "false",
        .help = "speak TLS with the proxy itself"},
    {RELAY(proxy_tls_verify), "", SETTING_BOOL, IN_RELAY(proxy_tls_verify), "true",
        .help = "verify the chain and name of the proxy's certificate"},
    {RELAY(proxy_tls_ca_file), "", SETTING_FILE, IN_RELAY(proxy_tls_ca_file), NULL,
        .help = "trusted authorities (PEM) for the proxy's certificate instead of the system's"},

    /* ---- relays: the dialogue ---- */
    {RELAY(extensions), "AllowExtensions", SETTING_BOOL, IN_RELAY(extensions), "true",
        .help = "use ESMTP (EHLO, then HELO where that is refused); false: HELO and nothing else"},
    {RELAY(pipelining), "", SETTING_BOOL, IN_RELAY(pipelining), "true",
        .help = "send commands in groups where the relay offers PIPELINING"},
    {RELAY(chunking), "", SETTING_BOOL, IN_RELAY(chunking), "true",
        .help = "send with BDAT where the relay offers CHUNKING"},
    {RELAY(discard_ehlo_keywords), "", SETTING_KEYWORDS, IN_RELAY(discard_ehlo_keywords), NULL,
        .choices = settings_ehlo_choices,
        .help = "offers of the relay's to leave alone, such as \"CHUNKING DSN\", where it does not "
                "know what it offers"},
    {RELAY(convert_content), "", SETTING_BOOL, IN_RELAY(convert_content), "true",
        .help = "convert 8-bit content for a relay without 8BITMIME, and lines over 998 bytes, to "
                "7-bit MIME; false: refuse such a message"},
    {RELAY(hello), "Hello", SETTING_WORD, IN_RELAY(hello), NULL,
        .help = "the name said with EHLO and HELO; this host's name when not set"},
    {RELAY(send_rset), "SendRSET", SETTING_BOOL, IN_RELAY(send_rset), "false",
        .help = "send RSET before each message but the first of a connection"},
    {RELAY(stop_on_to_errors), "StopOnToErrors", SETTING_BOOL, IN_RELAY(stop_on_to_errors), "false",
        .help = "let `outbox send` deliver to nobody when a recipient of To is refused"},
    {RELAY(stop_on_cc_errors), "StopOnCcErrors", SETTING_BOOL, IN_RELAY(stop_on_cc_errors), "false",
        .help = "let `outbox send` deliver to nobody when a recipient of Cc is refused"},
    {RELAY(stop_on_bcc_errors), "StopOnBccErrors", SETTING_BOOL, IN_RELAY(stop_on_bcc_errors),
        "false", .help = "let `outbox send` deliver to nobody when a recipient of Bcc is refused"},
    {RELAY(quote_local_part), "", SETTING_BOOL, IN_RELAY(quote_local_part), "true",
        .help = "send an address such as a..b@example.com as the standard has it, with a..b in "
                "quotes; false: without them, for relays that know it only so"},
    {RELAY(max_line_length), "MaxLineLength", SETTING_SIZE, IN_RELAY(max_line_bytes), "2048", 256,
        1 << 20, .help = "the longest line of a reply"},
    {RELAY(mask_secrets), "MaskSensitiveData", SETTING_BOOL, IN_RELAY(mask_secrets), "true",
        .help =
            "write *** for what logs in where the tool prints the dialogue (-v); false: show it"},

    /* ---- relays: time ---- */
    {RELAY(timeout), "Timeout", SETTING_DURATION, IN_RELAY(timeout), "60s", 0, USEC_PER_DAY,
        .help = "how long the relay may be silent; 0: for ever"},
    {RELAY(timeout_by_stage), "", SETTING_BOOL, IN_RELAY(timeout_by_stage), "true",
        .help = "wait for each reply at least as long as RFC 5321 (4.5.3.2) asks for"},
    {RELAY(absolute_timeout), "AbsoluteTimeout", SETTING_BOOL, IN_RELAY(absolute_timeout), "false",
        .help = "let timeout be the time for all of connecting, and for all of a message, instead "
                "of for silence"},
    {RELAY(connect_timeout), "ConnectionTimeout", SETTING_DURATION, IN_RELAY(connect_timeout), "0",
        0, USEC_PER_DAY, .help = "how long connecting may take; 0: as long as timeout"},
    {RELAY(idle_timeout), "", SETTING_DURATION, IN_RELAY(idle_timeout), "30s", 0, USEC_PER_HOUR,
        .help = "how long a connection without work is kept; 0: not at all"},
    {RELAY(hold_first), "", SETTING_DURATION, IN_RELAY(hold_first), "5s", USEC_PER_MSEC,
        USEC_PER_DAY, .help = "the first pause after a fault of the relay; doubles each time"},
    {RELAY(hold_max), "", SETTING_DURATION, IN_RELAY(hold_max), "5m", USEC_PER_MSEC, USEC_PER_DAY,
        .help = "the longest pause after a fault of the relay"},

    /* ---- relays: how much ---- */
    {RELAY(connections), "", SETTING_UNSIGNED, IN_RELAY(connections), "20", 1, 10000,
        .help = "how many connections there may be at a time"},
    {RELAY(messages_per_connection), "", SETTING_UNSIGNED, IN_RELAY(messages_per_connection), "500",
        0, 1000000000, .help = "how many messages a connection may carry; 0: no limit"},
    {RELAY(recipients_per_transaction), "", SETTING_UNSIGNED, IN_RELAY(recipients_per_transaction),
        "100", 1, 100000, .help = "how many recipients a transaction may have"},
    {RELAY(message_rate), "", SETTING_STRING, IN_RELAY(message_rate), NULL,
        .help = "how many messages it may take in a time, such as \"14/s\" or \"100/h, 2000/d\""},
    {RELAY(recipient_rate), "", SETTING_STRING, IN_RELAY(recipient_rate), NULL,
        .help = "the same of recipients"},
    {RELAY(quiet), "", SETTING_STRING, IN_RELAY(quiet), NULL,
        .help = "hours in which it takes none, such as \"22:00-06:00\" or \"Sat, Sun\""},

    /* ---- relays: the socket ---- */
    {RELAY(tcp_nodelay), "TcpNoDelay", SETTING_BOOL, IN_RELAY(tcp_nodelay), "true",
        .help = "send small segments at once (TCP_NODELAY)"},
    {RELAY(keepalive), "TCPKeepAlive", SETTING_BOOL, IN_RELAY(keepalive), "false",
        .help = "probe an idle connection (SO_KEEPALIVE)"},
    {RELAY(keepalive_time), "KeepAliveTime", SETTING_DURATION, IN_RELAY(keepalive_time), "0", 0,
        32767 * USEC_PER_SEC, .help = "the silence before the first probe; 0: the system's"},
    {RELAY(keepalive_interval), "KeepAliveInterval", SETTING_DURATION, IN_RELAY(keepalive_interval),
        "0", 0, 32767 * USEC_PER_SEC, .help = "the time between probes; 0: the system's"},
    {RELAY(receive_buffer), "InBufferSize", SETTING_SIZE, IN_RELAY(receive_buffer), "0", 0, 1 << 30,
        .help = "the socket's receive buffer; 0: the system's"},
    {RELAY(send_buffer), "OutBufferSize", SETTING_SIZE, IN_RELAY(send_buffer), "0", 0, 1 << 30,
        .help = "the socket's send buffer; 0: the system's"},
    {RELAY(linger), "Linger", SETTING_BOOL, IN_RELAY(linger), "true",
        .help =
            "let what was written arrive after a connection is closed; false: reset it at once"},
    {RELAY(linger_time), "LingerTime", SETTING_DURATION, IN_RELAY(linger_time), "0", 0,
        32767 * USEC_PER_SEC,
        .help = "how long that may take before the connection is reset; 0: the system's time"},
    {RELAY(max_transfer_rate), "MaxTransferRate", SETTING_SIZE, IN_RELAY(max_transfer_rate), "0", 0,
        (uint64_t)1 << 40,
        .help = "how many bytes a second a connection sends, commands and content; 0: no limit"},

    ROUTE_ROWS LANE_ROWS
    /* ---- retry ---- */
    {RETRY(first), "", SETTING_DURATION, IN_RETRY(first), "1m", USEC_PER_MSEC, 30 * USEC_PER_DAY,
        .help = "the wait after a message's first temporary failure"},
    {RETRY(factor), "", SETTING_FACTOR, IN_RETRY(factor), "2.0", 1, 100,
        .help = "by how much each further wait is longer"},
    {RETRY(max), "", SETTING_DURATION, IN_RETRY(max), "1h", USEC_PER_MSEC, 30 * USEC_PER_DAY,
        .help = "the longest wait"},
    {RETRY(give_up_after), "", SETTING_DURATION, IN_RETRY(give_up_after), "5d", 0,
        3650 * USEC_PER_DAY, .help = "the age at which a message is given up; 0: never"},
    {RETRY(max_attempts), "", SETTING_UNSIGNED, IN_RETRY(max_attempts), "0", 0, 1000000000,
        .help = "after how many attempts a message is given up; 0: no limit; 1: every error is "
                "final"},

    /* ---- bounce ---- */
    {BOUNCE(to), "", SETTING_WORD, IN_BOUNCE(to), BOUNCE_SENDER, .required = true,
        .help = "who is told that a message failed: sender, none, or an address"},
    {BOUNCE(original_size), "", SETTING_SIZE, IN_BOUNCE(original_size), "50K", 0, 10 << 20,
        .help = "up to which size the message goes along; of a longer one its header alone does"},
    {BOUNCE(per_hour), "", SETTING_UNSIGNED, IN_BOUNCE(per_hour), "100", 0, 1000000,
        .help = "how many times an hour somebody is told of one user's messages; 0: any number"},
    {BOUNCE(delay_warning), "", SETTING_DURATION, IN_BOUNCE(delay_warning), "0", 0,
        365 * USEC_PER_DAY,
        .help = "after what time somebody is told, once, that a message is still tried; 0: never"},

    /* ---- alarm ---- */
    {ALARM(alarm_after), "", SETTING_DURATION, IN_ALARM(after), "6h", 0, 365 * USEC_PER_DAY,
        .help = "how long a message may wait before there is an alarm; 0: for ever"},
    {ALARM(alarm_relay_after), "", SETTING_DURATION, IN_ALARM(relay_after), "15m", 0,
        365 * USEC_PER_DAY,
        .help = "how long a relay may be on hold before there is an alarm, which ends when it has "
                "been of use again; 0: for ever"},
    {ALARM(alarm_command), "", SETTING_STRING, IN_ALARM(command), NULL,
        .help = "a shell command that is told, on its standard input, of alarms and of messages "
                "that fail; again where it ends with a status other than 0"},
    {ALARM(alarm_pause), "", SETTING_DURATION, IN_ALARM(pause), "5m", 0, USEC_PER_DAY,
        .help = "how long that command is not run again; what happens meanwhile it is told "
                "together"},

    /* ---- daemon ---- */
    {DAEMON(stop_timeout), "", SETTING_DURATION, IN_DAEMON(stop_timeout), "20s", 0, USEC_PER_HOUR,
        .help = "how long a stopping daemon waits for what is in flight"},

    /* ---- messages that are composed ---- */
    {MESSAGE(charset), "Charset", SETTING_WORD, IN_MESSAGE(charset), "UTF-8", .required = true,
        .help = "the character set of encoded words in a composed header"},
    {MESSAGE(fold_headers), "FoldHeaders", SETTING_BOOL, IN_MESSAGE(fold_headers), "true",
        .help = "fold a composed header; false: only where a line would be longer than 998"},
    {MESSAGE(max_header_length), "MaxHeaderLength", SETTING_UNSIGNED, IN_MESSAGE(max_header_length),
        "80", 60, 998,
        .help = "the length, line end included, from which on a line of a composed header is "
                "folded"},
    {MESSAGE(allow_empty_to), "AllowEmptyTo", SETTING_BOOL, IN_MESSAGE(allow_empty_to), "false",
        .help = "take a composed message that has recipients in Cc or Bcc only"},
    {MESSAGE(message_id_algorithm), "MessageIdAlgorithm", SETTING_KEYWORD,
        IN_MESSAGE(message_id_algorithm), "sha256", .choices = digest_choices, .required = true,
        .help = "the digest whose length the Message-ID of a composed message has"},

    /* ---- names of this machine ---- */
    {LOCAL(root), "", SETTING_STRING, IN_LOCAL(root), NULL,
        .help = "who gets the mail for root, addresses with commas between them"},
    {LOCAL(aliases), "", SETTING_PATH, IN_LOCAL(aliases), "/etc/aliases",
        .help = "the file that says who gets the mail for names of this machine; it need not be "
                "there"},
    {LOCAL(alias_includes), "", SETTING_BOOL, IN_LOCAL(alias_includes), "false",
        .help = "follow :include: in that file"},
    {LOCAL(domain), "", SETTING_HOST, IN_LOCAL(domain), NULL,
        .help = "the domain of addresses without one; when not set, that of /etc/mailname or of "
                "this host"},
    {LOCAL(rewrite_from), "", SETTING_STRING, IN_LOCAL(rewrite_from), NULL,
        .help = "which addresses are written in place of those that programs send as"},
};

_Static_assert(ELEMENTSOF(table) <= SETTINGS_MAX, "a draft has room for every row");

const Setting *settings_table(size_t *ret_n)
{
    *ret_n = ELEMENTSOF(table);
    return table;
}

size_t setting_index(const Setting *setting)
{
    return (size_t)(setting - table);
}
