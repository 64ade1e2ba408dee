/* Lists of revoked certificates. Must never take one that the issuer has not signed, nor one that
 * has expired: OpenSSL's verification looks at both, and at the list's scope. */
#include "net/crl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/handles.h"
#include "net/certificate.h"
#include "net/fetch.h"
#include "net/tls_file.h"

#define LIST_BYTES_MAX TLS_FILE_BYTES_MAX
#define POINTS_MAX 3
#define LIFETIME_DEFAULT USEC_PER_HOUR /* of a list that does not say */
#define LIFETIME_FILE USEC_PER_MINUTE  /* it may be replaced at any time */

static void crl_p(X509_CRL **crl)
{
    X509_CRL_free(*crl);
}

void crl_list_free(STACK_OF(X509_CRL) * list)
{
    sk_X509_CRL_pop_free(list, X509_CRL_free);
}

static int no_lists(const char *path, const char *reason, Failure *f)
{
    return failure_reason(f, REASON_TLS_AUTHORITIES,
        failure_set(f, -EINVAL, ERROR_CERTIFICATE_STORE,
            "tls_crl_file: cannot read lists of revoked certificates from %s: %s; it must be a "
            "readable PEM file with \"X509 CRL\" in it, or one list in DER",
            path, reason));
}

/* Lists in PEM, or one in DER. How many; -EINVAL: there is something that cannot be read. */
static int read_lists(BIO *file, STACK_OF(X509_CRL) * list)
{
    char start[1] = "";
    bool is_der = BIO_get_mem_data(file, NULL) > 0 && BIO_read(file, start, 1) == 1 &&
                  start[0] == '0'; /* a SEQUENCE */
    X509_CRL *crl;

    (void)BIO_seek(file, 0);
    while ((crl = is_der ? d2i_X509_CRL_bio(file, NULL)
                         : PEM_read_bio_X509_CRL(file, NULL, NULL, NULL)))
        if (sk_X509_CRL_push(list, crl) <= 0) {
            X509_CRL_free(crl);
            return -ENOMEM;
        } else if (is_der)
            return BIO_pending(file) == 0 ? 1 : -EINVAL;
    /* The end is an error, too. */
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? sk_X509_CRL_num(list)
                                                                        : -EINVAL;
}

int crl_file_load(const char *path, STACK_OF(X509_CRL) * *ret, Failure *f)
{
    char reason[TLS_ERROR_MAX];
    BIO *file = tls_file_open(path, reason);
    STACK_OF(X509_CRL) *list = sk_X509_CRL_new_null();
    int r = -EINVAL;

    ERR_clear_error();
    if (file && list) {
        r = read_lists(file, list);
        (void)tls_error_reason(reason);
    }
    BIO_free(file);
    if (r > 0) {
        *ret = list;
        return 0;
    }
    crl_list_free(list);
    return r == -ENOMEM ? r : no_lists(path, r == 0 ? "there is none in it" : reason, f);
}

/* All else about the certificate has been judged. */
static int only_lists(int good, X509_STORE_CTX *context)
{
    switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return 1;
    default: return good;
    }
}

static X509_STORE_CTX *new_context(
    X509 *certificate, X509 *issuer, X509_STORE *store, STACK_OF(X509_CRL) * lists)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    if (context && X509_STORE_add_cert(store, issuer) == 1 &&
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_CRL_CHECK) == 1 &&
        X509_STORE_CTX_init(context, store, certificate, NULL) == 1) {
        X509_STORE_CTX_set0_crls(context, lists);
        X509_STORE_CTX_set_verify_cb(context, only_lists);
        return context;
    }
    X509_STORE_CTX_free(context);
    return NULL;
}

static usec_t lifetime_of(const STACK_OF(X509_CRL) * lists, const X509 *certificate)
{
    usec_t least = USEC_PER_DAY * 365;

    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        const X509_CRL *list = sk_X509_CRL_value(lists, i);
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
        int days = 0, seconds = 0;

        if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(certificate)) != 0)
            continue;
        if (!next || ASN1_TIME_diff(&days, &seconds, NULL, next) != 1)
            least = MIN(least, LIFETIME_DEFAULT);
        else if (days >= 0 && seconds >= 0)
            least = MIN(least, (usec_t)days * USEC_PER_DAY + (usec_t)seconds * USEC_PER_SEC);
    }
    return least;
}

static void say_revoked(
    const STACK_OF(X509_CRL) * lists, X509 *certificate, const char *who, RevocationAnswer *ret)
{
    X509_REVOKED *entry = NULL;
    char date[CERTIFICATE_DATE_MAX];

    ret->status = REVOCATION_REVOKED;
    for (int i = 0; i < sk_X509_CRL_num(lists) && !entry; i++)
        (void)X509_CRL_get0_by_cert(sk_X509_CRL_value(lists, i), &entry, certificate);
    if (entry)
        snprintf(ret->text, sizeof(ret->text), "it was revoked on %s, says %.200s",
            certificate_date_text(X509_REVOKED_get0_revocationDate(entry), date), who);
    else
        snprintf(ret->text, sizeof(ret->text), "it was revoked, says %.200s", who);
}

