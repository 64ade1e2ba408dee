/* net/mta_sts: any text is a policy that says what it is, or none; any DNS message has a record
 * with an id, or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/mta_sts.h"
#include "target.h"

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 400};

static void try_policy(const char *data, size_t size)
{
    MtaStsPolicy policy;
    char list[MTA_STS_LIST_MAX];
    int r = mta_sts_parse(data, size, &policy);

    if (r < 0 && r != -EBADMSG)
        abort();
    if (r < 0 && (policy.max_age != 0 || buffer_size(&policy.patterns) > 0))
        abort();
    if (policy.max_age > MTA_STS_AGE_MAX || policy.mode > MTA_STS_ENFORCE ||
        buffer_size(&policy.patterns) > size ||
        (r == 0 && policy.mode != MTA_STS_NONE && buffer_size(&policy.patterns) == 0))
        abort();
    if (mta_sts_matches(&policy, "") || mta_sts_matches(&policy, "..") ||
        (mta_sts_matches(&policy, "mail.example.com") && size == 0))
        abort();
    mta_sts_list(&policy, list);
    if (strlen(list) >= sizeof(list))
        abort();
    mta_sts_policy_done(&policy);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    char id[MTA_STS_ID_MAX];
    int r = mta_sts_record(data, size, id);

    if ((r != 0 && r != 1 && r != -EBADMSG) || strlen(id) >= sizeof(id) ||
        (r == 1) != (id[0] != '\0'))
        abort();
    try_policy((const char *)data, size);
}
