/* What exactly went wrong below the session or with its TLS, so that whoever tells a user what to
 * do need not guess it from the stage: one word for each thing that is mended in another way. The
 * failure that has one says in its text what to do. */
#pragma once

typedef enum FaultReason {
    REASON_NONE, /* the stage, the code and the number say all there is */

    /* STAGE_LOOKUP, and STAGE_AUTH for secrets */
    REASON_HOST_MALFORMED,     /* the setting host is no name that can be looked up */
    REASON_HOST_UNKNOWN,       /* there is no such name, or none of the family that is wanted */
    REASON_NAME_SERVER_SILENT, /* no answer, or none in time */
    REASON_NAME_SERVER_FAILED, /* an answer that is none */
    REASON_SECRET,             /* it cannot be read, is empty, or its command failed */
    REASON_SECRET_TIMEOUT,     /* a file or a command that does not come to an end */
    REASON_NO_RESOURCES,       /* descriptors, threads */

    /* STAGE_CONNECT */
    REASON_CONNECT_REFUSED,     /* the host is there, and nothing listens */
    REASON_CONNECT_TIMEOUT,     /* silence: often a firewall */
    REASON_CONNECT_UNREACHABLE, /* no way there, or forbidden */
    REASON_LOCAL_ADDRESS,       /* local_host, local_port or the family: none to come from */

    /* STAGE_PROXY */
    REASON_PROXY_UNREACHABLE, /* no connection to the proxy itself */
    REASON_PROXY_TLS,         /* nor TLS with it, or its certificate is not trusted */
    REASON_PROXY_NOT_SPOKEN,  /* what it says is none of its protocol */
    REASON_PROXY_LOGIN,       /* it wants one that it does not get, or does not take ours */
    REASON_PROXY_REFUSED,     /* it does not want to go there */
    REASON_PROXY_TARGET,      /* it could not get there */
    REASON_PROXY_CLOSED,      /* it closed the connection without a word */
    REASON_PROXY_TIMEOUT,

    /* STAGE_TLS: the settings */
    REASON_TLS_LIBRARY,
    REASON_TLS_PROTOCOLS,          /* tls_protocols */
    REASON_TLS_CIPHERS,            /* tls_ciphers */
    REASON_TLS_AUTHORITIES,        /* tls_ca_file, tls_ca_directory, or the system's */
    REASON_TLS_PARAMETERS,         /* groups, signatures: of the settings, or of the server */
    REASON_TLS_PIN,                /* tls_accept_certificate */
    REASON_TLS_CLIENT_CERTIFICATE, /* tls_certificate */
    REASON_TLS_CLIENT_KEY,         /* tls_key, tls_key_password */
    REASON_TLS_KEY_LOG,            /* tls_key_log_file */

    /* STAGE_TLS: the handshake. What a server says of a client certificate may come later, in the
     * stage that the session is in by then (RFC 8446, 4.6.2) */
    REASON_TLS_NOT_SPOKEN, /* what came is no TLS: another port or setting */
    REASON_TLS_BROKEN,     /* the same, behind the server's own 220 to STARTTLS */
    REASON_TLS_NO_COMMON_VERSION,
    REASON_TLS_NOTHING_IN_COMMON,   /* ciphers, groups, signatures */
    REASON_TLS_CERTIFICATE_WANTED,  /* of this side, and there is none */
    REASON_TLS_CERTIFICATE_REFUSED, /* this side's */
    REASON_TLS_NAME_UNKNOWN,        /* the server has nothing for the name it was told */
    REASON_TLS_WEAK,                /* keys or hashes below the system's policy */
    REASON_TLS_DAMAGED,             /* data was changed on its way */
    REASON_TLS_TIMEOUT,
    REASON_TLS_CLOSED, /* by the server, without a word */
    REASON_TLS_OTHER,

    /* STAGE_CERTIFICATE */
    REASON_CERTIFICATE_NAME,    /* it is for other names */
    REASON_CERTIFICATE_NO_NAME, /* it has no names but a common name, which does not count */
    REASON_CERTIFICATE_EXPIRED,
    REASON_CERTIFICATE_NOT_YET,
    REASON_CERTIFICATE_SELF_SIGNED,
    REASON_CERTIFICATE_AUTHORITY,    /* whoever signed the chain is not trusted here */
    REASON_CERTIFICATE_INTERMEDIATE, /* the server sent its own and not that of the issuer */
    REASON_CERTIFICATE_WEAK,
    REASON_CERTIFICATE_REVOKED,
    REASON_CERTIFICATE_UNCONFIRMED, /* it is required to be known that it is not revoked */
    REASON_CERTIFICATE_DANE, /* TLSA records do not name it, or there are none where one is required
                              */
    REASON_CERTIFICATE_POLICY, /* the domain's MTA-STS policy does not name the server, or there is
                                  none where one is required */
    REASON_CERTIFICATE_NONE,   /* the server showed none */
    REASON_CERTIFICATE_OTHER,

    /* STAGE_GREETING */
    REASON_TLS_FIRST, /* the server waits for TLS to begin, and this side for a greeting */

    /* STAGE_STARTTLS */
    REASON_TLS_NOT_OFFERED, /* and required */

    /* STAGE_MAIL, STAGE_DATA, STAGE_CONTENT */
    REASON_USED_UP, /* the connection has carried as many messages as the server allows one */

    REASON_MAX,
} FaultReason;
