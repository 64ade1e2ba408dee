/* settings: the way through a proxy, what follows of it, and every mistake. Firewall is the
 * component's name for it. */
#include "settings/proxy.h"
#include "settings_files.h"

#define VIA(more) RELAY("port = 587; proxy_host = \"proxy.test\"; " more)
#define SOCKS5 "proxy_type = \"socks5\"; "
#define TUNNEL "proxy_type = \"tunnel\"; "

static const RelayConfig *relay_of(const Config *config)
{
    return config->relays[0];
}

/* FirewallType, FirewallHost, FirewallPort: Firewall.FirewallType, Firewall.Host and Firewall.Port.
 */
START_TEST(types_have_names_and_numbers_and_ports)
{
    static const struct {
        const char *text;
        ProxyMode mode;
        unsigned port;
        ProxyResolve resolve;
    } cases[] = {
        {"FirewallType = \"fwTunnel\"; FirewallHost = \"p\";", PROXY_MODE_TUNNEL, 80,
            PROXY_RESOLVE_PROXY},
        {"FirewallType = 1; FirewallHost = \"p\";", PROXY_MODE_TUNNEL, 80, PROXY_RESOLVE_PROXY},
        {"proxy_type = \"tunnel\"; proxy_host = \"p\"; proxy_tls = true;", PROXY_MODE_TUNNEL, 443,
            PROXY_RESOLVE_PROXY},
        {"FirewallType = 2; FirewallHost = \"p\";", PROXY_MODE_SOCKS4, 1080, PROXY_RESOLVE_HERE},
        {"FirewallType = \"fwSOCKS5\"; FirewallHost = \"p\"; FirewallPort = 1081;",
            PROXY_MODE_SOCKS5, 1081, PROXY_RESOLVE_HERE},
        {"FirewallType = 10; FirewallHost = \"p\";", PROXY_MODE_SOCKS4A, 1080, PROXY_RESOLVE_PROXY},
        {"FirewallType = \"fwNone\"; FirewallHost = \"p\";", PROXY_MODE_NONE, 0,
            PROXY_RESOLVE_AUTOMATIC},
        {"proxy_type = \"socks5\"; proxy_host = \"p\"; proxy_resolve = \"proxy\";",
            PROXY_MODE_SOCKS5, 1080, PROXY_RESOLVE_PROXY},
        {"proxy_type = \"tunnel\"; proxy_host = \"[::1]\"; proxy_resolve = \"here\";",
            PROXY_MODE_TUNNEL, 80, PROXY_RESOLVE_HERE},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char text[300];
        Config *config;

        snprintf(text, sizeof(text), "relays = ( { host = \"h\"; %s } );", cases[i].text);
        config = load(text, NULL);
        ck_assert_int_eq(relay_of(config)->proxy_type, cases[i].mode);
        ck_assert_uint_eq(relay_of(config)->proxy_port, cases[i].port);
        ck_assert_int_eq(relay_of(config)->proxy_resolve, cases[i].resolve);
        ck_assert_int_eq(relay_is_proxied(relay_of(config)), cases[i].mode != PROXY_MODE_NONE);
        (void)config_unref(config);
    }
}
END_TEST

/* MailServer: a leading * leaves the lookup to the proxy; an address is nobody's to look up. */
START_TEST(a_star_leaves_the_lookup_to_the_proxy)
{
    static const char text[] =
        "relays = ( { MailServer = \"*mail.test\"; proxy_host = \"p\"; " SOCKS5 " } );";
    Config *config = load(text, NULL);

    ck_assert_str_eq(relay_of(config)->host, "mail.test");
    ck_assert_str_eq(relay_of(config)->name, "mail.test:25");
    ck_assert_int_eq(relay_of(config)->proxy_resolve, PROXY_RESOLVE_PROXY);
    (void)config_unref(config);
    config =
        load("relays = ( { host = \"*[2001:db8::1]\"; proxy_host = \"p\"; " SOCKS5 " } );", NULL);
    ck_assert_str_eq(relay_of(config)->host, "2001:db8::1");
    ck_assert_int_eq(relay_of(config)->proxy_resolve, PROXY_RESOLVE_HERE);
    (void)config_unref(config);
    /* Off for a while. */
    config = load("relays = ( { host = \"*mail.test\"; proxy_type = \"none\"; } );", NULL);
    ck_assert_str_eq(relay_of(config)->host, "mail.test");
    (void)config_unref(config);
}
END_TEST

