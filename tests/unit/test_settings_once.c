/* settings: a value that cannot be read is one mistake, whatever stands beside it. */
#include "base/text.h"
#include "settings_files.h"

#define PAIRS_MAX 12

/* Each is right as it is. */
static const struct {
    const char *before, *pairs[PAIRS_MAX], *after;
} texts[] = {
    {"relays = ( { ",
        {"name = \"a\"", "host = \"h\"", "port = 587", "tls = \"starttls\"", "auth = \"login\"",
            "user = \"u\"", "password_command = \"/bin/true\"", "hold_first = \"2h\"",
            "hold_max = \"3h\""},
        " }, { name = \"b\"; host = \"i\"; } );\nroutes = ( { sender = \"*@x.example\"; relays = "
        "[\"a\"]; } );"},
    {"relays = ( { ",
        {"host = \"h\"", "auth = \"gssapi\"", "user = \"u\"", "kerberos_service = \"smtp\"",
            "kerberos_ccache = \"FILE:/tmp/cc\""},
        " } );"},
    {"relays = ( { ",
        {"host = \"h\"", "proxy_type = \"tunnel\"", "proxy_host = \"p\"", "proxy_port = 3128",
            "proxy_user = \"u\"", "proxy_password_command = \"/bin/true\"",
            "proxy_auth = \"basic\""},
        " } );"},
    {"relays = ( { ",
        {"host = \"h\"", "user = \"u\"", "oauth_token_url = \"https://h/token\"",
            "oauth_client_id = \"c\"", "oauth_refresh_token_command = \"/bin/true\""},
        " } );"},
    {"relays = ( { ", {"host = \"unix:/run/lmtp\"", "protocol = \"lmtp\"", "tls = \"none\""},
        " } );"},
    {"relays = ( { ", {"host = \"h\"", "local_port = 1000", "connections = 1"}, " } );"},
    {"relays = ( { ",
        {"host = \"h\"", "tls_certificate = \"/dev/null\"", "tls_key = \"/dev/null\"",
            "auth = \"external\"", "tls_verify = false"},
        " } );"},
    {"relays = ( { ", {"host = \"192.0.2.1\"", "ip_version = 0"}, " } );"},
    {"relays = ( { host = \"h\"; } );\nlanes = ( { ",
        {"name = \"bulk\"", "priority = 1", "connections = 2", "message_rate = \"9/10s\"",
            "quiet = \"22:00-06:00\""},
        " } );"},
    {"relays = ( { name = \"a\"; host = \"h\"; }, { host = \"i\"; } );\nroutes = ( { ",
        {"recipient = \"*.example\"", "relays = [\"a\"]"}, " } );"},
    {"relays = ( { host = \"h\"; } );\nretry = { ", {"first = \"2h\"", "max = \"3h\""}, " };"},
};

/* With `wrong` in the place of the pair of that number, of what is its value, or of all of it. */
static void write_text(size_t number, size_t place, const char *wrong, bool whole, Buffer *out)
{
    ck_assert_int_eq(buffer_append_string(out, texts[number].before), 0);
    for (size_t i = 0; i < PAIRS_MAX && texts[number].pairs[i]; i++) {
        const char *pair = texts[number].pairs[i];
        int n = i == place && !whole ? (int)(strchr(pair, '=') + 1 - pair) : (int)strlen(pair);

        ck_assert_int_eq(buffer_appendf(out, "%.*s%s; ", i == place && whole ? 0 : n, pair,
                             i == place ? wrong : ""),
            0);
    }
    ck_assert_int_eq(buffer_append_string(out, texts[number].after), 0);
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
}

static void expect_one(size_t number, size_t place, const char *wrong, bool whole)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_failure_ Failure f = {0};
    _cleanup_config_ Config *config = NULL;

    write_text(number, place, wrong, whole, &text);
    ck_assert_msg(config_load_text("outbox.conf", buffer_data(&text), buffer_size(&text) - 1, NULL,
                      &config, &f) == -EBADMSG,
        "%s", (const char *)buffer_data(&text));
    ck_assert_msg(!strchr(failure_text(&f), '\n'), "%s\nis told\n%s",
        (const char *)buffer_data(&text), failure_text(&f));
}

START_TEST(what_is_right_is_taken)
{
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_buffer_ Buffer text = {0};
        _cleanup_failure_ Failure f = {0};
        _cleanup_config_ Config *config = NULL;

        write_text(i, SIZE_MAX, "", false, &text);
        ck_assert_msg(config_load_text("outbox.conf", buffer_data(&text), buffer_size(&text) - 1,
                          NULL, &config, &f) == 0,
            "%s", failure_text(&f));
    }
}
END_TEST

START_TEST(a_wrong_value_is_one_mistake)
{
    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        for (size_t k = 0; k < PAIRS_MAX && texts[i].pairs[k]; k++)
            expect_one(i, k, "{ }", false);
}
END_TEST

START_TEST(a_wrong_name_is_one_mistake)
{
    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        for (size_t k = 0; k < PAIRS_MAX && texts[i].pairs[k]; k++)
            expect_one(i, k, "unheard_of = 1", true);
}
END_TEST

START_TEST(a_text_that_is_none_is_one_mistake)
{
    static const char *const texts_of_lanes[] = {"\"a b\"", "\"\"", "5", "\"-x\"", "true"};

    for (size_t i = 0; i < ELEMENTSOF(texts_of_lanes); i++)
        expect_one(8, 0, texts_of_lanes[i], false);
    expect_one(0, 1, "\"h:25\"", false);
    expect_one(0, 2, "99999", false);
    expect_one(0, 4, "\"logni\"", false);
    expect_one(0, 5, "\"\"", false);
    expect_one(9, 1, "5", false);
}
END_TEST

/* What is wrong by itself beside it is another one, and told as well. */
START_TEST(two_are_two)
{
    expect_mistakes("relays = ( { host = \"h\"; port = 0; hello = \"[x]\"; } );",
        "outbox.conf:1: relays.h.port: 0 is out of range; it takes a port from 1 to 65535\n"
        "outbox.conf:1: relays.h:25.hello: \"[x]\" holds no address in its brackets; it takes a "
        "host's full name, or its address as in \"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\"");
    expect_mistakes("relays = ( { host = \"h\"; port = 0; }, { name = \"b\"; host = \"h\"; auth = "
                    "\"login\"; } );",
        "outbox.conf:1: relays.h.port: 0 is out of range; it takes a port from 1 to 65535\n"
        "outbox.conf:1: relays.b.auth: \"login\" logs in, and there is no user; set user, or leave "
        "auth out");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/once");
    TCase *t = tcase_create("once");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, what_is_right_is_taken);
    tcase_add_test(t, a_wrong_value_is_one_mistake);
    tcase_add_test(t, a_wrong_name_is_one_mistake);
    tcase_add_test(t, a_text_that_is_none_is_one_mistake);
    tcase_add_test(t, two_are_two);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
