/* settings: what queueing needs of a configuration that is wrong elsewhere, and who may read what.
 */
#include "settings/privacy.h"
#include "settings_files.h"

#define DEFAULT_DIRECTORY LOCALSTATEDIR "/spool/outbox"

static int load_directory(const char *text, const char *const *overrides, char **ret, Failure *f)
{
    char path[100];

    put("outbox.conf", text, 0600);
    return config_load_directory(place("outbox.conf", path), overrides, ret, NULL, NULL, f);
}

static void expect_directory(
    const char *text, const char *const *overrides, int result, const char *expected)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *found = NULL;
    int r = load_directory(text, overrides, &found, &f);

    ck_assert_msg(r == result, "%s: %d, %s", text, r, failure_text(&f));
    ck_assert_msg(strcmp(found, expected) == 0, "%s: %s", text, found);
}

#define SPOOL "spool = { directory = \"/q\"; };\n"

START_TEST(what_is_wrong_elsewhere_does_not_matter)
{
    static const char *const texts[] = {
        SPOOL,
        SPOOL RELAY("port = 99999;"),
        RELAY("port = \"x\";") SPOOL,
        RELAY("pasword = \"hunter2\"; password_file = \"/nonexistent\";") SPOOL,
        SPOOL "relays = ();\nrelay = ();\nqqqq = 1;\nretry = { frist = 1; };\ndaemon = 3;\n",
        "spool = { settle = \"never\"; keep_sent = 7; directory = \"/q\"; };",
        "@include \"absent\"\n" SPOOL,
        "@include absent\n" SPOOL,
        "SPOOL : {DIRECTORY : \"/q\"}",
        /* what libconfig can make nothing of */
        "relays = ( { host = \"h\"; port = ; } );\n" SPOOL,
        "relays = ( { host = \"h; } );\n" SPOOL,
        "relays = ( { host = h } ;\n" SPOOL "}}}",
        "relays = ( { host = \"h\" } )\n/* spool = { directory = \"/no\"; } */ # spool = "
        "{\n}\n" SPOOL,
        "x = \"spool = {\";\ny = ]\n" SPOOL,
        SPOOL "relays = ( { host = \"h\\",
        "= spool\nspool\n=\n# (\n{ directory /* } */ = \"/q\" # }\n}; /*",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        expect_directory(texts[i], NULL, 0, "/q");
    expect_directory(RELAY("port = 99999;"), NULL, 0, DEFAULT_DIRECTORY);
    expect_directory("relays = (((", NULL, 0, DEFAULT_DIRECTORY);
}
END_TEST

START_TEST(what_was_left_out_may_name_another)
{
    expect_directory("@include \"absent\"\n", NULL, 1, DEFAULT_DIRECTORY);
    put("part.conf", "spool = { directory = \"/part\"; };", 0600);
    expect_directory("@include \"absent\"\n@include \"part.conf\"", NULL, 0, "/part");
}
END_TEST

START_TEST(overrides_of_others_do_not_matter)
{
    expect_directory(RELAY(""), OVERRIDES("spool.directory=/o"), 0, "/o");
    expect_directory(SPOOL, OVERRIDES("relays.other.port=2525", "MailPort=x"), 0, "/q");
}
END_TEST

START_TEST(a_directory_that_is_wrong_is_told)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"spool = { directory = 7; };", ":1: spool.directory: 7 is not text in quotes"},
        {"spool = { directory = \"\"; };", ":1: spool.directory: \"\" is empty"},
        {"spool = { diretory = \"/q\"; };",
            ":1: spool.diretory: unknown setting; did you mean \"directory\""},
        {"\nspol = { directory = \"/q\"; };", ":2: spol: unknown section; did you mean \"spool\""},
        {"directory = \"/q\";", ":1: directory: is a setting of spool"},
        {"x = ;\n\nspool = { directory = /q; };", ":3: syntax: syntax error"},
        {"x = ;\nspool = { directory = \"/q\"", ":2: syntax: syntax error"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};
        char *found = NULL;

        ck_assert_int_eq(load_directory(cases[i].text, NULL, &found, &f), -EBADMSG);
        ck_assert_ptr_null(found);
        ck_assert_msg(strstr(failure_text(&f), cases[i].words) != NULL, "%s", failure_text(&f));
    }
}
END_TEST

