/* proxy/: logins of several messages over one connection, NTLM and Negotiate, and which of the ways
 * to log in is taken. */
#include <openssl/evp.h>

#include "played_gssapi.h"
#include "proxy_talk.h"

#define BASE .kind = PROXY_TUNNEL, .host = "mail.test", .port = 587
#define REQUEST(more) "CONNECT mail.test:587 HTTP/1.1\r\nHost: mail.test:587\r\n" more "\r\n"
#define WANTS(more) "HTTP/1.1 407 No\r\nContent-Length: 0\r\n" more "\r\n"
#define OFFERS(schemes) WANTS("Proxy-Authenticate: " schemes "\r\n")
#define STANDS "HTTP/1.1 200 OK\r\n\r\n"
#define KEEPS "Proxy-Connection: keep-alive\r\n"

/* MS-NLMP, 4.2.4.3: a challenge with a target and its information. */
#define CHALLENGE                                                                        \
    "TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBwFwAAAA9TAGUAcg" \
    "B2AGUAcgACAAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAAAAAA="
/* What says nothing of who logs in. */
#define NEGOTIATE "Proxy-Authorization: NTLM TlRMTVNTUAABAAAAB4KIIAAAAAAgAAAAAAAAACAAAAA=\r\n"

static bool has(const Talk *talk, const char *words)
{
    return strstr(buffer_data(&talk->said), words);
}

/* The last message, from behind "NTLM ". */
static size_t last_message(const Talk *talk, unsigned char message[static 2000])
{
    const char *at = buffer_data(&talk->said), *next;
    size_t n;

    while ((next = strstr(at, "Authorization: NTLM ")))
        at = next + strlen("Authorization: NTLM ");
    n = strcspn(at, "\r");
    ck_assert_uint_lt(n, 2000);
    ck_assert_int_gt(EVP_DecodeBlock(message, (const unsigned char *)at, (int)n), 0);
    return n / 4 * 3;
}

START_TEST(ntlm_has_three_messages)
{
    static const char domain[] = "D\0O\0M", user[] = "a\0n\0n";
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "DOM\\ann", .password = password};
    unsigned char message[2000];
    Talk talk = talk_in_every_way(
        &options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM " CHALLENGE)), A(STANDS)));
    size_t n;

    ck_assert_msg(talk.result == PROXY_STANDS, "%s", failure_text(&talk.failure));
    ck_assert(has(&talk, REQUEST("") REQUEST(KEEPS NEGOTIATE) "CONNECT "));
    ck_assert(!has(&talk, "|"));
    n = last_message(&talk, message);
    ck_assert_mem_eq(message, "NTLMSSP\0\3\0\0", 11);
    ck_assert_ptr_nonnull(memmem(message, n, domain, sizeof(domain)));
    ck_assert_ptr_nonnull(memmem(message, n, user, sizeof(user)));
    ck_assert(message[20] + 256 * message[21] > 24); /* of version 2 */
    ck_assert(!has(&talk, "secret"));
    ck_assert_ptr_nonnull(strstr(talk.trace, "Proxy-Authorization: NTLM ***"));
    ck_assert_ptr_null(strstr(talk.trace, "TlRM"));
    talk_done(&talk);
    check_cut_off(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM " CHALLENGE)), A(STANDS)));
}
END_TEST

/* Bodies are read over, in chunks, too; the first connection may be closed, the second may not. */
START_TEST(ntlm_goes_over_one_connection)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};
    static const char *const goes_on[] = {
        "HTTP/1.1 407 No\r\nContent-Length: 5\r\nProxy-Authenticate: NTLM " CHALLENGE
        "\r\n\r\n\r\n\r\nx",
        "HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\nProxy-Authenticate: NTLM " CHALLENGE
        "\r\n\r\n5\r\nHTTP/\r\n0a;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.0 407 No\r\nProxy-Connection: keep-alive\r\nContent-Length: 0\r\n"
        "Proxy-Authenticate: NTLM " CHALLENGE "\r\n\r\n",
    };
    static const char *const ends[] = {
        "HTTP/1.1 407 No\r\nConnection: close\r\nContent-Length: 0\r\nProxy-Authenticate: "
        "NTLM " CHALLENGE "\r\n\r\n",
        "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM " CHALLENGE "\r\n\r\n",
    };

    for (size_t i = 0; i < ELEMENTSOF(goes_on); i++) {
        Talk talk = talk_in_every_way(
            &options, ANSWERS(A("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\nand closes"),
                          {goes_on[i], strlen(goes_on[i])}, A(STANDS "220 x")));

        ck_assert_msg(talk.result == PROXY_STANDS, "%s", failure_text(&talk.failure));
        ck_assert_uint_eq(talk.behind, 5);
        ck_assert(has(&talk, REQUEST("") "|" REQUEST(KEEPS NEGOTIATE) "CONNECT "));
        talk_done(&talk);
    }
    for (size_t i = 0; i < ELEMENTSOF(ends); i++)
        check_fails(&options, ANSWERS(A(OFFERS("NTLM")), {ends[i], strlen(ends[i])}),
            REASON_PROXY_LOGIN, "closes the connection in the middle of NTLM");
    /* The first message may be said again, the answer must not: that would be a second try. */
    CHECK_STANDS(options, ANSWERS(A(OFFERS("NTLM")), CLOSES, A(STANDS)),
        REQUEST("") REQUEST(KEEPS NEGOTIATE) "|" REQUEST(KEEPS NEGOTIATE), 0);
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM " CHALLENGE)), CLOSES),
        REASON_PROXY_CLOSED, "in the middle of the login");
}
END_TEST

