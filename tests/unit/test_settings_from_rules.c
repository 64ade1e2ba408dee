/* settings, message: which addresses take the place of those that programs write as, and what a
 * header is with them. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "message/rewrite.h"
#include "settings/from_rules.h"
#include "unit.h"

static FromRules *parse(const char *text)
{
    _cleanup_failure_ Failure f = {0};
    FromRules *rules = NULL;
    int r = from_rules_parse(text, &rules, &f);

    ck_assert_msg(r == 0, "%s: %s", text, failure_text(&f));
    return rules;
}

static const struct Rewriting {
    const char *rules, *address, *result; /* NULL: it stays */
} rewritings[] = {
    {"root@*: me@example.org", "root@vm", "me@example.org"},
    {"root@*: me@example.org", "ROOT@vm.internal", "me@example.org"},
    {"Root@VM:me@example.org", "rOOT@vm", "me@example.org"},
    {"root@*: me@example.org", "toor@vm", NULL},
    {"root@*: me@example.org", "xroot@vm", NULL},
    {"root@vm: me@example.org", "root@vm2", NULL},
    {"root@vm: me@example.org", "root@v", NULL},
    {"root@vm: me@example.org", "root", NULL},
    {"*@*: me@example.org", "", NULL},
    {"*@*: me@example.org", "a@b", "me@example.org"},
    {"*@vm: *@example.org", "Ann.Lee+x@vm", "Ann.Lee+x@example.org"},
    {"*@vm: *@example.org", "\"a @b\"@vm", "\"a @b\"@example.org"},
    {"*@*.internal: *@example.org", "a@b.c.internal", "a@example.org"},
    {"*@*.internal: *@example.org", "a@internal", NULL},
    {"*@*.internal: *@example.org", "a@b.internal.org", NULL},
    {"cron-*@vm: *@example.org", "cron-x@vm", "cron-x@example.org"},
    {"r*t*@*: me@example.org", "rttrt@x", "me@example.org"},
    {"*a@v: me@example.org", "aaab@v", NULL},
    {"root@[*]: me@example.org", "root@[IPv6:::1]", "me@example.org"},
    /* the first that fits, and once */
    {"root@vm: a@vm; *@vm: b@example.org", "root@vm", "a@vm"},
    {" *@vm: b@example.org;root@vm: a@vm;; ", "root@vm", "b@example.org"},
    {"root@a: x@a.org; *@b: *@b.org", "c@b", "c@b.org"},
    {"*@b\xc3\xbc"
     "cher.example: *@example.org",
        "a@xn--bcher-kva.example", "a@example.org"},
    {"*@xn--bcher-kva.example: *@example.org",
        "a@b\xc3\xbc"
        "cher.example",
        "a@example.org"},
    {"*@vm: *@b\xc3\xbc"
     "cher.example",
        "a@vm", "a@xn--bcher-kva.example"},
};

START_TEST(the_first_rule_that_fits_is_followed_once)
{
    const struct Rewriting *row = &rewritings[_i];
    _cleanup_(from_rules_free_p) FromRules *rules = parse(row->rules);
    _cleanup_free_
    char *result = NULL;

    ck_assert_int_eq(from_rules_apply(rules, row->address, &result), 0);
    ck_assert_pstr_eq(result, row->result);
}
END_TEST

static const struct Mistake {
    const char *text, *words;
} mistakes[] = {
    {"", "holds no rule"},
    {" ; ", "holds no rule"},
    {"root@*", "no colon between a pattern and an address in \"root@*\""},
    {"root: me@example.org", "has \"root\" before a colon, which is no address"},
    {"@vm: me@example.org", "has \"@vm\" before a colon, which is no address"},
    {"root@: me@example.org", "has \"root@\" before a colon, which is no address"},
    {"a@b@c: me@example.org", "has \"a@b@c\" before a colon, which is no address"},
    {"\"a\"@c: me@example.org", "before a colon, which is no address"},
    {": me@example.org", "has \"\" before a colon, which is no address"},
    {"a@b c@d: me@example.org", "has several words before a colon"},
    {"a@b: me@example.org you@example.org", "has several words behind a colon"},
    {"a@b: ", "has \"\" behind a colon, which has no domain"},
    {"a@b: me", "has \"me\" behind a colon, which has no domain"},
    {"a@b: me@", "has \"me@\" behind a colon, which has no domain"},
    {"a@b: *", "has \"*\" behind a colon, which has no domain"},
    {"a@b: **@example.org", "has \"**@example.org\" behind a colon, with more than one *"},
    {"a@b: *@*", "has \"*@*\" behind a colon, with more than one *"},
    {"a@b: me@*.org", "has \"me@*.org\" behind a colon, where * can only be all"},
    {"a@b: x*@example.org", "has \"x*@example.org\" behind a colon, where * can only be all"},
    {"a@b: @example.org", "has \"@example.org\" behind a colon, which is no address"},
    {"a@b: Me<me@example.org>", "which is no address: write one without a name"},
    {"a@b: me@192.0.2.1", "has \"me@192.0.2.1\" behind a colon, which is no address"},
    {"a@b: me@[192.0.2.1]", "behind a colon, which is no address"},
    {"a@b: .me@example.org", "behind a colon, which is no address"},
    {"a@b: m..e@example.org", "behind a colon, which is no address"},
    {"a@b: me@example..org", "behind a colon, which is no address"},
    {"a@b: me@example.org.", "behind a colon, which is no address"},
    {"a@b: a@b, c@d", "has several words behind a colon"},
    {"a@b: a@b,c@d", "which is no address: write one without a name"},
    {"a@b: me@example.org; c", "no colon between a pattern and an address in \" c\""},
};