START_TEST(a_file_that_was_named_must_be_there)
{
    _cleanup_failure_ Failure f = {0};
    char *found = NULL;

    ck_assert_int_eq(config_load_directory("/nonexistent", NULL, &found, NULL, NULL, &f), -ENOENT);
    ck_assert_int_eq(config_load_directory(directory, NULL, &found, NULL, NULL, &f), -EISDIR);
}
END_TEST

/* ---- who may read ---- */

START_TEST(who_may_queue_may_not_read)
{
    static const QueueOwner own = {.user = 1}, shared = {1, 7}, open_to_all = {1, (gid_t)-1};
    static const struct {
        mode_t mode;
        uid_t user;
        gid_t group;
        const QueueOwner *queue;
        const char *words; /* NULL: private */
    } cases[] = {
        {0600, 1, 7, &shared, NULL},
        {0400, 0, 0, &shared, NULL},
        {0640, 0, 0, &shared, NULL},
        {0640, 0, 8, &shared, NULL},
        {0620, 1, 7, &shared, NULL},
        {0640, 1, 7, &own, NULL},
        {0640, 1, 7, &shared,
            "group 7, whose members may queue, can read the secret in F; run "
            "`chmod 600 F`"},
        {0640, 0, 7, &shared,
            "group 7, whose members may queue, can read the secret in F; run "
            "`chown 1:0 F && chmod 600 F`"},
        {0640, 0, 8, &open_to_all,
            "group 8, whose members may queue, can read the secret in F; run "
            "`chown 1:0 F && chmod 600 F`"},
        {0604, 1, 0, &own, "everyone can read the secret in F; run `chmod 600 F`"},
        {0644, 0, 7, &shared,
            "everyone can read the secret in F; run `chown 1:0 F && chmod 600 F`"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct stat st = {
            .st_mode = S_IFREG | cases[i].mode, .st_uid = cases[i].user, .st_gid = cases[i].group};
        _cleanup_free_
        char *words = NULL;

        ck_assert_int_eq(privacy_check(&st, "F", cases[i].queue, &words), cases[i].words != NULL);
        if (cases[i].words)
            ck_assert_str_eq(words, cases[i].words);
    }
}
END_TEST

START_TEST(the_directory_says_who_may_queue)
{
    QueueOwner found;
    struct stat st;

    ck_assert_int_eq(stat(directory, &st), 0);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    found = privacy_queue_owner(directory);
    ck_assert_uint_eq(found.user, geteuid());
    ck_assert_uint_eq(found.group, 0);
    ck_assert_int_eq(chmod(directory, 0730), 0);
    ck_assert_uint_eq(privacy_queue_owner(directory).group, st.st_gid);
    ck_assert_int_eq(chmod(directory, 01777), 0);
    ck_assert_uint_eq(privacy_queue_owner(directory).group, (gid_t)-1);
    ck_assert_uint_eq(privacy_queue_owner("/nonexistent").group, 0);
}
END_TEST

START_TEST(whether_messages_are_kept_is_asked_alone)
{
    static const struct {
        const char *text;
        bool keeps;
    } cases[] = {
        {"", false},
        {"spool = { keep_sent = true; };", true},
        {"spool = { keep_sent = false; directory = 5; }; nonsense = 1;", false},
        {"spool = { keep_sent = true; directory = 5; }; nonsense = 1;", true},
        {"spool = { keep_sent = \"perhaps\"; };", true},
    };
    char path[100];

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        put("outbox.conf", cases[i].text, 0600);
        ck_assert_msg(config_keeps_sent(place("outbox.conf", path), NULL) == cases[i].keeps, "%s",
            cases[i].text);
    }
    ck_assert(config_keeps_sent("/nonexistent", NULL));
    ck_assert(!config_keeps_sent("/dev/null", NULL));
    ck_assert(config_keeps_sent("/dev/null", ((const char *const[]){"keep_sent=true", NULL})));
}
END_TEST

