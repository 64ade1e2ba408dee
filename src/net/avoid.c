/* A small table of addresses. Must never keep an address from being tried. */
#include "net/avoid.h"

#include <string.h>

#include "base/macros.h"
#include "net/address.h"

#define PAUSE_FIRST (2 * USEC_PER_MINUTE)
#define PAUSE_MAX (30 * USEC_PER_MINUTE)

/* The index of an address, or AVOID_MAX. */
static size_t find(const AvoidList *list, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < AVOID_MAX; i++)
        if (list->entries[i].failures > 0 &&
            list->entries[i].address.ss_family == address->ss_family &&
            memcmp(&list->entries[i].address, address, address_size(address)) == 0)
            return i;
    return AVOID_MAX;
}

/* A free place, or that of the address which is due first. */
static size_t make_room(const AvoidList *list)
{
    size_t room = 0;

    for (size_t i = 0; i < AVOID_MAX; i++) {
        if (list->entries[i].failures == 0)
            return i;
        if (list->entries[i].until < list->entries[room].until)
            room = i;
    }
    return room;
}

void avoid_note(AvoidList *list, const struct sockaddr_storage *address, usec_t now)
{
    size_t i = find(list, address);
    usec_t pause = PAUSE_FIRST;
    Avoided *entry;

    if (i == AVOID_MAX) {
        i = make_room(list);
        list->entries[i] = (Avoided){.address = *address};
    }
    entry = &list->entries[i];
    /* Connections that fail at the same time are one failure. */
    if (entry->failures == 0 || now >= entry->until)
        entry->failures++;
    for (unsigned k = 1; k < entry->failures && pause < PAUSE_MAX; k++)
        pause *= 2;
    entry->until = usec_add(now, MIN(pause, PAUSE_MAX));
}

void avoid_forget(AvoidList *list, const struct sockaddr_storage *address)
{
    size_t i = find(list, address);

    if (i < AVOID_MAX)
        list->entries[i].failures = 0;
}

size_t avoid_count(const AvoidList *list)
{
    size_t n = 0;

    for (size_t i = 0; i < AVOID_MAX; i++)
        n += list->entries[i].failures > 0;
    return n;
}

/* 0: not to be avoided. */
static usec_t avoided_until(
    const AvoidList *list, const struct sockaddr_storage *address, usec_t now)
{
    size_t i = find(list, address);

    return i < AVOID_MAX && list->entries[i].until > now ? list->entries[i].until : 0;
}

void avoid_sort(const AvoidList *list, struct sockaddr_storage *addresses, size_t n, usec_t now)
{
    for (size_t i = 1; i < n; i++) {
        struct sockaddr_storage address = addresses[i];
        usec_t until = avoided_until(list, &address, now);
        size_t at = i;

        for (; at > 0 && avoided_until(list, &addresses[at - 1], now) > until; at--)
            addresses[at] = addresses[at - 1];
        addresses[at] = address;
    }
}
