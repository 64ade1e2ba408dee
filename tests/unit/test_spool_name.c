/* spool: file names and ids. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "spool/name.h"
#include "unit.h"

START_TEST(states_have_names)
{
    for (int i = 0; i < SPOOL_STATE_MAX; i++) {
        SpoolState back;

        ck_assert_int_eq(spool_state_parse(spool_state_name((SpoolState)i), &back), 0);
        ck_assert_int_eq(back, i);
    }
    SpoolState state;
    ck_assert_int_eq(spool_state_parse("status", &state), -EINVAL);
    ck_assert_int_eq(spool_state_parse("", &state), -EINVAL);
    ck_assert_int_eq(spool_state_parse("Queued", &state), -EINVAL);
}
END_TEST

START_TEST(names_are_parsed)
{
    SpoolState state;
    size_t length;

    ck_assert(spool_name_parse("a.queued", &state, &length));
    ck_assert_int_eq(state, SPOOL_QUEUED);
    ck_assert_uint_eq(length, 1);
    ck_assert(spool_name_parse("report 1.failed.deferred", &state, &length));
    ck_assert_int_eq(state, SPOOL_DEFERRED);
    ck_assert_uint_eq(length, strlen("report 1.failed"));
    ck_assert(!spool_name_parse(".queued", &state, &length));
    ck_assert(!spool_name_parse(".tmp-1.queued", &state, &length));
    ck_assert(!spool_name_parse("a.status", &state, &length));
    ck_assert(!spool_name_parse("a.queued~", &state, &length));
    ck_assert(!spool_name_parse("queued", &state, &length));
    ck_assert(!spool_name_parse("..", &state, &length));
    ck_assert(!spool_name_parse("", &state, &length));
}
END_TEST

START_TEST(names_never_lead_out_of_the_directory)
{
    char name[SPOOL_NAME_MAX], id[300];

    ck_assert(spool_name_format("a", SPOOL_HELD, name));
    ck_assert_str_eq(name, "a.held");
    ck_assert(spool_name_format_record("a", name));
    ck_assert_str_eq(name, "a.status");
    ck_assert(!spool_name_format("", SPOOL_HELD, name));
    ck_assert(!spool_name_format("../a", SPOOL_HELD, name));
    ck_assert(!spool_name_format("a/b", SPOOL_HELD, name));
    ck_assert(!spool_name_format(".a", SPOOL_HELD, name));
    memset(id, 'x', sizeof(id));
    id[255 - strlen(".held")] = '\0';
    ck_assert(spool_name_format(id, SPOOL_HELD, name));
    ck_assert_uint_eq(strlen(name), 255);
    ck_assert(!spool_name_format(id, SPOOL_QUEUED, name));
}
END_TEST

START_TEST(new_ids_fit_and_differ)
{
    char one[SPOOL_NAME_MAX], two[SPOOL_NAME_MAX], id[SPOOL_NAME_MAX];

    spool_name_make_id("a", one);
    spool_name_make_id("a", two);
    ck_assert_uint_eq(strlen(one), 10);
    ck_assert(strncmp(one, "a-", 2) == 0);
    ck_assert_str_ne(one, two);
    ck_assert(spool_name_is_made(one, strlen(one)));
    ck_assert(!spool_name_is_made(one + 1, strlen(one + 1))); /* of no id */
    ck_assert(!spool_name_is_made(one, strlen(one) - 1));
    ck_assert(!spool_name_is_made("order-20260102w", 15));

    memset(id, 'x', 190);
    strcpy(id + 190, "\xc3\xbc\xc3\xbc\xc3\xbc");
    spool_name_make_id(id, one);
    ck_assert_uint_eq(strlen(one), 199); /* the character on the border went as a whole */
    ck_assert(text_is_utf8(one, strlen(one)));

    memset(id, 0x80, 255);
    id[255] = '\0';
    spool_name_make_id(id, one);
    ck_assert_uint_le(strlen(one), SPOOL_ID_MAX);
    ck_assert(spool_name_format(one, SPOOL_DEFERRED, two));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_name");
    TCase *t = tcase_create("spool_name");

    tcase_add_test(t, states_have_names);
    tcase_add_test(t, names_are_parsed);
    tcase_add_test(t, names_never_lead_out_of_the_directory);
    tcase_add_test(t, new_ids_fit_and_differ);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
