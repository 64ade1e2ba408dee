/* net/srv: any DNS message gives records whose targets are hosts, or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/srv.h"
#include "target.h"

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 400};

void fuzz_input(const uint8_t *data, size_t size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    SrvRecord records[SRV_RECORDS_MAX];
    size_t n;
    int r = srv_parse(data, size, true, records, &n);

    if (r < 0 && r != -EBADMSG)
        abort();
    if (n > SRV_RECORDS_MAX || (r < 0 && n > 0))
        abort();
    for (size_t i = 0; i < n; i++)
        if (strspn(records[i].target, letters) != strlen(records[i].target) ||
            (records[i].target[0] && records[i].port == 0))
            abort();
}
