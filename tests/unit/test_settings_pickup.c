/* settings: pickup directories, as text and as groups. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "settings/load.h"
#include "settings/pickup.h"
#include "settings/print.h"
#include "unit.h"

START_TEST(text_is_read)
{
    PickupList *list = NULL;
    const PickupDirectory *d;
    size_t n;

    ck_assert_int_eq(
        pickup_list_parse("/a b/; /c,pattern = *.mail , dot_stuffed;", &list, NULL), 0);
    ck_assert_ptr_eq(pickup_list_ref(list), list);
    ck_assert_ptr_null(pickup_list_unref(list));
    d = pickup_list_directories(list, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(d[0].path, "/a b");
    ck_assert_str_eq(d[0].pattern, "*.eml");
    ck_assert(!d[0].dot_stuffed);
    ck_assert_str_eq(d[1].path, "/c");
    ck_assert_str_eq(d[1].pattern, "*.mail");
    ck_assert(d[1].dot_stuffed);
    ck_assert_ptr_null(pickup_list_unref(list));
    ck_assert_ptr_null(pickup_list_directories(NULL, &n));
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(mistakes_are_told)
{
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"pickup", "has \"pickup\" where a directory is to stand"},
        {"/a; /a/", "has the directory \"/a\" twice"},
        {"/a, stuffed", "says \"stuffed\" of a directory"},
        {"/a, dot_stuffed=perhaps", "says \"dot_stuffed\" of a directory"},
        {"/a, pattern=", "has the pattern \"\""},
        {"/a, pattern=b/*.eml", "has the pattern \"b/*.eml\""},
        {" ; ", "names no directory"},
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        _cleanup_failure_ Failure f = {0};
        PickupList *list = NULL;

        ck_assert_int_eq(pickup_list_parse(wrong[i].text, &list, &f), -EINVAL);
        ck_assert_ptr_null(list);
        ck_assert_msg(strstr(f.text, wrong[i].said), "%s: %s", wrong[i].text, f.text);
    }
}
END_TEST

static int load(const char *text, Config **ret, Failure *f)
{
    return config_load_text("outbox.conf", text, strlen(text), NULL, ret, f);
}

#define RELAYS "relays = ({ host = \"h.test\"; });\n"

START_TEST(groups_are_read_and_printed)
{
    static const struct {
        const char *text, *expected, *json;
    } cases[] = {
        {"spool = { pickup = { directory = \"/a\"; }; };", "/a\n",
            "[\n  {\n    \"directory\": \"/a\",\n    \"pattern\": \"*.eml\",\n    "
            "\"dot_stuffed\": false\n  }\n]\n"},
        {"spool = { pickup = ({ dot_stuffed = true; directory = \"/a\"; pattern = \"*\"; }, "
         "\"/b\"); };",
            "/a, dot_stuffed, pattern=*; /b\n", NULL},
        {"spool = { pickup = \"/a, pattern=*.x\"; };", "/a, pattern=*.x\n", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};
        _cleanup_config_ Config *config = NULL;
        _cleanup_buffer_ Buffer out = {0}, json = {0};
        char text[300];

        snprintf(text, sizeof(text), RELAYS "%s", cases[i].text);
        ck_assert_msg(load(text, &config, &f) == 0, "%s", failure_text(&f));
        ck_assert_int_eq(config_print(config, NULL, "pickup", CONFIG_FORMAT_TEXT, &out, &f), 0);
        ck_assert_int_eq(buffer_append(&out, "", 1), 0);
        ck_assert_str_eq(buffer_data(&out), cases[i].expected);
        ck_assert_int_eq(config_print(config, NULL, "pickup", CONFIG_FORMAT_JSON, &json, &f), 0);
        ck_assert_int_eq(buffer_append(&json, "", 1), 0);
        if (cases[i].json)
            ck_assert_str_eq(buffer_data(&json), cases[i].json);
    }
}
END_TEST

START_TEST(mistakes_in_groups_are_told_with_their_line)
{
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"spool = { pickup = {\n pattern = \"*\"; }; };",
            "outbox.conf:2: spool.pickup: has a group without a directory"},
        {"spool = { pickup = {\n directory = 7; }; };",
            "outbox.conf:3: spool.pickup.directory: is not text in quotes"},
        {"spool = { pickup = { directory = \"/a\";\n\n colour = 1; }; };",
            "outbox.conf:4: spool.pickup.colour: is nothing that a pickup directory has"},
        {"spool = { pickup = { directory = \"/a;b\"; }; };",
            "outbox.conf:2: spool.pickup.directory: holds a comma or a semicolon"},
        {"spool = { pickup = { directory = \"/a\"; dot_stuffed = \"yes\"; }; };",
            "outbox.conf:2: spool.pickup.dot_stuffed: is neither true nor false"},
        {"spool = { pickup = (7); };",
            "outbox.conf:2: spool.pickup: holds what is neither a group nor a path in quotes"},
        {"spool = { pickup = true; };", "outbox.conf:2: spool.pickup: true is not text"},
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        _cleanup_failure_ Failure f = {0};
        Config *config = NULL;
        char text[300];

        snprintf(text, sizeof(text), RELAYS "%s", wrong[i].text);
        ck_assert_int_eq(load(text, &config, &f), -EBADMSG);
        ck_assert_msg(strstr(f.text, wrong[i].said), "%s: %s", wrong[i].text, f.text);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings/pickup");
    TCase *tcase = tcase_create("pickup");

    tcase_add_test(tcase, text_is_read);
    tcase_add_test(tcase, mistakes_are_told);
    tcase_add_test(tcase, groups_are_read_and_printed);
    tcase_add_test(tcase, mistakes_in_groups_are_told_with_their_line);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
