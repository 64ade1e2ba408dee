/* settings: the table, names and single values. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "settings/config.h"
#include "settings/draft.h"
#include "settings/table.h"
#include "settings/value.h"
#include "unit.h"

START_TEST(the_table_is_whole)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    ck_assert_uint_le(n, SETTINGS_MAX);
    for (size_t i = 0; i < n; i++) {
        _cleanup_buffer_ Buffer range = {0};

        ck_assert_uint_eq(setting_index(&rows[i]), i);
        ck_assert_uint_gt(strlen(rows[i].help), 10);
        ck_assert_int_eq(value_describe(&rows[i], &range), 0);
        ck_assert_uint_gt(buffer_size(&range), 5);
        if (rows[i].type == SETTING_SIGNED)
            ck_assert_int_gt((int64_t)rows[i].max, (int64_t)rows[i].min);
        else if (rows[i].type <= SETTING_FACTOR && rows[i].type != SETTING_BOOL)
            ck_assert_uint_gt(rows[i].max, rows[i].min);
        if (rows[i].type <= SETTING_ENUM)
            ck_assert_ptr_nonnull(rows[i].default_text);
        ck_assert(i == 0 || rows[i].section >= rows[i - 1].section);
    }
}
END_TEST

/* A bare name must mean one setting, whichever of its names it is. */
START_TEST(no_name_is_used_twice)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *aliases = strdup(rows[i].aliases);
        char *state = NULL;

        if (section_needs_place(rows[i].section))
            ck_assert_ptr_ne(setting_find(SECTION_ANY, rows[i].name), &rows[i]);
        else
            ck_assert_ptr_eq(setting_find(SECTION_ANY, rows[i].name), &rows[i]);
        ck_assert_ptr_eq(setting_find(rows[i].section, rows[i].name), &rows[i]);
        ck_assert(section_needs_place(rows[i].section) || !setting_unavailable(rows[i].name));
        for (char *a = strtok_r(aliases, " ", &state); a; a = strtok_r(NULL, " ", &state)) {
            ck_assert_ptr_eq(setting_find(SECTION_ANY, a), &rows[i]);
            ck_assert_ptr_null(setting_unavailable(a));
        }
    }
}
END_TEST

START_TEST(names_forgive_case_and_underscores)
{
    ck_assert(setting_name_equal("MaxLineLength", "max_line_length"));
    ck_assert(setting_name_equal("__", ""));
    ck_assert(!setting_name_equal("port", "ports"));
    ck_assert(!setting_name_equal("a_", "a_b"));
    ck_assert_str_eq(setting_find(SECTION_RELAYS, "M_AILPORT")->name, "port");
    ck_assert_ptr_null(setting_find(SECTION_SPOOL, "MailPort"));
    ck_assert_ptr_null(setting_find(SECTION_ANY, ""));
    ck_assert_ptr_null(setting_find(SECTION_ANY, "_"));
    ck_assert_ptr_null(setting_find(SECTION_ANY, "port "));
    ck_assert_int_eq(section_find("Relays"), SECTION_RELAYS);
    ck_assert_int_eq(section_find("relay"), SECTION_ANY);
}
END_TEST

START_TEST(misspelt_names_find_their_setting)
{
    static const struct {
        const char *name, *meant;
    } cases[] = {{"prot", "port"}, {"tls_verfy", "tls_verify"}, {"pasword_file", "password_file"},
        {"MailSever", "host"}, {"conections", "connections"}, {"keep_snet", "keep_sent"},
        {"giveup_afer", "give_up_after"}, {"completelydifferent", NULL}, {"x", NULL}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const Setting *meant = setting_suggest(SECTION_ANY, cases[i].name);

        if (cases[i].meant)
            ck_assert_str_eq(meant ? meant->name : "nothing", cases[i].meant);
        else
            ck_assert_msg(!meant, "%s", meant ? meant->name : "");
    }
}
END_TEST

