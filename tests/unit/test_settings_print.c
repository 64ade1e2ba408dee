/* settings: what `outbox config` prints. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "settings/load.h"
#include "settings/print.h"
#include "settings/table.h"
#include "unit.h"

static const char one[] = "spool = { directory = \"/q\"; };\n"
                          "relays = ( { name = \"primary\"; host = \"h\"; user = \"a\\\"b\\\\c\";\n"
                          "  password = \"hunter2\"; connections = 3; } );\n";
static const char two[] =
    "relays = ( { name = \"a\"; host = \"h\"; }, { host = \"i\"; port = 26; } );";

static Config *load(const char *text)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;
    int r = config_load_text("text", text, strlen(text), NULL, &config, &f);

    ck_assert_msg(r == 0, "%s", failure_text(&f));
    return config;
}

static char *print(const Config *config, const char *name, ConfigFormat format)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(config_print(config, NULL, name, format, &out, NULL), 0);
    return strndup(buffer_data(&out), buffer_size(&out));
}

static void expect(const char *text, const char *name, ConfigFormat format, const char *expected)
{
    _cleanup_config_ Config *config = load(text);
    _cleanup_free_
    char *seen = print(config, name, format);

    ck_assert_str_eq(seen, expected);
}

START_TEST(what_is_printed_loads_as_the_same)
{
    static const char *const texts[] = {one, two,
        "relays = ( { name = \"a\"; host = \"h\"; }, { name = \"b\"; host = \"i\"; } ); "
        "routes = ( { sender = [\"x.test\", \"y.test\"]; relays = [\"a\"]; }, "
        "{ header = \"X: *\"; recipient = \"z.test\"; relays = \"a\"; } );"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_config_ Config *config = load(texts[i]), *again = NULL;
        _cleanup_free_
        char *first = print(config, NULL, CONFIG_FORMAT_TEXT), *second = NULL;

        again = load(first);
        second = print(again, NULL, CONFIG_FORMAT_TEXT);
        ck_assert_str_eq(first, second);
    }
}
END_TEST

START_TEST(every_setting_is_printed_and_no_secret)
{
    _cleanup_config_ Config *config = load(one);
    _cleanup_free_
    char *text = print(config, NULL, CONFIG_FORMAT_TEXT);
    _cleanup_free_
    char *json = print(config, NULL, CONFIG_FORMAT_JSON);
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        if (section_needs_place(rows[i].section))
            continue; /* there is no rule */
        ck_assert_ptr_nonnull(strstr(text, rows[i].name));
        ck_assert_ptr_nonnull(strstr(json, rows[i].name));
    }
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_null(strstr(json, "hunter2"));
    ck_assert_ptr_nonnull(strstr(text, "    password = \"***\";\n"));
    ck_assert_ptr_nonnull(strstr(text, "    user = \"a\\\"b\\\\c\";\n"));
    ck_assert_ptr_nonnull(strstr(json, "\"password\": \"***\""));
    ck_assert_ptr_nonnull(strstr(json, "\"connections\": 3"));
    ck_assert_ptr_nonnull(strstr(json, "\"hello\": null"));
}
END_TEST

static void expect_json(const Config *config, const char *name, const char *expected)
{
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_free_
    char *text = NULL;

    ck_assert_int_eq(config_print(config, NULL, name, CONFIG_FORMAT_JSON, &out, NULL), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    text = strdup(buffer_data(&out));
    for (char *end = text; (end = strchr(end, '\n'));) /* on one line */
        *end = ' ';
    ck_assert_str_eq(text, expected);
}

START_TEST(lists_are_arrays_of_json)
{
    _cleanup_config_ Config *config =
        load("spool = { senders = \"root, 33: @example.org <>; *: a@b.test;\"; };"
             "relays = ({ host = \"h\"; tls_ciphers = \"HIGH:!aNULL\"; tls13_groups = \"X25519\";"
             " tls_security_flags = 6; proxy_exceptions = \"*.example.com, 192.0.2.0/24\";"
             " discard_ehlo_keywords = \"CHUNKING DSN\"; });");

    expect_json(config, "tls_protocols", "[   \"TLSv1.2\",   \"TLSv1.3\" ] ");
    expect_json(config, "tls_ciphers", "[   \"HIGH\",   \"!aNULL\" ] ");
    expect_json(config, "tls13_groups", "[   \"x25519\" ] ");
    expect_json(config, "tls12_groups", "null ");
    expect_json(config, "discard_ehlo_keywords", "[   \"CHUNKING\",   \"DSN\" ] ");
    expect_json(config, "proxy_exceptions", "[   \"*.example.com\",   \"192.0.2.0/24\" ] ");
    expect_json(
        config, "tls_security_flags", "[   \"ignore-trust-list-time\",   \"ignore-nesting\" ] ");
    expect_json(config, "SSLEnabledCipherSuites", "[   \"HIGH\",   \"!aNULL\" ] ");
    expect_json(config, "senders",
        "[   {     \"users\": [       \"root\",       \"33\"     ],     \"senders\": [       "
        "\"@example.org\",       \"<>\"     ]   },   {     \"users\": [       \"*\"     ],     "
        "\"senders\": [       \"a@b.test\"     ]   } ] ");
}
END_TEST

static void expect_changed(
    const char *text, const char *name, ConfigFormat format, const char *expected)
{
    static const char *const only_host[] = {"host=localhost", NULL};
    _cleanup_config_ Config *config = load(text), *defaults = NULL;
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(config_load("/dev/null", only_host, &defaults, NULL), 0);
    ck_assert_int_eq(config_print(config, defaults, name, format, &out, NULL), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), expected);
}

