/* Losses, by address. Must never take a relay's verdict for one. */
#include "spool/losses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "spool/internal.h"

/* What is behind `name` in a line of ours, or NULL. Within a text no quote stands by itself. */
static const char *find_member(const char *line, size_t n, const char *name)
{
    const char *at = memmem(line, n, name, strlen(name));

    return at ? at + strlen(name) : NULL;
}

/* A connection that ended: without a reply, with one that is none, or with 421. */
static bool is_loss(const char *line, size_t n)
{
    static const char *const stages[] = {"rcpt\"", "data\"", "content\""};
    const char *code = find_member(line, n, ",\"code\":");
    const char *stage = find_member(line, n, ",\"stage\":\"");
    long number = code ? strtol(code, NULL, 10) : 0; /* ends before the line does */

    if (!code || !stage || (number >= 400 && number < 500 && number != 421))
        return false;
    for (size_t i = 0; i < ELEMENTSOF(stages); i++)
        if (strncmp(stage, stages[i], strlen(stages[i])) == 0)
            return true;
    return false;
}

static int add(SpoolLosses *l, const char *recipient)
{
    /* Room is doubled whenever the number reaches a power of two. */
    if ((l->n & (l->n - 1)) == 0) {
        SpoolLoss *more = reallocarray(l->list, l->n > 0 ? l->n * 2 : 1, sizeof(*more));

        if (!more)
            return -ENOMEM;
        l->list = more;
    }
    l->list[l->n] = (SpoolLoss){.address = strdup(recipient), .attempt = l->attempts};
    if (!l->list[l->n].address)
        return -ENOMEM;
    l->n++;
    return 0;
}

int spool_losses_add(SpoolLosses *l, const char *line, size_t n, bool opens)
{
    const char *recipient;
    json_t *json;
    int r;

    l->open = l->open && !opens;
    if (!is_loss(line, n))
        return 0;
    r = spool_record_line_load(line, n, &json);
    recipient = json_string_value(json_object_get(json, "recipient"));
    if (recipient) {
        l->attempts += !l->open;
        l->open = true;
        r = add(l, recipient);
    }
    json_decref(json);
    return r;
}

static int compare(const void *a, const void *b)
{
    const SpoolLoss *one = a, *other = b;
    int order = strcmp(one->address, other->address);

    return order != 0 ? order : (one->attempt > other->attempt) - (one->attempt < other->attempt);
}

void spool_losses_sort(SpoolLosses *l)
{
    size_t n = 0;

    if (l->n > 0)
        qsort(l->list, l->n, sizeof(*l->list), compare);
    for (size_t i = 0; i < l->n; i++) {
        if (i + 1 < l->n && strcmp(l->list[i].address, l->list[i + 1].address) == 0)
            free(l->list[i].address); /* the later one counts */
        else
            l->list[n++] = l->list[i];
    }
    l->n = n;
}

static int compare_address(const void *address, const void *loss)
{
    return strcmp(address, ((const SpoolLoss *)loss)->address);
}

unsigned spool_losses_latest(const SpoolLosses *l, const char *address)
{
    const SpoolLoss *found =
        l->n > 0 ? bsearch(address, l->list, l->n, sizeof(*l->list), compare_address) : NULL;

    return found ? found->attempt : 0;
}

void spool_losses_done(SpoolLosses *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->list[i].address);
    free(l->list);
    *l = (SpoolLosses){0};
}