START_TEST(the_components_other_settings_have_a_reason)
{
    ck_assert_str_eq(setting_unavailable("firewall_listener"),
        "makes the component a server: outbox is a client");
    ck_assert_ptr_nonnull(strstr(setting_unavailable("Firewall"), "proxy_type"));
    ck_assert_ptr_nonnull(strstr(setting_unavailable("LastReply"), "only be read"));
    ck_assert_ptr_null(setting_unavailable("Nonsense"));
    ck_assert_ptr_null(setting_unavailable(""));
}
END_TEST

/* What value_format() gives, value_parse() reads as the same, in any locale. */
START_TEST(values_survive_the_way_to_text_and_back)
{
    static const struct {
        const char *name, *text, *formatted;
    } cases[] = {{"factor", "2", "2.0"}, {"factor", "1.25", "1.25"},
        {"max_line_length", "65536", "64K"}, {"max_line_length", "1M", "1M"},
        {"max_line_length", "300", "300"}, {"settle", "90", "90s"}, {"settle", "1.5m", "90s"},
        {"timeout", "0", "0"}, {"keep_sent", "Yes", "true"}, {"keep_sent", "0", "false"},
        {"tls", "SSLIMPLICIT", "implicit"}, {"tls", "True", "automatic"},
        {"auth_without_tls", "yes, in clear", "yes, in clear"}, {"port", "65535", "65535"},
        {"tls_protocols", "tls1.3, TLSv1.2", "TLSv1.2 TLSv1.3"},
        {"tls_protocols", "768", "TLSv1.1"}, {"host", "[::1]", "::1"}, {"user", "", ""},
        {"password", "x", "***"}, {"senders", "root,33 : @a.test;*:<>;", "root,33 : @a.test;*:<>;"},
        {"senders", "", ""}};

    (void)setlocale(LC_ALL, "de_DE.UTF-8");
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const Setting *setting = setting_find(SECTION_ANY, cases[i].name);
        _cleanup_buffer_ Buffer first = {0}, second = {0};
        _Alignas(RelayConfig) char group[sizeof(RelayConfig)] = {0};

        ck_assert_int_eq(value_parse(setting, VALUE_UNTYPED, cases[i].text, NULL, group, NULL), 0);
        ck_assert_int_eq(value_format(setting, group, &first) | buffer_append(&first, "", 1), 0);
        ck_assert_str_eq(buffer_data(&first), cases[i].formatted);
        ck_assert_int_eq(
            value_parse(setting, VALUE_STRING, buffer_data(&first), NULL, group, NULL), 0);
        ck_assert_int_eq(value_format(setting, group, &second) | buffer_append(&second, "", 1), 0);
        ck_assert_str_eq(buffer_data(&second), buffer_data(&first));
        value_done(setting, group);
    }
}
END_TEST

START_TEST(numbers_have_a_point_whatever_the_locale)
{
    char text[VALUE_NUMBER_MAX];

    (void)setlocale(LC_ALL, "de_DE.UTF-8");
    ck_assert_str_eq(value_number_text(2.5, text), "2.5");
    ck_assert_str_eq(value_number_text(-0.125, text), "-0.125");
    ck_assert_str_eq(value_number_text(3, text), "3");
    ck_assert_str_eq(value_number_text(1e300, text), "1e+300");
}
END_TEST

static bool is_fingerprint(const char *text)
{
    return value_is_fingerprint(text, strlen(text));
}

START_TEST(fingerprints_are_64_digits)
{
    ck_assert(is_fingerprint("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"));
    ck_assert(!is_fingerprint("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEF"));
    ck_assert(!is_fingerprint("/etc/ssl/relay.pem"));
    ck_assert(!is_fingerprint(""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/names");
    TCase *t = tcase_create("names");

    tcase_add_test(t, the_table_is_whole);
    tcase_add_test(t, no_name_is_used_twice);
    tcase_add_test(t, names_forgive_case_and_underscores);
    tcase_add_test(t, misspelt_names_find_their_setting);
    tcase_add_test(t, the_components_other_settings_have_a_reason);
    tcase_add_test(t, values_survive_the_way_to_text_and_back);
    tcase_add_test(t, numbers_have_a_point_whatever_the_locale);
    tcase_add_test(t, fingerprints_are_64_digits);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