START_TEST(what_is_not_as_by_default)
{
    expect_changed(one, "relays.primary", CONFIG_FORMAT_TEXT,
        "{\n  name = \"primary\";\n  host = \"h\";\n"
        "  user = \"a\\\"b\\\\c\";\n  password = \"***\";\n  connections = 3;\n}\n");
    expect_changed(one, "spool", CONFIG_FORMAT_TEXT, "spool = {\n  directory = \"/q\";\n};\n");
    expect_changed(one, "retry", CONFIG_FORMAT_JSON, "{}\n");
    expect_changed(
        two, "relays.a", CONFIG_FORMAT_JSON, "{\n  \"name\": \"a\",\n  \"host\": \"h\"\n}\n");
    expect_changed(one, "connections", CONFIG_FORMAT_TEXT, "3\n");
    expect_changed(one, "connections", CONFIG_FORMAT_JSON, "3\n");
    expect_changed(one, "MailPort", CONFIG_FORMAT_TEXT, "");
    expect_changed(one, "keep_sent", CONFIG_FORMAT_JSON, "null\n");
    expect_changed(two, "port", CONFIG_FORMAT_TEXT, "relays.i:26.port = 26\n");
    expect_changed(two, "port", CONFIG_FORMAT_JSON, "{\n  \"i:26\": 26\n}\n");
}
END_TEST

START_TEST(sections_and_single_settings_are_printed)
{
    expect(one, "daemon", CONFIG_FORMAT_TEXT, "daemon = {\n  stop_timeout = \"20s\";\n};\n");
    expect(one, "daemon", CONFIG_FORMAT_JSON, "{\n  \"stop_timeout\": \"20s\"\n}\n");
    expect(one, "MailPort", CONFIG_FORMAT_TEXT, "25\n");
    expect(one, "MailPort", CONFIG_FORMAT_JSON, "25\n");
    expect(one, "relays.primary.tls", CONFIG_FORMAT_TEXT, "starttls\n");
    expect(one, "user", CONFIG_FORMAT_TEXT, "a\"b\\c\n");
    expect(one, "user", CONFIG_FORMAT_JSON, "\"a\\\"b\\\\c\"\n");
    expect(one, "hello", CONFIG_FORMAT_TEXT, "\n");
    expect(one, "hello", CONFIG_FORMAT_JSON, "null\n");
    expect(one, "spool.keep_sent", CONFIG_FORMAT_JSON, "false\n");
    expect(one, "retry.factor", CONFIG_FORMAT_JSON, "2.0\n");
    expect(two, "port", CONFIG_FORMAT_TEXT, "relays.a.port = 25\nrelays.i:26.port = 26\n");
    expect(two, "port", CONFIG_FORMAT_JSON, "{\n  \"a\": 25,\n  \"i:26\": 26\n}\n");
    expect(two, "relays.a.port", CONFIG_FORMAT_JSON, "25\n");
    expect(two, "relays.i.port", CONFIG_FORMAT_TEXT, "26\n");
    expect(two, "timeout", CONFIG_FORMAT_TEXT,
        "relays.a.timeout = \"1m\"\nrelays.i:26.timeout = \"1m\"\n");
}
END_TEST

