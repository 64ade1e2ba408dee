/* settings: what EHLO may say. */
#include "base/macros.h"
#include "settings/host.h"
#include "unit.h"

START_TEST(names_and_literals_are_taken)
{
    static const char *const good[] = {"mail.example.com", "mail.example.com.", "mail",
        "a_b.example", "xn--bcher-kva.example",
        ("b\xc3\xbc"
         "cher.example"),
        "3com.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[ipv6:::ffff:192.0.2.1]"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        ck_assert_msg(!host_check_hello(good[i]), "%s %s", good[i], host_check_hello(good[i]));
}
END_TEST

START_TEST(anything_else_is_not)
{
    static const char *const bad[] = {"192.0.2.1", "2001:db8::1", "[2001:db8::1]", "[192.0.2]",
        "[192.0.2.1", "[]", "[", "[IPv6:192.0.2.1]", "[mail.example.com]", "a..b", ".a",
        "-a.example", "a-.example", "a b", "mail:25", "a\"b", "ann@example.com",
        "http://example.com", "a\\b"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        ck_assert_msg(host_check_hello(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(this_host_is_known_by_its_addresses)
{
    static const char *const here[] = {
        "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST."};
    static const char *const elsewhere[] = {
        "128.0.0.1", "::2", "::ffff:192.0.2.1", "localhost.test"};

    for (size_t i = 0; i < ELEMENTSOF(here); i++)
        ck_assert_msg(host_is_loopback(here[i]), "%s", here[i]);
    for (size_t i = 0; i < ELEMENTSOF(elsewhere); i++)
        ck_assert_msg(!host_is_loopback(elsewhere[i]), "%s", elsewhere[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/host");
    TCase *tc = tcase_create("host");

    tcase_add_test(tc, names_and_literals_are_taken);
    tcase_add_test(tc, anything_else_is_not);
    tcase_add_test(tc, this_host_is_known_by_its_addresses);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
