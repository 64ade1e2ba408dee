/* What the first bytes of a file say. Must never judge them. */
#include <string.h>

#include "base/text.h"
#include "message/header.h"
#include "message/message.h"

bool message_peek_lane(const char *data, size_t n, char ret[static LANE_NAME_MAX + 1])
{
    HeaderParts parts;
    HeaderField field;
    bool found = false;

    (void)header_locate(data, n, false, &parts); /* the header may go on behind these bytes */
    while (header_next(&parts.block, &field, NULL) > 0) {
        const char *at = field.value, *end = at + field.n_value;
        char *to = ret;

        if (!header_field_is(&field, "X-Outbox-Lane"))
            continue;
        if (found)
            return false;
        while (at < end && text_is_space(*at))
            at++;
        while (end > at && text_is_space(end[-1]))
            end--;
        if (lane_check(at, (size_t)(end - at), NULL) < 0)
            return false;
        for (; at < end; at++)
            *to++ = text_fold(*at);
        *to = '\0';
        found = true;
    }
    return found;
}
