/* Ids cut short. Must never call a beginning unique that is not. */
#include "tool/short_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ESCAPE_BYTES 4 /* \xNN */

static int take(ShortIds *ids, size_t *allocated, const char *id)
{
    if (ids->n == *allocated) {
        char **more = reallocarray(ids->all, *allocated * 2 + 64, sizeof(char *));

        if (!more)
            return -ENOMEM;
        ids->all = more;
        *allocated = *allocated * 2 + 64;
    }
    ids->all[ids->n] = text_printable_whole(id, strlen(id));
    return ids->all[ids->n] ? (int)++ids->n : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that were not all read are none. */
static void read_all(ShortIds *ids)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    size_t allocated = 0;
    SpoolEntry entry;
    int r = spool_scan_new(ids->spool, &scan, NULL);

    while (r >= 0 && (r = spool_scan_next(scan, &entry)) > 0)
        r = take(ids, &allocated, entry.id);
    if (r < 0)
        short_ids_done(ids);
    else if (ids->n > 0)
        qsort(ids->all, ids->n, sizeof(char *), compare);
}

static size_t common(const char *a, const char *b)
{
    size_t n = 0;

    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

size_t short_id_border(const char *id, size_t n)
{
    for (size_t back = 1; back < ESCAPE_BYTES && back <= n; back++)
        if (id[n - back] == '\\' && id[n - back + 1] == 'x')
            return n - back;
    return n;
}

/* More bytes than `n`: to the end of a character, and of an escape. */
static size_t step_over(const char *id, size_t n)
{
    const size_t length = strlen(id);

    do
        n++;
    while (n < length && (((unsigned char)id[n] & 0xc0) == 0x80 || short_id_border(id, n) < n));
    return n < length ? n : length;
}

/* The first that does not come before this one. */
static size_t find_place(const ShortIds *ids, const char *id)
{
    size_t low = 0, high = ids->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(ids->all[middle], id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t short_ids_needed(void *userdata, const char *id)
{
    ShortIds *ids = userdata;
    size_t place, shared = 0;

    if (!ids->all && ids->spool)
        read_all(ids);
    ids->spool = NULL;
    if (!ids->all)
        return strlen(id);
    place = find_place(ids, id);
    if (place > 0)
        shared = common(id, ids->all[place - 1]);
    while (place < ids->n && strcmp(ids->all[place], id) == 0)
        place++;
    if (place < ids->n)
        shared = MAX(shared, common(id, ids->all[place]));
    return step_over(id, shared);
}

void short_ids_done(ShortIds *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        free(ids->all[i]);
    free(ids->all);
    *ids = (ShortIds){0};
}
