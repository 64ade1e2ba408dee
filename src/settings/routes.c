/* The rules of `routes`, made ready to be asked. Must never let a name that is no relay's pass. */
#include "settings/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/lane.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/routes_internal.h"

void route_rules_free(RouteRules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->n_patterns; i++)
        route_pattern_done(&rules->patterns[i]);
    for (size_t i = 0; i < rules->n_rules; i++) {
        free(rules->rules[i].lanes);
        free(rules->rules[i].field);
        free(rules->rules[i].text);
    }
    for (size_t i = 0; i < rules->n_ways; i++)
        free((size_t *)rules->ways[i].relays);
    free(rules->rules);
    free(rules->patterns);
    free(rules->entries);
    free(rules->globs);
    free(rules->fields);
    free(rules->ways);
    free(rules);
}

/* What a rule is made from, and where its mistakes go. */
typedef struct Making {
    RouteRules *rules;
    const RouteConfig *config;
    const char *const *relays;
    size_t n_relays;
    RouteMistake *mistake;
    Failure *f;
} Making;

/* ---- conditions ---- */

static int add_patterns(Making *m, const char *text, bool is_sender, PatternRange *ret)
{
    RouteRules *rules = m->rules;
    _cleanup_free_
    char *words = strdup(text ?: "");
    char *rest = NULL;

    m->mistake->setting = is_sender ? "sender" : "recipient";
    *ret = (PatternRange){.first = rules->n_patterns};
    if (!words)
        return -ENOMEM;
    for (char *word = strtok_r(words, ROUTE_SEPARATORS, &rest); word;
         word = strtok_r(NULL, ROUTE_SEPARATORS, &rest)) {
        RoutePattern *patterns =
            reallocarray(rules->patterns, rules->n_patterns + 1, sizeof(*patterns));
        int r;

        if (!patterns)
            return -ENOMEM;
        rules->patterns = patterns;
        r = route_pattern_parse(word, is_sender, &patterns[rules->n_patterns], m->f);
        if (r < 0)
            return r;
        rules->n_patterns++;
        ret->n++;
    }
    if (text && ret->n == 0)
        return failure_set(m->f, -EINVAL, ERROR_CONFIGURATION, "names no address; leave it out");
    return 0;
}

/* "NAME: PATTERN". */
static int set_header(Making *m, const char *text, Rule *rule)
{
    size_t n = text ? strcspn(text, ": \t") : 0;
    const char *value = text ? text + n + strspn(text + n, " \t") : NULL;

    m->mistake->setting = "header";
    if (!text)
        return 0;
    if (n == 0 || *value != ':' || !text_is_ascii(text, n))
        return failure_set(m->f, -EINVAL, ERROR_CONFIGURATION,
            "is \"%.100s\", which is no field of a header: write its name, a colon and what it "
            "says, with * for any characters, such as \"X-Mailer: newsletter*\"",
            text);
    value++;
    value += strspn(value, " \t");
    rule->field = strndup(text, n);
    rule->text = strdup(*value ? value : "*");
    return rule->field && rule->text ? 0 : -ENOMEM;
}

/* ---- relays ---- */

static const char *nearest_relay(const Making *m, const char *word)
{
    const char *found = NULL;
    size_t best = MIN((size_t)3, 1 + strlen(word) / 4) + 1;

    for (size_t i = 0; i < m->n_relays; i++) {
        size_t distance = text_distance(m->relays[i], word);

        if (distance < best) {
            best = distance;
            found = m->relays[i];
        }
    }
    return found;
}

static int add_relay(Making *m, const char *word, RouteWay *way, size_t *relays)
{
    const char *near;
    size_t i = 0;

    while (i < m->n_relays && strcmp(m->relays[i], word) != 0)
        i++;
    if (i == m->n_relays) {
        near = nearest_relay(m, word);
        return failure_set(m->f, -EINVAL, ERROR_CONFIGURATION,
            "names \"%.100s\", and no relay has that name%s%s%s", word,
            near ? "; did you mean \"" : "; give one its name by the setting name", near ?: "",
            near ? "\"?" : "");
    }
    if (way->mask >> i & 1)
        return failure_set(
            m->f, -EINVAL, ERROR_CONFIGURATION, "names relay %s twice; leave one out", word);
    relays[way->n_relays++] = i;
    way->mask |= UINT64_C(1) << i;
    return 0;
}

