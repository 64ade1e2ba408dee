/* Choice and health of relays. Must never hold anything against a message. */
#include "delivery/relay.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"

/* How long a relay that refused more connections gets no more than it bore. */
#define LIMIT_PAUSE USEC_PER_MINUTE

/* How long its limit of recipients is taken for granted. */
#define RECIPIENTS_PAUSE USEC_PER_HOUR

/* How long a relay is taken to offer what it did. */
#define OFFER_PAUSE (10 * USEC_PER_MINUTE)

/* It is met again whenever a limit is over while the reason for it lasts. */
#define TOLD_AGAIN USEC_PER_HOUR

/* So often in that time a fault is told again for its words alone. */
#define WORDS_MAX 5

/* FNV-1a: of what one server says there is one number at a time, and a collision costs an entry. */
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

/* Of a relay of the same name rather than of another. */
static void inherit(Relay *relay, const RelaySet *former)
{
    for (int same = 0; same <= 1; same++)
        for (size_t i = 0; i < former->n_relays; i++)
            if ((strcmp(former->relays[i].config->name, relay->config->name) == 0) == same)
                connection_shared_inherit(relay->shared, former->relays[i].shared);
}

static RestraintTerms terms_of(const RelayConfig *relay)
{
    return (RestraintTerms){relay->message_rate, relay->recipient_rate, relay->quiet};
}

static const Restraint *find_restraint(const RelaySet *former, const Relay *relay)
{
    for (size_t i = 0; former && i < former->n_relays; i++)
        if (strcmp(former->relays[i].config->name, relay->config->name) == 0)
            return former->relays[i].restraint;
    return NULL;
}

int relay_set_new(Config *config, Worker *worker, const RelaySet *former, RelaySet **ret)
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

        relay->config = config->relays[i];
        relay->until = USEC_NEVER;
        r = connection_shared_new(config->relays[i], worker, &relay->shared);
        if (r >= 0)
            r = restraint_new(
                terms_of(relay->config), find_restraint(former, relay), &relay->restraint);
        set->n_relays++;
        if (r >= 0 && former)
            inherit(relay, former);
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
        restraint_free(set->relays[i].restraint);
    }
    free(set->relays);
    config_unref(set->config);
    free(set);
    return NULL;
}

const char *relay_state_name(RelayState state)
{
    static const char *const names[] = {
#define RELAY_STATE_NAME(name, word) [RELAY_STATE_##name] = word,
        RELAY_STATES(RELAY_STATE_NAME)
#undef RELAY_STATE_NAME
    };

    return (size_t)state < ELEMENTSOF(names) ? names[state] : "unknown";
}

size_t relay_place(const RelaySet *set, const Relay *relay)
{
    return (size_t)(relay - set->relays);
}

bool relay_set_all_held(const RelaySet *set)
{
    for (size_t i = 0; i < set->n_relays; i++)
        if (set->relays[i].state != RELAY_STATE_HELD)
            return false;
    return true;
}

static void enter_state(Relay *relay, RelayState state, usec_t until)
{
    relay->state = state;
    relay->until = until;
    if (state == RELAY_STATE_WORKS || state == RELAY_STATE_LIMITED)
        relay->pause = relay->holds = 0;
}

void relay_tick(Relay *relay, usec_t now)
{
    if (now >= relay->recipients_until)
        relay->recipients_max = 0;
    if (now < relay->until)
        return;
    if (relay->state == RELAY_STATE_HELD)
        enter_state(relay, RELAY_STATE_PROBING, USEC_NEVER);
    else if (relay->state == RELAY_STATE_LIMITED)
        enter_state(relay, RELAY_STATE_WORKS, USEC_NEVER);
}

/* A number for its words; what has a digit is left out. */
static uint64_t number_words(const char *text)
{
    uint64_t number = FNV_START;

    for (size_t length; *(text += strspn(text, " ")) != '\0'; text += length) {
        length = strcspn(text, " ");
        if (strcspn(text, "0123456789") < length)
            continue;
        for (size_t i = 0; i <= length; i++)
            number = (number ^ (unsigned char)(i < length ? text[i] : ' ')) * FNV_PRIME;
    }
    return number;
}

/* Whether a fault of the same number is to be told for what it says. What was told last is what
 * counts: words for which there was no room come again when there is. */
static bool are_words_news(Relay *relay, uint64_t words, usec_t now)
{
    if (words == relay->words_told)
        return false;
    if (relay->words_times == 0 || now >= usec_add(relay->words_since, TOLD_AGAIN)) {
        relay->words_since = now;
        relay->words_times = 0;
    }
    if (relay->words_times == WORDS_MAX)
        return false;
    relay->words_times++;
    return true;
}

/* Returns whether it is another than the one before. */
static bool remember_fault(Relay *relay, const DeliveryOutcome *outcome)
{
    bool other = relay->fault.stage != outcome->stage || relay->fault.error != outcome->error ||
                 relay->fault.code != outcome->code || relay->fault.reason != outcome->reason;

    free(relay->fault_text);
    relay->fault_text = strdup(outcome->text);
    relay->fault = *outcome;
    relay->fault.text = relay->fault_text ?: "not enough memory to tell";
    return other;
}