/* FirewallUser, FirewallPassword, FirewallData: Firewall.User and Firewall.Password. */
START_TEST(logins_and_further_lines_are_kept)
{
    Config *config = load(VIA(TUNNEL "FirewallUser = \"ann\"; FirewallPassword = \"secret\"; "
                                     "FirewallData = \"X-A: 1\\r\\nX-B: \\\"2\\\"\";"),
        NULL);

    ck_assert_str_eq(relay_of(config)->proxy_user, "ann");
    ck_assert_str_eq(secret_text(relay_of(config)->proxy_password.value), "secret");
    ck_assert_str_eq(secret_text(relay_of(config)->proxy_data), "X-A: 1\r\nX-B: \"2\"");
    (void)config_unref(config);
}
END_TEST

START_TEST(mistakes_say_what_would_be_right)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {RELAY("proxy_host = \"p\";"),
            "outbox.conf:1: relays.h.proxy_host: the kind of proxy is missing; set proxy_type "
            "to \"tunnel\" (HTTP), \"socks5\", \"socks4a\" or \"socks4\""},
        {RELAY(SOCKS5), "outbox.conf:1: relays.h.proxy_type: there is no proxy to go through; "
                        "set proxy_host"},
        {VIA("proxy_type = \"sock5\";"),
            "outbox.conf:1: relays.h.proxy_type: \"sock5\" is unknown; did you mean \"socks5\"?; "
            "it takes one of \"none\", "
            "\"tunnel\", \"socks4\", \"socks4a\", \"socks5\""},
        {RELAY("proxy_tpye = \"socks5\";"),
            "outbox.conf:1: relays.h.proxy_tpye: unknown setting; did you mean \"proxy_type\"?"},
        {RELAY("Firewall = \"p\";"),
            "outbox.conf:1: relays.h.Firewall: has no value of its own; set proxy_type, "
            "proxy_host and what else begins with proxy_"},
        /* FirewallListener */
        {RELAY("FirewallListener = true;"), "outbox.conf:1: relays.h.FirewallListener: makes the "
                                            "component a server: outbox is a client"},
        {VIA(SOCKS5 "proxy_port = 70000;"),
            "outbox.conf:1: relays.h.proxy_port: 70000 is out of range; it takes a port from 0 to "
            "65535"},
        {VIA(SOCKS5 "proxy_password = \"x\";"),
            "outbox.conf:1: relays.h.proxy_user: there is a password for the proxy but no "
            "user; set proxy_user, or leave the password out"},
        {VIA("proxy_type = \"socks4\"; proxy_user = \"u\"; proxy_password = \"x\";"),
            "outbox.conf:1: relays.h.proxy_type: SOCKS4 has users and no passwords; set "
            "proxy_type = \"socks5\", or leave proxy_password out"},
        {VIA("proxy_type = \"socks4\"; proxy_resolve = \"proxy\";"),
            "outbox.conf:1: relays.h.proxy_resolve: a proxy of SOCKS4 cannot look names up; "
            "set proxy_type = \"socks4a\" or \"socks5\""},
        {VIA("proxy_type = \"socks4\"; ip_version = 1;"),
            "outbox.conf:1: relays.h.ip_version: SOCKS4 has no IPv6 addresses; set proxy_type "
            "= \"socks5\" or \"tunnel\""},
        {"relays = ( { host = \"::1\"; proxy_host = \"p\"; proxy_type = \"socks4a\"; } );",
            "outbox.conf:1: relays.::1.host: SOCKS4 has no IPv6 addresses; set proxy_type = "
            "\"socks5\" or \"tunnel\""},
        {"relays = ( { host = \"*h\"; } );",
            "outbox.conf:1: relays.h.host: the * leaves the lookup to a proxy, and there is "
            "none; leave it out, or set proxy_type and proxy_host"},
        {"relays = ( { host = \"**relay\"; } );",
            "outbox.conf:1: relays.1.host: \"**relay\" is not a host name; it takes a host name, "
            "an "
            "IPv4 or an IPv6 address in quotes, without a port"},
        {"relays = ( { host = \"unix:lm.sock\"; } );",
            "outbox.conf:1: relays.1.host: \"unix:lm.sock\" is no absolute path behind unix:, as "
            "in "
            "unix:/PATH; it takes a host name, an IPv4 or an IPv6 address in quotes, without a "
            "port"},
        {"relays = ( { host = \"*\"; } );",
            "outbox.conf:1: relays.1.host: \"*\" is not a host name; it takes a host name, an IPv4 "
            "or an IPv6 address in quotes, without a port"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
}
END_TEST

