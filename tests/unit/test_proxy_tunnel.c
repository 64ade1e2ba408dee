/* proxy/: HTTP CONNECT and its logins, byte by byte. */
#include <ctype.h>

#include "proxy_talk.h"

#define BASE .kind = PROXY_TUNNEL, .host = "mail.test", .port = 587
#define REQUEST(more) "CONNECT mail.test:587 HTTP/1.1\r\nHost: mail.test:587\r\n" more "\r\n"
#define WANTS(more) \
    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n" more "\r\n"
#define BASIC "Proxy-Authenticate: Basic realm=\"x\"\r\n"
#define ANN "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n"
#define STANDS "HTTP/1.1 200 Connection established\r\n\r\n"

static const ProxyOptions plain = {BASE};

START_TEST(any_2xx_opens_the_way)
{
    CHECK_STANDS(plain, ANSWERS(A(STANDS)), REQUEST(""), 0);
    CHECK_STANDS(plain, ANSWERS(A("HTTP/1.0 200\r\n\r\n")), REQUEST(""), 0);
    CHECK_STANDS(plain, ANSWERS(A("HTTP/1.1 204 \n\n")), REQUEST(""), 0);
    CHECK_STANDS(plain, ANSWERS(A(STANDS "220 hello\r\n")), REQUEST(""), 11);
    /* RFC 9110, 9.3.6: these mean nothing there. */
    CHECK_STANDS(plain,
        ANSWERS(
            A("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n220 x")),
        REQUEST(""), 5);
    /* Interim ones before it (15.2), and folded lines. */
    CHECK_STANDS(plain, ANSWERS(A("HTTP/1.1 103 Early Hints\r\nLink: x\r\n y\r\n\r\n" STANDS)),
        REQUEST(""), 0);
}
END_TEST

START_TEST(addresses_are_written_as_such)
{
    static const unsigned char v4[] = {192, 0, 2, 1};
    static const unsigned char v6[] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    const ProxyOptions four = {BASE, .address = v4, .address_bytes = 4};
    const ProxyOptions six = {BASE, .address = v6, .address_bytes = 16};

    CHECK_STANDS(four, ANSWERS(A(STANDS)),
        "CONNECT 192.0.2.1:587 HTTP/1.1\r\nHost: 192.0.2.1:587\r\n\r\n", 0);
    CHECK_STANDS(six, ANSWERS(A(STANDS)),
        "CONNECT [2001:db8::1]:587 HTTP/1.1\r\nHost: [2001:db8::1]:587\r\n\r\n", 0);
}
END_TEST

/* FirewallData: lines that end in any way, none of them empty. */
START_TEST(lines_of_the_settings_are_added_and_not_traced)
{
    static const char lines[] = "X-Client: outbox\nX-Token: secret\r\n\r\nX-Last: 1";
    _cleanup_secret_ Secret *data = secret_new(lines, strlen(lines));
    const ProxyOptions options = {BASE, .data = data};
    Talk talk = talk_to(&options, ANSWERS(A(STANDS)), 0);

    ck_assert_ptr_nonnull(strstr(talk.trace, "X-Token: ***"));
    ck_assert_ptr_null(strstr(talk.trace, "secret"));
    talk_done(&talk);
    CHECK_STANDS(options, ANSWERS(A(STANDS)),
        REQUEST("X-Client: outbox\r\nX-Token: secret\r\nX-Last: 1\r\n"), 0);
}
END_TEST

