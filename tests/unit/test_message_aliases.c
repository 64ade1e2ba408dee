/* message: names of this machine, and who gets their mail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message/aliases.h"
#include "unit.h"

static const char *const own[] = {"localhost", "vm", "vm.test", NULL};

static int load_list(void *user, const char *path, Buffer *out, Failure *f)
{
    (void)user;
    if (strcmp(path, "/list") == 0)
        return buffer_append_string(out, "a@x.test, b@x.test\n\n# none\nann\n");
    if (strcmp(path, "/many") == 0)
        return buffer_append_string(out, ":include:/many\n:include:/list\n");
    if (strcmp(path, "/itself") == 0)
        return buffer_append_string(out, ":include:/itself\n");
    return failure_set(f, -EINVAL, 0, "no %s", path);
}

/* Who gets the mail for `address`, as "ADDRESS PARAMETERS, ..."; or "! " and the failure. */
static const char *resolve(const char *file, LocalNames names, const char *address)
{
    static char text[4096];
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};
    size_t n = 0;
    int r;

    ck_assert_int_eq(aliases_parse(file, strlen(file), &aliases), 0);
    names.aliases = aliases;
    names.path = "aliases";
    names.here = "here.test";
    names.own = own;
    r = local_names_add(&names, &e, address, NULL, &f);
    if (r < 0) {
        ck_assert_int_eq(r, -EINVAL);
        snprintf(text, sizeof(text), "! %s", failure_text(&f));
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < e.n_recipients; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s%s", i > 0 ? ", " : "",
            e.recipients[i].address, e.recipients[i].parameters ? " " : "",
            e.recipients[i].parameters ?: "");
    return text;
}

static const struct Case {
    const char *file, *address, *result;
} cases[] = {
    {"root: me@x.test\n", "root", "me@x.test ORCPT=rfc822;root@here.test"},
    {"ROOT :me@x.test", "Root", "me@x.test ORCPT=rfc822;Root@here.test"},
    {"root: me@x.test\n", "root@VM", "me@x.test ORCPT=rfc822;root@VM"},
    {"root: me@x.test\n", "root@other.test", "root@other.test"},
    {"", "root@vm", "root@vm"},
    {"# c\n\nroot: ann,\n  # c\n\tbob\nann: a@x.test\nbob: a@x.test, b@x.test\n", "root",
        "a@x.test ORCPT=rfc822;root@here.test, b@x.test ORCPT=rfc822;root@here.test"},
    {"\"a b\": Ann <a@x.test>\n", "\"a b\"", "a@x.test ORCPT=rfc822;\"a+20b\"@here.test"},
    {"root: me@x.test\n", "postmaster", "me@x.test ORCPT=rfc822;postmaster@here.test"},
    {"ann: ann, a@x.test\n", "ann", "a@x.test ORCPT=rfc822;ann@here.test"},
    {"ann: ann@localhost, a@x.test\n", "ann", "a@x.test ORCPT=rfc822;ann@here.test"},
    {"ann: bob, bob, eve\nbob: b@x.test\neve: bob\n", "ann", "b@x.test ORCPT=rfc822;ann@here.test"},
    {"no colon\nann: a@x.test\nann: b@x.test\n", "ann", "a@x.test ORCPT=rfc822;ann@here.test"},
    {"ann: ann\n", "ann",
        "! aliases:1: ann has \"ann\", which is itself: outbox delivers to no mailbox here; give "
        "an address instead"},
    {"ann:\n", "ann",
        "! aliases:1: ann has \"\", so that mail for it goes nowhere; give an address"},
    {"\nann: b@x.test, |run it\n", "ann",
        "! aliases:2: ann has \"|run it\", which is a command: outbox runs none; give an address "
        "instead"},
    {"ann: \"|run, it\"\n", "ann",
        "! aliases:1: ann has \"\"|run, it\"\", which is a command: outbox runs none; give an "
        "address instead"},
    {"ann: /dev/null\n", "ann",
        "! aliases:1: ann has \"/dev/null\", which is a file: outbox delivers to none; give an "
        "address instead"},
    {"ann: \\ann\n", "ann",
        "! aliases:1: ann has \"\\ann\", which is a mailbox of this machine: outbox delivers to "
        "none; give an address instead"},
    {"ann: a b c@\n", "ann", "! aliases:1: ann has \"a b c@\", which is no address"},
    {"ann: :include:/list\n", "ann",
        "! aliases:1: ann has \":include:/list\", which is not followed: local.alias_includes is "
        "false"},
    {"ann: bob\nbob: eve\neve: ann\n", "ann",
        "! the rules for ann lead to each other in a circle (ann < eve < bob < ann); see "
        "local.root and aliases"},
    {"\xc3\x9c: u@x.test\n", "\xc3\xbc", "u@x.test"}, /* Ü and ü */
    {"stra\xc3\x9f"
     "e: \xce\xa3\n\xcf\x82: s@x.test\n",
        "STRA\xc3\x9f"
        "E",
        "s@x.test"}, /* a small sigma has two forms */
    {"\xc3\x9c: \xc3\xbc, u@x.test\n", "\xc3\x9c", "u@x.test"},
    {"ann: eve\n", "ann",
        "! eve is a name of this machine, which has no mailboxes, and no rule says where its mail "
        "goes: set local.root for root, give it a line in aliases, or set local.domain where such "
        "names are known"},
};

