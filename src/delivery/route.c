/* Who can take a message. Must never cost anything where there is one relay, nor have a message
 * meet the same relay twice. */
#include "delivery/route.h"

#include <errno.h>
#include <stdio.h>

#include "delivery/active.h"
#include "delivery/content.h"
#include "delivery/split.h"
#include "delivery/ways.h"
#include "smtp/command.h"

/* ---- what is missing ---- */

static void lacks_extension(RouteLack *ret, const char *keyword)
{
    snprintf(ret->text, sizeof(ret->text), "which does not offer %s", keyword);
}

/* What the sender said that it needs. */
static void look_at_sender(const HeldMessage *m, const SmtpCapabilities *capabilities,
    bool verified, usec_t now, RouteLack *ret)
{
    const Envelope *envelope = message_envelope(m->message);
    const SmtpTransaction t = {
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .now = now,
        .waited = clock_age(m->arrival, now) / USEC_PER_SEC,
    };
    const char *keyword;

    if (!envelope->sender_parameters)
        return;
    keyword = smtp_command_mail_missing(&t, capabilities);
    if (keyword)
        lacks_extension(ret, keyword);
    else if (!verified && smtp_command_requires_tls(&t))
        snprintf(ret->text, sizeof(ret->text), "which has no TLS with a verified certificate");
}

static bool needs_utf8(const HeldMessage *m)
{
    const Envelope *envelope = message_envelope(m->message);
    size_t first, n_lost, n = split_recipients(m, &first, &n_lost);

    if (smtp_command_needs_utf8(envelope->sender))
        return true;
    for (size_t i = first; i < first + n; i++)
        if (smtp_command_needs_utf8(envelope->recipients[m->pending ? m->pending[i] : i].address))
            return true;
    return false;
}

/* Content is looked at only where something may hang on it: what is converted becomes no more than
 * four times as large. */
static bool may_be_unfit(const HeldMessage *m, const SmtpCapabilities *capabilities)
{
    return !smtp_has(capabilities, SMTP_CAP_8BITMIME) ||
           (capabilities->size_max > 0 && message_size(m->message) > capabilities->size_max / 4);
}

static int look_at_content(const HeldMessage *m, const RelayConfig *config,
    const SmtpCapabilities *capabilities, RouteLack *ret)
{
    _cleanup_(content_done) Content content = {0};
    int r = content_open(&content, m->message, capabilities, config);

    if (r < 0)
        return r;
    if (capabilities->size_max > 0 && content.size > capabilities->size_max)
        snprintf(ret->text, sizeof(ret->text), "which takes no more than %llu bytes",
            (unsigned long long)capabilities->size_max);
    else if (content.unfit && !smtp_has(capabilities, SMTP_CAP_8BITMIME))
        snprintf(ret->text, sizeof(ret->text),
            "which does not offer 8BITMIME for what cannot be converted");
    return 0;
}

int route_lack(const HeldMessage *message, const RelayConfig *config,
    const SmtpCapabilities *capabilities, bool verified, usec_t now, RouteLack *ret)
{
    *ret = (RouteLack){0};
    look_at_sender(message, capabilities, verified, now, ret);
    if (!ret->text[0] && !smtp_has(capabilities, SMTP_CAP_SMTPUTF8) && needs_utf8(message))
        lacks_extension(ret, "SMTPUTF8");
    if (!ret->text[0] && may_be_unfit(message, capabilities))
        return look_at_content(message, config, capabilities, ret);
    return 0;
}

/* ---- where it goes ---- */

typedef struct Choice {
    const Relay *waits_for; /* the first that may take it and is on hold */
    bool any;               /* one that may take it is not */
} Choice;

/* Notes which of the other relays are known to lack something too, and says why they are none. */
static int look_at_others(
    Engine *engine, HeldMessage *m, const Relay *here, Choice *ret, Buffer *words)
{
    RelaySet *set = engine->relays;
    const uint64_t way = split_way(engine->config->rules, m);
    uint64_t *unfit_for = split_unfit_for(m);
    size_t n = MIN(set->n_relays, (size_t)PLAN_ELSEWHERE_RELAYS);
    int r = 0;

    *ret = (Choice){0};
    for (size_t i = 0; i < n && r >= 0; i++) {
        const Relay *relay = &set->relays[i];
        const RelayOffer *offer = relay_offer(relay, engine_now(engine));
        RouteLack lack = {.text = "which was found to lack something"};

        if (relay == here || !(way >> i & 1))
            continue;
        if (offer)
            r = route_lack(m, relay->config, &offer->capabilities, offer->verified,
                engine_now_real(engine), &lack);
        if (offer && lack.text[0])
            *unfit_for |= (uint64_t)1 << i;
        if (r >= 0 && *unfit_for >> i & 1)
            r = buffer_appendf(words, "%snor can relay %s take it, %s",
                buffer_size(words) > 0 ? "; " : "", relay->config->name, lack.text);
        else if (relay->state == RELAY_STATE_HELD)
            ret->waits_for = ret->waits_for ?: relay;
        else
            ret->any = true;
    }
    return r;
}

/* Where every error is final (retry.max_attempts) nothing is waited for. */
static int end_here(const Choice *choice, Buffer *words, char **ret_nowhere)
{
    const Relay *held = choice->waits_for;
    int r = 0;

    if (held)
        r = buffer_appendf(words, "%srelay %s, which may take it, cannot be used",
            buffer_size(words) > 0 ? "; " : "", held->config->name);
    if (r >= 0)
        r = buffer_append(words, "", 1);
    if (r < 0)
        return r;
    *ret_nowhere = buffer_size(words) > 1 ? strdup(buffer_data(words)) : NULL;
    return buffer_size(words) > 1 && !*ret_nowhere ? -ENOMEM : 0;
}

static int put_aside(Engine *engine, HeldMessage *m, const Relay *held, const RouteLack *lack)
{
    _cleanup_free_
    char *why = NULL;

    if (asprintf(&why,
            "it waits for relay %s, which is on hold and may take it; it cannot go to one %s",
            held->config->name, lack->text) < 0)
        return -ENOMEM;
    engine_put_aside(engine, m, ways_until(engine, held), why);
    return 1;
}

int route_message(const Link *link, HeldMessage *m, char **ret_nowhere)
{
    Engine *engine = link->engine;
    const SmtpSession *session = connection_session(link->connection);
    _cleanup_buffer_ Buffer words = {0};
    RouteLack lack;
    Choice choice;
    int r;

    *ret_nowhere = NULL;
    if (engine->relays->n_relays < 2 || link->set != engine->relays)
        return 0;
    r = route_lack(m, link->relay->config, smtp_session_capabilities(session),
        smtp_session_is_verified(session), engine_now_real(engine), &lack);
    if (r < 0 || !lack.text[0])
        return r;
    if (relay_place(engine->relays, link->relay) < PLAN_ELSEWHERE_RELAYS)
        *split_unfit_for(m) |= (uint64_t)1 << relay_place(engine->relays, link->relay);
    r = look_at_others(engine, m, link->relay, &choice, &words);
    if (r < 0)
        return r;
    if (choice.any) {
        engine_put_elsewhere(engine, m);
        return 1;
    }
    if (choice.waits_for && engine->context.retry->max_attempts != 1)
        return put_aside(engine, m, choice.waits_for, &lack);
    return end_here(&choice, &words, ret_nowhere);
}
