/* settings: every kind of mistake, told with its place and what would be right. */
#include "settings/table.h"
#include "settings_files.h"

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
        "outbox.conf:8: relays.primary.tls: \"startls\" is unknown; did you mean \"starttls\"?; it "
        "takes one of \"automatic\", "
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

/* Errors 163 and 102 */
START_TEST(a_relay_without_a_host_has_numbers_of_its_own)
{
    static const struct {
        const char *text;
        int number;
        const char *mistake;
    } cases[] = {
        {"", 163,
            "configuration: relays: there is no relay to deliver to; write relays = ( { host = "
            "\"smtp.example.com\"; } );"},
        {"relays = ( { port = 25; } );", 163,
            "outbox.conf:1: relays.1: no mail server is specified; set host"},
        {"relays = ( { host = \"\"; } );", 163,
            "outbox.conf:1: relays.1.host: \"\" is empty; it takes a host name, an IPv4 or an IPv6 "
            "address in quotes, without a port"},
        {"relays = ( { host = \"0.0.0.0\"; } );", 102,
            "outbox.conf:1: relays.0.0.0.0.host: \"0.0.0.0\" is no server's address but stands for "
            "any of this host's; write 127.0.0.1 or ::1 for this host, or the relay's name"},
        {"relays = ( { name = \"a\"; host = \"[::]\"; } );", 102,
            "outbox.conf:1: relays.a.host: \"::\" is no server's address but stands for "
            "any of this host's; write 127.0.0.1 or ::1 for this host, or the relay's name"},
        {"relays = ( { name = \"a\"; host = \"::ffff:0.0.0.0\"; } );", 102,
            "outbox.conf:1: relays.a.host: \"::ffff:0.0.0.0\" is no server's address but stands "
            "for "
            "any of this host's; write 127.0.0.1 or ::1 for this host, or the relay's name"},
        {"relays = ( { }, { } );", ERROR_CONFIGURATION,
            "outbox.conf:1: relays.1: no mail server is specified; set host\n"
            "outbox.conf:1: relays.2: no mail server is specified; set host"},
    };
    char path[100];
    Config *config = NULL;
    _cleanup_failure_ Failure f = {0};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes_numbered(cases[i].text, NULL, 0600, cases[i].number, cases[i].mistake);
    put("outbox.conf", "relays = ( { host = \"h\"; } );", 0600);
    ck_assert_int_eq(config_load(place("outbox.conf", path), (const char *[]){"host=0.0.0.0", NULL},
                         &config, &f),
        -EBADMSG);
    ck_assert_int_eq(f.number, 102);
    config_unref(load("relays = ( { host = \"h\"; local_host = \"0.0.0.0\"; } );", NULL));
}
END_TEST

