/* daemon: reports of the engine as log entries. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/file.h"
#include "daemon/events.h"
#include "unit.h"

/* Every entry as its fields, a line each; entries are separated by an empty line. */
typedef struct Captured {
    Buffer text;
    unsigned entries;
} Captured;

static int capture(void *user, const Entry *entry)
{
    Captured *captured = user;

    for (size_t i = 0; i < entry->n_fields; i++) {
        ck_assert_int_eq(
            buffer_append(&captured->text, entry->fields[i].iov_base, entry->fields[i].iov_len), 0);
        ck_assert_int_eq(buffer_append_string(&captured->text, "\n"), 0);
    }
    ck_assert_int_eq(buffer_append_string(&captured->text, "\n"), 0);
    captured->entries++;
    return 0;
}

static Captured captured;
static Log *log_;

static void setup(void)
{
    captured = (Captured){0};
    ck_assert_int_eq(log_new_sink(capture, capture, &captured, &log_), 0);
}

static void teardown(void)
{
    log_free(log_);
    buffer_done(&captured.text);
}

static const char *text(void)
{
    ck_assert_ptr_nonnull(buffer_reserve(&captured.text, 1));
    captured.text.memory[captured.text.end] = '\0';
    return buffer_data(&captured.text);
}

static unsigned count(const char *what)
{
    unsigned n = 0;

    for (const char *at = text(); (at = strstr(at, what)); at++)
        n++;
    return n;
}

static const char *const two[] = {"ann@example.com", "bob@example.com"};
static const DeliveryOutcome accepted = {.kind = DELIVERY_DELIVERED,
    .stage = STAGE_CONTENT,
    .code = 250,
    .enhanced = "2.0.0",
    .text = "queued as 4711"};

static OutcomeReport outcome_report(const DeliveryOutcome *outcome)
{
    return (OutcomeReport){.id = "X1",
        .owner = 1000,
        .sender = "shop@example.org",
        .recipients = two,
        .n_recipients = 2,
        .outcome = outcome,
        .attempt = 1,
        .relay = "primary",
        .address = "192.0.2.1:587",
        .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
        .bytes = 1234,
        .delay_usec = 1250000};
}

START_TEST(a_delivered_message_is_one_entry)
{
    OutcomeReport report = outcome_report(&accepted);

    event_outcome(log_, &report);
    event_message(log_, &(MessageReport){.id = "X1", .change = MESSAGE_SENT, .attempt = 1});
    ck_assert_uint_eq(captured.entries, 1);
    ck_assert_str_eq(text(),
        "PRIORITY=6\n"
        "MESSAGE_ID=f66181a3b7b14a4982adc56efda79ba9\n"
        "OUTBOX_EVENT=delivered\n"
        "MESSAGE=X1: delivered to ann@example.com and 1 more by primary [192.0.2.1:587] after "
        "1s250ms: 250 2.0.0 queued as 4711\n"
        "OUTBOX_ID=X1\n"
        "OUTBOX_UID=1000\n"
        "OUTBOX_SENDER=shop@example.org\n"
        "OUTBOX_RELAY=primary\n"
        "OUTBOX_ADDRESS=192.0.2.1:587\n"
        "OUTBOX_STAGE=content\n"
        "OUTBOX_CODE=250\n"
        "OUTBOX_ENHANCED=2.0.0\n"
        "OUTBOX_REPLY=queued as 4711\n"
        "OUTBOX_ATTEMPT=1\n"
        "OUTBOX_BYTES=1234\n"
        "OUTBOX_DELAY_USEC=1250000\n"
        "OUTBOX_TLS=TLSv1.3 TLS_AES_256_GCM_SHA384\n"
        "OUTBOX_RECIPIENT=ann@example.com\n"
        "OUTBOX_RECIPIENT=bob@example.com\n"
        "\n");
}
END_TEST

