/* Settings that matter for what the engine does. A Config is read once for each number of relays
 * and used again with other numbers, for reading takes longer than a run. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "memory.h"
#include "message.h"
#include "relay.h"
#include "settings/load.h"
#include "world.h"

/* Timers may be a quarter of a second late, and what was begun takes a moment. */
#define SLACK USEC_PER_SEC

/* Of each hour a lane sends nothing for so long. */
#define QUIET (10 * USEC_PER_MINUTE)

#define CONFIGS_MAX 16 /* a run, reloads included */

static const struct {
    usec_t timeout, connect_timeout;
    bool by_stage;
} timeouts[] = {
    {60 * USEC_PER_SEC, 0, true},
    {30 * USEC_PER_SEC, 0, false},
    {10 * USEC_PER_SEC, 3 * USEC_PER_SEC, false},
    {4 * USEC_PER_SEC, 0, false},
};

static const struct {
    usec_t first, max, idle;
} holds[] = {
    {5 * USEC_PER_SEC, 5 * USEC_PER_MINUTE, 30 * USEC_PER_SEC},
    {USEC_PER_SEC / 5, 10 * USEC_PER_SEC, 5 * USEC_PER_SEC},
    {USEC_PER_MINUTE, USEC_PER_HOUR, 0},
    {5 * USEC_PER_SEC, 5 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE},
};

static const RetryConfig retries[] = {
    {USEC_PER_MINUTE, USEC_PER_HOUR, 2, 5 * USEC_PER_DAY},
    {USEC_PER_SEC, USEC_PER_MINUTE, 2, 5 * USEC_PER_DAY},
    {USEC_PER_SEC, USEC_PER_MINUTE, 2, .max_attempts = 1},
    {10 * USEC_PER_SEC, 10 * USEC_PER_SEC, 1, .max_attempts = 3},
    {USEC_PER_MINUTE, 10 * USEC_PER_MINUTE, 2, USEC_PER_HOUR},
    {5 * USEC_PER_MINUTE, 6 * USEC_PER_HOUR, 3},
};

static const unsigned connections[] = {2, 1, 4, 20};
static const unsigned shares[] = {500, 1, 2, 0};
static const unsigned groups[] = {100, 1, 2};

#define ONE_OF(list, decision, ...) (list)[choose(decision, (Which){__VA_ARGS__}, ELEMENTSOF(list))]

static Config *pool[RELAYS_MAX + 1][CONFIGS_MAX];

static void must(int r)
{
    if (r < 0)
        abort();
}

/* With all strings; the numbers are to come. */
static Config *load(unsigned n_relays)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};
    Config *config = NULL;

    must(buffer_append_string(&text, "spool = { directory = \"/\"; };\nrelays = ( "));
    for (unsigned i = 0; i < n_relays; i++)
        must(buffer_appendf(&text,
            "%s{ name = \"relay%u\"; host = \"relay%u.sim\"; port = 25; tls = \"none\"; "
            "hello = \"client.sim\"; }",
            i > 0 ? ", " : "", i, i));
    must(buffer_append_string(&text,
        " );\nlanes = ( { name = \"lane1\"; priority = 10; }, { name = \"lane2\"; quiet = \""));
    for (unsigned hour = 0; hour < 24; hour++)
        must(buffer_appendf(&text, "%s%02u:20-%02u:30", hour > 0 ? ", " : "", hour, hour));
    must(buffer_append_string(&text,
        "\"; }, { name = \"lane3\"; message_rate = \"4/10s\"; recipient_rate = \"9/20s\"; } );\n"));
    tzset(); /* keeps memory of its own, for the hours of `quiet` */
    if (config_load_text("simulation", buffer_data(&text), buffer_size(&text), NULL, &config, &f) <
        0)
        fprintf(stderr, "%s\n", failure_text(&f));
    must(config ? 0 : -1);
    return config;
}

/* What is kept from run to run is no leak of a run's. */
static Config *from_pool(unsigned number)
{
    Config **place = &pool[relays_count()][MIN(number, (unsigned)CONFIGS_MAX - 1)];
    long before = memory_live();

    if (!*place) {
        *place = load(relays_count());
        memory_adopt(memory_live() - before);
    }
    return config_ref(*place);
}

