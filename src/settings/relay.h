/* The settings of one relay: what a connection to it is made by.
 *
 * Made by settings/load.h, never changed afterwards, and counted. Strings are owned by the
 * RelayConfig. Durations are microseconds, sizes bytes. A NULL string means "not set". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/secret.h"

typedef enum TlsMode {
    TLS_MODE_AUTOMATIC, /* STARTTLS required on ports 25 and 587, implicit on every other */
    TLS_MODE_NONE,
    TLS_MODE_OPPORTUNISTIC,
    TLS_MODE_STARTTLS,
    TLS_MODE_IMPLICIT,
} TlsMode;

typedef enum RelayProtocol {
    PROTOCOL_SMTP,
    PROTOCOL_LMTP, /* RFC 2033 */
} RelayProtocol;

/* Bits of the setting tls_security_flags that have a meaning here: what is not held against a
 * certificate. Others ask for nothing that is not so already (there are no trust lists, times need
 * not nest, and no root is asked about), or are refused. */
#define TLS_SECURITY_IGNORE_TIME 0x1U
#define TLS_SECURITY_ALLOW_AUTHORITY 0x10U
#define TLS_SECURITY_IGNORE_USAGE 0x20U
#define TLS_SECURITY_IGNORE_REVOCATION 0x100U
#define TLS_SECURITY_IGNORE_AUTHORITY_REVOCATION 0x400U
#define TLS_SECURITY_IGNORE_NAME 0x80000000U

/* Those with which a certificate says less of who the server is than it should. */
#define TLS_SECURITY_FORGIVES                                                              \
    (TLS_SECURITY_IGNORE_TIME | TLS_SECURITY_ALLOW_AUTHORITY | TLS_SECURITY_IGNORE_USAGE | \
        TLS_SECURITY_IGNORE_NAME)

/* Whether something is asked about a certificate that its signer alone can tell. */
typedef enum TlsCheck {
    TLS_CHECK_OFF,
    TLS_CHECK_TRY,     /* what cannot be found out does not matter */
    TLS_CHECK_REQUIRE, /* it does */
} TlsCheck;

typedef enum ClearAuth {
    CLEAR_AUTH_NEVER,    /* false: the default */
    CLEAR_AUTH_LOOPBACK, /* true: to 127.0.0.0/8, ::1 and localhost only; anything else does not
                            load */
    CLEAR_AUTH_ALWAYS,   /* "yes, in clear" */
} ClearAuth;

typedef enum OauthGrant {
    OAUTH_GRANT_REFRESH, /* by a refresh token (RFC 6749, 6) */
    OAUTH_GRANT_CLIENT,  /* by the client's own credentials (4.4) */
} OauthGrant;

typedef enum IpVersion {
    IP_VERSION_4 = 0,
    IP_VERSION_6 = 1,
    IP_VERSION_ANY = 2, /* IPv6 with fall-back to IPv4 */
} IpVersion;

typedef enum ProxyMode {
    PROXY_MODE_NONE = 0,
    PROXY_MODE_TUNNEL = 1, /* HTTP CONNECT */
    PROXY_MODE_SOCKS4 = 2,
    PROXY_MODE_SOCKS5 = 3,
    PROXY_MODE_SOCKS4A = 10,
} ProxyMode;

/* Who looks up the relay's name. */
typedef enum ProxyResolve {
    PROXY_RESOLVE_AUTOMATIC, /* the proxy where its protocol is made for that: tunnel, socks4a */
    PROXY_RESOLVE_HERE,
    PROXY_RESOLVE_PROXY,
} ProxyResolve;

/* How to log in at the proxy. */
typedef enum ProxyAuth {
    PROXY_AUTH_AUTO,
    PROXY_AUTH_BASIC,
    PROXY_AUTH_DIGEST,
    PROXY_AUTH_NTLM,
    PROXY_AUTH_GSSAPI, /* by Kerberos: Negotiate, or SOCKS5's own way */
} ProxyAuth;

/* Whose the queue directory is. */
typedef struct QueueOwner {
    uid_t user;  /* the daemon's */
    gid_t group; /* its members may queue; 0: nobody else may, -1: everybody may */
} QueueOwner;

