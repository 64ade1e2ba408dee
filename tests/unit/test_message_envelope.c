/* message: the envelope and the fields that carry it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"
#include "message/address.h"
#include "message/envelope.h"
#include "unit.h"

#define TEXT10 "0123456789"
#define TEXT101 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 TEXT10 "x"

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
    {"a, b@c", "only one address"},
    {"Doe, Joe <a@b>", "\"Doe, Joe\" <joe@example.org>"},
    {"\"Doe, Joe\" <a@b>, <c@d>", "only one address"},
    {"a@b, Joe <c@d>", "only one address"},
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

static const struct ParameterCase {
    const char *text;
    EnvelopeParty party;
    const char *why; /* NULL: well formed */
} parameters[] = {
    {NULL, ENVELOPE_SENDER, NULL},
    {"", ENVELOPE_SENDER, NULL},
    {"RET=FULL", ENVELOPE_SENDER, NULL},
    {"ret=hdrs ENVID=QQ+2B42+3D BODY=8BITMIME SIZE=100", ENVELOPE_SENDER, NULL},
    {"MT-PRIORITY=-9 BY=-100;RT HOLDFOR=999999999 REQUIRETLS SMTPUTF8", ENVELOPE_SENDER, NULL},
    {"HOLDUNTIL=2026-01-02T11:04:05Z X-UNKNOWN X-OTHER=1", ENVELOPE_SENDER, NULL},
    {"NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c", ENVELOPE_RECIPIENT, NULL},
    {"NOTIFY=success,Failure,DELAY", ENVELOPE_RECIPIENT, NULL},
    {"ORCPT=utf-8;j\xc3\xb6rg@b", ENVELOPE_RECIPIENT, NULL},
    {"ORCPT=x-other;a", ENVELOPE_RECIPIENT, NULL},
    {"NOTIFY=", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"=NEVER", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"-X=1", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A=B=C", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A=\x01", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A=\xff", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A_B=C", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"<c@d>", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A  B", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"A\r\nB", ENVELOPE_RECIPIENT, "not an ESMTP parameter"},
    {"RET=SOME", ENVELOPE_SENDER, "\"RET=SOME\" is malformed: its value is FULL or HDRS"},
    {"RET", ENVELOPE_SENDER, "malformed"},
    {"RET=FULL RET=HDRS", ENVELOPE_SENDER, "given twice"},
    {"ENVID=a+2b", ENVELOPE_SENDER, "\"ENVID=a+2b\" is malformed"},
    {"ENVID=a+0Ab", ENVELOPE_SENDER, "\"ENVID=a+0Ab\" is malformed"},
    {"ENVID=+7F", ENVELOPE_SENDER, "printable"},
    {"ENVID=+C3", ENVELOPE_SENDER, "printable"},
    {"ENVID=a+", ENVELOPE_SENDER, "malformed"},
    {"ENVID=a+2", ENVELOPE_SENDER, "malformed"},
    {"ENVID=\xc3\xbc", ENVELOPE_SENDER, "malformed"},
    {"ENVID=" TEXT101, ENVELOPE_SENDER, "at most 100"},
    {"NOTIFY=NEVER,SUCCESS", ENVELOPE_RECIPIENT, "NEVER, or SUCCESS, FAILURE and DELAY"},
    {"NOTIFY=SUCCESS,", ENVELOPE_RECIPIENT, "malformed"},
    {"NOTIFY=,SUCCESS", ENVELOPE_RECIPIENT, "malformed"},
    {"NOTIFY=SUCCESS;DELAY", ENVELOPE_RECIPIENT, "malformed"},
    {"NOTIFY", ENVELOPE_RECIPIENT, "malformed"},
    {"ORCPT=a@b", ENVELOPE_RECIPIENT, "a type, a semicolon and an address"},
    {"ORCPT=rfc822;", ENVELOPE_RECIPIENT, "malformed"},
    {"ORCPT=rfc822;a+b@c", ENVELOPE_RECIPIENT, "written +2B"},
    {"ORCPT=rf_c;a@b", ENVELOPE_RECIPIENT, "malformed"},
    {"ORCPT=rfc822;" TEXT101 TEXT101 TEXT101 TEXT101 TEXT101, ENVELOPE_RECIPIENT, "at most 500"},
    {"BODY=9BIT", ENVELOPE_SENDER, "7BIT, 8BITMIME or BINARYMIME"},
    {"SIZE=big", ENVELOPE_SENDER, "a number of bytes"},
    {"MT-PRIORITY=10", ENVELOPE_SENDER, "from -9 to 9"},
    {"BY=100", ENVELOPE_SENDER, "seconds, a semicolon"},
    {"BY=1234567890;R", ENVELOPE_SENDER, "malformed"},
    {"HOLDFOR=1h", ENVELOPE_SENDER, "seconds"},
    {"HOLDUNTIL=2026-01-02T11:04:05.25+01:00", ENVELOPE_SENDER, NULL},
    {"HOLDUNTIL=2026-01-02T11:04:05z", ENVELOPE_SENDER, NULL},
    {"HOLDUNTIL=tomorrow", ENVELOPE_SENDER, "a time such as 2030-12-24T18:00:00Z"},
    {"HOLDUNTIL=2026-01-02T11:04:05", ENVELOPE_SENDER, "malformed"},
    {"HOLDUNTIL=2026-01-02T11:04:05+1:00", ENVELOPE_SENDER, "malformed"},
    {"HOLDUNTIL=+01:00", ENVELOPE_SENDER, "malformed"},
    {"HOLDUNTIL=Z", ENVELOPE_SENDER, "malformed"},
    {"REQUIRETLS=yes", ENVELOPE_SENDER, "without a value"},
    {"SMTPUTF8=1", ENVELOPE_SENDER, "without a value"},
    {"RET=HDRS", ENVELOPE_RECIPIENT, "said of a sender, and this is a recipient"},
    {"A ORCPT=rfc822;a@b", ENVELOPE_SENDER, "said of a recipient, and this is the sender"},
};

START_TEST(parameters_are_judged)
{
    const struct ParameterCase *row = &parameters[_i];
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};
    int r = envelope_check_parameters(row->text, row->party, &f);

    ck_assert_msg(r == (row->why ? -EINVAL : 0), "%s: %s", row->text, failure_text(&f));
    if (row->why)
        ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->text, f.text);
    ck_assert_int_eq(row->party == ENVELOPE_SENDER
                         ? envelope_set_sender(&e, "a@b", row->text, NULL)
                         : envelope_add_recipient(&e, "a@b", row->text, NULL),
        r);
    ck_assert_int_eq(envelope_check_parameters(row->text, row->party, NULL), r);
}
END_TEST

