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

static struct AsideRow *find(Aside *aside, uint64_t name)
{
    for (size_t i = 0; i < ASIDE_MAX; i++)
        if (aside->rows[i].name == name)
            return &aside->rows[i];
    return NULL;
}

usec_t aside_pause(Aside *aside, const char *name, usec_t now)
{
    uint64_t hash = hash_bytes(&aside->key, name, strlen(name)) ?: 1;
    struct AsideRow *row = find(aside, hash);
    usec_t pause = PAUSE_FIRST;

    if (!row) {
        row = &aside->rows[aside->next];
        aside->next = (aside->next + 1) % ASIDE_MAX;
    } else if (now < usec_add(row->until, PAUSE_MAX)) /* it has not been well in between */
        pause = MIN(2 * row->pause, PAUSE_MAX);
    *row = (struct AsideRow){.name = hash, .pause = pause, .until = usec_add(now, pause)};
    return pause;
}
