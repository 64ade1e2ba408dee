/* settings: every setting with every form of value, right or wrong: refused, and never more. */
#include "settings/table.h"
#include "settings_files.h"

/* Every setting of a relay, with each kind of value, where there is nothing to connect to: refused,
 * and never more than that. */
START_TEST(no_setting_needs_the_host_that_is_missing)
{
    static const char *const values[] = {
        "true", "1", "\"h\"", "\"require\"", "\"tunnel\"", "\"starttls\"", "\"https://h.test/t\""};
    static const char *const hosts[] = {"", "host = \"h:1\"; ", "hots = \"h\"; ", "host = \"\"; "};
    static const char *const more[] = {
        "", "proxy_host = \"p\"; ", "tls_mta_sts = \"try\"; tls_mta_sts_domain = \"x.test\"; "};
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; rows[i].section == SECTION_RELAYS && v < ELEMENTSOF(values); v++) {
            _cleanup_buffer_ Buffer text = {0};
            _cleanup_failure_ Failure f = {0};
            Config *config = NULL;
            char path[100];

            if (strcmp(rows[i].name, "host") == 0)
                continue;
            ck_assert_int_eq(buffer_appendf(&text, "relays = ( { %s%s%s = %s; } );",
                                 hosts[(i + v) % ELEMENTSOF(hosts)], more[v % ELEMENTSOF(more)],
                                 rows[i].name, values[v]),
                0);
            ck_assert_int_eq(buffer_append(&text, "", 1), 0);
            put("outbox.conf", buffer_data(&text), 0600);
            ck_assert_msg(config_load(place("outbox.conf", path), NULL, &config, &f) == -EBADMSG,
                "%s", buffer_data(&text));
        }
}
END_TEST

/* Of the other sections: what one mistake leaves unset is judged by nothing else. */
START_TEST(no_value_of_a_setting_is_more_than_refused)
{
    static const char *const values[] = {"true", "1", "-1", "1.5", "\"\"", "\"a b\"", "\"\\t\"",
        "\"a@b\"", "\"/\"", "\"x\"", "( 1 )", "{ }", "[ 1 ]", "99999999999999999999"};
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; rows[i].section != SECTION_RELAYS && v < ELEMENTSOF(values); v++) {
            _cleanup_failure_ Failure f = {0};
            Config *config = NULL;
            char text[300], path[100];
            int r;

            snprintf(text, sizeof(text),
                "relays = ( { host = \"127.0.0.1\"; tls = \"none\"; } ); %s = { %s = %s; };",
                section_name(rows[i].section), rows[i].name, values[v]);
            put("outbox.conf", text, 0600);
            r = config_load(place("outbox.conf", path), NULL, &config, &f);
            ck_assert_msg(r == 0 || (r < 0 && f.text), "%s", text);
            (void)config_unref(config);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/forms");
    TCase *t = tcase_create("forms");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, no_setting_needs_the_host_that_is_missing);
    tcase_add_test(t, no_value_of_a_setting_is_more_than_refused);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