START_TEST(what_does_not_go_together_is_told)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {VIA(SOCKS5 "proxy_data = \"X: y\";"),
            "outbox.conf:1: relays.h.proxy_data: is for the header of HTTP, and SOCKS has "
            "none; set proxy_type = \"tunnel\", or leave it out"},
        {VIA(TUNNEL "proxy_exceptions = \"a.test; 192.0.2.0/33\";"),
            "outbox.conf:1: relays.h.proxy_exceptions: \"192.0.2.0/33\" is no network: behind "
            "the / belongs its number of bits; it takes names, *.example.com, addresses and "
            "networks such as 192.0.2.0/24, with ; between them"},
        {VIA(TUNNEL "proxy_tls_ca_file = \"/nowhere\";"),
            "outbox.conf:1: relays.h:587.proxy_tls_ca_file: \"/nowhere\" does not exist; create it "
            "or name another"},
        {VIA(TUNNEL "proxy_user = \"u\"; proxy_password = \"a\"; proxy_password_command = \"b\";"),
            "outbox.conf:1: relays.h:587.proxy_password_command: the secret has two sources; leave "
            "this one or proxy_password out"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
}
END_TEST

#define DATA_MISTAKE(what)                                                                         \
    "outbox.conf:1: relays.h.proxy_data: \"***\" " what "; it takes lines NAME: VALUE in quotes, " \
    "with line ends between them"

/* FirewallData: nothing that would make another request of it, and no word of it is shown. */
START_TEST(further_lines_are_checked)
{
    static const char no_line[] = DATA_MISTAKE("holds a line that is no \"NAME: VALUE\"");
    static const char own[] =
        DATA_MISTAKE("holds a line that the request says itself, or that does not go with it");
    char long_line[9000] = "X: ", text[9200];

    expect_mistakes(VIA(TUNNEL "proxy_data = \"secret\";"), no_line);
    expect_mistakes(VIA(TUNNEL "proxy_data = \"X : y\";"), no_line);
    expect_mistakes(VIA(TUNNEL "proxy_data = \"X: y\\r\\n folded\";"), no_line);
    expect_mistakes(VIA(TUNNEL "proxy_data = \"X: y\\nhOST: z\";"), own);
    expect_mistakes(VIA(TUNNEL "proxy_data = \"Content-Length: 5\";"), own);
    expect_mistakes(
        VIA(TUNNEL "proxy_data = \"X: \\x01\";"), DATA_MISTAKE("holds a control character"));
    memset(long_line + 3, 'x', sizeof(long_line) - 4);
    long_line[8 * 1024] = '\0';
    ck_assert_ptr_null(proxy_data_check(long_line));
    strcat(long_line, "x");
    snprintf(text, sizeof(text), VIA(TUNNEL "proxy_data = \"%s\";"), long_line);
    expect_mistakes(text, DATA_MISTAKE("is longer than 8K"));
}
END_TEST