START_TEST(ntlm_that_fails_is_told)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};

    check_fails(&options,
        ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM " CHALLENGE)), A(OFFERS("NTLM"))),
        REASON_PROXY_LOGIN, "does not take the login of ann (407 No): check proxy_user and");
    /* Nor is one challenge answered after the other. */
    check_fails(&options,
        ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM " CHALLENGE)), A(OFFERS("NTLM " CHALLENGE))),
        REASON_PROXY_LOGIN, "does not take the login of ann");
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM"))), REASON_PROXY_LOGIN,
        "offers NTLM and does not go on with it");
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("Basic, Digest realm=x, nonce=y"))),
        REASON_PROXY_LOGIN, "NTLM");
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM TlRMTVNTUAACAAAA"))),
        REASON_PROXY_LOGIN, "it is no CHALLENGE message");
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM abc"))), REASON_PROXY_LOGIN,
        "is no base64");
    check_fails(&options, ANSWERS(A(OFFERS("NTLM")), A(OFFERS("NTLM ~~~~"))), REASON_PROXY_LOGIN,
        "is no base64");
}
END_TEST

/* A body in chunks has an end, and is one. */
START_TEST(chunks_have_limits)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {BASE, .user = "ann", .password = password};
#define CHUNKED "HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\nProxy-Authenticate: NTLM\r\n\r\n"

    check_fails(&options, ANSWERS(A(CHUNKED "x\r\n")), REASON_PROXY_NOT_SPOKEN, "not speak HTTP");
    check_fails(&options, ANSWERS(A(CHUNKED "5x\r\n")), REASON_PROXY_NOT_SPOKEN, "not speak HTTP");
    check_fails(&options, ANSWERS(A(CHUNKED "1\r\nab\r\n")), REASON_PROXY_NOT_SPOKEN, "not speak");
    check_fails(&options, ANSWERS(A(CHUNKED "-1\r\n")), REASON_PROXY_NOT_SPOKEN, "not speak HTTP");
    check_fails(&options, ANSWERS(A(CHUNKED "ffffffffffffffff\r\nx")), REASON_PROXY_NOT_SPOKEN, "");
    CHECK_STANDS(options, ANSWERS(A(CHUNKED "3\nabc\n0\n\n"), A(STANDS)),
        REQUEST("") REQUEST(KEEPS NEGOTIATE), 0);
    CHECK_STANDS(options, ANSWERS(A(CHUNKED "3\r\nab"), CLOSES, A(STANDS)),
        REQUEST("") "|" REQUEST(KEEPS NEGOTIATE), 0);
}
END_TEST

START_TEST(endless_chunks_are_given_up)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    const ProxyOptions options = {
        BASE, .proxy = "proxy.test port 1", .user = "ann", .password = password};
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;
    _cleanup_failure_ Failure f = {0};
    static char chunk[1000] = "3df\r\n"; /* 991 bytes */
    size_t used, sent = 0;
    int r = proxy_dialogue_new(&options, &dialogue, &f);

    memset(chunk + 5, 'x', 991);
    memcpy(chunk + 996, "\r\n", 2);
    proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
    r = proxy_dialogue_receive(dialogue, CHUNKED, sizeof(CHUNKED) - 1, &used, &f);
    for (; r == 0; sent += used)
        r = proxy_dialogue_receive(dialogue, chunk, 998, &used, &f);
    ck_assert_int_eq(r, -EMSGSIZE);
    ck_assert_uint_le(sent, PROXY_HEADER_MAX);
    ck_assert_uint_ge(sent, PROXY_HEADER_MAX - 2000);
}
END_TEST

