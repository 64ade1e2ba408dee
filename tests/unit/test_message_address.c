/* message: single addresses and address lists. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "message/address.h"
#include "unit.h"

#define A8 "aaaaaaaa"
#define A900 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63 A63
#define A63 A8 A8 A8 A8 A8 A8 A8 "aaaaaaa"

static const char *const good_addresses[] = {
    "a@b",
    "ann@example.com",
    "ann+tag@example.com",
    "first.last@sub.example.co.uk",
    "!#$%&'*+-/=?^_`{|}~@example.com",
    "\"ann lee\"@example.com",
    "\"a@b\"@example.com",
    "\"a\\\"b\\\\\"@example.com",
    "\"\"@example.com",
    "\"..\"@example.com",
    "user@[192.0.2.1]",
    "user@[IPv6:2001:db8::1]",
    "user@[ipv6:::ffff:192.0.2.1]",
    "1@2.3",
    "a@xn--bcher-kva.example",
    "jörg@bücher.example",
    "用户@例子.广告",
    "\"jörg müller\"@example.com",
    A63 "a@example.com",
    A63 "aa@example.com",
    A63 A63 A63 A63 A63 A63 "@example.com",
    "ann@exam_ple.com",
    "a@" A63 "." A63 "." A63 "." A8 A8 A8 A8 A8 A8 A8 "aaaaaaa",
};

START_TEST(good_addresses_pass)
{
    _cleanup_failure_ Failure f = {0};
    const char *address = good_addresses[_i];

    ck_assert_msg(address_check(address, strlen(address), false, &f) == 0, "%s: %s", address,
        failure_text(&f));
}
END_TEST

static const struct BadAddress {
    const char *address, *why;
} bad_addresses[] = {
    {"", "empty"},
    {"ann", "no @"},
    {"@example.com", "nothing before"},
    {"ann@", "no domain"},
    {"'a@example.com'", "in apostrophes"},
    {"ann@@example.com", "more than one @"},
    {"ann@example@com", "more than one @"},
    {".ann@example.com", "a dot must stand between"},
    {"ann.@example.com", "a dot must stand between"},
    {"a..b@example.com", "a dot must stand between"},
    {"ann@.example.com", "a dot must stand between"},
    {"ann@example..com", "a dot must stand between"},
    {"ann@example.com.", "a dot must stand between"},
    {"ann@-example.com", "hyphen"},
    {"ann@example-.com", "hyphen"},
    {"ann@exam!ple.com", "other characters"},
    {"ann@example.com ", "other characters"},
    {"ann @example.com", "in quotes only"},
    {"<ann@example.com>", "in quotes only"},
    {"an\"n@example.com", "in quotes only"},
    {"ann(x)@example.com", "in quotes only"},
    {"ann@example.com\r\nRCPT TO:<x@y>", "other characters"},
    {"ann\n@example.com", "in quotes only"},
    {"\"ann@example.com", "no @"},
    {"\"ann\"lee@example.com", "not closed"},
    {"\"a\nb\"@example.com", "control character"},
    {"\"a\\\rb\"@example.com", "control character"},
    {"\"a\x7f\"@example.com", "control character"},
    {"\xc2\x85@example.com", "control character"},
    {"j\xf6rg@example.com", "not UTF-8"},
    {"user@[192.0.2.1", "not closed"},
    {"user@[", "not closed"},
    {"user@[]", "neither"},
    {"user@[192.0.2.256]", "neither"},
    {"user@[2001:db8::1]", "neither"},
    {"user@[IPv6:192.0.2.1]", "neither"},
    {"user@[IPv6:1:2:3:4:5:6:7:8:9]", "neither"},
    {"user@[x400:something]", "neither"},
    {"user@[192.0.2.1].com", "not closed"},
    {"a@" A63 "a.com", "longer than 63 bytes"},
    {"a@" A63 "." A63 "." A63 "." A63 ".aa", "longer than 255"},
    {A900 "@b", "longer than 900"},
};

START_TEST(bad_addresses_are_refused_with_the_reason)
{
    const struct BadAddress *row = &bad_addresses[_i];
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(address_check(row->address, strlen(row->address), false, &f) == -EINVAL, "%s",
        row->address);
    ck_assert_int_eq(f.number, ERROR_MESSAGE);
    ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->address, f.text);
    ck_assert_int_eq(address_check(row->address, strlen(row->address), false, NULL), -EINVAL);
}
END_TEST

START_TEST(bare_local_parts_pass_where_they_are_allowed)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(address_check("postmaster", 10, true, &f), 0);
    ck_assert_int_eq(address_check("\"post master\"", 13, true, &f), 0);
    ck_assert_int_eq(address_check("post master", 11, true, &f), -EINVAL);
    ck_assert_int_eq(address_check("", 0, true, &f), -EINVAL);
    ck_assert_int_eq(address_check("a@b\0c", 5, true, &f), -EINVAL);
    ck_assert_int_eq(address_check("a\0c@b", 5, true, &f), -EINVAL);
    ck_assert(address_needs_utf8("jörg@example.com"));
    ck_assert(address_needs_utf8("\"jörg@\"@example.com"));
    ck_assert(address_needs_utf8("jörg"));
    ck_assert(!address_needs_utf8("joerg@example.com"));
    ck_assert(!address_needs_utf8("joerg@bücher.example"));
}
END_TEST

static int collect(void *user, const AddressItem *item)
{
    Buffer *found = user;

    if (item->kind != ADDRESS_MAILBOX) {
        ck_assert_ptr_null(item->address);
        return 0;
    }
    ck_assert_uint_eq(strlen(item->address), item->n_address);
    if (strcmp(item->address, "stop@example.com") == 0)
        return -ECANCELED;
    ck_assert_int_eq(buffer_appendf(found, "%s|", item->address), 0);
    return 0;
}

static const struct GoodList {
    const char *text, *addresses;
} good_lists[] = {
    {"", ""},
    {"  \r\n ", ""},
    {",,  ,", ""},
    {"a@b", "a@b|"},
    {"a@b,c@d", "a@b|c@d|"},
    {" a@b ,\r\n\tc@d , ", "a@b|c@d|"},
    {"<a@b>", "a@b|"},
    {"Ann <a@b>", "a@b|"},
    {"Ann B. Lee <a@b>, \"Lee, Bob\" <c@d>", "a@b|c@d|"},
    {"\"Ann \\\"the, best\\\" Lee\" <a@b>", "a@b|"},
    {"=?utf-8?B?SsO2cmc=?= =?utf-8?Q?M=C3=BCller?= <a@b>", "a@b|"},
    {"=?utf-8?Q?M=C3=BCller,_(J)?= <a@b>, c@d", "a@b|c@d|"},
    {"=?a?b \"x,y\" =?utf-8?Q?c,d?= <a@b>", "a@b|"},
    {"=?\"x,y\"=?a \"=?\" =?utf-8?Q?c,d?= <a@b>", "a@b|"},
    {"=?utf-8?Q?longer_than_the_standard_wants_it,_as_many_programs_make_it,_and_read_all_the_same?"
     "= "
     "<a@b>, c@d",
        "a@b|c@d|"},
    {"Jörg Müller <jörg@bücher.example>", "jörg@bücher.example|"},
    {"J\xf6rg <a@b>", "a@b|"},
    {"a@b (Ann)", "a@b|"},
    {"(before) a (x) @ (y) b (after)", "a@b|"},
    {"a@b (one (two (three)) \\) \"), c@d", "a@b|c@d|"},
    {"first . last @ example . com", "first.last@example.com|"},
    {"first(c).last@example\r\n .com", "first.last@example.com|"},
    {"\"ann lee\"@example.com", "\"ann lee\"@example.com|"},
    {"\"ann\\ lee\"@example.com", "\"ann lee\"@example.com|"},
    {"\"ann\"@example.com", "ann@example.com|"},
    {"\"a,n\".lee@example.com", "\"a,n.lee\"@example.com|"},
    {"\"a..b\"@example.com", "\"a..b\"@example.com|"},
    {"\"ann\r\n lee\"@example.com", "\"ann lee\"@example.com|"},
    {"<@relay.example,@two.example:ann@example.com>", "ann@example.com|"},
    {"Ann <@[192.0.2.1]:ann@example.com>", "ann@example.com|"},
    {"user@[192.0.2.1], u@[IPv6: 2001:db8::1 ]", "user@[192.0.2.1]|u@[IPv6:2001:db8::1]|"},
    {"Friends: a@b, Carl <c@d>;", "a@b|c@d|"},
    {"Friends:a@b;, e@f", "a@b|e@f|"},
    {"Undisclosed recipients:;", ""},
    {"undisclosed-recipients: ;", ""},
    {"\"A Group\" (c) : (nobody) ; , a@b", "a@b|"},
    {"A:a@b;, B:c@d,,;", "a@b|c@d|"},
    {"ann@example.com <ann@example.com>", "ann@example.com|"},
    {"Undisclosed recipients:", ""},
    {"Friends: a@b", "a@b|"},
    {"mailto:a@b", "a@b|"},
    {"a@b; c@d", "a@b|c@d|"},
    {"a@x, b@x;", "a@x|b@x|"},
    {"Friends: a@b; c@d", "a@b|c@d|"},
    {"user@x.", "user@x|"},
    {"Ann <user@x . >, c@d.", "user@x|c@d|"},
    {"a..b@c", "\"a..b\"@c|"},
    {"a.@c, Ann <.a@b>", "\"a.\"@c|\".a\"@b|"},
    {"a..b.\"c d\"@e", "\"a..b.c d\"@e|"},
    {"[Shop] News <a@b>, Shop\\News <c@d>", "a@b|c@d|"},
    {"@[192.0.2.1],@two.example:ann@example.com, c@d", "ann@example.com|c@d|"},
    {"=?utf-8?q?M=C3=BCller,_J=C3=B6rg?= <x@d.example>", "x@d.example|"},
    {"=?ISO-8859-1?Q?Moore=2C_Keith?= <moore@cs.utk.edu>", "moore@cs.utk.edu|"},
    {"\"undisclosed-recipients (utajeni adresati)\":;", ""},
    {"\"ann@example.com x\"@example.org", "\"ann@example.com x\"@example.org|"},
    {"\"ann@example.net> ORCPT=a@b\"@example.org", "\"ann@example.net> ORCPT=a@b\"@example.org|"},
    {"Shop | Shop <a@b>", "a@b|"},
    {"\"=?utf-8?q?x?=\"@b", "=?utf-8?q?x?=@b|"},
    {A63 "aa@example.com", A63 "aa@example.com|"},
    {"ann@under_score.example", "ann@under_score.example|"},
    {"root", "root|"},
    {"root, postmaster (x)", "root|postmaster|"},
    {"<root>", "root|"},
};

START_TEST(good_lists_give_their_addresses)
{
    const struct GoodList *row = &good_lists[_i];
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer found = {0};

    ck_assert_msg(address_list_parse(
                      row->text, strlen(row->text), ADDRESS_RECIPIENTS, collect, &found, &f) == 0,
        "%s: %s", row->text, failure_text(&f));
    ck_assert_int_eq(buffer_append(&found, "", 1), 0);
    ck_assert_str_eq(buffer_data(&found), row->addresses);
}
END_TEST

static const struct BadList {
    const char *text, *why;
} bad_lists[] = {
    {"a@b c@d", "at \"c@d\": a comma"},
    {"Ann Lee", "ends too early: the words before it"},
    {"Ann Lee a@b", "at \"@b\": the words before it"},
    {"<a@b", "ends too early"},
    {"<a@b> x", "at \"x\": a comma"},
    {"<a@b c>", "should end here"},
    {"<>", "no address in it"},
    {"Ann <>", "no address in it"},
    {"a@b (comment", "at \"(comment\": this comment"},
    {"\"Ann <a@b>", "these quotes"},
    {"a@b@c", "at \"@c\": a comma"},
    {"@b", "does not begin with @"},
    {"@b, a@c", "does not begin with @"},
    {"=?UTF-8?B?Wm/DqyBB?=", "the encoded word before it is a name"},
    {"=?UTF-8?B?Wm/DqyBB?=@b", "the encoded word before it is a name"},
    {"<=?utf-8?q?a?=@b>", "the encoded word before it is a name"},
    {"John <j@x> Shop", "at \"Shop\": a comma"},
    {"<a@b> <c@d>", "at \"<c@d>\": a comma"},
    {"[a] b@c", "the words before it"},
    {"[192.0.2.1]", "the words before it"},
    {"user@x..", "a dot must stand"},
    {"user@.", "a dot must stand"},
    {A900 "@b", "too long"},
    {"stop@example.com" A900, "too long"},
    {"a@", "no domain"},
    {".", "an address was expected"},
    {"a@b..c", "a dot must stand"},
    {"a@-b", "hyphen"},
    {"a@[192.0.2.1", "not closed by ]"},
    {"a@[bad]", "neither"},
    {"<@relay a@b>", "a route there"},
    {"Friends: More: a@b;;", "inside another"},
    {": a@b;", "an address was expected"},
    {"x@y <a@b>", "another address stands before"},
    {"a@b, j\xf6rg@c", "not UTF-8"},
    {"\x01@b", "an address was expected"},
};

START_TEST(bad_lists_are_refused_with_the_place)
{
    const struct BadList *row = &bad_lists[_i];
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer found = {0};

    ck_assert_msg(address_list_parse(row->text, strlen(row->text), ADDRESS_RECIPIENTS, collect,
                      &found, &f) == -EINVAL,
        "%s", row->text);
    ck_assert_int_eq(f.number, ERROR_MESSAGE);
    ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->text, f.text);
}
END_TEST

/* From and Sender: what stands around <...> is a name. */
static const struct Originators {
    const char *text, *addresses; /* NULL: refused */
} originators[] = {
    {"John <j@x> Shop", "j@x|"},
    {"John <j@x> Shop, Ann <a@b>", "j@x|a@b|"},
    {"shop@old.example <shop@new.example>", "shop@new.example|"},
    {"Sales @ Shop! <a@b>", "a@b|"},
    {"Re: Shop <a@b>", "a@b|"},
    {"Q&A: \"x, y\" <a@b> (c, d) z", "a@b|"},
    {"Ann \x01 <a@b>", "a@b|"},
    {"=?utf-8?q?a,<b?= @ <a@b>", "a@b|"},
    {"Friends: Ann @ home <a@b>, c@d;", "a@b|c@d|"},
    {"root", "root|"},
    {"Lee, Ann (Shop) <a@b>", "a@b|"},
    {"Lee, Ann <a@b>, Bob <c@d>, e@f", "a@b|c@d|e@f|"},
    {"Shop, Inc., of \"Here, There\" <a@b>", "a@b|"},
    {"root, ann", "root|ann|"},
    {"root, a@b", "root|a@b|"},
    {"root, a@b <a@b>", "root|a@b|"},
    {"A B, c@d", NULL},
    {"JOHN DOE[XXX - DOE John] <a@b>", "a@b|"},
    {"HowlRound: A Center, for All <a@b>", "a@b|"},
    {"=?iso-8859-1?Q?Distribuidora;_R=EDo_grande.?= <a@b>", "a@b|"},
    {"a@b c@d", NULL},
    {"John <j@x> Shop <k@y>", NULL},
    {"John <j@x> \"Shop", NULL},
    {"John @ (<j@x>", NULL},
    {"John @ <j@x> (Shop", NULL},
    {"Shop", "Shop|"},
    {"Ann Shop", NULL},
    {"Shop @ <>, a@b", NULL},
    {"=?UTF-8?B?Wm/DqyBB?=", NULL},
};