START_TEST(refusals_and_deferrals_name_stage_and_reply)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_REFUSED,
        .stage = STAGE_RCPT,
        .code = 550,
        .enhanced = "5.1.1",
        .error = ERROR_SMTP_PROTOCOL,
        .text = "no \x1b such\nuser"};
    OutcomeReport report = outcome_report(&outcome);

    report.attempt = 3;
    report.n_recipients = 1;
    event_outcome(log_, &report);
    ck_assert_uint_eq(
        count("PRIORITY=4\nMESSAGE_ID=10b2407087a94dafa0c8dbd75d4d5aac\nOUTBOX_EVENT=refused\n"
              "MESSAGE=X1: refused for ann@example.com by primary [192.0.2.1:587] at attempt 3, "
              "stage rcpt: 550 5.1.1 no \\x1b such\\x0auser\n"),
        1);
    ck_assert_uint_eq(count("OUTBOX_ERROR=161\n"), 1);
    outcome = (DeliveryOutcome){.kind = DELIVERY_DEFERRED,
        .stage = STAGE_CONTENT,
        .error = ERROR_TIMEOUT,
        .text = "no reply within 60 s"};
    report.relay = report.address = report.tls = NULL;
    event_outcome(log_, &report);
    ck_assert_uint_eq(
        count(
            "PRIORITY=5\nMESSAGE_ID=f4a5e808ba2c43eb842b8de3411b01fb\nOUTBOX_EVENT=deferred\n"
            "MESSAGE=X1: put off for ann@example.com at attempt 3, stage content: no reply within "
            "60 s\n"),
        1);
    ck_assert_uint_eq(count("OUTBOX_CODE="), 1);
    ck_assert_uint_eq(count("OUTBOX_RELAY="), 1);
}
END_TEST

START_TEST(a_postponed_recipient_makes_no_entry)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_POSTPONED,
        .stage = STAGE_RCPT,
        .code = 452,
        .text = "too many recipients"};
    OutcomeReport report = outcome_report(&outcome);

    event_outcome(log_, &report);
    ck_assert_uint_eq(captured.entries, 0);
}
END_TEST

START_TEST(an_attempt_that_was_cut_off_says_why)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_CUT_OFF,
        .cause = CAUSE_LOST,
        .stage = STAGE_RCPT,
        .under_way = true,
        .error = ERROR_CONNECTION_DROPPED,
        .text = ""};
    OutcomeReport report = outcome_report(&outcome);

    event_outcome(log_, &report);
    ck_assert_uint_eq(count("OUTBOX_EVENT=deferred\nMESSAGE=X1: put off for ann@example.com and 1 "
                            "more by primary [192.0.2.1:587] at attempt 1, stage rcpt: the "
                            "connection was lost\n"),
        1);
    outcome.cause = CAUSE_TIMEOUT;
    event_outcome(log_, &report);
    ck_assert_uint_eq(count("stage rcpt: no reply came in time\n"), 1);
    outcome.cause = CAUSE_PROTOCOL;
    event_outcome(log_, &report);
    ck_assert_uint_eq(count("stage rcpt: what came was no reply"), 1);
    outcome.text = "no reply within 60 s";
    event_outcome(log_, &report);
    ck_assert_uint_eq(count("stage rcpt: no reply within 60 s\n"), 1);
    ck_assert_uint_eq(count("may have been delivered"), 0);
}
END_TEST

START_TEST(a_new_name_is_told_with_the_old_one)
{
    event_message(
        log_, &(MessageReport){
                  .id = "X1.2", .old_id = "X1", .change = MESSAGE_FAILED, .text = "no recipient"});
    ck_assert_uint_eq(count("MESSAGE=X1.2 (was X1): given up: no recipient\nOUTBOX_ID=X1.2\n"
                            "OUTBOX_OLD_ID=X1\nOUTBOX_UID=0\n"),
        1);
    event_message(
        log_, &(MessageReport){.id = "X1.2", .old_id = "X1", .change = MESSAGE_SENT, .attempt = 1});
    ck_assert_uint_eq(count("MESSAGE=X1.2 (was X1): delivered to every recipient"), 1);
}
END_TEST

