/* Reading aliases. Must never take what is wrong with a line for the end of the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "message/address.h"
#include "message/aliases_internal.h"

void aliases_free(Aliases *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        free(a->list[i].name);
        free(a->list[i].folded);
        free(a->list[i].targets);
    }
    free(a->list);
    free(a);
}

/* The colon that ends the name, which may be quoted. */
static const char *find_colon(const char *at, const char *end)
{
    bool quoted = false;

    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == ':' && !quoted)
            return at;
    }
    return NULL;
}

static int take_one(void *user, const AddressItem *item)
{
    OneAddress *one = user;

    if (item->kind != ADDRESS_MAILBOX)
        return -EBADMSG;
    if (one->n++ > 0)
        return -EBADMSG;
    one->is_bare = item->gap;
    one->address = strndup(item->address, item->n_address);
    return one->address ? 0 : -ENOMEM;
}

int aliases_read_one(const char *text, size_t n, OneAddress *one)
{
    int r = address_list_parse(text, n, ADDRESS_RECIPIENTS, take_one, one, NULL);

    return r >= 0 && one->n == 0 ? -EBADMSG : r;
}

static Alias *grow(Aliases *a)
{
    if (a->n == a->allocated) {
        size_t allocated = a->allocated ? a->allocated * 2 : 16;
        Alias *list = reallocarray(a->list, allocated, sizeof(Alias));

        if (!list)
            return NULL;
        a->list = list;
        a->allocated = allocated;
    }
    a->list[a->n] = (Alias){0};
    return &a->list[a->n++];
}

/* A line with those that continue it. */
static int add_line(Aliases *a, const char *data, size_t n, size_t line)
{
    const char *colon = find_colon(data, data + n);
    Alias *alias = grow(a);
    OneAddress one = {0};
    int r;

    if (!alias)
        return -ENOMEM;
    alias->line = line;
    if (!colon || memchr(data, '\0', n))
        return 0;
    r = aliases_read_one(data, (size_t)(colon - data), &one);
    if (r < 0 || !one.is_bare) {
        free(one.address);
        return r == -ENOMEM ? r : 0;
    }
    alias->name = one.address;
    r = text_fold_case(alias->name, &alias->folded);
    if (r < 0)
        return r;
    alias->targets = strndup(colon + 1, n - (size_t)(colon + 1 - data));
    return alias->targets ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
    const Alias *one = a, *other = b;
    int order;

    if (!one->name || !other->name)
        order = !other->name - !one->name;
    else
        order = strcmp(one->folded, other->folded);
    return order ? order : one->line < other->line ? -1 : one->line > other->line;
}

bool aliases_is_comment(const char *at, const char *end)
{
    while (at < end && text_is_space(*at))
        at++;
    return at == end || *at == '#';
}

int aliases_parse(const char *data, size_t n, Aliases **ret)
{
    _cleanup_(aliases_free_p) Aliases *a = calloc(1, sizeof(Aliases));
    _cleanup_buffer_ Buffer text = {0};
    size_t mark = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* editors put it there */
    const char *at = data + mark, *end = data + n;
    size_t line = 0, first = 0;
    int r = a ? 0 : -ENOMEM;

    while (r >= 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)),
                   *next = newline ? newline + 1 : end;

        line++;
        if (!aliases_is_comment(at, next)) {
            if (!text_is_space(*at) && buffer_size(&text) > 0) {
                r = add_line(a, buffer_data(&text), buffer_size(&text), first);
                buffer_clear(&text);
            }
            if (buffer_size(&text) == 0)
                first = line;
            if (r >= 0)
                r = buffer_append(&text, at, (size_t)(next - at));
        }
        at = next;
    }
    if (r >= 0 && buffer_size(&text) > 0)
        r = add_line(a, buffer_data(&text), buffer_size(&text), first);
    if (r < 0)
        return r;
    if (a->n > 0)
        qsort(a->list, a->n, sizeof(Alias), compare);
    *ret = TAKE_PTR(a);
    return 0;
}

Alias *aliases_find_folded(const Aliases *a, const char *folded)
{
    size_t low = 0, high = a->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (!a->list[middle].name || strcmp(a->list[middle].folded, folded) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->n && strcmp(a->list[low].folded, folded) == 0 ? &a->list[low] : NULL;
}
