/* proxy/: what stands in Proxy-Authenticate, and what is answered. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "proxy/digest.h"
#include "unit.h"

typedef struct Chosen {
    Challenge challenge;
    Buffer names;
} Chosen;

static Chosen choose_of(unsigned allowed, const char *text)
{
    Chosen chosen = {0};

    ck_assert_int_eq(
        challenge_choose(text, strlen(text), allowed, &chosen.challenge, &chosen.names), 0);
    ck_assert_int_eq(buffer_append(&chosen.names, "", 1), 0);
    return chosen;
}

/* All but Negotiate, for which there must be tickets. */
static Chosen choose(const char *text)
{
    return choose_of(
        CHALLENGE_BIT(CHALLENGE_NTLM) | CHALLENGE_BIT(CHALLENGE_BASIC) | CHALLENGE_BITS_DIGEST,
        text);
}

static void chosen_done(Chosen *chosen)
{
    challenge_done(&chosen->challenge);
    buffer_done(&chosen->names);
}

static void check(const char *text, ChallengeScheme scheme, const char *nonce, const char *names)
{
    Chosen chosen = choose(text);

    ck_assert_msg(chosen.challenge.scheme == scheme, "%d of %s", chosen.challenge.scheme, text);
    if (nonce)
        ck_assert_str_eq(chosen.challenge.nonce, nonce);
    ck_assert_str_eq(buffer_data(&chosen.names), names);
    chosen_done(&chosen);
}

/* RFC 9110, 11.6.1: commas are between challenges and within them. */
START_TEST(challenges_are_told_apart)
{
    check("", CHALLENGE_NONE, NULL, "");
    check(" , ,", CHALLENGE_NONE, NULL, "");
    check("Basic realm=\"x\"", CHALLENGE_BASIC, NULL, "Basic");
    check("basic", CHALLENGE_BASIC, NULL, "basic");
    check("Negotiate, NTLM, Basic realm=\"x\"", CHALLENGE_BASIC, NULL, "Negotiate, NTLM, Basic");
    check("NTLM TlRMTVNTUAAC+/==, Basic realm=x", CHALLENGE_BASIC, NULL, "NTLM, Basic");
    check("Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
        CHALLENGE_BASIC, NULL, "Newauth, Basic");
    check("Digest realm=\"a, Basic realm=b\", nonce=\"n\"", CHALLENGE_DIGEST_MD5, "n", "Digest");
    check("Basic realm=\"x\", Digest realm=\"x\", qop=\"auth\", nonce=one, Digest realm=\"x\", "
          "algorithm=SHA-256, nonce=\"two\"",
        CHALLENGE_DIGEST_SHA256, "two", "Basic, Digest, Digest");
    check("Digest algorithm=sha-256 , nonce = \"n\\\\1\" ,realm=x, Basic", CHALLENGE_DIGEST_SHA256,
        "n\\1", "Digest, Basic");
    check("Digest realm=x, nonce=first, nonce=second", CHALLENGE_DIGEST_MD5, "first", "Digest");
}
END_TEST

static void check_token(unsigned allowed, const char *text, const char *token)
{
    Chosen chosen = choose_of(allowed, text);

    ck_assert(CHALLENGE_BIT(chosen.challenge.scheme) == allowed);
    if (token)
        ck_assert_str_eq(chosen.challenge.token, token);
    else
        ck_assert_ptr_null(chosen.challenge.token);
    chosen_done(&chosen);
}