START_TEST(secrets_stay_private)
{
    static const char *const secrets[] = {"proxy_user = \"u\"; proxy_password = \"x\";",
        "proxy_data = \"Proxy-Authorization: Bearer x\";"};
    static const char *const names[] = {"proxy_password", "proxy_data"};
    Config *config;
    char path[100];

    for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
        _cleanup_failure_ Failure f = {0};
        char text[300];

        snprintf(text, sizeof(text), VIA(TUNNEL "%s"), secrets[i]);
        put("outbox.conf", text, 0644);
        ck_assert_int_eq(config_load(place("outbox.conf", path), NULL, &config, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), names[i]));
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "everyone can read the secret in"));
    }
    put("outbox.conf", VIA(TUNNEL "proxy_data = \"X-Client: outbox\";"), 0644);
    ck_assert_int_eq(config_load(place("outbox.conf", path), NULL, &config, NULL), 0);
    (void)config_unref(config);
    expect_mistakes_of(VIA(TUNNEL), OVERRIDES("proxy_password=x", "proxy_data=X: y"), 0600,
        "--set proxy_password: a secret on the command line can be read by every user; use "
        "proxy_password_file, proxy_password_command or proxy_password_credential\n"
        "--set proxy_data: it may hold a login, and on the command line every user can read it; "
        "write it into the configuration file");
}
END_TEST

/* ---- ProxyExceptionsList ---- */

static const struct {
    const char *list, *host;
    bool here, environment;
} exceptions[] = {
    {"mail.test", "mail.test", true, true},
    {"mail.test", "MAIL.Test.", true, true},
    {"mail.test", "a.mail.test", false, true},
    {"mail.test", "xmail.test", false, false},
    {"*.mail.test", "a.mail.test", true, true},
    {"*.mail.test", "mail.test", false, false},
    {".mail.test", "a.b.mail.test", true, true},
    {".mail.test", "mail.test", false, true},
    {".mail.test", "xmail.test", false, false},
    {"smtp*.test", "smtp-1.test", true, true},
    {"*a*b*c", "xaybzc", true, true},
    {"*a*b*c", "xaybz", false, false},
    {"*", "anything", true, true},
    {"*", "::1", true, true},
    {"other.test; mail.test", "mail.test", true, true},
    {"other.test,mail.test ;", "mail.test", true, true},
    {"mail.test:587", "mail.test", true, true},
    {"mail.test:25", "mail.test", false, false},
    {"b\xc3\xbc"
     "cher.test",
        "xn--bcher-kva.test", true, true},
    {"<local>", "mail", true, true},
    {"<local>", "mail.test", false, false},
    {"<local>", "::1", false, false},
    {"192.0.2.1", "192.0.2.1", true, true},
    {"192.0.2.1", "192.0.2.10", false, false},
    {"192.0.2.*", "192.0.2.10", true, true},
    {"2.1", "192.0.2.1", false, false},
    {"192.0.2.0/24", "192.0.2.255", true, true},
    {"192.0.2.0/24", "192.0.3.0", false, false},
    {"192.0.2.128/25", "192.0.2.127", false, false},
    {"192.0.2.128/25", "192.0.2.128", true, true},
    {"0.0.0.0/0", "192.0.2.1", true, true},
    {"0.0.0.0/0", "::1", false, false},
    {"0.0.0.0/0", "mail.test", false, false},
    {"192.0.2.0/24", "::ffff:192.0.2.1", true, true},
    {"::ffff:192.0.2.1", "192.0.2.1", true, true},
    {"10.0.0.0/8", "::ffff:192.0.2.1", false, false},
    {"2001:db8::/33", "2001:db8:7fff::1", true, true},
    {"2001:db8::/33", "2001:db8:8000::1", false, false},
    {"2001:db8::1/128", "2001:db8::1", true, true},
    {"mail.test.", "mail.test", true, true},
    {".test.", "mail.test", true, true},
    {"2001:db8::/32", "2001:db8:ffff::1", true, true},
    {"2001:db8::/32", "2001:db9::1", false, false},
    {"[2001:db8::1]:587", "2001:db8::1", true, true},
    {"[2001:db8::1]:25", "2001:db8::1", false, false},
    {"2001:db8::1", "2001:0db8:0::1", true, true},
    /* What has gone wrong in other programs: an entry that is not the last, networks and other
     * writings of IPv6 addresses, with brackets or not, and blanks between. */
    {"127.0.0.1,localhost", "127.0.0.1", true, true},
    {"local,.example.test,.another.test", "a.example.test", true, true},
    {"::1/64", "::1", true, true},
    {"::1", "0:0:0:0:0:0:0:1", true, true},
    {"0:0:0:0:0:0:7f00:1", "::127.0.0.1", true, true},
    {"[::1]", "::1", true, true},
    {"2001:db8:8000::/33", "2001:db8:ffff::1", true, true},
    {"  10.0.0.0/8 ,\t127.0.0.0/8", "127.1.2.3", true, true},
    {"192.168.", "192.168.0.1", false, false},
    {"EXAMPLE.Test", "www.example.test.", false, true},
    {"", "mail.test", false, false},
    {" ; ,", "mail.test", false, false},
};