/* Where a secret comes from; at most one of the four is set. Resolved by settings/secret_source.h.
 */
typedef struct SecretSource {
    Secret *value;    /* password = "..." */
    char *file;       /* password_file: first line, without its line end */
    char *command;    /* password_command: first line of /bin/sh -c's output; run anew for every
                         connection */
    char *credential; /* password_credential: a name below $CREDENTIALS_DIRECTORY */
    QueueOwner queue; /* who may read the file, and who may not */
    size_t max;       /* bytes of the file; 0: 64 KiB */
} SecretSource;

/* One relay's settings: all that src/net is given. Counted by itself, so that what still goes on
 * under a former configuration keeps these, and not the whole. */
typedef struct RelayConfig {
    unsigned references;
    char *name; /* for logs; "host:port" when not given */
    char *host;
    const char *host_setting; /* what that is called, where this is no relay, and "" where a
                               * certificate names it; or NULL; static */
    uint16_t port; /* of no meaning where `host` is a socket of this machine, "unix:/path" */
    RelayProtocol protocol;
    TlsMode tls; /* resolved: never TLS_MODE_AUTOMATIC in a loaded Config */

    char *auth; /* "auto", "none" or a mechanism in lower case */
    char *user;
    SecretSource password;
    char *authorization_identity; /* a secret, too, where relay_identity_is_token() */
    ClearAuth auth_without_tls;
    char *oauth_token_url; /* NULL: no tokens are got; "https://..." */
    char *oauth_device_url;
    char *oauth_client_id;
    SecretSource oauth_client_secret;
    OauthGrant oauth_grant;
    SecretSource oauth_refresh_token;
    char *oauth_scope;
    char *oauth_token_file;       /* where refresh tokens are kept; NULL: in memory */
    SecretSource oauth_token_key; /* what that is sealed with */
    char *oauth_ca_file;          /* of the endpoints; NULL: the system's authorities */
    bool oauth_proxy;             /* the endpoints are reached through the relay's proxy */
    char *kerberos_keytab;        /* of the client's keys; NULL: as the environment says */
    char *kerberos_ccache;        /* "FILE:/run/...", where tickets are; likewise */
    char *kerberos_service; /* "smtp@host" or "smtp/host@REALM"; NULL: smtp@ the relay's name */
    bool ntlm_v2;           /* false: the answers of NTLM are of version 1 */

    bool extensions; /* false: HELO, and no ESMTP feature at all */
    bool pipelining; /* use it where offered */
    bool chunking;
    bool convert_content;        /* where the relay cannot take it as it is; else it is refused */
    char *discard_ehlo_keywords; /* "CHUNKING DSN": as if the relay did not offer these */
    char *hello;                 /* EHLO argument; NULL: this host's name */
    bool send_rset;
    bool stop_on_to_errors, stop_on_cc_errors,
        stop_on_bcc_errors; /* of a message that is sent at once */
    bool quote_local_part;  /* of addresses with dots at odd places, as RFC 5321 wants it */
    size_t max_line_bytes;
    bool mask_secrets; /* in the dialogue that the tool prints; elsewhere they always are */

    bool tls_verify;
    char *tls_name; /* the server's, for SNI and its certificate; NULL: `host` */
    char *tls_ca_file;
    const char *tls_ca_setting; /* what that is called, where this is no relay; or NULL; static */
    char *tls_ca_directory;
    char *tls_accept_certificate;  /* PEM file or SHA-256 fingerprint, accepted unconditionally */
    char *tls_certificate;         /* client certificate: file, directory, pkcs11: URI or store */
    char *tls_certificate_subject; /* which one of that; NULL: the one that has a key */
    char *tls_key;                 /* the same kinds; NULL: in the certificate's */
    SecretSource tls_key_password;
    char *tls_protocols; /* "TLSv1.2 TLSv1.3" */
    char *tls_ciphers;
    bool tls_reuse_session;
    char *tls_key_log_file;
    unsigned tls_cipher_strength;                         /* bits that a suite must have; 0: any */
    char *tls12_groups, *tls13_groups, *tls13_key_shares; /* names of settings/tls_names.h */
    char *tls12_signature_algorithms, *tls13_signature_algorithms;
    bool tls_renegotiation;
    unsigned tls_security_flags; /* TLS_SECURITY_* */
    TlsCheck tls_check_crl, tls_check_ocsp;
    char *tls_crl_file;
    TlsCheck tls_dane;
    TlsCheck tls_mta_sts;
    char *tls_mta_sts_domain; /* whose policy it is; never NULL in a loaded Config that asks */
    char *tls_mta_sts_file;   /* where it is kept; NULL: in memory */
    char *tls_mta_sts_ca_file;
    bool tls_log_packets;
    bool tls_include_chain;
    char *tls_client_ca_file;
    char *tls_provider; /* names of OpenSSL's providers, with blanks between them */

    ProxyMode proxy_type; /* resolved, and so are those below: what the environment says is here */
    char *proxy_host;
    uint16_t proxy_port;
    ProxyResolve proxy_resolve; /* never PROXY_RESOLVE_AUTOMATIC where there is a proxy */
    char *proxy_user;
    SecretSource proxy_password;
    ProxyAuth proxy_auth;
    char *proxy_kerberos_service; /* NULL: HTTP@ or rcmd@ the proxy's name */
    Secret *proxy_data;           /* lines of the header of CONNECT; they may hold a login */
    char *proxy_exceptions;
    bool proxy_bypassed; /* the relay is one of them */
    bool proxy_auto_detect;
    bool proxy_from_environment; /* that was there, and is this one */
    bool proxy_tls, proxy_tls_verify;
    char *proxy_tls_ca_file;

    usec_t timeout;         /* inactivity; 0 = none */
    bool timeout_by_stage;  /* wait for a reply at least as long as RFC 5321, 4.5.3.2 says */
    bool absolute_timeout;  /* `timeout` is for an operation in all */
    usec_t connect_timeout; /* 0: `timeout` */
    char *local_host;       /* source address */
    uint16_t local_port;
    IpVersion ip_version;
    bool tcp_nodelay;
    bool keepalive;
    usec_t keepalive_time, keepalive_interval;
    size_t receive_buffer, send_buffer; /* 0: the system's */
    bool linger;                        /* false: a connection is reset when it is closed */
    usec_t linger_time;                 /* how long it then goes on sending; 0: the system's */
    size_t max_transfer_rate;           /* bytes a second of each connection; 0: no limit */

    unsigned connections;                /* at most so many at a time */
    unsigned messages_per_connection;    /* 0: no limit */
    unsigned recipients_per_transaction; /* at least 1 */
    char *message_rate, *recipient_rate; /* of it in all (rate.h); NULL: any */
    char *quiet;                         /* hours (hours.h); NULL: none */
    usec_t idle_timeout;                 /* how long a connection without work is kept */
    usec_t hold_first, hold_max;         /* back-off while the relay is at fault */
} RelayConfig;

