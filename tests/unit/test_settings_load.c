/* settings: from a file and overrides to a Config. */
#include <limits.h>

#include "settings_files.h"

START_TEST(defaults_are_those_of_the_manual)
{
    _cleanup_config_ Config *c = load("relays = ( { host = \"mx.example.com\"; } );", NULL);
    const RelayConfig *relay = c->relays[0];

    ck_assert_uint_eq(c->n_relays, 1);
    ck_assert_str_eq(c->spool.directory, LOCALSTATEDIR "/spool/outbox");
    ck_assert(!c->spool.keep_sent);
    ck_assert_uint_eq(c->spool.settle, 2 * USEC_PER_SEC);
    ck_assert_ptr_null(c->spool.senders);
    ck_assert_uint_eq(c->retry.first, USEC_PER_MINUTE);
    ck_assert_uint_eq(c->retry.max, USEC_PER_HOUR);
    ck_assert_double_eq(c->retry.factor, 2.0);
    ck_assert_uint_eq(c->retry.give_up_after, 5 * USEC_PER_DAY);
    ck_assert_uint_eq(c->retry.max_attempts, 0);
    ck_assert_uint_eq(c->daemon.stop_timeout, 20 * USEC_PER_SEC);
    ck_assert_str_eq(relay->name, "mx.example.com:25");
    ck_assert_uint_eq(relay->port, 25);
    ck_assert_int_eq(relay->tls, TLS_MODE_STARTTLS);
    ck_assert_str_eq(relay->auth, "auto");
    ck_assert_ptr_null(relay->user);
    ck_assert_int_eq(relay->auth_without_tls, CLEAR_AUTH_NEVER);
    ck_assert(relay->extensions && relay->pipelining && relay->chunking && !relay->send_rset);
    ck_assert(relay->tls_verify && relay->tls_reuse_session);
    ck_assert_str_eq(relay->tls_protocols, "TLSv1.2 TLSv1.3");
    ck_assert_uint_eq(relay->max_line_bytes, 2048);
    ck_assert_uint_eq(relay->timeout, 60 * USEC_PER_SEC);
    ck_assert(relay->timeout_by_stage);
    ck_assert_uint_eq(relay->connect_timeout, 0);
    ck_assert_int_eq(relay->ip_version, IP_VERSION_ANY);
    ck_assert(relay->tcp_nodelay && !relay->keepalive);
    ck_assert_uint_eq(relay->connections, 20);
    ck_assert_uint_eq(relay->messages_per_connection, 500);
    ck_assert_uint_eq(relay->recipients_per_transaction, 100);
    ck_assert_uint_eq(relay->idle_timeout, 30 * USEC_PER_SEC);
    ck_assert_uint_eq(relay->hold_first, 5 * USEC_PER_SEC);
    ck_assert_uint_eq(relay->hold_max, 5 * USEC_PER_MINUTE);
    ck_assert_ptr_eq(config_ref(c), c);
    ck_assert_ptr_null(config_unref(c));
}
END_TEST

START_TEST(every_type_is_read)
{
    static const char text[] =
        "spool = { directory = \"q\"; keep_sent = true; settle = 0.5; };\n"
        "retry = { first = 30; factor = 1.5; max = \"2h\"; give_up_after = \"1d\";\n"
        "          max_attempts = 7; };\n"
        "daemon = { stop_timeout = \"1500ms\"; };\n"
        "relays = (\n"
        "  { name = \"primary\"; host = \"[2001:db8::1]\"; port = 2525; tls = \"opportunistic\";\n"
        "    auth = \"SCRAM-SHA-256\"; user = \"app\"; password = \"\\\"pass word\\\"\";\n"
        "    max_line_length = \"64K\"; ip_version = 1; tls_protocols = 12288;\n"
        "    tls_accept_certificate = \""
        "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:"
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\";\n"
        "    hello = \"[192.0.2.1]\"; local_port = 2500; connections = 1; },\n"
        "  { host = \"second.example\"; tls = \"implicit\"; password_file = \"secret\"; user = "
        "\"u\";\n"
        "    auth_without_tls = \"yes, in clear\"; tls_key_log_file = \"/tmp/k\"; } );\n";
    _cleanup_config_ Config *c = NULL;
    char path[100];

    put("secret", "x", 0600);
    c = load(text, NULL);
    ck_assert_str_eq(c->spool.directory, place("q", path));
    ck_assert(c->spool.keep_sent);
    ck_assert_uint_eq(c->spool.settle, USEC_PER_SEC / 2);
    ck_assert_uint_eq(c->retry.first, 30 * USEC_PER_SEC);
    ck_assert_double_eq(c->retry.factor, 1.5);
    ck_assert_uint_eq(c->retry.max_attempts, 7);
    ck_assert_uint_eq(c->daemon.stop_timeout, 1500 * USEC_PER_MSEC);
    ck_assert_str_eq(c->relays[0]->name, "primary");
    ck_assert_str_eq(c->relays[0]->host, "2001:db8::1");
    ck_assert_uint_eq(c->relays[0]->port, 2525);
    ck_assert_int_eq(c->relays[0]->tls, TLS_MODE_OPPORTUNISTIC);
    ck_assert_str_eq(c->relays[0]->auth, "scram-sha-256");
    ck_assert_str_eq(secret_text(c->relays[0]->password.value), "\"pass word\"");
    ck_assert_uint_eq(c->relays[0]->max_line_bytes, 65536);
    ck_assert_int_eq(c->relays[0]->ip_version, IP_VERSION_6);
    ck_assert_str_eq(c->relays[0]->tls_protocols, "TLSv1.3");
    ck_assert_uint_eq(strlen(c->relays[0]->tls_accept_certificate), 95);
    ck_assert_uint_eq(c->relays[1]->port, 465);
    ck_assert_str_eq(c->relays[1]->name, "second.example:465");
    ck_assert_str_eq(c->relays[1]->password.file, place("secret", path));
    ck_assert_int_eq(c->relays[1]->auth_without_tls, CLEAR_AUTH_ALWAYS);
}
END_TEST

