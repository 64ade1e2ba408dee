/* delivery: choice and health of relays, and the verdict at the end of an attempt. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/macros.h"
#include "delivery/advice.h"
#include "delivery/relay.h"
#include "delivery/suspects.h"
#include "delivery/verdict.h"
#include "settings/load.h"
#include "unit.h"

#define SECOND USEC_PER_SEC
#define START (1767323045 * USEC_PER_SEC) /* 2026-01-02T03:04:05Z */

static const char text[] =
    "spool = { directory = \"/nowhere\"; };\n"
    "relays = ( { name = \"one\"; host = \"127.0.0.1\"; tls = \"none\"; connections = 5;\n"
    "             hold_first = \"10s\"; hold_max = \"30s\"; },\n"
    "           { name = \"two\"; host = \"127.0.0.2\"; tls = \"none\"; connections = 2; } );\n";

static const DeliveryOutcome refused_connection = {
    .kind = DELIVERY_CUT_OFF,
    .stage = STAGE_CONNECT,
    .error = ERROR_CONNECTING,
    .text = "nobody listens",
};

typedef struct Scene {
    Worker *worker;
    RelaySet *set;
    Relay *one, *two;
} Scene;

static Scene scene;

static void setup(void)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = config_load_text("test", text, strlen(text), NULL, &config, &f);

    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_int_eq(worker_new(&scene.worker), 0);
    ck_assert_int_eq(relay_set_new(config, scene.worker, NULL, &scene.set), 0);
    scene.one = &scene.set->relays[0];
    scene.two = &scene.set->relays[1];
}

static void teardown(void)
{
    relay_set_unref(scene.set);
    (void)worker_unref(scene.worker);
}

START_TEST(a_fault_holds_a_relay_until_its_time_is_over_and_a_message_has_passed)
{
    Relay *one = scene.one;

    ck_assert_int_eq(one->state, RELAY_STATE_WORKS);
    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
    ck_assert_uint_eq(one->until, START + 10 * SECOND);
    ck_assert_str_eq(one->fault.text, "nobody listens");
    ck_assert_ptr_ne(one->fault.text, refused_connection.text);
    relay_tick(one, START + 10 * SECOND - 1);
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
    relay_tick(one, START + 10 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_PROBING);
    ck_assert(relay_works(one));
    ck_assert(!relay_works(one));
    ck_assert_int_eq(one->state, RELAY_STATE_WORKS);
}
END_TEST

START_TEST(all_are_held_when_the_last_one_is)
{
    ck_assert(!relay_set_all_held(scene.set));
    (void)relay_fault(scene.one, &refused_connection, 0, START);
    ck_assert(!relay_set_all_held(scene.set));
    (void)relay_fault(scene.two, &refused_connection, 0, START);
    ck_assert(relay_set_all_held(scene.set));
    relay_set_flush(scene.set);
    relay_tick(scene.one, START);
    relay_tick(scene.two, START);
    ck_assert_int_eq(scene.one->state, RELAY_STATE_PROBING);
    ck_assert_int_eq(scene.two->state, RELAY_STATE_PROBING);
}
END_TEST

START_TEST(a_hold_grows_to_its_limit_and_is_news_once)
{
    Relay *one = scene.one;
    DeliveryOutcome other = refused_connection;
    usec_t now = START;

    ck_assert(relay_fault(one, &refused_connection, 0, now));
    /* Connections that end while it is held say nothing new. */
    ck_assert(!relay_fault(one, &refused_connection, 0, now));
    ck_assert_uint_eq(one->until, now + 10 * SECOND);
    relay_tick(one, now += 10 * SECOND);
    ck_assert(!relay_fault(one, &refused_connection, 0, now));
    ck_assert_uint_eq(one->until, now + 20 * SECOND);
    relay_tick(one, now += 20 * SECOND);
    ck_assert(!relay_fault(one, &refused_connection, 0, now));
    ck_assert_uint_eq(one->until, now + 30 * SECOND);
    ck_assert_uint_eq(one->holds, 3);
    relay_tick(one, now += 30 * SECOND);
    other.stage = STAGE_AUTH;
    ck_assert(relay_fault(one, &other, 15, now)); /* jitter: a tenth less at most */
    ck_assert_uint_eq(one->until, now + 27 * SECOND);
    ck_assert(relay_works(one));
    ck_assert(relay_fault(one, &other, 0, now));
    ck_assert_uint_eq(one->until, now + 10 * SECOND);
    ck_assert_uint_eq(one->holds, 1);
}
END_TEST

