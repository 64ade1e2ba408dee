/* base/conninfo: connection strings of libpq, read and shown without passwords. */
#include <stdlib.h>
#include <string.h>

#include "base/conninfo.h"
#include "base/macros.h"
#include "unit.h"

static void check(const char *text, const char *shown)
{
    _cleanup_free_
    char *seen = conninfo_shown(text);

    ck_assert_str_eq(seen, shown);
    ck_assert_int_eq(conninfo_has_secret(text), strstr(shown, "***") != NULL);
    ck_assert_ptr_null(conninfo_fault(text));
}

START_TEST(passwords_are_masked)
{
    check("host=db password=x dbname=shop", "host=db password=*** dbname=shop");
    check("password = 'x y' host=db", "password = *** host=db");
    check("password='it\\'s' user=u", "password=*** user=u");
    check("password=a\\ b user=u", "password=*** user=u");
    check("PASSWORD=x sslpassword=y", "PASSWORD=*** sslpassword=***");
    check("postgresql://u:p@h/d", "postgresql://u:***@h/d");
    check("postgres://u:p@h,i/d?password=q&a=b", "postgres://u:***@h,i/d?password=***&a=b");
    check("postgresql:///d?user=u&sslpassword=q", "postgresql:///d?user=u&sslpassword=***");
}
END_TEST

START_TEST(all_else_is_shown)
{
    static const char *const texts[] = {
        "",
        "  ",
        "host=db.example.com dbname=shop user=outbox passfile=/etc/outbox/pgpass",
        "service=shop",
        "host=/run/postgresql port=5432 target_session_attrs=read-write",
        "host='a b' options='-c statement_timeout=5s' password=",
        "postgresql://",
        "postgresql://u@h:5432/d?sslmode=verify-full&passfile=/x",
        "postgres://h1,h2/d",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        if (texts[i][0] && !strstr(texts[i], "password="))
            check(texts[i], texts[i]);
        else
            ck_assert_ptr_null(conninfo_fault(texts[i]));
    ck_assert(!conninfo_has_secret("password= "));
}
END_TEST

/* libpq reads them otherwise; what stands there is meant as a password. */
START_TEST(passwords_that_are_not_encoded_are_masked)
{
    static const char *const texts[] = {"postgresql://u:x/SECRET@h/d",
        "postgresql://u:SECRET?x@h/d", "postgresql://u:x@SECRET/y@h", "postgres://u:x#SECRET@h"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_free_
        char *seen = conninfo_shown(texts[i]);

        ck_assert_msg(!strstr(seen, "SECRET"), "%s", seen);
        ck_assert_ptr_nonnull(strstr(seen, "://u:***@h"));
    }
}
END_TEST

/* libpq would tell of them with the password. */
START_TEST(what_is_no_uri_is_a_fault)
{
    static const char *const faults[] = {"postgresql://u:x%SECRET@h/d", "postgresql://u:x%4@h",
        "postgresql://u:x%00@h", "postgresql://h/d?password=x%zz", "postgresql://u:x@SECRET@h:1/d",
        "postgresql://u:x/SECRET@h:1/d", "postgresql://u:12/SECRET@h/d", "postgresql://u:p@h:1x/d",
        "postgresql://u:p@[::1/d", "postgresql://u:p@[]/d", "postgresql://u:p@[::1]x/d",
        "postgres://u:p@h,i:x/d", "postgresql://h/d?password=a=b", "postgresql://h/d?password",
        "postgresql://h?user=u&&host=h", "postgresql://u:x SECRET@h/d", "postgresql://h/d d"};
    static const char *const good[] = {"postgresql://u:x%25%40@h/d", "postgresql://u:x?y#z@h/d",
        "postgresql://u:x:y[z@h/d", "postgresql://u@[::1]:5432,[::2],h:1,:5/d?user=a@b&port=1&",
        "postgresql://[::1]", "postgresql:///d?host=/run", "postgresql://%2Frun%2Fpg/d",
        "postgresql://h:5432/d?user=u@server", "postgresql://h:5432,i:5432/d?user=u@server",
        "postgresql://h?sslmode=require"};

    for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
        _cleanup_free_
        char *seen = conninfo_shown(faults[i]);

        ck_assert_msg(conninfo_fault(faults[i]) != NULL, "%s", faults[i]);
        ck_assert_msg(!strstr(seen, "SECRET"), "%s", seen);
    }
    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        ck_assert_msg(!conninfo_fault(good[i]), "%s %s", good[i], conninfo_fault(good[i]));
}
END_TEST

START_TEST(what_may_be_a_misspelt_password_is_masked)
{
    _cleanup_free_
    char *seen = conninfo_shown("host=h pasword=SECRET sslmode=require pwrd = SECRET");

    ck_assert_str_eq(seen, "host=h pasword=*** sslmode=require pwrd = ***");
}
END_TEST

/* A password with a blank in it, or a quote, is not shown in part. */
START_TEST(what_cannot_be_read_is_not_shown)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"host=db password=my secret", "host=db password=*** ***"},
        {"host=db password='my secret", "host=db ***"},
        {"my secret host=db", "***"},
        {"=secret", "***"},
        {"db.example.com", "***"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_
        char *seen = conninfo_shown(cases[i].text);

        ck_assert_str_eq(seen, cases[i].shown);
        ck_assert_ptr_nonnull(conninfo_fault(cases[i].text));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base conninfo");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, passwords_are_masked);
    tcase_add_test(tests, passwords_that_are_not_encoded_are_masked);
    tcase_add_test(tests, what_is_no_uri_is_a_fault);
    tcase_add_test(tests, what_may_be_a_misspelt_password_is_masked);
    tcase_add_test(tests, all_else_is_shown);
    tcase_add_test(tests, what_cannot_be_read_is_not_shown);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