static bool same_way(const RouteWay *a, const RouteWay *b)
{
    return a->n_relays == b->n_relays &&
           memcmp(a->relays, b->relays, a->n_relays * sizeof(size_t)) == 0;
}

/* Takes the list over. */
static int add_way(RouteRules *rules, RouteWay way, size_t *ret)
{
    RouteWay *ways;

    for (*ret = 1; *ret < rules->n_ways; (*ret)++)
        if (same_way(&rules->ways[*ret], &way)) {
            free((size_t *)way.relays);
            return 0;
        }
    ways = reallocarray(rules->ways, rules->n_ways + 1, sizeof(*ways));
    if (!ways) {
        free((size_t *)way.relays);
        return -ENOMEM;
    }
    rules->ways = ways;
    ways[rules->n_ways++] = way;
    return 0;
}

static int set_relays(Making *m, Rule *rule)
{
    _cleanup_free_
    char *words = strdup(m->config->relays ?: "");
    size_t *relays = calloc(m->n_relays + 1, sizeof(size_t));
    RouteWay way = {.relays = relays};
    char *rest = NULL;
    int r = words && relays ? 0 : -ENOMEM;

    m->mistake->setting = "relays";
    for (char *word = r == 0 ? strtok_r(words, ROUTE_SEPARATORS, &rest) : NULL; word && r == 0;
         word = strtok_r(NULL, ROUTE_SEPARATORS, &rest))
        r = add_relay(m, word, &way, relays);
    if (r == 0 && way.n_relays == 0)
        r = failure_set(m->f, -EINVAL, ERROR_CONFIGURATION,
            "is not set: a rule names the relays that take its messages, as in relays = [\"a\"];");
    if (r < 0) {
        free(relays);
        return r;
    }
    m->rules->named |= way.mask;
    return add_way(m->rules, way, &rule->way);
}

/* The relays that no rule names. */
static int set_default(Making *m)
{
    RouteWay *way = &m->rules->ways[ROUTES_BY_DEFAULT];
    size_t *relays = calloc(m->n_relays + 1, sizeof(size_t));

    if (!relays)
        return -ENOMEM;
    *way = (RouteWay){.relays = relays};
    for (size_t i = 0; i < m->n_relays; i++)
        if (!(m->rules->named >> i & 1)) {
            relays[way->n_relays++] = i;
            way->mask |= UINT64_C(1) << i;
        }
    return 0;
}

/* ---- rules ---- */

static bool has_conditions(const RouteConfig *config)
{
    return config->sender || config->recipient || config->lane || config->header;
}

/* A pattern that no lane can have is a mistake: nobody would see that the rule never holds. */
static int check_lane(Making *m, const char *pattern)
{
    _cleanup_failure_ Failure why = {0};
    _cleanup_free_
    char *name = strdup(pattern);
    size_t n = 0;

    if (!name)
        return -ENOMEM;
    for (const char *at = pattern; *at; at++)
        if (*at != '*')
            name[n++] = *at;
    if (n == 0 || lane_check(name, n, &why) == 0)
        return 0;
    return failure_set(
        m->f, -EINVAL, ERROR_CONFIGURATION, "can be no lane's: %s", failure_text(&why));
}

static int set_lanes(Making *m, const char *lanes, Rule *rule)
{
    _cleanup_free_
    char *words = lanes ? strdup(lanes) : NULL;
    char *rest = NULL;
    int r = 0;

    m->mistake->setting = "lane";
    if (!lanes)
        return 0;
    for (char *word = words ? strtok_r(words, ROUTE_SEPARATORS, &rest) : NULL; word && r == 0;
         word = strtok_r(NULL, ROUTE_SEPARATORS, &rest))
        r = check_lane(m, word);
    if (r == 0 && (!words || !(rule->lanes = strdup(lanes))))
        r = -ENOMEM;
    return r;
}

static int add_rule(Making *m, Rule *rule)
{
    int r = add_patterns(m, m->config->sender, true, &rule->senders);

    if (r == 0)
        r = add_patterns(m, m->config->recipient, false, &rule->recipients);
    if (r == 0)
        r = set_header(m, m->config->header, rule);
    if (r == 0)
        r = set_lanes(m, m->config->lane, rule);
    return r < 0 ? r : set_relays(m, rule);
}

