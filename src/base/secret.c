/* Secrets: counted, wiped with the last reference. Must never be copied into any other kind of
 * memory here. */
#include "base/secret.h"

#include "config.h"

#include <string.h>
#include <sys/prctl.h>

#define START_MIN 8  /* bytes of a beginning that cannot have come about otherwise */
#define SECRET_MIN 4 /* what is shorter would be found in any text */

struct Secret {
    unsigned references;
    size_t size;
    char text[];
};

Secret *secret_new(const void *data, size_t n)
{
    Secret *secret = malloc(sizeof(Secret) + n + 1);

    if (!secret)
        return NULL;
    secret->references = 1;
    secret->size = n;
    memcpy(secret->text, data, n);
    secret->text[n] = '\0';
    return secret;
}

Secret *secret_ref(Secret *secret)
{
    if (secret)
        __atomic_add_fetch(&secret->references, 1, __ATOMIC_RELAXED);
    return secret;
}

Secret *secret_unref(Secret *secret)
{
    if (secret && __atomic_sub_fetch(&secret->references, 1, __ATOMIC_ACQ_REL) == 0) {
        explicit_bzero(secret->text, secret->size);
        free(secret);
    }
    return NULL;
}

const char *secret_text(const Secret *secret)
{
    return secret->text;
}

size_t secret_size(const Secret *secret)
{
    return secret->size;
}

size_t secret_told(const char *at, size_t n, const char *secret, size_t size)
{
    size_t same = 0, longest = MIN(n, size);

    while (same < longest && at[same] == secret[same])
        same++;
    return same >= START_MIN || (same == size && size >= SECRET_MIN) ? same : 0;
}

const char *secret_find(
    const char *data, size_t n, const char *secret, size_t size, size_t *ret_told)
{
    const char *end = data + n;

    while (size > 0 && (data = memchr(data, *secret, (size_t)(end - data)))) {
        *ret_told = secret_told(data, (size_t)(end - data), secret, size);
        if (*ret_told > 0)
            return data;
        data++;
    }
    return NULL;
}

void secret_hide_process(void)
{
#ifndef WITH_SANITIZERS /* one of them traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
