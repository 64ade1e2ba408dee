/* OCSP. Must never take an answer of anybody but the issuer, or whom the issuer has named for it.
 */
#include "net/ocsp.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "net/certificate.h"
#include "net/fetch.h"

#define ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define RESPONDERS_MAX 3
#define SKEW_SECONDS 300               /* of clocks */
#define LIFETIME_DEFAULT USEC_PER_HOUR /* of an answer that does not say */
#define STATUS_REQUEST 5               /* RFC 7633, 4; RFC 6066, 8 */

static void response_p(OCSP_RESPONSE **response)
{
    OCSP_RESPONSE_free(*response);
}

static void basic_p(OCSP_BASICRESP **basic)
{
    OCSP_BASICRESP_free(*basic);
}

static void certid_p(OCSP_CERTID **id)
{
    OCSP_CERTID_free(*id);
}

static void unknown(RevocationAnswer *ret, const char *who, const char *why)
{
    ret->status = REVOCATION_UNKNOWN;
    snprintf(ret->text, sizeof(ret->text), "%.200s: %.150s", who, why);
}

static usec_t lifetime_until(const ASN1_TIME *next)
{
    int days = 0, seconds = 0;

    if (!next || ASN1_TIME_diff(&days, &seconds, NULL, next) != 1)
        return LIFETIME_DEFAULT;
    return days < 0 || seconds < 0 ? 0
                                   : (usec_t)days * USEC_PER_DAY + (usec_t)seconds * USEC_PER_SEC;
}

/* By the issuer's own key, or by one that it has certified for this (RFC 6960, 4.2.2.2). The issuer
 * was verified before, and is trusted here as it stands. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *known = sk_X509_new_null();
    bool good = store && known && X509_STORE_add_cert(store, issuer) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
                sk_X509_push(known, issuer) > 0 &&
                OCSP_basic_verify(basic, known, store, OCSP_NOEXPLICIT) > 0;

    sk_X509_free(known);
    X509_STORE_free(store);
    return good;
}

/* The answer's own hash names the certificate: SHA-1 as a rule, SHA-256 by some. */
static bool find(OCSP_BASICRESP *basic, X509 *certificate, X509 *issuer, int *status, int *reason,
    ASN1_GENERALIZEDTIME **revoked, ASN1_GENERALIZEDTIME **from, ASN1_GENERALIZEDTIME **to)
{
    const EVP_MD *const hashes[] = {EVP_sha1(), EVP_sha256()};

    for (size_t i = 0; i < ELEMENTSOF(hashes); i++) {
        _cleanup_(certid_p) OCSP_CERTID *id = OCSP_cert_to_id(hashes[i], certificate, issuer);

        if (id && OCSP_resp_find_status(basic, id, status, reason, revoked, from, to) == 1)
            return true;
    }
    return false;
}

static void read_basic(
    OCSP_BASICRESP *basic, X509 *certificate, X509 *issuer, const char *who, RevocationAnswer *ret)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *to = NULL;
    int status = V_OCSP_CERTSTATUS_UNKNOWN, reason = -1;
    char date[CERTIFICATE_DATE_MAX];

    if (!is_signed(basic, issuer))
        return unknown(ret, who, "the answer is not signed by the issuer or for it");
    if (!find(basic, certificate, issuer, &status, &reason, &revoked, &from, &to))
        return unknown(ret, who, "the answer is about another certificate");
    if (OCSP_check_validity(from, to, SKEW_SECONDS, to ? -1 : SKEW_SECONDS) != 1)
        return unknown(ret, who, "the answer is too old, or from the future");
    if (status == V_OCSP_CERTSTATUS_UNKNOWN)
        return unknown(ret, who, "it does not know the certificate");
    ret->lifetime = lifetime_until(to);
    if (status == V_OCSP_CERTSTATUS_GOOD) {
        ret->status = REVOCATION_GOOD;
        snprintf(ret->text, sizeof(ret->text), "%.200s", who);
        return;
    }
    ret->status = REVOCATION_REVOKED;
    snprintf(ret->text, sizeof(ret->text), "it was revoked on %s%s%s, says %.200s",
        certificate_date_text(revoked, date), reason >= 0 ? " for " : "",
        reason >= 0 ? OCSP_crl_reason_str(reason) : "", who);
}

