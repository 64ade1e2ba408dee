/* Names for the wire. Must never let the mapping of IDNA bring forth what is no name. */
#include "net/idn.h"

#include <errno.h>
#include <idn2.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static void idn2_free_p(char **text)
{
    idn2_free(*text);
}

int domain_to_ascii(const char *domain, char **ret)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    _cleanup_(idn2_free_p) char *ascii = NULL;
    int r;

    if (text_is_ascii(domain, strlen(domain))) {
        *ret = strdup(domain);
        return *ret ? 0 : -ENOMEM;
    }
    r = idn2_to_ascii_8z(domain, &ascii, IDN2_NONTRANSITIONAL);
    if (r == IDN2_MALLOC)
        return -ENOMEM;
    if (r != IDN2_OK || ascii[strspn(ascii, letters)] != '\0')
        return -EINVAL;
    *ret = strdup(ascii);
    return *ret ? 0 : -ENOMEM;
}
