/* settings: the component's names with its units and words, in the file, as overrides, and printed.
 */
#include <string.h>

#include "settings/print.h"
#include "settings/table.h"
#include "settings_files.h"

static Config *load_one(const char *settings, const char *const *overrides)
{
    char text[500];

    snprintf(text, sizeof(text), "relays = ( { MailServer = \"h\"; %s } );", settings);
    return load(text, overrides);
}

static void expect_printed(
    const Config *config, const char *name, ConfigFormat format, const char *expected)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(config_print(config, NULL, name, format, &out, NULL), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), expected);
}

/* KeepAliveTime and KeepAliveInterval count milliseconds, every other duration seconds; outbox's
 * own names count seconds. Timeout, ConnectionTimeout, LingerTime. */
START_TEST(numbers_are_in_the_units_of_the_name)
{
    static const struct {
        const char *settings;
        usec_t time, interval, timeout, connect;
    } cases[] = {
        {"KeepAliveTime = 5000; KeepAliveInterval = 250;", 5000000, 250000, 60000000, 0},
        {"KEEPALIVETIME = \"1500\";", 1500000, 0, 60000000, 0},
        {"keepalive_time = 5; keepalive_interval = 2;", 5000000, 2000000, 60000000, 0},
        {"KeepAliveTime = \"2m\";", 120000000, 0, 60000000, 0},
        {"KeepAliveTime = 0;", 0, 0, 60000000, 0},
        {"Timeout = 7; ConnectionTimeout = 3;", 0, 0, 7000000, 3000000},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_config_ Config *c = load_one(cases[i].settings, NULL);

        ck_assert_uint_eq(c->relays[0]->keepalive_time, cases[i].time);
        ck_assert_uint_eq(c->relays[0]->keepalive_interval, cases[i].interval);
        ck_assert_uint_eq(c->relays[0]->timeout, cases[i].timeout);
        ck_assert_uint_eq(c->relays[0]->connect_timeout, cases[i].connect);
    }
    expect_mistakes(RELAY("KeepAliveTime = 99999999;"),
        "outbox.conf:1: relays.h.keepalive_time: 99999999ms is out of range; it takes a duration "
        "from 0 to 32767s, in seconds or such as \"90s\", \"5m\" or \"2h\"");
}
END_TEST

/* Booleans of the component: TCPKeepAlive, SendRSET, TcpNoDelay, AllowExtensions, KeepQueue. */
START_TEST(booleans_are_words_or_numbers)
{
    static const char *const yes[] = {
        "\"True\"", "true", "TRUE", "\"yes\"", "\"YES\"", "1", "\"1\""};
    static const char *const no[] = {"\"False\"", "false", "\"No\"", "0", "\"0\""};

    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        char text[100];
        Config *c;

        snprintf(text, sizeof(text), "SendRSET = %s; TCPKeepAlive = %s;", yes[i], yes[i]);
        c = load_one(text, NULL);
        ck_assert(c->relays[0]->send_rset && c->relays[0]->keepalive);
        (void)config_unref(c);
    }
    for (size_t i = 0; i < ELEMENTSOF(no); i++) {
        char text[100];
        Config *c;

        snprintf(text, sizeof(text), "TcpNoDelay = %s; AllowExtensions = %s;", no[i], no[i]);
        c = load_one(text, NULL);
        ck_assert(!c->relays[0]->tcp_nodelay && !c->relays[0]->extensions);
        (void)config_unref(c);
    }
    expect_mistakes(RELAY("SendRSET = 2;"),
        "outbox.conf:1: relays.h.send_rset: \"2\" is neither; it takes true or false");
    expect_mistakes(RELAY("send_rset = 1;"),
        "outbox.conf:1: relays.h.send_rset: 1 is neither; it takes true or false");
}
END_TEST

