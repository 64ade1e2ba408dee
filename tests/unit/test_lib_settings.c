/* Settings of a client by name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "lib_client.h"

static OutboxClient *client;

static void set(const char *name, const char *value)
{
    client_set(client, name, value);
}

static void expect(int number, int wanted, const char *word)
{
    client_expect(client, number, wanted, word);
}

/* Config: by either name, in the units of each. Reset. */
START_TEST(has_settings_by_name)
{
    client = outbox_client_new();
    ck_assert_str_eq(outbox_get(client, "MailPort"), "25");
    ck_assert_int_eq(outbox_set(client, "host", "mail.example.org"), 0);
    ck_assert_str_eq(outbox_get(client, "MailServer"), "mail.example.org");
    ck_assert_str_eq(outbox_get(client, "mail_server"), "mail.example.org");
    set("Password", "secret");
    ck_assert_str_eq(outbox_get(client, "Password"), "***");
    expect(outbox_set(client, "MailPort", "70000"), 9002, "65535");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "25");
    expect(outbox_set(client, "MailPrt", "25"), 9001, "port");
    ck_assert_ptr_null(outbox_get(client, "MailPrt"));
    set("KeepAliveTime", "5000");
    ck_assert_str_eq(outbox_get(client, "KeepAliveTime"), "5000");
    ck_assert_str_eq(outbox_get(client, "keepalive_time"), "5s");
    set("Timeout", "7");
    ck_assert_str_eq(outbox_get(client, "Timeout"), "7");
    ck_assert_str_eq(outbox_get(client, "timeout_by_stage"), "false");
    set("Charset", "");
    ck_assert_str_eq(outbox_get(client, "Charset"), "UTF-8");
    set("MailPort", "2525");
    set("MailPort", "");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "25");
    set("SendTo", "ann@example.org");
    ck_assert_str_eq(outbox_get(client, "SendTo"), "ann@example.org");
    ck_assert_ptr_nonnull(strstr(outbox_get(client, "BuildInfo"), outbox_version()));
    ck_assert_str_eq(outbox_get(client, "LicenseInfo"), "ISC");
    ck_assert_str_eq(outbox_get(client, "SSLNegotiatedVersion"), "");
    ck_assert_int_eq(outbox_reset(client), 0);
    ck_assert_str_eq(outbox_get(client, "MailServer"), "");
    ck_assert_str_eq(outbox_get(client, "SendTo"), "");
    outbox_client_free(client);
}
END_TEST

/* A value is judged at once, whatever was set before, and what was set before stays. */
START_TEST(judges_each_setting_at_once)
{
    client = outbox_client_new();
    set("MailServer", "mail.example.org");
    set("name", "primary");
    set("SSLStartMode", "sslExplicit");
    set("SSLEnabled", "False");
    ck_assert_str_eq(outbox_get(client, "tls"), "none");
    set("SSLEnabled", "True");
    ck_assert_str_eq(outbox_get(client, "tls"), "starttls");
    expect(outbox_set(client, "SSLEnabled", "perhaps"), 9002, "relays.primary.tls");
    expect(outbox_set(client, "port", "0x19"), 9002, "relays.primary.port");
    expect(outbox_set(client, "relays.primary.port", "70000"), 9002, "65535");
    expect(outbox_set(client, "relays.second.port", "25"), 9002, "no relay \"second\"");
    expect(outbox_set(client, "retry.port", "25"), 9001, "relays");
    set("relays.primary.port", "2525");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "2525");
    set("port", "26");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "26");
    set("mail_port", "");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "2525");
    ck_assert_str_eq(outbox_get(client, "tls"), "starttls");
    outbox_client_free(client);
}
END_TEST

/* In the component's form by its names, also where no relay is known yet. */
START_TEST(answers_as_the_component_does)
{
    static const struct {
        const char *name, *before, *after;
    } cases[] = {{"Timeout", "60", "60"}, {"timeout", "1m", "1m"}, {"FirewallType", "0", "0"},
        {"AllowExtensions", "True", "True"}, {"MailServer", "", "h"}, {"host", "", "h"},
        {"SSLCheckCRL", "0", "0"}, {"GUIAvailable", "False", "False"},
        {"UseInternalSecurityAPI", "False", "False"}};

    client = outbox_client_new();
    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        ck_assert_pstr_eq(outbox_get(client, cases[i].name), cases[i].before);
    set("MailServer", "h");
    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        ck_assert_pstr_eq(outbox_get(client, cases[i].name), cases[i].after);
    ck_assert_ptr_null(outbox_get(client, "FirewallListener"));
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "outbox is a client"));
    expect(outbox_set(client, "FirewallListener", "True"), 9001, "outbox is a client");
    outbox_client_free(client);
}
END_TEST

/* Of a file, with what is set over it; it is not asked for again for each setting. */
START_TEST(sets_over_a_file)
{
    char path[] = "/tmp/test_lib_client.XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd, "relays = ({ host = \"a.test\"; port = 587; });\n"), 0);
    close(fd);
    client = outbox_client_new();
    ck_assert_int_eq(outbox_load(client, path), 0);
    set("MailServer", "b.test");
    ck_assert_str_eq(outbox_get(client, "MailServer"), "b.test");
    ck_assert_str_eq(outbox_get(client, "MailPort"), "587");
    ck_assert_int_eq(unlink(path), 0);
    set("Timeout", "5");
    expect(outbox_set(client, "MailPort", "70000"), 9002, path);
    ck_assert_ptr_null(outbox_get(client, "MailPort"));
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), path));
    ck_assert_int_eq(outbox_connect(client), 9002);
    ck_assert_int_eq(outbox_reset(client), 0);
    ck_assert_str_eq(outbox_get(client, "MailPort"), "25");
    outbox_client_free(client);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/settings");
    TCase *tests = tcase_create("lib/settings");

    tcase_add_test(tests, has_settings_by_name);
    tcase_add_test(tests, judges_each_setting_at_once);
    tcase_add_test(tests, answers_as_the_component_does);
    tcase_add_test(tests, sets_over_a_file);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
