/* The daemon's unit, made arguments of systemd-run. */
#include <string.h>

#include "tool/check_unit.h"
#include "unit.h"

static void parse(const char *text, UnitSettings *ret)
{
    ck_assert_int_eq(unit_settings_parse(text, strlen(text), ret), 0);
}

static bool has(const UnitSettings *settings, const char *argument)
{
    for (size_t i = 0; i < settings->n; i++)
        if (strcmp(settings->arguments[i], argument) == 0)
            return true;
    return false;
}

START_TEST(what_a_service_is_given_is_taken)
{
    _cleanup_(unit_settings_done) UnitSettings settings;

    parse("# /usr/lib/systemd/system/outboxd.service\n[Unit]\nAfter=network.target\n\n[Service]\n"
          "Type=notify\nExecStart=/usr/sbin/outboxd --config /etc/x.conf\nExecReload=/bin/kill\n"
          "User = outbox \nLoadCredential=password:outbox.password\nRemoveIPC=yes\n"
          "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged\nWatchdogSec=1min\n"
          "[Install]\nWantedBy=multi-user.target\nUser=nobody\n",
        &settings);
    ck_assert_uint_eq(settings.n, 4);
    ck_assert_str_eq(settings.arguments[0], "--property=User=outbox");
    ck_assert_str_eq(settings.arguments[1], "--property=LoadCredential=password:outbox.password");
    ck_assert_str_eq(settings.arguments[2], "--property=SystemCallFilter=@system-service");
    ck_assert_str_eq(settings.arguments[3], "--property=SystemCallFilter=~@privileged");
    ck_assert_ptr_null(settings.arguments[4]);
    ck_assert_str_eq(settings.config, "/etc/x.conf");
    ck_assert_ptr_null(settings.left_out);
}
END_TEST

START_TEST(drop_ins_come_behind)
{
    _cleanup_(unit_settings_done) UnitSettings settings;

    parse("[Service]\nExecStart=/usr/sbin/outboxd --config=/etc/x.conf\nUser=outbox\n"
          "# /etc/systemd/system/outboxd.service.d/a.conf\n[Service]\nExecStart=\n"
          "ExecStart=/usr/sbin/outboxd\nUser=mail\n",
        &settings);
    ck_assert_uint_eq(settings.n, 2);
    ck_assert_str_eq(settings.arguments[1], "--property=User=mail");
    ck_assert_ptr_null(settings.config);
}
END_TEST

START_TEST(lines_go_on_behind_a_backslash)
{
    _cleanup_(unit_settings_done) UnitSettings settings;

    parse("[Service]\nEnvironment=A=1 \\\n; a comment\n  B=2\n; X=1 \\\nUMask=0077\n  # Y=1\n",
        &settings);
    ck_assert_uint_eq(settings.n, 2);
    ck_assert_str_eq(settings.arguments[0], "--property=Environment=A=1    B=2");
    ck_assert_str_eq(settings.arguments[1], "--property=UMask=0077");
}
END_TEST

START_TEST(specifiers_are_what_they_are_in_the_unit)
{
    _cleanup_(unit_settings_done) UnitSettings settings;

    parse("[Service]\nReadWritePaths=%S/%N %t/x\nEnvironment=A=100%%\nBindPaths=%h/x\nNice=%",
        &settings);
    ck_assert(has(&settings, "--property=ReadWritePaths=/var/lib/outboxd /run/x"));
    ck_assert(has(&settings, "--property=Environment=A=100%"));
    ck_assert_uint_eq(settings.n, 2);
    ck_assert_str_eq(settings.left_out, "BindPaths, Nice");
}
END_TEST

START_TEST(what_is_no_unit_gives_nothing)
{
    static const char *const texts[] = {"", "\n", "\\", "[", "=", "[Service]", "[Service]\n=\\\n",
        "User=outbox\n", "[Service]\nUser"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        _cleanup_(unit_settings_done) UnitSettings settings;

        parse(texts[i], &settings);
        ck_assert_msg(settings.n <= 1, "%s", texts[i]);
        ck_assert_ptr_null(settings.config);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool_check_unit");
    TCase *t = tcase_create("tool_check_unit");

    tcase_add_test(t, what_a_service_is_given_is_taken);
    tcase_add_test(t, drop_ins_come_behind);
    tcase_add_test(t, lines_go_on_behind_a_backslash);
    tcase_add_test(t, specifiers_are_what_they_are_in_the_unit);
    tcase_add_test(t, what_is_no_unit_gives_nothing);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
