/* From settings to an SSL_CTX. Must never ask for anything on a terminal. */
#include "net/tls_settings.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "certificate/handles.h"
#include "net/tls_error.h"
#include "net/tls_file.h"

/* ---- protocols ---- */

typedef struct ProtocolRow {
    const char *name;
    uint64_t off; /* the option that forbids it */
    bool old;
} ProtocolRow;

static const ProtocolRow protocols[] = {
    {"TLSv1", SSL_OP_NO_TLSv1, true},
    {"TLSv1.0", SSL_OP_NO_TLSv1, true},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1, true},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2, false},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3, false},
};

static const ProtocolRow *find_protocol(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
        if (text_equal_nocase(protocols[i].name, name))
            return &protocols[i];
    return NULL;
}

int tls_settings_protocols(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    _cleanup_free_
    char *list = strdup(relay->tls_protocols ?: "TLSv1.2 TLSv1.3");
    uint64_t off = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    bool old = false;
    char *rest;

    if (!list)
        return -ENOMEM;
    for (char *name = strtok_r(list, " \t,:;+|", &rest); name;
         name = strtok_r(NULL, " \t,:;+|", &rest)) {
        const ProtocolRow *row = find_protocol(name);

        if (!row)
            return failure_reason(f, REASON_TLS_PROTOCOLS,
                failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                    "tls_protocols: \"%s\" is no protocol; there are TLSv1, TLSv1.1, TLSv1.2 and "
                    "TLSv1.3",
                    name));
        off &= ~row->off;
        old = old || row->old;
    }
    /* Which ones there are is for the relay's settings to say, not for openssl.cnf. */
    if (SSL_CTX_set_min_proto_version(ssl, 0) != 1 || SSL_CTX_set_max_proto_version(ssl, 0) != 1)
        return -ENOMEM;
    SSL_CTX_set_options(ssl, off | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Their handshakes sign with MD5 and SHA-1, which OpenSSL 3 does at no higher level. */
    if (old)
        SSL_CTX_set_security_level(ssl, 0);
    return 0;
}

/* ---- ciphers ---- */

/* The IANA names of TLS 1.3's suites are OpenSSL's own too; those of older suites are not. */
static bool is_tls13_suite(const char *name)
{
    return text_starts_nocase(name, "TLS_AES_") || text_starts_nocase(name, "TLS_CHACHA20_");
}

static int append_cipher(Buffer *list, const char *name)
{
    if (text_starts_nocase(name, "TLS_") && !is_tls13_suite(name))
        name = OPENSSL_cipher_name(name);
    return buffer_appendf(list, "%s%s", buffer_size(list) > 0 ? ":" : "", name);
}

int tls_settings_ciphers(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    _cleanup_free_
    char *list = strdup(relay->tls_ciphers ?: "");
    _cleanup_buffer_ Buffer suites = {0}, ciphers = {0};
    char reason[TLS_ERROR_MAX];
    int r = 0;
    char *rest;

    if (!list)
        return -ENOMEM;
    /* No '+' between names here: it is part of OpenSSL's own language of ciphers. */
    for (char *name = strtok_r(list, " \t,:;", &rest); name && r >= 0;
         name = strtok_r(NULL, " \t,:;", &rest))
        r = append_cipher(is_tls13_suite(name) ? &suites : &ciphers, name);
    if (r >= 0)
        r = buffer_append(&suites, "", 1);
    if (r >= 0)
        r = buffer_append(&ciphers, "", 1);
    if (r < 0)
        return r;
    /* A list that names no suite of a protocol leaves that protocol with its own. */
    if ((*buffer_data(&suites) && SSL_CTX_set_ciphersuites(ssl, buffer_data(&suites)) != 1) ||
        (*buffer_data(&ciphers) && SSL_CTX_set_cipher_list(ssl, buffer_data(&ciphers)) != 1))
        return failure_reason(f, REASON_TLS_CIPHERS,
            failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                "tls_ciphers = \"%s\" cannot be used: %s; \"openssl ciphers -v\" lists the names",
                relay->tls_ciphers, tls_error_reason(reason)));
    return 0;
}

