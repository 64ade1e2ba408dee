/* Which relays a recipient's mail goes to: the rules of `routes`.
 *
 * A rule has conditions and relays. The first rule whose every condition holds decides; where none
 * does, it is the relays that no rule names, in their order. A condition on addresses is patterns
 * with blanks or commas between them, one of which must fit: NAME@DOMAIN, DOMAIN (any name there),
 * or "<>" for the null reverse-path; "*" stands for any characters, or none. ASCII case does not
 * matter, and domains are compared in ASCII (base/idn.h).
 *
 * Ways are lists of relays, each once, however many rules have it; ROUTES_BY_DEFAULT is the one of
 * no rule. Rules never change, and are borrowed from their Config. NULL stands for none: all goes
 * by default. What is asked takes time that grows with the rules, and, of a recipient, with those
 * alone that may be for its domain, or have a "*" in the middle of one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

#define ROUTE_SEPARATORS " ,"
#define ROUTES_BY_DEFAULT 0u
#define ROUTES_RELAYS_MAX 64u /* of a configuration with rules: a bit is one */

/* A rule as it was written; members may be NULL. */
typedef struct RouteConfig {
    char *sender, *recipient, *lane, *header, *relays;
} RouteConfig;

/* The relays of a way: places in the configuration, in order of preference. */
typedef struct RouteWay {
    const size_t *relays;
    size_t n_relays;
    uint64_t mask; /* the same as bits */
} RouteWay;

typedef struct RouteRules RouteRules;

/* What is wrong with a rule: which setting of it ("sender", ...). */
typedef struct RouteMistake {
    size_t rule;
    const char *setting;
} RouteMistake;

/* Makes them of the rules and the names of the relays, which are borrowed for the call. 0;
 * -EINVAL with a Failure (the text stands behind the setting's name) and the place; -ENOMEM. */
int route_rules_new(const RouteConfig *const *rules, size_t n_rules, const char *const *relays,
    size_t n_relays, RouteRules **ret, RouteMistake *ret_mistake, Failure *f);
void route_rules_free(RouteRules *rules); /* accepts NULL */

/* The rule, SIZE_MAX for none, that leaves nothing for this one: it has the same conditions, or
 * fewer of them. */
size_t route_rules_shadowed_by(const RouteRules *rules, size_t rule);

size_t route_rules_ways(const RouteRules *rules);
const RouteWay *route_rules_way(const RouteRules *rules, size_t way);

/* Whether any rule asks for a field of the header. */
bool route_rules_ask_header(const RouteRules *rules);

/* ---- Asking: first what is the same for all recipients of a message, then for each. ---- */

typedef struct RouteQuery RouteQuery;

/* `sender` is a bare address, "" for none; `lane` NULL: in none. Both are borrowed. 0 or -ENOMEM.
 */
int route_query_new(
    const RouteRules *rules, const char *sender, const char *lane, RouteQuery **ret);
void route_query_free(RouteQuery *query);

/* A field of the header, its value with folds. */
void route_query_field(
    RouteQuery *query, const char *name, size_t n_name, const char *value, size_t n_value);

/* By which rule (SIZE_MAX: none) a recipient's mail goes, a bare address. Behind all fields.
 * 0 or -ENOMEM. */
int route_query_rule(RouteQuery *query, const char *recipient, size_t *ret_rule);

/* The way of that rule. */
size_t route_rules_way_of(const RouteRules *rules, size_t rule);

DEFINE_CLEANUP(RouteRules, route_rules_free);
DEFINE_CLEANUP(RouteQuery, route_query_free);