START_TEST(misplaced_settings_say_what_would_be_right)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {"relays = { host = \"h\"; };",
            "outbox.conf:1: relays: is not a list of groups; write relays = ( { host = \"...\"; }, "
            "{ ... } );"},
        {"relays = ( 1 );", "outbox.conf:1: relays: holds something that is not a group; write "
                            "relays = ( { host = \"...\"; } );"},
        {"local = { root = \"|run\"; };",
            "outbox.conf:1: local.root: \"|run\" is no address: outbox runs no command and "
            "delivers "
            "to no file or mailbox; write addresses such as \"me@example.org\""},
        {"local = {\n aliases = \"/nowhere/a\"; };", "outbox.conf:2: local.aliases: /nowhere/a: No "
                                                     "such file or directory; leave the setting "
                                                     "out where there is none"},
        {"local = { domain = \"192.0.2.1\"; };",
            "outbox.conf:1: local.domain: \"192.0.2.1\" is an address and no domain; write a name "
            "such as \"example.org\""},
        {"local = {\n rewrite_from = \"root@*: me@example.org; a@b: **@c\"; };",
            "outbox.conf:2: local.rewrite_from: \"root@*: me@example.org; a@b: **@c\" has \"**@c\" "
            "behind "
            "a "
            "colon, with more than one *: it stands once, for all before the @, as in "
            "\"*@example.org\""},
        {"local = { rot = \"a@b.test\"; };",
            "outbox.conf:1: local.rot: unknown setting; did you mean \"root\"?"},
        {"spool = 1;", "outbox.conf:1: spool: is not a group; write spool = { ... };"},
        {"spool = {\n senders = \"root: *;\"\n \"nobody-of-that-name: *\"; };",
            "outbox.conf:2: spool.senders: \"root: *;nobody-of-that-name: *\" names the user "
            "\"nobody-of-that-name\", whom this system does not know; it takes rules "
            "\"USER...: SENDER...\" in quotes, with ; between them"},
        {"spool = { senders = ( \"root: *\" ); };",
            "outbox.conf:1: spool.senders: is a group or list; write one value"},
        {"spool = { senders = \"root: \t*\"; };",
            "outbox.conf:1: spool.senders: \"root: \\x09*\" holds a control character: in quotes a "
            "backslash begins an escape such as \\n, the end of a line; write two for one; it "
            "takes "
            "rules \"USER...: SENDER...\" in quotes, with ; between them"},
        {"relays = ( { host = \"h\"; user = \"x\"; password = \"sec\\ret\"; } );",
            "outbox.conf:1: relays.h.password: \"***\" holds a control character: "
            "in "
            "quotes a backslash begins an escape such as \\n, the end of a line; write two for "
            "one; it "
            "takes text in quotes"},
        {"relay = ( );", "outbox.conf:1: relay: unknown section; did you mean \"relays\"?"},
        {"MailPort = 25;", "outbox.conf:1: MailPort: is a setting of relays; write it there"},
        {"spool = { timeout = 3; };",
            "outbox.conf:1: spool.timeout: is a setting of relays; write it there"},
        {"spool = { zzzzzzz = 3; };",
            "outbox.conf:1: spool.zzzzzzz: unknown setting; `outbox config "
            "--explain` lists all there are"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
}
END_TEST

START_TEST(a_user_is_one_of_this_system)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {"spool = {\n submit_network_user = \"nobody-of-that-name\"; };",
            "outbox.conf:2: spool.submit_network_user: \"nobody-of-that-name\" names the user "
            "\"nobody-of-that-name\", whom this system does not know; it takes a user in quotes, "
            "by "
            "name or number"},
        {"spool = {\n submit_network_user = \"4294967295\"; };",
            "outbox.conf:2: spool.submit_network_user: \"4294967295\" has a number that no user "
            "can have: 4294967295; it takes a user in quotes, by name or number"},
        {"spool = {\n submit_network_user = 64103; };",
            "outbox.conf:2: spool.submit_network_user: 64103 is not text in quotes; it takes a "
            "user in quotes, by name or number"},
        {"spool = {\n submit_network_user = \"\"; };",
            "outbox.conf:2: spool.submit_network_user: \"\" is empty; it takes a user in "
            "quotes, "
            "by name or number"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        expect_mistakes(cases[i].text, cases[i].mistake);
    config_unref(load("spool = { submit_network_user = \"64103\"; };\n"
                      "relays = ( { host = \"h\"; } );",
        NULL));
}
END_TEST

