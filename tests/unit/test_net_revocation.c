/* Whether a certificate was revoked: by OCSP, with the handshake or fetched, and by lists, from
 * where the certificate says and from a file. Every answer that can be had, and every way not to
 * have one. */
#include <openssl/ocsp.h>
#include <openssl/ssl.h>

#include "net/job_revocation.h"
#include "net_client.h"
#include "responder.h"

#define CONVERSATION "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT
#define LEFT "TLS\nEOF\n"
#define HOUR 3600L

static Responder *responder;
static TestCertificate root, middle, stranger, delegate, no_delegate;
static TestCertificate plain, by_ocsp, by_list, must_staple, below_middle;
static char crl_path[64], junk_path[64];

static TestCertificate make(
    const TestCertificateSpec *spec, const char *ocsp, const char *crl, const TestCertificate *by)
{
    TestCertificateSpec with = *spec;
    char access[80], points[80];
    size_t n = 0;

    while (with.extra[n][0])
        n++;
    snprintf(access, sizeof(access), "OCSP;URI:http://127.0.0.1:%u%s", responder_port(responder),
        ocsp ?: "");
    snprintf(
        points, sizeof(points), "URI:http://127.0.0.1:%u%s", responder_port(responder), crl ?: "");
    if (ocsp) {
        with.extra[n][0] = "authorityInfoAccess";
        with.extra[n++][1] = access;
    }
    if (crl) {
        with.extra[n][0] = "crlDistributionPoints";
        with.extra[n][1] = points;
    }
    return test_certificate_new(&with, by);
}

static void put_ocsp(const char *path, const OcspSpec *spec)
{
    size_t n;
    unsigned char *der = test_ocsp_new(spec, &n);

    responder_put(responder, path, RESPONDER_ANSWERS, der, n);
    OPENSSL_free(der);
}

static void put_list(const char *path, const CrlSpec *spec)
{
    size_t n;
    unsigned char *der = test_crl_new(spec, &n);

    responder_put(responder, path, RESPONDER_ANSWERS, der, n);
    OPENSSL_free(der);
}

static void begin(void)
{
    const TestCertificateSpec authority_spec = {"Test Root", NULL, 0, 0, true};
    const TestCertificateSpec middle_spec = {"Test Middle", NULL, 0, 0, true};
    const TestCertificateSpec stranger_spec = {"Test Root", NULL, 0, 0, true}; /* the same name */
    const TestCertificateSpec signer = {"responder", NULL, 0, 0, false, .usage = "OCSPSigning"};
    const TestCertificateSpec no_signer = {"no responder", NULL, 0, 0, false};
    const TestCertificateSpec spec = {"server", "IP:127.0.0.1", 0, 0, false};
    const TestCertificateSpec must = {
        "server", "IP:127.0.0.1", 0, 0, false, .extra = {{"tlsfeature", "status_request"}}};

    setenv("http_proxy", "http://127.0.0.1:1", 1); /* nobody uses it */
    make_certificates();
    responder = responder_start();
    root = test_certificate_new(&authority_spec, NULL);
    stranger = test_certificate_new(&stranger_spec, NULL);
    middle = make(&middle_spec, NULL, "/middle.crl", &root);
    delegate = test_certificate_new(&signer, &root);
    no_delegate = test_certificate_new(&no_signer, &root);
    plain = make(&spec, NULL, NULL, &root);
    by_ocsp = make(&spec, "/ocsp", NULL, &root);
    by_list = make(&spec, NULL, "/crl", &root);
    must_staple = make(&must, "/ocsp", NULL, &root);
    below_middle = make(&spec, NULL, "/crl", &middle);
    test_certificate_save(&root, authority_path, NULL, NULL);
    snprintf(crl_path, sizeof(crl_path), "%s/list.pem", directory);
    snprintf(junk_path, sizeof(junk_path), "%s/junk.pem", directory);
    test_certificate_save(&root, junk_path, NULL, NULL);
}