/* Whether the authorization identity may be the OAuth token: the mechanism may be one that takes
 * one, and there is no password. */
bool relay_identity_is_token(const RelayConfig *relay);

/* The path of the socket of this machine that `host` names ("unix:/path"); NULL: another host. */
const char *relay_socket_path(const RelayConfig *relay);

/* Whether the server's certificate has to be good: with TLS that is used where it is offered it
 * does not matter, but for a password. */
bool relay_verifies(const RelayConfig *relay);

/* Whether there is anything to log in with. */
bool relay_logs_in(const RelayConfig *relay);

/* Whether it is reached through a proxy: never one on a socket of this machine. */
static inline bool relay_is_proxied(const RelayConfig *relay)
{
    return relay->proxy_type != PROXY_MODE_NONE && !relay->proxy_bypassed &&
           !relay_socket_path(relay);
}

/* Empty, with one reference. NULL when memory is short. */
RelayConfig *relay_config_new(void);

/* Has another server, which `peer` has the host and port of, be reached as the relay is: through
 * its proxy, unless it is one of the exceptions itself. 0 or -ENOMEM. */
int relay_take_proxy(RelayConfig *peer, const RelayConfig *relay);

/* From any thread: a name lookup holds one beside the loop. */
RelayConfig *relay_config_ref(RelayConfig *relay);
RelayConfig *relay_config_unref(
    RelayConfig *relay); /* wipes secrets with the last reference; accepts NULL; returns NULL */