START_TEST(automatic_tls_follows_the_port)
{
    static const struct {
        const char *settings;
        unsigned port;
        TlsMode tls;
    } cases[] = {
        {"MailPort=25", 25, TLS_MODE_STARTTLS},
        {"MailPort=587", 587, TLS_MODE_STARTTLS},
        {"MailPort=465", 465, TLS_MODE_IMPLICIT},
        {"MailPort=2525", 2525, TLS_MODE_IMPLICIT},
        {"tls=implicit", 465, TLS_MODE_IMPLICIT},
        {"tls=none", 25, TLS_MODE_NONE},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_config_ Config *c = load(RELAY(""), OVERRIDES(cases[i].settings));

        ck_assert_uint_eq(c->relays[0]->port, cases[i].port);
        ck_assert_int_eq(c->relays[0]->tls, cases[i].tls);
    }
}
END_TEST

START_TEST(the_components_names_and_values_are_understood)
{
    _cleanup_config_ Config *c = load(
        "spool = { KeepQueue = \"True\"; };\n"
        "relays = ( { MailServer = \"h\"; mail_port = \"26\"; SSLStartMode = \"sslExplicit\";\n"
        "  User = \"u\"; Password = \"p\"; AuthMechanism = \"amXOAUTH2\"; AllowExtensions = "
        "\"False\";\n"
        "  SendRSET = true; ConnectionTimeout = 7; UseIPv6 = 0; SSLEnabledProtocols = \"15360\";\n"
        "  TCPKeepAlive = true; KeepAliveTime = \"5000ms\"; InBufferSize = 4096; LocalHost = "
        "\"l\";\n"
        "} );\n",
        OVERRIDES("timeout=0", "AUTHMECHANISM=4"));
    const RelayConfig *relay = c->relays[0];

    ck_assert(c->spool.keep_sent);
    ck_assert_str_eq(relay->host, "h");
    ck_assert_uint_eq(relay->port, 26);
    ck_assert_int_eq(relay->tls, TLS_MODE_STARTTLS);
    ck_assert_str_eq(relay->user, "u");
    ck_assert_str_eq(relay->auth, "plain");
    ck_assert(!relay->extensions && relay->send_rset && relay->keepalive);
    ck_assert_uint_eq(relay->connect_timeout, 7 * USEC_PER_SEC);
    ck_assert_uint_eq(relay->timeout, 0);
    ck_assert_uint_eq(relay->keepalive_time, 5 * USEC_PER_SEC);
    ck_assert_str_eq(relay->tls_protocols, "TLSv1.2 TLSv1.3");
    ck_assert_uint_eq(relay->receive_buffer, 4096);
    ck_assert_str_eq(relay->local_host, "l");
    ck_assert_ptr_null(relay->tls_ciphers);
}
END_TEST

START_TEST(hosts_are_names_or_addresses)
{
    static const char *const good[] = {"mx1.example.com", "192.0.2.1", "2001:db8::1", "[::1]",
        "fe80::1%eth0", "m\xc3\xbcsli.example", "localhost"};
    static const char *const bad[] = {"smtp://h", "h:25", "a b", "u@h", "[h]", "..", "h/x", "[]"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        char text[200];
        Config *c;

        snprintf(text, sizeof(text), "relays = ( { host = \"%s\"; } );", good[i]);
        c = load(text, NULL);
        ck_assert_ptr_null(strchr(c->relays[0]->host, '['));
        (void)config_unref(c);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        _cleanup_failure_ Failure f = {0};
        Config *c = NULL;
        char text[200];

        snprintf(text, sizeof(text), "relays = ( { host = \"%s\"; } );", bad[i]);
        ck_assert_int_eq(config_load_text("x", text, strlen(text), NULL, &c, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "x:1: relays.1.host: "));
    }
}
END_TEST