static int check_rest(const Making *m, const RouteConfig *const *rules, size_t n_rules)
{
    const RouteRules *made = m->rules;

    if (made->ways[ROUTES_BY_DEFAULT].n_relays > 0)
        return 0;
    for (size_t i = 0; i < n_rules; i++)
        if (!has_conditions(rules[i]))
            return 0;
    *m->mistake = (RouteMistake){.rule = n_rules - 1, .setting = "relays"};
    return failure_set(m->f, -EINVAL, ERROR_CONFIGURATION,
        "leaves no relay to messages that no rule is for, as rules name all of them; add a rule "
        "without conditions as the last one, such as { relays = [\"%s\"]; }",
        m->relays[0]);
}

static int prepare(RouteRules *rules, size_t n_rules)
{
    rules->rules = calloc(n_rules + 1, sizeof(*rules->rules));
    rules->ways = calloc(1, sizeof(*rules->ways));
    rules->n_ways = rules->ways ? 1 : 0;
    return rules->rules && rules->ways ? 0 : -ENOMEM;
}

int route_rules_new(const RouteConfig *const *configs, size_t n_rules, const char *const *relays,
    size_t n_relays, RouteRules **ret, RouteMistake *ret_mistake, Failure *f)
{
    _cleanup_(route_rules_free_p) RouteRules *rules = calloc(1, sizeof(*rules));
    Making m = {
        .rules = rules, .relays = relays, .n_relays = n_relays, .mistake = ret_mistake, .f = f};
    int r = rules ? prepare(rules, n_rules) : -ENOMEM;

    *ret_mistake = (RouteMistake){.setting = "relays"};
    if (r == 0 && n_relays > ROUTES_RELAYS_MAX)
        r = failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "is there with %zu relays; with rules there may be %u", n_relays, ROUTES_RELAYS_MAX);
    for (size_t i = 0; r == 0 && i < n_rules; i++) {
        m.config = configs[i];
        ret_mistake->rule = i;
        rules->n_rules++;
        r = add_rule(&m, &rules->rules[i]);
    }
    if (r == 0)
        r = set_default(&m);
    if (r == 0)
        r = check_rest(&m, configs, n_rules);
    if (r == 0)
        r = route_rules_index(rules);
    if (r == 0)
        *ret = TAKE_PTR(rules);
    return r;
}

size_t route_rules_ways(const RouteRules *rules)
{
    return rules->n_ways;
}

const RouteWay *route_rules_way(const RouteRules *rules, size_t way)
{
    return &rules->ways[way];
}

size_t route_rules_way_of(const RouteRules *rules, size_t rule)
{
    return rule < rules->n_rules ? rules->rules[rule].way : ROUTES_BY_DEFAULT;
}

bool route_rules_ask_header(const RouteRules *rules)
{
    return rules->n_fields > 0;
}

/* ---- rules that leave nothing to others ---- */

static bool same_pattern(const RoutePattern *a, const RoutePattern *b)
{
    return a->kind == b->kind && text_equal(a->domain, b->domain) &&
           ((!a->local && !b->local) ||
               (a->local && b->local && text_equal_nocase(a->local, b->local)));
}

/* Whether each of the narrower patterns is among the wider ones; those may be none, which is all.
 */
static bool covers(const RouteRules *rules, PatternRange wide, PatternRange narrow)
{
    bool found = true;

    if (wide.n == 0)
        return true;
    for (size_t i = 0; i < narrow.n && found; i++) {
        found = false;
        for (size_t k = 0; k < wide.n && !found; k++) {
            const RoutePattern *pattern = &rules->patterns[wide.first + k];

            found = pattern->kind == PATTERN_ANY ||
                    same_pattern(pattern, &rules->patterns[narrow.first + i]);
        }
    }
    return found && narrow.n > 0;
}

static bool leaves_nothing(const RouteRules *rules, const Rule *first, const Rule *second)
{
    if (first->lanes && !(second->lanes && text_equal_nocase(first->lanes, second->lanes)))
        return false;
    if (first->field && !(second->field && text_equal_nocase(first->field, second->field) &&
                            text_equal_nocase(first->text, second->text)))
        return false;
    return covers(rules, first->senders, second->senders) &&
           covers(rules, first->recipients, second->recipients);
}

size_t route_rules_shadowed_by(const RouteRules *rules, size_t rule)
{
    for (size_t i = 0; i < rule; i++)
        if (leaves_nothing(rules, &rules->rules[i], &rules->rules[rule]))
            return i;
    return SIZE_MAX;
}
