/* Patterns of addresses, as rules of `routes` have them. For routes*.c alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef enum RoutePatternKind {
    PATTERN_EXACT, /* that domain */
    PATTERN_BELOW, /* "*.domain": those below it; `domain` begins behind the star and the dot */
    PATTERN_GLOB,  /* stars elsewhere in the domain */
    PATTERN_NULL,  /* "<>" */
    PATTERN_ANY,   /* "*" */
} RoutePatternKind;

typedef struct RoutePattern {
    RoutePatternKind kind;
    char *local;  /* with stars; NULL: any */
    char *domain; /* in small letters and ASCII; NULL where the kind has none */
} RoutePattern;

/* An address, taken apart; `domain` is in small letters and ASCII, "" where there is none. */
typedef struct RouteAddress {
    char *text; /* owned; the two below point into it */
    const char *local, *domain;
} RouteAddress;

/* 0 or -ENOMEM. */
int route_address_parse(const char *address, RouteAddress *ret);
void route_address_done(RouteAddress *address);

/* `word` is one pattern; `takes_null`: "<>" may be one. 0; -EINVAL with a Failure; -ENOMEM. */
int route_pattern_parse(const char *word, bool takes_null, RoutePattern *ret, Failure *f);
void route_pattern_done(RoutePattern *pattern);

/* Whether the address fits; of PATTERN_EXACT and PATTERN_BELOW the domain has been found to, where
 * `domain_fits` says so. */
bool route_pattern_fits(const RoutePattern *pattern, const RouteAddress *address, bool domain_fits);
