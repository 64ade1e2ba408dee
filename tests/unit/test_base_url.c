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
    check("https://[::1]/a@b", "https://[::1]/a@b");
    check("https://u:p@[::1]:8443/t", "https://***@[::1]:8443/t");
    check("https://u%40x:p%40y@h/t", "https://***@h/t");
    check("https://u@h/t", "https://***@h/t");
    check("https://u:p&q;r@h/t", "https://***@h/t");
}
END_TEST

/* What is not encoded that has to be, and what is no URL. */
START_TEST(what_may_be_a_login_is_masked)
{
    static const char *const urls[] = {"https://u:SECRET/x@h/t", "https://u:x/SECRET@h/t",
        "https://u:x@SECRET/y@h", "https://u:SECRET?x@h/t", "https://u:x#SECRET@h/t",
        "https://u:x@y?SECRET@h/t", "https://u:12/SECRET@h/t", "https://[u:SECRET@h/t",
        "https://[::1]:x/SECRET@h", "https:///u:SECRET@h/t", "//u:SECRET@h", "://u:SECRET@h",
        "https:/u:SECRET@h", "https:\\\\u:SECRET@h", "u:SECRET://x@h", "u:x://SECRET@h",
        "https://u:p@q://SECRET@h", "SECRET@h", "u:SECRET@"};

    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        _cleanup_free_
        char *seen = url_shown(urls[i]), *host = url_shown_host(urls[i]);

        ck_assert_msg(!strstr(seen, "SECRET"), "%s: %s", urls[i], seen);
        ck_assert_msg(!strstr(host, "SECRET"), "%s: %s", urls[i], host);
    }
}
END_TEST

START_TEST(a_host_has_no_login_and_no_path)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {{"h.test", "h.test"}, {"https://h/SECRET@i", "https://***@i"},
        {"h/SECRET@i", "***@i"}, {"[::1]/SECRET@i", "***@i"}, {"a@", "***@"}, {"@h", "@h"}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_
        char *seen = url_shown_host(cases[i].text);

        ck_assert_str_eq(seen, cases[i].shown);
    }
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
    tcase_add_test(tests, what_may_be_a_login_is_masked);
    tcase_add_test(tests, a_host_has_no_login_and_no_path);
    tcase_add_test(tests, secrets_are_found_one_by_one);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
