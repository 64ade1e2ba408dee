/* settings: the ways to log in at a proxy, and what goes with them. */
#include "settings_files.h"

#define VIA(more) RELAY("port = 587; proxy_host = \"proxy.test\"; " more)
#define SOCKS5 "proxy_type = \"socks5\"; "
#define TUNNEL "proxy_type = \"tunnel\"; "

static const RelayConfig *relay_of(const Config *config)
{
    return config->relays[0];
}

START_TEST(mistakes_about_logins_say_what_would_be_right)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {VIA(TUNNEL "proxy_user = \"u\"; proxy_auth = \"ntml\";"),
            "outbox.conf:1: relays.h.proxy_auth: \"ntml\" is unknown; did you mean \"ntlm\"?; it "
            "takes one of \"auto\", "
            "\"basic\", \"digest\", \"ntlm\", \"gssapi\""},
        {VIA(TUNNEL "proxy_user = \"u\"; proxy_auth = \"ntlm\";"),
            "outbox.conf:1: relays.h.proxy_auth: NTLM needs a password; set proxy_password or one "
            "of its kind"},
        {VIA(TUNNEL "proxy_auth = \"digest\";"),
            "outbox.conf:1: relays.h.proxy_auth: says how to log in, and there is no user; set "
            "proxy_user, or leave it out"},
        {VIA(TUNNEL "proxy_user = \"u\"; proxy_password = \"x\"; proxy_auth = \"gssapi\";"),
            "outbox.conf:1: relays.h.proxy_auth: gssapi shows a Kerberos ticket and no password; "
            "leave the password out, and see kerberos_keytab"},
        {VIA(SOCKS5 "proxy_user = \"u\"; proxy_password = \"x\"; proxy_auth = \"ntlm\";"),
            "outbox.conf:1: relays.h.proxy_auth: is a way of HTTP proxies; leave it out, or set "
            "proxy_type = \"tunnel\""},
        {VIA("proxy_type = \"socks4\"; proxy_auth = \"gssapi\";"),
            "outbox.conf:1: relays.h.proxy_auth: SOCKS4 has no logins but a user's name; set "
            "proxy_type = \"socks5\""},
        {VIA(TUNNEL "proxy_kerberos_service = \"HTTP@p\";"),
            "outbox.conf:1: relays.h.proxy_kerberos_service: is for Kerberos alone; set proxy_auth "
            "= \"gssapi\""},
        {VIA(TUNNEL "proxy_auth = \"gssapi\"; kerberos_service = \"smtp@p\";"),
            "outbox.conf:1: relays.h:587.kerberos_service: is for Kerberos alone; set auth = "
            "\"gssapi\""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
}
END_TEST

/* And what goes with a ticket is taken. */
START_TEST(ways_to_log_in_have_names)
{
    static const char *const names[] = {"gssapi", "Negotiate", "kerberos"};
    char text[512];
    Config *config;

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        snprintf(text, sizeof(text),
            VIA(TUNNEL "proxy_auth = \"%s\"; kerberos_ccache = \"FILE:/x\"; "
                       "proxy_kerberos_service = \"HTTP@p\";"),
            names[i]);
        config = load(text, NULL);
        ck_assert_int_eq(relay_of(config)->proxy_auth, PROXY_AUTH_GSSAPI);
        ck_assert_str_eq(relay_of(config)->proxy_kerberos_service, "HTTP@p");
        (void)config_unref(config);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings proxy login");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, make_directory, remove_directory);
    tcase_add_test(tests, mistakes_about_logins_say_what_would_be_right);
    tcase_add_test(tests, ways_to_log_in_have_names);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
