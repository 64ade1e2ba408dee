/* smtp/capabilities: what servers say after EHLO, and what odd ones do. */
#include <string.h>

#include "smtp/capabilities.h"
#include "unit.h"

static SmtpCapabilities read_text(const char *text)
{
    SmtpReply reply = {.code = 250};
    SmtpCapabilities ret;

    ck_assert_int_eq(buffer_append_string(&reply.text, text), 0);
    smtp_capabilities_parse(&reply, 0, &ret);
    smtp_reply_done(&reply);
    ck_assert(ret.esmtp);
    return ret;
}

START_TEST(a_postfix_reply_is_read)
{
    SmtpCapabilities c =
        read_text("mail.example.com\nPIPELINING\nSIZE 10240000\nVRFY\nETRN\nSTARTTLS\n"
                  "AUTH PLAIN LOGIN SCRAM-SHA-256\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\n"
                  "SMTPUTF8\nCHUNKING\n");

    ck_assert_uint_eq(c.flags, SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_VRFY |
                                   SMTP_CAP_STARTTLS | SMTP_CAP_AUTH |
                                   SMTP_CAP_ENHANCEDSTATUSCODES | SMTP_CAP_8BITMIME | SMTP_CAP_DSN |
                                   SMTP_CAP_SMTPUTF8 | SMTP_CAP_CHUNKING);
    ck_assert_uint_eq(c.size_max, 10240000);
    ck_assert_str_eq(c.mechanisms, "PLAIN LOGIN SCRAM-SHA-256");
    ck_assert_str_eq(c.domain, "mail.example.com");
    ck_assert(smtp_has(&c, SMTP_CAP_DSN));
    ck_assert(!smtp_has(&c, SMTP_CAP_BINARYMIME));
}
END_TEST

START_TEST(rarer_extensions_are_read)
{
    SmtpCapabilities c = read_text("mx\nBINARYMIME\nDELIVERBY 240\nMT-PRIORITY MIXER\nREQUIRETLS\n"
                                   "LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1\n"
                                   "FUTURERELEASE 3600 2030-01-01T00:00:00Z\n");

    ck_assert_uint_eq(c.flags, SMTP_CAP_BINARYMIME | SMTP_CAP_DELIVERBY | SMTP_CAP_MT_PRIORITY |
                                   SMTP_CAP_REQUIRETLS | SMTP_CAP_LIMITS | SMTP_CAP_FUTURERELEASE);
    ck_assert_uint_eq(c.limit_mail, 20);
    ck_assert_uint_eq(c.limit_rcpt, 100);
}
END_TEST

START_TEST(a_bare_greeting_offers_nothing)
{
    SmtpCapabilities c = read_text("\n");

    ck_assert_uint_eq(c.flags, 0);
    ck_assert_str_eq(c.domain, "");
    c = read_text("pipelining.example.com Hello, PIPELINING\n");
    ck_assert_uint_eq(c.flags, 0);
    ck_assert_str_eq(c.domain, "pipelining.example.com");
}
END_TEST

START_TEST(keywords_have_any_case_and_no_more)
{
    SmtpCapabilities c =
        read_text("mx\npipelining\nSize 99\nauth plain cram-md5\nXPIPELINING\nDSNX\nDS\n"
                  " \nCHUNKING\t\n");

    ck_assert_uint_eq(
        c.flags, SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_AUTH | SMTP_CAP_CHUNKING);
    ck_assert_uint_eq(c.size_max, 99);
    ck_assert_str_eq(c.mechanisms, "PLAIN CRAM-MD5");
}
END_TEST

START_TEST(auth_lines_are_merged)
{
    SmtpCapabilities c =
        read_text("mx\nAUTH=LOGIN PLAIN\nAUTH LOGIN  CRAM-MD5 \nAUTH\nAUTH x!y XOAUTH2\n");

    ck_assert_str_eq(c.mechanisms, "LOGIN PLAIN CRAM-MD5 XOAUTH2");
    ck_assert(smtp_capabilities_offer(&c, "cram-md5"));
    ck_assert(smtp_capabilities_offer(&c, "XOAUTH2"));
    ck_assert(!smtp_capabilities_offer(&c, "XOAUTH"));
    ck_assert(!smtp_capabilities_offer(&c, "CRAM-MD"));
    ck_assert(!smtp_capabilities_offer(&c, ""));
    c = read_text("mx\nAUTH=\n");
    ck_assert_uint_eq(c.flags, SMTP_CAP_AUTH);
    ck_assert_str_eq(c.mechanisms, "");
}
END_TEST

