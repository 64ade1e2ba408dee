/* The full name of a user. Must never give what is no name: a login name is in the address already.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tool/local.h"

char *local_full_name(const char *gecos, const char *login)
{
    _cleanup_buffer_ Buffer name = {0};
    int r = 0;

    for (const char *c = gecos; r >= 0 && *c && *c != ','; c++) {
        if (*c != '&') {
            r = buffer_append(&name, c, 1);
            continue;
        }
        r = buffer_append(&name, (char[]){text_upper(login[0])}, login[0] != '\0');
        if (r >= 0 && login[0])
            r = buffer_append_string(&name, login + 1);
    }
    if (r >= 0)
        r = buffer_append(&name, "", 1);
    if (r < 0)
        return NULL;
    return strdup(text_equal_nocase(buffer_data(&name), login) ? "" : buffer_data(&name));
}