START_TEST(basic_is_answered_when_it_is_asked_for)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    ProxyOptions options = {BASE, .user = "ann", .password = password};
    Talk talk;

    CHECK_STANDS(options, ANSWERS(A(STANDS)), REQUEST(""), 0);
    CHECK_STANDS(options, ANSWERS(A(WANTS(BASIC)), A(STANDS)), REQUEST("") REQUEST(ANN), 0);
    /* A body is read over. */
    CHECK_STANDS(options,
        ANSWERS(
            A("HTTP/1.1 407 No\r\nContent-Length: 14\r\n" BASIC "\r\n<h1>HTTP/1.1</"), A(STANDS)),
        REQUEST("") REQUEST(ANN), 0);
    check_fails(&options, ANSWERS(A(WANTS(BASIC)), A(WANTS(BASIC))), REASON_PROXY_LOGIN,
        "does not take the login of ann (407 Proxy Authentication Required)");
    /* As tinyproxy does. */
    check_fails(&options, ANSWERS(A(WANTS(BASIC)), A("HTTP/1.0 401 Unauthorized\r\n\r\n")),
        REASON_PROXY_LOGIN, "401 Unauthorized): check proxy_user");
    options.user = "a:b";
    check_fails(&options, ANSWERS(A(WANTS(BASIC))), REASON_PROXY_LOGIN, "colon");
    options.user = "ann";
    talk = talk_to(&options, ANSWERS(A(WANTS(BASIC)), A(STANDS)), 0);
    ck_assert_ptr_nonnull(strstr(talk.trace, "Proxy-Authorization: Basic ***"));
    ck_assert_ptr_null(strstr(talk.trace, "YW5u"));
    talk_done(&talk);
}
END_TEST

/* One that closes behind its 407, says so or not, is asked again over another connection. */
START_TEST(a_closed_connection_is_followed_by_another)
{
    static const char *const closing[] = {
        "HTTP/1.1 407 No\r\n" BASIC "\r\n",
        "HTTP/1.0 407 No\r\nContent-Length: 0\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Connection: close\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nConnection: foo, Close\r\nContent-Length: 9\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nTransfer-Encoding: gzip, chunked\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nContent-Length: 99999999999\r\n" BASIC "\r\n",
        "HTTP/1.1 407 No\r\nContent-Length: -1\r\n" BASIC "\r\n",
    };
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};

    for (size_t i = 0; i < ELEMENTSOF(closing); i++) {
        const Answer answers[] = {{closing[i], strlen(closing[i])}, A(STANDS)};

        check_stands(&options, answers, 2, REQUEST("") "|" REQUEST(ANN),
            sizeof(REQUEST("") "|" REQUEST(ANN)) - 1, 0);
    }
    CHECK_STANDS(options, ANSWERS(A(WANTS(BASIC)), CLOSES, A(STANDS)),
        REQUEST("") REQUEST(ANN) "|" REQUEST(ANN), 0);
    CHECK_STANDS(options,
        ANSWERS(
            A("HTTP/1.0 407 No\r\nConnection: keep-alive\r\nContent-Length: 0\r\n" BASIC "\r\n"),
            A(STANDS)),
        REQUEST("") REQUEST(ANN), 0);
    /* But not for ever. */
    check_fails(&options, ANSWERS(A(WANTS(BASIC)), CLOSES, CLOSES), REASON_PROXY_CLOSED, "closed");
    check_fails(&options, ANSWERS(CLOSES), REASON_PROXY_CLOSED, "without a word");
}
END_TEST

#define DIGEST(nonce, more)                                         \
    "Proxy-Authenticate: Digest realm=\"x\", qop=\"auth-int,auth\"" \
    ", nonce=\"" nonce "\"" more "\r\n"

static bool has(const Talk *talk, const char *words)
{
    return strstr(buffer_data(&talk->said), words);
}

START_TEST(the_best_digest_is_chosen)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};
    Talk talk = talk_in_every_way(
        &options, ANSWERS(A(WANTS(BASIC DIGEST("one", ", algorithm=MD5") DIGEST("two",
                              ", algorithm=SHA-256, opaque=\"o\\\"p\"") DIGEST("three", ""))),
                      A(STANDS)));

    ck_assert_int_eq(talk.result, PROXY_STANDS);
    ck_assert(has(&talk, "Proxy-Authorization: Digest username=\"ann\", realm=\"x\", "
                         "nonce=\"two\", uri=\"mail.test:587\", response=\""));
    ck_assert(has(&talk, "algorithm=SHA-256, opaque=\"o\\\"p\", qop=auth, nc=00000001, cnonce=\""));
    ck_assert(!has(&talk, "Basic"));
    ck_assert(!has(&talk, "secret"));
    ck_assert_ptr_nonnull(strstr(talk.trace, "Proxy-Authorization: Digest ***"));
    talk_done(&talk);
}
END_TEST

