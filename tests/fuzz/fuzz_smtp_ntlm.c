/* smtp/ntlm: whatever a challenge says, there is no answer, or one whose fields lie within it. The
 * first byte of the input chooses version and channel, the rest is the challenge. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/ntlm.h"
#include "target.h"

static void check_field(const uint8_t *data, size_t n, size_t at)
{
    size_t size = data[at] | (size_t)data[at + 1] << 8;
    size_t offset = data[at + 4] | (size_t)data[at + 5] << 8 | (size_t)data[at + 6] << 16 |
                    (size_t)data[at + 7] << 24;

    if (offset > n || size > n - offset)
        abort();
}

const FuzzBudget fuzz_budget = {.steps = 8000, .steps_per_byte = 8};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_secret_ Secret *secret = secret_new("pencil", 6);
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_failure_ Failure failure = {0};
    NtlmLogin login = {.user = "D\\user", .password = secret};
    const NtlmFresh fresh = {.time = 1};
    int r;

    if (size == 0)
        return;
    login.version_1 = data[0] & 1;
    if (data[0] & 2) {
        login.end_point = "channel";
        login.end_point_size = 7;
    }
    r = ntlm_authenticate(&login, &fresh, data + 1, size - 1, &out, &failure);
    if (r < 0) {
        if (r != -EBADMSG || failure.number == 0 || buffer_size(&out) > 0)
            abort();
        return;
    }
    for (size_t at = 12; at < 60; at += 8)
        check_field((const uint8_t *)buffer_data(&out), buffer_size(&out), at);
}
