/* Replacing addresses in a header. Must never change anything beside them: a name that stands
 * before one is how people know who writes. */
#include "message/rewrite.h"

#include <errno.h>

#include "base/macros.h"
#include "message/address.h"
#include "message/header.h"

typedef struct Rewriter {
    Buffer *out;
    const char *copied; /* up to here the text is in `out` */
    AddressReplace replace;
    void *user;
} Rewriter;

static int rewrite(void *user, const AddressItem *item)
{
    Rewriter *w = user;
    _cleanup_free_
    char *address = NULL;
    int r = item->kind == ADDRESS_MAILBOX ? w->replace(w->user, item->address, &address) : 0;

    if (r < 0 || !address)
        return r;
    r = buffer_append(w->out, w->copied, (size_t)(item->start - w->copied));
    w->copied = item->end;
    return r < 0 ? r : buffer_append_string(w->out, address);
}

static bool names_originators(FieldKind kind)
{
    return kind == FIELD_FROM || kind == FIELD_SENDER || kind == FIELD_RESENT_FROM ||
           kind == FIELD_RESENT_SENDER;
}

int message_rewrite(const char *data, size_t n, AddressReplace replace, void *user, Buffer *out)
{
    Rewriter w = {.out = out, .copied = data, .replace = replace, .user = user};
    HeaderField field;
    HeaderParts parts;
    int r = 0;

    (void)header_locate(data, n, true, &parts);
    while (r != -ENOMEM && header_next(&parts.header, &field, NULL) > 0)
        if (names_originators(field.kind))
            r = address_list_parse(
                field.value, field.n_value, ADDRESS_ORIGINATORS, rewrite, &w, NULL);
    return r == -ENOMEM ? r : buffer_append(out, w.copied, (size_t)(data + n - w.copied));
}