START_TEST(all_who_may_queue_must_know_where)
{
    static const QueueOwner own = {.user = 1}, shared = {1, 7}, open_to_all = {1, (gid_t)-1};
    const struct stat private = {.st_mode = 0600, .st_gid = 7},
                      group = {.st_mode = 0640, .st_gid = 7},
                      other = {.st_mode = 0640, .st_gid = 8}, public = {.st_mode = 0644};

    ck_assert(privacy_is_readable_by_writers(&private, &own));
    ck_assert(!privacy_is_readable_by_writers(&private, &shared));
    ck_assert(privacy_is_readable_by_writers(&group, &shared));
    ck_assert(!privacy_is_readable_by_writers(&group, &open_to_all));
    ck_assert(!privacy_is_readable_by_writers(&other, &shared));
    ck_assert(privacy_is_readable_by_writers(&public, &open_to_all));
}
END_TEST

START_TEST(every_secret_of_a_relay_must_be_private)
{
    char keys[100];

    put("open", "x", 0644);
    expect_mistakes_of(RELAY("user = \"u\"; password_file = \"open\"; tls_certificate = \"open\";\n"
                             "tls_key_password_file = \"open\";"),
        NULL, 0644,
        "outbox.conf:1: relays.h:25.password_file: everyone can read the secret in open; run "
        "`chmod "
        "600 open`\n"
        "outbox.conf:2: relays.h:25.tls_key_password_file: everyone can read the secret in open; "
        "run "
        "`chmod 600 open`\n"
        "outbox.conf:1: relays.h:25.tls_certificate: everyone can read the secret in open; run "
        "`chmod 600 open`");
    put("closed", "x", 0600);
    expect_mistakes_of(RELAY("tls_certificate = \"open\"; tls_key = \"closed\";\n"
                             "auth = \"xoauth2\"; user = \"u\";\n"
                             "authorization_identity = \"hunter2\";"),
        NULL, 0644,
        "outbox.conf:3: relays.h:25.authorization_identity: everyone can read the secret in "
        "outbox.conf; run `chmod 600 outbox.conf`, or rather keep it in a file of its own "
        "(password_file)");
    ck_assert_int_eq(mkdir(place("keys", keys), 0755), 0);
    expect_mistakes_of(RELAY("tls_certificate = \"keys\";"), NULL, 0644,
        "outbox.conf:1: relays.h:25.tls_certificate: others can look into the directory keys, in "
        "which are private keys; run `chmod 700 keys`");
    ck_assert_int_eq(rmdir(keys), 0);
    expect_mistakes_of(RELAY("auth = \"oauthbearer\";"),
        OVERRIDES("authorization_identity=hunter2"), 0600,
        "--set relays.h:25.authorization_identity: without a password this is a token, and on the "
        "command line every user can read it; use password_file, password_command or "
        "password_credential");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/directory");
    TCase *t = tcase_create("directory");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, what_is_wrong_elsewhere_does_not_matter);
    tcase_add_test(t, what_was_left_out_may_name_another);
    tcase_add_test(t, overrides_of_others_do_not_matter);
    tcase_add_test(t, a_directory_that_is_wrong_is_told);
    tcase_add_test(t, a_file_that_was_named_must_be_there);
    tcase_add_test(t, who_may_queue_may_not_read);
    tcase_add_test(t, the_directory_says_who_may_queue);
    tcase_add_test(t, whether_messages_are_kept_is_asked_alone);
    tcase_add_test(t, all_who_may_queue_must_know_where);
    tcase_add_test(t, every_secret_of_a_relay_must_be_private);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