/* RFC 7616, 3.3: the password was right. */
START_TEST(a_nonce_that_was_too_old_is_followed_by_another)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};
    Talk talk = talk_in_every_way(&options,
        ANSWERS(A(WANTS(DIGEST("one", ""))), A(WANTS(DIGEST("two", ", stale=TRUE"))), A(STANDS)));

    ck_assert_int_eq(talk.result, PROXY_STANDS);
    ck_assert(has(&talk, "nonce=\"one\"") && has(&talk, "nonce=\"two\""));
    talk_done(&talk);
    check_fails(&options, ANSWERS(A(WANTS(DIGEST("one", ""))), A(WANTS(DIGEST("two", "")))),
        REASON_PROXY_LOGIN, "does not take");
    check_fails(&options,
        ANSWERS(A(WANTS(DIGEST("1", ""))), A(WANTS(DIGEST("2", ", stale=true"))),
            A(WANTS(DIGEST("3", ", stale=true"))), A(WANTS(DIGEST("4", ", stale=true")))),
        REASON_PROXY_LOGIN, "calls each nonce of its own stale");
    check_fails(&options,
        ANSWERS(A(WANTS(DIGEST("1", ""))), A(WANTS("Proxy-Authenticate: Digest stale=true\r\n"))),
        REASON_PROXY_LOGIN, "its Digest has no realm");
}
END_TEST

START_TEST(a_digest_that_cannot_be_answered_is_told_why)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    ProxyOptions options = {BASE, .user = "ann", .password = password};
    static const struct {
        Answer answer;
        const char *words;
    } rows[] = {
        {A(WANTS("Proxy-Authenticate: Digest realm=x, nonce=y, algorithm=SHA-512-256\r\n")),
            "its Digest has the algorithm \"SHA-512-256\", which outbox cannot do: ask who runs it "
            "for SHA-256 or MD5"},
        {A(WANTS("Proxy-Authenticate: Digest realm=x, nonce=y, algorithm=\"a\x1b secret\"\r\n")),
            "the algorithm \"a\\x1b ******\""},
        {A(WANTS("Proxy-Authenticate: Digest realm=x, nonce=y, qop=\"auth-int\"\r\n")),
            "its qop lacks \"auth\""},
        {A(WANTS("Proxy-Authenticate: Digest realm=x\r\n")), "its Digest has no nonce"},
        {A(WANTS("Proxy-Authenticate: Digest realm=x, nonce=\"\"\r\n")), "its Digest has no nonce"},
        {A(WANTS("Proxy-Authenticate: Negotiate, Digest nonce=y\r\n")), "its Digest has no realm"},
        {A(WANTS("Proxy-Authenticate: Digest realm=x, nonce=y, algorithm=MD5-sess\r\n")),
            "its Digest has an algorithm that needs a qop, and none"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        options.login = PROXY_LOGIN_AUTO;
        check_fails(&options, &rows[i].answer, 1, REASON_PROXY_LOGIN, rows[i].words);
        options.login = PROXY_LOGIN_DIGEST;
        check_fails(&options, &rows[i].answer, 1, REASON_PROXY_LOGIN, rows[i].words);
        options.login = PROXY_LOGIN_BASIC;
        check_fails(&options, &rows[i].answer, 1, REASON_PROXY_LOGIN, "proxy_auth allows none");
    }
    check_fails(
        &plain, &rows[0].answer, 1, REASON_PROXY_LOGIN, "set proxy_user and proxy_password");
}
END_TEST

