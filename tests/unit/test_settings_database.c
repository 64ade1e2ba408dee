/* settings: spool.database, and the password that may be in it. */
#include "config.h"

#include "settings/print.h"
#include "settings_files.h"

#define DATABASE(text) "spool = { database = \"" text "\"; };\n" RELAY("")

START_TEST(what_cannot_be_read_is_a_mistake)
{
    expect_mistakes(DATABASE("host=db password=my secret"),
        "outbox.conf:1: spool.database: \"host=db password=*** ***\" is no list of KEYWORD=VALUE; "
        "it takes a connection string of PostgreSQL in quotes, such as \"host=db.example.com "
        "dbname=shop\", or a URI postgresql://HOST/NAME");
    expect_mistakes(DATABASE("postgresql://u:hunter%2@db/shop"),
        "outbox.conf:1: spool.database: \"postgresql://u:***@db/shop\" has a \"%\" that is not "
        "followed by two hexadecimal digits (itself it is %25); "
        "it takes a connection string of PostgreSQL in quotes, such as \"host=db.example.com "
        "dbname=shop\", or a URI postgresql://HOST/NAME");
}
END_TEST

#ifdef WITH_POSTGRESQL

START_TEST(it_is_taken_as_it_stands_and_shown_without_the_password)
{
    _cleanup_config_ Config *config = load(DATABASE("host=db password=hunter2"), NULL);
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_str_eq(config->spool.database, "host=db password=hunter2");
    ck_assert_int_eq(
        config_print(config, NULL, "spool.database", CONFIG_FORMAT_TEXT, &out, NULL), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_ptr_nonnull(strstr(buffer_data(&out), "host=db password=***"));
    ck_assert_ptr_null(strstr(buffer_data(&out), "hunter2"));
}
END_TEST

START_TEST(nobody_else_reads_a_password)
{
    expect_mistakes_of(DATABASE("postgresql://u:hunter2@db/shop"), NULL, 0644,
        "outbox.conf:1: spool.database: everyone can read the secret in outbox.conf; run `chmod "
        "600 "
        "outbox.conf`, or rather keep the password in a file that passfile=FILE names");
}
END_TEST

START_TEST(no_password_on_the_command_line)
{
    expect_mistakes_of(RELAY(""), OVERRIDES("spool.database=host=db password=hunter2"), 0600,
        "--set spool.database: there is a password in it, and on the command line every user can "
        "read it; write it into a file that passfile=FILE names, or into the configuration file");
}
END_TEST

/* Whatever reads no more than the spool's settings says so, too. */
START_TEST(no_password_on_any_command_line)
{
    char path[100];
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *database = NULL;

    put("outbox.conf", RELAY(""), 0644);
    place("outbox.conf", path);
    ck_assert_int_lt(
        config_load_spool(path, OVERRIDES("database=host=db password=hunter2"), &config, &f), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "--set database: there is a password in it"));
    ck_assert_int_lt(config_load_database(path,
                         OVERRIDES("spool.database=postgresql://u:hunter2@db/shop"), &database, &f),
        0);
    ck_assert_ptr_null(strstr(failure_text(&f), "hunter2"));
}
END_TEST

START_TEST(without_a_password_everybody_may_read_it)
{
    char path[100];
    _cleanup_config_ Config *config = NULL;

    put("outbox.conf", DATABASE("service=shop"), 0644);
    ck_assert_int_eq(config_load(place("outbox.conf", path), NULL, &config, NULL), 0);
    ck_assert_str_eq(config->spool.database, "service=shop");
}
END_TEST

#else

START_TEST(a_program_without_postgresql_says_so)
{
    expect_mistakes(DATABASE("service=shop"),
        "outbox.conf:1: spool.database: this outbox was built without PostgreSQL; leave the "
        "setting out, or build it with `./configure --with-postgresql`");
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("settings database");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, what_cannot_be_read_is_a_mistake);
#ifdef WITH_POSTGRESQL
    tcase_add_test(t, it_is_taken_as_it_stands_and_shown_without_the_password);
    tcase_add_test(t, nobody_else_reads_a_password);
    tcase_add_test(t, no_password_on_the_command_line);
    tcase_add_test(t, no_password_on_any_command_line);
    tcase_add_test(t, without_a_password_everybody_may_read_it);
#else
    tcase_add_test(t, a_program_without_postgresql_says_so);
#endif
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