static void end(void)
{
    TestCertificate *const all[] = {&root, &middle, &stranger, &delegate, &no_delegate, &plain,
        &by_ocsp, &by_list, &must_staple, &below_middle};

    (void)unlink(crl_path);
    (void)unlink(junk_path);
    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        test_certificate_done(all[i]);
    responder_stop(responder);
    remove_certificates();
}

/* One connection, by either driver in turn; `words` are of the failure, NULL: it works. */
static void check(const TestServerOptions *options, const char *const *settings, int error,
    FaultReason reason, const char *words)
{
    TestServer *server = test_server_start(SCRIPTS(words ? LEFT : CONVERSATION), options);
    static int driver;
    const char *all[10] = {"tls=implicit", "timeout=60s"};
    Client client;

    for (size_t i = 0; settings[i]; i++)
        all[2 + i] = settings[i];
    client = client_for(test_server_port(server), all);
    client_run(&client, driver);
    driver = 1 - driver;
    check_outcome(&client, words ? DELIVERY_CUT_OFF : DELIVERY_DELIVERED,
        words ? STAGE_CERTIFICATE : STAGE_QUIT, error);
    ck_assert_int_eq(client.outcome.reason, reason);
    if (words)
        ck_assert_msg(strstr(client.text, words), "\"%s\" lacks \"%s\"", client.text, words);
    test_server_stop(server);
    client_done(&client);
}

#define SHOW(which) (&(const TestServerOptions){.certificate = &(which)})
#define UNCONFIRMED ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_UNCONFIRMED
#define REVOKED ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_REVOKED
#define FINE 0, REASON_NONE, NULL
#define TRY SETTINGS("tls_check_ocsp=1")
#define REQUIRE SETTINGS("tls_check_ocsp=2")

/* SSLCheckOCSP */
START_TEST(a_good_answer_is_taken_and_kept)
{
    const TestServerOptions options = {.certificate = &by_ocsp};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, CONVERSATION), &options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", "tls_check_ocsp=require", "tls_reuse_session=false"));

    put_ocsp("/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, -60, HOUR});
    for (unsigned i = 0; i < 2; i++) {
        client_run(&client, _i);
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
        ck_assert(!client.resumed);
    }
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 1);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(nobody_is_asked_where_that_is_off)
{
    put_ocsp(
        "/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_REVOKED, -60, HOUR});
    check(SHOW(by_ocsp), SETTINGS("tls_check_ocsp=0"), FINE);
    check(SHOW(must_staple), SETTINGS("tls_check_ocsp=0"), FINE);
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 0);
}
END_TEST