START_TEST(exceptions_are_compared_by_their_form)
{
    for (size_t i = 0; i < ELEMENTSOF(exceptions); i++) {
        char entry[PROXY_ENTRY_MAX];

        ck_assert_ptr_null(proxy_exceptions_check(exceptions[i].list, entry));
        ck_assert_msg(proxy_exceptions_have(exceptions[i].list, exceptions[i].host, 587, false) ==
                              exceptions[i].here &&
                          proxy_exceptions_have(exceptions[i].list, exceptions[i].host, 587,
                              true) == exceptions[i].environment,
            "%s in %s", exceptions[i].host, exceptions[i].list);
    }
}
END_TEST

START_TEST(what_is_no_exception_is_told)
{
    static const char *const bad[] = {"http://mail.test", "mail.test/24", "192.0.2.0/",
        "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1", "a:b:c", "mail.test:0", "mail.test:x",
        "a\\b", "a@b", "[::1", "<global>"};
    char entry[PROXY_ENTRY_MAX], longest[PROXY_ENTRY_MAX + 1];

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        ck_assert_msg(
            proxy_exceptions_check(bad[i], entry) && strcmp(entry, bad[i]) == 0, "%s", bad[i]);
    memset(longest, 'a', sizeof(longest));
    longest[PROXY_ENTRY_MAX] = '\0';
    ck_assert_ptr_nonnull(proxy_exceptions_check(longest, entry));
    ck_assert(!proxy_exceptions_have(longest, longest, 25, false));
    longest[PROXY_ENTRY_MAX - 1] = '\0';
    ck_assert_ptr_null(proxy_exceptions_check(longest, entry));
}
END_TEST

START_TEST(an_exception_goes_directly)
{
    Config *config = load(VIA(SOCKS5 "ProxyExceptionsList = \"x.test; h\";"), NULL);

    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_SOCKS5);
    ck_assert(!relay_is_proxied(relay_of(config)));
    (void)config_unref(config);
}
END_TEST

/* ---- FirewallAutoDetect ---- */

static const char *const variables[] = {"smtp_proxy", "SMTP_PROXY", "all_proxy", "ALL_PROXY",
    "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"};

static void clear_environment(void)
{
    for (size_t i = 0; i < ELEMENTSOF(variables); i++)
        ck_assert_int_eq(unsetenv(variables[i]), 0);
}

static Config *load_with(const char *name, const char *value, const char *text)
{
    clear_environment();
    ck_assert_int_eq(setenv(name, value, 1), 0);
    return load(text, NULL);
}

#define AUTO RELAY("FirewallAutoDetect = true;")