/* SSLEnabled and SSLStartMode are one setting, tls: each updates the other. */
START_TEST(tls_is_switched_and_started)
{
    static const struct {
        const char *settings;
        TlsMode tls; /* on port 25 */
    } cases[] = {
        {"", TLS_MODE_STARTTLS},
        {"SSLEnabled = true;", TLS_MODE_STARTTLS},
        {"SSLEnabled = \"False\";", TLS_MODE_NONE},
        {"SSLStartMode = 3; SSLEnabled = \"True\";", TLS_MODE_STARTTLS},
        {"SSLEnabled = \"True\"; SSLStartMode = 3;", TLS_MODE_NONE},
        {"SSLStartMode = \"sslImplicit\"; SSLEnabled = 1;", TLS_MODE_IMPLICIT},
        {"SSLEnabled = 1; SSLStartMode = 1;", TLS_MODE_IMPLICIT},
        {"SSLEnabled = false; SSLStartMode = 2;", TLS_MODE_STARTTLS},
        {"SSLStartMode = 2; SSLEnabled = 0;", TLS_MODE_NONE},
        {"SSLStartMode = 0; SSLEnabled = true;", TLS_MODE_STARTTLS},
        {"tls = \"opportunistic\"; SSLEnabled = true;", TLS_MODE_OPPORTUNISTIC},
        {"tls = \"none\"; SSLEnabled = true;", TLS_MODE_STARTTLS},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_config_ Config *c = load_one(cases[i].settings, NULL);

        ck_assert_msg(c->relays[0]->tls == cases[i].tls, "%s", cases[i].settings);
        expect_printed(c, "SSLEnabled", CONFIG_FORMAT_TEXT,
            cases[i].tls == TLS_MODE_NONE ? "False\n" : "True\n");
    }
}
END_TEST

/* The same by --set, which counts behind the file. */
START_TEST(overrides_switch_tls_as_well)
{
    const struct {
        const char *file, *const *overrides;
        TlsMode tls;
    } cases[] = {
        {"tls = \"implicit\";", OVERRIDES("SSLEnabled=True"), TLS_MODE_IMPLICIT},
        {"tls = \"implicit\";", OVERRIDES("SSLEnabled=no"), TLS_MODE_NONE},
        {"SSLStartMode = 3;", OVERRIDES("SSLEnabled=YES", "MailPort=465"), TLS_MODE_IMPLICIT},
        {"", OVERRIDES("SSLEnabled=false", "SSLStartMode=sslExplicit"), TLS_MODE_STARTTLS},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_config_ Config *c = load_one(cases[i].file, cases[i].overrides);

        ck_assert_int_eq(c->relays[0]->tls, cases[i].tls);
    }
}
END_TEST

START_TEST(what_contradicts_is_still_a_mistake)
{
    expect_mistakes(RELAY("tls = \"none\";\n SSLStartMode = 2;"),
        "outbox.conf:1: relays.h.tls: is set a second time in line 2; leave one of the two out");
    expect_mistakes(RELAY("SSLEnabled = true;\n sslEnabled_ = true; SSLEnabled = true;"),
        "outbox.conf:2: syntax: a name occurs twice in one group; leave one of the two out");
    expect_mistakes(RELAY("SSLEnabled = \"maybe\";"),
        "outbox.conf:1: relays.h.tls: \"maybe\" is neither; SSLEnabled takes true or false, and "
        "SSLStartMode says how TLS starts");
    expect_mistakes(RELAY("SSLStartMode = 4;"),
        "outbox.conf:1: relays.h.tls: 4 is unknown; it takes one of \"automatic\", \"implicit\", "
        "\"starttls\", \"opportunistic\", \"none\"");
}
END_TEST

/* Setting KeepAliveTime or KeepAliveInterval sets TCPKeepAlive, but not against the user's word. */
START_TEST(times_of_probes_turn_them_on)
{
    static const struct {
        const char *settings;
        bool keepalive;
    } cases[] = {{"", false}, {"KeepAliveTime = 1000;", true}, {"keepalive_interval = 1;", true},
        {"TCPKeepAlive = false; KeepAliveTime = 1000;", false}, {"KeepAliveTime = 0;", false}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_config_ Config *c = load_one(cases[i].settings, NULL);

        ck_assert(c->relays[0]->keepalive == cases[i].keepalive);
    }
}
END_TEST

/* Every alias of the table, asked for by its name: MailServer, MailPort, LocalHost, LocalPort,
 * InBufferSize, OutBufferSize, MaxLineLength, UseIPv6, Hello, AuthorizationIdentity and others. */