START_TEST(a_revoked_certificate_is_refused)
{
    put_ocsp(
        "/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_REVOKED, -60, HOUR});
    check(SHOW(by_ocsp), TRY, REVOKED, "it was revoked on 20");
    check(SHOW(by_ocsp), REQUIRE, REVOKED, "keyCompromise");
    check(SHOW(by_ocsp), SETTINGS("tls_check_ocsp=2", "tls_security_flags=0x500"), REVOKED,
        "it was revoked on 20");
}
END_TEST

static void accept_anything(_unused_ void *user, _unused_ const Connection *connection,
    const ConnectionCertificate *shown, bool *accept)
{
    ck_assert(*accept || strstr(shown->status, "it was revoked on"));
    *accept = true;
}

/* Whoever accepts it all the same does so for one connection: the session is not resumed by one
 * that would not. */
START_TEST(a_revoked_certificate_that_was_accepted_is_not_resumed)
{
    const TestServerOptions options = {.certificate = &by_ocsp};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, LEFT), &options);
    Client client =
        client_for(test_server_port(server), SETTINGS("tls=implicit", "tls_check_ocsp=try"));

    put_ocsp(
        "/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_REVOKED, -60, HOUR});
    ck_assert_int_eq(
        connection_new(client.shared, on_trace, &client, clock_monotonic(), &client.connection), 0);
    connection_on_certificate(client.connection, accept_anything, NULL);
    run_by_poll(&client);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    connection_free(client.connection);
    client_run(&client, 0);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Whatever is no answer matters only where one is required; SSLSecurityFlags can forgive it. */
static void check_no_answer(const TestCertificate *shown, const char *words)
{
    check(SHOW(*shown), TRY, FINE);
    check(SHOW(*shown), REQUIRE, UNCONFIRMED, words);
    check(SHOW(*shown), SETTINGS("tls_check_ocsp=2", "tls_security_flags=0x100"), FINE);
}

/* It is nobody's to mend. */
START_TEST(trouble_of_the_responder_passes)
{
    static const char passes[] = "passes by itself as a rule, and it is asked again";
    static const int errors[] = {OCSP_RESPONSE_STATUS_TRYLATER, OCSP_RESPONSE_STATUS_INTERNALERROR};
    static const ResponderWay ways[] = {RESPONDER_FAILS, RESPONDER_CLOSES};
    static const char *const words[] = {"status 503", "closed the connection without an answer"};

    for (size_t i = 0; i < 2; i++) {
        put_ocsp("/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, .error = errors[i]});
        check(SHOW(by_ocsp), REQUIRE, UNCONFIRMED, passes);
        responder_put(responder, "/ocsp", ways[i], NULL, 0);
        check_no_answer(&by_ocsp, words[i]);
        check(SHOW(by_ocsp), REQUIRE, UNCONFIRMED, passes);
        responder_put(responder, "/crl", ways[i], NULL, 0);
        check(SHOW(by_list), SETTINGS("tls_check_crl=2"), UNCONFIRMED, words[i]);
        check(SHOW(by_list), SETTINGS("tls_check_crl=2"), UNCONFIRMED, passes);
    }
}
END_TEST

START_TEST(an_answer_that_is_none_does_not_count)
{
    static unsigned char junk[] = "\x30\x03\x0a\x01";
    const OcspSpec rows[] = {
        {&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_UNKNOWN, -60, HOUR},
        {&by_ocsp, &root, &stranger, V_OCSP_CERTSTATUS_GOOD, -60, HOUR},
        {&by_ocsp, &root, &no_delegate, V_OCSP_CERTSTATUS_GOOD, -60, HOUR},
        {&plain, &root, &root, V_OCSP_CERTSTATUS_GOOD, -60, HOUR},
        {&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, -2 * HOUR, -HOUR},
        {&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, HOUR, 2 * HOUR},
    };
    static const char *const words[] = {"it does not know the certificate", "is not signed by",
        "is not signed by", "about another certificate", "too old", "from the future"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        put_ocsp("/ocsp", &rows[i]);
        check_no_answer(&by_ocsp, words[i]);
        check(SHOW(by_ocsp), REQUIRE, UNCONFIRMED, "must be mended by who signed the certificate");
    }
    responder_put(responder, "/ocsp", RESPONDER_ANSWERS, junk, sizeof(junk));
    check_no_answer(&by_ocsp, "http://127.0.0.1:");
    check_no_answer(&plain, "names nobody who could be asked");
    check(SHOW(plain), REQUIRE, UNCONFIRMED, "get a certificate that names one");
}
END_TEST

START_TEST(a_responder_that_is_not_there_does_not_count)
{
    check_no_answer(&by_ocsp, "404");
    responder_put(responder, "/ocsp", RESPONDER_ENDLESS, NULL, 0);
    check_no_answer(&by_ocsp, "http://127.0.0.1:");
}
END_TEST

START_TEST(the_issuer_may_have_named_who_answers)
{
    put_ocsp(
        "/ocsp", &(const OcspSpec){&by_ocsp, &root, &delegate, V_OCSP_CERTSTATUS_GOOD, -60, HOUR});
    check(SHOW(by_ocsp), REQUIRE, FINE);
}
END_TEST

static void check_hanging(_unused_ int i)
{
    check(SHOW(by_ocsp),
        SETTINGS("tls_check_ocsp=1", BRIEF("timeout", 2000), "timeout_by_stage=false"), FINE);
    check(SHOW(by_ocsp),
        SETTINGS("tls_check_ocsp=2", BRIEF("timeout", 2000), "timeout_by_stage=false"), UNCONFIRMED,
        "see whether this host gets there");
}

/* One that takes the question and says nothing holds the connection for so long, and no longer. */
START_TEST(a_responder_that_hangs_is_given_up)
{
    responder_put(responder, "/ocsp", RESPONDER_HANGS, NULL, 0); /* in this process */
    run_patiently(check_hanging, _i);
}
END_TEST

/* Whatever a thread is kept by, such as a name server: the connection goes on, or is told why not.
 * The time is the test's. */
START_TEST(a_thread_that_hangs_is_not_waited_for)
{
    static const struct {
        const char *setting;
        int result;
    } rows[] = {{"tls_check_ocsp=1", 1}, {"tls_check_ocsp=2", -ETIMEDOUT}};
    Client client = client_for(1, SETTINGS("tls=implicit", rows[_i].setting));
    _cleanup_worker_ Worker *worker = NULL;
    _cleanup_failure_ Failure f = {0};
    RevocationMemory memory = {0};
    STACK_OF(X509) *chain = sk_X509_new_null();
    RevocationQuestion question = {.memory = &memory,
        .relay = client.config->relays[0],
        .chain = chain,
        .patience = USEC_PER_HOUR};
    Revocation *first = NULL, *second = NULL;
    usec_t now = clock_monotonic();

    responder_put(responder, "/ocsp", RESPONDER_HANGS, NULL, 0);
    sk_X509_push(chain, by_ocsp.x509);
    sk_X509_push(chain, root.x509);
    ck_assert_int_eq(worker_new(&worker), 0);
    question.worker = worker;
    ck_assert_int_eq(revocation_new(&question, now, &first), 0);
    ck_assert_int_eq(revocation_new(&question, now, &second), 0);
    ck_assert_int_eq(revocation_step(first, now, &f), 0);
    ck_assert_int_ge(revocation_fd(first), 0);
    ck_assert_int_ne(revocation_fd(first), revocation_fd(second)); /* of one question */
    ck_assert_int_eq(revocation_step(first, revocation_deadline(first) - 1, &f), 0);
    ck_assert_int_eq(revocation_step(first, revocation_deadline(first), &f), rows[_i].result);
    ck_assert_int_eq(f.number, rows[_i].result < 0 ? ERROR_TIMEOUT : 0);
    revocation_free(first);
    revocation_free(second);
    revocation_memory_done(&memory);
    sk_X509_free(chain);
    client_done(&client);
}
END_TEST

/* The clock is the test's: a step comes long behind its time, as after the process was stopped. */
START_TEST(who_comes_late_still_waits_for_the_responder)
{
    TestServer *server = test_server_start(SCRIPTS(LEFT), SHOW(by_ocsp));
    Client client =
        client_for(test_server_port(server), SETTINGS("tls=implicit", "tls_check_ocsp=2"));
    usec_t now = USEC_PER_DAY, due;
    SmtpEvent event;
    Connection *c;
    struct pollfd p;

    responder_put(responder, "/ocsp", RESPONDER_HANGS, NULL, 0);
    ck_assert_int_eq(connection_new(client.shared, on_trace, &client, now, &c), 0);
    ck_assert_int_eq(connection_step(c, now, &event), 0);
    while (connection_stage(c) != STAGE_CERTIFICATE) {
        p = (struct pollfd){.fd = connection_fd(c), .events = connection_poll_events(c)};
        ck_assert_int_eq(poll(&p, 1, -1), 1);
        connection_ready(c, p.revents);
        ck_assert_int_eq(connection_step(c, now, &event), 0);
    }
    due = connection_deadline(c);
    ck_assert_int_eq(connection_step(c, due + USEC_PER_DAY, &event), 0);
    ck_assert_uint_eq(connection_deadline(c), due + (due + USEC_PER_DAY - now));
    ck_assert_int_eq(connection_step(c, connection_deadline(c) + USEC_PER_DAY, &event), 1);
    ck_assert_int_eq(event.type, SMTP_EVENT_CLOSED);
    ck_assert_int_eq(event.outcome->stage, STAGE_CERTIFICATE);
    ck_assert_int_eq(event.outcome->error, ERROR_TIMEOUT);
    connection_free(c);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* The responder serves one after the other: the second question is answered once the first one's
 * connection has gone. */
START_TEST(what_nobody_waits_for_is_not_asked_any_more)
{
    Client client = client_for(1, SETTINGS("tls=implicit", "tls_check_ocsp=2"));
    _cleanup_worker_ Worker *worker = NULL;
    RevocationMemory memory = {0};
    STACK_OF(X509) *chain = sk_X509_new_null();
    RevocationQuestion question = {.memory = &memory,
        .relay = client.config->relays[0],
        .chain = chain,
        .patience = USEC_PER_HOUR};
    Revocation *asks = NULL;
    int r;

    responder_put(responder, "/ocsp", RESPONDER_HANGS, NULL, 0);
    sk_X509_push(chain, by_ocsp.x509);
    sk_X509_push(chain, root.x509);
    ck_assert_int_eq(worker_new(&worker), 0);
    question.worker = worker;
    ck_assert_int_eq(revocation_new(&question, clock_monotonic(), &asks), 0);
    while (responder_count(responder, "/ocsp") == 0)
        (void)poll(NULL, 0, 1);
    revocation_free(asks);
    revocation_memory_done(&memory);
    put_ocsp("/ocsp", &(OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, -HOUR, HOUR, 0});
    ck_assert_int_eq(revocation_new(&question, clock_monotonic(), &asks), 0);
    while ((r = revocation_step(asks, clock_monotonic(), NULL)) == 0)
        (void)poll(NULL, 0, 1);
    ck_assert_int_eq(r, 1);
    revocation_free(asks);
    revocation_memory_done(&memory);
    sk_X509_free(chain);
    client_done(&client);
}
END_TEST

static TestServerOptions stapling(
    const TestCertificate *shown, const OcspSpec *spec, unsigned char **ret)
{
    TestServerOptions options = {.certificate = shown};

    *ret = test_ocsp_new(spec, &options.stapled_size);
    options.stapled = *ret;
    return options;
}

/* What comes with the handshake is looked at first, and will do. */
START_TEST(an_answer_may_come_along)
{
    const OcspSpec good = {&must_staple, &root, &root, V_OCSP_CERTSTATUS_GOOD, -60, HOUR};
    const OcspSpec revoked = {&must_staple, &root, &root, V_OCSP_CERTSTATUS_REVOKED, -60, HOUR};
    const OcspSpec old = {&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, -2 * HOUR, -HOUR};
    unsigned char *bytes;
    TestServerOptions options = stapling(&must_staple, &good, &bytes);

    put_ocsp("/ocsp", &(const OcspSpec){&by_ocsp, &root, &root, V_OCSP_CERTSTATUS_GOOD, -60, HOUR});
    check(&options, REQUIRE, FINE);
    options.max_version = TLS1_2_VERSION;
    check(&options, REQUIRE, FINE);
    OPENSSL_free(bytes);
    options = stapling(&must_staple, &revoked, &bytes);
    check(&options, TRY, REVOKED, "says the answer that the server sent");
    OPENSSL_free(bytes);
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 0);
    options = stapling(&by_ocsp, &old, &bytes);
    check(&options, REQUIRE, FINE);
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 1);
    OPENSSL_free(bytes);
}
END_TEST

/* RFC 7633: nobody else will do. */
START_TEST(a_certificate_may_say_that_its_answer_comes_along)
{
    const OcspSpec old = {&must_staple, &root, &root, V_OCSP_CERTSTATUS_GOOD, -2 * HOUR, -HOUR};
    unsigned char *bytes;
    TestServerOptions options = stapling(&must_staple, &old, &bytes);

    put_ocsp(
        "/ocsp", &(const OcspSpec){&must_staple, &root, &root, V_OCSP_CERTSTATUS_GOOD, -60, HOUR});
    check(SHOW(must_staple), TRY, UNCONFIRMED, "RFC 7633");
    check(SHOW(must_staple), TRY, UNCONFIRMED, "the server sent no answer along");
    check(&options, TRY, UNCONFIRMED, "too old");
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 0);
    OPENSSL_free(bytes);
}
END_TEST