static int add_list(Envelope *e, const char *list, const EnvelopeTerms *terms, Failure *f)
{
    return envelope_add_list(e, list, strlen(list), terms, f);
}

START_TEST(a_misspelt_parameter_is_told)
{
    static const char *const fine[] = {
        "NOTIFY=NEVER ORCPT=rfc822;a@b", "XFOO=1", "RRVS=2", "", "NO=1", "AVERYLONGKEYWORDINDEED"};
    _cleanup_failure_ Failure f = {0};

    for (size_t i = 0; i < ELEMENTSOF(fine); i++)
        ck_assert_int_eq(envelope_check_spelling(fine[i], ENVELOPE_RECIPIENT, NULL), 0);
    ck_assert_int_eq(envelope_check_spelling(NULL, ENVELOPE_RECIPIENT, NULL), 0);
    ck_assert_int_eq(
        envelope_check_spelling("XFOO=1 NOTFIY=SUCCESS", ENVELOPE_RECIPIENT, &f), -EINVAL);
    ck_assert_str_eq(
        failure_text(&f), "the parameter \"NOTFIY=SUCCESS\" is not known; did you mean NOTIFY");
    /* A file's parameters are judged by their form. */
    ck_assert_int_eq(envelope_check_parameters("NOTFIY=SUCCESS", ENVELOPE_RECIPIENT, NULL), 0);
}
END_TEST

START_TEST(lists_become_recipients)
{
    const EnvelopeTerms terms = {.parameters = "NOTIFY=NEVER", .domain = "here.example"};
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(add_list(&e, "Ann <ann@b>, Friends: bob@b, ANN@b;", NULL, &f), 0);
    ck_assert_int_eq(add_list(&e, "root, \"a b\", bob@B; a..b", &terms, &f), 0);
    ck_assert_int_eq(add_list(&e, "root", NULL, &f), -EINVAL);
    ck_assert_int_eq(add_list(&e, "a@b c@d", &terms, &f), -EINVAL);
    ck_assert_int_eq(add_list(&e, "", &terms, &f), 0);
    ck_assert_uint_eq(e.n_recipients, 6);
    ck_assert_str_eq(e.recipients[2].address, "ANN@b");
    ck_assert_ptr_null(e.recipients[0].parameters);
    ck_assert_str_eq(e.recipients[1].parameters, "NOTIFY=NEVER");
    ck_assert_str_eq(e.recipients[3].address, "root@here.example");
    ck_assert_str_eq(e.recipients[4].address, "\"a b\"@here.example");
    ck_assert_str_eq(e.recipients[5].address, "\"a..b\"@here.example");
    ck_assert_str_eq(e.recipients[5].parameters, "NOTIFY=NEVER");
}
END_TEST

