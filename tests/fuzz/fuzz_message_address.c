/* An address list, and the same bytes as one address. What the list hands out must be an address.
 */
#include <stdint.h>

#include "message/address.h"
#include "target.h"

static int check(void *user, const AddressItem *item)
{
    if (item->kind == ADDRESS_MAILBOX &&
        address_check(item->address, item->n_address, true, NULL) < 0)
        abort();
    return address_append_name(item, user);
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 500};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer names = {0};

    (void)address_list_parse((const char *)data, size, ADDRESS_RECIPIENTS, check, &names, &f);
    (void)address_list_parse((const char *)data, size, ADDRESS_ORIGINATORS, check, &names, &f);
    (void)address_check((const char *)data, size, false, &f);
}