START_TEST(wrong_values_say_what_would_be_right)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
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
        {RELAY("user = \"a\nb\";"),
            "outbox.conf:1: relays.h.user: \"a\\x0ab\" holds a control "
            "character: in quotes a backslash begins an escape such as \\n, "
            "the end of a line; write two for one; it takes text in quotes, "
            "on one line"},
        {RELAY("local_host = \"\xef\xbc\x9e.example\";"),
            "outbox.conf:1: relays.h.local_host: \"\xef\xbc\x9e.example\" cannot be the name of a "
            "host: "
            "correct it; it takes a host name, an IPv4 or an IPv6 address in quotes, without a "
            "port"},
        {RELAY("hello = \"a b\";"),
            "outbox.conf:1: relays.h.hello: \"a b\" holds a blank; it takes "
            "text in quotes without blanks"},
        {RELAY("hello = \"mail\\\\host\";"),
            "outbox.conf:1: relays.h:25.hello: \"mail\\host\" is not a host name; it takes a "
            "host's "
            "full name, or its address as in \"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\""},
        {RELAY("hello = \"192.0.2.1\";"),
            "outbox.conf:1: relays.h:25.hello: \"192.0.2.1\" is an address without its brackets; "
            "it "
            "takes a host's full name, or its address as in \"[192.0.2.1]\" or "
            "\"[IPv6:2001:db8::1]\""},
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
        "outbox.conf:1: relays.h.auth: \"amAPOP\" is a mechanism of POP3, which SMTP does not "
        "have; "
        "it takes one of \"auto\", \"none\", \"plain\", \"login\", \"cram-md5\", \"digest-md5\", "
        "\"scram-sha-1\", \"scram-sha-1-plus\", \"scram-sha-256\", \"scram-sha-256-plus\", "
        "\"xoauth2\", \"oauthbearer\", \"external\", \"ntlm\", \"gssapi\"");
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
    expect_mistakes(RELAY("tls_verify = false; tls_accept_certificate = \"secret\";"),
        "outbox.conf:1: relays.h:25.tls_accept_certificate: tls_verify = false accepts any "
        "certificate, and this one in particular says otherwise; leave one of the two out");
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
        "outbox.conf:2: relays.h:25.password: everyone can read the secret in outbox.conf; run "
        "`chmod 600 outbox.conf`, or rather keep it in a file of its own (password_file)");
    expect_mistakes(RELAY("user = \"u\"; password_file = \"open\";"),
        "outbox.conf:1: relays.h:25.password_file: everyone can read the secret in open; run "
        "`chmod 600 open`");
    expect_mistakes(RELAY("user = \"u\"; tls_ca_file = \"none\";\n tls_ca_directory = \"open\";\n"
                          "password_file = \".\";"),
        "outbox.conf:3: relays.h:25.password_file: \".\" is a directory; name a file\n"
        "outbox.conf:1: relays.h:25.tls_ca_file: \"none\" does not exist; create it or name "
        "another\n"
        "outbox.conf:2: relays.h:25.tls_ca_directory: \"open\" is not a directory; name one");
    expect_mistakes(RELAY("tls_certificate_subject = \"CN=a\";"),
        "outbox.conf:1: relays.h:25.tls_certificate_subject: has no certificate to go with; set "
        "tls_certificate");
    expect_mistakes(RELAY("tls_certificate = \"none\";\n tls_key = \"store:mine\";\n"),
        "outbox.conf:2: relays.h.tls_key: \"store:mine\" is no such store; it takes the path of "
        "an existing file or directory, a pkcs11: URI, \"store:user\" or \"store:machine\", in "
        "quotes\n"
        "outbox.conf:1: relays.h:25.tls_certificate: \"none\" does not exist; create it or name "
        "another");
    expect_mistakes(RELAY("tls_certificate = \"pkcs11:token=a?pin-value=1234\";"),
        "outbox.conf:1: relays.h.tls_certificate: the URI holds a PIN (pin-value), which "
        "everybody would see; leave it out there, and set tls_key_password_file");
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

/* The relays that it sets are not known: nothing is said of what an override leaves open. */
START_TEST(syntax_error_beside_overrides_is_the_only_mistake)
{
    static const char *const overrides[][2] = {
        {"relays.port=25", NULL}, {"relays.smtp.port=25", NULL}, {"spool.settle=1s", NULL}};

    for (size_t i = 0; i < ELEMENTSOF(overrides); i++) {
        _cleanup_failure_ Failure f = {0};
        Config *config = NULL;
        char path[100];

        put("outbox.conf", "relays = ({\n name = \"smtp\"; host = \"a.org\"; port = ;\n});\n",
            0600);
        ck_assert_int_eq(
            config_load(place("outbox.conf", path), overrides[i], &config, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "outbox.conf:2: syntax: syntax error"));
        ck_assert_ptr_null(strstr(failure_text(&f), "--set"));
        ck_assert_ptr_null(strstr(failure_text(&f), "no mail server"));
    }
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
        "there is no configuration file %s; make one, or name it with --config", path);
    ck_assert_str_eq(failure_text(&f), expected);
    ck_assert_int_eq(config_load(directory, NULL, &c, &f), -EISDIR);
    ck_assert_int_eq(config_load_text("x", "a\0b", 3, NULL, &c, &f), -EBADMSG);
    ck_assert_str_eq(
        failure_text(&f), "x:1: holds a NUL byte: this is not a text file; write it anew");
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

