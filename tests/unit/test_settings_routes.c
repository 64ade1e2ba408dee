/* settings: which rule a recipient's mail goes by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings/routes.h"
#include "unit.h"

static const char *const relays[] = {"a", "b", "c", "rest"};

/* As RouteConfig, of constants. */
typedef struct Rule {
    const char *sender, *recipient, *lane, *header, *relays;
} Rule;

static RouteRules *make(const Rule *rules, size_t n)
{
    const RouteConfig **list = calloc(n, sizeof(*list));
    _cleanup_failure_ Failure f = {0};
    RouteMistake mistake;
    RouteRules *made = NULL;

    ck_assert_ptr_nonnull(list);
    for (size_t i = 0; i < n; i++)
        list[i] = (const RouteConfig *)&rules[i];
    ck_assert_msg(route_rules_new(list, n, relays, ELEMENTSOF(relays), &made, &mistake, &f) == 0,
        "%s", f.text);
    free(list);
    return made;
}

static size_t rule_of(const RouteRules *rules, const char *sender, const char *lane,
    const char *mailer, const char *to)
{
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    size_t rule;

    ck_assert_int_eq(route_query_new(rules, sender, lane, &query), 0);
    if (mailer)
        route_query_field(query, "x-mailer", 8, mailer, strlen(mailer));
    ck_assert_int_eq(route_query_rule(query, to, &rule), 0);
    return rule == SIZE_MAX ? 0 : rule + 1;
}

static const struct Fit {
    const char *pattern, *address;
    bool fits;
} fits[] = {
    {"a@x.test", "a@X.test", true},
    {"a@x.test", "A@x.test", true},
    {"a@x.test", "aa@x.test", false},
    {"@x.test", "any@x.test", true},
    {"x.test", "any@x.test", true},
    {"x.test", "any@h.x.test", false},
    {"*.x.test", "any@h.x.test", true},
    {"*.x.test", "any@h.g.x.test", true},
    {"*.x.test", "any@x.test", false},
    {"*.x.test", "any@yx.test", false},
    {"*@*.x.test", "any@h.x.test", true},
    {"news-*@x.test", "news-1@x.test", true},
    {"news-*@x.test", "new@x.test", false},
    {"big@*", "big@anything.test", true},
    {"big@*", "small@anything.test", false},
    {"x.*", "any@x.test", true},
    {"x.test, y.test", "any@y.test", true},
    {"b\xc3\xbc"
     "cher.test",
        "any@xn--bcher-kva.test", true},
    {"xn--bcher-kva.test",
        "any@B\xc3\xbc"
        "cher.test",
        true},
    {"*", "postmaster", true},
    {"x.test", "postmaster", false},
};

START_TEST(a_pattern_fits_or_not)
{
    const Rule to = {.recipient = fits[_i].pattern, .relays = "a"};
    const Rule from = {.sender = fits[_i].pattern, .relays = "a"};
    _cleanup_(route_rules_free_p) RouteRules *by_recipient = make(&to, 1),
                                             *by_sender = make(&from, 1);

    ck_assert_msg(rule_of(by_recipient, "s@s", NULL, NULL, fits[_i].address) == fits[_i].fits,
        "%s %s", fits[_i].pattern, fits[_i].address);
    ck_assert_uint_eq(rule_of(by_sender, fits[_i].address, NULL, NULL, "r@r"), fits[_i].fits);
}
END_TEST

