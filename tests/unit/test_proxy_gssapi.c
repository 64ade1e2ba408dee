/* proxy/: SOCKS5 with GSSAPI (RFC 1961), byte by byte, and the envelopes behind it. */
#include "played_gssapi.h"
#include "proxy_talk.h"

#define OPTIONS                                                                             \
    {                                                                                       \
        .kind = PROXY_SOCKS5, .host = "mail.test", .port = 25, .login = PROXY_LOGIN_GSSAPI, \
        .gssapi = &gssapi                                                                   \
    }
/* Of less than ten bytes, and of more. */
#define FRAME(type, size, token) "\x01" type "\0" size token
#define REQUEST "\x05\x01\x00\x03\x09mail.test\x00\x19"
#define GRANTED "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define CHOOSES A("\x05\x01")
#define ENDS A(FRAME("\x01", "\x03", "end"))
#define AGREES(level) A(FRAME("\x02", "\x02", "~" level))
#define SAYS "\x05\x01\x01" FRAME("\x01", "\x08", "ticket 1") FRAME("\x02", "\x02", "~\x02")

START_TEST(all_that_follows_is_in_envelopes)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    const ProxyOptions options = OPTIONS;
    static const char encrypted[] = SAYS FRAME("\x03", "\x11", "#" REQUEST);
    static const char is_signed[] = SAYS FRAME("\x03", "\x11", "~" REQUEST);
    Talk talk = talk_to(
        &options, ANSWERS(CHOOSES, ENDS, AGREES("\x02"), A(FRAME("\x03", "\x0b", "#" GRANTED))), 0);

    ck_assert_msg(talk.result == PROXY_STANDS, "%s", failure_text(&talk.failure));
    ck_assert_uint_eq(buffer_size(&talk.said), sizeof(encrypted));
    ck_assert_mem_eq(buffer_data(&talk.said), encrypted, sizeof(encrypted) - 1);
    ck_assert_ptr_nonnull(strstr(talk.trace, "SOCKS5: logged in, what follows is encrypted"));
    ck_assert_uint_eq(played.ended, 1);
    talk_done(&talk);
    played.begun = 0;
    talk = talk_to(
        &options, ANSWERS(CHOOSES, ENDS, AGREES("\x01"), A(FRAME("\x03", "\x0b", "~" GRANTED))), 0);
    ck_assert_int_eq(talk.result, PROXY_STANDS);
    ck_assert_mem_eq(buffer_data(&talk.said), is_signed, sizeof(is_signed) - 1);
    talk_done(&talk);
    talk = talk_in_every_way(
        &options, ANSWERS(CHOOSES, A(FRAME("\x01", "\x02", "go")), ENDS, AGREES("\x02"),
                      A(FRAME("\x03", "\x03", "#\x05\x00") FRAME("\x03", "\x01", "#")
                              FRAME("\x03", "\x09", "#\x00\x01\x00\x00\x00\x00\x00\x00"))));
    ck_assert_msg(talk.result == PROXY_STANDS, "%s", failure_text(&talk.failure));
    talk_done(&talk);
    check_cut_off(
        &options, ANSWERS(CHOOSES, ENDS, AGREES("\x02"), A(FRAME("\x03", "\x0b", "#" GRANTED))));
    ck_assert_uint_gt(played.ended, 50);
}
END_TEST

