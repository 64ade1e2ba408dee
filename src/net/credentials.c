/* Client certificates. Must never take a key that does not belong to its certificate. */
#include "net/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/pkcs11.h"

#define SHOWN_MAX 200

/* What a user does about it; the words before say what it is. */
static const char *advice_on(int error, const RelayConfig *relay, bool of_key)
{
    switch (error) {
    case -ENOKEY: return "; set tls_key_password_file";
    case -EKEYREJECTED: return "; check tls_key_password";
    case -ENOENT:
        return !of_key && relay->tls_certificate_subject ? "; check tls_certificate_subject" : "";
    default: return "";
    }
}

static int explain(int error, const RelayConfig *relay, bool of_key, Failure *f)
{
    _cleanup_free_
    char *text = strdup(failure_text(f));
    int number = f->number;

    if (error == -ENOMEM || !text)
        return -ENOMEM;
    if (of_key && number == ERROR_CERTIFICATE_NOT_FOUND)
        number = ERROR_TLS_CREDENTIALS;
    return failure_reason(f,
        of_key || number == ERROR_TLS_CREDENTIALS ? REASON_TLS_CLIENT_KEY
                                                  : REASON_TLS_CLIENT_CERTIFICATE,
        failure_set(f, error, number, "%s: %s%s", of_key ? "tls_key" : "tls_certificate", text,
            advice_on(error, relay, of_key)));
}

/* The store as it may be shown: it is a setting, but that of a URI may hold more than is ours. */
static char *shown(const Certificate *certificate)
{
    _cleanup_free_
    char *store = certificate_text(certificate, CERTIFICATE_STORE);

    return store ? text_printable(store, strlen(store), SHOWN_MAX) : NULL;
}

static char *subject_of(const Certificate *certificate)
{
    _cleanup_free_
    char *subject = certificate_text(certificate, CERTIFICATE_SUBJECT);

    return subject ? text_printable(subject, strlen(subject), SHOWN_MAX) : NULL;
}

static int is_incomplete(Credentials *c)
{
    _cleanup_free_
    char *store = shown(c->certificate), *subject = subject_of(c->certificate);

    if (!store || !subject)
        return -ENOMEM;
    if (!certificate_x509(c->certificate))
        return failure_reason(&c->failure, REASON_TLS_CLIENT_CERTIFICATE,
            failure_set(&c->failure, -ENOENT, ERROR_CLIENT_CERTIFICATE,
                "tls_certificate: %s holds a key and no certificate; name the certificate there, "
                "and the key in tls_key",
                store));
    return failure_reason(&c->failure, REASON_TLS_CLIENT_KEY,
        failure_set(&c->failure, -ENOENT, ERROR_CLIENT_CERTIFICATE,
            "tls_certificate: %s holds the certificate of \"%s\" without its private key; name the "
            "key in tls_key",
            store, subject));
}

static CertificateSource source_of(const char *store, const Secret *password)
{
    return (CertificateSource){
        .type = CERTIFICATE_AUTO, .store = store, .n_store = strlen(store), .password = password};
}

/* The key in tls_key that belongs to the certificate. */
static int load_key(Credentials *c, const RelayConfig *relay, const Secret *password)
{
    CertificateSource source = source_of(relay->tls_key, password);
    _cleanup_free_
    unsigned char *der = NULL;
    int r = certificate_encoded(c->certificate, &der, &source.n_encoded);

    source.encoded = der;
    if (r >= 0)
        r = certificate_load(&source, &c->key, &c->failure);
    if (r != -ENOENT)
        return r < 0 ? explain(r, relay, true, &c->failure) : 0;
    r = failure_prefix(&c->failure, r, relay->tls_key);
    r = explain(r, relay, true, &c->failure);
    return r;
}

static int load(Credentials *c, const RelayConfig *relay, const Secret *password)
{
    CertificateSource source = source_of(relay->tls_certificate, password);
    int r;

    source.subject = relay->tls_certificate_subject;
    r = certificate_load(&source, &c->certificate, &c->failure);
    if (r == -ENOENT)
        r = failure_prefix(&c->failure, r, relay->tls_certificate);
    if (r < 0)
        return explain(r, relay, false, &c->failure);
    if (!certificate_x509(c->certificate))
        return is_incomplete(c);
    if (relay->tls_key)
        return load_key(c, relay, password);
    return certificate_key(c->certificate) ? 0 : is_incomplete(c);
}

static bool has_token(const RelayConfig *relay)
{
    return pkcs11_is_uri(relay->tls_certificate) ||
           (relay->tls_key && pkcs11_is_uri(relay->tls_key));
}

Credentials *credentials_load(const RelayConfig *relay, const Secret *key_password)
{
    Credentials *credentials;

    if (!relay->tls_certificate)
        return NULL;
    credentials = calloc(1, sizeof(Credentials));
    if (!credentials)
        return NULL;
    credentials->references = 1;
    credentials->error = load(credentials, relay, key_password);
    if (credentials->error == -EKEYREJECTED && key_password && has_token(relay))
        credentials->refused = secret_new(secret_text(key_password), secret_size(key_password));
    return credentials;
}

bool credentials_were_refused(const Credentials *credentials, const Secret *key_password)
{
    const Secret *refused = credentials ? credentials->refused : NULL;

    return refused && key_password && secret_size(refused) == secret_size(key_password) &&
           memcmp(secret_text(refused), secret_text(key_password), secret_size(refused)) == 0;
}

Credentials *credentials_ref(Credentials *credentials)
{
    if (credentials)
        (void)__atomic_add_fetch(&credentials->references, 1, __ATOMIC_RELAXED);
    return credentials;
}

Credentials *credentials_unref(Credentials *credentials)
{
    if (!credentials || __atomic_sub_fetch(&credentials->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    (void)certificate_unref(credentials->certificate);
    (void)certificate_unref(credentials->key);
    (void)secret_unref(credentials->refused);
    failure_done(&credentials->failure);
    free(credentials);
    return NULL;
}

EVP_PKEY *credentials_key(const Credentials *credentials)
{
    return certificate_key(credentials->key ?: credentials->certificate);
}

bool credentials_are_on_token(const Credentials *credentials)
{
    const Certificate *key = credentials->key ?: credentials->certificate;

    return key && certificate_is_on_token(key);
}

char *credentials_token(const Credentials *credentials)
{
    return certificate_text(
        credentials->key ?: credentials->certificate, CERTIFICATE_PRIVATE_KEY_CONTAINER);
}