START_TEST(sizes_that_make_no_sense_are_no_limit)
{
    ck_assert_uint_eq(read_text("mx\nSIZE\n").size_max, 0);
    ck_assert(smtp_has(&(SmtpCapabilities){.flags = read_text("mx\nSIZE\n").flags}, SMTP_CAP_SIZE));
    ck_assert_uint_eq(read_text("mx\nSIZE 0\n").size_max, 0);
    ck_assert_uint_eq(read_text("mx\nSIZE many\n").size_max, 0);
    ck_assert_uint_eq(read_text("mx\nSIZE -5\n").size_max, 0);
    ck_assert_uint_eq(read_text("mx\nSIZE 18446744073709551616\n").size_max, 0);
    ck_assert_uint_eq(read_text("mx\nSIZE 18446744073709551615\n").size_max, UINT64_MAX);
    ck_assert_uint_eq(read_text("mx\nSIZE=77\n").size_max, 77);
    ck_assert_uint_eq(read_text("mx\nSIZE 5\nSIZE 9\nSIZE\n").size_max, 9);
}
END_TEST

START_TEST(limits_that_make_no_sense_are_ignored)
{
    SmtpCapabilities c =
        read_text("mx\nLIMITS RCPTMAX=10000000 MAILMAX= =5 RCPTMAX MAILMAX==7x rcptmax=12\n");

    ck_assert_uint_eq(c.limit_rcpt, 12);
    ck_assert_uint_eq(c.limit_mail, 0);
    /* Nor do they undo one that does. */
    c = read_text(
        "mx\nLIMITS RCPTMAX=12 RCPTMAX=-5 RCPTMAX=0 RCPTMAX=99999999999999999999 RCPTMAX=\n"
        "LIMITS MAILMAX=999999 MAILMAX=1000000 MAILMAX=0x5 MAILMAX=000000\n");
    ck_assert_uint_eq(c.limit_rcpt, 12);
    ck_assert_uint_eq(c.limit_mail, 999999);
}
END_TEST

START_TEST(long_lists_are_cut_at_a_word)
{
    _cleanup_buffer_ Buffer text = {0};
    SmtpCapabilities c;

    ck_assert_int_eq(buffer_append_string(&text, "mx\nAUTH"), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(buffer_appendf(&text, " MECH-%04d", i), 0);
    ck_assert_int_eq(buffer_append(&text, "\n", 2), 0);
    c = read_text(buffer_data(&text));
    ck_assert_uint_eq(strlen(c.mechanisms), 509);
    ck_assert_str_eq(c.mechanisms + 509 - 9, "MECH-0050");
}
END_TEST

START_TEST(the_domain_is_printable_and_cut)
{
    _cleanup_buffer_ Buffer text = {0};
    SmtpCapabilities c = read_text("a\x01\xff"
                                   "b.example hello\n");

    ck_assert_str_eq(c.domain, "a??b.example");
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(buffer_append_string(&text, "x"), 0);
    ck_assert_int_eq(buffer_append(&text, "\n", 2), 0);
    c = read_text(buffer_data(&text));
    ck_assert_uint_eq(strlen(c.domain), sizeof(c.domain) - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_capabilities");
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_postfix_reply_is_read);
    tcase_add_test(t, rarer_extensions_are_read);
    tcase_add_test(t, a_bare_greeting_offers_nothing);
    tcase_add_test(t, keywords_have_any_case_and_no_more);
    tcase_add_test(t, auth_lines_are_merged);
    tcase_add_test(t, sizes_that_make_no_sense_are_no_limit);
    tcase_add_test(t, limits_that_make_no_sense_are_ignored);
    tcase_add_test(t, long_lists_are_cut_at_a_word);
    tcase_add_test(t, the_domain_is_printable_and_cut);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