START_TEST(clear_passwords_to_this_host_are_allowed)
{
    static const char *const hosts[] = {"host=127.3.2.1", "host=::1", "host=LocalHost"};

    for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
        _cleanup_config_ Config *c = load(RELAY("auth_without_tls = true;"), OVERRIDES(hosts[i]));

        ck_assert_int_eq(c->relays[0]->auth_without_tls, CLEAR_AUTH_LOOPBACK);
    }
}
END_TEST

START_TEST(overrides_reach_what_they_name)
{
    static const char two[] = "relays = ( { name = \"a\"; host = \"h\"; timeout = 9; },\n"
                              "           { host = \"i.example\"; port = 26; } );\n";
    _cleanup_config_ Config *c =
        load(two, OVERRIDES("spool.keep_sent=true", "relays.a.port=2525", "MailPort=27", "first=2m",
                      "relays.i.example.port=28", "retry.factor=3", "RELAYS.connections=3",
                      "user=", "spool.senders=33: a=b@c.test; *: @d.test"));

    ck_assert(c->spool.keep_sent);
    ck_assert_uint_eq(c->relays[0]->port, 27);
    ck_assert_uint_eq(c->relays[1]->port, 28);
    ck_assert_uint_eq(c->relays[0]->timeout, 9 * USEC_PER_SEC);
    ck_assert_uint_eq(c->retry.first, 2 * USEC_PER_MINUTE);
    ck_assert_double_eq(c->retry.factor, 3.0);
    ck_assert_uint_eq(c->relays[1]->connections, 3);
    ck_assert_int_eq(sender_rules_check(c->spool.senders, 33, 1, "a=b@c.test", NULL), 0);
    ck_assert_int_eq(sender_rules_check(c->spool.senders, 33, 1, "a@d.test", NULL), -EBADMSG);
    expect_mistakes_of(two,
        OVERRIDES("prot=1", "nowhere.port=1", "relays.b.port=1", "port", "=5", "port=0",
            "password=x", "FirewallListener=1"),
        0600,
        "--set prot: unknown setting; did you mean \"port\"?\n"
        "--set nowhere.port: unknown section; it takes spool.NAME, retry.NAME, daemon.NAME, "
        "message.NAME, relays.RELAY.NAME or the bare name\n"
        "--set relays.b.port: there is no relay \"b\"; use a name that the configuration gives to "
        "one\n"
        "--set port: is not NAME=VALUE\n"
        "--set =: is not NAME=VALUE\n"
        "--set relays.a.port: \"0\" is out of range; it takes a port from 1 to 65535\n"
        "--set relays.i.example.port: \"0\" is out of range; it takes a port from 1 to 65535\n"
        "--set password: a secret on the command line can be read by every user; use "
        "password_file, "
        "password_command or password_credential\n"
        "--set FirewallListener: makes the component a server: outbox is a client");
}
END_TEST

START_TEST(an_override_puts_the_files_secret_aside)
{
    _cleanup_config_ Config *c = load(
        RELAY("user = \"u\"; password_command = \"x\";"), OVERRIDES("password_credential=smtp"));

    ck_assert_str_eq(c->relays[0]->password.credential, "smtp");
    ck_assert_ptr_null(c->relays[0]->password.command);
}
END_TEST

START_TEST(a_program_can_do_without_a_file)
{
    _cleanup_config_ Config *c = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(
        config_load_text(
            "", "", 0, OVERRIDES("MailServer=h", "User=u", "Password=p", "SSLStartMode=3"), &c, &f),
        0);
    ck_assert_str_eq(secret_text(c->relays[0]->password.value), "p");
    ck_assert_int_eq(c->relays[0]->tls, TLS_MODE_NONE);
    ck_assert_ptr_null(c->path);
}
END_TEST

START_TEST(of_several_authorities_the_first_that_exists_is_taken)
{
    char path[100];
    Config *c;

    put("ca.pem", "x", 0644);
    c = load(RELAY("CACertFilePaths = \"/absent/a.pem;ca.pem;/absent/b.pem\";"), NULL);
    ck_assert_str_eq(c->relays[0]->tls_ca_file, place("ca.pem", path));
    (void)config_unref(c);
}
END_TEST

START_TEST(the_sample_loads)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_config_ Config *c = NULL;
    char path[PATH_MAX];
    int r;

    snprintf(path, sizeof(path), "%s/etc/outbox.conf", getenv("srcdir") ?: ".");
    r = config_load(path, NULL, &c, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_uint_eq(c->n_relays, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/load");
    TCase *t = tcase_create("load");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, defaults_are_those_of_the_manual);
    tcase_add_test(t, every_type_is_read);
    tcase_add_test(t, automatic_tls_follows_the_port);
    tcase_add_test(t, the_components_names_and_values_are_understood);
    tcase_add_test(t, hosts_are_names_or_addresses);
    tcase_add_test(t, clear_passwords_to_this_host_are_allowed);
    tcase_add_test(t, overrides_reach_what_they_name);
    tcase_add_test(t, an_override_puts_the_files_secret_aside);
    tcase_add_test(t, a_program_can_do_without_a_file);
    tcase_add_test(t, of_several_authorities_the_first_that_exists_is_taken);
    tcase_add_test(t, the_sample_loads);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
