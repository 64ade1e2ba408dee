/* Addresses of a relay that failed of late: they are tried last for a while, not left out. For two
 * minutes after the first failure, twice as long after each further one, half an hour at most;
 * forgotten once a message has been judged over the address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/clock.h"

#define AVOID_MAX 16 /* addresses; the one that is due first makes room */

typedef struct Avoided {
    struct sockaddr_storage address;
    unsigned failures; /* 0: the place is free */
    usec_t until;
} Avoided;

typedef struct AvoidList {
    Avoided entries[AVOID_MAX];
} AvoidList;

void avoid_note(AvoidList *list, const struct sockaddr_storage *address, usec_t now);
void avoid_forget(AvoidList *list, const struct sockaddr_storage *address);

/* How many addresses have failed and not served since, however long ago. */
size_t avoid_count(const AvoidList *list);

/* Puts the addresses that are to be avoided behind the others, the one that is due first before
 * those due later. */
void avoid_sort(const AvoidList *list, struct sockaddr_storage *addresses, size_t n, usec_t now);