/* MS-NTHT, RFC 4559: a word of base64 behind the name, or none. */
START_TEST(tokens_are_read_whole)
{
    const unsigned ntlm = CHALLENGE_BIT(CHALLENGE_NTLM),
                   spnego = CHALLENGE_BIT(CHALLENGE_NEGOTIATE);

    check_token(ntlm, "NTLM", NULL);
    check_token(ntlm, "Basic realm=x, NTLM , Negotiate", NULL);
    check_token(ntlm, "NTLM TlRMTVNT+/==", "TlRMTVNT+/==");
    check_token(ntlm, "ntlm TlRMTVNT=, Basic realm=x", "TlRMTVNT=");
    check_token(ntlm, "NTLM, NTLM abcd , Digest realm=x, nonce=y", "abcd");
    check_token(ntlm, "Negotiate YII=, NTLM abcd", "abcd");
    check_token(spnego, "Negotiate YII=, NTLM abcd", "YII=");
    check_token(spnego, "NTLM, Negotiate", NULL);
    check_token(ntlm, "NTLM realm=\"x\"", NULL);
}
END_TEST

/* What shows no password to whoever reads along is not given up for it. */
START_TEST(what_is_not_allowed_is_not_chosen)
{
    Chosen chosen = choose_of(CHALLENGE_BITS_DIGEST, "Basic realm=x, NTLM");

    ck_assert_int_eq(chosen.challenge.scheme, CHALLENGE_NONE);
    ck_assert_str_eq(buffer_data(&chosen.names), "Basic, NTLM");
    chosen_done(&chosen);
    check("NTLM", CHALLENGE_NTLM, NULL, "NTLM");
    check("Negotiate", CHALLENGE_NONE, NULL, "Negotiate");
}
END_TEST

START_TEST(what_cannot_be_answered_is_left_out)
{
    static const char *const bad[] = {"Digest", "Digest realm=x", "Digest nonce=x",
        "Digest realm=x, nonce=y, algorithm=SHA-512-256", "Digest realm=x, nonce=y, qop=auth-int",
        "Digest realm=x, nonce=y, algorithm=MD5-sess", "Digest realm=\"x", "=", "=\"", "a=b",
        "Digest =", "Bearer x", "\"Basic\""};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        Chosen chosen = choose(bad[i]);

        ck_assert_msg(chosen.challenge.scheme == CHALLENGE_NONE, "%s", bad[i]);
        chosen_done(&chosen);
    }
}
END_TEST

/* Of the first Digest, where there is nothing that can be answered. */
START_TEST(why_a_digest_is_left_out_is_told)
{
    static const struct {
        const char *text;
        DigestFlaw flaw;
    } rows[] = {
        {"Digest", DIGEST_FLAW_REALM},
        {"Negotiate, Digest nonce=x", DIGEST_FLAW_REALM},
        {"Digest realm=x", DIGEST_FLAW_NONCE},
        {"Digest realm=x, nonce=\"\"", DIGEST_FLAW_NONCE},
        {"Digest realm=x, nonce=y, qop=\"auth-int, token\"", DIGEST_FLAW_QOP},
        {"Digest realm=x, nonce=y, algorithm=SHA-512-256, Digest realm=x", DIGEST_FLAW_ALGORITHM},
        {"Digest realm=x, nonce=y, algorithm=MD5-sess", DIGEST_FLAW_SESSION},
        {"Digest realm=x, Digest realm=x, nonce=y", DIGEST_FLAW_NONE},
        {"Digest realm=x, Basic realm=x", DIGEST_FLAW_NONE},
        {"Bearer", DIGEST_FLAW_NONE},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Chosen chosen = choose(rows[i].text);

        ck_assert_msg(chosen.challenge.flaw == rows[i].flaw, "%s", rows[i].text);
        chosen_done(&chosen);
        chosen = choose_of(CHALLENGE_BIT(CHALLENGE_BASIC), rows[i].text);
        ck_assert_int_eq(chosen.challenge.flaw, DIGEST_FLAW_NONE);
        chosen_done(&chosen);
    }
}
END_TEST

/* A proxy may offer thousands: the words of a failure stay short. */
START_TEST(names_do_not_grow_without_end)
{
    char text[4000];
    Chosen chosen;

    for (size_t i = 0; i < sizeof(text) - 4; i += 4)
        memcpy(text + i, "abc,", 5);
    chosen = choose(text);
    ck_assert_uint_le(buffer_size(&chosen.names), 110);
    chosen_done(&chosen);
}
END_TEST

