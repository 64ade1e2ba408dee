/* An address list, and the same bytes as one address. What the list hands out must be an address.
 */
#include <stdint.h>

#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *user, const char *address, size_t n)
{
    (void)user;
    if (address_check(address, n, true, NULL) < 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_failure_ Failure f = {0};

    (void)address_list_parse((const char *)data, size, check, NULL, &f);
    (void)address_check((const char *)data, size, false, &f);
    return 0;
}
