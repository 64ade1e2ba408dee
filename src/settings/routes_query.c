/* Asking the rules of `routes`. Must never take longer for a recipient than for another because of
 * rules that are for other domains. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/routes_internal.h"

#define VALUE_MAX 998 /* bytes of a field that are looked at: a line (RFC 5322, 2.1.1) */

struct RouteQuery {
    const RouteRules *rules;
    bool *fits;      /* by rule: its conditions on sender and lane hold */
    bool *lives;     /* and that on a field, as far as fields have come */
    bool *seen;      /* by place in rules->fields: a field of that name was there */
    size_t fallback; /* the first that lives and asks for no recipient; SIZE_MAX: none does */
    bool ready;
};

/* ---- the order ---- */

static int compare_domains(RoutePatternKind kind, const char *domain, const DomainEntry *entry)
{
    if (kind != entry->pattern->kind)
        return kind < entry->pattern->kind ? -1 : 1;
    return strcmp(domain, entry->pattern->domain);
}

static int compare_entries(const void *a, const void *b)
{
    const DomainEntry *left = a, *right = b;
    int r = compare_domains(left->pattern->kind, left->pattern->domain, right);

    return r != 0 ? r : left->rule < right->rule ? -1 : left->rule > right->rule;
}

static int compare_fields(const void *a, const void *b, void *user)
{
    const RouteRules *rules = user;
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    int r = strcasecmp(rules->rules[left].field, rules->rules[right].field);

    return r != 0 ? r : left < right ? -1 : left > right;
}

static bool is_found_by_domain(const RoutePattern *pattern)
{
    return pattern->kind == PATTERN_EXACT || pattern->kind == PATTERN_BELOW;
}

int route_rules_index(RouteRules *rules)
{
    rules->entries = calloc(rules->n_patterns + 1, sizeof(*rules->entries));
    rules->globs = calloc(rules->n_patterns + 1, sizeof(*rules->globs));
    rules->fields = calloc(rules->n_rules + 1, sizeof(*rules->fields));
    if (!rules->entries || !rules->globs || !rules->fields)
        return -ENOMEM;
    for (size_t i = 0; i < rules->n_rules; i++) {
        const Rule *rule = &rules->rules[i];

        for (size_t k = 0; k < rule->recipients.n; k++) {
            const DomainEntry entry = {&rules->patterns[rule->recipients.first + k], i};

            if (is_found_by_domain(entry.pattern))
                rules->entries[rules->n_entries++] = entry;
            else
                rules->globs[rules->n_globs++] = entry;
        }
        if (rule->field)
            rules->fields[rules->n_fields++] = i;
    }
    qsort(rules->entries, rules->n_entries, sizeof(*rules->entries), compare_entries);
    qsort_r(rules->fields, rules->n_fields, sizeof(*rules->fields), compare_fields, rules);
    return 0;
}

/* ---- what is the same for all recipients ---- */

static bool sender_fits(const RouteRules *rules, const Rule *rule, const RouteAddress *sender)
{
    for (size_t i = 0; i < rule->senders.n; i++)
        if (route_pattern_fits(&rules->patterns[rule->senders.first + i], sender, false))
            return true;
    return rule->senders.n == 0;
}

/* Patterns are short, and so are names of lanes. */
static bool lane_fits(const Rule *rule, const char *lane)
{
    const char *at = rule->lanes;
    char pattern[64];

    if (!at || !lane)
        return !at;
    for (at += strspn(at, ROUTE_SEPARATORS); *at; at += strspn(at, ROUTE_SEPARATORS)) {
        size_t n = strcspn(at, ROUTE_SEPARATORS);

        if (n < sizeof(pattern)) {
            memcpy(pattern, at, n);
            pattern[n] = '\0';
            if (text_fits(pattern, lane))
                return true;
        }
        at += n;
    }
    return false;
}

void route_query_free(RouteQuery *query)
{
    if (!query)
        return;
    free(query->fits);
    free(query->lives);
    free(query->seen);
    free(query);
}

int route_query_new(const RouteRules *rules, const char *sender, const char *lane, RouteQuery **ret)
{
    _cleanup_(route_query_free_p) RouteQuery *query = calloc(1, sizeof(*query));
    _cleanup_(route_address_done) RouteAddress address = {0};

    if (!query)
        return -ENOMEM;
    query->rules = rules;
    query->fits = calloc(rules->n_rules + 1, sizeof(bool));
    query->lives = calloc(rules->n_rules + 1, sizeof(bool));
    query->seen = calloc(rules->n_fields + 1, sizeof(bool));
    if (!query->fits || !query->lives || !query->seen || route_address_parse(sender, &address) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < rules->n_rules; i++) {
        const Rule *rule = &rules->rules[i];

        query->fits[i] = lane_fits(rule, lane) && sender_fits(rules, rule, &address);
        query->lives[i] = query->fits[i] && !rule->field;
    }
    *ret = TAKE_PTR(query);
    return 0;
}

