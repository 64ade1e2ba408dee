/* A connection whose driver comes late, because the process was stopped or busy: what has arrived
 * counts before the time does, and a server that is silent is still found out. The clock is the
 * test's, the server is real. */
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>

#include "net/connection.h"
#include "net/mta_sts_file.h"
#include "net_client.h"

#define LONG (1000 * USEC_PER_SEC) /* more than any time-out here */

typedef struct Late {
    Client client;
    usec_t now;
} Late;

/* In its place: the connection remembers where the client is. */
static void late_start(Late *late, TestServer *server, const char *const *settings)
{
    *late = (Late){.client = client_for(test_server_port(server), settings), .now = LONG};
    ck_assert_int_eq(connection_new(late->client.shared, on_trace, &late->client, late->now,
                         &late->client.connection),
        0);
}

static void late_done(Late *late)
{
    connection_free(late->client.connection);
    client_done(&late->client);
}

/* Events up to the next wait. */
static void step(Late *late)
{
    SmtpEvent event;
    int r;

    while ((r = connection_step(late->client.connection, late->now, &event)) == 1)
        ck_assert_int_eq(on_event(&late->client, late->client.connection, &event), 0);
    ck_assert_int_eq(r, 0);
}

/* Until there is something at the descriptor, however long that takes. */
static void await(Late *late)
{
    Connection *c = late->client.connection;
    struct pollfd p = {.fd = connection_fd(c), .events = connection_poll_events(c)};

    ck_assert_int_eq(poll(&p, 1, -1), 1);
    connection_ready(c, p.revents);
}

/* To READY, each step long behind its time. */
static void run_late(
    const char *script, const TestServerOptions *options, const char *const *settings)
{
    TestServer *server = test_server_start(SCRIPTS(script), options);
    Late late;

    late_start(&late, server, settings);
    step(&late);
    while (!late.client.ready && !late.client.closed) {
        await(&late);
        late.now += LONG;
        step(&late);
    }
    ck_assert_msg(late.client.ready, "%s", late.client.text);
    late_done(&late);
    test_server_stop(server);
}

START_TEST(what_has_come_meanwhile_counts)
{
    const TestServerOptions tls = {.certificate = &certificate};
    const TestServerOptions old = {.certificate = &certificate, .max_version = TLS1_2_VERSION};

    run_late("S: 220 server.test\n" EHLO "SILENCE\n", NULL, SETTINGS("tls=none"));
    run_late("S: 220 server.test\n" STARTTLS EHLO "SILENCE\n", &tls, SETTINGS("tls=starttls"));
    run_late("TLS\nS: 220 server.test\n" EHLO "SILENCE\n", &old, SETTINGS("tls=implicit"));
    run_late("S: 220 server.test\n" EHLO "SILENCE\n", NULL,
        SETTINGS("tls=none", "absolute_timeout=true"));
    run_late("S: 220 server.test\n" EHLO "SILENCE\n", NULL,
        SETTINGS("tls=none", "host=localhost", "ip_version=0"));
    run_late("S: 220 server.test\n" EHLO "SILENCE\n", NULL,
        SETTINGS("tls=none", "user=ann", "auth=none", "password_command=echo secret"));
}
END_TEST

/* Nothing of it is told of as silence either. */
START_TEST(a_greeting_that_waits_to_be_read_is_no_silence)
{
    TestServer *server = test_server_start(SCRIPTS("S: 220 server.test\n" EHLO "SILENCE\n"), NULL);
    Late late;

    late_start(&late, server, SETTINGS("tls=none"));
    step(&late);
    while (connection_stage(late.client.connection) < STAGE_GREETING) {
        await(&late);
        step(&late);
    }
    await(&late);
    late.now = connection_deadline(late.client.connection) + 1;
    step(&late);
    ck_assert_ptr_null(strstr(late.client.trace, "no greeting"));
    late_done(&late);
    test_server_stop(server);
}
END_TEST

#define LINES 40
#define TLS13_BYTES 22 /* of a record, beside what is in it */

