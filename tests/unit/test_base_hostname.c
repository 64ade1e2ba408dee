/* base: this host's name, whatever the machine is called. */
#include <stdio.h>
#include <string.h>

#include "base/hostname.h"
#include "base/macros.h"
#include "unit.h"

static const char *node;

int __wrap_gethostname(char *name, size_t size);
int __wrap_gethostname(char *name, size_t size)
{
    snprintf(name, size, "%s", node);
    return 0;
}

START_TEST(a_name_that_servers_take_is_used_as_it_stands)
{
    static const char *const good[] = {"mail.example.com", "ip-10-0-0-1.ec2.internal",
        "3com.example", "a.xn--p1ai", "1.2.3.example"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        node = good[i];
        ck_assert_msg(host_name_is_qualified(), "%s", node);
    }
}
END_TEST

START_TEST(names_that_servers_refuse_are_not_said)
{
    static const char *const bad[] = {"", "box", "localhost.localdomain", "box.", "box.local.",
        ".example", "a..example", "-box.example", "box-.example", "box_1.example", "box 1.example",
        "192.0.2.1", "box.192", "b\xc3\xbcro.example",
        "a123456789a123456789a123456789a123456789a123456789a123456789a123.example"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        node = bad[i];
        ck_assert_msg(!host_name_is_qualified(), "%s", node);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/hostname");
    TCase *tc = tcase_create("names");

    tcase_add_test(tc, a_name_that_servers_take_is_used_as_it_stands);
    tcase_add_test(tc, names_that_servers_refuse_are_not_said);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