START_TEST(names_become_addresses)
{
    const struct Case *c = &cases[_i];

    ck_assert_str_eq(resolve(c->file, (LocalNames){0}, c->address), c->result);
}
END_TEST

START_TEST(root_has_a_setting_of_its_own)
{
    const LocalNames names = {.root = "me@x.test, ann"}, wrong = {.root = "|x"};

    ck_assert_str_eq(resolve("root: r@x.test\nann: a@x.test\n", names, "root"),
        "me@x.test ORCPT=rfc822;root@here.test, a@x.test ORCPT=rfc822;root@here.test");
    ck_assert_str_eq(resolve("", names, "postmaster@localhost"),
        "! ann is a name of this machine, which has no mailboxes, and no rule says where its mail "
        "goes: set local.root for root, give it a line in aliases, or set local.domain where such "
        "names are known");
    ck_assert_ptr_nonnull(
        strstr(resolve("", wrong, "root"), "local.root has \"|x\", which is a command"));
}
END_TEST

START_TEST(a_domain_is_for_names_without_a_rule)
{
    const LocalNames names = {.domain = "d.test"};

    ck_assert_str_eq(resolve("root: ann\n", names, "ann"), "ann@d.test");
    ck_assert_str_eq(
        resolve("root: ann\n", names, "root"), "ann@d.test ORCPT=rfc822;root@here.test");
}
END_TEST

static const struct Case rest[] = {
    {"*: me@x.test\nann: a@x.test\n", "www-data", "me@x.test ORCPT=rfc822;www-data@here.test"},
    {"*: me@x.test\nann: a@x.test\n", "ann", "a@x.test ORCPT=rfc822;ann@here.test"},
    {"*: me@x.test\nann: bob\n", "ann", "me@x.test ORCPT=rfc822;ann@here.test"},
    {"*: me@x.test\n", "postmaster", "me@x.test ORCPT=rfc822;postmaster@here.test"},
    {"*: me@x.test\n", "www-data@vm", "me@x.test ORCPT=rfc822;www-data@vm"},
    {"*: me@x.test\n", "info@vm.test", "info@vm.test"},
    {"*: me@x.test\n", "info@other.test", "info@other.test"},
    {"*: ops\nops: o@x.test\n", "www-data", "o@x.test ORCPT=rfc822;www-data@here.test"},
    {"*: ops\n", "www-data", "ops@d.test ORCPT=rfc822;www-data@here.test"},
    {"*: *\n", "www-data",
        "! aliases:1: * has \"*\", which is itself: outbox delivers to no mailbox here; give an "
        "address instead"},
    {"*: ann\nann: bob\n", "www-data", "bob@d.test ORCPT=rfc822;www-data@here.test"},
};