START_TEST(settings_are_printed_as_the_component_has_them)
{
    _cleanup_config_ Config *c = load_one(
        "KeepAliveTime = 1500; MaxLineLength = 65536; Timeout = 90; SSLStartMode = 2; "
        "AuthMechanism = \"plain\"; Hello = \"me.test\"; password = \"hunter2\"; User = \"u\"; "
        "LocalHost = \"127.0.0.1\"; LocalPort = 2000; InBufferSize = 4096; OutBufferSize = "
        "8192; UseIPv6 = 0;",
        NULL);
    static const struct {
        const char *name, *text, *json;
    } cases[] = {
        {"KeepAliveTime", "1500\n", "1500\n"},
        {"keepalive_time", "1500ms\n", "\"1500ms\"\n"},
        {"MaxLineLength", "65536\n", "65536\n"},
        {"max_line_length", "64K\n", "\"64K\"\n"},
        {"Timeout", "90\n", "90\n"},
        {"timeout", "90s\n", "\"90s\"\n"},
        {"TCPKeepAlive", "True\n", "true\n"},
        {"KeepQueue", "False\n", "false\n"},
        {"keep_sent", "false\n", "false\n"},
        {"SSLStartMode", "2\n", "2\n"},
        {"tls", "starttls\n", "\"starttls\"\n"},
        {"SSLEnabled", "True\n", "true\n"},
        {"AuthMechanism", "4\n", "\"4\"\n"},
        {"Hello", "me.test\n", "\"me.test\"\n"},
        {"Password", "***\n", "\"***\"\n"},
        {"MailServer", "h\n", "\"h\"\n"},
        {"MailPort", "25\n", "25\n"},
        {"LocalHost", "127.0.0.1\n", "\"127.0.0.1\"\n"},
        {"LocalPort", "2000\n", "2000\n"},
        {"InBufferSize", "4096\n", "4096\n"},
        {"OutBufferSize", "8192\n", "8192\n"},
        {"UseIPv6", "0\n", "0\n"},
        {"relays.h:25.KeepAliveTime", "1500\n", "1500\n"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        expect_printed(c, cases[i].name, CONFIG_FORMAT_TEXT, cases[i].text);
        expect_printed(c, cases[i].name, CONFIG_FORMAT_JSON, cases[i].json);
    }
}
END_TEST

/* 0 means another thing. */
START_TEST(a_part_of_a_second_counts_as_one)
{
    _cleanup_config_ Config *c =
        load_one("timeout = \"1500ms\"; connect_timeout = \"1ms\"; linger_time = \"0\";", NULL);

    expect_printed(c, "timeout", CONFIG_FORMAT_JSON, "\"1500ms\"\n");
    expect_printed(c, "Timeout", CONFIG_FORMAT_TEXT, "2\n");
    expect_printed(c, "ConnectionTimeout", CONFIG_FORMAT_JSON, "1\n");
    expect_printed(c, "LingerTime", CONFIG_FORMAT_TEXT, "0\n");
}
END_TEST

/* What is printed under any of the component's names is taken under it again, and means the same.
 */
START_TEST(every_alias_takes_what_it_prints)
{
    _cleanup_config_ Config *c = load_one("KeepAliveTime = 1500;", NULL);
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *aliases = strdup(rows[i].aliases);
        char *state = NULL;

        for (char *a = strtok_r(aliases, " ", &state); a; a = strtok_r(NULL, " ", &state)) {
            _cleanup_buffer_ Buffer first = {0}, second = {0}, override = {0};
            _cleanup_config_ Config *again = NULL;

            ck_assert_int_eq(config_print(c, NULL, a, CONFIG_FORMAT_TEXT, &first, NULL), 0);
            ck_assert_uint_gt(buffer_size(&first), 0);
            if (rows[i].type == SETTING_SECRET || rows[i].type == SETTING_HEADERS)
                continue;
            ck_assert_int_eq(buffer_appendf(&override, "%s=%.*s", a, (int)buffer_size(&first) - 1,
                                 buffer_data(&first)) |
                                 buffer_append(&override, "", 1),
                0);
            again = load_one("KeepAliveTime = 1500;", OVERRIDES(buffer_data(&override)));
            ck_assert_int_eq(config_print(again, NULL, a, CONFIG_FORMAT_TEXT, &second, NULL), 0);
            ck_assert_uint_eq(buffer_size(&first), buffer_size(&second));
            ck_assert_mem_eq(buffer_data(&first), buffer_data(&second), buffer_size(&first));
        }
    }
}
END_TEST

