/* Loading, counting. Must never keep more of a store than what was selected. */
#include "certificate/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/format.h"
#include "certificate/internal.h"
#include "certificate/select.h"
#include "certificate/store.h"

Certificate *certificate_new(void)
{
    Certificate *certificate = calloc(1, sizeof(Certificate));

    if (!certificate)
        return NULL;
    certificate->references = 1;
    certificate->type = CERTIFICATE_AUTO;
    certificate->chain = sk_X509_new_null();
    return certificate->chain ? certificate : certificate_unref(certificate);
}

Certificate *certificate_ref(Certificate *certificate)
{
    if (certificate)
        (void)__atomic_add_fetch(&certificate->references, 1, __ATOMIC_RELAXED);
    return certificate;
}

Certificate *certificate_unref(Certificate *certificate)
{
    if (!certificate || __atomic_sub_fetch(&certificate->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    sk_X509_pop_free(certificate->chain, X509_free);
    token_free(certificate->token); /* behind the key that lives on it */
    octets_done(&certificate->store);
    (void)secret_unref(certificate->password);
    free(certificate->container);
    free(certificate);
    return NULL;
}

/* Says, where nothing was found, what could not be read. */
static int add_skipped(int r, const char *skipped, Failure *f)
{
    _cleanup_free_
    char *text = NULL;

    if (r != -ENOENT || !skipped || !f || !f->text)
        return r;
    text = strdup(f->text);
    return text ? failure_set(f, r, f->number, "%s%s", text, skipped) : r;
}

int certificate_load(const CertificateSource *source, Certificate **ret, Failure *f)
{
    _cleanup_certificate_ Certificate *certificate = certificate_new();
    _cleanup_bag_ Bag bag = {0};
    _cleanup_free_
    char *skipped = NULL;
    int r = bag_init(&bag, source->password);

    if (!certificate || r < 0)
        return -ENOMEM;
    ERR_clear_error();
    r = store_read(source, &bag, certificate, &skipped, f);
    if (r >= 0)
        r = add_skipped(select_certificate(&bag, source, certificate, f), skipped, f);
    ERR_clear_error();
    if (r < 0)
        return r;
    if (source->password)
        certificate->password = secret_ref((Secret *)source->password);
    *ret = TAKE_PTR(certificate);
    return 0;
}

int certificate_parse(const void *data, size_t n, Certificate **ret, Failure *f)
{
    _cleanup_certificate_ Certificate *certificate = certificate_new();
    const CertificateSource source = {.type = CERTIFICATE_AUTO, .store = data, .n_store = n};
    _cleanup_bag_ Bag bag = {0};
    int r = bag_init(&bag, NULL);

    if (!certificate || r < 0)
        return -ENOMEM;
    ERR_clear_error();
    r = format_read((Bytes){data, n}, CERTIFICATE_AUTO, &bag, &certificate->type, f);
    if (r >= 0)
        r = select_certificate(&bag, &source, certificate, f);
    ERR_clear_error();
    if (r < 0)
        return r;
    *ret = TAKE_PTR(certificate);
    return 0;
}

int certificate_load_all(const char *path, STACK_OF(X509) * *ret, Failure *f)
{
    _cleanup_certificate_ Certificate *certificate = certificate_new();
    const CertificateSource source = {
        .type = CERTIFICATE_AUTO, .store = path, .n_store = strlen(path)};
    _cleanup_bag_ Bag bag = {0};
    _cleanup_free_
    char *skipped = NULL;
    int r = bag_init(&bag, NULL);

    if (!certificate || r < 0)
        return -ENOMEM;
    ERR_clear_error();
    r = store_read(&source, &bag, certificate, &skipped, f);
    ERR_clear_error();
    if (r < 0)
        return r;
    if (sk_X509_num(bag.certificates) == 0)
        return failure_set(f, -ENOENT, ERROR_CERTIFICATE_STORE, "%s holds no certificate", path);
    *ret = TAKE_PTR(bag.certificates);
    return 0;
}

Certificate *certificate_from_x509(X509 *x509, STACK_OF(X509) * sent)
{
    _cleanup_certificate_ Certificate *certificate = certificate_new();

    if (!certificate || X509_up_ref(x509) != 1)
        return NULL;
    certificate->x509 = x509;
    for (int i = 0; i < sk_X509_num(sent); i++) {
        X509 *other = sk_X509_value(sent, i);

        if (X509_cmp(other, x509) == 0)
            continue;
        if (X509_up_ref(other) != 1)
            return NULL;
        if (sk_X509_push(certificate->chain, other) <= 0) {
            X509_free(other);
            return NULL;
        }
    }
    return TAKE_PTR(certificate);
}

X509 *certificate_x509(const Certificate *certificate)
{
    return certificate->x509;
}

EVP_PKEY *certificate_key(const Certificate *certificate)
{
    return certificate->has_private_key ? certificate->key : NULL;
}

bool certificate_is_on_token(const Certificate *certificate)
{
    return certificate->has_private_key && certificate->container;
}

STACK_OF(X509) * certificate_chain(const Certificate *certificate)
{
    return certificate->chain;
}

size_t certificate_chain_length(const Certificate *certificate)
{
    return (size_t)sk_X509_num(certificate->chain);
}

Certificate *certificate_chain_get(const Certificate *certificate, size_t i)
{
    if (i >= certificate_chain_length(certificate))
        return NULL;
    return certificate_from_x509(sk_X509_value(certificate->chain, (int)i), NULL);
}

Secret *certificate_store_password(const Certificate *certificate)
{
    return secret_ref(certificate->password);
}
