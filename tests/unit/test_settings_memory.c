/* settings: memory that cannot be had is told, and never taken for an answer, at every place where
 * a call asks for some, once each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "settings/from_rules.h"
#include "settings/load.h"
#include "settings/print.h"
#include "settings/proxy.h"
#include "settings/proxy_environment.h"
#include "settings/senders.h"
#include "short_memory.h"
#include "unit.h"

/* What a whole configuration has of everything that is made of its texts. */
static const char configuration[] =
    "spool = { senders = \"0: *; nobody: @m\xc3\xbcnchen.test a@x.test; *: @x.test\"; submit = "
    "\"root\";\n"
    "  pickup = \"/srv/a\"; };\n"
    "local = { root = \"me@x.test\"; rewrite_from = \"root@*: me@m\xc3\xbcnchen.test; *@vm: "
    "*@x.test\"; };\n"
    "relays = ( { name = \"a\"; host = \"mail.m\xc3\xbcnchen.test\"; port = 587; user = \"u\";\n"
    "    password = \"secret\"; message_rate = \"14/s, 500/d\"; quiet = \"22:00-06:00\";\n"
    "    proxy_type = \"socks5\"; proxy_host = \"p.test\"; proxy_exceptions = \"*.x.test; "
    "192.0.2.0/24\"; },\n"
    "  { name = \"b\"; host = \"b.test\"; proxy_auto_detect = true; } );\n"
    "lanes = ( { name = \"bulk\"; message_rate = \"9/h\"; priority = -1; } );\n"
    "routes = ( { sender = \"*@m\xc3\xbcnchen.test <>\"; recipient = \"*.x.test\"; lane = "
    "\"bulk\";\n"
    "    header = \"X-Shop: *a*\"; relays = [\"b\", \"a\"]; },\n"
    "  { relays = [\"a\"]; } );\n";

static int load_and_print_as(ConfigFormat format, Buffer *out)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = config_load_text("test", configuration, sizeof(configuration) - 1, NULL, &config, &f);

    if (r >= 0 && config->notices)
        r = buffer_appendf(out, "%s\n", config->notices);
    return r < 0 ? r : config_print(config, NULL, NULL, format, out, &f);
}

static int load_and_print(Buffer *out)
{
    return load_and_print_as(CONFIG_FORMAT_TEXT, out);
}

static int load_and_print_json(Buffer *out)
{
    return load_and_print_as(CONFIG_FORMAT_JSON, out);
}

static int ask(Buffer *out)
{
    static const char list[] = "other.test; m\xc3\xbcnchen.test; *.b.test";
    static const char *const hosts[] = {
        "M\xc3\x9cNCHEN.test", "x.b.test", "xn--mnchen-3ya.test", "c.test"};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(hosts); i++) {
        r = proxy_exceptions_have(list, hosts[i], 25, false);
        if (r >= 0)
            r = buffer_appendf(out, "%d\n", r);
    }
    return r;
}

static int ask_environment(Buffer *out)
{
    _cleanup_failure_ Failure f = {0};
    RelayConfig *relay = relay_config_new();
    int r = relay ? proxy_environment_apply(relay, &f) : -ENOMEM;

    if (r >= 0)
        r = buffer_appendf(out, "%s %s %u %d", relay->proxy_user, relay->proxy_host,
            relay->proxy_port, relay->proxy_password.value != NULL);
    (void)relay_config_unref(relay);
    return r;
}

typedef int (*Call)(Buffer *out);

static const Call calls[] = {load_and_print, load_and_print_json, ask, ask_environment};

START_TEST(no_answer_is_made_of_memory_that_is_short)
{
    Buffer expected = {0}, out = {0};
    int r;

    ck_assert_int_eq(setenv("all_proxy", "socks5://us%20er:pass@[::1]:1080/", 1), 0);
    ck_assert_int_eq(setenv("no_proxy", "c.test, d.test", 1), 0);
    ck_assert_int_eq(calls[_i](&expected), 0);
    ck_assert_uint_gt(buffer_size(&expected), 0);
    for (unsigned k = 0;; k++) {
        n_allocations = 0;
        allocation_to_fail = k;
        r = COUNTED(calls[_i](&out));
        ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %u: %d", k, r);
        if (r == 0)
            ck_assert_msg(
                buffer_size(&out) == buffer_size(&expected) &&
                    memcmp(buffer_data(&out), buffer_data(&expected), buffer_size(&out)) == 0,
                "allocation %u: %.*s", k, (int)buffer_size(&out), buffer_data(&out));
        buffer_done(&out);
        if (n_allocations <= k)
            break;
    }
    buffer_done(&expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings: memory");
    TCase *t = tcase_create("memory");

    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, no_answer_is_made_of_memory_that_is_short, 0, (int)ELEMENTSOF(calls));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
