/* MTA-STS (RFC 8461): what a domain says of its mail servers, in a TXT record that tells that there
 * is a policy, and in the policy's text. Both are strangers' words, read without I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"

#define MTA_STS_POLICY_MAX ((size_t)64 * 1024) /* bytes of its text (RFC 8461, 3.2) */
#define MTA_STS_AGE_MAX (UINT64_C(31557600) * USEC_PER_SEC)
#define MTA_STS_ID_MAX 33 /* with its end */

typedef enum MtaStsMode {
    MTA_STS_NONE,
    MTA_STS_TESTING, /* who does not fit is told of, and used */
    MTA_STS_ENFORCE,
} MtaStsMode;

typedef struct MtaStsPolicy {
    MtaStsMode mode;
    usec_t max_age;
    Buffer patterns; /* of its mx lines, in small letters, each with a NUL behind it */
} MtaStsPolicy;

/* 0; -EBADMSG when it is none (then `ret` is empty), -ENOMEM. */
int mta_sts_parse(const char *text, size_t n, MtaStsPolicy *ret);
void mta_sts_policy_done(MtaStsPolicy *policy);

const char *mta_sts_mode_name(MtaStsMode mode);

/* Whether a host, in ASCII, is one of those that the mx lines name (RFC 8461, 4.1): "*" stands for
 * one label, the left-most. */
bool mta_sts_matches(const MtaStsPolicy *policy, const char *host);

/* The patterns, with ", " between them and "..." where they are more than fit, for words. */
#define MTA_STS_LIST_MAX 300
void mta_sts_list(const MtaStsPolicy *policy, char ret[static MTA_STS_LIST_MAX]);

/* The record in the answer section of a DNS message, which may be anything: 1 with its id, 0 when
 * there is none or more than one (RFC 8461, 3.1), -EBADMSG when it is no message. */
int mta_sts_record(const unsigned char *message, size_t n, char ret_id[static MTA_STS_ID_MAX]);
