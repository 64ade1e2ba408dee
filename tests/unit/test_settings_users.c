/* settings/users: who may submit. */
#include <errno.h>

#include "base/macros.h"
#include "settings/users.h"
#include "unit.h"

static int lookup(const char *name, uid_t *ret)
{
    if (strcmp(name, "server") == 0)
        return -EIO;
    *ret = 1000;
    return strcmp(name, "alice") == 0 ? 0 : -ENOENT;
}

static void check(const char *text, bool alice, bool number, bool stranger, bool member)
{
    _cleanup_failure_ Failure f = {0};
    UserList *list;

    ck_assert_int_eq(user_list_parse(text, lookup, &list, &f), 0);
    ck_assert_str_eq(user_list_text(list), text);
    ck_assert_int_eq(user_list_has(list, 1000, false), alice);
    ck_assert_int_eq(user_list_has(list, 33, false), number);
    ck_assert_int_eq(user_list_has(list, 77, false), stranger);
    ck_assert_int_eq(user_list_has(list, 77, true), member);
    ck_assert_int_eq(user_list_is_none(list), strcmp(text, "none") == 0);
    ck_assert_ptr_null(user_list_unref(list));
}

START_TEST(test_who)
{
    check("all", true, true, true, true);
    check("group", false, false, false, true);
    check("none", false, false, false, false);
    check("alice", true, false, false, false);
    check("alice, 33", true, true, false, false);
    check("33 4294967294", false, true, false, false);
    ck_assert(!user_list_has(NULL, 0, true));
}
END_TEST

START_TEST(test_mistakes)
{
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"bob", "\"bob\", whom this system does not know; \"all\" is everybody"},
        {"server", "cannot be looked up"},
        {"4294967295", "a number that no user can have"},
        {"99999999999999999999999", "a number that no user can have"},
        {"alice all", "\"all\", which stands alone"},
        {"All", "\"All\", which stands alone and in small letters"},
        {" , ", "names nobody"},
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        _cleanup_failure_ Failure f = {0};
        UserList *list = NULL;

        ck_assert_int_eq(user_list_parse(wrong[i].text, lookup, &list, &f), -EINVAL);
        ck_assert_ptr_null(list);
        ck_assert_msg(strstr(f.text, wrong[i].said), "%s: %s", wrong[i].text, f.text);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings_users");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_who);
    tcase_add_test(tcase, test_mistakes);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