START_TEST(logins_that_cannot_be_done_are_told_by_name)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    ProxyOptions options = {BASE, .user = "ann"};

    check_fails(&plain, ANSWERS(A(WANTS(BASIC "Proxy-Authenticate: Negotiate, NTLM\r\n"))),
        REASON_PROXY_LOGIN,
        "it offers Basic, Negotiate, NTLM): set proxy_user and proxy_password, or for Kerberos");
    check_fails(&options, ANSWERS(A(WANTS("Proxy-Authenticate: Negotiate\r\n"))),
        REASON_PROXY_LOGIN, "it offers Negotiate): set proxy_user and proxy_password");
    check_fails(&options, ANSWERS(A(WANTS(""))), REASON_PROXY_LOGIN, "it offers none");
    for (ProxyLogin login = PROXY_LOGIN_AUTO; login <= PROXY_LOGIN_GSSAPI; login++) {
        ProxyOptions other = {BASE, .login = login};

        check_fails(&other, ANSWERS(A(WANTS("Proxy-Authenticate: Bearer\r\n"))), REASON_PROXY_LOGIN,
            "it offers Bearer): outbox can do Basic, Digest");
    }
    options.password = password;
    check_fails(&options, ANSWERS(A(WANTS("Proxy-Authenticate: Bearer\r\n"))), REASON_PROXY_LOGIN,
        "it offers Bearer): outbox can do Basic, Digest");
    check_fails(&options, ANSWERS(A(WANTS("Proxy-Authenticate: Negotiate\r\n"))),
        REASON_PROXY_LOGIN, "it offers Negotiate): for Kerberos set proxy_auth");
}
END_TEST