START_TEST(many_recipients_are_split_over_entries)
{
    static char names[250][32];
    const char *recipients[250];
    OutcomeReport report = outcome_report(&accepted);

    for (int i = 0; i < 250; i++) {
        snprintf(names[i], sizeof(names[i]), "r%d@example.com", i);
        recipients[i] = names[i];
    }
    report.recipients = recipients;
    report.n_recipients = 250;
    event_outcome(log_, &report);
    ck_assert_uint_eq(captured.entries, 3);
    ck_assert_uint_eq(count("OUTBOX_RECIPIENT="), 250);
    ck_assert_uint_eq(count("OUTBOX_RECIPIENT=r249@example.com\n"), 1);
    ck_assert_uint_eq(count("delivered to r100@example.com and 99 more"), 1);
    ck_assert_uint_eq(count("delivered to r200@example.com and 49 more"), 1);
    ck_assert_uint_eq(count("OUTBOX_BYTES=1234\n"), 3);
}
END_TEST

START_TEST(the_longest_recipients_fit)
{
    static char name[100000];
    const char *recipients[EVENTS_RECIPIENTS_MAX];
    OutcomeReport report = outcome_report(&accepted);

    memset(name, 0x01, sizeof(name) - 1);
    for (int i = 0; i < EVENTS_RECIPIENTS_MAX; i++)
        recipients[i] = name;
    report.id = report.sender = report.relay = report.address = report.tls = name;
    report.recipients = recipients;
    report.n_recipients = EVENTS_RECIPIENTS_MAX;
    event_outcome(log_, &report);
    ck_assert_uint_eq(captured.entries, 1);
    ck_assert_uint_eq(count("OUTBOX_RECIPIENT=\\x01"), EVENTS_RECIPIENTS_MAX);
}
END_TEST

START_TEST(changes_of_a_message_are_told)
{
    MessageReport report = {.id = "X1",
        .sender = "shop@example.org",
        .attempt = 2,
        .change = MESSAGE_SENT,
        .delay_usec = 3725 * USEC_PER_SEC};

    event_message(log_, &report);
    ck_assert_uint_eq(
        count("OUTBOX_EVENT=sent\nMESSAGE=X1: delivered to every recipient at attempt 2, after "
              "1h2m\n"),
        1);
    report.change = MESSAGE_DEFERRED;
    report.next = 1767323045678901u;
    report.text = "450 later";
    event_message(log_, &report);
    ck_assert_uint_eq(count("OUTBOX_EVENT=retry\nMESSAGE=X1: attempt 2 is over, the next is due at "
                            "2026-01-02T03:04:05Z: 450 later\n"),
        1);
    report.change = MESSAGE_FAILED;
    report.error = ERROR_EXPIRED;
    report.text = "given up after 5 days";
    event_message(log_, &report);
    ck_assert_uint_eq(count("PRIORITY=4\nMESSAGE_ID=985d8e0bd3584b67a33e53982513ec2d\n"), 1);
    ck_assert_uint_eq(count("OUTBOX_ERROR=9005\n"), 1);
    event_message(log_,
        &(MessageReport){.id = "X2", .owner = FILE_OWNER_UNKNOWN, .change = MESSAGE_RECOVERED});
    ck_assert_uint_eq(count("OUTBOX_ID=X2\n\n"), 1);
    event_message(
        log_, &(MessageReport){.id = "X4", .change = MESSAGE_ABANDONED, .text = "its end ..."});
    ck_assert_uint_eq(
        count("OUTBOX_EVENT=abandoned\nMESSAGE=X4: left as .sending: its end ...\n"), 1);
    event_message(log_, &(MessageReport){.id = "X3", .change = MESSAGE_RETURNED});
    ck_assert_uint_eq(count("OUTBOX_EVENT=recovered\n"), 1);
    ck_assert_uint_eq(count("PRIORITY=7\nMESSAGE_ID=b8a9f69a90f041259c7681f1a7cdd738\n"), 1);
}
END_TEST