/* What is behind the answer is the relay's, in the same envelope or in another, whole or not. */
START_TEST(what_comes_early_stays_in_the_envelopes)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    ProxyOptions options = OPTIONS;
    const Answer answers[] = {CHOOSES, ENDS, AGREES("\x02")};
    static const char last[] = FRAME("\x03", "\x0f", "#" GRANTED "220 ")
        FRAME("\x03", "\x03", "#he") FRAME("\x03", "\x04", "#l");
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;
    _cleanup_(proxy_wrap_free_p) ProxyWrap *wrap = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer out = {0};
    size_t used;
    int r;

    options.proxy = "proxy.test port 1";
    r = proxy_dialogue_new(&options, &dialogue, &f);
    for (size_t i = 0; i < 3; i++) {
        proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
        r = proxy_dialogue_receive(dialogue, answers[i].data, answers[i].n, &used, &f);
        ck_assert_int_eq(r, PROXY_MORE);
    }
    proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
    r = proxy_dialogue_receive(dialogue, last, sizeof(last) - 1, &used, &f);
    ck_assert_int_eq(r, PROXY_STANDS);
    ck_assert_uint_eq(used, sizeof(last) - 1);
    wrap = proxy_dialogue_take_wrap(dialogue);
    ck_assert_ptr_null(proxy_dialogue_take_wrap(dialogue));
    ck_assert_uint_eq(played.ended, 0);
    ck_assert_int_eq(proxy_wrap_in(wrap, "lo", 2, &f), 0);
    ck_assert_uint_eq(buffer_size(proxy_wrap_clear(wrap)), 9);
    ck_assert_mem_eq(buffer_data(proxy_wrap_clear(wrap)), "220 hello", 9);
    ck_assert_int_eq(proxy_wrap_out(wrap, "EHLO x", 6, &out, &f), 6);
    ck_assert_mem_eq(buffer_data(&out), FRAME("\x03", "\x07", "#EHLO x"), 11);
}
END_TEST

static int wrap_in(ProxyWrap *wrap, const char *data, size_t n, const char *words)
{
    _cleanup_failure_ Failure f = {0};
    int r = proxy_wrap_in(wrap, data, n, &f);

    if (r < 0) {
        ck_assert_int_eq(f.number, ERROR_FIREWALL);
        ck_assert_msg(words && strstr(failure_text(&f), words), "%s", failure_text(&f));
    }
    return r;
}

START_TEST(envelopes_have_limits)
{
    static const char *const broken[] = {"\x05", "\x01\x02", "\x01\xff"};
    static char large[100000];
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    _cleanup_buffer_ Buffer out = {0};
    ProxyWrap *wrap;

    for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
        ck_assert_int_eq(proxy_wrap_new(&gssapi, &played, true, &wrap), 0);
        ck_assert_int_lt(wrap_in(wrap, broken[i], strlen(broken[i]), "what has come is none"), 0);
        proxy_wrap_free(wrap);
    }
    ck_assert_int_eq(proxy_wrap_new(&gssapi, &played, true, &wrap), 0);
    ck_assert_int_lt(wrap_in(wrap, FRAME("\x03", "\x02", "~x"), 6, "not encrypted"), 0);
    proxy_wrap_free(wrap);
    ck_assert_int_eq(proxy_wrap_new(&gssapi, &played, true, &wrap), 0);
    ck_assert_int_lt(wrap_in(wrap, FRAME("\x03", "\x00", ""), 4, "cannot be opened"), 0);
    proxy_wrap_free(wrap);
    /* Without anything in them, one after the other; a byte begins the count anew. */
    ck_assert_int_eq(proxy_wrap_new(&gssapi, &played, true, &wrap), 0);
    for (unsigned i = 0; i < 2 * PROXY_WRAP_EMPTY_MAX; i++) {
        if (i == PROXY_WRAP_EMPTY_MAX)
            ck_assert_int_eq(wrap_in(wrap, FRAME("\x03", "\x02", "#x"), 6, NULL), 0);
        ck_assert_int_eq(wrap_in(wrap, FRAME("\x03", "\x01", "#"), 5, NULL), 0);
    }
    ck_assert_int_lt(wrap_in(wrap, FRAME("\x03", "\x01", "#"), 5, "empty envelope"), 0);
    proxy_wrap_free(wrap);
    /* The longest there is, and ours. */
    ck_assert_int_eq(proxy_wrap_new(&gssapi, &played, false, &wrap), 0);
    memcpy(large, "\x01\x03\xff\xff~", 5);
    ck_assert_int_eq(wrap_in(wrap, large, WRAP_HEAD + WRAP_TOKEN_MAX, NULL), 0);
    ck_assert_uint_eq(buffer_size(proxy_wrap_clear(wrap)), WRAP_TOKEN_MAX - 1);
    ck_assert_int_eq(
        proxy_wrap_out(wrap, large, sizeof(large), &out, NULL), (ssize_t)PROXY_WRAP_BYTES);
    ck_assert_uint_eq(buffer_size(&out), WRAP_HEAD + 1 + PROXY_WRAP_BYTES);
    ck_assert_int_eq(wrap_frame(&out, WRAP_DATA, large, WRAP_TOKEN_MAX), 0);
    ck_assert_int_eq(wrap_frame(&out, WRAP_DATA, large, WRAP_TOKEN_MAX + 1), -EMSGSIZE);
    proxy_wrap_free(wrap);
    ck_assert_uint_eq(played.ended, 7);
}
END_TEST

