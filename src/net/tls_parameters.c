/* Groups, signatures and strengths. Must never leave OpenSSL with a list that the settings do not
 * name. */
#include "net/tls_parameters.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "net/tls_error.h"

/* The component's default, for a list of key shares alone. */
#define GROUPS_DEFAULT \
    "x25519 x448 secp256r1 secp384r1 secp521r1 ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192"

/* ---- lists of words with single blanks between them ---- */

static bool has_word(const char *list, const char *word, size_t n)
{
    for (size_t length; list && *list; list += length + strspn(list + length, " ")) {
        length = strcspn(list, " ");
        if (length == n && strncasecmp(list, word, n) == 0)
            return true;
    }
    return false;
}

/* Appends the words of `list` that are in none of the lists before. */
static int append_new(Buffer *out, const char *list, const char *before, const char *before_too)
{
    int r = 0;

    for (size_t n; list && *list && r >= 0; list += n + strspn(list + n, " ")) {
        n = strcspn(list, " ");
        if (!has_word(before, list, n) && !has_word(before_too, list, n))
            r = buffer_appendf(out, "%s%.*s", buffer_size(out) > 0 ? " " : "", (int)n, list);
    }
    return r;
}

static int unusable(const char *setting, const char *value, FaultReason why, Failure *f)
{
    char reason[TLS_ERROR_MAX];

    return failure_reason(f, why,
        failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "%s = \"%s\" cannot be used: this OpenSSL (%s) has not got all of them, or its policy "
            "forbids them (%s); leave out what it has not got",
            setting, value, OpenSSL_version(OPENSSL_VERSION_STRING), tls_error_reason(reason)));
}

/* ---- groups ---- */

#define STARS_SINCE 0x30500000UL /* OpenSSL 3.5 */
#define STARS_MAX 4

/* What counts is which one is there when the program runs. */
bool tls_parameters_know_key_shares(void)
{
    return OpenSSL_version_num() >= STARS_SINCE;
}

/* Groups that a key is sent for at once by a star; before OpenSSL 3.5 there is none, and a key is
 * sent for the first of all. */
static unsigned marked_groups(void)
{
    return tls_parameters_know_key_shares() ? STARS_MAX : 0;
}

/* A copy of the first words of a list. */
static char *first_words(const char *list, unsigned n_words)
{
    size_t n = 0;

    for (; n_words > 0 && list[n]; n_words--) {
        n += strspn(list + n, " ");
        n += strcspn(list + n, " ");
    }
    return strndup(list, n);
}

static int append_groups(Buffer *out, const char *list, const char *marked)
{
    int r = 0;

    for (size_t n; *list && r >= 0; list += n + strspn(list + n, " ")) {
        n = strcspn(list, " ");
        r = buffer_appendf(out, "%s%s%.*s", buffer_size(out) > 0 ? ":" : "",
            has_word(marked, list, n) ? "*" : "", (int)n, list);
    }
    return r < 0 ? r : buffer_append(out, "", 1);
}

/* The first key share, where it cannot be marked; then those that no list of groups has; then the
 * groups of TLS 1.3, and those that only 1.2 has. */
static int order_groups(Buffer *out, const RelayConfig *relay, const char *first)
{
    const char *modern = relay->tls13_groups ?: relay->tls12_groups ?: GROUPS_DEFAULT;
    int r = append_new(out, first, NULL, NULL);

    if (r >= 0)
        r = append_new(out, relay->tls13_key_shares, modern, first);
    if (r >= 0)
        r = append_new(out, modern, first, NULL);
    if (r >= 0)
        r = append_new(out, relay->tls12_groups, modern, first);
    return r < 0 ? r : buffer_append(out, "", 1);
}

static int set_groups(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    const char *shares = relay->tls13_key_shares;
    unsigned marks = marked_groups();
    _cleanup_buffer_ Buffer words = {0}, list = {0};
    _cleanup_free_
    char *first = NULL, *marked = NULL;
    int r;

    if (!shares && !relay->tls13_groups && !relay->tls12_groups)
        return 0;
    first = first_words(shares ?: "", marks > 0 ? 0 : 1);
    marked = first_words(shares ?: "", marks);
    r = first && marked ? order_groups(&words, relay, first) : -ENOMEM;
    if (r >= 0)
        r = append_groups(&list, buffer_data(&words), marked);
    if (r < 0)
        return r;
    ERR_clear_error();
    if (SSL_CTX_set1_groups_list(ssl, buffer_data(&list)) == 1)
        return 0;
    return unusable(relay->tls13_groups   ? "tls13_groups"
                    : relay->tls12_groups ? "tls12_groups"
                                          : "tls13_key_shares",
        buffer_data(&words), REASON_TLS_PARAMETERS, f);
}

/* ---- signatures ---- */