START_TEST(unknown_names_are_told)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"prot", "there is no setting \"prot\"; did you mean \"relays.port\"?"},
        {"relays.prt", "there is no setting \"relays.prt\"; did you mean \"relays.port\"?"},
        {"relays.a.prt", "there is no setting \"relays.a.prt\"; did you mean \"relays.a.port\"?"},
        {"spool.MailPort", "there is no setting \"spool.MailPort\"; did you mean \"relays.port\"?"},
        {"nowhere.port",
            "there is no section \"nowhere\"; there are spool, relays, routes, lanes, retry, "
            "daemon and message"},
        {"relais.a.port", "there is no section \"relais\"; did you mean \"relays.a.port\"?"},
        {"spol", "there is no setting \"spol\"; did you mean the section \"spool\"?"},
        {"a", "there is no setting \"a\"; did you mean \"relays.a\"?"},
        {"relays.z",
            "there is neither a relay nor a setting \"relays.z\"; `outbox config name` tells the "
            "relays' names"},
        {"", "there is no setting \"\"; `outbox config --explain` lists all there are"},
        {"relays.a.", "there is no setting \"relays.a.\"; `outbox config --explain relays` lists "
                      "all there are"},
        {"relays.z.port", "there is no relay \"z\"; `outbox config name` tells their names"},
        {"FirewallListener", "FirewallListener: makes the component a server: outbox is a client"},
        {"completelydifferent",
            "there is no setting \"completelydifferent\"; `outbox config --explain` "
            "lists all there are"},
    };
    _cleanup_config_ Config *config = load(two);

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};
        _cleanup_buffer_ Buffer out = {0};

        ck_assert_int_eq(
            config_print(config, NULL, cases[i].name, CONFIG_FORMAT_TEXT, &out, &f), -ENOENT);
        ck_assert_str_eq(failure_text(&f), cases[i].text);
        ck_assert_int_eq(f.number, ERROR_USAGE);
        ck_assert_uint_eq(buffer_size(&out), 0);
    }
}
END_TEST

START_TEST(help_is_told)
{
    _cleanup_buffer_ Buffer all = {0}, single = {0};
    _cleanup_failure_ Failure f = {0};
    size_t n;
    const Setting *rows = settings_table(&n);

    ck_assert_int_eq(config_print_help("MailPort", &single, &f) | buffer_append(&single, "", 1), 0);
    ck_assert_str_eq(buffer_data(&single),
        "relays.port (MailPort)\n"
        "    the relay's port; with tls = \"implicit\" the default is 465\n"
        "    Takes a port from 1 to 65535.\n"
        "    Default: 25.\n");
    ck_assert_int_eq(config_print_help(NULL, &all, &f) | buffer_append(&all, "", 1), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_ptr_nonnull(strstr(buffer_data(&all), rows[i].help));
    ck_assert_int_eq(config_print_help("prot", &all, &f), -ENOENT);
    ck_assert_int_eq(config_print_help("x.y", &all, &f), -ENOENT);
}
END_TEST

START_TEST(what_who_queues_needs_can_be_had_alone)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *directory = NULL;
    _cleanup_free_
    char *other = NULL;
    _cleanup_(sender_rules_unref_p) SenderRules *senders = NULL;
    static const char *const rules[] = {"senders=*: @a.test", NULL};

    ck_assert_int_eq(config_load_directory("/dev/null", NULL, &directory, NULL, NULL, &f), 0);
    ck_assert_str_eq(directory, LOCALSTATEDIR "/spool/outbox");
    ck_assert_int_eq(config_load_directory("/dev/null", rules, &other, &senders, NULL, &f), 0);
    ck_assert_str_eq(sender_rules_text(senders), "*: @a.test");
    ck_assert_int_eq(
        config_load_directory("/nonexistent", NULL, &directory, NULL, NULL, &f), -ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/print");
    TCase *t = tcase_create("print");

    tcase_add_test(t, what_is_printed_loads_as_the_same);
    tcase_add_test(t, every_setting_is_printed_and_no_secret);
    tcase_add_test(t, lists_are_arrays_of_json);
    tcase_add_test(t, what_is_not_as_by_default);
    tcase_add_test(t, sections_and_single_settings_are_printed);
    tcase_add_test(t, unknown_names_are_told);
    tcase_add_test(t, help_is_told);
    tcase_add_test(t, what_who_queues_needs_can_be_had_alone);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
