/* Names of TLS: cipher suites, groups, signatures, flags. Must know them without OpenSSL, which the
 * small program that queues has not got: what a configuration says is judged before there is any
 * TLS. */
#include "settings/tls_names.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"

/* ---- groups and signatures ---- */

/* The first name is IANA's, which OpenSSL has too; the component's and OpenSSL's others follow. */
#define CURVES                                                                                    \
    {"x25519|ecdhe_x25519"}, {"x448|ecdhe_x448"}, {"secp256r1|ecdhe_secp256r1|P-256|prime256v1"}, \
        {"secp384r1|ecdhe_secp384r1|P-384"},                                                      \
    {                                                                                             \
        "secp521r1|ecdhe_secp521r1|P-521"                                                         \
    }
#define FINITE_FIELDS                                                             \
    {"ffdhe2048|ffdhe_2048"}, {"ffdhe3072|ffdhe_3072"}, {"ffdhe4096|ffdhe_4096"}, \
        {"ffdhe6144|ffdhe_6144"},                                                 \
    {                                                                             \
        "ffdhe8192|ffdhe_8192"                                                    \
    }
#define HYBRIDS                                \
    {"X25519MLKEM768"}, {"SecP256r1MLKEM768"}, \
    {                                          \
        "SecP384r1MLKEM1024"                   \
    }

const SettingChoice tls12_group_choices[] = {
    CURVES, {"brainpoolP256r1"}, {"brainpoolP384r1"}, {"brainpoolP512r1"}, FINITE_FIELDS, {NULL}};
const SettingChoice tls13_group_choices[] = {CURVES, FINITE_FIELDS, HYBRIDS, {NULL}};