/* UseIPv6: an address in MailServer or LocalHost obeys it. */
START_TEST(addresses_are_of_the_family_that_is_used)
{
    static const char *const good[] = {"MailServer = \"192.0.2.1\"; UseIPv6 = 0;",
        "MailServer = \"[2001:db8::1]\"; UseIPv6 = 1;", "MailServer = \"::1\"; UseIPv6 = 2;",
        "MailServer = \"::ffff:192.0.2.1\"; UseIPv6 = 0;", "MailServer = \"h.test\"; UseIPv6 = 1;"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        char text[200];

        snprintf(text, sizeof(text), "relays = ( { %s } );", good[i]);
        (void)config_unref(load(text, NULL));
    }
    expect_mistakes("relays = ( { MailServer = \"192.0.2.1\"; UseIPv6 = 1; } );",
        "outbox.conf:1: relays.192.0.2.1:25.host: \"192.0.2.1\" is an IPv4 address, and ip_version "
        "= "
        "1 (UseIPv6) allows IPv6 only; leave ip_version out, or name an address of that kind");
    expect_mistakes(RELAY("ip_version = 0;\n local_host = \"fe80::1%eth0\";"),
        "outbox.conf:2: relays.h:25.local_host: \"fe80::1%eth0\" is an IPv6 address, and "
        "ip_version "
        "= 0 (UseIPv6) allows IPv4 only; leave ip_version out, or name an address of that kind");
}
END_TEST

/* GUIAvailable and UseInternalSecurityAPI: taken, with a notice. */
START_TEST(what_changes_nothing_is_told)
{
    char path[100], expected[500];
    _cleanup_config_ Config *c = load_one(
                                "GUIAvailable = false;", OVERRIDES("UseInternalSecurityAPI=1")),
                            *none = load_one("", NULL);

    snprintf(expected, sizeof(expected),
        "%s:1: relays.h.GUIAvailable: has no meaning on Linux and changes nothing: there is no "
        "message loop of windows\n"
        "--set UseInternalSecurityAPI: has no meaning on Linux and changes nothing: TLS is "
        "OpenSSL's, which comes with outbox",
        place("outbox.conf", path));
    ck_assert_str_eq(c->notices, expected);
    ck_assert_ptr_null(none->notices);
    expect_printed(none, "GUIAvailable", CONFIG_FORMAT_TEXT, "False\n");
    expect_printed(none, "UseInternalSecurityAPI", CONFIG_FORMAT_TEXT, "False\n");
    expect_mistakes(RELAY("GUIAvailable = \"perhaps\";"),
        "outbox.conf:1: relays.h.GUIAvailable: is neither True nor False; leave it out");
}
END_TEST

/* BuildInfo and LicenseInfo: read, never set. */
START_TEST(what_can_only_be_read_is_printed)
{
    _cleanup_config_ Config *c = load_one("", NULL);
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(config_print(c, NULL, "BuildInfo", CONFIG_FORMAT_TEXT, &out, NULL), 0);
    ck_assert_int_eq(strncmp(buffer_data(&out), "outbox ", 7), 0);
    expect_printed(c, "LicenseInfo", CONFIG_FORMAT_TEXT, "ISC licence; no warranty.\n");
    expect_printed(c, "LicenseInfo", CONFIG_FORMAT_JSON, "\"ISC licence; no warranty.\"\n");
    expect_mistakes(RELAY("BuildInfo = \"x\";"),
        "outbox.conf:1: relays.h.BuildInfo: can only be read: `outbox config BuildInfo`, `outbox "
        "--version`");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/component");
    TCase *t = tcase_create("component");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, numbers_are_in_the_units_of_the_name);
    tcase_add_test(t, booleans_are_words_or_numbers);
    tcase_add_test(t, tls_is_switched_and_started);
    tcase_add_test(t, overrides_switch_tls_as_well);
    tcase_add_test(t, what_contradicts_is_still_a_mistake);
    tcase_add_test(t, times_of_probes_turn_them_on);
    tcase_add_test(t, settings_are_printed_as_the_component_has_them);
    tcase_add_test(t, a_part_of_a_second_counts_as_one);
    tcase_add_test(t, every_alias_takes_what_it_prints);
    tcase_add_test(t, addresses_are_of_the_family_that_is_used);
    tcase_add_test(t, what_changes_nothing_is_told);
    tcase_add_test(t, what_can_only_be_read_is_printed);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