START_TEST(a_sender_is_given_as_text)
{
    const EnvelopeTerms terms = {.parameters = "RET=FULL", .domain = "here.example"};
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(envelope_set_sender_text(&e, " ", NULL, &f), 0);
    ck_assert_str_eq(e.sender, "");
    ck_assert_int_eq(envelope_set_sender_text(&e, "Ann <a@b> RET=HDRS", NULL, &f), 0);
    ck_assert_str_eq(e.sender, "a@b");
    ck_assert_str_eq(e.sender_parameters, "RET=HDRS");
    ck_assert_int_eq(envelope_set_sender_text(&e, "root", NULL, &f), -EINVAL);
    ck_assert_int_eq(envelope_set_sender_text(&e, "root", &terms, &f), 0);
    ck_assert_str_eq(e.sender, "root@here.example");
    ck_assert_str_eq(e.sender_parameters, "RET=FULL");
    ck_assert_int_eq(envelope_set_sender_text(&e, "<>", &terms, &f), 0);
    ck_assert_str_eq(e.sender, "");
    ck_assert_int_eq(envelope_set_sender_text(&e, "a@b, c@d", &terms, &f), -EINVAL);
}
END_TEST

START_TEST(the_first_originator_speaks_for_all)
{
    static const char list[] = "Lee, Ann <ann@b> x, bob@b";
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(envelope_add_originators(&e, list, strlen(list), &f), 2);
    ck_assert_str_eq(e.sender, "ann@b");
    ck_assert_int_eq(envelope_add_originators(&e, "x@y", 3, &f), 1);
    ck_assert_str_eq(e.sender, "ann@b");
    ck_assert_int_eq(envelope_add_originators(&e, "", 0, &f), 0);
    ck_assert_int_eq(envelope_add_originators(&e, "a@", 2, &f), -EINVAL);
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

START_TEST(a_domain_is_the_same_in_u_labels_and_in_a_labels)
{
    static const char *const same[] = {"ann@bücher.example", "ann@xn--bcher-kva.example",
        "ann@BÜCHER.example", "ann@XN--BCHER-KVA.EXAMPLE", "ann@bücher。example"};
    static const char *const others[] = {"Ann@bücher.example", "ann@bucher.example",
        "ann@b\u00adcher.example", "anñ@xn--bcher-kva.example"};

    for (size_t first = 0; first < ELEMENTSOF(same); first++) {
        _cleanup_envelope_ Envelope e = {0};
        char filler[32];

        for (unsigned i = 0; i < 20; i++) { /* one by one, and by the table */
            for (size_t k = 0; k < ELEMENTSOF(same); k++)
                ck_assert_int_eq(
                    envelope_add_recipient(&e, same[(first + k) % ELEMENTSOF(same)], NULL, NULL),
                    0);
            ck_assert_uint_eq(e.n_recipients, i + 1);
            snprintf(filler, sizeof(filler), "%u@example.com", i);
            ck_assert_int_eq(envelope_add_recipient(&e, filler, NULL, NULL), 0);
        }
        ck_assert_str_eq(e.recipients[0].address, same[first]);
        ck_assert_int_eq(envelope_inherit_recipient(&e, same[0], "NOTIFY=NEVER", NULL), 0);
        ck_assert_str_eq(e.recipients[0].parameters, "NOTIFY=NEVER");
        for (size_t k = 0; k < ELEMENTSOF(others); k++)
            ck_assert_int_eq(envelope_add_recipient(&e, others[k], NULL, NULL), 0);
        ck_assert_uint_eq(e.n_recipients, 21 + ELEMENTSOF(others));
    }
}
END_TEST

START_TEST(a_domain_that_becomes_longer_is_compared)
{
    _cleanup_envelope_ Envelope e = {0};
    char address[ADDRESS_MAX];

    memset(address, 'a', sizeof(address));
    strcpy(address + sizeof(address) - 25, "@ü.ü.ü.ü.ü.ü.ü.de");
    for (unsigned i = 0; i < 40; i++) {
        address[i] = 'b';
        ck_assert_int_eq(envelope_add_recipient(&e, address, NULL, NULL), 0);
        ck_assert_int_eq(envelope_add_recipient(&e, address, NULL, NULL), 0);
    }
    ck_assert_uint_eq(e.n_recipients, 40);
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
    tcase_add_test(tcase, a_domain_is_the_same_in_u_labels_and_in_a_labels);
    tcase_add_test(tcase, a_domain_that_becomes_longer_is_compared);
    tcase_add_test(tcase, nobody_is_in_a_long_list_twice);
    tcase_add_loop_test(tcase, parameters_are_judged, 0, (int)ELEMENTSOF(parameters));
    tcase_add_test(tcase, a_misspelt_parameter_is_told);
    tcase_add_test(tcase, lists_become_recipients);
    tcase_add_test(tcase, a_sender_is_given_as_text);
    tcase_add_test(tcase, the_first_originator_speaks_for_all);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
