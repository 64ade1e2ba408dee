/* Choice and health of relays. Must never hold anything against a message. */
#include "delivery/relay.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"

/* How long a relay that refused more connections gets no more than it bore. */
#define LIMIT_PAUSE USEC_PER_MINUTE

int relay_set_new(Config *config, Worker *worker, RelaySet **ret)
{
    RelaySet *set = calloc(1, sizeof(RelaySet));
    int r = 0;

    if (!set)
        return -ENOMEM;
    set->references = 1;
    set->config = config_ref(config);
    set->relays = calloc(config->n_relays, sizeof(Relay));
    if (!set->relays)
        r = -ENOMEM;
    for (size_t i = 0; i < config->n_relays && r >= 0; i++) {
        Relay *relay = &set->relays[i];

        relay->config = &config->relays[i];
        relay->limit = relay->config->connections;
        r = connection_shared_new(config, i, worker, &relay->shared);
        set->n_relays++;
    }
    if (r < 0)
        relay_set_unref(set);
    else
        *ret = set;
    return r;
}

RelaySet *relay_set_ref(RelaySet *set)
{
    set->references++;
    return set;
}

RelaySet *relay_set_unref(RelaySet *set)
{
    if (!set || --set->references > 0)
        return NULL;
    for (size_t i = 0; i < set->n_relays; i++) {
        connection_shared_unref(set->relays[i].shared);
        free(set->relays[i].fault_text);
    }
    free(set->relays);
    config_unref(set->config);
    free(set);
    return NULL;
}

static bool is_held(const Relay *relay, usec_t now)
{
    return relay->held && now < relay->held_until;
}

/* How many connections it may have now: one to find out, when it was at fault. */
static unsigned relay_limit(Relay *relay, usec_t now)
{
    if (relay->limit < relay->config->connections && now >= relay->limit_until)
        relay->limit = relay->config->connections;
    return relay->held ? 1 : relay->limit;
}

Relay *relay_set_choose(RelaySet *set, usec_t now)
{
    for (size_t i = 0; i < set->n_relays; i++) {
        Relay *relay = &set->relays[i];

        if (is_held(relay, now))
            continue;
        if (relay->connections < relay_limit(relay, now))
            return relay;
        /* A relay that works keeps the mail; one being tried after an outage does not keep the next
         * from it. */
        if (!relay->held)
            return NULL;
    }
    return NULL;
}

usec_t relay_set_next(const RelaySet *set, usec_t now)
{
    usec_t next = USEC_NEVER;

    for (size_t i = 0; i < set->n_relays; i++) {
        const Relay *relay = &set->relays[i];

        if (is_held(relay, now))
            next = MIN(next, relay->held_until);
        else if (relay->limit < relay->config->connections && relay->limit_until > now)
            next = MIN(next, relay->limit_until);
    }
    return next;
}

bool relay_set_all_held(const RelaySet *set, usec_t now)
{
    for (size_t i = 0; i < set->n_relays; i++)
        if (!is_held(&set->relays[i], now))
            return false;
    return true;
}

static void remember_fault(Relay *relay, const DeliveryOutcome *outcome)
{
    free(relay->fault_text);
    relay->fault_text = strdup(outcome->text);
    relay->fault = *outcome;
    relay->fault.text = relay->fault_text ?: "not enough memory to tell";
}

bool relay_fault(Relay *relay, const DeliveryOutcome *outcome, uint32_t random, usec_t now)
{
    bool news = !relay->held || relay->fault.stage != outcome->stage ||
                relay->fault.error != outcome->error;

    if (relay->connections > 0) {
        relay->limit = relay->connections;
        relay->limit_until = usec_add(now, LIMIT_PAUSE);
        return false;
    }
    remember_fault(relay, outcome);
    relay->limit = relay->config->connections;
    relay->pause =
        relay->held ? MIN(2 * relay->pause, relay->config->hold_max) : relay->config->hold_first;
    relay->held = true;
    relay->held_until = usec_add(now, relay->pause - relay->pause / 10 * (random % 16) / 15);
    return news;
}

bool relay_works(Relay *relay)
{
    bool ended = relay->held;

    relay->held = false;
    relay->pause = 0;
    return ended;
}

void relay_set_flush(RelaySet *set)
{
    for (size_t i = 0; i < set->n_relays; i++)
        set->relays[i].held_until = 0;
}

const char *relay_hint(const DeliveryOutcome *outcome)
{
    if (outcome->error == ERROR_AUTHENTICATION || outcome->stage == STAGE_AUTH)
        return "check user, password and auth of this relay with `outbox check`";
    switch (outcome->stage) {
    case STAGE_LOOKUP:
        return "check the relay's host setting and this machine's name service (/etc/resolv.conf)";
    case STAGE_CONNECT: return "check host, port and firewall; is the relay running?";
    case STAGE_CERTIFICATE:
        return "check the relay's certificate with `outbox check`; tls_ca_file names a private "
               "authority";
    case STAGE_TLS:
    case STAGE_STARTTLS: return "check the relay's tls and port settings with `outbox check`";
    default: return "the relay's own log may say more; `outbox check` tries it step by step";
    }
}