START_TEST(logins_that_fail_are_told)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    const ProxyOptions options = OPTIONS;
    const Answer go = A(FRAME("\x01", "\x02", "go"));

    check_fails(&options, ANSWERS(A("\x05\xff")), REASON_PROXY_LOGIN, "does not do GSSAPI");
    /* Nobody is logged in by nothing, nor by a password, who wants to be by a ticket. */
    check_fails(&options, ANSWERS(A("\x05\x00")), REASON_PROXY_LOGIN, "method 0");
    check_fails(&options, ANSWERS(A("\x05\x02")), REASON_PROXY_LOGIN, "method 2");
    check_fails(&options, ANSWERS(CHOOSES, A("\x01\xff")), REASON_PROXY_LOGIN,
        "does not take the Kerberos ticket");
    check_fails(&options, ANSWERS(CHOOSES, ENDS, A("\x01\xff")), REASON_PROXY_LOGIN,
        "does not take the Kerberos ticket");
    check_fails(&options, ANSWERS(CHOOSES, A("\x05\x00")), REASON_PROXY_NOT_SPOKEN, "version 5");
    check_fails(
        &options, ANSWERS(CHOOSES, A("\x01\x02\x00\x00")), REASON_PROXY_NOT_SPOKEN, "version 5");
    check_fails(&options, ANSWERS(CHOOSES, A(FRAME("\x01", "\x03", "bad"))), REASON_PROXY_LOGIN,
        "cannot be logged in at: not one of who has the key");
    check_fails(&options, ANSWERS(CHOOSES, go, go, go, go, go, go, go, go), REASON_PROXY_LOGIN,
        "goes on and on with GSSAPI");
    check_fails(
        &options, ANSWERS(CHOOSES, ENDS, AGREES("\x03")), REASON_PROXY_LOGIN, "it answers level 3");
    check_fails(&options, ANSWERS(CHOOSES, ENDS, A(FRAME("\x02", "\x01", "~"))), REASON_PROXY_LOGIN,
        "it answers level 0");
    check_fails(&options, ANSWERS(CHOOSES, ENDS, A(FRAME("\x02", "\x03", "~\x02\x02"))),
        REASON_PROXY_LOGIN, "it answers level 0");
    check_fails(&options, ANSWERS(CHOOSES, ENDS, A(FRAME("\x02", "\x01", "?"))), REASON_PROXY_LOGIN,
        "its envelope cannot be opened");
    check_fails(&options, ANSWERS(CHOOSES, ENDS, AGREES("\x02"), A("\x05\x00\x00\x01")),
        REASON_PROXY_NOT_SPOKEN, "what has come is none");
    check_fails(&options,
        ANSWERS(CHOOSES, ENDS, AGREES("\x02"), A(FRAME("\x03", "\x0b", "~" GRANTED))),
        REASON_PROXY_NOT_SPOKEN, "not encrypted");
    check_fails(&options,
        ANSWERS(CHOOSES, ENDS, AGREES("\x02"), A(FRAME("\x03", "\x05", "#\x05\x02\x00\x01"))),
        REASON_PROXY_REFUSED, "SOCKS5 code 2");
    check_fails(&options, ANSWERS(CHOOSES, CLOSES), REASON_PROXY_CLOSED, "closed");
    played.none = true;
    check_fails(&options, ANSWERS(CHOOSES), REASON_PROXY_LOGIN, "are used up");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy gssapi");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, all_that_follows_is_in_envelopes);
    tcase_add_test(tests, what_comes_early_stays_in_the_envelopes);
    tcase_add_test(tests, envelopes_have_limits);
    tcase_add_test(tests, logins_that_fail_are_told);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
