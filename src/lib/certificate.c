/* A certificate for programs: a thin face of certificate/certificate.h. */
#include "lib/certificate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "settings/table.h"

#define PRIVATE_KEY CERTIFICATE_FIELD_MAX /* in the list of texts */

OutboxCertificate *certificate_wrap(Certificate *certificate)
{
    OutboxCertificate *wrapped = certificate ? calloc(1, sizeof(OutboxCertificate)) : NULL;

    if (wrapped) {
        wrapped->process = getpid();
        wrapped->certificate = certificate;
    } else
        (void)certificate_unref(certificate);
    return wrapped;
}

static bool is_here(const OutboxCertificate *certificate)
{
    return certificate && certificate->process == getpid();
}

/* The parent's key may be in a token, which knows nothing of the child. */
OutboxCertificate *certificate_free(OutboxCertificate *certificate)
{
    if (!is_here(certificate))
        return NULL;
    for (size_t i = 0; i < ELEMENTSOF(certificate->texts); i++)
        if (certificate->texts[i]) {
            explicit_bzero(certificate->texts[i], strlen(certificate->texts[i]));
            free(certificate->texts[i]);
        }
    (void)certificate_unref(certificate->certificate);
    free(certificate);
    return NULL;
}

void outbox_certificate_free(OutboxCertificate *certificate)
{
    (void)certificate_free(certificate);
}

void outbox_free(void *pointer)
{
    free(pointer);
}

static OutboxCertificate *refuse(const Failure *f, int *ret_number, char **ret_error)
{
    if (ret_number)
        *ret_number = f->number != 0 ? f->number : ERROR_MEMORY;
    if (ret_error)
        *ret_error = strdup(failure_text(f));
    return NULL;
}

OutboxCertificate *outbox_certificate_load(
    const OutboxStore *store, int *ret_number, char **ret_error)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_(secret_unref_p) Secret *password = NULL;
    OutboxStore given = {0};
    CertificateSource source = {.type = CERTIFICATE_AUTO};
    OutboxCertificate *wrapped;
    Certificate *certificate;

    if (store)
        memcpy(&given, store, MIN(store->size, sizeof(given)));
    if (!given.store || (given.type && !certificate_store_type_find(given.type, &source.type))) {
        (void)failure_set(&f, -1, ERROR_USAGE, "%s%s",
            given.store ? "there is no store of the type " : "no store is named",
            given.store ? given.type : "");
        return refuse(&f, ret_number, ret_error);
    }
    source.store = given.store;
    source.n_store = given.n > 0 ? given.n : strlen(given.store);
    source.subject = given.subject;
    source.encoded = given.encoded;
    source.n_encoded = given.n_encoded;
    if (given.password)
        source.password = password = secret_new(given.password, strlen(given.password));
    if ((given.password && !password) || certificate_load(&source, &certificate, &f) < 0)
        return refuse(&f, ret_number, ret_error);
    wrapped = certificate_wrap(certificate);
    return wrapped ?: refuse(&f, ret_number, ret_error);
}

/* ---- Fields ---- */

static char *private_key_text(const Certificate *certificate)
{
    Secret *key = certificate_private_key(certificate);
    char *text = key ? strndup(secret_text(key), secret_size(key)) : strdup("");

    (void)secret_unref(key);
    return text;
}

/* -1: none of that name. */
static int find_field(const char *name)
{
    if (setting_name_equal(name, "PrivateKey"))
        return PRIVATE_KEY;
    for (int i = 0; i < CERTIFICATE_FIELD_MAX; i++)
        if (setting_name_equal(name, certificate_field_name((CertificateField)i)))
            return i;
    return -1;
}

const char *outbox_certificate_get(const OutboxCertificate *certificate, const char *field)
{
    OutboxCertificate *cache = (OutboxCertificate *)certificate;
    int i = is_here(certificate) && field ? find_field(field) : -1;

    if (i < 0)
        return NULL;
    if (!cache->texts[i])
        cache->texts[i] = i == PRIVATE_KEY
                              ? private_key_text(certificate->certificate)
                              : certificate_text(certificate->certificate, (CertificateField)i);
    return cache->texts[i];
}

/* ---- Chain ---- */

size_t outbox_certificate_chain_count(const OutboxCertificate *certificate)
{
    return is_here(certificate) ? certificate_chain_length(certificate->certificate) : 0;
}

OutboxCertificate *outbox_certificate_chain(const OutboxCertificate *certificate, size_t i)
{
    return is_here(certificate)
               ? certificate_wrap(certificate_chain_get(certificate->certificate, i))
               : NULL;
}