#define TRY_LIST SETTINGS("tls_check_crl=1")
#define REQUIRE_LIST SETTINGS("tls_check_crl=2")

/* SSLCheckCRL */
START_TEST(the_issuer_s_list_counts)
{
    put_list("/crl", &(const CrlSpec){&plain, &root, &root, -60, HOUR});
    check(SHOW(by_list), REQUIRE_LIST, FINE);
    put_list("/crl", &(const CrlSpec){&by_list, &root, &root, -60, HOUR});
    check(SHOW(by_list), TRY_LIST, REVOKED, "it was revoked on 20");
    check(SHOW(by_list), REQUIRE_LIST, REVOKED, "says http://127.0.0.1:");
}
END_TEST

START_TEST(a_list_that_is_none_does_not_count)
{
    static const char *const words[] = {"expired", "signature", "unable to get certificate CRL"};
    const CrlSpec rows[] = {{NULL, &root, &root, -2 * HOUR, -HOUR},
        {NULL, &root, &stranger, -60, HOUR}, {NULL, &middle, &root, -60, HOUR}};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        put_list("/crl", &rows[i]);
        check(SHOW(by_list), TRY_LIST, FINE);
        check(SHOW(by_list), REQUIRE_LIST, UNCONFIRMED, words[i]);
    }
    responder_put(responder, "/crl", RESPONDER_ENDLESS, NULL, 0);
    check(SHOW(by_list), TRY_LIST, FINE);
    check(SHOW(by_list), REQUIRE_LIST, UNCONFIRMED, "http://127.0.0.1:");
    check(SHOW(by_list), REQUIRE_LIST, UNCONFIRMED, "must be mended by who signed");
    check(SHOW(plain), REQUIRE_LIST, UNCONFIRMED, "names no list");
    check(SHOW(plain), SETTINGS("tls_check_crl=2", "tls_security_flags=0x100"), FINE);
}
END_TEST

