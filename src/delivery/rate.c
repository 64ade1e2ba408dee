/* Counting in slots of time. Must never forget a message before its time is over: a slot counts
 * until the last moment of it has. */
#include "delivery/rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* Times begin here, so that what was sent before the machine started has one. */
#define START (USEC_PER_DAY * 366 * 10)

#define EARLY USEC_PER_SEC          /* how soon a part may be more that others have not heard of */
#define FIRST_PAUSE USEC_PER_MINUTE /* how soon this process may be the first */

void rate_init(RateWindow *w, const Rate *rate)
{
    *w = (RateWindow){.rate = *rate, .limit = rate->limit, .first = true};
}

void rate_share(RateWindow *w, const Share *share)
{
    w->limit = share_of(share, w->rate.limit);
    w->early = !share->known;
    w->first = share->place == 0 && share->known;
}

static usec_t width_of(const RateWindow *w)
{
    return (w->rate.per + RATE_SLOTS - 2) / (RATE_SLOTS - 1);
}

/* Lets go of what is over. A clock that goes back leaves everything as it is. */
static void turn(RateWindow *w, usec_t now)
{
    uint64_t slot = usec_add(now, START) / width_of(w);

    if (slot <= w->slot)
        return;
    for (uint64_t n = MIN(slot - w->slot, (uint64_t)RATE_SLOTS), i = slot + 1 - n; n > 0; n--, i++)
        w->counts[i % RATE_SLOTS] = w->others[i % RATE_SLOTS] = 0;
    w->slot = slot;
}

static uint64_t count(const uint32_t counts[static RATE_SLOTS])
{
    uint64_t n = 0;

    for (size_t i = 0; i < RATE_SLOTS; i++)
        n += counts[i];
    return n;
}

static void add(uint32_t *count, uint64_t n)
{
    *count = (uint32_t)MIN(*count + n, (uint64_t)UINT32_MAX);
}

void rate_note(RateWindow *w, uint64_t n, usec_t now)
{
    turn(w, now);
    add(&w->counts[w->slot % RATE_SLOTS], n);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a - MIN(a, b);
}

uint64_t rate_room(RateWindow *w, usec_t now)
{
    uint64_t own, all;

    turn(w, now);
    own = count(w->counts);
    all = own + count(w->others);
    return MIN(less(w->limit, own), less(w->rate.limit, all));
}

/* When so many of that limit may be, by what this process sent, and the others where they count. */
static usec_t when(const RateWindow *w, uint32_t limit, uint64_t n, bool others, usec_t now)
{
    uint64_t used = count(w->counts) + (others ? count(w->others) : 0),
             oldest = w->slot + 1 - MIN(w->slot + 1, (uint64_t)RATE_SLOTS);

    if (used + n <= limit)
        return now;
    for (; used + n > limit; oldest++)
        used -= w->counts[oldest % RATE_SLOTS] + (others ? w->others[oldest % RATE_SLOTS] : 0);
    return (oldest - 1 + RATE_SLOTS) * width_of(w) - START;
}

usec_t rate_when(RateWindow *w, uint64_t n, usec_t now)
{
    usec_t own, all;

    turn(w, now);
    own = when(w, w->limit, MIN(n, (uint64_t)w->limit), false, now);
    all = when(w, w->rate.limit, MIN(n, (uint64_t)w->rate.limit), true, now);
    if (n > w->limit && !w->first)
        own = usec_add(now, FIRST_PAUSE);
    if (w->early)
        own = MIN(own, usec_add(now, EARLY));
    return MAX(own, all);
}

bool rate_is_used(const RateWindow *w)
{
    return rate_used(w) >= w->limit;
}

uint64_t rate_used(const RateWindow *w)
{
    return count(w->counts);
}

int rate_format(RateWindow *w, usec_t now, Buffer *out)
{
    const char *comma = "";
    int r = 0;

    turn(w, now);
    for (uint64_t age = 0; age < RATE_SLOTS && age <= w->slot && r >= 0; age++) {
        uint32_t n = w->counts[(w->slot - age) % RATE_SLOTS];

        if (n == 0)
            continue;
        r = buffer_appendf(
            out, "%s%llu:%u", comma, (unsigned long long)(age * width_of(w) / USEC_PER_SEC), n);
        comma = ",";
    }
    return r;
}

static void parse(
    RateWindow *w, uint32_t counts[static RATE_SLOTS], const char *text, usec_t age, usec_t now)
{
    turn(w, now);
    while (*text >= '0' && *text <= '9') {
        char *end;
        uint64_t seconds = strtoull(text, &end, 10), n, slots;

        if (*end != ':')
            return;
        n = strtoull(end + 1, &end, 10);
        slots = MIN(seconds, RATE_PER_MAX / USEC_PER_SEC) * USEC_PER_SEC;
        slots = (slots + MIN(age, RATE_PER_MAX)) / width_of(w);
        if (slots < RATE_SLOTS)
            add(&counts[(w->slot - slots) % RATE_SLOTS], MIN(n, (uint64_t)UINT32_MAX));
        if (*end != ',')
            return;
        text = end + 1;
    }
}

void rate_parse(RateWindow *w, const char *text, usec_t age, usec_t now)
{
    parse(w, w->counts, text, age, now);
}

void rate_parse_others(RateWindow *w, const char *text, usec_t age, usec_t now)
{
    parse(w, w->others, text, age, now);
}

void rate_forget_others(RateWindow *w)
{
    memset(w->others, 0, sizeof(w->others));
}
