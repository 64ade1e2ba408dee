/* delivery: connections that the limit of open files allows. */
#include <stdio.h>
#include <string.h>

#include "delivery/limits.h"
#include "spool/closer.h"
#include "unit.h"

static RelayConfig few = {.connections = 20}, many = {.connections = 100};
static RelayConfig *relays[] = {&few, &many};
static const Config config = {.relays = relays, .n_relays = 2};

START_TEST(enough_files_allow_what_is_configured)
{
    Limits limits;

    limits_compute(1024, CLOSER_KEPT_MAX, &config, &limits);
    ck_assert_uint_eq(limits.wanted, 120);
    ck_assert_uint_eq(limits.connections, 120);
    ck_assert_uint_gt(limits.bearable, 120);
    ck_assert(!limits_are_short(&limits));
    ck_assert_uint_gt(limits.own, CLOSER_KEPT_MAX);
    ck_assert_uint_eq(limits.descriptors, 1024 - limits.own);
}
END_TEST

START_TEST(fewer_files_allow_fewer_connections)
{
    Limits limits;
    char text[LIMITS_TEXT_MAX], wanted[64];
    size_t own, exactly;

    limits_compute(480, CLOSER_KEPT_MAX, &config, &limits);
    ck_assert(limits_are_short(&limits));
    own = limits.own;
    ck_assert_uint_eq(limits.connections, (480 - own) / LIMITS_FILES_EACH);
    limits_format(&limits, text);
    snprintf(wanted, sizeof(wanted), "at most %zu connections at a time, of 120 configured",
        limits.connections);
    ck_assert_ptr_nonnull(strstr(text, wanted));
    ck_assert_ptr_nonnull(strstr(text, "may have 480 open files; raise LimitNOFILE="));

    /* The number that it advises is enough, and the one below is not. */
    exactly = own + 120 * LIMITS_FILES_EACH;
    snprintf(wanted, sizeof(wanted), "to %zu,", exactly);
    ck_assert_ptr_nonnull(strstr(text, wanted));
    limits_compute(exactly, CLOSER_KEPT_MAX, &config, &limits);
    ck_assert(!limits_are_short(&limits));
    limits_compute(exactly - 1, CLOSER_KEPT_MAX, &config, &limits);
    ck_assert(limits_are_short(&limits));
}
END_TEST

START_TEST(one_connection_is_always_tried)
{
    Limits limits;
    char text[LIMITS_TEXT_MAX];

    for (size_t files = 0; files < 300; files += 3) {
        limits_compute(files, CLOSER_KEPT_MAX, &config, &limits);
        ck_assert_uint_ge(limits.connections, 1);
        ck_assert_uint_le(limits.descriptors, files);
    }
    limits_compute(0, CLOSER_KEPT_MAX, &config, &limits);
    ck_assert_uint_eq(limits.descriptors, 0);
    limits_format(&limits, text);
    ck_assert_ptr_nonnull(strstr(text, "at most 1 connection at a time"));
    /* Even then the number that it advises is enough. */
    limits_compute(strtoul(strstr(text, " to ") + 4, NULL, 10), CLOSER_KEPT_MAX, &config, &limits);
    ck_assert(!limits_are_short(&limits));
}
END_TEST

START_TEST(the_largest_numbers_fit)
{
    static RelayConfig most = {.connections = 10000};
    static RelayConfig *thousand[1000];
    Config large = {.relays = thousand, .n_relays = 1000};
    Limits limits;
    char text[LIMITS_TEXT_MAX];

    for (size_t i = 0; i < 1000; i++)
        thousand[i] = &most;
    limits_compute(2147483647, CLOSER_KEPT_MAX, &large, &limits);
    ck_assert(!limits_are_short(&limits));
    limits_compute(1048576, CLOSER_KEPT_MAX, &large, &limits);
    limits_format(&limits, text);
    ck_assert_ptr_nonnull(strstr(text, "or lower `connections`"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery/limits");
    TCase *tc = tcase_create("limits");

    tcase_add_test(tc, enough_files_allow_what_is_configured);
    tcase_add_test(tc, fewer_files_allow_fewer_connections);
    tcase_add_test(tc, one_connection_is_always_tried);
    tcase_add_test(tc, the_largest_numbers_fit);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