START_TEST(a_list_may_be_in_a_file)
{
    char file[96], junk[96];
    size_t n;

    snprintf(file, sizeof(file), "tls_crl_file=%s", crl_path);
    snprintf(junk, sizeof(junk), "tls_crl_file=%s", junk_path);
    OPENSSL_free(test_crl_new(&(const CrlSpec){&plain, &root, &root, -60, HOUR, crl_path}, &n));
    check(SHOW(plain), SETTINGS("tls_check_crl=1", file), REVOKED, "says the list in tls_crl_file");
    check(SHOW(by_list), SETTINGS("tls_check_crl=2", file), FINE);
    ck_assert_uint_eq(responder_count(responder, "/crl"), 0);
    /* a revocation does not end with the list */
    OPENSSL_free(test_crl_new(&(const CrlSpec){&plain, &root, &root, -HOUR, -60, crl_path}, &n));
    check(SHOW(plain), SETTINGS("tls_check_crl=1", file), REVOKED, "says the list in tls_crl_file");
    check(SHOW(by_list), SETTINGS("tls_check_crl=2", file), ERROR_CERTIFICATE_VERIFY,
        REASON_CERTIFICATE_UNCONFIRMED, "");
    OPENSSL_free(
        test_crl_new(&(const CrlSpec){&plain, &root, &stranger, -HOUR, -60, crl_path}, &n));
    check(SHOW(plain), SETTINGS("tls_check_crl=1", file), FINE);
    check(SHOW(by_list), SETTINGS("tls_check_crl=1", junk), ERROR_CERTIFICATE_STORE,
        REASON_TLS_AUTHORITIES, "tls_crl_file: cannot read lists");
}
END_TEST