START_TEST(a_relay_on_hold_is_an_error_with_a_way_out)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_CUT_OFF,
        .stage = STAGE_AUTH,
        .code = 535,
        .enhanced = "5.7.8",
        .error = ERROR_AUTHENTICATION,
        .text = "bad credentials"};

    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_HELD,
                          .news = true,
                          .until = 1767323045678901u,
                          .outcome = &outcome,
                          .hint = "correct user or password"});
    ck_assert_uint_eq(
        count("PRIORITY=3\nMESSAGE_ID=009207a672b94b90a4b5037c51504ab7\nOUTBOX_EVENT=relay-held\n"
              "MESSAGE=relay primary [192.0.2.1:587] is on hold until 2026-01-02T03:04:05Z, stage "
              "auth: 535 5.7.8 bad credentials; correct user or password\n"),
        1);
    ck_assert_uint_eq(count("OUTBOX_STAGE=auth\nOUTBOX_CODE=535\n"), 1);
    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_HELD,
                          .until = 1767323045678901u,
                          .outcome = &outcome}); /* no news */
    ck_assert_uint_eq(count("OUTBOX_EVENT=relay-held\n"), 1);
    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_REFUSED_MORE,
                          .news = true,
                          .connections = 3,
                          .until = 1767323045678901u,
                          .outcome = &outcome});
    ck_assert_uint_eq(
        count("OUTBOX_EVENT=relay-limited\nMESSAGE=relay primary [192.0.2.1:587] takes "
              "no more connections than 3; what they cannot take goes to the next "
              "relay, if there is one, until 2026-01-02T03:04:05Z, stage auth: 535 "),
        1);
    outcome = (DeliveryOutcome){.cause = CAUSE_TIMEOUT, .stage = STAGE_GREETING, .text = ""};
    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_SILENT,
                          .news = true,
                          .outcome = &outcome,
                          .hint = "check port and tls"});
    ck_assert_uint_eq(
        count("OUTBOX_EVENT=relay-silent\nMESSAGE=relay primary [192.0.2.1:587] has been waited "
              "for in vain for ten seconds, stage greeting: until it gets on the next relay has "
              "the mail, if there is one; check port and tls\n"),
        1);
    event_relay(log_,
        &(RelayReport){.relay = "primary", .address = "", .change = RELAY_RESUMED, .news = true});
    ck_assert_uint_eq(count("PRIORITY=5\nMESSAGE_ID=7c9acf2a4e284ea3a9d81efe3d21d3c4\n"
                            "OUTBOX_EVENT=relay-resumed\nMESSAGE=relay primary works again\n"),
        1);
}
END_TEST

START_TEST(who_is_waited_for_beside_a_relay_is_told)
{
    const DeliveryOutcome outcome = {.cause = CAUSE_TIMEOUT,
        .stage = STAGE_AUTH,
        .text = "the token server https://login.example.com"};

    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "",
                          .change = RELAY_SILENT,
                          .news = true,
                          .outcome = &outcome,
                          .hint = "check oauth_token_url"});
    ck_assert_uint_eq(
        count("OUTBOX_EVENT=relay-silent\nMESSAGE=relay primary has not been of use for ten "
              "seconds, stage auth, where what is waited for is the token server "
              "https://login.example.com: until it gets on the next relay has the mail, if there "
              "is one; check oauth_token_url\n"),
        1);
    ck_assert_uint_eq(count("OUTBOX_REPLY=the token server"), 0);
}
END_TEST

START_TEST(a_certificate_that_ends_soon_is_a_warning)
{
    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_EXPIRES,
                          .news = true,
                          .expires = "the certificate of a ends\nour own ends"});
    ck_assert_uint_eq(count("PRIORITY=4\nMESSAGE_ID=7d2b5b521e474add8dcaad9c8e753897\n"
                            "OUTBOX_EVENT=relay-expires\nMESSAGE=relay primary [192.0.2.1:587]: "
                            "the certificate of a ends"),
        1);
}
END_TEST

START_TEST(a_policy_that_is_tested_is_a_warning)
{
    event_relay(log_, &(RelayReport){.relay = "primary",
                          .address = "192.0.2.1:587",
                          .change = RELAY_POLICY,
                          .news = true,
                          .policy = "the policy of a does not name b"});
    ck_assert_uint_eq(count("PRIORITY=4\nMESSAGE_ID=3f0c5e9ad1b74c5d8a6be1f4270d9c63\n"
                            "OUTBOX_EVENT=relay-policy\nMESSAGE=relay primary [192.0.2.1:587]: "
                            "the policy of a does not name b\n"),
        1);
}
END_TEST

