/* settings: the rules for senders: how they are read, and whom they let name what. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "settings/senders.h"
#include "unit.h"

enum { ALICE = 1001, BOB = 1002, CAROL = 1003, DAEMON = 990, OTHER = 4711 };

static int lookup(const char *name, uid_t *ret)
{
    static const struct {
        const char *name;
        uid_t number;
    } users[] = {{"alice", ALICE}, {"bob", BOB}, {"alias", BOB}, {"car.ol$", CAROL}};

    if (strcmp(name, "broken") == 0)
        return -EIO;
    if (strcmp(name, "short") == 0)
        return -ENOMEM;
    for (size_t i = 0; i < ELEMENTSOF(users); i++)
        if (strcmp(users[i].name, name) == 0) {
            *ret = users[i].number;
            return 0;
        }
    return -ENOENT;
}

static SenderRules *parse(const char *text)
{
    _cleanup_failure_ Failure f = {0};
    SenderRules *rules = NULL;
    int r = sender_rules_parse(text, lookup, &rules, &f);

    ck_assert_msg(r == 0, "%s: %s", text, failure_text(&f));
    ck_assert_str_eq(sender_rules_text(rules), text);
    return rules;
}

static bool may(const SenderRules *rules, uid_t user, const char *sender)
{
    _cleanup_failure_ Failure f = {0};
    int r = sender_rules_check(rules, user, DAEMON, sender, &f);

    ck_assert(r == 0 || (r == -EBADMSG && f.number == ERROR_SENDER));
    return r == 0;
}

static void expect_refusal(const char *text, uid_t user, const char *sender, const char *words)
{
    _cleanup_(sender_rules_unref_p) SenderRules *rules = parse(text);
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(sender_rules_check(rules, user, DAEMON, sender, &f), -EBADMSG);
    ck_assert_int_eq(f.number, ERROR_SENDER);
    ck_assert_str_eq(failure_text(&f), words);
}

START_TEST(a_sender_is_an_address_a_domain_the_null_one_or_any)
{
    static const struct {
        const char *allowed, *sender;
        bool result;
    } cases[] = {
        {"a@example.org", "a@example.org", true},
        {"a@example.org", "a@EXAMPLE.Org", true},
        {"a@Example.ORG", "a@example.org", true},
        {"a@example.org", "A@example.org", false},
        {"a@example.org", "a@example.org.evil.test", false},
        {"a@example.org", "a@example.or", false},
        {"a@example.org", "aa@example.org", false},
        {"a@example.org", "", false},
        {"a@example.org", "\"a@example.org\"@evil.test", false},
        {"@example.org", "a@example.org", true},
        {"@example.org", "a@EXAMPLE.org", true},
        {"@example.org", "\"a b@c\"@example.org", true},
        {"@example.org", "a@sub.example.org", false},
        {"@example.org", "a@xexample.org", false},
        {"@example.org", "\"a@example.org\"@evil.test", false},
        {"@example.org", "", false},
        {"<>", "", true},
        {"<>", "a@example.org", false},
        {"*", "a@example.org", true},
        {"*", "", true},
        {"a+b=c!#$%&'/?^_`{|}~.d@example.org", "a+b=c!#$%&'/?^_`{|}~.d@example.org", true},
        {"@bücher.example", "a@bücher.example", true},
        {"@bücher.example", "a@XN--bcher-kva.example", true},
        {"@xn--bcher-kva.example", "a@Bücher.example", true},
        {"a@bücher.example", "a@xn--bcher-kva.example", true},
        {"a@bücher.example", "a@bucher.example", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char text[100];
        SenderRules *rules;

        snprintf(text, sizeof(text), "alice: %s", cases[i].allowed);
        rules = parse(text);
        ck_assert_msg(may(rules, ALICE, cases[i].sender) == cases[i].result, "%s, %s",
            cases[i].allowed, cases[i].sender);
        rules = sender_rules_unref(rules);
    }
}
END_TEST

START_TEST(rules_are_for_who_is_named_and_the_star_for_everybody_else)
{
    _cleanup_(sender_rules_unref_p) SenderRules *rules =
        parse("alice, bob car.ol$:@a.test,<>;;  33 : shop@b.test ;alias: @c.test; *: x@d.test;");

    ck_assert(may(rules, ALICE, "1@a.test") && may(rules, ALICE, ""));
    ck_assert(may(rules, CAROL, "1@a.test"));
    ck_assert(!may(rules, ALICE, "1@c.test"));
    /* All rules that name a user hold, under whatever name. */
    ck_assert(may(rules, BOB, "1@a.test") && may(rules, BOB, "1@c.test"));
    ck_assert(may(rules, 33, "shop@b.test") && !may(rules, 33, "1@a.test"));
    ck_assert(may(rules, OTHER, "x@d.test") && !may(rules, OTHER, "1@a.test"));
    ck_assert(!may(rules, ALICE, "x@d.test") && !may(rules, 33, "x@d.test"));
    /* Whose the machine, or the queue, is. */
    ck_assert(may(rules, 0, "any@where.test") && may(rules, DAEMON, "any@where.test"));
    ck_assert(!may(rules, FILE_OWNER_UNKNOWN, "any@where.test"));
}
END_TEST