START_TEST(names_without_a_rule_may_have_one_together)
{
    const struct Case *c = &rest[_i];

    ck_assert_str_eq(resolve(c->file, (LocalNames){.domain = "d.test"}, c->address), c->result);
}
END_TEST

START_TEST(files_are_included_where_that_is_wanted)
{
    const LocalNames names = {.include = load_list};

    ck_assert_str_eq(resolve("l: :include:/list\nann: c@x.test\n", names, "l"),
        "a@x.test ORCPT=rfc822;l@here.test, b@x.test ORCPT=rfc822;l@here.test, c@x.test "
        "ORCPT=rfc822;l@here.test");
    ck_assert_str_eq(resolve("l: \":include:/list\"\nann: c@x.test\n", names, "l"),
        "a@x.test ORCPT=rfc822;l@here.test, b@x.test ORCPT=rfc822;l@here.test, c@x.test "
        "ORCPT=rfc822;l@here.test");
    ck_assert_str_eq(resolve("l: :include:/none\n", names, "l"), "! no /none");
    ck_assert_ptr_nonnull(strstr(resolve("l: :include:x\n", names, "l"), "no path"));
    ck_assert_ptr_nonnull(strstr(resolve("l: :include:/itself\n", names, "l"), "too many files"));
    ck_assert_ptr_nonnull(strstr(resolve("l: :include:/many\n", names, "l"), "too many files"));
    ck_assert_ptr_nonnull(
        strstr(resolve("", (LocalNames){.root = ":include:/list", .include = load_list}, "root"),
            "which is for the file of aliases alone"));
}
END_TEST

START_TEST(recipients_are_bounded)
{
    for (unsigned n = ALIASES_RECIPIENTS_MAX; n <= ALIASES_RECIPIENTS_MAX + 1; n++) {
        _cleanup_buffer_ Buffer file = {0};
        _cleanup_(aliases_free_p) Aliases *aliases = NULL;
        _cleanup_envelope_ Envelope e = {0};
        _cleanup_failure_ Failure f = {0};
        LocalNames names = {.path = "aliases", .here = "here.test"};

        ck_assert_int_eq(buffer_append_string(&file, "l:"), 0);
        for (unsigned i = 0; i < n; i++)
            ck_assert_int_eq(buffer_appendf(&file, " a%u@x.test,\n", i), 0);
        ck_assert_int_eq(aliases_parse(buffer_data(&file), buffer_size(&file), &aliases), 0);
        names.aliases = aliases;
        ck_assert_int_eq(
            local_names_add(&names, &e, "l", NULL, &f), n > ALIASES_RECIPIENTS_MAX ? -EINVAL : 0);
        ck_assert_uint_eq(
            e.n_recipients, n > ALIASES_RECIPIENTS_MAX ? 0 : ALIASES_RECIPIENTS_MAX); /* or none */
    }
}
END_TEST

START_TEST(a_file_that_is_not_read_misleads_nobody)
{
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};
    const LocalNames names = {.path = "/etc/aliases",
        .unread = "Permission denied",
        .root = "me@x.test",
        .domain = "x.test",
        .here = "here.test"};

    ck_assert_int_eq(local_names_add(&names, &e, "ann", NULL, &f), -EINVAL);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "/etc/aliases cannot be read"));
    ck_assert_int_eq(local_names_add(&names, &e, "root", NULL, &f), 0);
    ck_assert_int_eq(local_names_add(&names, &e, "bob@y.test", NULL, &f), 0);
    ck_assert_uint_eq(e.n_recipients, 2);
}
END_TEST

START_TEST(marks_of_editors_are_no_names)
{
    static const char file[] = "\xef\xbb\xbf"
                               "a: b@c.test\n";
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    _cleanup_envelope_ Envelope e = {0};
    LocalNames names = {.path = "aliases", .here = "here.test"};

    ck_assert_int_eq(aliases_parse(file, sizeof(file) - 1, &aliases), 0);
    names.aliases = aliases;
    ck_assert_int_eq(local_names_add(&names, &e, "a", NULL, NULL), 0);
    ck_assert_str_eq(e.recipients[0].address, "b@c.test");
}
END_TEST