typedef struct SignatureRow {
    const char *name;
    const char *openssl;
    int key, hash; /* what OpenSSL tells of one that was used */
} SignatureRow;

#define ROW_RSA(hash, HASH)                                        \
    {                                                              \
        "rsa_pkcs1_" #hash, "RSA+" #HASH, EVP_PKEY_RSA, NID_##hash \
    }
#define ROW_DSA(hash, HASH)                                  \
    {                                                        \
        "dsa_" #hash, "DSA+" #HASH, EVP_PKEY_DSA, NID_##hash \
    }
#define ROW_PSS(hash)                                                                              \
    {"rsa_pss_" #hash, "rsa_pss_rsae_" #hash ":rsa_pss_pss_" #hash, EVP_PKEY_RSA_PSS, NID_##hash}, \
        {"rsa_pss_rsae_" #hash, "rsa_pss_rsae_" #hash, EVP_PKEY_RSA_PSS, NID_##hash},              \
    {                                                                                              \
        "rsa_pss_pss_" #hash, "rsa_pss_pss_" #hash, EVP_PKEY_RSA_PSS, NID_##hash                   \
    }

static const SignatureRow *signature_row(const char *name, size_t n)
{
    static const SignatureRow rows[] = {
        ROW_PSS(sha256),
        ROW_PSS(sha384),
        ROW_PSS(sha512),
        ROW_RSA(sha1, SHA1),
        ROW_RSA(sha224, SHA224),
        ROW_RSA(sha256, SHA256),
        ROW_RSA(sha384, SHA384),
        ROW_RSA(sha512, SHA512),
        ROW_DSA(sha1, SHA1),
        ROW_DSA(sha224, SHA224),
        ROW_DSA(sha256, SHA256),
        ROW_DSA(sha384, SHA384),
        ROW_DSA(sha512, SHA512),
        {"ecdsa_sha1", "ECDSA+SHA1", EVP_PKEY_EC, NID_sha1},
        {"ecdsa_sha224", "ECDSA+SHA224", EVP_PKEY_EC, NID_sha224},
        {"ecdsa_secp256r1_sha256", "ECDSA+SHA256", EVP_PKEY_EC, NID_sha256},
        {"ecdsa_secp384r1_sha384", "ECDSA+SHA384", EVP_PKEY_EC, NID_sha384},
        {"ecdsa_secp521r1_sha512", "ECDSA+SHA512", EVP_PKEY_EC, NID_sha512},
        {"ed25519", "ed25519", EVP_PKEY_ED25519, NID_undef},
        {"ed448", "ed448", EVP_PKEY_ED448, NID_undef},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (strlen(rows[i].name) == n && strncasecmp(rows[i].name, name, n) == 0)
            return &rows[i];
    return NULL;
}

static int set_signatures(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    const char *modern = relay->tls13_signature_algorithms;
    const char *older = relay->tls12_signature_algorithms;
    _cleanup_buffer_ Buffer words = {0}, list = {0};
    int r;

    if (!modern && !older)
        return 0;
    r = append_new(&words, modern, NULL, NULL);
    if (r >= 0)
        r = append_new(&words, older, modern, NULL);
    if (r >= 0)
        r = buffer_append(&words, "", 1);
    for (const char *p = r < 0 ? "" : buffer_data(&words); *p && r >= 0; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        const SignatureRow *row = signature_row(p, n);

        r = row ? buffer_appendf(&list, "%s%s", buffer_size(&list) > 0 ? ":" : "", row->openssl)
                : -EINVAL;
        p += n;
    }
    if (r >= 0)
        r = buffer_append(&list, "", 1);
    if (r == -ENOMEM)
        return r;
    ERR_clear_error();
    if (r >= 0 && SSL_CTX_set1_sigalgs_list(ssl, buffer_data(&list)) == 1)
        return 0;
    return unusable(modern ? "tls13_signature_algorithms" : "tls12_signature_algorithms",
        buffer_data(&words), REASON_TLS_PARAMETERS, f);
}

/* ---- strength ---- */

/* What is left of the suites, those of TLS 1.3 and the others in lists of their own. */
static int list_strong(SSL_CTX *ssl, const RelayConfig *relay, Buffer *modern, Buffer *older)
{
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ssl);
    int r = 0;

    for (int i = 0; i < sk_SSL_CIPHER_num(all) && r >= 0; i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(all, i);
        bool is_modern = strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0;
        Buffer *list = is_modern ? modern : older;

        if (SSL_CIPHER_get_bits(cipher, NULL) >= (int)relay->tls_cipher_strength &&
            !(relay->tls_renegotiation && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null))
            r = buffer_appendf(
                list, "%s%s", buffer_size(list) > 0 ? ":" : "", SSL_CIPHER_get_name(cipher));
    }
    if (r >= 0)
        r = buffer_append(modern, "", 1);
    return r < 0 ? r : buffer_append(older, "", 1);
}

/* A protocol that is left without a suite is not offered. Where a server may renegotiate, no suite
 * may do without a certificate, for the server is held to the one that it has shown. */
static int set_strength(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    _cleanup_buffer_ Buffer modern = {0}, older = {0};
    bool has_modern, has_older;
    int r;

    if (relay->tls_cipher_strength == 0 && !relay->tls_renegotiation)
        return 0;
    r = list_strong(ssl, relay, &modern, &older);
    if (r < 0)
        return r;
    has_modern = *buffer_data(&modern) != '\0';
    has_older = *buffer_data(&older) != '\0';
    if (!has_modern)
        SSL_CTX_set_options(ssl, SSL_OP_NO_TLSv1_3);
    if (!has_older)
        SSL_CTX_set_options(ssl, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2);
    ERR_clear_error();
    if ((has_modern || has_older) &&
        (!has_modern || SSL_CTX_set_ciphersuites(ssl, buffer_data(&modern)) == 1) &&
        (!has_older || SSL_CTX_set_cipher_list(ssl, buffer_data(&older)) == 1))
        return 0;
    ERR_clear_error();
    return failure_reason(f, REASON_TLS_CIPHERS,
        failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "tls_cipher_strength = %u leaves no cipher suite of tls_ciphers = \"%s\"; lower it, or "
            "name stronger ones",
            relay->tls_cipher_strength, relay->tls_ciphers ?: "*"));
}

int tls_parameters_apply(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    int r = set_strength(ssl, relay, f);

    if (r >= 0)
        r = set_groups(ssl, relay, f);
    if (r >= 0)
        r = set_signatures(ssl, relay, f);
    if (r >= 0 && relay->tls_renegotiation)
        (void)SSL_CTX_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
    return r;
}

/* ---- what came of it ---- */

static int copy(const char *text, const char *or_else, char **ret)
{
    const char *from = text ?: or_else;

    *ret = from ? strdup(from) : NULL;
    return from && !*ret ? -ENOMEM : 0;
}

/* Where only one of the two is set it holds for both. */
int tls_allowed_init(TlsAllowed *allowed, const RelayConfig *relay)
{
    const char *signatures12 = relay->tls12_signature_algorithms;
    const char *signatures13 = relay->tls13_signature_algorithms;

    return copy(relay->tls12_groups, relay->tls13_groups, &allowed->groups12)
               ?: copy(relay->tls13_groups, relay->tls12_groups, &allowed->groups13)
               ?: copy(signatures12, signatures13, &allowed->signatures12)
               ?: copy(signatures13, signatures12, &allowed->signatures13);
}

void tls_allowed_done(TlsAllowed *allowed)
{
    free(allowed->groups12);
    free(allowed->groups13);
    free(allowed->signatures12);
    free(allowed->signatures13);
}

static int forbidden(SSL *ssl, const char *host, const char *what, const char *setting, Failure *f)
{
    return failure_reason(f, REASON_TLS_PARAMETERS,
        failure_set(f, -EPROTO, ERROR_TLS_HANDSHAKE,
            "%s chose %s for %s, which %s leaves out: add it there, or take %s out of "
            "tls_protocols",
            host, what, SSL_get_version(ssl), setting, SSL_get_version(ssl)));
}

static int check_group(const char *list, SSL *ssl, const char *host, bool modern, Failure *f)
{
    int group = SSL_get_negotiated_group(ssl);
    const char *name = group > 0 ? SSL_group_to_name(ssl, group) : NULL;

    ERR_clear_error();
    if (!list || !name || has_word(list, name, strlen(name)))
        return 0;
    return forbidden(ssl, host, name, modern ? "tls13_groups" : "tls12_groups", f);
}

static int check_signature(const char *list, SSL *ssl, const char *host, bool modern, Failure *f)
{
    int key = 0, hash = NID_undef;

    if (!list || SSL_get_peer_signature_type_nid(ssl, &key) != 1)
        return 0; /* a session that is resumed, or a key exchange without a signature */
    (void)SSL_get_peer_signature_nid(ssl, &hash);
    for (const char *p = list; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        const SignatureRow *row = signature_row(p, n);

        if (row && row->key == key && (row->hash == hash || row->hash == NID_undef))
            return 0;
        p += n;
    }
    return forbidden(ssl, host, "a signature",
        modern ? "tls13_signature_algorithms" : "tls12_signature_algorithms", f);
}

int tls_allowed_check(const TlsAllowed *allowed, SSL *ssl, const char *host, Failure *f)
{
    bool modern = SSL_version(ssl) >= TLS1_3_VERSION;
    int r = check_group(modern ? allowed->groups13 : allowed->groups12, ssl, host, modern, f);

    return r < 0 ? r
                 : check_signature(modern ? allowed->signatures13 : allowed->signatures12, ssl,
                       host, modern, f);
}