START_TEST(without_rules_everybody_may_name_any)
{
    ck_assert(may(NULL, OTHER, "a@b.test") && may(NULL, OTHER, ""));
    ck_assert_ptr_null(sender_rules_ref(NULL));
    ck_assert_ptr_null(sender_rules_unref(NULL));
}
END_TEST

START_TEST(a_refusal_says_who_which_sender_and_what_is_allowed)
{
    expect_refusal("alice: a@b.test; bob: @b.test; alice: <>; *: *", ALICE, "c@b.test",
        "user 1001 (alice) may not name the sender <c@b.test>: spool.senders allows a@b.test <>");
    expect_refusal("33: a@b.test", 33, "",
        "user 33 may not name the sender <>: spool.senders allows a@b.test");
    expect_refusal("alice: a@b.test", OTHER, "c@b.test",
        "user 4711 may not name the sender <c@b.test>: spool.senders has no rule for this user, "
        "nor one for *");
    expect_refusal("alice: *; *: a@b.test @c.test", OTHER, "c@b.test",
        "user 4711 may not name the sender <c@b.test>: spool.senders allows a@b.test @c.test");
}
END_TEST

START_TEST(a_refusal_of_very_many_senders_is_short)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_(sender_rules_unref_p) SenderRules *rules = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(buffer_append_string(&text, "alice:"), 0);
    for (unsigned i = 0; i < 10000; i++)
        ck_assert_int_eq(buffer_appendf(&text, " u%u@b.test", i), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    rules = parse(buffer_data(&text));
    ck_assert(may(rules, ALICE, "u9999@b.test"));
    ck_assert_int_eq(sender_rules_check(rules, ALICE, DAEMON, "x@b.test", &f), -EBADMSG);
    ck_assert_uint_lt(strlen(failure_text(&f)), 500);
    ck_assert(text_ends(failure_text(&f), " ..."));
}
END_TEST

START_TEST(what_is_no_rule_is_told)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"alice @a.test", "has no colon between users and senders in \"alice @a.test\""},
        {"alice: *; bob", "has no colon between users and senders in \" bob\""},
        {": @a.test", "has a rule with nobody before the colon"},
        {"alice:", "has a rule without a sender behind the colon"},
        {"alice: , ;bob: *", "has a rule without a sender behind the colon"},
        {";", "holds no rule"},
        {"eve: *", "names the user \"eve\", whom this system does not know"},
        {"broken: *", "names the user \"broken\", who cannot be looked up (Input/output error)"},
        {"@staff: *", "has \"@staff\" where a user is to stand; groups have no rules, name their "
                      "members"},
        {"4294967295: *", "has a number that no user can have: 4294967295"},
        {"99999999999999999999999: *",
            "has a number that no user can have: 99999999999999999999999"},
    };
    static const char *const no_senders[] = {"bob", "@", "a@", "*@a.test", "a@*", "@*.test",
        "*a@b.test", "<a@b.test>", "\"a\"@b.test", "a@b@c.test", "a@[192.0.2.1]", "a@b.test:25",
        "**", "<", "a@.b", "bob:", "a@x/y"};
    SenderRules *rules = NULL;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};

        ck_assert_int_eq(sender_rules_parse(cases[i].text, lookup, &rules, &f), -EINVAL);
        ck_assert_str_eq(failure_text(&f), cases[i].words);
    }
    for (size_t i = 0; i < ELEMENTSOF(no_senders); i++) {
        _cleanup_failure_ Failure f = {0};
        char text[100], words[100];

        snprintf(text, sizeof(text), "alice: @a.test %s", no_senders[i]);
        snprintf(words, sizeof(words), "has \"%s\" where a sender is to stand", no_senders[i]);
        ck_assert_int_eq(sender_rules_parse(text, lookup, &rules, &f), -EINVAL);
        ck_assert_msg(strstr(failure_text(&f), words), "%s: %s", no_senders[i], failure_text(&f));
    }
    ck_assert_int_eq(sender_rules_parse("short: *", lookup, &rules, NULL), -ENOMEM);
    ck_assert_ptr_null(rules);
}
END_TEST

START_TEST(users_are_those_of_the_system)
{
    uid_t user = FILE_OWNER_UNKNOWN;

    ck_assert_int_eq(sender_user_lookup("root", &user), 0);
    ck_assert_uint_eq(user, 0);
    ck_assert_int_eq(sender_user_lookup("no such user", &user), -ENOENT);
    ck_assert_uint_eq(user, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/senders");
    TCase *cases = tcase_create("senders");

    tcase_add_test(cases, a_sender_is_an_address_a_domain_the_null_one_or_any);
    tcase_add_test(cases, rules_are_for_who_is_named_and_the_star_for_everybody_else);
    tcase_add_test(cases, without_rules_everybody_may_name_any);
    tcase_add_test(cases, a_refusal_says_who_which_sender_and_what_is_allowed);
    tcase_add_test(cases, a_refusal_of_very_many_senders_is_short);
    tcase_add_test(cases, what_is_no_rule_is_told);
    tcase_add_test(cases, users_are_those_of_the_system);
    suite_add_tcase(suite, cases);
    return unit_run(suite);
}
