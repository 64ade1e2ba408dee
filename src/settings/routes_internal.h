/* The inside of RouteRules, for routes.c, which makes them, and routes_query.c, which asks. */
#pragma once

#include "settings/routes.h"
#include "settings/routes_patterns.h"

/* Neighbours in the list of patterns. */
typedef struct PatternRange {
    size_t first, n;
} PatternRange;

typedef struct Rule {
    PatternRange senders, recipients; /* none: any */
    char *lanes;                      /* patterns with separators between them; NULL: any */
    char *field, *text;               /* of the header; NULL: none is asked for */
    size_t way;
} Rule;

/* A pattern of recipients that is found by its domain, in the order of kind, domain and rule. */
typedef struct DomainEntry {
    const RoutePattern *pattern;
    size_t rule;
} DomainEntry;

struct RouteRules {
    Rule *rules;
    size_t n_rules;
    RoutePattern *patterns;
    size_t n_patterns;
    DomainEntry *entries;
    size_t n_entries;
    DomainEntry *globs; /* those that are not, in the order of their rules */
    size_t n_globs;
    size_t *fields; /* rules that ask for one, by its name */
    size_t n_fields;
    RouteWay *ways;
    size_t n_ways;
    uint64_t named; /* relays, by any rule */
};

/* Puts in order what is asked. 0 or -ENOMEM. */
int route_rules_index(RouteRules *rules);
