/* message: the envelope and the fields that carry it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"
#include "message/envelope.h"
#include "unit.h"

static const struct GoodField {
    const char *value, *address, *parameters;
} good_fields[] = {
    {"a@b", "a@b", NULL},
    {" <a@b>", "a@b", NULL},
    {" <>", "", NULL},
    {" <> RET=HDRS", "", "RET=HDRS"},
    {"<a@b> RET=HDRS ENVID=42", "a@b", "RET=HDRS ENVID=42"},
    {"a@b NOTIFY=NEVER", "a@b", "NOTIFY=NEVER"},
    {"a@b (Ann) NOTIFY=NEVER", "a@b", "NOTIFY=NEVER"},
    {"Ann Lee <a@b>\r\n  NOTIFY=SUCCESS,FAILURE\r\n\tORCPT=rfc822;a@b", "a@b",
        "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b"},
    {"\"Lee, Ann\"\r\n <a@b>", "a@b", NULL},
    {"=?utf-8?B?SsO2cmc=?= <a@b>", "a@b", NULL},
    {"<a@b> ORCPT=rfc822;a@b NOTIFY=NEVER; X-ExtendedProps=AAB=", "a@b",
        "ORCPT=rfc822;a@b NOTIFY=NEVER"},
    {"<a@b> NOTIFY=NEVER ; X-ExtendedProps=AAB=", "a@b", "NOTIFY=NEVER"},
    {"<a@b>; X-ExtendedProps=AAB=", "a@b", NULL},
    {"<a@b> SMTPUTF8 ORCPT=utf-8;jörg@b", "a@b", "SMTPUTF8 ORCPT=utf-8;jörg@b"},
    {"postmaster", "postmaster", NULL},
};

START_TEST(fields_give_address_and_parameters)
{
    const struct GoodField *row = &good_fields[_i];
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(
        envelope_parse_field(row->value, strlen(row->value), &address, &parameters, &f) == 0,
        "%s: %s", row->value, failure_text(&f));
    ck_assert_str_eq(address, row->address);
    ck_assert_pstr_eq(parameters, row->parameters);
}
END_TEST

static const struct BadField {
    const char *value, *why;
} bad_fields[] = {
    {"", "an address was expected"},
    {"  ", "an address was expected"},
    {"Ann Lee", "ends too early"},
    {"a@b, c@d", "only one address"},
    {"Friends: a@b;", "a group is not an address"},
    {"<a@@b>", "no domain after the @"},
};

START_TEST(malformed_fields_are_refused)
{
    const struct BadField *row = &bad_fields[_i];
    char *address = NULL, *parameters = NULL;
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(
        envelope_parse_field(row->value, strlen(row->value), &address, &parameters, &f) == -EINVAL,
        "%s", row->value);
    ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->value, f.text);
    ck_assert_ptr_null(address);
    ck_assert_ptr_null(parameters);
}
END_TEST

START_TEST(senders_are_checked)
{
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(envelope_set_sender(&e, "", "RET=FULL", &f), 0);
    ck_assert_str_eq(e.sender, "");
    ck_assert_str_eq(e.sender_parameters, "RET=FULL");
    ck_assert_int_eq(envelope_set_sender(&e, "a@b", NULL, &f), 0);
    ck_assert_str_eq(e.sender, "a@b");
    ck_assert_ptr_null(e.sender_parameters);
    ck_assert(!e.needs_utf8);
    ck_assert_int_eq(envelope_set_sender(&e, "postmaster", NULL, &f), -EINVAL);
    ck_assert_int_eq(envelope_set_sender(&e, "a@b\r\nDATA", NULL, &f), -EINVAL);
    ck_assert_int_eq(envelope_set_sender(&e, "a@b", "RET=HDRS\r\nDATA", &f), -EINVAL);
    ck_assert_int_eq(envelope_set_sender(&e, "a@b", "RET=HDRS  X", &f), -EINVAL);
    ck_assert_str_eq(e.sender, "a@b");
    ck_assert_int_eq(envelope_set_sender(&e, "jörg@b", NULL, &f), 0);
    ck_assert(e.needs_utf8);
}
END_TEST

START_TEST(nobody_is_a_recipient_twice)
{
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(envelope_add_recipient(&e, "ann@example.com", NULL, &f), 0);
    ck_assert_int_eq(envelope_add_recipient(&e, "Ann@example.com", NULL, &f), 0);
    ck_assert_int_eq(envelope_add_recipient(&e, "ann@EXAMPLE.com", "NOTIFY=NEVER", &f), 0);
    ck_assert_int_eq(envelope_add_recipient(&e, "ann@example.com", "NOTIFY=DELAY", &f), 0);
    ck_assert_int_eq(envelope_add_recipient(&e, "Postmaster", "", &f), 0);
    ck_assert_int_eq(envelope_add_recipient(&e, "nobody", NULL, &f), -EINVAL);
    ck_assert_int_eq(f.number, ERROR_MESSAGE);
    ck_assert_int_eq(envelope_add_recipient(&e, "", NULL, &f), -EINVAL);
    ck_assert_int_eq(envelope_add_recipient(&e, "b@c", "NOTIFY=", &f), -EINVAL);
    ck_assert_uint_eq(e.n_recipients, 3);
    ck_assert_str_eq(e.recipients[0].address, "ann@example.com");
    ck_assert_str_eq(e.recipients[0].parameters, "NOTIFY=NEVER");
    ck_assert_str_eq(e.recipients[1].address, "Ann@example.com");
    ck_assert_ptr_null(e.recipients[2].parameters);
}
END_TEST

START_TEST(nobody_is_in_a_long_list_twice)
{
    static const char *const forms[][2] = {{"user", "@example.com"}, {"user", "@EXAMPLE.com"},
        {"User", "@example.com"}, {"\"user@", "x\"@Example.com"}, {"\"user@", "X\"@example.com"},
        {"user", "@example.COM"}};
    const unsigned n = 20000;
    _cleanup_envelope_ Envelope e = {0};
    char address[64];

    for (size_t form = 0; form < ELEMENTSOF(forms); form++)
        for (unsigned i = 0; i < n; i++) {
            snprintf(address, sizeof(address), "%s%u%s", forms[form][0], i, forms[form][1]);
            if (envelope_add_recipient(&e, address, NULL, NULL) < 0)
                ck_abort_msg("%s", address);
        }
    /* The case of a local part matters, that of a domain does not. */
    ck_assert_uint_eq(e.n_recipients, 4 * n);
    ck_assert_str_eq(e.recipients[n - 1].address, "user19999@example.com");
    ck_assert_str_eq(e.recipients[4 * n - 1].address, "\"user@19999X\"@example.com");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/envelope");
    TCase *tcase = tcase_create("envelope");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, fields_give_address_and_parameters, 0, (int)ELEMENTSOF(good_fields));
    tcase_add_loop_test(tcase, malformed_fields_are_refused, 0, (int)ELEMENTSOF(bad_fields));
    tcase_add_test(tcase, senders_are_checked);
    tcase_add_test(tcase, nobody_is_a_recipient_twice);
    tcase_add_test(tcase, nobody_is_in_a_long_list_twice);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
