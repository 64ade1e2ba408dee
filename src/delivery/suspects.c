/* The table of suspects. Must never grow. */
#include "delivery/suspects.h"

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

static Suspect *find(Suspects *s, uint64_t hash, size_t relay)
{
    for (unsigned i = 0; i < SUSPECTS_MAX; i++)
        if (s->rows[i].id == hash && s->rows[i].relay == relay)
            return &s->rows[i];
    return NULL;
}

const Suspect *suspects_find(const Suspects *s, const char *id, size_t relay)
{
    return s->n > 0 ? find((Suspects *)s, suspects_key(s, id), relay) : NULL;
}

void suspects_add(Suspects *s, const char *id, size_t relay, uint64_t served)
{
    uint64_t hash = suspects_key(s, id);
    Suspect *row = find(s, hash, relay);

    if (!row) {
        row = &s->rows[s->next];
        s->next = (s->next + 1) % SUSPECTS_MAX;
        s->n += row->id == 0;
        *row = (Suspect){.id = hash, .relay = relay};
    }
    row->times++;
    row->served = served;
}

void suspects_forget(Suspects *s, const char *id)
{
    uint64_t hash = s->n > 0 ? suspects_key(s, id) : 0;

    for (unsigned i = 0; i < SUSPECTS_MAX && s->n > 0; i++) {
        if (s->rows[i].id != hash)
            continue;
        s->rows[i] = (Suspect){0};
        s->n--;
    }
}
