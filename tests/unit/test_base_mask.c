/* base/mask: secrets in whatever writing, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/mask.h"
#include "unit.h"

static void check(const char *secret, const char *text, const char *masked)
{
    const MaskSecret secrets[] = {
        {"another", 7, false}, {secret, strlen(secret), false}, {"", 0, false}};
    char *copy = strdup(text);

    ck_assert_int_eq(mask_secrets(copy, strlen(copy), secrets, ELEMENTSOF(secrets)), 0);
    ck_assert_str_eq(copy, masked);
    free(copy);
}

START_TEST(secrets_are_masked_in_each_writing)
{
    check("hunter22", "no hunter22, hunter22!", "no ********, ********!");
    check("hunter22", "no HUNTER22, hunter2", "no HUNTER22, hunter2");
    /* Within base64, from each place, cut, without padding, and that for URLs. */
    check("hunter22", "a aHVudGVyMjI= b", "a ***********= b");
    check("hunter22", "AGpvZQBodW50ZXIyMg==", "******************==");
    check("hunter22", "x AGpvZXgAaHVudGVyMjI", "x *******************");
    check("hunter22", "at<eGh1bnRlcjIyeA>", "at<**************>");
    check("h?>~\xff\xff\xff\xff", "x aD8-fv____8", "x ***********");
    check("h?>~\xff\xff\xff\xff", "x aD8+fv////8", "x ***********");
    check("hunter22", "aHVudGVy", "aHVudGVy");
    /* Hexadecimal digits, in either case, from each place. */
    check("hunter22", "0x68756e7465723232.", "0x****************.");
    check("hunter22", "=68756E7465723232.", "=****************.");
    check("hunter22", "a 068756e7465723232", "a *****************");
    /* Percents, all or some; a blank as +. */
    check("a b/c&d=e", "u=a+b%2Fc%26d%3De x", "***************** x");
    check("a b/c&d=e", "u=a%20b/c%26d=e x", "*************** x");
    check("a+b/c", "a%2bb%2Fc", "*********");
    check("hunter22", "100% of all %zz %4 %", "100% of all %zz %4 %");
}
END_TEST

START_TEST(secrets_are_masked_with_escapes)
{
    check("a/b \"c\"\\d", "no a\\/b \\\"c\\\"\\\\d!", "no *************!");
    check("hunter22", "\\u0068\\u0075nter\\u0032\\u0032.", "****************************.");
    check("hunter22", "\\x68unter\\x322", "**************");
    check("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\\u00E4\\u20aC\\ud83D\\uDe00 x",
        "************************ x");
    check("a\nb\tcde", "a\\nb\\u0009cde a\nb\tcde", "************* *******");
    /* The beginning of one is enough, and what is like one is none. */
    check("hunter22 and more", "\\u0068unter22 \\u006dore", "**************\\u006dore");
    check("hunter22", "\\u0068unter2\\ \\u006 \\x6 \\ud83d\\u0068 \\",
        "\\u0068unter2\\ \\u006 \\x6 \\ud83d\\u0068 \\");
}
END_TEST

/* Hexadecimal digits are the same secret in capitals. */
START_TEST(some_are_masked_in_either_case)
{
    static const MaskSecret secret = {"6629fae49393a05397450978507c4ef1", 32, true};
    char text[] = "6629FAE49393A05397450978507C4EF1, 6629fAe49393A05397450978507c4ef1, "
                  "NjYyOUZBRTQ5MzkzQTA1Mzk3NDUwOTc4NTA3QzRFRjE=, 6629";

    ck_assert_int_eq(mask_secrets(text, strlen(text), &secret, 1), 0);
    ck_assert_str_eq(text, "********************************, ********************************, "
                           "*******************************************=, 6629");
}
END_TEST

START_TEST(words_are_masked_before_they_are_cut_and_printed)
{
    _cleanup_free_
    char *shown = NULL, *plain = NULL;
    MaskList list = {0};

    plain = mask_printable(&list, "a\x1b hunter22", 11, 100);
    ck_assert_str_eq(plain, "a\\x1b hunter22");
    ck_assert_int_eq(mask_list_add(&list, "", 0), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(mask_list_add(&list, "hunter22", 8), 0);
    ck_assert_uint_eq(list.n, 20);
    shown = mask_printable(&list, "a\x1b hunter22", 11, 10);
    ck_assert_str_eq(shown, "a\\x1b ****...");
    mask_list_done(&list);
}
END_TEST

/* What it costs grows with the length alone, and its end is not passed. */
START_TEST(any_text_is_taken)
{
    static const MaskSecret secret = {"nothing like it", 15, true};
    static const char *const pieces[] = {
        "aHVu", "%41", "687", "a b", "%", "+/+/", "\xff", "\\", "\\u00", "\\ud83d\\u", "\\u006e"};

    for (size_t i = 0; i < ELEMENTSOF(pieces); i++)
        for (size_t n = 0; n < 300; n++) {
            char *text = malloc(n + 1), *copy;

            for (size_t at = 0; at < n; at++)
                text[at] = pieces[i][at % strlen(pieces[i])];
            text[n] = '\0';
            copy = strdup(text);
            ck_assert_int_eq(mask_secrets(copy, n, &secret, 1), 0);
            ck_assert_str_eq(copy, text);
            free(copy);
            free(text);
        }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base mask");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, secrets_are_masked_in_each_writing);
    tcase_add_test(tests, secrets_are_masked_with_escapes);
    tcase_add_test(tests, some_are_masked_in_either_case);
    tcase_add_test(tests, words_are_masked_before_they_are_cut_and_printed);
    tcase_add_test(tests, any_text_is_taken);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