/* Firewall.AutoDetect */
START_TEST(the_environment_names_a_proxy)
{
    static const struct {
        const char *value, *host;
        ProxyMode mode;
        unsigned port;
        bool tls;
        ProxyResolve resolve;
        const char *user, *password;
    } cases[] = {
        {"p.test:3128", "p.test", PROXY_MODE_TUNNEL, 3128, false, PROXY_RESOLVE_PROXY},
        {"http://p.test/", "p.test", PROXY_MODE_TUNNEL, 80, false, PROXY_RESOLVE_PROXY},
        {"HTTPS://p.test", "p.test", PROXY_MODE_TUNNEL, 443, true, PROXY_RESOLVE_PROXY},
        {"socks4://p.test", "p.test", PROXY_MODE_SOCKS4, 1080, false, PROXY_RESOLVE_HERE},
        {"socks4a://p.test", "p.test", PROXY_MODE_SOCKS4A, 1080, false, PROXY_RESOLVE_PROXY},
        {"socks5://[::1]:9050", "::1", PROXY_MODE_SOCKS5, 9050, false, PROXY_RESOLVE_HERE},
        {"socks://p.test", "p.test", PROXY_MODE_SOCKS5, 1080, false, PROXY_RESOLVE_HERE},
        {"socks5h://ann:s%3aecret%@p.test:1", "p.test", PROXY_MODE_SOCKS5, 1, false,
            PROXY_RESOLVE_PROXY, "ann", "s:ecret%"},
        {"http://a@nn@p.test", "p.test", PROXY_MODE_TUNNEL, 80, false, PROXY_RESOLVE_PROXY, "a@nn"},
        {"http://@p.test:8080", "p.test", PROXY_MODE_TUNNEL, 8080, false, PROXY_RESOLVE_PROXY},
        {"http://ann:@p.test", "p.test", PROXY_MODE_TUNNEL, 80, false, PROXY_RESOLVE_PROXY, "ann",
            ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Config *config = load_with(i % 2 == 0 ? "all_proxy" : "HTTPS_PROXY", cases[i].value, AUTO);
        const RelayConfig *relay = relay_of(config);

        ck_assert_int_eq(relay->proxy_type, cases[i].mode);
        ck_assert_str_eq(relay->proxy_host, cases[i].host);
        ck_assert_uint_eq(relay->proxy_port, cases[i].port);
        ck_assert_int_eq(relay->proxy_tls, cases[i].tls);
        ck_assert_int_eq(relay->proxy_resolve, cases[i].resolve);
        ck_assert_pstr_eq(relay->proxy_user, cases[i].user);
        if (cases[i].password)
            ck_assert_str_eq(secret_text(relay->proxy_password.value), cases[i].password);
        else
            ck_assert_ptr_null(relay->proxy_password.value);
        (void)config_unref(config);
    }
    clear_environment();
}
END_TEST

START_TEST(the_environment_has_an_order_and_exceptions)
{
    Config *config = load_with("all_proxy", "socks5://all.test", RELAY(""));

    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_NONE); /* nobody asked for it */
    (void)config_unref(config);
    ck_assert_int_eq(setenv("HTTPS_PROXY", "http://https.test", 1), 0);
    config = load(AUTO, NULL);
    ck_assert_str_eq(relay_of(config)->proxy_host, "all.test");
    (void)config_unref(config);
    ck_assert_int_eq(setenv("SMTP_PROXY", "http://smtp.test", 1), 0);
    config = load(AUTO, NULL);
    ck_assert_str_eq(relay_of(config)->proxy_host, "smtp.test");
    (void)config_unref(config);
    ck_assert_int_eq(setenv("NO_PROXY", "x, h", 1), 0);
    config = load(AUTO, NULL);
    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_NONE);
    (void)config_unref(config);
    /* What is not gone through need not be a proxy's. */
    ck_assert_int_eq(setenv("smtp_proxy", "ftp://x", 1), 0);
    config = load(AUTO, NULL);
    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_NONE);
    (void)config_unref(config);
    ck_assert_int_eq(unsetenv("smtp_proxy"), 0);
    ck_assert_int_eq(setenv("no_proxy", "x", 1), 0);
    config = load(AUTO, NULL);
    ck_assert_str_eq(relay_of(config)->proxy_host, "smtp.test");
    (void)config_unref(config);
    /* What is set goes before. */
    config = load(RELAY("proxy_auto_detect = true; proxy_type = \"none\";"), NULL);
    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_NONE);
    (void)config_unref(config);
    config = load(VIA(SOCKS5 "proxy_auto_detect = true;"), NULL);
    ck_assert_str_eq(relay_of(config)->proxy_host, "proxy.test");
    (void)config_unref(config);
    clear_environment();
    config = load(AUTO, NULL);
    ck_assert_int_eq(relay_of(config)->proxy_type, PROXY_MODE_NONE);
    (void)config_unref(config);
}
END_TEST

