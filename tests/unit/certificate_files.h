/* Loading certificates in tests: files of tests/data/certificates, which its make.py made. */
#pragma once

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "certificate/openssl.h"
#include "unit.h"

static inline const char *data_file(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, PATH_MAX, "%s/%s", DATA_DIR, name);
    return path;
}

static inline int try_store(CertificateStoreType type, const char *store, const char *password,
    const char *subject, Certificate **ret, Failure *f)
{
    _cleanup_secret_ Secret *secret = password ? secret_new(password, strlen(password)) : NULL;
    const CertificateSource source = {.type = type,
        .store = store,
        .n_store = strlen(store),
        .password = secret,
        .subject = subject};

    *ret = NULL;
    return certificate_load(&source, ret, f);
}

static inline Certificate *load_store(
    CertificateStoreType type, const char *store, const char *password, const char *subject)
{
    _cleanup_failure_ Failure f = {0};
    Certificate *certificate;
    int r = try_store(type, store, password, subject, &certificate, &f);

    ck_assert_msg(r == 0, "%s: %d, %s", store, r, failure_text(&f));
    return certificate;
}

static inline Certificate *load_file(const char *name, const char *password)
{
    return load_store(CERTIFICATE_AUTO, data_file(name), password, NULL);
}

/* It must fail with that number, and each word in the text. */
static inline void check_fails(CertificateStoreType type, const char *store, const char *password,
    const char *subject, int number, const char *const *words)
{
    _cleanup_failure_ Failure f = {0};
    Certificate *certificate;
    int r = try_store(type, store, password, subject, &certificate, &f);

    ck_assert_msg(r < 0, "%s was loaded", store);
    ck_assert_ptr_null(certificate);
    ck_assert_msg(f.number == number, "%s: %d, %s", store, f.number, failure_text(&f));
    for (; *words; words++)
        ck_assert_msg(
            strstr(failure_text(&f), *words), "\"%s\" lacks \"%s\"", failure_text(&f), *words);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void check_text(
    const Certificate *certificate, CertificateField field, const char *expected)
{
    _cleanup_free_
    char *text = certificate_text(certificate, field);

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(strcmp(text, expected) == 0, "%s: \"%s\" and not \"%s\"",
        certificate_field_name(field), text, expected);
}

static inline void check_same_key(const Certificate *a, const Certificate *b)
{
    _cleanup_free_
    char *key_a = certificate_text(a, CERTIFICATE_PUBLIC_KEY);
    _cleanup_free_
    char *key_b = certificate_text(b, CERTIFICATE_PUBLIC_KEY);

    ck_assert_ptr_nonnull(strstr(key_a, "BEGIN PUBLIC KEY"));
    ck_assert_str_eq(key_a, key_b);
}
