/* Settings that matter for what the engine does. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "relay.h"
#include "settings/load.h"
#include "world.h"

/* Timers may be a quarter of a second late, and what was begun takes a moment. */
#define SLACK USEC_PER_SEC

static const char *const timeouts[] = {
    "timeout = \"60s\";",
    "timeout = \"30s\"; timeout_by_stage = false;",
    "timeout = \"10s\"; timeout_by_stage = false; connect_timeout = \"3s\";",
    "timeout = \"4s\"; timeout_by_stage = false;",
};

static const char *const holds[] = {
    "",
    "hold_first = \"200ms\"; hold_max = \"10s\"; idle_timeout = \"5s\";",
    "hold_first = \"60s\"; hold_max = \"1h\"; idle_timeout = 0;",
    "idle_timeout = \"10m\";",
};

static const char *const retries[] = {
    "first = \"1m\"; factor = 2.0; max = \"1h\"; give_up_after = \"5d\";",
    "first = \"1s\"; factor = 2.0; max = \"1m\"; give_up_after = \"5d\";",
    "first = \"1s\"; factor = 2.0; max = \"1m\"; max_attempts = 1;",
    "first = \"10s\"; factor = 1.0; max = \"10s\"; give_up_after = 0; max_attempts = 3;",
    "first = \"1m\"; factor = 2.0; max = \"10m\"; give_up_after = \"1h\";",
    "first = \"5m\"; factor = 3.0; max = \"6h\"; give_up_after = 0;",
};

static const unsigned connections[] = {2, 1, 4, 20};
static const unsigned shares[] = {500, 1, 2, 0};
static const unsigned groups[] = {100, 1, 2};

#define ONE_OF(list, decision, ...) \
    (list)[choose(decision, (Which){__VA_ARGS__}, ELEMENTSOF(list))]

static void must(int r)
{
    if (r < 0)
        abort();
}

static void write_relay(Buffer *text, unsigned i, unsigned number)
{
    must(buffer_appendf(text,
        "%s{ name = \"relay%u\"; host = \"relay%u.sim\"; port = 25; tls = \"none\"; "
        "hello = \"client.sim\"; connections = %u; messages_per_connection = %u; "
        "recipients_per_transaction = %u; send_rset = %s; %s %s }",
        i > 0 ? ", " : "", i, i, ONE_OF(connections, DECIDE_CONNECTIONS, i, number),
        ONE_OF(shares, DECIDE_SHARE, i, number), ONE_OF(groups, DECIDE_GROUP, i, number),
        seldom(DECIDE_SAYS_RSET, (Which){i, number}, 2, 100) ? "true" : "false",
        ONE_OF(timeouts, DECIDE_TIMEOUT, i, number), ONE_OF(holds, DECIDE_HOLD, i, number)));
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
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};
    Config *config;

    must(buffer_appendf(&text, "spool = { directory = \"/\"; keep_sent = %s; };\nretry = { %s };\n"
                               "relays = ( ",
        seldom(DECIDE_KEEP, (Which){number}, 2, 150) ? "true" : "false",
        ONE_OF(retries, DECIDE_RETRY, number)));
    for (unsigned i = 0; i < relays_count(); i++)
        write_relay(&text, i, number);
    must(buffer_append_string(&text, " );\n"));
    if (config_load_text("simulation", buffer_data(&text), buffer_size(&text), NULL, &config, &f) <
        0) {
        fprintf(stderr, "%s\n", failure_text(&f));
        abort();
    }
    for (unsigned i = 0; i < relays_count(); i++) {
        const RelayConfig *relay = &config->relays[i];

        relay_set_patience(i, connecting(relay) + SLACK, talking(relay) + SLACK,
            relay->idle_timeout + SLACK);
    }
    return config;
}

usec_t settings_bound(const Config *config)
{
    usec_t bound = 4 * config->retry.max + 30 * USEC_PER_MINUTE;

    for (size_t i = 0; i < config->n_relays; i++) {
        const RelayConfig *relay = &config->relays[i];

        bound += 3 * relay->hold_max + 4 * talking(relay) + 4 * connecting(relay);
    }
    return bound;
}
