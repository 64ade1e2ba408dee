/* What a connection has its observer told: of its relay, and of what is wrong here. Must never
 * decide anything: that an entry is due has been found before. */
#include "delivery/link_tell.h"

#include "base/errors.h"
#include "delivery/advice.h"

static RelayReport report_of(const Link *link, RelayChange change)
{
    return (RelayReport){
        .relay = link->relay->config->name,
        .address = connection_address(link->connection),
        .change = change,
        .news = true,
    };
}

static void tell_relay(const Link *link, const RelayReport *report)
{
    const AttemptContext *context = &link->engine->context;

    if (context->observer->relay)
        context->observer->relay(context->user, report);
}

/* While there is time to mend it, be it a certificate that ends or a policy that is not enforced
 * yet: later on the relay is on hold. */
void link_tell_coming(Link *link)
{
    usec_t now = engine_now(link->engine);
    RelayReport expires = report_of(link, RELAY_EXPIRES), policy = report_of(link, RELAY_POLICY);
    _cleanup_free_
    char *words = NULL;

    if (!relay_looks_at_expiry(link->relay, now))
        return;
    words = connection_expiring(link->connection, engine_now_real(link->engine));
    policy.policy = connection_policy_notice(link->connection);
    relay_looked_at_expiry(link->relay, words || policy.policy, now);
    expires.expires = words;
    if (words)
        tell_relay(link, &expires);
    if (policy.policy)
        tell_relay(link, &policy);
}

/* Once a connection, be it that the login fails. */
void link_tell_secrets(Link *link)
{
    const AttemptContext *context = &link->engine->context;
    const char *notice = connection_secrets_notice(link->connection);
    const Failure f = {.number = ERROR_FILE, .text = (char *)notice};

    if (notice && !link->told_secrets && context->observer->problem)
        context->observer->problem(context->user, &(ProblemReport){.failure = &f});
    link->told_secrets = notice;
}

/* Only once nothing else waits to be written down. */
void link_tell_resumed(Link *link)
{
    const RelayReport report = report_of(link, RELAY_RESUMED);

    if (link->resumed)
        tell_relay(link, &report);
    link->resumed = false;
}

void link_tell_lacks(Link *link)
{
    char text[SMTP_CAPABILITIES_TEXT_MAX];
    RelayReport report = report_of(link, RELAY_LACKS);

    if (!relay_lacks(link->relay, connection_shared_lacks(link->relay->shared)))
        return;
    report.lacks = smtp_capabilities_format(link->relay->lacks, text);
    tell_relay(link, &report);
}

void link_tell_fault(
    Link *link, const DeliveryOutcome *outcome, RelayChange change, const char *hint, bool news)
{
    Engine *engine = link->engine;
    RelayReport report = report_of(link, change);

    report.news = news;
    report.holds = link->relay->holds;
    report.until = usec_add(engine_now_real(engine), link->relay->until - engine_now(engine));
    report.connections = link->relay->limit;
    report.outcome = outcome;
    report.hint = hint;
    tell_relay(link, &report);
}

void link_tell_silent(Link *link)
{
    ConnectionWait wait = connection_waits_for(link->connection);
    const DeliveryOutcome waits = {
        .kind = DELIVERY_CUT_OFF,
        .cause = CAUSE_TIMEOUT,
        .stage = wait.stage,
        .text = wait.what,
    };

    link_tell_fault(
        link, &waits, RELAY_SILENT, wait.remedy ?: advice_on(&waits, link->relay->config), true);
}

void link_tell_unread(const Link *link, const Attempt *attempt, const DeliveryOutcome *outcome)
{
    const EngineObserver *observer = link->engine->context.observer;
    const Failure f = {.number = ERROR_FILE, .text = (char *)outcome->text};
    const ProblemReport report = {
        .id = attempt_id(attempt), .owner = attempt_owner(attempt), .failure = &f};

    if (observer->problem)
        observer->problem(link->engine->context.user, &report);
}

void link_tell_ours(const Engine *engine, const DeliveryOutcome *outcome)
{
    const Failure f = {.number = outcome->error, .text = (char *)outcome->text};
    const ProblemReport report = {.failure = &f, .pauses = true};

    if (engine->context.observer->problem)
        engine->context.observer->problem(engine->context.user, &report);
}
