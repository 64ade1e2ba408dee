/* The judgement by TLSA records. Must never fall back to an authority that they do not name. */
#include "net/dane.h"

#include <errno.h>

#include "base/errors.h"
#include "certificate/handles.h"

/* The authorities that the records name: of those that the server sent, and whole in a record
 * (selector and matching type 0). How many, or -ENOMEM. */
static int add_anchors(const TlsaSet *set, STACK_OF(X509) * sent, X509_STORE *store)
{
    int n = 0;

    for (int i = 0; i < sk_X509_num(sent); i++)
        if (tlsa_matches(set, TLSA_USAGE_TA, sk_X509_value(sent, i))) {
            if (X509_STORE_add_cert(store, sk_X509_value(sent, i)) != 1)
                return -ENOMEM;
            n++;
        }
    for (size_t i = 0; i < set->n; i++) {
        const TlsaRecord *record = &set->records[i];
        const unsigned char *at = record->data;
        bool whole =
            record->usage == TLSA_USAGE_TA && record->selector == 0 && record->matching == 0;
        X509 *one = whole ? d2i_X509(NULL, &at, (long)record->n) : NULL;

        if (one)
            n += X509_STORE_add_cert(store, one) == 1;
        X509_free(one);
    }
    return n;
}

static int another(const Trust *trust, X509 *certificate, Failure *f)
{
    unsigned char digest[CERTIFICATE_SHA256_BYTES] = {0};
    char hex[CERTIFICATE_HEX_MAX];

    if (!certificate_key_digest(certificate, digest))
        return -ENOMEM;
    return failure_reason(f, REASON_CERTIFICATE_DANE,
        failure_set(f, -EACCES, ERROR_CERTIFICATE_VERIFY,
            "the certificate of %s cannot be trusted: it is not what the TLSA records of %s name "
            "(SHA-256 of its public key %s); either somebody is in between, or the server's owner "
            "has changed one and not the other",
            trust->host, trust->name, certificate_hex_text(digest, hex)));
}

int dane_judge(
    const Trust *trust, const TlsaSet *set, X509 *certificate, STACK_OF(X509) * sent, Failure *f)
{
    _cleanup_store_ X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *chain = NULL;
    Trust by_records = *trust;
    int n, r;

    if (certificate && tlsa_matches(set, TLSA_USAGE_EE, certificate))
        return 0;
    n = store ? add_anchors(set, sent, store) : -ENOMEM;
    if (n < 0)
        return n;
    if (certificate && n == 0)
        return another(trust, certificate, f);
    by_records.store = store;
    by_records.pins = (TlsPins){0};
    r = trust_judge(&by_records, certificate, sent, &chain, f);
    sk_X509_pop_free(chain, X509_free);
    return r;
}