START_TEST(the_daemons_own_failures_are_told_whole)
{
    Failure f = {.number = ERROR_CONFIGURATION, .text = (char *)"c:1: x\nc:2: y"};

    event_reload_refused(log_, &f);
    ck_assert_uint_eq(count("PRIORITY=3\n"), 1);
    ck_assert_uint_eq(count("MESSAGE=the new configuration is not taken, the old one stays:\n"
                            "c:1: x\nc:2: y\nOUTBOX_ERROR=9002\n"),
        1);
    f = (Failure){.number = ERROR_SPOOL, .text = (char *)"too many open files"};
    event_problem(log_, &(ProblemReport){.id = "X1", .owner = 1000, .failure = &f});
    ck_assert_uint_eq(count("MESSAGE=X1: too many open files\n"
                            "OUTBOX_ID=X1\nOUTBOX_UID=1000\nOUTBOX_ERROR=9008\n"),
        1);
    event_problem(log_, &(ProblemReport){.failure = &f});
    ck_assert_uint_eq(count("MESSAGE=too many open files\nOUTBOX_ERROR=9008\n"), 1);
    event_problems_left_out(log_, 7);
    ck_assert_uint_eq(count("that were left out: 7\n"), 1);
    event_limits(log_, &(Limits){.files = 300, .wanted = 40, .descriptors = 20, .connections = 5});
    ck_assert_uint_eq(count("PRIORITY=4\nMESSAGE_ID=c4c0dbc460bc4c3e80cbe5ace6bf17ec\n"
                            "OUTBOX_EVENT=limits\nMESSAGE=at most 5 connections at a time, of 40 "),
        1);
    event_directory_lost(log_, "/q", &f);
    event_directory_back(log_, "/q");
    ck_assert_uint_eq(
        count("MESSAGE=nothing is delivered from /q until it can be used again: too many open"), 1);
    ck_assert_uint_eq(count("OUTBOX_EVENT=directory-back\n"), 1);
}
END_TEST

START_TEST(start_and_reload_name_the_relays)
{
    RelayConfig first = {.name = (char *)"primary",
        .host = (char *)"smtp.example.com",
        .port = 587,
        .user = (char *)"secret-user"};
    RelayConfig second = {.name = (char *)"b", .host = (char *)"::1", .port = 25};
    RelayConfig *relays[] = {&first, &second};
    Config config = {.spool.directory = (char *)"/q", .relays = relays, .n_relays = 2};

    event_started(log_, &config);
    event_reloaded(log_, &config);
    event_stopping(log_, 3, 90 * USEC_PER_SEC);
    ck_assert_uint_eq(
        count("/q, by way of primary (smtp.example.com port 587), b (::1 port 25)\n"), 2);
    ck_assert_uint_eq(count("OUTBOX_EVENT=started\n"), 1);
    ck_assert_uint_eq(count("messages in flight: 3; seconds they have to end: 90\n"), 1);
    ck_assert_uint_eq(count("secret"), 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/events");
    TCase *tc = tcase_create("events");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_delivered_message_is_one_entry);
    tcase_add_test(tc, refusals_and_deferrals_name_stage_and_reply);
    tcase_add_test(tc, a_postponed_recipient_makes_no_entry);
    tcase_add_test(tc, an_attempt_that_was_cut_off_says_why);
    tcase_add_test(tc, a_new_name_is_told_with_the_old_one);
    tcase_add_test(tc, many_recipients_are_split_over_entries);
    tcase_add_test(tc, the_longest_recipients_fit);
    tcase_add_test(tc, changes_of_a_message_are_told);
    tcase_add_test(tc, a_relay_on_hold_is_an_error_with_a_way_out);
    tcase_add_test(tc, who_is_waited_for_beside_a_relay_is_told);
    tcase_add_test(tc, a_certificate_that_ends_soon_is_a_warning);
    tcase_add_test(tc, a_policy_that_is_tested_is_a_warning);
    tcase_add_test(tc, the_daemons_own_failures_are_told_whole);
    tcase_add_test(tc, start_and_reload_name_the_relays);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
