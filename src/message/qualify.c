/* Completing addresses in a header. Must never change anything else: what cannot be read is left to
 * whoever parses it and says what is wrong. */
#include "message/qualify.h"

#include <errno.h>

#include "message/address.h"
#include "message/header.h"

typedef struct Completer {
    Buffer *out;
    const char *copied; /* up to here the text is in `out` */
    const char *domain;
} Completer;

static int complete(void *user, const AddressItem *item)
{
    Completer *c = user;
    int r;

    if (!item->gap)
        return 0;
    r = buffer_append(c->out, c->copied, (size_t)(item->gap - c->copied));
    c->copied = item->gap;
    return r < 0 ? r : buffer_appendf(c->out, "@%s", c->domain);
}

/* How the field's addresses are read; -1: it has none. */
static int address_mode(FieldKind kind)
{
    switch (kind) {
    case FIELD_REPLY_TO:
    case FIELD_SENDER:
    case FIELD_FROM:
    case FIELD_RESENT_SENDER:
    case FIELD_RESENT_FROM: return ADDRESS_ORIGINATORS;
    case FIELD_TO ... FIELD_BCC:
    case FIELD_RESENT_TO ... FIELD_RESENT_BCC: return ADDRESS_RECIPIENTS;
    default: return -1;
    }
}

int message_qualify(const char *data, size_t n, const char *domain, Buffer *out)
{
    Completer completer = {.out = out, .copied = data, .domain = domain};
    HeaderField field;
    HeaderParts parts;
    int r = 0;

    (void)header_locate(data, n, true, &parts);
    while (r != -ENOMEM && header_next(&parts.header, &field, NULL) > 0) {
        int mode = address_mode(field.kind);

        if (mode >= 0)
            r = address_list_parse(
                field.value, field.n_value, (AddressMode)mode, complete, &completer, NULL);
    }
    if (r == -ENOMEM)
        return r;
    return buffer_append(out, completer.copied, (size_t)(data + n - completer.copied));
}
