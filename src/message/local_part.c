/* Quoting local parts. Must never make two of one: whoever is named in two ways is one recipient.
 */
#include "message/local_part.h"

#include <string.h>

#include "message/atext.h"

bool local_part_is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_atext(text[i]) && (text[i] != '.' || i == 0 || i == n - 1 || text[i - 1] == '.'))
            return false;
    return n > 0;
}

size_t local_part_format(const char *text, size_t n, char *to, size_t size)
{
    size_t out = 0;

    if (local_part_is_plain(text, n)) {
        if (n <= size)
            memcpy(to, text, n);
        return n <= size ? n : 0;
    }
    if (size < 2)
        return 0;
    to[out++] = '"';
    for (size_t i = 0; i < n; i++) {
        bool escaped = text[i] == '"' || text[i] == '\\';

        if (out + escaped + 2 > size)
            return 0;
        if (escaped)
            to[out++] = '\\';
        to[out++] = text[i];
    }
    to[out++] = '"';
    return out;
}
