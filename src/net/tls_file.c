/* Files of certificates. Must never wait for one, nor ask for a password. */
#include "net/tls_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "certificate/octets.h"

DEFINE_CLEANUP(BIO, BIO_free_all);

BIO *tls_file_open(const char *path, char reason[static TLS_ERROR_MAX])
{
    _cleanup_octets_ Octets content = {0};
    int r = octets_load(AT_FDCWD, path, TLS_FILE_BYTES_MAX, &content);
    BIO *bio = NULL;

    if (r >= 0) {
        bio = BIO_new(BIO_s_mem());
        r = bio && (content.n == 0 ||
                       BIO_write(bio, content.data, (int)content.n) == (int)content.n)
                ? 0
                : -ENOMEM;
    }
    if (r >= 0)
        return bio;
    BIO_free_all(bio);
    snprintf(
        reason, TLS_ERROR_MAX, "%s", r == -EFBIG ? "it is larger than 20 MiB" : file_trouble(r));
    return NULL;
}

static int no_password(char *out, int size, int writing, void *user)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static bool add(X509_STORE *store, const X509_INFO *info)
{
    return (!info->x509 || X509_STORE_add_cert(store, info->x509) == 1) &&
           (!info->crl || X509_STORE_add_crl(store, info->crl) == 1);
}

int tls_file_add(X509_STORE *store, const char *path, char reason[static TLS_ERROR_MAX])
{
    _cleanup_(BIO_free_all_p) BIO *bio = tls_file_open(path, reason);
    STACK_OF(X509_INFO) * infos;
    int n = 0;
    bool good = true;

    if (!bio)
        return -EINVAL;
    ERR_clear_error();
    infos = PEM_X509_INFO_read_bio(bio, NULL, no_password, NULL);
    if (!infos) {
        (void)tls_error_reason(reason);
        return -EINVAL;
    }
    for (int i = 0; i < sk_X509_INFO_num(infos) && good; i++) {
        const X509_INFO *info = sk_X509_INFO_value(infos, i);

        good = add(store, info);
        n += info->x509 != NULL;
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    ERR_clear_error();
    if (n == 0)
        snprintf(reason, TLS_ERROR_MAX, "there is no certificate in it");
    return good ? n : -ENOMEM;
}