#define SIGNATURES(hash, HASH)                        \
    {"rsa_pkcs1_" #hash "|" #hash "-rsa|RSA+" #HASH}, \
    {                                                 \
        "dsa_" #hash "|" #hash "-dsa|DSA+" #HASH      \
    }
#define SIGNATURES_PSS(hash, HASH)                                               \
    {"rsa_pss_" #hash "|RSA-PSS+" #HASH "|PSS+" #HASH}, {"rsa_pss_rsae_" #hash}, \
    {                                                                            \
        "rsa_pss_pss_" #hash                                                     \
    }
#define SIGNATURES_CURVES                                                  \
    {"ecdsa_secp256r1_sha256|sha256-ecdsa|ECDSA+SHA256"},                  \
        {"ecdsa_secp384r1_sha384|sha384-ecdsa|ECDSA+SHA384"},              \
        {"ecdsa_secp521r1_sha512|sha512-ecdsa|ECDSA+SHA512"}, {"ed25519"}, \
    {                                                                      \
        "ed448"                                                            \
    }

const SettingChoice tls12_signature_choices[] = {
    SIGNATURES_CURVES,
    SIGNATURES_PSS(sha256, SHA256),
    SIGNATURES_PSS(sha384, SHA384),
    SIGNATURES_PSS(sha512, SHA512),
    SIGNATURES(sha512, SHA512),
    SIGNATURES(sha384, SHA384),
    SIGNATURES(sha256, SHA256),
    SIGNATURES(sha224, SHA224),
    SIGNATURES(sha1, SHA1),
    {"ecdsa_sha224|sha224-ecdsa|ECDSA+SHA224"},
    {"ecdsa_sha1|sha1-ecdsa|ECDSA+SHA1"},
    {NULL},
};
const SettingChoice tls13_signature_choices[] = {
    SIGNATURES_CURVES,
    SIGNATURES_PSS(sha256, SHA256),
    SIGNATURES_PSS(sha384, SHA384),
    SIGNATURES_PSS(sha512, SHA512),
    {"rsa_pkcs1_sha256|RSA+SHA256"},
    {"rsa_pkcs1_sha384|RSA+SHA384"},
    {"rsa_pkcs1_sha512|RSA+SHA512"},
    {NULL},
};

/* ---- flags ---- */

#define TEST_ROOT \
    "is about a root of Microsoft's, which nothing here knows; name yours in tls_ca_file"

const SettingChoice tls_security_choices[] = {
    {"ignore-time", TLS_SECURITY_IGNORE_TIME},
    {"ignore-trust-list-time", 0x2},
    {"ignore-nesting", 0x4},
    {"allow-unknown-authority", TLS_SECURITY_ALLOW_AUTHORITY},
    {"ignore-usage", TLS_SECURITY_IGNORE_USAGE},
    {"ignore-unknown-revocation", TLS_SECURITY_IGNORE_REVOCATION},
    {"ignore-unknown-trust-list-revocation", 0x200},
    {"ignore-unknown-authority-revocation", TLS_SECURITY_IGNORE_AUTHORITY_REVOCATION},
    {"ignore-unknown-root-revocation", 0x800},
    {"trust-test-root", 0x4000, .refusal = TEST_ROOT},
    {"allow-test-root", 0x8000, .refusal = TEST_ROOT},
    {"ignore-name", (int)TLS_SECURITY_IGNORE_NAME},
    {NULL},
};

static const SettingChoice *choice_of_word(const SettingChoice *choice, const char *word)
{
    while (choice->names && !text_equal_nocase(choice->names, word))
        choice++;
    return choice->names ? choice : NULL;
}

/* libconfig reads a number beyond 31 bits as a negative one. */
static bool parse_mask(const char *text, unsigned *ret)
{
    char *end;
    long long n;

    if (!strchr("-0123456789", *text) || *text == '\0')
        return false;
    errno = 0;
    n = strtoll(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    if (errno != 0 || *end != '\0' || n < INT32_MIN || n > UINT32_MAX)
        return false;
    *ret = (unsigned)n;
    return true;
}

static int refuse_flag(const SettingChoice *choice, char **ret_trouble)
{
    return asprintf(ret_trouble, "holds %s (0x%x), which %s", choice->names,
               (unsigned)choice->value, choice->refusal) < 0
               ? -ENOMEM
               : 0;
}

static int check_flags(const SettingChoice *choices, unsigned flags, char **ret_trouble)
{
    unsigned known = 0;

    for (const SettingChoice *choice = choices; choice->names; choice++) {
        known |= (unsigned)choice->value;
        if (choice->refusal && flags & (unsigned)choice->value)
            return refuse_flag(choice, ret_trouble);
    }
    if (flags & ~known)
        return asprintf(ret_trouble, "holds bits that mean nothing (0x%x)", flags & ~known) < 0
                   ? -ENOMEM
                   : 0;
    return 0;
}

int setting_flags_parse(
    const SettingChoice *choices, const char *text, unsigned *ret, char **ret_trouble)
{
    _cleanup_free_
    char *words = NULL;
    char *rest;

    *ret_trouble = NULL;
    *ret = 0;
    if (!parse_mask(text, ret)) {
        words = strdup(text);
        if (!words)
            return -ENOMEM;
        for (char *word = strtok_r(words, " ,|\t", &rest); word;
             word = strtok_r(NULL, " ,|\t", &rest)) {
            const SettingChoice *choice = choice_of_word(choices, word);

            if (!choice)
                return setting_word_trouble(choices, word, ret_trouble);
            *ret |= (unsigned)choice->value;
        }
    }
    return check_flags(choices, *ret, ret_trouble);
}

int setting_flags_format(const SettingChoice *choices, unsigned flags, Buffer *out)
{
    const char *blank = "";
    int r = flags == 0 ? buffer_append_string(out, "0") : 0;

    for (const SettingChoice *choice = choices; choice->names && r >= 0; choice++)
        if (flags & (unsigned)choice->value) {
            r = buffer_appendf(out, "%s%s", blank, choice->names);
            blank = " ";
        }
    return r;
}

/* ---- what was meant ---- */

/* Edits that it takes at least, by the characters alone: what is too much in one, or in the other.
 * It costs far less than the distance does. */
static size_t least_distance(const char *a, size_t n, const char *b)
{
    signed char counts[128] = {0};
    size_t more = 0, less = 0;

    for (size_t i = 0; i < n; i++)
        counts[text_fold(a[i]) & 0x7f]++;
    for (; *b; b++)
        less += --counts[text_fold(*b) & 0x7f] < 0;
    for (size_t i = 0; i < n; i++) {
        signed char *count = &counts[text_fold(a[i]) & 0x7f];

        more += *count > 0 ? (size_t)*count : 0;
        *count = 0;
    }
    return MAX(more, less);
}

/* The nearest of the names between any of `separators`, where it is nearer than `*limit`. */
static void suggest(const char *names, const char *separators, const char *word, size_t *limit,
    char best[static SETTING_WORD_MAX])
{
    size_t n_word = strlen(word), n;

    for (; *names; names += n + (names[n] != '\0')) {
        size_t distance;
        char name[SETTING_WORD_MAX];

        n = strcspn(names, separators);
        if (n == 0 || n >= sizeof(name) || MAX(n, n_word) - MIN(n, n_word) >= *limit ||
            least_distance(names, n, word) >= *limit)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)n, names);
        distance = text_distance(name, word);
        if (distance >= *limit)
            continue;
        *limit = distance;
        snprintf(best, SETTING_WORD_MAX, "%s", name);
    }
}

static size_t limit_of(const char *word)
{
    return 2 + strlen(word) / 8;
}

/* No name is that long, and the comparison takes its square. */
static int trouble(const char *word, const char *best, char **ret)
{
    _cleanup_free_
    char *shown = text_printable(word, strlen(word), SETTING_WORD_MAX);

    if (!shown)
        return -ENOMEM;
    return asprintf(ret, "names \"%s\", which is none of them%s%s%s", shown,
               *best ? "; did you mean \"" : "", best, *best ? "\"?" : "") < 0
               ? -ENOMEM
               : 0;
}

void setting_word_meant(
    const SettingChoice *choices, const char *word, char ret[static SETTING_WORD_MAX])
{
    size_t limit = limit_of(word);

    ret[0] = '\0';
    for (; choices->names && strlen(word) < SETTING_WORD_MAX; choices++)
        if (!choices->refusal)
            suggest(choices->names, "|", word, &limit, ret);
}

int setting_word_trouble(const SettingChoice *choices, const char *word, char **ret)
{
    char best[SETTING_WORD_MAX];

    setting_word_meant(choices, word, best);
    return trouble(word, best, ret);
}

/* ---- cipher suites ---- */

/* What `openssl ciphers -stdname` lists: IANA's names, and OpenSSL's own where they are others. */
static const char iana_suites[] =
    "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "
    "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384 TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 "
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 "
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 TLS_ECDHE_ECDSA_WITH_AES_256_CCM "
    "TLS_DHE_RSA_WITH_AES_256_CCM_8 TLS_DHE_RSA_WITH_AES_256_CCM "
    "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384 "
    "TLS_DHE_DSS_WITH_ARIA_256_GCM_SHA384 TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384 "
    "TLS_DH_anon_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 "
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_DHE_DSS_WITH_AES_128_GCM_SHA256 "
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 "
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM TLS_DHE_RSA_WITH_AES_128_CCM_8 "
    "TLS_DHE_RSA_WITH_AES_128_CCM TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256 "
    "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256 TLS_DHE_DSS_WITH_ARIA_128_GCM_SHA256 "
    "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256 TLS_DH_anon_WITH_AES_128_GCM_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 "
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256 TLS_DHE_DSS_WITH_AES_256_CBC_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384 "
    "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384 TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256 "
    "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA256 TLS_DH_anon_WITH_AES_256_CBC_SHA256 "
    "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 "
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 TLS_DHE_RSA_WITH_AES_128_CBC_SHA256 "
    "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256 TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256 "
    "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256 TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256 "
    "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA256 TLS_DH_anon_WITH_AES_128_CBC_SHA256 "
    "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA "
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA TLS_DHE_RSA_WITH_AES_256_CBC_SHA "
    "TLS_DHE_DSS_WITH_AES_256_CBC_SHA TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA "
    "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA TLS_ECDH_anon_WITH_AES_256_CBC_SHA "
    "TLS_DH_anon_WITH_AES_256_CBC_SHA TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA "
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA "
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA TLS_DHE_DSS_WITH_AES_128_CBC_SHA "
    "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA "
    "TLS_ECDH_anon_WITH_AES_128_CBC_SHA TLS_DH_anon_WITH_AES_128_CBC_SHA "
    "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA TLS_RSA_PSK_WITH_AES_256_GCM_SHA384 "
    "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384 TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256 "
    "TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 "
    "TLS_PSK_DHE_WITH_AES_256_CCM_8 TLS_DHE_PSK_WITH_AES_256_CCM "
    "TLS_RSA_PSK_WITH_ARIA_256_GCM_SHA384 TLS_DHE_PSK_WITH_ARIA_256_GCM_SHA384 "
    "TLS_RSA_WITH_AES_256_GCM_SHA384 TLS_RSA_WITH_AES_256_CCM_8 TLS_RSA_WITH_AES_256_CCM "
    "TLS_RSA_WITH_ARIA_256_GCM_SHA384 TLS_PSK_WITH_AES_256_GCM_SHA384 "
    "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 TLS_PSK_WITH_AES_256_CCM_8 "
    "TLS_PSK_WITH_AES_256_CCM TLS_PSK_WITH_ARIA_256_GCM_SHA384 "
    "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256 TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 "
    "TLS_PSK_DHE_WITH_AES_128_CCM_8 TLS_DHE_PSK_WITH_AES_128_CCM "
    "TLS_RSA_PSK_WITH_ARIA_128_GCM_SHA256 TLS_DHE_PSK_WITH_ARIA_128_GCM_SHA256 "
    "TLS_RSA_WITH_AES_128_GCM_SHA256 TLS_RSA_WITH_AES_128_CCM_8 TLS_RSA_WITH_AES_128_CCM "
    "TLS_RSA_WITH_ARIA_128_GCM_SHA256 TLS_PSK_WITH_AES_128_GCM_SHA256 "
    "TLS_PSK_WITH_AES_128_CCM_8 TLS_PSK_WITH_AES_128_CCM TLS_PSK_WITH_ARIA_128_GCM_SHA256 "
    "TLS_RSA_WITH_AES_256_CBC_SHA256 TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256 "
    "TLS_RSA_WITH_AES_128_CBC_SHA256 TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256 "
    "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384 TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA "
    "TLS_SRP_SHA_DSS_WITH_AES_256_CBC_SHA TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA "
    "TLS_SRP_SHA_WITH_AES_256_CBC_SHA TLS_RSA_PSK_WITH_AES_256_CBC_SHA384 "
    "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384 TLS_RSA_PSK_WITH_AES_256_CBC_SHA "
    "TLS_DHE_PSK_WITH_AES_256_CBC_SHA TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384 "
    "TLS_RSA_PSK_WITH_CAMELLIA_256_CBC_SHA384 TLS_DHE_PSK_WITH_CAMELLIA_256_CBC_SHA384 "
    "TLS_RSA_WITH_AES_256_CBC_SHA TLS_RSA_WITH_CAMELLIA_256_CBC_SHA "
    "TLS_PSK_WITH_AES_256_CBC_SHA384 TLS_PSK_WITH_AES_256_CBC_SHA "
    "TLS_PSK_WITH_CAMELLIA_256_CBC_SHA384 TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 "
    "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA TLS_SRP_SHA_DSS_WITH_AES_128_CBC_SHA "
    "TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA TLS_SRP_SHA_WITH_AES_128_CBC_SHA "
    "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256 TLS_DHE_PSK_WITH_AES_128_CBC_SHA256 "
    "TLS_RSA_PSK_WITH_AES_128_CBC_SHA TLS_DHE_PSK_WITH_AES_128_CBC_SHA "
    "TLS_ECDHE_PSK_WITH_CAMELLIA_128_CBC_SHA256 TLS_RSA_PSK_WITH_CAMELLIA_128_CBC_SHA256 "
    "TLS_DHE_PSK_WITH_CAMELLIA_128_CBC_SHA256 TLS_RSA_WITH_AES_128_CBC_SHA "
    "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA TLS_PSK_WITH_AES_128_CBC_SHA256 "
    "TLS_PSK_WITH_AES_128_CBC_SHA TLS_PSK_WITH_CAMELLIA_128_CBC_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_NULL_SHA TLS_ECDHE_RSA_WITH_NULL_SHA TLS_ECDH_anon_WITH_NULL_SHA "
    "TLS_RSA_WITH_NULL_SHA256 TLS_ECDHE_PSK_WITH_NULL_SHA384 "
    "TLS_ECDHE_PSK_WITH_NULL_SHA256 TLS_ECDHE_PSK_WITH_NULL_SHA "
    "TLS_RSA_PSK_WITH_NULL_SHA384 TLS_RSA_PSK_WITH_NULL_SHA256 "
    "TLS_DHE_PSK_WITH_NULL_SHA384 TLS_DHE_PSK_WITH_NULL_SHA256 TLS_RSA_PSK_WITH_NULL_SHA "
    "TLS_DHE_PSK_WITH_NULL_SHA TLS_RSA_WITH_NULL_SHA TLS_RSA_WITH_NULL_MD5 "
    "TLS_PSK_WITH_NULL_SHA384 TLS_PSK_WITH_NULL_SHA256 TLS_PSK_WITH_NULL_SHA";
static const char openssl_suites[] =
    "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 DHE-DSS-AES256-GCM-SHA384 "
    "DHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 "
    "DHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-CCM8 ECDHE-ECDSA-AES256-CCM "
    "DHE-RSA-AES256-CCM8 DHE-RSA-AES256-CCM ECDHE-ECDSA-ARIA256-GCM-SHA384 "
    "ECDHE-ARIA256-GCM-SHA384 DHE-DSS-ARIA256-GCM-SHA384 DHE-RSA-ARIA256-GCM-SHA384 "
    "ADH-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 "
    "DHE-DSS-AES128-GCM-SHA256 DHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-CCM8 "
    "ECDHE-ECDSA-AES128-CCM DHE-RSA-AES128-CCM8 DHE-RSA-AES128-CCM "
    "ECDHE-ECDSA-ARIA128-GCM-SHA256 ECDHE-ARIA128-GCM-SHA256 DHE-DSS-ARIA128-GCM-SHA256 "
    "DHE-RSA-ARIA128-GCM-SHA256 ADH-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-SHA384 "
    "ECDHE-RSA-AES256-SHA384 DHE-RSA-AES256-SHA256 DHE-DSS-AES256-SHA256 "
    "ECDHE-ECDSA-CAMELLIA256-SHA384 ECDHE-RSA-CAMELLIA256-SHA384 "
    "DHE-RSA-CAMELLIA256-SHA256 DHE-DSS-CAMELLIA256-SHA256 ADH-AES256-SHA256 "
    "ADH-CAMELLIA256-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 "
    "DHE-RSA-AES128-SHA256 DHE-DSS-AES128-SHA256 ECDHE-ECDSA-CAMELLIA128-SHA256 "
    "ECDHE-RSA-CAMELLIA128-SHA256 DHE-RSA-CAMELLIA128-SHA256 DHE-DSS-CAMELLIA128-SHA256 "
    "ADH-AES128-SHA256 ADH-CAMELLIA128-SHA256 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA "
    "DHE-RSA-AES256-SHA DHE-DSS-AES256-SHA DHE-RSA-CAMELLIA256-SHA DHE-DSS-CAMELLIA256-SHA "
    "AECDH-AES256-SHA ADH-AES256-SHA ADH-CAMELLIA256-SHA ECDHE-ECDSA-AES128-SHA "
    "ECDHE-RSA-AES128-SHA DHE-RSA-AES128-SHA DHE-DSS-AES128-SHA DHE-RSA-CAMELLIA128-SHA "
    "DHE-DSS-CAMELLIA128-SHA AECDH-AES128-SHA ADH-AES128-SHA ADH-CAMELLIA128-SHA "
    "RSA-PSK-AES256-GCM-SHA384 DHE-PSK-AES256-GCM-SHA384 RSA-PSK-CHACHA20-POLY1305 "
    "DHE-PSK-CHACHA20-POLY1305 ECDHE-PSK-CHACHA20-POLY1305 DHE-PSK-AES256-CCM8 "
    "DHE-PSK-AES256-CCM RSA-PSK-ARIA256-GCM-SHA384 DHE-PSK-ARIA256-GCM-SHA384 "
    "AES256-GCM-SHA384 AES256-CCM8 AES256-CCM ARIA256-GCM-SHA384 PSK-AES256-GCM-SHA384 "
    "PSK-CHACHA20-POLY1305 PSK-AES256-CCM8 PSK-AES256-CCM PSK-ARIA256-GCM-SHA384 "
    "RSA-PSK-AES128-GCM-SHA256 DHE-PSK-AES128-GCM-SHA256 DHE-PSK-AES128-CCM8 "
    "DHE-PSK-AES128-CCM RSA-PSK-ARIA128-GCM-SHA256 DHE-PSK-ARIA128-GCM-SHA256 "
    "AES128-GCM-SHA256 AES128-CCM8 AES128-CCM ARIA128-GCM-SHA256 PSK-AES128-GCM-SHA256 "
    "PSK-AES128-CCM8 PSK-AES128-CCM PSK-ARIA128-GCM-SHA256 AES256-SHA256 "
    "CAMELLIA256-SHA256 AES128-SHA256 CAMELLIA128-SHA256 ECDHE-PSK-AES256-CBC-SHA384 "
    "ECDHE-PSK-AES256-CBC-SHA SRP-DSS-AES-256-CBC-SHA SRP-RSA-AES-256-CBC-SHA "
    "SRP-AES-256-CBC-SHA RSA-PSK-AES256-CBC-SHA384 DHE-PSK-AES256-CBC-SHA384 "
    "RSA-PSK-AES256-CBC-SHA DHE-PSK-AES256-CBC-SHA ECDHE-PSK-CAMELLIA256-SHA384 "
    "RSA-PSK-CAMELLIA256-SHA384 DHE-PSK-CAMELLIA256-SHA384 AES256-SHA CAMELLIA256-SHA "
    "PSK-AES256-CBC-SHA384 PSK-AES256-CBC-SHA PSK-CAMELLIA256-SHA384 "
    "ECDHE-PSK-AES128-CBC-SHA256 ECDHE-PSK-AES128-CBC-SHA SRP-DSS-AES-128-CBC-SHA "
    "SRP-RSA-AES-128-CBC-SHA SRP-AES-128-CBC-SHA RSA-PSK-AES128-CBC-SHA256 "
    "DHE-PSK-AES128-CBC-SHA256 RSA-PSK-AES128-CBC-SHA DHE-PSK-AES128-CBC-SHA "
    "ECDHE-PSK-CAMELLIA128-SHA256 RSA-PSK-CAMELLIA128-SHA256 DHE-PSK-CAMELLIA128-SHA256 "
    "AES128-SHA CAMELLIA128-SHA PSK-AES128-CBC-SHA256 PSK-AES128-CBC-SHA "
    "PSK-CAMELLIA128-SHA256 ECDHE-ECDSA-NULL-SHA ECDHE-RSA-NULL-SHA AECDH-NULL-SHA "
    "NULL-SHA256 ECDHE-PSK-NULL-SHA384 ECDHE-PSK-NULL-SHA256 ECDHE-PSK-NULL-SHA "
    "RSA-PSK-NULL-SHA384 RSA-PSK-NULL-SHA256 DHE-PSK-NULL-SHA384 DHE-PSK-NULL-SHA256 "
    "RSA-PSK-NULL-SHA DHE-PSK-NULL-SHA NULL-SHA NULL-MD5 PSK-NULL-SHA384 PSK-NULL-SHA256 "
    "PSK-NULL-SHA";

/* openssl-ciphers(1): words that stand for several. */
static const char groups_of_suites[] =
    "ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT DEFAULT HIGH MEDIUM LOW NULL aNULL eNULL RSA kRSA "
    "aRSA "
    "DH kDHE kEDH kDHr kDHd DHE EDH ADH aDH ECDH ECDHE EECDH AECDH kECDHE kEECDH aECDH ECDSA "
    "aECDSA DSS aDSS PSK kPSK kRSAPSK kECDHEPSK kDHEPSK aPSK SRP kSRP aSRP GOST aGOST aGOST01 "
    "kGOST TLSv1.2 TLSv1.0 TLSv1 SSLv3 AES128 AES256 AES AESGCM AESCCM AESCCM8 ARIA ARIA128 "
    "ARIA256 "
    "ARIAGCM CAMELLIA CAMELLIA128 CAMELLIA256 CHACHA20 CBC 3DES DES RC4 RC2 IDEA SEED MD5 SHA SHA1 "
    "SHA256 SHA384 SUITEB128 SUITEB128ONLY SUITEB128C2 SUITEB192";

static bool holds(const char *names, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = names; (at = strstr(at, word)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static bool is_command(const char *word)
{
    return text_equal(word, "@STRENGTH") ||
           (strncmp(word, "@SECLEVEL=", 10) == 0 && word[10] >= '0' && word[10] <= '5' &&
               word[11] == '\0');
}

/* One word, or several with '+' between them. 0 with *ret set when it is none. */
static int check_words(char *words, char **ret)
{
    char best[SETTING_WORD_MAX] = "", *rest;

    for (char *word = strtok_r(words, "+", &rest); word; word = strtok_r(NULL, "+", &rest)) {
        size_t limit = limit_of(word);

        /* The shortest first: a list of many short words is not to cost much. */
        if (holds(groups_of_suites, word) || holds(openssl_suites, word) ||
            holds(iana_suites, word))
            continue;
        if (text_starts_nocase(word, "CALG_")) {
            *ret =
                strdup("names one of Windows' algorithms (CALG_...), which OpenSSL does not have");
            return *ret ? 0 : -ENOMEM;
        }
        if (strlen(word) < SETTING_WORD_MAX) {
            suggest(iana_suites, " ", word, &limit, best);
            suggest(openssl_suites, " ", word, &limit, best);
            suggest(groups_of_suites, " ", word, &limit, best);
        }
        return trouble(word, best, ret);
    }
    return 0;
}

int tls_ciphers_check(const char *text, char **ret_trouble)
{
    _cleanup_free_
    char *list = strdup(text);
    char *rest;
    int r = 0;

    *ret_trouble = NULL;
    if (!list)
        return -ENOMEM;
    for (char *word = strtok_r(list, TLS_CIPHER_SEPARATORS, &rest); word && r == 0 && !*ret_trouble;
         word = strtok_r(NULL, TLS_CIPHER_SEPARATORS, &rest))
        if (!text_equal(word, "*") && !is_command(word))
            r = check_words(word + strspn(word, "!-+"), ret_trouble);
    return r;
}