static bool is_news(const char *said, usec_t now)
{
    DeliveryOutcome outcome = refused_connection;

    outcome.text = said;
    relay_tick(scene.one, now);
    return relay_fault(scene.one, &outcome, 0, now);
}

START_TEST(other_words_of_the_same_fault_are_news_but_not_what_counts_up)
{
    ck_assert(is_news("the token server is not there (503)", START));
    ck_assert(!is_news("the token server is not there (503)", START + 60 * SECOND));
    ck_assert(!is_news("the token server is not there (504)", START + 120 * SECOND));
    ck_assert(is_news("what it answers is no token", START + 180 * SECOND));
    ck_assert(!is_news("what it answers is no token", START + 240 * SECOND));
    ck_assert(is_news("the token server is not there (503)", START + 300 * SECOND));
    ck_assert_str_eq(scene.one->fault.text, "the token server is not there (503)");
}
END_TEST

START_TEST(a_server_that_says_something_else_each_time_does_not_flood_the_log)
{
    usec_t now = START;
    unsigned n = 0;

    for (unsigned i = 0; i < 50; i++, now += 60 * SECOND)
        n += is_news((char[]){(char)('a' + i % 26), '\0'}, now);
    ck_assert_uint_eq(n, 6);
    ck_assert(!is_news("the last word", now));
    ck_assert(is_news("the last word", now + 3600 * SECOND));
}
END_TEST

START_TEST(a_hold_ends_what_was_said_of_silence)
{
    ck_assert(relay_silent(scene.one));
    (void)relay_fault(scene.one, &refused_connection, 0, START);
    ck_assert(!scene.one->silence_told);
    relay_tick(scene.one, START + 10 * SECOND);
    ck_assert(relay_silent(scene.one)); /* it was no silence that was told of */
    ck_assert(!relay_silent(scene.one));
    ck_assert(scene.one->silence_told);
    ck_assert(!scene.one->worked);
    (void)relay_works(scene.one);
    ck_assert(scene.one->worked);
}
END_TEST

