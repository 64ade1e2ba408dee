/* daemon: the command line. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "daemon/options.h"
#include "unit.h"

static Options parsed;
static Failure failure;

static void teardown(void)
{
    options_done(&parsed);
    failure_done(&failure);
}

#define PARSE(...)                                        \
    ({                                                    \
        char *_argv[] = {(char *)"outboxd", __VA_ARGS__}; \
        parse(ELEMENTSOF(_argv) - 1, _argv);              \
    })

static int parse(int argc, char **argv)
{
    options_done(&parsed);
    failure_done(&failure);
    return options_parse(argc, argv, &parsed, &failure);
}

START_TEST(nothing_given_means_run)
{
    ck_assert_int_eq(PARSE(NULL), 0);
    ck_assert_int_eq(parsed.action, OPTIONS_RUN);
    ck_assert_int_eq(parsed.log, LOG_TARGET_AUTO);
    ck_assert_ptr_null(parsed.config_path);
    ck_assert_ptr_null(parsed.overrides);
}
END_TEST

START_TEST(every_option_is_taken)
{
    ck_assert_int_eq(
        PARSE((char *)"--config", (char *)"a.conf", (char *)"--check", (char *)"--log=stderr",
            (char *)"--set", (char *)"MailPort=2525", (char *)"--set=spool.keep_sent=true", NULL),
        0);
    ck_assert_int_eq(parsed.action, OPTIONS_CHECK);
    ck_assert_str_eq(parsed.config_path, "a.conf");
    ck_assert_int_eq(parsed.log, LOG_TARGET_STDERR);
    ck_assert_str_eq(parsed.overrides[0], "MailPort=2525");
    ck_assert_str_eq(parsed.overrides[1], "spool.keep_sent=true");
    ck_assert_ptr_null(parsed.overrides[2]);
}
END_TEST

START_TEST(help_and_version_win)
{
    ck_assert_int_eq(PARSE((char *)"--help", (char *)"--check", NULL), 0);
    ck_assert_int_eq(parsed.action, OPTIONS_HELP);
    ck_assert_int_eq(PARSE((char *)"--version", (char *)"--check", NULL), 0);
    ck_assert_int_eq(parsed.action, OPTIONS_VERSION);
    ck_assert_int_eq(PARSE((char *)"-h", (char *)"--check", NULL), 0);
    ck_assert_int_eq(parsed.action, OPTIONS_HELP);
    ck_assert_int_eq(PARSE((char *)"--check", (char *)"-hV", NULL), 0);
    ck_assert_int_eq(parsed.action, OPTIONS_VERSION);
    for (const char *const *name = (const char *const[]){"--config", "--set", "--check", "--log",
             "--version", "--help", "-h", "-V", NULL};
         *name; name++)
        ck_assert_ptr_nonnull(strstr(options_help(), *name));
}
END_TEST

START_TEST(what_is_wrong_is_said_with_what_is_right)
{
    static const struct {
        const char *argument, *words;
    } wrong[] = {
        {"--cheque", "unknown option --cheque; \"outboxd --help\""},
        {"-x", "unknown option -x;"},
        {"-hxV", "unknown option -x;"},
        {"--help=x", "option --help=x takes no value"},
        {"--config", "option --config needs a value"},
        {"--check=yes", "option --check=yes takes no value"},
        {"--log=syslog", "the targets are auto, journal and stderr"},
        {"--set=keep_sent", "a setting is NAME=VALUE"},
        {"--set==1", "a setting is NAME=VALUE"},
        {"/var/spool/outbox", "/var/spool/outbox is too much"},
    };

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        ck_assert_int_eq(PARSE((char *)wrong[i].argument, NULL), -EINVAL);
        ck_assert_int_eq(failure.number, ERROR_USAGE);
        ck_assert_msg(strstr(failure_text(&failure), wrong[i].words), "%s: %s", wrong[i].argument,
            failure_text(&failure));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/options");
    TCase *tc = tcase_create("options");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, nothing_given_means_run);
    tcase_add_test(tc, every_option_is_taken);
    tcase_add_test(tc, help_and_version_win);
    tcase_add_test(tc, what_is_wrong_is_said_with_what_is_right);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