static void set_relay(RelayConfig *relay, unsigned i, unsigned number)
{
    unsigned timeout = choose(DECIDE_TIMEOUT, (Which){i, number}, ELEMENTSOF(timeouts));
    unsigned hold = choose(DECIDE_HOLD, (Which){i, number}, ELEMENTSOF(holds));

    relay->connections = ONE_OF(connections, DECIDE_CONNECTIONS, i, number);
    relay->messages_per_connection = ONE_OF(shares, DECIDE_SHARE, i, number);
    relay->recipients_per_transaction = ONE_OF(groups, DECIDE_GROUP, i, number);
    relay->send_rset = seldom(DECIDE_SAYS_RSET, (Which){i, number}, 2, 100) > 0;
    relay->timeout = timeouts[timeout].timeout;
    relay->connect_timeout = timeouts[timeout].connect_timeout;
    relay->timeout_by_stage = timeouts[timeout].by_stage;
    relay->hold_first = holds[hold].first;
    relay->hold_max = holds[hold].max;
    relay->idle_timeout = holds[hold].idle;
}

/* How many of each may be sent at a time, and which goes first. */
static void set_lanes(Config *config, unsigned number)
{
    static const unsigned limits[] = {0, 1, 2};
    static const int priorities[] = {-10, 0, 10};

    config->n_lanes = choose(DECIDE_LANES, (Which){number}, 2) > 0 ? LANES_COUNT - 1 : 0;
    for (unsigned i = 0; i < config->n_lanes; i++) {
        config->lanes[i]->connections = ONE_OF(limits, DECIDE_LANES, number, i, 1);
        config->lanes[i]->priority = ONE_OF(priorities, DECIDE_LANES, number, i, 2);
    }
}

static usec_t talking(const RelayConfig *relay)
{
    return relay->timeout_by_stage ? MAX(relay->timeout, 10 * USEC_PER_MINUTE) : relay->timeout;
}

static usec_t connecting(const RelayConfig *relay)
{
    return relay->connect_timeout > 0 ? relay->connect_timeout : relay->timeout;
}

Config *settings_make(unsigned number)
{
    Config *config = from_pool(number);

    config->spool.keep_sent = seldom(DECIDE_KEEP, (Which){number}, 2, 150) > 0;
    config->retry = ONE_OF(retries, DECIDE_RETRY, number);
    set_lanes(config, number);
    for (unsigned i = 0; i < relays_count(); i++) {
        RelayConfig *relay = config->relays[i];

        set_relay(relay, i, number);
        relay_set_patience(
            i, connecting(relay) + SLACK, talking(relay) + SLACK, relay->idle_timeout + SLACK);
    }
    return config;
}

void settings_end(void)
{
    for (unsigned i = 0; i <= RELAYS_MAX; i++)
        for (unsigned k = 0; k < CONFIGS_MAX; k++) {
            if (pool[i][k])
                pool[i][k]->n_lanes = LANES_COUNT - 1; /* all of them are freed */
            pool[i][k] = config_unref(pool[i][k]);
        }
}

usec_t settings_bound(const Config *config)
{
    usec_t bound = 30 * USEC_PER_MINUTE;
    unsigned attempts = 4;

    for (size_t i = 0; i < config->n_relays; i++) {
        const RelayConfig *relay = config->relays[i];

        /* A relay may take one transaction a connection, and put off a recipient of each. */
        attempts = MAX(attempts, 4 + RECIPIENTS_MAX / relay->recipients_per_transaction);
        bound += 3 * relay->hold_max + 4 * talking(relay) + 4 * connecting(relay);
    }
    if (config->n_lanes > 0)
        bound += attempts * QUIET;
    return bound + attempts * config->retry.max;
}

usec_t settings_patience(const Config *config)
{
    usec_t patience = 2 * config->retry.max + 5 * USEC_PER_MINUTE;
    unsigned poisoned = 1;

    for (unsigned i = 0; i < n_messages; i++)
        poisoned += messages[i].poison != POISON_NONE;
    if (config->n_lanes > 0)
        patience += QUIET;
    for (size_t i = 0; i < config->n_relays; i++) {
        const RelayConfig *relay = config->relays[i];

        patience += (2 + 2 * poisoned) * relay->hold_max + ADDRESSES_MAX * connecting(relay) +
                    (1 + poisoned / relay->connections) * talking(relay);
    }
    return patience;
}
