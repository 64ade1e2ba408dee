/* Names for the wire. Must never let the mapping of IDNA bring forth what is no name, nor load what
 * a name in ASCII does not need. */
#include "base/idn.h"

#include <dlfcn.h>
#include <errno.h>
#include <idn2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define LIBRARY "libidn2.so.0"

/* libidn2 and the tables of Unicode behind it, which few programs that queue a message need: loaded
 * with the first name that does. */
static struct {
    __typeof__(idn2_to_ascii_8z) *to_ascii;
    __typeof__(idn2_free) *free;
} idn2;

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!library)
        return;
    idn2.free = (__typeof__(idn2.free))dlsym(library, "idn2_free");
    if (idn2.free)
        idn2.to_ascii = (__typeof__(idn2.to_ascii))dlsym(library, "idn2_to_ascii_8z");
}

static void idn2_free_p(char **text)
{
    if (*text)
        idn2.free(*text);
}

static int convert(const char *domain, char **ret)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    _cleanup_(idn2_free_p) char *ascii = NULL;
    int r = idn2.to_ascii(domain, &ascii, IDN2_NONTRANSITIONAL);

    if (r == IDN2_MALLOC)
        return -ENOMEM;
    if (r != IDN2_OK || ascii[strspn(ascii, letters)] != '\0' || strlen(ascii) > DOMAIN_ASCII_MAX)
        return -EINVAL;
    *ret = strdup(ascii);
    return *ret ? 0 : -ENOMEM;
}

int domain_to_ascii(const char *domain, char **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (text_is_ascii(domain, strlen(domain))) {
        *ret = strdup(domain);
        return *ret ? 0 : -ENOMEM;
    }
    (void)pthread_once(&once, load);
    return idn2.to_ascii ? convert(domain, ret) : -ELIBACC;
}

int address_to_ascii_domain(const char *address, char **ret)
{
    const char *at = strrchr(address, '@');
    _cleanup_free_
    char *domain = NULL;
    int r;

    *ret = NULL;
    if (!at || text_is_ascii(at, strlen(at)))
        return 0;
    r = domain_to_ascii(at + 1, &domain);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    return asprintf(ret, "%.*s@%s", (int)(at - address), address, domain) < 0 ? -ENOMEM : 0;
}

const char *domain_trouble(int error)
{
    return error == -ELIBACC
               ? "is not ASCII, and libidn2, which converts it, is not installed: install "
                 "it, or write the name in ASCII (\"xn--...\")"
               : "cannot be the name of a host: correct it";
}