static void check_answer(const char *text, const Credentials *credentials, const char *words)
{
    Chosen chosen = choose(text);
    _cleanup_free_
    char *answer = NULL;

    ck_assert_int_eq(challenge_answer(&chosen.challenge, credentials, &answer), 0);
    ck_assert_msg(strstr(answer, words), "%s", answer);
    chosen_done(&chosen);
}

/* RFC 7616, 3.9.1. */
START_TEST(the_examples_of_the_rfc_come_out)
{
    _cleanup_secret_ Secret *password = secret_new("Circle of Life", 14);
    const Credentials mufasa = {
        .user = "Mufasa",
        .password = password,
        .method = "GET",
        .target = "/dir/index.html",
        .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
#define OF_RFC(algorithm)                                                                  \
    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm \
    ", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                           \
    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

    check_answer(OF_RFC("SHA-256"), &mufasa,
        "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"");
    check_answer(OF_RFC("MD5"), &mufasa, "response=\"8ca523f5e9506fed4657c9700eebdbec\"");
}
END_TEST

/* RFC 2617, 3.5, and its older form without a qop; sessions and hidden users as RFC 7616, 3.4.2 and
 * 3.4.4, have them, computed with another implementation. */
START_TEST(older_and_rarer_forms_come_out)
{
    _cleanup_secret_ Secret *password = secret_new("Circle Of Life", 14);
    const Credentials mufasa = {
        .user = "Mufasa",
        .password = password,
        .method = "GET",
        .target = "/dir/index.html",
        .cnonce = "0a4f113b",
    };
#define OF_2617(more) \
    "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"" more

    check_answer(OF_2617(", qop=\"auth,auth-int\""), &mufasa,
        "response=\"6629fae49393a05397450978507c4ef1\"");
    check_answer(OF_2617(""), &mufasa, "response=\"670fd8c2df070c60b045671b8b24ff02\"");
    check_answer(OF_2617(", qop=auth, algorithm=MD5-sess"), &mufasa,
        "response=\"8e3825c57e897f5a0dec6c2d4e5059d0\", algorithm=MD5-sess");
    check_answer(OF_2617(", qop=auth, userhash=true"), &mufasa,
        "Digest username=\"74f54fe2c8045a5ffda7d02fd97f1716\"");
    check_answer(OF_2617(", qop=auth, userhash=true"), &mufasa, ", userhash=true");
}
END_TEST

START_TEST(quotes_in_names_stay_within_their_quotes)
{
    const Credentials odd = {
        .user = "a\"b\\c", .method = "CONNECT", .target = "h:1", .cnonce = "x"};

    check_answer("Digest realm=\"r\\\"s\", nonce=\"n\\\\\"", &odd,
        "username=\"a\\\"b\\\\c\", realm=\"r\\\"s\", nonce=\"n\\\\\", uri=");
}
END_TEST

START_TEST(numbers_used_once_differ)
{
    char one[DIGEST_CNONCE_MAX], other[DIGEST_CNONCE_MAX];

    digest_cnonce(one);
    digest_cnonce(other);
    ck_assert_uint_eq(strlen(one), DIGEST_CNONCE_MAX - 1);
    ck_assert_str_ne(one, other);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy challenge");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, challenges_are_told_apart);
    tcase_add_test(tests, tokens_are_read_whole);
    tcase_add_test(tests, what_is_not_allowed_is_not_chosen);
    tcase_add_test(tests, what_cannot_be_answered_is_left_out);
    tcase_add_test(tests, why_a_digest_is_left_out_is_told);
    tcase_add_test(tests, names_do_not_grow_without_end);
    tcase_add_test(tests, the_examples_of_the_rfc_come_out);
    tcase_add_test(tests, older_and_rarer_forms_come_out);
    tcase_add_test(tests, quotes_in_names_stay_within_their_quotes);
    tcase_add_test(tests, numbers_used_once_differ);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