START_TEST(refusals_have_words)
{
    static const struct {
        Answer answer;
        FaultReason reason;
        const char *words;
    } cases[] = {
        {A("HTTP/1.1 403 Filtered\r\n\r\n"), REASON_PROXY_REFUSED,
            "did not connect to mail.test:587 (403 Filtered): ask who runs it"},
        {A("HTTP/1.1 405 Method Not Allowed\r\n\r\n"), REASON_PROXY_REFUSED, "CONNECT"},
        {A("HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\nx"), REASON_PROXY_REFUSED, "web server"},
        {A("HTTP/1.1 502 Bad Gateway\r\n\r\n"), REASON_PROXY_TARGET, "check host and port"},
        {A("HTTP/1.1 503 Service Unavailable\r\n\r\n"), REASON_PROXY_TARGET, "503 Service"},
        {A("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), REASON_PROXY_TARGET, "504"},
        {A("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"), REASON_PROXY_REFUSED, "302"},
        {A("HTTP/1.1 599 \x1b[2J\r\n\r\n"), REASON_PROXY_REFUSED, "\\x1b[2J"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        check_fails(&plain, ANSWERS(cases[i].answer), cases[i].reason, cases[i].words);
}
END_TEST

/* A token server, and one that a certificate names. */
START_TEST(what_is_no_relay_is_set_elsewhere)
{
    static const Answer answer = A("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    static const ProxyOptions set = {BASE, .host_setting = "oauth_token_url"},
                              named = {BASE, .host_setting = ""};

    check_fails(&set, ANSWERS(answer), REASON_PROXY_TARGET,
        "): check oauth_token_url, and that the proxy can get there");
    check_fails(
        &named, ANSWERS(answer), REASON_PROXY_TARGET, "): see that the proxy can get there");
}
END_TEST

START_TEST(what_is_no_http_is_told_so)
{
    static const Answer answers[] = {A("220 mail.test ESMTP\r\n"), A("\x05\xff\n"), A("\r\n"),
        A("HTTP/2 200\r\n\r\n"), A("HTTP/1.1 20 OK\r\n\r\n"), A("HTTP/1.1 2000\r\n\r\n"),
        A("HTTP/1.1 099 x\r\n\r\n"), A("HTTP/1.1 600 x\r\n\r\n"), A("HTTP/1.1\t200\r\n\r\n"),
        A("HTTP/1.1 101 Switching\r\n\r\n"), A("HTTP/1.1 200 OK\r\nno field\r\n\r\n"),
        A("HTTP/1.1 200 OK\r\n: x\r\n\r\n"), A("HTTP/1.1 200 O\0K\r\n\r\n"),
        A("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"a\rX: y\"\r\n\r\n")};

    for (size_t i = 0; i < ELEMENTSOF(answers); i++)
        check_fails(&plain, ANSWERS(answers[i]), REASON_PROXY_NOT_SPOKEN, "does not speak HTTP");
}
END_TEST

/* A header of `lines` of `n` bytes each behind the status line. */
static Talk talk_of_header(size_t lines, size_t n)
{
    _cleanup_buffer_ Buffer text = {0};
    Answer answer;

    ck_assert_int_eq(buffer_append_string(&text, "HTTP/1.1 200 OK\r\n"), 0);
    while (lines-- > 0) {
        ck_assert_int_eq(buffer_append(&text, "X: ", 3), 0);
        ck_assert_ptr_nonnull(memset(buffer_reserve(&text, n - 5), 'x', n - 5));
        buffer_commit(&text, n - 5);
        ck_assert_int_eq(buffer_append(&text, "\r\n", 2), 0);
    }
    ck_assert_int_eq(buffer_append(&text, "\r\n", 2), 0);
    answer = (Answer){buffer_data(&text), buffer_size(&text)};
    return talk_to(&plain, &answer, 1, 0);
}

START_TEST(lines_and_headers_have_limits)
{
    Talk at_line = talk_of_header(1, PROXY_LINE_MAX), past = talk_of_header(1, PROXY_LINE_MAX + 1);
    Talk at_header = talk_of_header(63, 1024), past_header = talk_of_header(64, 1024);

    ck_assert_int_eq(at_line.result, PROXY_STANDS);
    ck_assert_int_eq(past.result, -EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(failure_text(&past.failure), "a line without end"));
    ck_assert_int_eq(at_header.result, PROXY_STANDS);
    ck_assert_int_eq(past_header.result, -EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(failure_text(&past_header.failure), "a header without end"));
    talk_done(&at_line);
    talk_done(&past);
    talk_done(&at_header);
    talk_done(&past_header);
}
END_TEST

/* Interim answers without end are one header. */
START_TEST(interim_answers_have_an_end)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    ProxyOptions options = {BASE, .proxy = "proxy.test port 1"};
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;
    _cleanup_failure_ Failure f = {0};
    size_t used, sent = 0;
    int r = proxy_dialogue_new(&options, &dialogue, &f);

    proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
    for (; r == 0; sent += used)
        r = proxy_dialogue_receive(dialogue, interim, strlen(interim), &used, &f);
    ck_assert_int_eq(r, -EMSGSIZE);
    ck_assert_uint_le(sent, PROXY_HEADER_MAX);
}
END_TEST

/* A proxy that tells what it was told, whole or cut, and once where a login is not even due. */
START_TEST(secrets_that_are_told_are_masked)
{
    static const char lines[] = "X-Token: tokentoken\nProxy-Authorization: Custom otherother";
    static const struct {
        Answer answer;
        const char *shown;
    } cases[] = {
        {A("HTTP/1.1 403 no secret, YW5uOnNlY3JldA==\r\n\r\n"), "403 no ******, ****************"},
        {A("HTTP/1.1 403 YW5uOnNlY3...\r\n\r\n"), "(403 **********...)"},
        {A("HTTP/1.1 502 tokentoken otherother\r\n\r\n"), "(502 ********** **********)"},
        {A("HTTP/1.1 407 secret\r\nProxy-Authenticate: secret\r\n\r\n"), "(407 ******, it offers"},
        {A("is it \"secret\"?\r\n"), "is it \"******\"?"},
        /* In other writings: within base64, in hexadecimal, in percents. */
        {A("HTTP/1.1 403 eD1zZWNyZXQ7 no\r\n\r\n"), "(403 ************ no)"},
        {A("HTTP/1.1 403 Y3NlY3JldA== no\r\n\r\n"), "(403 **********== no)"},
        {A("HTTP/1.1 403 0x736563726574 no\r\n\r\n"), "(403 0x************ no)"},
        {A("HTTP/1.1 403 s%65c%72et&x no\r\n\r\n"), "(403 ************ no)"},
    };
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    _cleanup_secret_ Secret *data = secret_new(lines, strlen(lines));
    const ProxyOptions options = {BASE, .user = "ann", .password = password, .data = data};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Talk talk = talk_to(&options, ANSWERS(cases[i].answer), 0);
        const char *text = failure_text(&talk.failure);

        ck_assert_msg(talk.result < 0 && strstr(text, cases[i].shown), "%s", text);
        ck_assert_ptr_null(strstr(text, "secret"));
        ck_assert_ptr_null(strstr(talk.trace, "secret"));
        ck_assert_ptr_null(strstr(talk.trace, "YW5uOnNl"));
        ck_assert_ptr_null(strstr(talk.trace, "tokentoken"));
        talk_done(&talk);
    }
}
END_TEST

/* It says it in the answer to the login, too. */
/* An answer of ours from which a password can be found by trying; cut, and in capitals as well. */
START_TEST(a_digest_that_is_told_back_is_masked)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {
        BASE, .proxy = "proxy.test port 1", .user = "ann", .password = password};
    static const char wants[] = WANTS("Proxy-Authenticate: Digest realm=x, nonce=y\r\n");

    for (size_t way = 0; way < 4; way++) {
        size_t n = way % 2 ? 32 : 8;
        _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;
        _cleanup_failure_ Failure f = {0};
        char answer[200], response[40];
        const char *found;
        size_t used;

        ck_assert_int_eq(proxy_dialogue_new(&options, &dialogue, &f), 0);
        proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
        ck_assert_int_eq(
            proxy_dialogue_receive(dialogue, wants, sizeof(wants) - 1, &used, &f), PROXY_MORE);
        found = memmem(buffer_data(proxy_dialogue_output(dialogue)),
            buffer_size(proxy_dialogue_output(dialogue)), "response=\"", 10);
        ck_assert_ptr_nonnull(found);
        snprintf(response, sizeof(response), "%.*s", (int)n, found + 10);
        ck_assert_uint_eq(strlen(response), n);
        for (size_t i = 0; way >= 2 && i < n; i++)
            response[i] = (char)toupper(response[i]);
        snprintf(answer, sizeof(answer), "HTTP/1.1 403 bad response=%s\r\n\r\n", response);
        proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
        ck_assert_int_lt(proxy_dialogue_receive(dialogue, answer, strlen(answer), &used, &f), 0);
        ck_assert_ptr_null(strstr(failure_text(&f), response));
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "bad response=********"));
    }
}
END_TEST

