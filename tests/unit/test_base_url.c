/* base/url: which parameters of a URL are secrets, and how it is shown. */
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/url.h"
#include "unit.h"

static void check(const char *url, const char *shown)
{
    _cleanup_free_
    char *seen = url_shown(url);

    ck_assert_str_eq(seen, shown);
}

START_TEST(values_of_secret_parameters_are_masked)
{
    check("https://h/t?client_secret=x", "https://h/t?client_secret=***");
    check("https://h/t?p=B2C_1_x&code=a/b==&v=2", "https://h/t?p=B2C_1_x&code=***&v=2");
    check("https://h/t?Ocp-Apim-Subscription-Key=x", "https://h/t?Ocp-Apim-Subscription-Key=***");
    check("https://h/t?SIG=x;Password=y#access_token=z",
        "https://h/t?SIG=***;Password=***#access_token=***");
    check("https://h/t?x.sas=1&api_key=2&apiKey=3&client_assertion=4",
        "https://h/t?x.sas=***&api_key=***&apiKey=***&client_assertion=***");
    check("https://h?a=https://i?token=x", "https://h?a=https://i?token=***");
}
END_TEST

START_TEST(all_else_is_shown)
{
    static const char *const urls[] = {
        "https://login.example.com/token",
        "https://t.b2clogin.com/t/oauth2/v2.0/token?p=B2C_1_x",
        "https://h/token=x/key=y",
        "https://h/t?api-version=2018-02-01&codec=x&monkey=y&passenger=z",
        "https://h/t?code=&key&sig",
        "token=x",
        "?&;=&#",
        "",
    };

    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        check(urls[i], urls[i]);
        ck_assert(!url_has_secret(urls[i]));
    }
}
END_TEST

START_TEST(logins_are_masked)
{
    check("https://u:p@h/t", "https://***@h/t");
    check("u:p@x@h?key=k", "***@h?key=***");
    check("https://h/a@b?c=d@e", "https://h/a@b?c=d@e");
}
END_TEST

START_TEST(secrets_are_found_one_by_one)
{
    const char *at = "https://h/t?a=b&key=one&pwd=two";
    UrlParameter found;

    ck_assert(url_next_secret(&at, &found));
    ck_assert_int_eq(strncmp(found.name, "key=one&", 8), 0);
    ck_assert_uint_eq(found.n_name, 3);
    ck_assert(url_next_secret(&at, &found));
    ck_assert_str_eq(found.value, "two");
    ck_assert_uint_eq(found.n_value, 3);
    ck_assert(!url_next_secret(&at, &found));
    ck_assert(!url_next_secret(&at, &found));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base url");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, values_of_secret_parameters_are_masked);
    tcase_add_test(tests, all_else_is_shown);
    tcase_add_test(tests, logins_are_masked);
    tcase_add_test(tests, secrets_are_found_one_by_one);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
