/* The From field that a message gets which has none. Must never hold what somebody's name could
 * make a second field of. */
#include <string.h>

#include "base/text.h"
#include "message/field_text.h"
#include "tool/sendmail.h"

/* A name that is none, such as one of several lines, is left out: whoever calls sendmail has it
 * from somewhere, and the mail is worth more. */
static bool is_usable(const char *name)
{
    size_t n = name ? strlen(name) : 0;

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return n > 0 && text_is_utf8(name, n);
}

int sendmail_format_from(const char *name, const char *address, Buffer *out)
{
    bool named = is_usable(name);
    _cleanup_buffer_ Buffer piece = {0};
    const FieldOutput header = field_output(out);
    FieldWriter w;
    int r = buffer_appendf(&piece, named ? "<%s>" : "%s", address);

    if (r < 0)
        return r;
    field_begin(&w, &header, "From", strlen("From"));
    w.utf8 = !text_is_ascii(address, strlen(address));
    if (named)
        field_put_phrase(&w, name, strlen(name));
    field_put(&w, " ", 1, buffer_data(&piece), buffer_size(&piece));
    r = field_end(&w, "From", NULL);
    return r < 0 ? r : buffer_append(out, "", 1);
}
