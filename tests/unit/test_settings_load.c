/* settings: from a file and overrides to a Config. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "settings/load.h"
#include "settings/table.h"
#include "settings/value.h"
#include "unit.h"

static char directory[] = "/tmp/outbox-settings-XXXXXX";

static void make_directory(void)
{
    strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* The path of a file in the test's directory; the buffer is the test's. */
static const char *place(const char *name, char path[static 100])
{
    snprintf(path, 100, "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
    char path[100];
    _cleanup_close_ int fd =
        open(place(name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
    ck_assert_int_eq(fchmod(fd, mode), 0);
}

static Config *load(const char *text, const char *const *overrides)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;
    char path[100];
    int r;

    put("outbox.conf", text, 0600);
    r = config_load(place("outbox.conf", path), overrides, &config, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_str_eq(config->path, path);
    return config;
}

/* The mistakes of a text, each line without the directory. */
static void expect_mistakes_of(
    const char *text, const char *const *overrides, mode_t mode, const char *expected)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_config_ Config *config = NULL;
    _cleanup_buffer_ Buffer seen = {0};
    char path[100];

    put("outbox.conf", text, mode);
    ck_assert_int_eq(config_load(place("outbox.conf", path), overrides, &config, &f), -EBADMSG);
    ck_assert_ptr_null(config);
    ck_assert_int_eq(f.number, ERROR_CONFIGURATION);
    for (const char *p = failure_text(&f), *next; *p; p = next) {
        next = strstr(p, directory) ?: p + strlen(p);
        ck_assert_int_eq(buffer_append(&seen, p, (size_t)(next - p)), 0);
        if (*next)
            next += strlen(directory) + 1;
    }
    ck_assert_int_eq(buffer_append(&seen, "", 1), 0);
    ck_assert_str_eq(buffer_data(&seen), expected);
}

static void expect_mistakes(const char *text, const char *expected)
{
    expect_mistakes_of(text, NULL, 0600, expected);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RELAY(settings) "relays = ( { host = \"h\"; " settings " } );\n"

START_TEST(defaults_are_those_of_the_manual)
{
    _cleanup_config_ Config *c = load("relays = ( { host = \"mx.example.com\"; } );", NULL);
    const RelayConfig *relay = c->relays;

    ck_assert_uint_eq(c->n_relays, 1);
    ck_assert_str_eq(c->spool.directory, LOCALSTATEDIR "/spool/outbox");
    ck_assert(!c->spool.keep_sent);
    ck_assert_uint_eq(c->spool.settle, 2 * USEC_PER_SEC);
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
    ck_assert_str_eq(c->relays[0].name, "primary");
    ck_assert_str_eq(c->relays[0].host, "2001:db8::1");
    ck_assert_uint_eq(c->relays[0].port, 2525);
    ck_assert_int_eq(c->relays[0].tls, TLS_MODE_OPPORTUNISTIC);
    ck_assert_str_eq(c->relays[0].auth, "scram-sha-256");
    ck_assert_str_eq(secret_text(c->relays[0].password.value), "\"pass word\"");
    ck_assert_uint_eq(c->relays[0].max_line_bytes, 65536);
    ck_assert_int_eq(c->relays[0].ip_version, IP_VERSION_6);
    ck_assert_str_eq(c->relays[0].tls_protocols, "TLSv1.3");
    ck_assert_uint_eq(strlen(c->relays[0].tls_accept_certificate), 95);
    ck_assert_uint_eq(c->relays[1].port, 465);
    ck_assert_str_eq(c->relays[1].name, "second.example:465");
    ck_assert_str_eq(c->relays[1].password.file, place("secret", path));
    ck_assert_int_eq(c->relays[1].auth_without_tls, CLEAR_AUTH_ALWAYS);
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

        ck_assert_uint_eq(c->relays[0].port, cases[i].port);
        ck_assert_int_eq(c->relays[0].tls, cases[i].tls);
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
    const RelayConfig *relay = c->relays;

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
}
END_TEST

START_TEST(all_mistakes_are_told_at_once_with_their_lines)
{
    expect_mistakes("spool = {\n"
                    "  keep_snet = true;\n"
                    "  settle = \"2 weeks\";\n"
                    "};\n"
                    "relays = (\n"
                    "  { name = \"primary\"; host = \"h\";\n"
                    "    port = 99999;\n"
                    "    tls = \"startls\";\n"
                    "    connections = 0;\n"
                    "    pipelining = 1;\n"
                    "    user = 12;\n"
                    "  } );\n"
                    "retry = { factor = 0.5; max_attempts = -1; first = true; };\n",
        "outbox.conf:2: spool.keep_snet: unknown setting; did you mean \"keep_sent\"?\n"
        "outbox.conf:3: spool.settle: \"2 weeks\" is not such a value; it takes a duration from 0 "
        "to "
        "1h, in seconds or such as \"90s\", \"5m\" or \"2h\"\n"
        "outbox.conf:7: relays.primary.port: 99999 is out of range; it takes a port from 1 to "
        "65535\n"
        "outbox.conf:8: relays.primary.tls: \"startls\" is unknown; it takes one of \"automatic\", "
        "\"implicit\", \"starttls\", \"opportunistic\", \"none\"\n"
        "outbox.conf:9: relays.primary.connections: 0 is out of range; it takes a number from 1 to "
        "10000\n"
        "outbox.conf:10: relays.primary.pipelining: 1 is neither; it takes true or false\n"
        "outbox.conf:11: relays.primary.user: 12 is not text in quotes; it takes text in quotes, "
        "on "
        "one line\n"
        "outbox.conf:13: retry.factor: 0.5 is out of range; it takes a number from 1 to 100\n"
        "outbox.conf:13: retry.max_attempts: -1 is out of range; it takes a number from 0 to "
        "1000000000\n"
        "outbox.conf:13: retry.first: true is not such a value; it takes a duration from 1ms to "
        "30d, "
        "in seconds or such as \"90s\", \"5m\" or \"2h\"");
}
END_TEST

START_TEST(single_mistakes_say_what_would_be_right)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {"", "configuration: relays: there is no relay to deliver to; write relays = ( { host = "
             "\"smtp.example.com\"; } );"},
        {"relays = ( { port = 25; } );",
            "outbox.conf:1: relays.1: no mail server is specified; set host"},
        {"relays = ( { host = \"\"; } );",
            "outbox.conf:1: relays.1.host: \"\" is empty; it takes a host name, an IPv4 or an IPv6 "
            "address in quotes, without a port"},
        {"relays = { host = \"h\"; };",
            "outbox.conf:1: relays: is not a list of groups; write relays = ( { host = \"...\"; }, "
            "{ ... } );"},
        {"relays = ( 1 );", "outbox.conf:1: relays: holds something that is not a group; write "
                            "relays = ( { host = \"...\"; } );"},
        {"spool = 1;", "outbox.conf:1: spool: is not a group; write spool = { ... };"},
        {"relay = ( );", "outbox.conf:1: relay: unknown section; did you mean \"relays\"?"},
        {"MailPort = 25;", "outbox.conf:1: MailPort: is a setting of relays; write it there"},
        {"spool = { timeout = 3; };",
            "outbox.conf:1: spool.timeout: is a setting of relays; write it there"},
        {"spool = { zzzzzzz = 3; };",
            "outbox.conf:1: spool.zzzzzzz: unknown setting; `outbox config "
            "--help` lists all there are"},
        {RELAY("FirewallListener = true;"), "outbox.conf:1: relays.h.FirewallListener: makes the "
                                            "component a server: outbox is a client"},
        {RELAY("Subject = \"x\";"), "outbox.conf:1: relays.h.Subject: belongs to a message, not to "
                                    "the configuration; see the options of `outbox send`"},
        {RELAY("port = 25;\n MailPort = 26;"), "outbox.conf:1: relays.h.port: is set a second time "
                                               "in line 2; leave one of the two out"},
        {RELAY("tls_protocols = \"SSLv3\";"),
            "outbox.conf:1: relays.h.tls_protocols: \"SSLv3\" names an unknown or repeated "
            "version; "
            "it takes some of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3 in quotes, with blanks between "
            "them"},
        {RELAY("user = [ \"a\" ];"),
            "outbox.conf:1: relays.h.user: is a group or list; write one value"},
        {RELAY("user = \"a\nb\";"), "outbox.conf:1: relays.h.user: \"a\\x0ab\" holds a control "
                                    "character; it takes text in quotes, on one line"},
        {RELAY("hello = \"a b\";"),
            "outbox.conf:1: relays.h.hello: \"a b\" holds a blank; it takes "
            "text in quotes without blanks"},
        {RELAY("password = 123456;"),
            "outbox.conf:1: relays.h.password: *** is not text in quotes; "
            "it takes text in quotes"},
        {RELAY("timeout = 99999999999;"),
            "outbox.conf:1: relays.h.timeout: 99999999999 is out of range; it takes a duration "
            "from "
            "0 to 1d, in seconds or such as \"90s\", \"5m\" or \"2h\""},
        {RELAY("max_line_length = \"255\";"), "outbox.conf:1: relays.h.max_line_length: \"255\" is "
                                              "out of range; it takes a size from "
                                              "256 to 1M, in bytes or such as \"64K\" or \"10M\""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
    expect_mistakes(RELAY("auth = \"amAPOP\";"),
        "outbox.conf:1: relays.h.auth: \"amAPOP\" APOP is a POP3 mechanism, SMTP does not have it; "
        "it takes one of \"auto\", \"none\", \"plain\", \"login\", \"cram-md5\", \"digest-md5\", "
        "\"scram-sha-1\", \"scram-sha-1-plus\", \"scram-sha-256\", \"scram-sha-256-plus\", "
        "\"xoauth2\", \"oauthbearer\", \"external\"");
}
END_TEST

START_TEST(hosts_are_names_or_addresses)
{
    static const char *const good[] = {"mx1.example.com", "192.0.2.1", "2001:db8::1", "[::1]",
        "fe80::1%eth0",
        "b\xc3\xbc"
        "cher.example",
        "localhost"};
    static const char *const bad[] = {"smtp://h", "h:25", "a b", "u@h", "[h]", "..", "h/x", "[]"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        char text[200];
        Config *c;

        snprintf(text, sizeof(text), "relays = ( { host = \"%s\"; } );", good[i]);
        c = load(text, NULL);
        ck_assert_ptr_null(strchr(c->relays[0].host, '['));
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

START_TEST(wrong_combinations_are_refused)
{
    put("secret", "x\n", 0600);
    put("open", "x\n", 0644);
    expect_mistakes("relays = ( { name = \"a\"; host = \"h\"; },\n"
                    "           { name = \"a\"; host = \"i\"; } );",
        "outbox.conf:2: relays.a.name: an earlier relay is called the same; give each a name of "
        "its "
        "own");
    expect_mistakes(RELAY("auth_without_tls = true;"),
        "outbox.conf:1: relays.h:25.auth_without_tls: true lets a password go in clear to this "
        "host "
        "only, and the relay is another; use TLS and false, or write \"yes, in clear\"");
    expect_mistakes(RELAY("tls_key = \"secret\";"),
        "outbox.conf:1: relays.h:25.tls_key: has no certificate to go with; set tls_certificate");
    expect_mistakes(RELAY("user = \"u\"; password_file = \"secret\";\n password_command = \"x\";"),
        "outbox.conf:2: relays.h:25.password_command: the secret has two sources; leave this one "
        "or "
        "password_file out");
    expect_mistakes(RELAY("password_command = \"x\";"),
        "outbox.conf:1: relays.h:25.user: there is a password but no user; set user, or leave the "
        "password out");
    expect_mistakes_of(RELAY("user = \"u\";\n password = \"x\";"), NULL, 0644,
        "outbox.conf:2: relays.h:25.password: everyone can read the secret in this file; run "
        "`chmod "
        "o-r outbox.conf`");
    expect_mistakes(RELAY("user = \"u\"; password_file = \"open\";"),
        "outbox.conf:1: relays.h:25.password_file: everyone can read that file; run `chmod o-r "
        "open`");
    expect_mistakes(RELAY("tls_ca_file = \"none\";\n tls_ca_directory = \"open\";\n"
                          "tls_certificate = \".\";"),
        "outbox.conf:1: relays.h:25.tls_ca_file: \"none\" does not exist; create it or name "
        "another\n"
        "outbox.conf:2: relays.h:25.tls_ca_directory: \"open\" is not a directory; name one\n"
        "outbox.conf:3: relays.h:25.tls_certificate: \".\" is a directory; name a file");
    expect_mistakes(RELAY("hold_first = \"1h\";"),
        "outbox.conf:1: relays.h:25.hold_first: hold_max is shorter than hold_first; make it at "
        "least as long");
    expect_mistakes(RELAY("") "retry = { first = \"2h\"; };",
        "outbox.conf:2: retry.first: retry.max is shorter than retry.first; make it at least as "
        "long");
    expect_mistakes(RELAY("local_port = 99; connections = 2;"),
        "outbox.conf:1: relays.h:25.connections: a fixed local_port allows one connection at a "
        "time; set connections = 1 or leave local_port out");
}
END_TEST

START_TEST(clear_passwords_to_this_host_are_allowed)
{
    static const char *const hosts[] = {"host=127.3.2.1", "host=::1", "host=LocalHost"};

    for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
        _cleanup_config_ Config *c = load(RELAY("auth_without_tls = true;"), OVERRIDES(hosts[i]));

        ck_assert_int_eq(c->relays[0].auth_without_tls, CLEAR_AUTH_LOOPBACK);
    }
}
END_TEST

START_TEST(overrides_reach_what_they_name)
{
    static const char two[] = "relays = ( { name = \"a\"; host = \"h\"; timeout = 9; },\n"
                              "           { host = \"i.example\"; port = 26; } );\n";
    _cleanup_config_ Config *c = load(
        two, OVERRIDES("spool.keep_sent=true", "relays.a.port=2525", "MailPort=27", "first=2m",
                 "relays.i.example.port=28", "retry.factor=3", "RELAYS.connections=3", "user="));

    ck_assert(c->spool.keep_sent);
    ck_assert_uint_eq(c->relays[0].port, 27);
    ck_assert_uint_eq(c->relays[1].port, 28);
    ck_assert_uint_eq(c->relays[0].timeout, 9 * USEC_PER_SEC);
    ck_assert_uint_eq(c->retry.first, 2 * USEC_PER_MINUTE);
    ck_assert_double_eq(c->retry.factor, 3.0);
    ck_assert_uint_eq(c->relays[1].connections, 3);
    expect_mistakes_of(two,
        OVERRIDES("prot=1", "nowhere.port=1", "relays.b.port=1", "port", "=5", "port=0",
            "password=x", "Linger=1"),
        0600,
        "--set prot: unknown setting; did you mean \"port\"?\n"
        "--set nowhere.port: unknown section; it takes spool.NAME, retry.NAME, daemon.NAME, "
        "relays.RELAY.NAME or the bare name\n"
        "--set relays.b.port: there is no relay \"b\"; use a name that the configuration gives to "
        "one\n"
        "--set port: is not NAME=VALUE\n"
        "--set =: is not NAME=VALUE\n"
        "--set relays.a.port: \"0\" is out of range; it takes a port from 1 to 65535\n"
        "--set relays.i.example.port: \"0\" is out of range; it takes a port from 1 to 65535\n"
        "--set password: a secret on the command line can be read by every user; use "
        "password_file, "
        "password_command or password_credential\n"
        "--set Linger: is not available in this version; leave it out");
}
END_TEST

START_TEST(an_override_puts_the_files_secret_aside)
{
    _cleanup_config_ Config *c = load(
        RELAY("user = \"u\"; password_command = \"x\";"), OVERRIDES("password_credential=smtp"));

    ck_assert_str_eq(c->relays[0].password.credential, "smtp");
    ck_assert_ptr_null(c->relays[0].password.command);
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
    ck_assert_str_eq(secret_text(c->relays[0].password.value), "p");
    ck_assert_int_eq(c->relays[0].tls, TLS_MODE_NONE);
    ck_assert_ptr_null(c->path);
}
END_TEST

START_TEST(includes_keep_their_lines)
{
    char path[100];

    ck_assert_int_eq(mkdir(place("conf.d", path), 0700), 0);
    put("conf.d/retry.conf", "\xef\xbb\xbf# retry\nretry = { first = \"x\"; };", 0600);
    put("conf.d/all.conf", "@include \"retry.conf\"\ndaemon = { stop_timeout = \"y\"; };\n", 0600);
    expect_mistakes("/* @include \"nothing\"\n */\n"
                    "  @include \"conf.d/all.conf\" \n"
                    "spool = { settle = \"z\"; };\n" RELAY("port = 0;"),
        "conf.d/retry.conf:2: retry.first: \"x\" is not such a value; it takes a duration from 1ms "
        "to 30d, in seconds or such as \"90s\", \"5m\" or \"2h\"\n"
        "conf.d/all.conf:2: daemon.stop_timeout: \"y\" is not such a value; it takes a duration "
        "from "
        "0 to 1h, in seconds or such as \"90s\", \"5m\" or \"2h\"\n"
        "outbox.conf:4: spool.settle: \"z\" is not such a value; it takes a duration from 0 to 1h, "
        "in seconds or such as \"90s\", \"5m\" or \"2h\"\n"
        "outbox.conf:5: relays.h.port: 0 is out of range; it takes a port from 1 to 65535");
    expect_mistakes("\n@include \"conf.d\"",
        "outbox.conf:2: @include: cannot read conf.d: Is a directory; name a file that exists and "
        "is readable");
    expect_mistakes("@include \"absent\"",
        "outbox.conf:1: @include: cannot read absent: No such file or directory; name a file that "
        "exists and is readable");
    expect_mistakes("@include absent", "outbox.conf:1: @include: is not followed by one path; it "
                                       "takes @include \"FILE\" on a line of its own");
    expect_mistakes("#\n@include \"outbox.conf\"",
        "outbox.conf:2: @include: files include each other more than 10 deep; does one include "
        "itself?");
}
END_TEST

START_TEST(syntax_errors_have_a_line_and_advice)
{
    static const char advice[] =
        " on this line or just before it; a setting is NAME = VALUE; with text in double quotes, a "
        "group { ... }, a list ( ..., ... ), a comment begins with #";
    char expected[300];

    snprintf(expected, sizeof(expected), "outbox.conf:2: syntax: syntax error%s", advice);
    expect_mistakes("spool = {\n directory = /var/spool;\n};\n", expected);
    snprintf(expected, sizeof(expected), "outbox.conf:1: syntax: syntax error%s", advice);
    expect_mistakes("spool = {", expected);
    expect_mistakes("spool = { };\nspool = { };",
        "outbox.conf:2: syntax: a name occurs twice in one group; leave one of the two out");
}
END_TEST

START_TEST(unreadable_files_are_no_mistakes_of_the_text)
{
    _cleanup_failure_ Failure f = {0};
    Config *c = NULL;
    char path[100], expected[200];

    ck_assert_int_eq(config_load(place("absent", path), NULL, &c, &f), -ENOENT);
    snprintf(expected, sizeof(expected),
        "cannot read the configuration file %s: No such file or directory", path);
    ck_assert_str_eq(failure_text(&f), expected);
    ck_assert_int_eq(config_load(directory, NULL, &c, &f), -EISDIR);
    ck_assert_int_eq(config_load_text("x", "a\0b", 3, NULL, &c, &f), -EBADMSG);
    ck_assert_str_eq(
        failure_text(&f), "x:1: holds a NUL byte: this is not a text file; write it anew");
}
END_TEST

START_TEST(of_several_authorities_the_first_that_exists_is_taken)
{
    char path[100];
    Config *c;

    put("ca.pem", "x", 0644);
    c = load(RELAY("CACertFilePaths = \"/absent/a.pem;ca.pem;/absent/b.pem\";"), NULL);
    ck_assert_str_eq(c->relays[0].tls_ca_file, place("ca.pem", path));
    (void)config_unref(c);
}
END_TEST

START_TEST(mistakes_are_bounded)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_failure_ Failure f = {0};
    Config *c = NULL;

    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(buffer_appendf(&text, "qqqqqqqqqqqq%d = 1;\n", i), 0);
    ck_assert_int_eq(
        config_load_text("x", buffer_data(&text), buffer_size(&text), NULL, &c, &f), -EBADMSG);
    ck_assert_uint_lt(strlen(failure_text(&f)), 8000);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "mend these first"));
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
    tcase_add_test(t, all_mistakes_are_told_at_once_with_their_lines);
    tcase_add_test(t, single_mistakes_say_what_would_be_right);
    tcase_add_test(t, hosts_are_names_or_addresses);
    tcase_add_test(t, wrong_combinations_are_refused);
    tcase_add_test(t, clear_passwords_to_this_host_are_allowed);
    tcase_add_test(t, overrides_reach_what_they_name);
    tcase_add_test(t, an_override_puts_the_files_secret_aside);
    tcase_add_test(t, a_program_can_do_without_a_file);
    tcase_add_test(t, includes_keep_their_lines);
    tcase_add_test(t, syntax_errors_have_a_line_and_advice);
    tcase_add_test(t, unreadable_files_are_no_mistakes_of_the_text);
    tcase_add_test(t, of_several_authorities_the_first_that_exists_is_taken);
    tcase_add_test(t, mistakes_are_bounded);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