static void read_response(OCSP_RESPONSE *response, X509 *certificate, X509 *issuer, const char *who,
    RevocationAnswer *ret)
{
    _cleanup_(basic_p) OCSP_BASICRESP *basic = NULL;
    int status = OCSP_response_status(response);

    ret->passes =
        status == OCSP_RESPONSE_STATUS_TRYLATER || status == OCSP_RESPONSE_STATUS_INTERNALERROR;
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return unknown(ret, who, OCSP_response_status_str(status));
    basic = OCSP_response_get1_basic(response);
    if (!basic)
        return unknown(ret, who, "the answer is of a kind that nobody knows");
    read_basic(basic, certificate, issuer, who, ret);
}

void ocsp_look_at(
    X509 *certificate, X509 *issuer, const unsigned char *stapled, size_t n, RevocationAnswer *ret)
{
    _cleanup_(response_p) OCSP_RESPONSE *response =
        stapled && n <= ANSWER_BYTES_MAX ? d2i_OCSP_RESPONSE(NULL, &stapled, (long)n) : NULL;

    if (response)
        read_response(response, certificate, issuer, "the answer that the server sent", ret);
    else
        unknown(ret, "OCSP",
            stapled ? "the server sent an answer along that cannot be read"
                    : "the server sent no answer along");
    ret->has_source = true;
    ERR_clear_error();
}

/* Without a nonce: what is in a responder's store will do, and nothing else do many have. 0, or
 * -ENOMEM. */
static int make_request(X509 *certificate, X509 *issuer, Buffer *ret)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), certificate, issuer);
    unsigned char *der = NULL;
    int n = -1;

    if (request && id && OCSP_request_add0_id(request, id))
        n = i2d_OCSP_REQUEST(request, &der);
    else
        OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    if (n > 0)
        n = buffer_append(ret, der, (size_t)n);
    OPENSSL_free(der);
    return n < 0 ? -ENOMEM : 0;
}

static void ask_one(X509 *certificate, X509 *issuer, const char *url, FetchPatience *patience,
    RevocationAnswer *ret)
{
    _cleanup_(response_p) OCSP_RESPONSE *response = NULL;
    _cleanup_buffer_ Buffer request = {0}, body = {0};
    _cleanup_failure_ Failure f = {0};
    const FetchWhat what = {url, &request, "application/ocsp-request", ANSWER_BYTES_MAX, patience};
    const unsigned char *at;
    int r = make_request(certificate, issuer, &request) ?: fetch(&what, &body, &f);

    ret->unreachable = fetch_was_unreachable(r);
    ret->passes = fetch_will_pass(r);
    if (r < 0)
        return unknown(ret, url, failure_text(&f));
    at = (const unsigned char *)buffer_data(&body);
    response = d2i_OCSP_RESPONSE(NULL, &at, (long)buffer_size(&body));
    if (response)
        read_response(response, certificate, issuer, url, ret);
    else
        unknown(ret, url, "what it answers is no OCSP response");
    ERR_clear_error();
}

static void ask_responders(
    X509 *certificate, X509 *issuer, FetchPatience *patience, RevocationAnswer *ret)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(certificate);
    int asked = 0;

    for (int i = 0; i < sk_OPENSSL_STRING_num(urls) && asked < RESPONDERS_MAX &&
                    ret->status == REVOCATION_UNKNOWN;
         i++) {
        _cleanup_free_
        char *url = text_printable(sk_OPENSSL_STRING_value(urls, i),
            strlen(sk_OPENSSL_STRING_value(urls, i)), REVOCATION_TEXT_MAX / 2);

        if (!url || !fetch_is_possible(url))
            continue;
        ret->has_source = true;
        asked++;
        ask_one(certificate, issuer, url, patience, ret);
    }
    X509_email_free(urls);
}

void ocsp_ask(X509 *certificate, X509 *issuer, const unsigned char *stapled, size_t n,
    FetchPatience *patience, RevocationAnswer *ret)
{
    *ret = (RevocationAnswer){.text = "OCSP: the certificate names nobody who could be asked"};
    if (stapled)
        ocsp_look_at(certificate, issuer, stapled, n, ret);
    if (ret->status == REVOCATION_UNKNOWN)
        ask_responders(certificate, issuer, patience, ret);
}

bool ocsp_must_be_stapled(X509 *certificate)
{
    TLS_FEATURE *features = X509_get_ext_d2i(certificate, NID_tlsfeature, NULL, NULL);
    bool must = false;

    for (int i = 0; i < sk_ASN1_INTEGER_num(features) && !must; i++)
        must = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
    TLS_FEATURE_free(features);
    ERR_clear_error();
    return must;
}
