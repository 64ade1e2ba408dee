/* Decisions from a seed or a list. Must never let one decision hang on another. */
#include "schedule.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define FIELD_BITS 12
#define FIELD_MAX ((1u << FIELD_BITS) - 1)

static const char *const words[] = {
#define DECISION_WORD(name, word) [DECIDE_##name] = word,
    DECISIONS(DECISION_WORD)
#undef DECISION_WORD
};

static uint64_t pack(Decision decision, Which w)
{
    uint64_t key = decision;

    key = key << FIELD_BITS | MIN(w.a, FIELD_MAX);
    key = key << FIELD_BITS | MIN(w.b, FIELD_MAX);
    key = key << FIELD_BITS | MIN(w.c, FIELD_MAX);
    return key << FIELD_BITS | MIN(w.d, FIELD_MAX);
}

/* SplitMix64. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

void schedule_init_seed(Schedule *s, uint64_t seed)
{
    *s = (Schedule){.seed = seed};
}

void schedule_init_list(Schedule *s, const Decided *list, size_t n)
{
    *s = (Schedule){.listed = true, .n = n, .allocated = n};
    s->list = malloc(MAX(n, (size_t)1) * sizeof(Decided));
    if (!s->list)
        abort();
    if (n > 0)
        memcpy(s->list, list, n * sizeof(Decided));
}

void schedule_done(Schedule *s)
{
    free(s->list);
    *s = (Schedule){0};
}

/* The place of a key: where it is, or belongs. */
static size_t find(const Schedule *s, uint64_t key)
{
    size_t from = 0, to = s->n;

    while (from < to) {
        size_t middle = (from + to) / 2;

        if (s->list[middle].key < key)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void keep(Schedule *s, uint64_t key, unsigned value)
{
    size_t at = find(s, key);

    if (at < s->n && s->list[at].key == key)
        return;
    if (s->n == s->allocated) {
        s->allocated = MAX((size_t)64, 2 * s->allocated);
        s->list = realloc(s->list, s->allocated * sizeof(Decided));
        if (!s->list)
            abort();
    }
    memmove(&s->list[at + 1], &s->list[at], (s->n - at) * sizeof(Decided));
    s->list[at] = (Decided){key, value};
    s->n++;
}

static unsigned listed(const Schedule *s, uint64_t key, unsigned n)
{
    size_t at = find(s, key);

    return at < s->n && s->list[at].key == key ? MIN(s->list[at].value, n - 1) : 0;
}

unsigned schedule_seldom(Schedule *s, Decision decision, Which which, unsigned n, unsigned often)
{
    uint64_t key = pack(decision, which), random;
    unsigned value;

    if (n < 2)
        return 0;
    if (s->listed)
        return listed(s, key, n);
    random = mix(s->seed ^ mix(key));
    value = random % 1024 < often ? 1 + (unsigned)(random >> 10) % (n - 1) : 0;
    if (s->records && value > 0)
        keep(s, key, value);
    return value;
}

unsigned schedule_choose(Schedule *s, Decision decision, Which which, unsigned n)
{
    return schedule_seldom(s, decision, which, n, 1024 - 1024 / MAX(n, 1u));
}

void schedule_begin(Schedule *s)
{
    s->random = schedule_choose(s, DECIDE_RANDOM, (Which){0}, 1u << 31);
}

uint64_t schedule_random(const Schedule *s, uint64_t number)
{
    return mix(s->random + mix(number));
}

/* ---- as text ---- */

void schedule_print(const Schedule *s)
{
    for (size_t i = 0; i < s->n; i++) {
        uint64_t key = s->list[i].key;
        unsigned field[4], last = 4;

        for (unsigned k = 4; k-- > 0; key >>= FIELD_BITS)
            field[k] = key & FIELD_MAX;
        while (last > 0 && field[last - 1] == 0)
            last--;
        printf("%s%s", i > 0 ? " " : "", words[key]);
        for (unsigned k = 0; k < last; k++)
            printf(".%u", field[k]);
        printf("=%u", s->list[i].value);
    }
    printf("\n");
}

/* One word of it. Returns what is behind, or NULL. */
static const char *parse_one(Schedule *s, const char *text)
{
    unsigned field[4] = {0}, n = 0, d = 0;
    size_t length = strcspn(text, ".=");
    char *end;
    unsigned long value;

    while (d < DECISION_MAX && (strlen(words[d]) != length || strncmp(words[d], text, length) != 0))
        d++;
    if (d == DECISION_MAX)
        return NULL;
    for (text += length; *text == '.' && n < 4; text = end)
        field[n++] = (unsigned)strtoul(text + 1, &end, 10);
    if (*text != '=' || !isdigit((unsigned char)text[1]))
        return NULL;
    value = strtoul(text + 1, &end, 10);
    if (value > 0)
        keep(s, pack(d, (Which){field[0], field[1], field[2], field[3]}), (unsigned)value);
    return end;
}

bool schedule_parse(Schedule *s, const char *text)
{
    *s = (Schedule){.listed = true};
    for (;;) {
        text += strspn(text, " \t\n");
        if (*text == '\0')
            return true;
        text = parse_one(s, text);
        if (!text || (*text != '\0' && !isspace((unsigned char)*text)))
            return false;
    }
}
