/* net/tlsa: any DNS message gives records that are whole, or none. */
#include <errno.h>
#include <stdlib.h>

#include "net/tlsa.h"
#include "target.h"

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 200};

void fuzz_input(const uint8_t *data, size_t size)
{
    TlsaSet set;
    int r = tlsa_parse(data, size, &set);

    if (r < 0 && r != -EBADMSG && r != -ENOMEM)
        abort();
    if (set.n > TLSA_RECORDS_MAX || (r < 0 && set.n > 0) || tlsa_count_usable(&set) > set.n)
        abort();
    for (size_t i = 0; i < set.n; i++)
        if (set.records[i].n == 0 || !set.records[i].data)
            abort();
    tlsa_set_done(&set);
}