/* Whether one of the issuer's own lists names it, however old: a revocation does not end with the
 * list (but for a certificate that was on hold, which a newer one would say). */
static bool is_on_any(const STACK_OF(X509_CRL) * lists, X509 *certificate, X509 *issuer)
{
    bool found = false;

    for (int i = 0; i < sk_X509_CRL_num(lists) && !found; i++) {
        X509_CRL *list = sk_X509_CRL_value(lists, i);
        X509_REVOKED *entry = NULL;

        found = X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(certificate)) == 0 &&
                X509_CRL_verify(list, X509_get0_pubkey(issuer)) == 1 &&
                X509_CRL_get0_by_cert(list, &entry, certificate) == 1;
    }
    ERR_clear_error();
    return found;
}

/* What these lists say of it. */
static void look(X509 *certificate, X509 *issuer, STACK_OF(X509_CRL) * lists, const char *who,
    RevocationAnswer *ret)
{
    _cleanup_store_ X509_STORE *store = X509_STORE_new();
    _cleanup_store_context_ X509_STORE_CTX *context =
        store ? new_context(certificate, issuer, store, lists) : NULL;
    int error = X509_V_ERR_OUT_OF_MEM;

    if (context && X509_verify_cert(context) == 1) {
        ret->status = REVOCATION_GOOD;
        ret->lifetime = lifetime_of(lists, certificate);
        snprintf(ret->text, sizeof(ret->text), "%.200s", who);
        return;
    }
    if (context)
        error = X509_STORE_CTX_get_error(context);
    ret->status = REVOCATION_UNKNOWN;
    if (error == X509_V_ERR_CERT_REVOKED ||
        (error == X509_V_ERR_CRL_HAS_EXPIRED && is_on_any(lists, certificate, issuer)))
        say_revoked(lists, certificate, who, ret);
    else
        snprintf(ret->text, sizeof(ret->text), "%.200s: %.150s", who,
            X509_verify_cert_error_string(error));
}

static void fetch_and_look(X509 *certificate, X509 *issuer, const char *url,
    FetchPatience *patience, RevocationAnswer *ret)
{
    const FetchWhat what = {url, NULL, NULL, LIST_BYTES_MAX, patience};
    _cleanup_buffer_ Buffer body = {0};
    _cleanup_failure_ Failure f = {0};
    int r = fetch(&what, &body, &f);
    const unsigned char *at = (const unsigned char *)buffer_data(&body);
    _cleanup_(crl_p) X509_CRL *list =
        r >= 0 ? d2i_X509_CRL(NULL, &at, (long)buffer_size(&body)) : NULL;
    STACK_OF(X509_CRL) *lists = list ? sk_X509_CRL_new_null() : NULL;

    ret->unreachable = fetch_was_unreachable(r);
    ret->passes = fetch_will_pass(r);
    if (lists && sk_X509_CRL_push(lists, list) > 0)
        look(certificate, issuer, lists, url, ret);
    else
        snprintf(ret->text, sizeof(ret->text), "%.200s: %.150s", url,
            r < 0 ? failure_text(&f) : "what it answers is no list");
    sk_X509_CRL_free(lists);
    ERR_clear_error();
}

/* The addresses of one distribution point (RFC 5280, 4.2.1.13). */
static void ask_point(const DIST_POINT *point, X509 *certificate, X509 *issuer,
    FetchPatience *patience, int *asked, RevocationAnswer *ret)
{
    const GENERAL_NAMES *names =
        point->distpoint && point->distpoint->type == 0 ? point->distpoint->name.fullname : NULL;

    for (int i = 0;
         i < sk_GENERAL_NAME_num(names) && *asked < POINTS_MAX && ret->status == REVOCATION_UNKNOWN;
         i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        _cleanup_free_
        char *url = NULL;

        if (name->type != GEN_URI)
            continue;
        url = text_printable((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
            (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier), REVOCATION_TEXT_MAX / 2);
        if (!url || !fetch_is_possible(url))
            continue;
        ret->has_source = true;
        ++*asked;
        fetch_and_look(certificate, issuer, url, patience, ret);
    }
}

void crl_ask(X509 *certificate, X509 *issuer, STACK_OF(X509_CRL) * own, FetchPatience *patience,
    RevocationAnswer *ret)
{
    CRL_DIST_POINTS *points;
    int asked = 0;

    *ret = (RevocationAnswer){.text = "the certificate names no list of revoked ones"};
    if (own) {
        look(certificate, issuer, own, "the list in tls_crl_file", ret);
        ret->lifetime = MIN(ret->lifetime, LIFETIME_FILE);
    }
    if (ret->status != REVOCATION_UNKNOWN) {
        ret->has_source = true;
        return;
    }
    points = X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points) && ret->status == REVOCATION_UNKNOWN; i++)
        ask_point(sk_DIST_POINT_value(points, i), certificate, issuer, patience, &asked, ret);
    CRL_DIST_POINTS_free(points);
    ERR_clear_error();
}