START_TEST(a_login_that_is_told_back_is_masked)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};

    check_fails(&options,
        ANSWERS(A(WANTS(BASIC)), A("HTTP/1.1 407 YW5uOnNlY3JldA==\r\n" BASIC "\r\n")),
        REASON_PROXY_LOGIN, "(407 ****************)");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy tunnel");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, any_2xx_opens_the_way);
    tcase_add_test(tests, addresses_are_written_as_such);
    tcase_add_test(tests, lines_of_the_settings_are_added_and_not_traced);
    tcase_add_test(tests, basic_is_answered_when_it_is_asked_for);
    tcase_add_test(tests, a_closed_connection_is_followed_by_another);
    tcase_add_test(tests, the_best_digest_is_chosen);
    tcase_add_test(tests, a_nonce_that_was_too_old_is_followed_by_another);
    tcase_add_test(tests, a_digest_that_cannot_be_answered_is_told_why);
    tcase_add_test(tests, logins_that_cannot_be_done_are_told_by_name);
    tcase_add_test(tests, refusals_have_words);
    tcase_add_test(tests, what_is_no_relay_is_set_elsewhere);
    tcase_add_test(tests, what_is_no_http_is_told_so);
    tcase_add_test(tests, secrets_that_are_told_are_masked);
    tcase_add_test(tests, a_login_that_is_told_back_is_masked);
    tcase_add_test(tests, a_digest_that_is_told_back_is_masked);
    tcase_add_test(tests, lines_and_headers_have_limits);
    tcase_add_test(tests, interim_answers_have_an_end);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
