/* Where mail would go. Must never be another answer than what the daemon does. */
#include "tool/routes.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/lane.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/terminal.h"

#define SHOWN_MAX 400 /* bytes of an address */

/* The condition of the rule as it was written. */
static void print_condition(const char *name, const char *text)
{
    if (!text)
        return;
    printf(" %s ", name);
    (void)terminal_print(stdout, text, SHOWN_MAX);
}

static void print_rule(const Config *config, size_t rule)
{
    const RouteConfig *row = config->routes[rule];

    printf("rule %zu of routes (", rule + 1);
    if (!row->sender && !row->recipient && !row->lane && !row->header)
        printf(" any message");
    print_condition("sender", row->sender);
    print_condition("recipient", row->recipient);
    print_condition("lane", row->lane);
    print_condition("header", row->header);
    printf(" )");
}

static size_t relay_at(const Config *config, size_t rule, size_t i)
{
    return config->rules
               ? route_rules_way(config->rules, route_rules_way_of(config->rules, rule))->relays[i]
               : i;
}

static size_t count_relays(const Config *config, size_t rule)
{
    return config->rules
               ? route_rules_way(config->rules, route_rules_way_of(config->rules, rule))->n_relays
               : config->n_relays;
}

static void print_setting(const char *name, const char *text)
{
    if (!text)
        return;
    printf(", %s ", name);
    (void)terminal_print(stdout, text, SHOWN_MAX);
}

/* What its lane has to say, once. */
static void print_lane(const Config *config, const char *name)
{
    unsigned number = config_find_lane(config, name);
    const LaneConfig *lane = number == LANE_NONE ? NULL : config->lanes[number - 1];

    if (config->n_lanes == 0)
        return;
    if (!lane) {
        puts("Its lane has no settings: priority 0.");
        return;
    }
    printf("Lane %s: priority %d", lane->name, lane->priority);
    if (lane->connections > 0)
        printf(", %u connection%s", lane->connections, lane->connections == 1 ? "" : "s");
    print_setting("message_rate", lane->message_rate);
    print_setting("recipient_rate", lane->recipient_rate);
    print_setting("quiet", lane->quiet);
    puts(".");
}

static int print_text(const Config *config, const char *recipient, size_t rule)
{
    (void)terminal_print(stdout, recipient, SHOWN_MAX);
    fputs(": relay", stdout);
    for (size_t i = 0; i < count_relays(config, rule); i++)
        printf("%s %s", i > 0 ? ", then" : "", config->relays[relay_at(config, rule, i)]->name);
    fputs(", by ", stdout);
    if (rule == SIZE_MAX)
        fputs(config->rules ? "no rule" : "default: there are no routes", stdout);
    else
        print_rule(config, rule);
    putchar('\n');
    return EX_OK;
}

/* What its lane has, where there are any with settings. */
static int add_lane(json_t *object, const Config *config, const char *name)
{
    unsigned number = config_find_lane(config, name);
    const LaneConfig *lane = number == LANE_NONE ? NULL : config->lanes[number - 1];

    if (config->n_lanes == 0)
        return 0;
    if (json_object_set_new(object, "lane", json_text(lane ? lane->name : NULL)) < 0 ||
        json_object_set_new(object, "priority", json_integer(lane ? lane->priority : 0)) < 0)
        return -ENOMEM;
    return 0;
}

static json_t *to_object(const Config *config, const char *recipient, size_t rule, const char *lane)
{
    json_t *object, *relays = json_array();

    for (size_t i = 0; i < count_relays(config, rule); i++)
        (void)json_array_append_new(
            relays, json_string(config->relays[relay_at(config, rule, i)]->name));
    object = json_pack("{s:o, s:o, s:o}", "recipient", json_text(recipient), "rule",
        rule == SIZE_MAX ? json_null() : json_integer((json_int_t)rule + 1), "relays", relays);
    if (!object || add_lane(object, config, lane) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static const char *bare(char *address)
{
    size_t n = strlen(address);

    if (n < 2 || address[0] != '<' || address[n - 1] != '>')
        return address;
    address[n - 1] = '\0';
    return address + 1;
}

int routes_print(
    const Config *config, const char *from, const char *lane, char *const *recipients, bool json)
{
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *sender = strdup(from), *folded = lane ? lane_fold(lane, strlen(lane)) : NULL;
    json_t *array;
    int status = EX_OK;

    if (!sender || (lane && !folded))
        return tool_fail_memory();
    if (lane && lane_check(lane, strlen(lane), &f) < 0)
        return tool_fail(&f);
    if (config->rules && route_query_new(config->rules, bare(sender), folded, &query) < 0)
        return tool_fail_memory();
    array = json ? json_array() : NULL;
    for (; *recipients && status == EX_OK; recipients++) {
        size_t rule = SIZE_MAX;
        _cleanup_free_
        char *copy = strdup(*recipients);
        const char *recipient = copy ? bare(copy) : NULL;

        if (!copy || (query && route_query_rule(query, recipient, &rule) < 0))
            return tool_fail_memory();
        if (json)
            (void)json_array_append_new(array, to_object(config, recipient, rule, lane));
        else
            status = print_text(config, recipient, rule);
    }
    if (json)
        return json_print(array);
    print_lane(config, lane);
    if (config->rules && route_rules_ask_header(config->rules))
        fputs(
            "Rules that ask for a field of the header are passed over here: they are for messages "
            "that have it.\n",
            stdout);
    return status;
}