START_TEST(the_first_rule_whose_every_condition_holds_decides)
{
    const Rule rules[] = {
        {.sender = "<>", .relays = "c"},
        {.sender = "s.test", .recipient = "x.test", .relays = "a b"},
        {.lane = "bulk mass*", .relays = "b"},
        {.header = "X-Mailer: newsletter*", .recipient = "*.test", .relays = "b a"},
        {.recipient = "x.test", .relays = "a b"},
    };
    _cleanup_(route_rules_free_p) RouteRules *made = make(rules, ELEMENTSOF(rules));
    const RouteWay *way;

    ck_assert_uint_eq(rule_of(made, "", NULL, NULL, "r@x.test"), 1);
    ck_assert_uint_eq(rule_of(made, "u@s.test", "bulk", NULL, "r@x.test"), 2);
    ck_assert_uint_eq(rule_of(made, "u@s.test", "bulk", NULL, "r@y.test"), 3);
    ck_assert_uint_eq(rule_of(made, "u@t.test", "mass-2", NULL, "r@x.test"), 3);
    ck_assert_uint_eq(rule_of(made, "u@t.test", "other", NULL, "r@x.test"), 5);
    ck_assert_uint_eq(rule_of(made, "u@t.test", NULL, " Newsletter\r\n 2", "r@h.test"), 4);
    ck_assert_uint_eq(rule_of(made, "u@t.test", NULL, "my newsletter", "r@h.test"), 0);
    ck_assert_uint_eq(route_rules_ways(made), 5);
    ck_assert_uint_eq(route_rules_way_of(made, 1), route_rules_way_of(made, 4));
    way = route_rules_way(made, route_rules_way_of(made, 3));
    ck_assert_uint_eq(way->n_relays, 2);
    ck_assert_uint_eq(way->relays[0], 1);
    ck_assert_uint_eq(way->relays[1], 0);
    way = route_rules_way(made, route_rules_way_of(made, SIZE_MAX));
    ck_assert_uint_eq(way->n_relays, 1);
    ck_assert_uint_eq(way->relays[0], 3);
}
END_TEST

START_TEST(the_topmost_field_of_a_name_counts)
{
    const Rule rules[] = {
        {.header = "Subject: *", .relays = "a"}, {.header = "X-Mailer: two", .relays = "a"}};
    _cleanup_(route_rules_free_p) RouteRules *made = make(rules, ELEMENTSOF(rules));
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    size_t rule;

    ck_assert_int_eq(route_query_new(made, "", NULL, &query), 0);
    route_query_field(query, "X-Mailer", 8, "one", 3);
    route_query_field(query, "X-Mailer", 8, "two", 3);
    route_query_field(query, "X-Mail", 6, "two", 3);
    ck_assert_int_eq(route_query_rule(query, "r@r", &rule), 0);
    ck_assert_uint_eq(rule, SIZE_MAX);
    ck_assert(route_rules_ask_header(made));
}
END_TEST

START_TEST(what_nothing_comes_to_is_seen)
{
    const Rule rules[] = {
        {.recipient = "x.test y.test", .relays = "a"},
        {.recipient = "X.test", .sender = "s.test", .relays = "b"},
        {.recipient = "x.test z.test", .relays = "b"},
        {.lane = "bulk", .relays = "b"},
        {.relays = "rest"},
        {.lane = "mass", .relays = "c"},
    };
    static const size_t by[] = {SIZE_MAX, 0, SIZE_MAX, SIZE_MAX, SIZE_MAX, 4};
    _cleanup_(route_rules_free_p) RouteRules *made = make(rules, ELEMENTSOF(rules));

    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (i != 5)
            ck_assert_uint_eq(route_rules_shadowed_by(made, i), by[i]);
}
END_TEST

#define RULES 1000
#define RECIPIENTS 10000

static void ask_many(const RouteRules *made, unsigned n)
{
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    char address[64];
    size_t rule;

    ck_assert_int_eq(route_query_new(made, "s@s.test", NULL, &query), 0);
    for (unsigned i = 0; i < n; i++) {
        snprintf(address, sizeof(address), "r@d%u.test", i);
        ck_assert_int_eq(route_query_rule(query, address, &rule), 0);
        ck_assert_uint_eq(rule, i < RULES ? i : SIZE_MAX);
    }
}

START_TEST(each_of_many_recipients_goes_by_its_own_of_many_rules)
{
    static char domains[RULES][24];
    static Rule rules[RULES];
    _cleanup_(route_rules_free_p) RouteRules *many = NULL;

    for (unsigned i = 0; i < RULES; i++) {
        snprintf(domains[i], sizeof(domains[i]), "d%u.test", i);
        rules[i] = (Rule){.recipient = domains[i], .relays = i % 2 ? "a" : "b c"};
    }
    many = make(rules, RULES);
    ck_assert_uint_eq(route_rules_ways(many), 3);
    ask_many(many, RECIPIENTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/routes");
    TCase *t = tcase_create("routes");

    tcase_add_loop_test(t, a_pattern_fits_or_not, 0, (int)ELEMENTSOF(fits));
    tcase_add_test(t, the_first_rule_whose_every_condition_holds_decides);
    tcase_add_test(t, the_topmost_field_of_a_name_counts);
    tcase_add_test(t, what_nothing_comes_to_is_seen);
    tcase_add_test(t, each_of_many_recipients_goes_by_its_own_of_many_rules);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