/* ---- certificate authorities ---- */

/* Whether certificates can be found here by the hash of their subject ("5ed36f99.0"), which spares
 * holding them all in memory. */
static bool is_hashed_directory(const char *path)
{
    DIR *directory = opendir(path);
    bool found = false;

    if (!directory)
        return false;
    for (struct dirent *entry = readdir(directory); entry && !found; entry = readdir(directory))
        found = strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.';
    (void)closedir(directory);
    return found;
}

/* What the setting is called, for words. */
static const char *ca_setting(const RelayConfig *relay)
{
    return relay->tls_ca_setting ?: "tls_ca_file";
}

static int use_system(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    const char *directory = secure_getenv(X509_get_default_cert_dir_env());
    const char *file = secure_getenv(X509_get_default_cert_file_env());
    int good = SSL_CTX_set_default_verify_dir(ssl);

    if (good == 1 && (file || !is_hashed_directory(directory ?: X509_get_default_cert_dir())))
        good = SSL_CTX_set_default_verify_file(ssl);
    if (good != 1)
        return failure_reason(f, REASON_TLS_AUTHORITIES,
            failure_set(f, -EIO, ERROR_CERTIFICATE_STORE,
                "the system's certificate authorities cannot be used; install ca-certificates or "
                "set %s",
                ca_setting(relay)));
    ERR_clear_error(); /* a file that is not there is no error of ours */
    return 0;
}

/* PEM as OpenSSL reads it, with revocation lists; else whatever holds certificates. */
static int load_authorities(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    const char *path = relay->tls_ca_file;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    STACK_OF(X509) *certificates = NULL;
    _cleanup_failure_ Failure why = {0};
    char reason[TLS_ERROR_MAX];
    int r = tls_file_add(store, path, reason);

    if (r > 0 || r == -ENOMEM)
        return MIN(r, 0);
    r = certificate_load_all(path, &certificates, &why);
    for (int i = 0; i < sk_X509_num(certificates) && r >= 0; i++)
        r = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1 ? 0 : -ENOMEM;
    sk_X509_pop_free(certificates, X509_free);
    if (r >= 0 || r == -ENOMEM)
        return r;
    return failure_reason(f, REASON_TLS_AUTHORITIES,
        failure_set(f, -EINVAL, ERROR_CERTIFICATE_STORE,
            "%s: cannot read certificates from %s: %s; it must be a readable file of "
            "certificates (PEM, DER or PKCS#7)",
            ca_setting(relay), path, failure_text(&why)));
}

int tls_settings_authorities(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    int r = 0;

    if (!relay->tls_ca_file && !relay->tls_ca_directory)
        return use_system(ssl, relay, f);
    if (relay->tls_ca_file)
        r = load_authorities(ssl, relay, f);
    if (r < 0)
        return r;
    if (relay->tls_ca_directory && !is_hashed_directory(relay->tls_ca_directory))
        return failure_reason(f, REASON_TLS_AUTHORITIES,
            failure_set(f, -EINVAL, ERROR_CERTIFICATE_STORE,
                "tls_ca_directory: %s cannot be read or holds no certificates under hashed names; "
                "run "
                "\"openssl rehash %s\"",
                relay->tls_ca_directory, relay->tls_ca_directory));
    if (relay->tls_ca_directory && SSL_CTX_load_verify_dir(ssl, relay->tls_ca_directory) != 1)
        return -ENOMEM;
    return 0;
}

/* ---- whom our own certificate comes from ---- */

/* The chain to one of the authorities, or NULL: then `*ret_error` says why. The whole one where it
 * is there, and else as far as it goes. */
