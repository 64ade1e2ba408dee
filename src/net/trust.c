/* The judgement over a server's certificate (RFC 5280, 6; RFC 6125). Must never let one pass that
 * the settings do not allow. */
#include "net/trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "certificate/handles.h"
#include "settings/relay.h"

/* ---- in words ---- */

typedef struct VerifyRow {
    int error;
    int number;
    FaultReason reason;
    const char *advice;
} VerifyRow;

#define WEAK_ADVICE "the server's owner must renew it with a longer key and a newer hash"

static const VerifyRow *verify_row(int error)
{
    static const VerifyRow rows[] = {
        /* clang-format off */
        {X509_V_ERR_HOSTNAME_MISMATCH, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME, "check the setting host, or set tls_name to the name that is right"},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME, "set host, or tls_name, to one of these names"},
        {X509_V_ERR_CERT_HAS_EXPIRED, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_EXPIRED, "the server's owner must renew it, unless this machine's clock is wrong"},
        {X509_V_ERR_CERT_NOT_YET_VALID, ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NOT_YET, "check this machine's clock"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_SELF_SIGNED, "if you know that it is right, set tls_accept_certificate to its fingerprint, or tls_ca_file to its file"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_AUTHORITY, "if you trust that authority, set tls_ca_file to the file of its certificate"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ERROR_CERTIFICATE_CHAIN_MISSING, REASON_CERTIFICATE_AUTHORITY, "set tls_ca_file to the file of the authority's certificate"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ERROR_CERTIFICATE_CHAIN_MISSING, REASON_CERTIFICATE_AUTHORITY, "install the system's authorities (ca-certificates), or set tls_ca_file to the file of that one"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERROR_CERTIFICATE_CHAIN_MISSING, REASON_CERTIFICATE_INTERMEDIATE, "the server's owner must install the whole chain; until then, set tls_ca_file to the missing certificate, or tls_accept_certificate to this one's fingerprint"},
        {X509_V_ERR_EE_KEY_TOO_SMALL, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_WEAK, WEAK_ADVICE},
        {X509_V_ERR_CA_KEY_TOO_SMALL, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_WEAK, WEAK_ADVICE},
        {X509_V_ERR_CA_MD_TOO_WEAK, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_WEAK, WEAK_ADVICE},
        /* clang-format on */
    };
    static const VerifyRow other = {
        0, ERROR_CERTIFICATE_CHAIN, REASON_CERTIFICATE_OTHER, "the server's owner must replace it"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (rows[i].error == error)
            return &rows[i];
    return &other;
}

static bool is_name(int error)
{
    return error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* What to do about a server that is no relay, which has no other settings than that of its
 * authorities. NULL: what can be done about a relay. */
static char *advice_elsewhere(int error, const char *setting)
{
    char *text = NULL;
    int r;

    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        r = asprintf(&text, "correct the host where it is configured, or have the certificate made "
                            "anew with that name");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        r = asprintf(&text, "if you know that it is right, set %s to its file", setting);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        r = asprintf(
            &text, "if you trust that authority, set %s to the file of its certificate", setting);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        r = asprintf(&text,
            "install the system's authorities (ca-certificates), or set %s to the file of that one",
            setting);
        break;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        r = asprintf(&text,
            "the server's owner must install the whole chain; until then, set %s to the file of "
            "the missing certificate",
            setting);
        break;
    default: return NULL;
    }
    return r < 0 ? NULL : text;
}

static const char *advice_on_relay(const VerifyRow *row, bool no_name)
{
    return no_name ? "have it made anew with the host as a subjectAltName, or name it in "
                     "tls_accept_certificate"
                   : row->advice;
}

/* What a name is missing from. */
static char *names_detail(X509 *certificate, const Trust *trust)
{
    _cleanup_free_
    char *names = certificate_names_text(certificate);
    char *text = NULL;
    int r;

    if (!names)
        return NULL;
    if (names[0] == '\0')
        r = asprintf(&text,
            "it names no host in its subjectAltName, and a common name does not count (RFC 6125), "
            "so it cannot be for %s",
            trust->name);
    else
        r = asprintf(&text, "it is for %s, and not for %s%s", names, trust->name,
            certificate_deceives(certificate)
                ? "; a name with a control character, a blank or a comma in it is no host's: the "
                  "certificate is malformed, or made to be taken for another's"
                : "");
    return r < 0 ? NULL : text;
}

static char *detail(int error, X509 *certificate, const Trust *trust)
{
    char date[CERTIFICATE_DATE_MAX];
    _cleanup_free_
    char *issuer = NULL;
    char *text = NULL;
    int r = 0;

    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return names_detail(certificate, trust);
    case X509_V_ERR_CERT_HAS_EXPIRED:
        r = asprintf(&text, "it expired on %s",
            certificate_date_text(X509_get0_notAfter(certificate), date));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        r = asprintf(&text, "it is valid from %s on",
            certificate_date_text(X509_get0_notBefore(certificate), date));
        break;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        issuer = certificate_name_text(X509_get_issuer_name(certificate));
        r = issuer ? asprintf(&text,
                         "the certificate of its issuer, \"%s\", was not sent by the server and is "
                         "not among the authorities that are trusted here",
                         issuer)
                   : -1;
        break;
    default: text = strdup(X509_verify_cert_error_string(error));
    }
    return r < 0 ? NULL : text;
}