START_TEST(a_login_needs_what_it_shows)
{
    _cleanup_config_ Config *by_socket = NULL, *by_certificate = NULL;

    expect_mistakes(RELAY("auth = \"plain\";"),
        "outbox.conf:1: relays.h:25.auth: \"plain\" logs in, and there is no user; set user, or "
        "leave auth out");
    expect_mistakes(RELAY("auth = \"external\";"),
        "outbox.conf:1: relays.h:25.auth: \"external\" shows who we are by a client certificate, "
        "and there is none; set tls_certificate");
    expect_mistakes(RELAY("auth = \"external\"; tls = \"none\"; tls_certificate = \"/dev/null\";"),
        "outbox.conf:1: relays.h:25.auth: \"external\" shows who we are by the client certificate, "
        "and without TLS none is shown; set tls = \"starttls\" or \"implicit\"");
    by_socket = load("relays = ( { host = \"unix:/run/s\"; auth = \"external\"; } );\n", NULL);
    ck_assert_ptr_null(by_socket->notices);
    put("password", "x\n", 0600);
    by_certificate =
        load(RELAY("auth = \"external\"; tls_certificate = \"/dev/null\"; user = \"u\"; "
                   "password_file = \"password\";"),
            NULL);
    ck_assert_ptr_nonnull(by_certificate->notices);
    ck_assert_ptr_nonnull(strstr(by_certificate->notices, "the password is never used"));
}
END_TEST

START_TEST(lmtp_cannot_stop_on_errors)
{
    expect_mistakes(RELAY("protocol = \"lmtp\"; stop_on_cc_errors = true;"),
        "outbox.conf:1: relays.h:24.stop_on_cc_errors: LMTP refuses recipients after the content, "
        "too, when others have it; leave stop_on_cc_errors out, or protocol");
}
END_TEST

#define OAUTH                                                                    \
    "user = \"u\"; oauth_token_url = \"https://h/t\"; oauth_client_id = \"c\"; " \
    "oauth_grant = \"client-credentials\";\n"
#define PROXY "proxy_type = \"tunnel\"; proxy_host = \"p\"; "
#define READ_BY_ALL                                                                   \
    ": everyone can read the secret in outbox.conf; run `chmod 600 outbox.conf`, or " \
    "rather keep it in a file of its own "

/* The advice names the setting that takes the file of that very secret. */
START_TEST(a_secret_in_an_open_file_is_sent_to_its_own_setting)
{
    expect_mistakes_of(RELAY(OAUTH "oauth_client_secret = \"x\";"), NULL, 0644,
        "outbox.conf:2: relays.h:25.oauth_client_secret" READ_BY_ALL "(oauth_client_secret_file)");
    expect_mistakes_of(RELAY(PROXY "proxy_user = \"u\";\n proxy_password = \"x\";"), NULL, 0644,
        "outbox.conf:2: relays.h:25.proxy_password" READ_BY_ALL "(proxy_password_file)");
    expect_mistakes_of(RELAY(PROXY "\n proxy_data = \"Proxy-Authorization: Basic dTpw\";"), NULL,
        0644,
        "outbox.conf:2: relays.h:25.proxy_data" READ_BY_ALL "(proxy_user and proxy_password_file)");
}
END_TEST

/* The key of a gateway is as secret as a password, and one that has a setting belongs there. */
START_TEST(secrets_in_a_url_are_told_and_not_shown)
{
    put("f", "x\n", 0600);
    expect_mistakes_of(RELAY("user = \"u\"; oauth_client_id = \"c\"; oauth_token_file = \"f\"; "
                             "oauth_token_url = \"https://h/t\";\n"
                             "oauth_device_url = \"https://h/d?code=HIDDEN\";"),
        NULL, 0644,
        "outbox.conf:2: relays.h:25.oauth_device_url: everyone can read the secret in "
        "outbox.conf; run `chmod 600 outbox.conf`");
    expect_mistakes(RELAY("user = \"u\"; oauth_client_id = \"c\"; oauth_token_url = "
                          "\"https://h/t?p=1&Client_Secret=HIDDEN\"; oauth_token_file = \"t\";"),
        "outbox.conf:1: relays.h:25.oauth_token_url: there is a secret (client_secret) in the URL; "
        "leave it out, and set oauth_client_secret_file, which is sent with each request");
    expect_mistakes(RELAY("user = \"u\"; oauth_client_id = \"c\"; oauth_token_url = "
                          "\"http://h/t?p=1&sig=HIDDEN\"; oauth_token_file = \"t\";"),
        "outbox.conf:1: relays.h:25.oauth_token_url: \"http://h/t?p=1&sig=***\" would show secrets "
        "to everybody on the way; write https://");
}
END_TEST