bool relay_is_unproven(const Relay *relay)
{
    return relay_logs_in(relay->config) && !relay->logged_in;
}

bool relay_ready(Relay *relay)
{
    bool news = relay_is_unproven(relay);

    relay->logged_in = relay_logs_in(relay->config);
    relay->silence_told = false;
    return news;
}

static bool is_in_outage(const Relay *relay)
{
    return relay->state == RELAY_STATE_HELD || relay->state == RELAY_STATE_PROBING;
}

bool relay_looks_at_expiry(const Relay *relay, usec_t now)
{
    return now >= relay->expiry_next;
}

void relay_looked_at_expiry(Relay *relay, bool soon, usec_t now)
{
    relay->expiry_next = usec_add(now, soon ? USEC_PER_DAY : USEC_PER_HOUR);
}

/* Whether the outage was told of as what silence ends with. */
static bool is_out_of_time(const Relay *relay)
{
    return is_in_outage(relay) && relay->fault.cause == CAUSE_TIMEOUT;
}

bool relay_silent(Relay *relay)
{
    bool news = !relay->silence_told && relay->state != RELAY_STATE_HELD && !is_out_of_time(relay);

    relay->silence_told = true;
    return news;
}

bool relay_fault(Relay *relay, const DeliveryOutcome *outcome, uint32_t random, usec_t now)
{
    uint64_t words = number_words(outcome->text);
    bool news =
        remember_fault(relay, outcome) || !is_in_outage(relay) || are_words_news(relay, words, now);
    usec_t pause = relay->pause > 0 ? MIN(2 * relay->pause, relay->config->hold_max)
                                    : relay->config->hold_first;
    usec_t until;

    if (news)
        relay->words_told = words;
    if (outcome->error == ERROR_AUTHENTICATION)
        relay->logged_in = false;
    /* Connections that were opened before it was held tell nothing new when they end. */
    if (relay->state == RELAY_STATE_HELD)
        return news;
    /* A try that began before everything was to be tried says nothing of what was mended since. */
    until = relay->flushed ? now : usec_add(now, pause - pause / 10 * (random % 16) / 15);
    enter_state(relay, RELAY_STATE_HELD, until);
    relay->flushed = false;
    relay->silence_told = false;
    relay->pause = pause;
    relay->holds++;
    return news;
}

bool relay_refused_more(
    Relay *relay, const DeliveryOutcome *outcome, unsigned n, unsigned n_ready, usec_t now)
{
    /* With others that are being opened only, it may turn out to be no limit. */
    bool news =
        n_ready > 0 && (relay->limit_told == 0 || now >= usec_add(relay->limit_told, TOLD_AGAIN));

    if (is_in_outage(relay))
        return false;
    (void)remember_fault(relay, outcome);
    enter_state(relay, RELAY_STATE_LIMITED, usec_add(now, LIMIT_PAUSE));
    relay->limit = MAX(n, 1u);
    if (news)
        relay->limit_told = now;
    return news;
}

bool relay_works(Relay *relay)
{
    bool ended = is_in_outage(relay);

    relay->worked = true;
    relay->losses = 0;
    relay->lost_several = relay->flushed = false;
    if (ended)
        enter_state(relay, RELAY_STATE_WORKS, USEC_NEVER);
    return ended;
}

void relay_lost(Relay *relay, uint64_t message)
{
    if (relay->losses++ == 0)
        relay->lost = message;
    else if (relay->lost != message)
        relay->lost_several = true;
}

bool relay_lost_others(const Relay *relay, uint64_t message)
{
    return relay->losses > 0 && (relay->lost_several || relay->lost != message);
}

void relay_learn_recipients(Relay *relay, unsigned taken, usec_t now)
{
    relay->recipients_max = MAX(taken, 1u);
    relay->recipients_until = usec_add(now, RECIPIENTS_PAUSE);
}

void relay_learn_offer(Relay *relay, const SmtpSession *session, usec_t now)
{
    relay->offer = (RelayOffer){
        .capabilities = *smtp_session_capabilities(session),
        .verified = smtp_session_is_verified(session),
        .until = usec_add(now, OFFER_PAUSE),
    };
}

const RelayOffer *relay_offer(const Relay *relay, usec_t now)
{
    return now < relay->offer.until ? &relay->offer : NULL;
}

bool relay_lacks(Relay *relay, unsigned lacks)
{
    bool news = lacks != relay->lacks;

    relay->lacks = lacks;
    return news;
}

void relay_set_flush(RelaySet *set)
{
    for (size_t i = 0; i < set->n_relays; i++) {
        set->relays[i].until = 0;
        set->relays[i].flushed = set->relays[i].state == RELAY_STATE_PROBING;
    }
}