static STACK_OF(X509) * chain_to(SSL_CTX *ssl, X509_STORE *store, int *ret_error)
{
    static const unsigned long flags[] = {0, X509_V_FLAG_PARTIAL_CHAIN};
    STACK_OF(X509) *sent = NULL, *chain = NULL;

    *ret_error = X509_V_ERR_OUT_OF_MEM;
    (void)SSL_CTX_get0_chain_certs(ssl, &sent);
    for (size_t i = 0; i < ELEMENTSOF(flags) && !chain; i++) {
        _cleanup_store_context_ X509_STORE_CTX *context = X509_STORE_CTX_new();

        if (!context ||
            X509_STORE_CTX_init(context, store, SSL_CTX_get0_certificate(ssl), sent) != 1 ||
            X509_STORE_CTX_set_default(context, "ssl_client") != 1)
            return NULL;
        X509_STORE_CTX_set_flags(context, flags[i]);
        if (X509_verify_cert(context) == 1)
            chain = X509_STORE_CTX_get1_chain(context);
        else
            *ret_error = X509_STORE_CTX_get_error(context);
    }
    return chain;
}

/* All but the first, which is our own, and a root, which nobody needs to be sent. */
static bool send_chain(SSL_CTX *ssl, STACK_OF(X509) * chain)
{
    bool good = SSL_CTX_clear_chain_certs(ssl) == 1;

    for (int i = 1; i < sk_X509_num(chain) && good; i++) {
        X509 *one = sk_X509_value(chain, i);

        if (!(X509_get_extension_flags(one) & EXFLAG_SS))
            good = SSL_CTX_add1_chain_cert(ssl, one) == 1;
    }
    return good;
}

int tls_settings_client_authorities(SSL_CTX *ssl, const RelayConfig *relay, Failure *f)
{
    _cleanup_store_ X509_STORE *store = NULL;
    char reason[TLS_ERROR_MAX];
    STACK_OF(X509) * chain;
    bool good;
    int error = X509_V_OK, r;

    if (!relay->tls_client_ca_file || !SSL_CTX_get0_certificate(ssl))
        return 0;
    store = X509_STORE_new();
    if (!store)
        return -ENOMEM;
    r = tls_file_add(store, relay->tls_client_ca_file, reason);
    if (r == -ENOMEM)
        return r;
    if (r <= 0)
        return failure_reason(f, REASON_TLS_AUTHORITIES,
            failure_set(f, -EINVAL, ERROR_CERTIFICATE_STORE,
                "tls_client_ca_file: cannot read certificates from %s: %s; it must be a readable "
                "PEM file",
                relay->tls_client_ca_file, reason));
    chain = chain_to(ssl, store, &error);
    ERR_clear_error();
    if (!chain)
        return error == X509_V_ERR_OUT_OF_MEM
                   ? -ENOMEM
                   : failure_reason(f, REASON_TLS_CLIENT_CERTIFICATE,
                         failure_set(f, -EACCES, ERROR_CLIENT_CERTIFICATE,
                             "the client certificate in tls_certificate = \"%s\" does not hold by "
                             "the authorities in tls_client_ca_file = \"%s\": %s; have it made "
                             "anew "
                             "by one of them, or correct the file",
                             relay->tls_certificate, relay->tls_client_ca_file,
                             X509_verify_cert_error_string(error)));
    good = send_chain(ssl, chain);
    sk_X509_pop_free(chain, X509_free);
    return good ? 0 : -ENOMEM;
}

/* ---- client certificate ---- */

int tls_settings_client_certificate(SSL_CTX *ssl, const Credentials *client, Failure *f)
{
    STACK_OF(X509) * chain;
    char reason[TLS_ERROR_MAX];

    if (!client)
        return 0;
    if (client->error < 0 && client->failure.text)
        return failure_reason(f, client->failure.reason,
            failure_set(
                f, client->error, client->failure.number, "%s", failure_text(&client->failure)));
    if (client->error < 0)
        return client->error;
    chain = certificate_chain(client->certificate);
    if (SSL_CTX_use_cert_and_key(ssl, certificate_x509(client->certificate),
            credentials_key(client), sk_X509_num(chain) > 0 ? chain : NULL, 1) != 1)
        return failure_reason(f, REASON_TLS_CLIENT_KEY,
            failure_set(f, -EINVAL, ERROR_TLS_CREDENTIALS,
                "tls_certificate: the certificate and its key cannot be used: %s; they may be too "
                "weak for the system's policy",
                tls_error_reason(reason)));
    return 0;
}
