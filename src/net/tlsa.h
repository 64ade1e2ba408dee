/* TLSA records (RFC 6698): what a name server says of a server's certificate. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define TLSA_RECORDS_MAX 32 /* what comes behind is not looked at */

typedef struct TlsaRecord {
    unsigned char usage, selector, matching;
    unsigned char *data;
    size_t n;
} TlsaRecord;

typedef struct TlsaSet {
    TlsaRecord records[TLSA_RECORDS_MAX];
    size_t n;
    usec_t lifetime; /* the shortest time to live of them */
} TlsaSet;

#define TLSA_TYPE 52

/* The records in the answer section of a DNS message, which may be anything. 0, -EBADMSG when it is
 * none, -ENOMEM. */
int tlsa_parse(const unsigned char *message, size_t n, TlsaSet *ret);
void tlsa_set_done(TlsaSet *set);

/* Whether it says something that counts for mail (RFC 7672, 3.1): DANE-EE or DANE-TA, and whole. */
bool tlsa_is_usable(const TlsaRecord *record);
size_t tlsa_count_usable(const TlsaSet *set);

#define TLSA_USAGE_TA 2 /* an authority's, that is trusted for this server */
#define TLSA_USAGE_EE 3 /* the server's own */

/* Whether a record of that usage is of this certificate. */
bool tlsa_matches(const TlsaSet *set, unsigned char usage, X509 *certificate);