START_TEST(originators_may_have_any_name)
{
    const struct Originators *row = &originators[_i];
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer found = {0};
    int r =
        address_list_parse(row->text, strlen(row->text), ADDRESS_ORIGINATORS, collect, &found, &f);

    ck_assert_msg(r == (row->addresses ? 0 : -EINVAL), "%s: %s", row->text, failure_text(&f));
    ck_assert(row->addresses || f.text);
    ck_assert_int_eq(buffer_append(&found, "", 1), 0);
    if (row->addresses)
        ck_assert_str_eq(buffer_data(&found), row->addresses);
}
END_TEST

static int describe(void *user, const AddressItem *item)
{
    static const char *const kinds[] = {"", "[", "]"};
    Buffer *out = user;

    ck_assert_int_eq(buffer_append_string(out, kinds[item->kind]), 0);
    ck_assert_int_eq(address_append_name(item, out), 0);
    if (item->kind == ADDRESS_MAILBOX)
        ck_assert_int_eq(buffer_appendf(out, "=%s%s", item->address, item->gap ? "@?" : ""), 0);
    return buffer_append_string(out, "|");
}

/* What is in a list beside addresses. */
static const struct Named {
    const char *text, *items;
} named[] = {
    {"a@b", "=a@b|"},
    {"Ann B. Lee <a@b>, \"Lee, \\\"Bob\\\"\" <c@d>", "Ann B. Lee=a@b|Lee, \"Bob\"=c@d|"},
    {"a@b (Ann (the \\) best))", "Ann (the ) best)=a@b|"},
    {"Ann (not this)\r\n Lee <a@b> (nor this)", "Ann Lee=a@b|"},
    {"=?utf-8?q?a,b?= =?utf-8?q?_c?= <a@b>", "=?utf-8?q?a,b?= =?utf-8?q?_c?==a@b|"},
    {"J\xc3\xb6rg \"M\xc3\xbc\" <a@b>", "J\xc3\xb6rg M\xc3\xbc=a@b|"},
    {"[Shop] News <a@b>", "[Shop] News=a@b|"},
    {"My Friends (x): a@b, Bob <root>;, c", "[My Friends|=a@b|Bob=root@?|]|=c@?|"},
    {"nobody:;", "[nobody|]|"},
    {"a@b <a@b>", "a@b=a@b|"},
};

