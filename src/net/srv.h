/* Where a domain's mail is submitted, by SRV records (RFC 2782, RFC 6186, RFC 8314, 5.1). Nobody
 * need have signed them: whoever is asked to log in there has to agree before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

#define SRV_TARGET_MAX 254
#define SRV_RECORDS_MAX 32 /* what comes behind is not looked at */

typedef struct SrvRecord {
    char target[SRV_TARGET_MAX]; /* a host's name in ASCII; "": the service is not to be had */
    uint16_t priority, weight, port;
    bool implicit; /* TLS from the start: of _submissions */
} SrvRecord;

/* Those in the answer section of a DNS message, which may be anything; one whose target is no
 * host's name, or whose port is 0, is left out. 0 or -EBADMSG when it is none. */
int srv_parse(const unsigned char *message, size_t n, bool implicit,
    SrvRecord ret[static SRV_RECORDS_MAX], size_t *ret_n);

/* Whether `a` is to be tried before `b`: by priority, TLS from the start first, then by weight. */
bool srv_is_before(const SrvRecord *a, const SrvRecord *b);

/* The one to be tried first. `domain` in ASCII. 0; -ENOENT where there is none, or another
 * negative errno, with a Failure. Blocks. */
int srv_find_submission(const char *domain, SrvRecord *ret, Failure *f);
