/* The table of suspects. Must never grow. */
#include "delivery/suspects.h"

#include <stddef.h>
#include <string.h>

void suspects_init(Suspects *s)
{
    *s = (Suspects){0};
    hash_key_init(&s->key);
}

uint64_t suspects_key(const Suspects *s, const char *id)
{
    return hash_bytes(&s->key, id, strlen(id)) | 1; /* never that of a free row */
}

static Suspect *find(Suspects *s, uint64_t hash)
{
    for (unsigned i = 0; i < SUSPECTS_MAX; i++)
        if (s->rows[i].id == hash)
            return &s->rows[i];
    return NULL;
}

const Suspect *suspects_find(const Suspects *s, const char *id)
{
    return s->n > 0 ? find((Suspects *)s, suspects_key(s, id)) : NULL;
}

void suspects_add(Suspects *s, const char *id, uint64_t served)
{
    uint64_t hash = suspects_key(s, id);
    Suspect *row = find(s, hash);

    if (!row) {
        row = &s->rows[s->next];
        s->next = (s->next + 1) % SUSPECTS_MAX;
        s->n += row->id == 0;
        *row = (Suspect){.id = hash};
    }
    row->times++;
    row->served = served;
}

void suspects_forget(Suspects *s, const char *id)
{
    Suspect *row = s->n > 0 ? find(s, suspects_key(s, id)) : NULL;

    if (!row)
        return;
    *row = (Suspect){0};
    s->n--;
}
