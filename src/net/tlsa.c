/* TLSA records. Must never take a part of one for the whole, nor read past a message. */
#include "net/tlsa.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 3
#define SELECTOR_CERTIFICATE 0 /* RFC 6698, 7.3 */
#define SELECTOR_KEY 1
#define MATCHING_FULL 0 /* RFC 6698, 7.4 */
#define MATCHING_SHA256 1
#define MATCHING_SHA512 2

void tlsa_set_done(TlsaSet *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->records[i].data);
    *set = (TlsaSet){0};
}

static int append(TlsaSet *set, const unsigned char *data, size_t n)
{
    TlsaRecord *record = &set->records[set->n];

    if (n <= HEADER_BYTES || set->n == TLSA_RECORDS_MAX)
        return 0;
    *record = (TlsaRecord){data[0], data[1], data[2], NULL, n - HEADER_BYTES};
    record->data = malloc(record->n);
    if (!record->data)
        return -ENOMEM;
    memcpy(record->data, data + HEADER_BYTES, record->n);
    set->n++;
    return 0;
}

int tlsa_parse(const unsigned char *message, size_t n, TlsaSet *ret)
{
    ns_msg parsed;
    int r = 0;

    *ret = (TlsaSet){.lifetime = USEC_PER_DAY};
    if (n > NS_MAXMSG || ns_initparse(message, (int)n, &parsed) < 0)
        return -EBADMSG;
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an) && r == 0; i++) {
        ns_rr record;

        if (ns_parserr(&parsed, ns_s_an, i, &record) < 0)
            r = -EBADMSG;
        if (r == 0 && ns_rr_class(record) == ns_c_in && (int)ns_rr_type(record) == TLSA_TYPE) {
            usec_t lifetime = (usec_t)ns_rr_ttl(record) * USEC_PER_SEC;

            ret->lifetime = lifetime < ret->lifetime ? lifetime : ret->lifetime;
            r = append(ret, ns_rr_rdata(record), ns_rr_rdlen(record));
        }
    }
    if (r < 0)
        tlsa_set_done(ret);
    return r;
}

bool tlsa_is_usable(const TlsaRecord *record)
{
    if ((record->usage != TLSA_USAGE_TA && record->usage != TLSA_USAGE_EE) ||
        record->selector > SELECTOR_KEY)
        return false;
    switch (record->matching) {
    case MATCHING_FULL: return true;
    case MATCHING_SHA256: return record->n == 32;
    case MATCHING_SHA512: return record->n == 64;
    default: return false;
    }
}

size_t tlsa_count_usable(const TlsaSet *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += tlsa_is_usable(&set->records[i]);
    return n;
}

static bool is_equal(const TlsaRecord *record, const unsigned char *der, size_t n)
{
    const EVP_MD *hash = record->matching == MATCHING_SHA256   ? EVP_sha256()
                         : record->matching == MATCHING_SHA512 ? EVP_sha512()
                                                               : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (!hash)
        return record->n == n && memcmp(record->data, der, n) == 0;
    return EVP_Digest(der, n, digest, &size, hash, NULL) == 1 && record->n == size &&
           memcmp(record->data, digest, size) == 0;
}

static bool matches(const TlsaRecord *record, X509 *certificate)
{
    unsigned char *der = NULL;
    int n = record->selector == SELECTOR_KEY
                ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)
                : i2d_X509(certificate, &der);
    bool equal = n > 0 && is_equal(record, der, (size_t)n);

    OPENSSL_free(der);
    return equal;
}

bool tlsa_matches(const TlsaSet *set, unsigned char usage, X509 *certificate)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->records[i].usage == usage && tlsa_is_usable(&set->records[i]) &&
            matches(&set->records[i], certificate))
            return true;
    return false;
}