/* A try that began before everything was to be tried says nothing of what was mended meanwhile. */
START_TEST(a_try_that_is_older_than_a_flush_does_not_hold)
{
    Relay *one = scene.one;

    (void)relay_fault(one, &refused_connection, 0, START);
    relay_tick(one, START + 10 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_PROBING);
    relay_set_flush(scene.set);
    (void)relay_fault(one, &refused_connection, 0, START + 11 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
    relay_tick(one, START + 11 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_PROBING);
    (void)relay_fault(one, &refused_connection, 0, START + 12 * SECOND);
    relay_tick(one, START + 13 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
}
END_TEST

START_TEST(silence_that_comes_back_from_a_hold_for_silence_is_no_news)
{
    static const DeliveryOutcome no_greeting = {
        .kind = DELIVERY_CUT_OFF,
        .stage = STAGE_GREETING,
        .cause = CAUSE_TIMEOUT,
        .error = ERROR_TIMEOUT,
        .text = "no greeting came",
    };
    Relay *one = scene.one;

    (void)relay_fault(one, &no_greeting, 0, START);
    relay_tick(one, START + 10 * SECOND);
    ck_assert_int_eq(one->state, RELAY_STATE_PROBING);
    ck_assert(!relay_silent(one));
    (void)relay_fault(one, &refused_connection, 0, START + 11 * SECOND);
    relay_tick(one, START + 60 * SECOND);
    ck_assert(relay_silent(one));
    (void)relay_works(one);
    (void)relay_ready(one);
    (void)relay_fault(one, &no_greeting, 0, START + 61 * SECOND);
    (void)relay_works(one);
    ck_assert(relay_silent(one)); /* the outage is over */
}
END_TEST

START_TEST(certificates_are_looked_at_now_and_then)
{
    Relay *one = scene.one;

    ck_assert(relay_looks_at_expiry(one, START));
    relay_looked_at_expiry(one, false, START);
    ck_assert(!relay_looks_at_expiry(one, START + USEC_PER_HOUR - 1));
    ck_assert(relay_looks_at_expiry(one, START + USEC_PER_HOUR));
    relay_looked_at_expiry(one, true, START);
    ck_assert(!relay_looks_at_expiry(one, START + USEC_PER_DAY - 1));
    ck_assert(relay_looks_at_expiry(one, START + USEC_PER_DAY));
}
END_TEST

START_TEST(silence_is_told_once_and_not_within_an_outage)
{
    Relay *one = scene.one;

    ck_assert(relay_silent(one));
    ck_assert(!relay_silent(one));
    ck_assert(!relay_ready(one)); /* no login was in doubt */
    ck_assert(relay_silent(one));
    (void)relay_ready(one);
    (void)relay_fault(one, &refused_connection, 0, START);
    ck_assert(!relay_silent(one));
}
END_TEST

START_TEST(a_login_is_in_doubt_until_it_is_taken_and_when_it_was_refused)
{
    const DeliveryOutcome refused_login = {
        .stage = STAGE_AUTH, .code = 535, .error = ERROR_AUTHENTICATION, .text = "no"};
    Relay relay = *scene.one;
    RelayConfig config = *relay.config;

    ck_assert(!relay_is_unproven(&relay));
    config.user = (char *)"app";
    relay.config = &config;
    relay.fault_text = NULL;
    ck_assert(relay_is_unproven(&relay));
    ck_assert(relay_ready(&relay));
    ck_assert(!relay_ready(&relay));
    ck_assert(!relay_is_unproven(&relay));
    (void)relay_fault(&relay, &refused_connection, 0, START);
    ck_assert(!relay_is_unproven(&relay));
    (void)relay_fault(&relay, &refused_login, 0, START); /* held already */
    ck_assert(relay_is_unproven(&relay));
    free(relay.fault_text);
}
END_TEST

START_TEST(a_relay_that_refuses_more_is_limited_for_a_while)
{
    Relay *one = scene.one;

    ck_assert(!relay_refused_more(one, &refused_connection, 4, 0, START)); /* perhaps it is down */
    ck_assert_int_eq(one->state, RELAY_STATE_LIMITED);
    ck_assert(relay_refused_more(one, &refused_connection, 2, 1, START));
    ck_assert_int_eq(one->state, RELAY_STATE_LIMITED);
    ck_assert_uint_eq(one->limit, 2);
    ck_assert(!relay_refused_more(one, &refused_connection, 1, 1, START));
    ck_assert_uint_eq(one->limit, 1);
    relay_tick(one, START + USEC_PER_MINUTE - 1);
    ck_assert_int_eq(one->state, RELAY_STATE_LIMITED);
    relay_tick(one, START + USEC_PER_MINUTE);
    ck_assert_int_eq(one->state, RELAY_STATE_WORKS);
    ck_assert(!relay_refused_more(one, &refused_connection, 3, 1, START + USEC_PER_MINUTE));
    ck_assert(relay_refused_more(one, &refused_connection, 3, 1, START + USEC_PER_HOUR));
    /* With the last connection gone it was no limit. */
    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
    ck_assert(!relay_refused_more(one, &refused_connection, 1, 1, START));
    ck_assert_int_eq(one->state, RELAY_STATE_HELD);
}
END_TEST

START_TEST(a_limit_of_recipients_is_found_out_anew)
{
    Relay *one = scene.one;

    relay_learn_recipients(one, 5, START);
    relay_learn_recipients(one, 0, START);
    relay_tick(one, START + USEC_PER_HOUR - 1);
    ck_assert_uint_eq(one->recipients_max, 1);
    relay_tick(one, START + USEC_PER_HOUR);
    ck_assert_uint_eq(one->recipients_max, 0);
}
END_TEST

START_TEST(losses_in_a_row_are_counted_until_a_message_passes)
{
    ck_assert(!relay_lost_others(scene.one, 1));
    relay_lost(scene.one, 1);
    relay_lost(scene.one, 1);
    ck_assert_uint_eq(scene.one->losses, 2);
    ck_assert(!relay_lost_others(scene.one, 1));
    ck_assert(relay_lost_others(scene.one, 2));
    relay_lost(scene.one, 2);
    ck_assert(relay_lost_others(scene.one, 1));
    ck_assert(!relay_works(scene.one));
    ck_assert_uint_eq(scene.one->losses, 0);
    ck_assert(!relay_lost_others(scene.one, 1));
    relay_lost(scene.one, 1);
    ck_assert(!relay_lost_others(scene.one, 1));
}
END_TEST

START_TEST(every_state_has_a_name)
{
    for (int state = 0; state < RELAY_STATE_MAX; state++)
        ck_assert_str_ne(relay_state_name((RelayState)state), "unknown");
    ck_assert_str_eq(relay_state_name(RELAY_STATE_MAX), "unknown");
}
END_TEST

/* ---- suspects ---- */

START_TEST(messages_are_remembered_until_something_is_said_of_them)
{
    Suspects *s = malloc(sizeof(Suspects));
    char id[32];

    ck_assert_ptr_nonnull(s);
    suspects_init(s);
    ck_assert_ptr_null(suspects_find(s, "a", 0));
    suspects_add(s, "a", 0, 7);
    suspects_add(s, "b", 0, 8);
    suspects_add(s, "a", 0, 9);
    suspects_add(s, "a", 1, 9);
    ck_assert_uint_eq(suspects_find(s, "a", 0)->times, 2);
    ck_assert_uint_eq(suspects_find(s, "a", 0)->served, 9);
    ck_assert_uint_eq(suspects_find(s, "b", 0)->times, 1);
    ck_assert_uint_eq(suspects_find(s, "a", 1)->times, 1);
    suspects_forget(s, "a");
    ck_assert_ptr_null(suspects_find(s, "a", 0));
    ck_assert_ptr_null(suspects_find(s, "a", 1));
    for (unsigned i = 0; i < 3 * SUSPECTS_MAX; i++) { /* the latest stay */
        snprintf(id, sizeof(id), "%u", i);
        suspects_add(s, id, 0, 0);
    }
    ck_assert_ptr_nonnull(suspects_find(s, id, 0));
    ck_assert_ptr_null(suspects_find(s, "b", 0));
    free(s);
}
END_TEST

START_TEST(advice_is_by_cause)
{
    static const RelayConfig relay = {.tls = TLS_MODE_STARTTLS};
    static const struct {
        DeliveryOutcome outcome;
        const char *words; /* NULL: the outcome's own do */
        int status;
    } cases[] = {
        {{.cause = CAUSE_REPLY, .stage = STAGE_GREETING, .code = 554}, "block list", EX_TEMPFAIL},
        {{.cause = CAUSE_REPLY, .stage = STAGE_GREETING, .code = 421}, "may pass", EX_TEMPFAIL},
        {{.cause = CAUSE_REPLY, .stage = STAGE_AUTH, .code = 535, .error = ERROR_AUTHENTICATION},
            "user, password", EX_NOPERM},
        {{.cause = CAUSE_REPLY, .stage = STAGE_AUTH, .code = 454}, "may pass", EX_TEMPFAIL},
        {{.cause = CAUSE_REPLY, .stage = STAGE_AUTH, .code = 530, .error = ERROR_AUTHENTICATION},
            "set user and a password", EX_NOPERM},
        {{.cause = CAUSE_OWN, .stage = STAGE_TLS, .error = ERROR_CONFIGURATION}, NULL, EX_CONFIG},
        {{.cause = CAUSE_OWN, .stage = STAGE_AUTH, .error = ERROR_AUTHENTICATION}, NULL, EX_NOPERM},
        {{.cause = CAUSE_PROTOCOL, .stage = STAGE_TLS, .error = ERROR_TLS_HANDSHAKE},
            "tls_protocols", EX_TEMPFAIL},
        {{.cause = CAUSE_PROTOCOL,
             .stage = STAGE_STARTTLS,
             .error = ERROR_TLS_HANDSHAKE,
             .reason = REASON_TLS_NOT_OFFERED},
            NULL, EX_TEMPFAIL},
        {{.cause = CAUSE_OWN, .stage = STAGE_STARTTLS, .error = ERROR_CONFIGURATION}, NULL,
            EX_CONFIG},
        {{.cause = CAUSE_REPLY, .stage = STAGE_STARTTLS, .code = 502, .error = ERROR_SMTP_PROTOCOL},
            "cannot do TLS", EX_TEMPFAIL},
        {{.cause = CAUSE_PROTOCOL, .stage = STAGE_CERTIFICATE, .error = ERROR_CERTIFICATE_VERIFY},
            "tls_ca_file", EX_TEMPFAIL},
        {{.cause = CAUSE_OWN, .stage = STAGE_CONTENT, .error = ERROR_SMTP_PROTOCOL}, NULL,
            EX_TEMPFAIL},
        {{.cause = CAUSE_OWN, .stage = STAGE_MESSAGE, .error = ERROR_MESSAGE}, NULL, EX_TEMPFAIL},
        {{.cause = CAUSE_OWN, .stage = STAGE_LOOKUP, .error = ERROR_FILE}, NULL, EX_NOINPUT},
        {{.cause = CAUSE_LOST, .stage = STAGE_CONNECT, .error = 10061}, NULL, EX_TEMPFAIL},
        {{.cause = CAUSE_LOST, .stage = STAGE_CONNECT, .error = 10013}, NULL, EX_NOPERM},
        {{.cause = CAUSE_TIMEOUT, .stage = STAGE_CONTENT}, "too slow", EX_TEMPFAIL},
        {{.kind = DELIVERY_REFUSED, .cause = CAUSE_REPLY, .stage = STAGE_RCPT, .code = 550}, "log",
            EX_UNAVAILABLE},
        {{.kind = DELIVERY_DEFERRED, .cause = CAUSE_REPLY, .stage = STAGE_RCPT, .code = 451},
            "may pass", EX_TEMPFAIL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        DeliveryOutcome outcome = cases[i].outcome;
        const char *advice;

        if (outcome.kind == DELIVERY_DELIVERED)
            outcome.kind = DELIVERY_CUT_OFF;
        advice = advice_on(&outcome, &relay);
        ck_assert_int_eq(advice_status(&outcome), cases[i].status);
        ck_assert(!advice == !cases[i].words);
        ck_assert(!advice || strstr(advice, cases[i].words));
    }
}
END_TEST

START_TEST(who_logs_in_is_not_told_to_set_a_login)
{
    static const struct {
        TlsMode tls;
        const char *words;
    } cases[] = {
        {TLS_MODE_STARTTLS, "wants another login than this"},
        {TLS_MODE_IMPLICIT, "wants another login than this"},
        {TLS_MODE_OPPORTUNISTIC, "set tls = \"starttls\" or \"implicit\""},
        {TLS_MODE_NONE, "set tls = \"starttls\" or \"implicit\""},
    };
    const DeliveryOutcome outcome = {.cause = CAUSE_REPLY, .stage = STAGE_AUTH, .code = 530};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const RelayConfig relay = {.tls = cases[i].tls, .user = (char *)"ann"};
        const char *advice = advice_on(&outcome, &relay);

        ck_assert_ptr_nonnull(strstr(advice, cases[i].words));
        ck_assert_ptr_null(strstr(advice, "set user"));
    }
}
END_TEST

/* Whatever comes together in an outcome. */
static void check_status(const DeliveryOutcome *o)
{
    int status = advice_status(o);

    ck_assert_int_eq(status == EX_OK, o->kind == DELIVERY_DELIVERED);
    if (o->kind == DELIVERY_DEFERRED || o->kind == DELIVERY_POSTPONED)
        ck_assert_int_eq(status, EX_TEMPFAIL);
    if (o->kind != DELIVERY_CUT_OFF)
        return;
    ck_assert_int_ne(status, EX_UNAVAILABLE); /* nobody said no to a message */
    ck_assert_int_ne(status, EX_PROTOCOL);
    if (o->code / 100 == 4)
        ck_assert_int_eq(status, EX_TEMPFAIL);
    else if (o->cause != CAUSE_OWN)
        ck_assert(status == EX_TEMPFAIL || status == EX_NOPERM);
}

START_TEST(every_kind_of_outcome_has_its_status)
{
    static const int codes[] = {0, 221, 421, 530, 550};
    static const int errors[] = {ERROR_NONE, ERROR_FIREWALL, ERROR_SMTP_PROTOCOL, ERROR_TIMEOUT,
        ERROR_TLS_LIBRARY, ERROR_TLS_HANDSHAKE, ERROR_CERTIFICATE_VERIFY, ERROR_FILE, 10013, 10061,
        ERROR_HOST_NOT_FOUND, ERROR_CONFIGURATION, ERROR_MESSAGE, ERROR_REFUSED,
        ERROR_AUTHENTICATION};
    unsigned kinds = DELIVERY_KIND_MAX, causes = CAUSE_OWN + 1;

    for (unsigned i = 0; i < kinds * causes * STAGE_MAX; i++)
        for (size_t k = 0; k < ELEMENTSOF(codes) * ELEMENTSOF(errors); k++) {
            const DeliveryOutcome o = {
                .kind = (DeliveryKind)(i % kinds),
                .cause = (DeliveryCause)(i / kinds % causes),
                .stage = (DeliveryStage)(i / kinds / causes),
                .code = codes[k % ELEMENTSOF(codes)],
                .error = errors[k / ELEMENTSOF(codes)],
            };

            check_status(&o);
        }
}
END_TEST

/* ---- the verdict ---- */

static const RetryConfig retry = {
    .first = USEC_PER_MINUTE,
    .max = USEC_PER_HOUR,
    .factor = 2.0,
    .give_up_after = USEC_PER_DAY,
};

static Verdict judge(const Tally *tally, usec_t now)
{
    return verdict_reach(tally, &retry, 0, now);
}

START_TEST(verdicts_follow_the_outcomes)
{
    static const struct {
        Tally tally;
        MessageChange change;
        int error;
        const char *text;
    } cases[] = {
        {{.attempt = 1, .recipients = 1, .pending = 1, .delivered = 1}, MESSAGE_SENT, 0, NULL},
        {{.attempt = 1, .recipients = 1, .pending = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .delivered = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .refused = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .delivered = 1, .refused = 1, .reason = "r"},
            MESSAGE_FAILED, ERROR_REFUSED, "1 of 2 recipients refused; r"},
        {{.attempt = 2, .recipients = 2, .pending = 1, .delivered = 1, .refused_before = 1},
            MESSAGE_FAILED, ERROR_REFUSED,
            "1 of 2 recipients refused; recipients were refused in an earlier attempt"},
        {{.attempt = 1, .recipients = 2, .pending = 2, .refused = 1, .deferred = 1, .reason = "r"},
            MESSAGE_DEFERRED, 0, "r"},
        {{.attempt = 1, .recipients = 2, .pending = 2, .deferred = 1, .reason = "r"},
            MESSAGE_DEFERRED, 0, "r"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Verdict v = judge(&cases[i].tally, START);

        ck_assert_int_eq(v.change, cases[i].change);
        ck_assert_int_eq(v.error, cases[i].error);
        if (cases[i].text)
            ck_assert_str_eq(v.text, cases[i].text);
        else
            ck_assert_ptr_null(v.text);
        free(v.text);
    }
}
END_TEST

START_TEST(a_deferred_message_has_its_time_or_expires)
{
    Tally tally = {
        .attempt = 3, .first_attempt = START, .recipients = 1, .pending = 1, .deferred = 1};
    Verdict v = judge(&tally, START);

    ck_assert_uint_eq(v.next, START + 4 * USEC_PER_MINUTE);
    ck_assert_str_eq(v.text, "not enough memory to tell"); /* there was none for the reason */
    free(v.text);
    tally.reason = "the reason";
    v = judge(&tally, START + USEC_PER_DAY);
    ck_assert_int_eq(v.change, MESSAGE_FAILED);
    ck_assert_int_eq(v.error, ERROR_EXPIRED);
    ck_assert_str_eq(v.text, "given up after 3 attempts; the last: the reason");
    free(v.text);
    v = verdict_reach(&tally, &(RetryConfig){.max_attempts = 3}, 0, START);
    ck_assert_int_eq(v.error, ERROR_EXPIRED);
    free(v.text);
}
END_TEST

START_TEST(what_one_of_several_relays_may_take_later_is_to_be_tried_again)
{
    static const int all[] = {EX_TEMPFAIL, EX_NOPERM, EX_CONFIG};

    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        for (size_t j = 0; j < ELEMENTSOF(all); j++)
            ck_assert_int_eq(advice_join_status(advice_join_status(EX_OK, all[i]), all[j]),
                i == 0 || j == 0 ? EX_TEMPFAIL : all[j]);
    ck_assert_int_eq(advice_join_status(EX_NOPERM, EX_OK), EX_NOPERM);
    ck_assert_int_eq(advice_join_status(EX_OK, EX_OK), EX_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery: relays and verdicts");
    TCase *relays = tcase_create("relays"), *verdicts = tcase_create("verdicts");

    tcase_add_checked_fixture(relays, setup, teardown);
    tcase_add_test(relays, a_fault_holds_a_relay_until_its_time_is_over_and_a_message_has_passed);
    tcase_add_test(relays, all_are_held_when_the_last_one_is);
    tcase_add_test(relays, a_hold_grows_to_its_limit_and_is_news_once);
    tcase_add_test(relays, a_try_that_is_older_than_a_flush_does_not_hold);
    tcase_add_test(relays, other_words_of_the_same_fault_are_news_but_not_what_counts_up);
    tcase_add_test(relays, a_server_that_says_something_else_each_time_does_not_flood_the_log);
    tcase_add_test(relays, a_hold_ends_what_was_said_of_silence);
    tcase_add_test(relays, silence_that_comes_back_from_a_hold_for_silence_is_no_news);
    tcase_add_test(relays, certificates_are_looked_at_now_and_then);
    tcase_add_test(relays, silence_is_told_once_and_not_within_an_outage);
    tcase_add_test(relays, a_login_is_in_doubt_until_it_is_taken_and_when_it_was_refused);
    tcase_add_test(relays, a_relay_that_refuses_more_is_limited_for_a_while);
    tcase_add_test(relays, a_limit_of_recipients_is_found_out_anew);
    tcase_add_test(relays, losses_in_a_row_are_counted_until_a_message_passes);
    tcase_add_test(relays, every_state_has_a_name);
    tcase_add_test(relays, messages_are_remembered_until_something_is_said_of_them);
    tcase_add_test(relays, advice_is_by_cause);
    tcase_add_test(relays, who_logs_in_is_not_told_to_set_a_login);
    tcase_add_test(relays, every_kind_of_outcome_has_its_status);
    tcase_add_test(relays, what_one_of_several_relays_may_take_later_is_to_be_tried_again);
    tcase_add_test(verdicts, verdicts_follow_the_outcomes);
    tcase_add_test(verdicts, a_deferred_message_has_its_time_or_expires);
    suite_add_tcase(suite, relays);
    suite_add_tcase(suite, verdicts);
    return unit_run(suite);
}
