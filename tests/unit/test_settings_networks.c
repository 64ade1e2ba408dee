/* settings/networks: which texts are lists of networks, and what is in them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/macros.h"
#include "settings/networks.h"
#include "unit.h"

START_TEST(test_check)
{
    static const char *const right[] = {"", " ", "192.0.2.0/24", "192.0.2.1", "0.0.0.0/0",
        "10.0.0.0/8, 2001:db8::/32", "::1", "::/0", "2001:db8::1/128", "192.0.2.128/25"};
    static const char *const wrong[] = {"192.0.2.1/24", "192.0.2/24", "192.0.2.0/33", "host",
        "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/x", "192.0.2.0/24/8", "::/129", "2001:db8::1/64",
        "192.0.2.0/0024", "10.0.0.0/8;11.0.0.0/8", "[::1]", "/8",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/128"};

    for (size_t i = 0; i < ELEMENTSOF(right); i++)
        ck_assert_int_eq(networks_check(right[i], NULL), 0);
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        _cleanup_failure_ Failure f = {0};

        ck_assert_int_eq(networks_check(wrong[i], &f), -EINVAL);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "has \""));
    }
}
END_TEST

static bool has(const char *text, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return networks_have(text, (struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return networks_have(text, (struct sockaddr *)&v6);
}

START_TEST(test_have)
{
    ck_assert(has("192.0.2.0/24", "192.0.2.255"));
    ck_assert(!has("192.0.2.0/24", "192.0.3.0"));
    ck_assert(has("192.0.2.128/25", "192.0.2.128"));
    ck_assert(!has("192.0.2.128/25", "192.0.2.127"));
    ck_assert(has("192.0.2.7", "192.0.2.7"));
    ck_assert(!has("192.0.2.7", "192.0.2.6"));
    ck_assert(has("0.0.0.0/0", "203.0.113.9"));
    ck_assert(!has("0.0.0.0/0", "2001:db8::1"));
    ck_assert(!has("::/0", "192.0.2.1"));
    ck_assert(has("10.0.0.0/8, 2001:db8::/33", "2001:db8:7fff::1"));
    ck_assert(!has("10.0.0.0/8, 2001:db8::/33", "2001:db8:8000::1"));
    ck_assert(!has("", "127.0.0.1"));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings_networks");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_check);
    tcase_add_test(tcase, test_have);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
