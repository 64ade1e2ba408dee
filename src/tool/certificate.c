/* Certificates as JSON. Must never say of a server's certificate what only a store has. */
#include "tool/certificate.h"

#include <time.h>

#include "base/macros.h"
#include "base/text.h"
#include "certificate/openssl.h"
#include "tool/json.h"

#define NAME_MAX_BYTES 64

static bool is_of_store(CertificateField field)
{
    return field == CERTIFICATE_STORE || field == CERTIFICATE_STORE_TYPE ||
           field == CERTIFICATE_PRIVATE_KEY_CONTAINER || field == CERTIFICATE_PRIVATE_KEY_AVAILABLE;
}

/* "FingerprintSHA256" is "fingerprint_sha256". */
static void make_name(const char *name, char out[static NAME_MAX_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; name[i] != '\0' && n < NAME_MAX_BYTES - 2; i++) {
        bool is_capital = text_fold(name[i]) != name[i];

        if (i > 0 && is_capital && text_fold(name[i - 1]) == name[i - 1])
            out[n++] = '_';
        out[n++] = text_fold(name[i]);
    }
    out[n] = '\0';
}

static json_t *field_json(const Certificate *certificate, CertificateField field)
{
    _cleanup_free_
    char *text = NULL;

    if (field >= CERTIFICATE_FIRST_NUMBER)
        return json_integer(certificate_number(certificate, field));
    text = certificate_text(certificate, field);
    return text ? json_text(text) : NULL;
}

static json_t *chain_json(const Certificate *certificate)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < certificate_chain_length(certificate); i++) {
        _cleanup_certificate_ Certificate *one = certificate_chain_get(certificate, i);

        if (!one || json_array_append_new(array, field_json(one, CERTIFICATE_SUBJECT)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *certificate_json(const Certificate *certificate)
{
    json_t *object = certificate ? json_object() : json_null();
    int r = 0;

    if (!certificate || !object)
        return object;
    for (CertificateField field = 0; field < CERTIFICATE_FIELD_MAX && r >= 0; field++) {
        char name[NAME_MAX_BYTES];

        if (is_of_store(field))
            continue;
        make_name(certificate_field_name(field), name);
        r = json_object_set_new(object, name, field_json(certificate, field));
    }
    if (r >= 0)
        r = json_object_set_new(object, "chain", chain_json(certificate));
    if (r >= 0)
        return object;
    json_decref(object);
    return NULL;
}

/* ---- when they end ---- */

static json_t *expiry_json(const Certificate *certificate, usec_t now)
{
    const X509 *x509 = certificate_x509(certificate);
    struct tm tm;
    usec_t end = 0;
    long long days = 0;

    if (x509 && ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) == 1) {
        end = (usec_t)MAX(timegm(&tm), (time_t)1) * USEC_PER_SEC;
        days = end >= now ? (long long)((end - now) / USEC_PER_DAY)
                          : -(long long)((now - end) / USEC_PER_DAY) - 1;
    }
    return json_pack("{s:o, s:o, s:I}", "subject", field_json(certificate, CERTIFICATE_SUBJECT),
        "expires", json_time(end), "days", (json_int_t)days);
}

json_t *certificate_expiries_json(const Certificate *certificate, usec_t now)
{
    json_t *array = json_array();
    int r = array && certificate ? json_array_append_new(array, expiry_json(certificate, now)) : 0;

    for (size_t i = 0; certificate && r >= 0 && i < certificate_chain_length(certificate); i++) {
        _cleanup_certificate_ Certificate *one = certificate_chain_get(certificate, i);

        r = one ? json_array_append_new(array, expiry_json(one, now)) : -1;
    }
    if (r >= 0)
        return array;
    json_decref(array);
    return NULL;
}