/* With TLS each line of a reply may come by itself, and the time is just over. */
START_TEST(a_whole_reply_is_read_before_the_time_is_judged)
{
    const TestServerOptions tls = {.certificate = &certificate};
    char script[LINES * 40 + 200] = "TLS\nS: 220 server.test\nC: EHLO\n";
    TestServer *server;
    Late late;
    int waiting = 0;

    for (unsigned i = 0; i < LINES; i++)
        strcat(script, i + 1 < LINES ? "S: 250-XTEST\nPAUSE 1\n" : "S: 250 XTEST\nSILENCE\n");
    server = test_server_start(SCRIPTS(script), &tls);
    late_start(&late, server, SETTINGS("tls=implicit"));
    step(&late);
    while (connection_stage(late.client.connection) < STAGE_EHLO) {
        await(&late);
        step(&late);
    }
    while (waiting < LINES * (int)(strlen("250-XTEST\r\n") + TLS13_BYTES)) {
        ck_assert_int_eq(ioctl(connection_fd(late.client.connection), FIONREAD, &waiting), 0);
        (void)poll(NULL, 0, 1);
    }
    late.now = connection_deadline(late.client.connection);
    step(&late);
    ck_assert_msg(late.client.ready, "%s", late.client.text);
    late_done(&late);
    test_server_stop(server);
}
END_TEST

static void come_at(Late *late, usec_t now)
{
    late->now = now;
    step(late);
}

START_TEST(a_silent_server_is_found_out)
{
    const TestServerOptions tls = {.certificate = &certificate};

    for (unsigned always_late = 0; always_late < 2; always_late++)
        for (unsigned in_tls = 0; in_tls < 2; in_tls++) {
            TestServer *server = test_server_start(SCRIPTS("SILENCE\n"), &tls);
            Connection *c;
            usec_t came;
            Late late;

            late_start(&late, server, SETTINGS(in_tls ? "tls=implicit" : "tls=none"));
            c = late.client.connection;
            step(&late);
            await(&late);
            step(&late);
            ck_assert_int_eq(connection_stage(c), in_tls ? STAGE_TLS : STAGE_GREETING);
            came = late.now;
            come_at(&late, came + LONG);
            ck_assert(!late.client.closed);
            ck_assert_uint_ge(connection_deadline(c), came + LONG);
            for (unsigned i = 0; !late.client.closed && i < 100; i++)
                come_at(&late, connection_deadline(c) + (always_late ? LONG : 0));
            ck_assert(late.client.closed);
            ck_assert_int_eq(late.client.outcome.cause, CAUSE_TIMEOUT);
            late_done(&late);
            test_server_stop(server);
        }
}
END_TEST

/* ---- the policy of the relay's domain ---- */

static int policy_hangs[2]; /* a pipe; closing its second end lets the job go on */

int __wrap_mta_sts_file_load(const char *path, const char *domain, char ret_id[MTA_STS_ID_MAX],
    usec_t *ret_fetched, Buffer *ret_text);
int __wrap_mta_sts_file_load(_unused_ const char *path, _unused_ const char *domain,
    _unused_ char ret_id[MTA_STS_ID_MAX], _unused_ usec_t *ret_fetched, _unused_ Buffer *ret_text)
{
    char byte;

    (void)!read(policy_hangs[0], &byte, 1);
    return -ENOENT;
}

START_TEST(a_policy_is_waited_for_behind_a_stop)
{
    const TestServerOptions tls = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS("TLS\nSILENCE\n"), &tls);
    Connection *c;
    usec_t due;
    Late late;

    ck_assert_int_eq(pipe(policy_hangs), 0);
    late_start(&late, server,
        SETTINGS("tls=implicit", "tls_mta_sts=try", "tls_mta_sts_domain=policy.invalid",
            "tls_mta_sts_file=/nowhere"));
    c = late.client.connection;
    step(&late);
    while (connection_stage(c) != STAGE_CERTIFICATE) {
        await(&late);
        step(&late);
    }
    due = connection_deadline(c);
    come_at(&late, due + LONG);
    ck_assert(!late.client.closed);
    ck_assert_uint_gt(connection_deadline(c), due + LONG);
    come_at(&late, connection_deadline(c) + LONG);
    ck_assert(late.client.closed);
    ck_assert_int_eq(late.client.outcome.reason, REASON_NAME_SERVER_SILENT);
    close(policy_hangs[1]);
    late_done(&late);
    close(policy_hangs[0]);
    test_server_stop(server);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net late");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_has_come_meanwhile_counts);
    tcase_add_test(tests, a_greeting_that_waits_to_be_read_is_no_silence);
    tcase_add_test(tests, a_whole_reply_is_read_before_the_time_is_judged);
    tcase_add_test(tests, a_silent_server_is_found_out);
    tcase_add_test(tests, a_policy_is_waited_for_behind_a_stop);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