/* Every certificate between the server's and the root is asked about, where it names somebody. */
START_TEST(authorities_between_are_asked_about_too)
{
    const TestServerOptions options = {.certificate = &below_middle, .intermediate = &middle};

    put_list("/crl", &(const CrlSpec){NULL, &middle, &middle, -60, HOUR});
    check(&options, TRY_LIST, FINE);
    check(&options, REQUIRE_LIST, UNCONFIRMED, "number 1 in the chain");
    check(&options, SETTINGS("tls_check_crl=2", "tls_security_flags=0x400"), FINE);
    put_list("/middle.crl", &(const CrlSpec){NULL, &root, &root, -60, HOUR});
    check(&options, REQUIRE_LIST, FINE);
    put_list("/middle.crl", &(const CrlSpec){&middle, &root, &root, -60, HOUR});
    check(&options, TRY_LIST, REVOKED, "subject \"CN = Test Middle\"");
}
END_TEST

/* Whatever it is: nobody is asked. And nobody is where nothing is verified. */
START_TEST(a_pinned_certificate_is_not_asked_about)
{
    _cleanup_free_
    char *hex = test_certificate_fingerprint(&must_staple, false);
    char pin[128];

    put_ocsp("/ocsp",
        &(const OcspSpec){&must_staple, &root, &root, V_OCSP_CERTSTATUS_REVOKED, -60, HOUR});
    snprintf(pin, sizeof(pin), "tls_accept_certificate=%s", hex);
    check(SHOW(must_staple), SETTINGS("tls_check_ocsp=2", "tls_check_crl=2", pin), FINE);
    check(SHOW(must_staple), SETTINGS("tls=opportunistic", "tls=implicit", "tls_check_ocsp=2"),
        UNCONFIRMED, "RFC 7633");
    ck_assert_uint_eq(responder_count(responder, "/ocsp"), 0);
}
END_TEST