START_TEST(the_way_that_is_set_is_taken)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    ProxyOptions options = {BASE, .user = "ann", .password = password};
    static const char all[] = OFFERS("Negotiate, NTLM, Basic realm=x, Digest realm=x, nonce=y");
    static const struct {
        ProxyLogin login;
        const char *said;
    } cases[] = {{PROXY_LOGIN_AUTO, "Digest "}, {PROXY_LOGIN_BASIC, "Basic "},
        {PROXY_LOGIN_DIGEST, "Digest "}, {PROXY_LOGIN_NTLM, "NTLM "}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Talk talk;
        char words[64];

        options.login = cases[i].login;
        talk = talk_to(&options, ANSWERS(A(all), A(STANDS)), 0);
        snprintf(words, sizeof(words), "Proxy-Authorization: %s", cases[i].said);
        ck_assert_msg(has(&talk, words), "%s", buffer_data(&talk.said));
        talk_done(&talk);
    }
    /* One that is seen through by whoever reads along is not taken in a digest's place. */
    options.login = PROXY_LOGIN_DIGEST;
    check_fails(&options, ANSWERS(A(OFFERS("Basic realm=x, NTLM"))), REASON_PROXY_LOGIN,
        "it offers Basic, NTLM): proxy_auth allows none of these");
    options.login = PROXY_LOGIN_AUTO;
    check_fails(&options, ANSWERS(A(OFFERS("NTLM, Basic")), A(OFFERS("NTLM, Basic"))),
        REASON_PROXY_LOGIN, "does not take the login of ann");
}
END_TEST

/* ---- Negotiate ---- */

#define SPNEGO(word) "Proxy-Authorization: Negotiate " word "\r\n"
#define TICKET_1 SPNEGO("dGlja2V0IDE=")
#define MORE SPNEGO("bW9yZQ==")

START_TEST(negotiate_shows_a_ticket)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    const ProxyOptions options = {BASE, .login = PROXY_LOGIN_GSSAPI, .gssapi = &gssapi};
    Talk talk = talk_to(&options, ANSWERS(A(OFFERS("Negotiate, NTLM")), A(STANDS)), 0);

    ck_assert_int_eq(talk.result, PROXY_STANDS);
    ck_assert_str_eq(buffer_data(&talk.said), REQUEST("") REQUEST(KEEPS TICKET_1));
    ck_assert_ptr_null(strstr(talk.trace, "dGlja"));
    talk_done(&talk);
    ck_assert_uint_eq(played.begun, 1);
    ck_assert_uint_eq(played.ended, 1);
    /* In several rounds. */
    played.begun = 0;
    talk = talk_to(
        &options, ANSWERS(A(OFFERS("Negotiate")), A(OFFERS("Negotiate d29yZA==")), A(STANDS)), 0);
    ck_assert_str_eq(
        buffer_data(&talk.said), REQUEST("") REQUEST(KEEPS TICKET_1) REQUEST(KEEPS MORE));
    talk_done(&talk);
    /* Another connection, another ticket. */
    played.begun = 0;
    talk = talk_to(&options, ANSWERS(A(OFFERS("Negotiate")), CLOSES, A(STANDS)), 0);
    ck_assert_str_eq(buffer_data(&talk.said),
        REQUEST("") REQUEST(KEEPS TICKET_1) "|" REQUEST(KEEPS SPNEGO("dGlja2V0IDI=")));
    talk_done(&talk);
    ck_assert_uint_eq(played.ended, 4);
}
END_TEST

START_TEST(negotiate_that_fails_is_told)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    const ProxyOptions options = {BASE, .login = PROXY_LOGIN_GSSAPI, .gssapi = &gssapi};
    const Answer offers = A(OFFERS("Negotiate")), more = A(OFFERS("Negotiate d29yZA=="));

    check_fails(&options, ANSWERS(A(OFFERS("Basic realm=x, NTLM"))), REASON_PROXY_LOGIN,
        "takes Negotiate alone");
    check_fails(&options, ANSWERS(offers, A(OFFERS("Negotiate"))), REASON_PROXY_LOGIN,
        "does not take the login of this machine (407 No): check proxy_kerberos_service");
    check_fails(&options, ANSWERS(offers, A(OFFERS("Negotiate YmFk"))), REASON_PROXY_LOGIN,
        "cannot be logged in at: not one of who has the key");
    /* Content with itself and not with us. */
    check_fails(&options, ANSWERS(offers, A(OFFERS("Negotiate ZW5k"))), REASON_PROXY_LOGIN,
        "does not take the login");
    check_fails(&options, ANSWERS(offers, more, more, more, more, more, more), REASON_PROXY_LOGIN,
        "does not take the login");
    played.none = true;
    check_fails(&options, ANSWERS(offers), REASON_PROXY_LOGIN, "are used up");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy login");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, ntlm_has_three_messages);
    tcase_add_test(tests, ntlm_goes_over_one_connection);
    tcase_add_test(tests, ntlm_that_fails_is_told);
    tcase_add_test(tests, chunks_have_limits);
    tcase_add_test(tests, endless_chunks_are_given_up);
    tcase_add_test(tests, the_way_that_is_set_is_taken);
    tcase_add_test(tests, negotiate_shows_a_ticket);
    tcase_add_test(tests, negotiate_that_fails_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
