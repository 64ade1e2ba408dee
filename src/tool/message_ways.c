/* The ways of one message, found out as the daemon does. Must never lock it or write to it. */
#include "tool/message_ways.h"

#include <errno.h>
#include <stdlib.h>

#include "base/idn.h"
#include "base/macros.h"
#include "delivery/split.h"
#include "message/message.h"
#include "spool/record.h"

void message_ways_done(MessageWays *ways)
{
    free(ways->relays);
    *ways = (MessageWays){0};
}

static void add(MessageWays *ways, uint64_t relays)
{
    for (size_t i = 0; i < ways->n; i++)
        if (ways->relays[i] == relays)
            return;
    ways->relays[ways->n++] = relays;
}

/* 1, 0 or -ENOMEM. */
static int is_done(const SpoolHistory *history, const char *address)
{
    _cleanup_free_
    char *mailbox = NULL;

    if (address_to_ascii_domain(address, &mailbox) == -ENOMEM)
        return -ENOMEM;
    return spool_history_has(history, mailbox ?: address) ||
           spool_history_has_refused(history, mailbox ?: address);
}

static int add_all(
    const RouteRules *rules, const Message *message, const SpoolHistory *history, MessageWays *ret)
{
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    const Envelope *e = message_envelope(message);
    int r = split_ask(rules, message, &query);

    ret->relays = calloc(route_rules_ways(rules), sizeof(*ret->relays));
    if (!ret->relays)
        return -ENOMEM;
    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++) {
        size_t rule;

        r = is_done(history, e->recipients[i].address);
        if (r != 0)
            continue;
        r = route_query_rule(query, e->recipients[i].address, &rule);
        if (r >= 0)
            add(ret, route_rules_way(rules, route_rules_way_of(rules, rule))->mask);
    }
    return MIN(r, 0);
}

int message_ways_find(
    const Spool *spool, const char *id, SpoolState state, const RouteRules *rules, MessageWays *ret)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_(spool_history_done) SpoolHistory history = {0};
    _cleanup_failure_ Failure f = {0};
    InputFile content;
    struct stat st = {0};
    _cleanup_close_ int fd = spool_open_message(spool, id, state, &st, &f);
    int r = fd;

    *ret = (MessageWays){0};
    if (r < 0)
        return r;
    input_file_init(&content, fd, (uint64_t)st.st_size);
    r = message_open(&content.base, (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC, id, &message, &f);
    if (r >= 0)
        r = spool_history_load_id(spool, id, state, &history, &f);
    if (r >= 0)
        r = add_all(rules, message, &history, ret);
    if (r < 0)
        message_ways_done(ret);
    return r;
}