START_TEST(lines_that_are_none_are_told)
{
    static const struct {
        const char *file;
        size_t n; /* 0: up to its NUL */
        const char *what;
    } wrong[] = {{"a: b\nno colon\n", 0, "line 2 is none"}, {"a@b: c\n", 0, "line 1 is none"},
        {"a: b\nA: c\n", 0, "line 2 has a second rule for A"},
        {"a: b@c.d\0evil@e.f\n", 18, "line 1 is none"},
        {"a: x@y.z\nb: |vacation\n", 0, "line 2: b has \"|vacation\", which is a command"},
        {"b: /var/mail/b\n", 0, "line 1: b has \"/var/mail/b\", which is a file"},
        {"b: a@b@c\n", 0, "line 1: b has \"a@b@c\", which is no address"},
        {"a: |x, /y\nno colon\nb: \":include:/list\"\n", 0,
            "line 1: a has \"/y\", which is a file"},
        {"a: |x, /y\nno colon\nb: \":include:/list\"\n", 0, "line 2 is none"}};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        _cleanup_(aliases_free_p) Aliases *aliases = NULL;
        _cleanup_failure_ Failure f = {0};

        ck_assert_int_eq(
            aliases_parse(wrong[i].file, wrong[i].n ?: strlen(wrong[i].file), &aliases), 0);
        ck_assert_int_eq(aliases_check(aliases, &f), -EBADMSG);
        ck_assert_msg(strstr(failure_text(&f), wrong[i].what), "%s", failure_text(&f));
    }
}
END_TEST

START_TEST(each_rule_that_cannot_be_followed_is_told_once)
{
    static const char file[] = "a: b, :include:/nowhere\nb: a\nc: d\nd: e\ne: c\nf: a, c, f\ng: g\n"
                               "h: |run\nok: x@y.test, nobody\n\xc3\x9c: z\nz: \xc3\xbc\n";
    static const char *const told[] = {"the rules for a lead to each other", "no /nowhere",
        "the rules for c lead to each other", "g has \"g\", which is itself",
        "lead to each other in a circle (z < "};
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    _cleanup_failure_ Failure f = {0};
    LocalNames names = {.path = "aliases", .here = "here.test", .own = own, .include = load_list};
    size_t lines = 1;

    ck_assert_int_eq(aliases_parse(file, strlen(file), &aliases), 0);
    names.aliases = aliases;
    ck_assert_int_eq(local_names_check(&names, &f), -EINVAL);
    for (const char *at = failure_text(&f); (at = strchr(at, '\n')); at++)
        lines++;
    for (size_t i = 0; i < ELEMENTSOF(told); i++)
        ck_assert_msg(strstr(failure_text(&f), told[i]), "%s: %s", told[i], failure_text(&f));
    ck_assert_msg(lines == ELEMENTSOF(told), "%s", failure_text(&f));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message/aliases");
    TCase *tcase = tcase_create("aliases");

    tcase_add_loop_test(tcase, names_become_addresses, 0, ELEMENTSOF(cases));
    tcase_add_test(tcase, root_has_a_setting_of_its_own);
    tcase_add_test(tcase, a_domain_is_for_names_without_a_rule);
    tcase_add_loop_test(tcase, names_without_a_rule_may_have_one_together, 0, ELEMENTSOF(rest));
    tcase_add_test(tcase, files_are_included_where_that_is_wanted);
    tcase_add_test(tcase, recipients_are_bounded);
    tcase_add_test(tcase, a_file_that_is_not_read_misleads_nobody);
    tcase_add_test(tcase, marks_of_editors_are_no_names);
    tcase_add_test(tcase, lines_that_are_none_are_told);
    tcase_add_test(tcase, each_rule_that_cannot_be_followed_is_told_once);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