/* A file that is written later needs its directory by then, whichever setting names it. */
START_TEST(a_file_to_be_written_needs_its_directory)
{
    put("file", "x\n", 0600);
    expect_mistakes(RELAY("tls_mta_sts = \"try\"; tls_mta_sts_domain = \"x.test\"; "
                          "tls_key_log_file = \"none/keys\";\n "
                          "tls_mta_sts_file = \"file/sts\";"),
        "outbox.conf:1: relays.h:25.tls_key_log_file: \"none/keys\" cannot be written: there is no "
        "directory \"none\"; create it or name another file\n"
        "outbox.conf:2: relays.h:25.tls_mta_sts_file: \"file/sts\" cannot be written: there is no "
        "directory \"file\"; create it or name another file");
    expect_mistakes(RELAY("user = \"u\"; oauth_token_url = \"https://h/t\"; oauth_client_id = "
                          "\"c\";\n oauth_token_file = \"a/b/t\";"),
        "outbox.conf:2: relays.h:25.oauth_token_file: \"a/b/t\" cannot be written: there is no "
        "directory \"a/b\"; create it or name another file");
    expect_mistakes(RELAY("tls_key_log_file = \".\";"),
        "outbox.conf:1: relays.h:25.tls_key_log_file: \".\" is a directory; name a file");
}
END_TEST

START_TEST(a_reset_connection_does_not_linger)
{
    _cleanup_config_ Config *config = load(RELAY("linger = false; linger_time = \"5s\";"), NULL);

    ck_assert_ptr_nonnull(config->notices);
    ck_assert_ptr_nonnull(strstr(config->notices, ":1: relays.h:25.linger_time: has no effect"));
}
END_TEST

/* A login that stands in a host, where there can be none, is not told. */
START_TEST(what_may_be_a_password_is_not_told)
{
    char many[300];

    snprintf(many, sizeof(many), "relays = ( { host = \"u:%0150d@h\"; } );", 0);
    expect_mistakes(many,
        "outbox.conf:1: relays.1.host: \"***@h\" seems to hold a port, which is a setting of its "
        "own; it takes a host name, an IPv4 or an IPv6 address in quotes, without a port");
    expect_mistakes("relays = ( { host = \"h\"; proxy_type = \"tunnel\"; proxy_host = "
                    "\"http://u:secret@p\"; } );",
        "outbox.conf:1: relays.h.proxy_host: \"http://***@p\" looks like a URL; it takes a host "
        "name, an IPv4 or an IPv6 address in quotes, without a port");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/mistakes");
    TCase *t = tcase_create("mistakes");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, all_mistakes_are_told_at_once_with_their_lines);
    tcase_add_test(t, a_relay_without_a_host_has_numbers_of_its_own);
    tcase_add_test(t, what_may_be_a_password_is_not_told);
    tcase_add_test(t, misplaced_settings_say_what_would_be_right);
    tcase_add_test(t, a_user_is_one_of_this_system);
    tcase_add_test(t, wrong_values_say_what_would_be_right);
    tcase_add_test(t, wrong_combinations_are_refused);
    tcase_add_test(t, includes_keep_their_lines);
    tcase_add_test(t, syntax_errors_have_a_line_and_advice);
    tcase_add_test(t, syntax_error_beside_overrides_is_the_only_mistake);
    tcase_add_test(t, unreadable_files_are_no_mistakes_of_the_text);
    tcase_add_test(t, mistakes_are_bounded);
    tcase_add_test(t, a_login_needs_what_it_shows);
    tcase_add_test(t, lmtp_cannot_stop_on_errors);
    tcase_add_test(t, a_reset_connection_does_not_linger);
    tcase_add_test(t, a_secret_in_an_open_file_is_sent_to_its_own_setting);
    tcase_add_test(t, secrets_in_a_url_are_told_and_not_shown);
    tcase_add_test(t, a_file_to_be_written_needs_its_directory);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
