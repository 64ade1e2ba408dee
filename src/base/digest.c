/* Digests. Must never load OpenSSL, which takes longer than queueing a message, where none is asked
 * for. */
#include "base/digest.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "base/macros.h"

#define LIBRARY "libcrypto.so.3"

static struct {
    __typeof__(EVP_Q_digest) *digest;
} crypto;

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (library)
        crypto.digest = (__typeof__(crypto.digest))dlsym(library, "EVP_Q_digest");
}

int digest_append_hex(const char *algorithm, const void *data, size_t n, Buffer *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char digest[DIGEST_MAX];
    size_t size = 0;
    int r = 0;

    (void)pthread_once(&once, load);
    if (!crypto.digest)
        return -ELIBACC;
    if (crypto.digest(NULL, algorithm, NULL, data, n, digest, &size) != 1)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < size && r >= 0; i++)
        r = buffer_appendf(out, "%02x", digest[i]);
    return r;
}