/* What OpenSSL keeps for a thread of the worker's that ends just when the process does: the leak
 * sanitizer cannot stop such a thread, says so, and takes it for a leak. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:CRYPTO_zalloc\n";
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net revocation");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, begin, end);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_good_answer_is_taken_and_kept, 0, 2);
    tcase_add_test(tests, nobody_is_asked_where_that_is_off);
    tcase_add_test(tests, a_revoked_certificate_is_refused);
    tcase_add_test(tests, a_revoked_certificate_that_was_accepted_is_not_resumed);
    tcase_add_test(tests, an_answer_that_is_none_does_not_count);
    tcase_add_test(tests, trouble_of_the_responder_passes);
    tcase_add_test(tests, a_responder_that_is_not_there_does_not_count);
    tcase_add_test(tests, the_issuer_may_have_named_who_answers);
    tcase_add_loop_test(tests, a_responder_that_hangs_is_given_up, 0, 2);
    tcase_add_loop_test(tests, a_thread_that_hangs_is_not_waited_for, 0, 2);
    tcase_add_test(tests, who_comes_late_still_waits_for_the_responder);
    tcase_add_test(tests, what_nobody_waits_for_is_not_asked_any_more);
    tcase_add_test(tests, an_answer_may_come_along);
    tcase_add_test(tests, a_certificate_may_say_that_its_answer_comes_along);
    tcase_add_loop_test(tests, the_issuer_s_list_counts, 0, 2);
    tcase_add_test(tests, a_list_that_is_none_does_not_count);
    tcase_add_test(tests, a_list_may_be_in_a_file);
    tcase_add_test(tests, authorities_between_are_asked_about_too);
    tcase_add_test(tests, a_pinned_certificate_is_not_asked_about);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