/* On one line, without blanks at its ends. */
static void unfold(const char *value, size_t n, char ret[static VALUE_MAX + 1])
{
    size_t used = 0;

    for (size_t i = 0; i < n && used < VALUE_MAX; i++) {
        bool blank = text_is_space(value[i]);

        if (value[i] == '\r' || value[i] == '\n' || (blank && used == 0))
            continue;
        ret[used++] = blank ? ' ' : value[i];
    }
    while (used > 0 && ret[used - 1] == ' ')
        used--;
    ret[used] = '\0';
}

static int compare_name(const RouteQuery *query, const char *name, size_t n, size_t place)
{
    const char *field = query->rules->rules[query->rules->fields[place]].field;
    int r = strncasecmp(name, field, n);

    return r != 0 ? r : field[n] ? -1 : 0;
}

/* The first place whose field is called so, or behind it. */
static size_t find_field(const RouteQuery *query, const char *name, size_t n)
{
    size_t low = 0, high = query->rules->n_fields;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_name(query, name, n, middle) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The topmost field of a name counts: a message may have very many. */
void route_query_field(
    RouteQuery *query, const char *name, size_t n_name, const char *value, size_t n_value)
{
    const RouteRules *rules = query->rules;
    size_t place = find_field(query, name, n_name);
    char text[VALUE_MAX + 1];

    if (place == rules->n_fields || query->seen[place] ||
        compare_name(query, name, n_name, place) != 0)
        return;
    query->seen[place] = true;
    unfold(value, n_value, text);
    for (; place < rules->n_fields && compare_name(query, name, n_name, place) == 0; place++) {
        size_t rule = rules->fields[place];

        if (query->fits[rule] && text_fits(rules->rules[rule].text, text))
            query->lives[rule] = true;
    }
}

/* ---- each recipient ---- */

static void get_ready(RouteQuery *query)
{
    query->ready = true;
    query->fallback = SIZE_MAX;
    for (size_t i = 0; i < query->rules->n_rules && query->fallback == SIZE_MAX; i++)
        if (query->lives[i] && query->rules->rules[i].recipients.n == 0)
            query->fallback = i;
}

static size_t find_domain(const RouteRules *rules, RoutePatternKind kind, const char *domain)
{
    size_t low = 0, high = rules->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_domains(kind, domain, &rules->entries[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first rule before `best` that is for this domain, and for the address. */
static size_t look_at_domain(const RouteQuery *query, RoutePatternKind kind, const char *domain,
    const RouteAddress *address, size_t best)
{
    const RouteRules *rules = query->rules;

    for (size_t i = find_domain(rules, kind, domain);
         i < rules->n_entries && compare_domains(kind, domain, &rules->entries[i]) == 0 &&
         rules->entries[i].rule < best;
         i++)
        if (query->lives[rules->entries[i].rule] &&
            route_pattern_fits(rules->entries[i].pattern, address, true))
            return rules->entries[i].rule;
    return best;
}

static size_t look_at_globs(const RouteQuery *query, const RouteAddress *address, size_t best)
{
    const RouteRules *rules = query->rules;

    for (size_t i = 0; i < rules->n_globs && rules->globs[i].rule < best; i++)
        if (query->lives[rules->globs[i].rule] &&
            route_pattern_fits(rules->globs[i].pattern, address, false))
            return rules->globs[i].rule;
    return best;
}

int route_query_rule(RouteQuery *query, const char *recipient, size_t *ret_rule)
{
    _cleanup_(route_address_done) RouteAddress address = {0};
    size_t best;

    if (!query->ready)
        get_ready(query);
    *ret_rule = best = query->fallback;
    if (query->rules->n_entries + query->rules->n_globs == 0)
        return 0;
    if (route_address_parse(recipient, &address) < 0)
        return -ENOMEM;
    best = look_at_domain(query, PATTERN_EXACT, address.domain, &address, best);
    for (const char *dot = strchr(address.domain, '.'); dot; dot = strchr(dot + 1, '.'))
        best = look_at_domain(query, PATTERN_BELOW, dot + 1, &address, best);
    *ret_rule = look_at_globs(query, &address, best);
    return 0;
}
