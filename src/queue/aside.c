/* Pauses that grow. Must never keep a message for longer than the longest. */
#include "queue/aside.h"

#include <string.h>

#include "base/macros.h"

#define PAUSE_FIRST (5 * USEC_PER_SEC)
#define PAUSE_MAX (5 * USEC_PER_MINUTE)

void aside_init(Aside *aside)
{
    *aside = (Aside){0};
    hash_key_init(&aside->key);
}

static uint64_t hash_of(const Aside *aside, const char *name)
{
    return hash_bytes(&aside->key, name, strlen(name)) ?: 1;
}

static const struct AsideRow *find(const Aside *aside, uint64_t name)
{
    for (size_t i = 0; i < ASIDE_MAX; i++)
        if (aside->rows[i].name == name)
            return &aside->rows[i];
    return NULL;
}

/* Whether it has not been well in between. */
static bool goes_on(const struct AsideRow *row, usec_t now)
{
    return now < usec_add(row->until, PAUSE_MAX);
}

usec_t aside_pause(Aside *aside, const char *name, bool unread, usec_t now)
{
    uint64_t hash = hash_of(aside, name);
    const struct AsideRow *row = find(aside, hash);
    size_t place = row ? (size_t)(row - aside->rows) : aside->next;
    struct AsideRow next = {.name = hash, .pause = PAUSE_FIRST, .unread_since = unread ? now : 0};

    if (!row)
        aside->next = (aside->next + 1) % ASIDE_MAX;
    if (row && goes_on(row, now)) {
        next.pause = MIN(2 * row->pause, PAUSE_MAX);
        if (unread && row->unread_since > 0)
            next.unread_since = row->unread_since;
    }
    next.until = usec_add(now, next.pause);
    aside->rows[place] = next;
    return next.pause;
}

usec_t aside_unread(const Aside *aside, const char *name, usec_t now)
{
    const struct AsideRow *row = find(aside, hash_of(aside, name));
    usec_t since = row && goes_on(row, now) ? row->unread_since : 0;

    return since > 0 && now > since ? now - since : 0;
}
