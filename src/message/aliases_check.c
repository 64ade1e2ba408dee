/* Checking aliases: each line, and whether each rule can be followed. Must never tell one mistake
 * twice, nor stop at the first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/aliases_internal.h"
#include "message/mend.h"

typedef struct Checking {
    const Alias *alias;
    Buffer *wrong; /* a line each */
} Checking;

static int check_element(void *user, const char *text, size_t n)
{
    const Checking *c = user;
    _cleanup_free_
    char *element = strndup(text, n);
    OneAddress one = {0};
    const char *why;
    int r = 0;

    if (!element)
        return -ENOMEM;
    aliases_unquote_include(element);
    if (text_starts_nocase(element, ":include:"))
        return 0;
    why = aliases_why_refused(element);
    if (!why)
        r = aliases_read_one(text, n, &one);
    free(one.address);
    if (r == -ENOMEM || (!why && r >= 0))
        return r;
    return buffer_appendf(c->wrong, "line %zu: %s has \"%s\", %s\n", c->alias->line, c->alias->name,
        element, why ?: "which is no address");
}

/* `one` is the rule for a name in front of it; NULL: there is none. 0 or -ENOMEM. */
static int check_alias(const Alias *alias, const Alias *one, Buffer *wrong)
{
    int r = one && one->name && alias->name ? aliases_is_same(one->name, alias->name) : 0;

    if (r < 0)
        return r;
    if (!alias->name)
        return buffer_appendf(
            wrong, "line %zu is none of aliases; write NAME: ADDRESS, ...\n", alias->line);
    if (r > 0)
        return buffer_appendf(wrong,
            "line %zu has a second rule for %s, which counts for nothing beside line %zu\n",
            alias->line, alias->name, one->line);
    r = address_list_split(
        alias->targets, strlen(alias->targets), check_element, &(Checking){alias, wrong});
    if (r == -ENOMEM || r >= 0)
        return MIN(r, 0);
    return buffer_appendf(
        wrong, "line %zu: %s has what is no list of addresses\n", alias->line, alias->name);
}

static int by_line(const void *a, const void *b)
{
    const Alias *one = *(const Alias *const *)a, *other = *(const Alias *const *)b;

    return (one->line > other->line) - (one->line < other->line);
}

int aliases_check(const Aliases *a, Failure *f)
{
    _cleanup_free_
    const Alias **lines = calloc(a->n + 1, sizeof(*lines));
    _cleanup_buffer_ Buffer wrong = {0};
    int r = lines ? 0 : -ENOMEM;

    for (size_t i = 0; lines && i < a->n; i++)
        lines[i] = &a->list[i];
    if (lines)
        qsort(lines, a->n, sizeof(*lines), by_line);
    for (size_t i = 0; r >= 0 && i < a->n; i++)
        r = check_alias(lines[i], lines[i] > a->list ? lines[i] - 1 : NULL, &wrong);
    if (r < 0)
        return failure_set_errno(f, r, "cannot read the aliases");
    if (buffer_size(&wrong) == 0)
        return 0;
    return failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%.*s", (int)buffer_size(&wrong) - 1,
        buffer_data(&wrong));
}

int local_names_check(const LocalNames *names, Failure *f)
{
    _cleanup_buffer_ Buffer wrong = {0};
    int r = local_names_gather(names, &wrong);

    if (r < 0)
        return failure_set_errno(f, r, "cannot follow the aliases");
    if (buffer_size(&wrong) == 0)
        return 0;
    return failure_set(
        f, -EINVAL, ERROR_CONFIGURATION, "%.*s", (int)buffer_size(&wrong) - 1, buffer_data(&wrong));
}