/* A chain that ends with the server's own certificate lacks an intermediate one as a rule; a longer
 * one lacks its root, which no server need send. */
static int finer_error(int error, X509_STORE_CTX *context)
{
    bool own = X509_STORE_CTX_get_error_depth(context) == 0;

    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY && own
               ? X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
               : error;
}

static int explain(X509_STORE_CTX *context, const Trust *trust, Failure *f)
{
    int error = finer_error(X509_STORE_CTX_get_error(context), context);
    X509 *certificate = X509_STORE_CTX_get_current_cert(context);
    const VerifyRow *row = verify_row(error);
    _cleanup_free_
    char *subject = NULL, *issuer = NULL, *what = NULL, *elsewhere = NULL;
    char hex[CERTIFICATE_HEX_MAX] = "unknown";
    unsigned char digest[CERTIFICATE_SHA256_BYTES];
    bool no_name, deceives;
    int r;

    if (error == X509_V_ERR_OUT_OF_MEM)
        return -ENOMEM;
    if (!certificate)
        certificate = X509_STORE_CTX_get0_cert(context);
    subject = certificate_name_text(X509_get_subject_name(certificate));
    issuer = certificate_name_text(X509_get_issuer_name(certificate));
    what = detail(error, certificate, trust);
    if (certificate_digest(certificate, digest))
        certificate_hex_text(digest, hex);
    no_name = is_name(error) && what && strstr(what, "common name");
    deceives = is_name(error) && certificate_deceives(certificate);
    if (deceives)
        elsewhere = strdup("do not accept it: ask the server's owner whose it is");
    else if (trust->ca_setting)
        elsewhere = advice_elsewhere(error, trust->ca_setting);
    r = failure_set(f, -EACCES, row->number,
        "the certificate of %s cannot be trusted: %s (subject \"%s\", issuer \"%s\", number %d in "
        "the server's chain, SHA-256 %s); %s",
        trust->host, what ?: "", subject ?: "", issuer ?: "",
        X509_STORE_CTX_get_error_depth(context), hex, elsewhere ?: advice_on_relay(row, no_name));
    return failure_reason(f, no_name ? REASON_CERTIFICATE_NO_NAME : row->reason, r);
}

/* ---- the judgement ---- */

/* The name that the certificate must have (RFC 6125), or the address. 1, or 0 without memory. */
static int expect_name(X509_VERIFY_PARAM *param, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t n = strlen(name);

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name);
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (n > 0 && name[n - 1] == '.') /* the root's dot is in no certificate */
        n--;
    return X509_VERIFY_PARAM_set1_host(param, name, n);
}

static bool is_authority(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: return true;
    default: return false;
    }
}

/* What the flags forgive. */
static int forgive(int good, X509_STORE_CTX *context)
{
    const Trust *trust = X509_STORE_CTX_get_app_data(context);
    int error = X509_STORE_CTX_get_error(context);

    if (good || (trust->flags & TLS_SECURITY_ALLOW_AUTHORITY && is_authority(error)) ||
        (trust->flags & TLS_SECURITY_IGNORE_USAGE && error == X509_V_ERR_INVALID_PURPOSE))
        return 1;
    return 0;
}

/* Whoever names a certificate in tls_ca_file means that one, an authority's or a server's, and not
 * whoever signed it: so it is an anchor as it stands (X509_V_FLAG_PARTIAL_CHAIN). */
static int prepare(const Trust *trust, X509_STORE_CTX *context)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);

    if (X509_STORE_CTX_set_default(context, "ssl_server") != 1 ||
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        return -ENOMEM;
    if (X509_STORE_CTX_set_app_data(context, (void *)trust) != 1)
        return -ENOMEM;
    X509_STORE_CTX_set_verify_cb(context, forgive);
    if (trust->flags & TLS_SECURITY_IGNORE_TIME)
        (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_auth_level(param, trust->level);
    if (trust->flags & TLS_SECURITY_IGNORE_NAME)
        return 0;
    return expect_name(param, trust->name) == 1 ? 0 : -ENOMEM;
}

int trust_judge(const Trust *trust, X509 *certificate, STACK_OF(X509) * sent,
    STACK_OF(X509) * *ret_chain, Failure *f)
{
    _cleanup_store_context_ X509_STORE_CTX *context = NULL;
    int r;

    *ret_chain = NULL;
    if (!certificate)
        return failure_reason(f, REASON_CERTIFICATE_NONE,
            failure_set(f, -EACCES, ERROR_SERVER_CERTIFICATE,
                "%s showed no certificate; take suites without one (aNULL) out of tls_ciphers",
                trust->host));
    if (tls_pins_match(&trust->pins, certificate))
        return 0;
    ERR_clear_error();
    context = X509_STORE_CTX_new();
    if (!context || X509_STORE_CTX_init(context, trust->store, certificate, sent) != 1)
        return -ENOMEM;
    r = prepare(trust, context);
    if (r >= 0 && X509_verify_cert(context) <= 0)
        r = explain(context, trust, f);
    if (r >= 0) {
        *ret_chain = X509_STORE_CTX_get1_chain(context);
        r = *ret_chain ? 0 : -ENOMEM;
    }
    ERR_clear_error();
    return r;
}