START_TEST(names_and_groups_are_told)
{
    const struct Named *row = &named[_i];
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer items = {0};

    ck_assert_int_eq(
        address_list_parse(row->text, strlen(row->text), ADDRESS_RECIPIENTS, describe, &items, &f),
        0);
    ck_assert_int_eq(buffer_append(&items, "", 1), 0);
    ck_assert_str_eq(buffer_data(&items), row->items);
}
END_TEST

START_TEST(local_parts_are_quoted_where_they_must_be)
{
    static const char *const rows[][2] = {{"ann", "ann@d"}, {"DOM\\ann", "\"DOM\\\\ann\"@d"},
        {"a..b", "\"a..b\"@d"}, {"", "\"\"@d"}, {"a \"b\"", "\"a \\\"b\\\"\"@d"}};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_free_
        char *address = address_join(rows[i][0], "d");

        ck_assert_str_eq(address, rows[i][1]);
        ck_assert_int_eq(address_check(address, strlen(address), false, NULL), 0);
    }
}
END_TEST

START_TEST(the_handler_can_stop_a_list)
{
    static const char text[] = "a@b, stop@example.com, c@d";
    _cleanup_buffer_ Buffer found = {0};

    ck_assert_int_eq(
        address_list_parse(text, sizeof(text) - 1, ADDRESS_RECIPIENTS, collect, &found, NULL),
        -ECANCELED);
    ck_assert_uint_eq(buffer_size(&found), 4);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/address");
    TCase *tcase = tcase_create("address");

    tcase_add_loop_test(tcase, good_addresses_pass, 0, (int)ELEMENTSOF(good_addresses));
    tcase_add_loop_test(
        tcase, bad_addresses_are_refused_with_the_reason, 0, (int)ELEMENTSOF(bad_addresses));
    tcase_add_test(tcase, bare_local_parts_pass_where_they_are_allowed);
    tcase_add_loop_test(tcase, good_lists_give_their_addresses, 0, (int)ELEMENTSOF(good_lists));
    tcase_add_loop_test(tcase, bad_lists_are_refused_with_the_place, 0, (int)ELEMENTSOF(bad_lists));
    tcase_add_test(tcase, the_handler_can_stop_a_list);
    tcase_add_loop_test(tcase, originators_may_have_any_name, 0, (int)ELEMENTSOF(originators));
    tcase_add_loop_test(tcase, names_and_groups_are_told, 0, (int)ELEMENTSOF(named));
    tcase_add_test(tcase, local_parts_are_quoted_where_they_must_be);
    tcase_add_test(tcase, the_handler_can_stop_a_list);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