START_TEST(wrong_rules_are_told)
{
    _cleanup_failure_ Failure f = {0};
    FromRules *rules = NULL;

    ck_assert_int_eq(from_rules_parse(mistakes[_i].text, &rules, &f), -EINVAL);
    ck_assert_ptr_null(rules);
    ck_assert_int_eq(f.number, ERROR_CONFIGURATION);
    ck_assert_msg(strstr(failure_text(&f), mistakes[_i].words), "%s", failure_text(&f));
}
END_TEST

START_TEST(without_rules_addresses_stay)
{
    char *result = NULL;

    from_rules_free(NULL);
    ck_assert_int_eq(from_rules_apply(NULL, "root@vm", &result), 0);
    ck_assert_ptr_null(result);
}
END_TEST

START_TEST(a_long_address_is_compared_in_time)
{
    _cleanup_(from_rules_free_p) FromRules *rules = parse("*a*a*a*a*a*a*a*a*a*b@*: me@example.org");
    char address[900], *result = NULL;

    memset(address, 'a', sizeof(address));
    memcpy(address + sizeof(address) - 4, "@vm", 4);
    ck_assert_int_eq(from_rules_apply(rules, address, &result), 0);
    ck_assert_ptr_null(result);
}
END_TEST

/* "root@vm" becomes "me@x.org", and who else is there another name at x.org. */
static const struct Header {
    const char *text, *result;
} headers[] = {
    {"From: root@vm\nTo: root@vm\n\nFrom: root@vm\n",
        "From: me@x.org\nTo: root@vm\n\nFrom: root@vm\n"},
    {"From: root@vm (Cron Daemon)\n", "From: me@x.org (Cron Daemon)\n"},
    {"From: \"Lee, Ann\" <ann@vm>\r\n", "From: \"Lee, Ann\" <ann@x.org>\r\n"},
    {"From: =?UTF-8?Q?J=C3=B6rg?=\n  <root@vm> (x)\n",
        "From: =?UTF-8?Q?J=C3=B6rg?=\n  <me@x.org> (x)\n"},
    {"From: Ann@home <root@vm>\n", "From: Ann@home <me@x.org>\n"},
    {"from:root@vm\n", "from:me@x.org\n"},
    {"From: A <root@vm>, B <b@elsewhere.org>,\n c@vm\n",
        "From: A <me@x.org>, B <b@elsewhere.org>,\n c@x.org\n"},
    {"From: Us: root@vm, \"a b\"@vm;\n", "From: Us: me@x.org, \"a b\"@x.org;\n"},
    {"From: root (who) @ (where) vm . (dot)\n", "From: me@x.org (dot)\n"},
    {"From: <@a,@b:root@vm>\n", "From: <@a,@b:me@x.org>\n"},
    {"From: a@[192.0.2.1]\n", "From: a@x.org\n"},
    {"From: root@vm.\n", "From: me@x.org\n"},
    {"Sender: root@vm\nResent-From: c@vm\nResent-Sender: d@vm\nReply-To: e@vm\n",
        "Sender: me@x.org\nResent-From: c@x.org\nResent-Sender: d@x.org\nReply-To: e@vm\n"},
    {"From: My Site\n", "From: My Site\n"},
    {"From: root\n", "From: root\n"},
    {"From:\n", "From:\n"},
    {"From: root@vm", "From: me@x.org"},
};

static int replace(void *user, const char *address, char **ret)
{
    return from_rules_apply(user, address, ret);
}

START_TEST(a_header_has_other_addresses_and_nothing_else)
{
    _cleanup_(from_rules_free_p) FromRules *rules =
        parse("root@vm: me@x.org; *@vm: *@x.org; *@[*]: *@x.org");
    _cleanup_buffer_ Buffer out = {0};
    const char *text = headers[_i].text;

    ck_assert_int_eq(message_rewrite(text, strlen(text), replace, rules, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), headers[_i].result);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_from_rules");
    TCase *t = tcase_create("settings_from_rules");

    tcase_add_loop_test(
        t, the_first_rule_that_fits_is_followed_once, 0, (int)ELEMENTSOF(rewritings));
    tcase_add_loop_test(t, wrong_rules_are_told, 0, (int)ELEMENTSOF(mistakes));
    tcase_add_test(t, without_rules_addresses_stay);
    tcase_add_test(t, a_long_address_is_compared_in_time);
    tcase_add_loop_test(
        t, a_header_has_other_addresses_and_nothing_else, 0, (int)ELEMENTSOF(headers));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