START_TEST(a_wrong_environment_is_told_without_its_value)
{
    static const char *const bad[] = {"ftp://secret", "http://", "socks5://secret:0",
        "socks5://secret:99999", "http://secret:1x", "http://:secret@p", "http://secret/path",
        "http://a%0d:secret@p", "http://a b"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        clear_environment();
        ck_assert_int_eq(setenv("ALL_PROXY", bad[i], 1), 0);
        expect_mistakes(AUTO,
            "outbox.conf:1: relays.h.proxy_auto_detect: ALL_PROXY of the environment names no "
            "proxy that can be used; write it as http://HOST:PORT, https://, socks4://, "
            "socks4a://, socks5:// or socks5h://, with USER:PASSWORD@ before the host where it "
            "wants a login");
    }
    clear_environment();
}
END_TEST

static void expect_notice(const char *settings, const char *words)
{
    char text[300];
    Config *config;

    snprintf(text, sizeof(text), RELAY("%s"), settings);
    config = load(text, NULL);
    ck_assert_msg(words ? config->notices && strstr(config->notices, words) : !config->notices,
        "%s: %s", settings, config->notices);
    (void)config_unref(config);
}

START_TEST(what_is_for_a_proxy_needs_one)
{
    clear_environment();
    expect_notice("proxy_user = \"a\";", "proxy_user: has no effect without a proxy");
    expect_notice("proxy_auth = \"ntlm\";", "proxy_auth: has no effect without a proxy");
    expect_notice("proxy_exceptions = \"a\";", "proxy_exceptions: has no effect");
    expect_notice("proxy_resolve = \"proxy\";", "proxy_resolve: has no effect");
    expect_notice("proxy_user = \"a\"; proxy_type = \"none\";", NULL);
    expect_notice("proxy_user = \"a\"; proxy_auto_detect = true;", NULL);
    expect_notice("proxy_user = \"a\"; proxy_host = \"p\"; " SOCKS5, NULL);
    expect_mistakes("relays = ( { host = \"unix:/run/s\"; proxy_host = \"p\"; " SOCKS5 "} );\n",
        "outbox.conf:1: relays.unix:/run/s.proxy_type: the relay's host is a socket of this "
        "machine, to which no proxy leads; leave proxy_type out");
}
END_TEST

START_TEST(an_exception_that_is_passed_over_is_told)
{
    clear_environment();
    ck_assert_int_eq(setenv("no_proxy", "x.test,127.0.0.0/33", 1), 0);
    expect_notice("proxy_auto_detect = true;", NULL);
    ck_assert_int_eq(setenv("all_proxy", "socks5://p.test", 1), 0);
    expect_notice("proxy_auto_detect = true;", "proxy_auto_detect: \"127.0.0.0/33\" in no_proxy of "
                                               "the environment is passed over: it is no "
                                               "network");
    ck_assert_int_eq(setenv("no_proxy", "x.test, 127.0.0.0/8,.y.test,[::1]", 1), 0);
    expect_notice("proxy_auto_detect = true;", NULL);
    clear_environment();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings proxy");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, make_directory, remove_directory);
    tcase_add_test(tests, types_have_names_and_numbers_and_ports);
    tcase_add_test(tests, a_star_leaves_the_lookup_to_the_proxy);
    tcase_add_test(tests, logins_and_further_lines_are_kept);
    tcase_add_test(tests, mistakes_say_what_would_be_right);
    tcase_add_test(tests, what_does_not_go_together_is_told);
    tcase_add_test(tests, further_lines_are_checked);
    tcase_add_test(tests, secrets_stay_private);
    tcase_add_test(tests, exceptions_are_compared_by_their_form);
    tcase_add_test(tests, what_is_no_exception_is_told);
    tcase_add_test(tests, an_exception_goes_directly);
    tcase_add_test(tests, the_environment_names_a_proxy);
    tcase_add_test(tests, the_environment_has_an_order_and_exceptions);
    tcase_add_test(tests, a_wrong_environment_is_told_without_its_value);
    tcase_add_test(tests, what_is_for_a_proxy_needs_one);
    tcase_add_test(tests, an_exception_that_is_passed_over_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
