/* smtp/command: what goes out, what is left out, what is refused. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "smtp/command.h"
#include "unit.h"

#define ALL_CAPABILITIES UINT_MAX

static void check_line(Buffer *out, const char *expected)
{
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
    ck_assert_str_eq(buffer_data(out), expected);
    buffer_clear(out);
}

START_TEST(simple_commands_are_formatted)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(smtp_command_simple(&out, "EHLO", "host.example.com"), 0);
    ck_assert_int_eq(smtp_command_simple(&out, "STARTTLS", NULL), 0);
    check_line(&out, "EHLO host.example.com\r\nSTARTTLS\r\n");
    ck_assert_int_eq(smtp_command_bdat(&out, 0, true), 0);
    ck_assert_int_eq(smtp_command_bdat(&out, 65536, false), 0);
    check_line(&out, "BDAT 0 LAST\r\nBDAT 65536\r\n");
}
END_TEST

START_TEST(simple_commands_cannot_be_broken)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(buffer_append_string(&out, "NOOP\r\n"), 0);
    ck_assert_int_eq(smtp_command_simple(&out, "EHLO", "x\r\nMAIL FROM:<>"), -EINVAL);
    ck_assert_int_eq(smtp_command_simple(&out, "EHLO", "x\n"), -EINVAL);
    ck_assert_int_eq(smtp_command_simple(&out, "NO\rOP", NULL), -EINVAL);
    check_line(&out, "NOOP\r\n");
}
END_TEST

typedef struct MailCase {
    SmtpTransaction transaction;
    unsigned flags;
    const char *line; /* NULL: `result` */
    int result;
} MailCase;

static const SmtpRecipient utf8_recipient = {.address = "jos\u00e9@example.com"};

static const MailCase mail_cases[] = {
    {{.sender = ""}, ALL_CAPABILITIES, "MAIL FROM:<>\r\n"},
    {{.sender = "a@b.example", .verb = SMTP_VERB_SOML}, SMTP_CAP_SOML,
        "SOML FROM:<a@b.example>\r\n"},
    {{.sender = "a@b.example", .verb = SMTP_VERB_SAML}, SMTP_CAP_SOML, NULL, -EOPNOTSUPP},
    {{.sender = "a@b.example", .size = 4096}, 0, "MAIL FROM:<a@b.example>\r\n"},
    {{.sender = "a@b.example", .size = 4096}, SMTP_CAP_SIZE,
        "MAIL FROM:<a@b.example> SIZE=4096\r\n"},
    {{.sender = "a@b.example", .size = UINT64_MAX}, SMTP_CAP_SIZE,
        "MAIL FROM:<a@b.example> SIZE=18446744073709551615\r\n"},
    {{.sender = "a@b.example", .sender_parameters = "SIZE=1"}, SMTP_CAP_SIZE,
        "MAIL FROM:<a@b.example>\r\n"},
    {{.sender = "a@b", .is_8bit = true, .wants_utf8 = true}, 0, "MAIL FROM:<a@b>\r\n"},
    {{.sender = "a@b", .is_8bit = true, .wants_utf8 = true}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8\r\n"},
    {{.sender = "a@b", .sender_parameters = "BODY=7bit smtputf8"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> BODY=7BIT SMTPUTF8\r\n"},
    {{.sender = "a@b", .is_8bit = true, .sender_parameters = "BODY=7BIT"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> BODY=8BITMIME\r\n"},
    {{.sender = "a@b", .sender_parameters = "body=BinaryMIME"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> BODY=8BITMIME\r\n"},
    {{.sender = "a@b", .sender_parameters = "BODY BODY=9"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b>\r\n"},
    {{.sender = "a@b", .sender_parameters = "RET=HDRS ENVID=42"}, SMTP_CAP_DSN,
        "MAIL FROM:<a@b> RET=HDRS ENVID=42\r\n"},
    {{.sender = "a@b", .sender_parameters = "RET=HDRS ENVID=42"}, ALL_CAPABILITIES & ~SMTP_CAP_DSN,
        "MAIL FROM:<a@b>\r\n"},
    {{.sender = "a@b", .sender_parameters = "\t envid=1  ENVID=2 RET=FULL\tRET=HDRS ENVIDX=3 "},
        SMTP_CAP_DSN, "MAIL FROM:<a@b> RET=FULL envid=1\r\n"},
    {{.sender = "a@b",
         .sender_parameters = "REQUIRETLS HOLDFOR=60 HOLDUNTIL=x BY=120;R MT-PRIORITY=3"},
        ALL_CAPABILITIES,
        "MAIL FROM:<a@b> MT-PRIORITY=3 BY=120;R HOLDFOR=60 HOLDUNTIL=x REQUIRETLS\r\n"},
    {{.sender = "a@b", .sender_parameters = "REQUIRETLS HOLDFOR=60 BY=120;R MT-PRIORITY=3"},
        SMTP_CAP_DELIVERBY, "MAIL FROM:<a@b> BY=120;R\r\n"},
    /* what is left of the time */
    {{.sender = "a@b", .sender_parameters = "BY=120;RT HOLDFOR=60", .waited = 59}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> BY=61;RT HOLDFOR=1\r\n"},
    {{.sender = "a@b", .sender_parameters = "by=120;N HOLDFOR=60", .waited = 150}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> by=-30;N\r\n"},
    {{.sender = "a@b", .sender_parameters = "BY=-999999999;N", .waited = UINT64_MAX},
        ALL_CAPABILITIES, "MAIL FROM:<a@b> BY=-999999999;N\r\n"},
    {{.sender = "a@b", .sender_parameters = "XFOO=1 AUTH=<> ENVID=\u00e9"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b>\r\n"},
    {{.sender = "\"a b>\\\"\"@c"}, 0, "MAIL FROM:<\"a b>\\\"\"@c>\r\n"},
    /* UTF-8 */
    {{.sender = "jos\u00e9@b\u00fccher.example"}, ALL_CAPABILITIES,
        "MAIL FROM:<jos\u00e9@b\u00fccher.example> SMTPUTF8\r\n"},
    {{.sender = "a@b", .recipients = &utf8_recipient, .n_recipients = 1}, ALL_CAPABILITIES,
        "MAIL FROM:<a@b> SMTPUTF8\r\n"},
    {{.sender = "a@b\u00fccher.example"}, 0, "MAIL FROM:<a@xn--bcher-kva.example>\r\n"},
    {{.sender = "a@b\u00fccher.example"}, ALL_CAPABILITIES,
        "MAIL FROM:<a@xn--bcher-kva.example>\r\n"},
    {{.sender = "a@fa\u00df.example"}, 0,
        "MAIL FROM:<a@xn--fa-hia.example>\r\n"}, /* nontransitional */
    {{.sender = "jos\u00e9@b\u00fccher.example"}, ~(unsigned)SMTP_CAP_SMTPUTF8, NULL, -EILSEQ},
    {{.sender = "jos\u00e9"}, 0, NULL, -EILSEQ},
    {{.sender = "a@b\xff"}, 0, NULL, -EINVAL},
    {{.sender = "a@b\xff"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b\uff1e"}, 0, NULL, -EINVAL},       /* FULLWIDTH GREATER-THAN SIGN */
    {{.sender = "a@b\uff20\u00fc"}, 0, NULL, -EINVAL}, /* FULLWIDTH COMMERCIAL AT */
    /* what would end the address or the line early */
    {{.sender = "a@b\r\nRCPT TO:<x@y>"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b\n"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "\"\r\"@b"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b> BODY=7BIT"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b "}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "\"a@b"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "\"a\\"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b", .sender_parameters = "RET=HDRS\r\nDATA"}, ALL_CAPABILITIES, NULL, -EINVAL},
    {{.sender = "a@b", .sender_parameters = "ENVID=1\n"}, 0, NULL, -EINVAL},
};

START_TEST(mail_has_what_is_offered)
{
    const MailCase *c = &mail_cases[_i];
    SmtpCapabilities capabilities = {.esmtp = true, .flags = c->flags};
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(buffer_append_string(&out, "RSET\r\n"), 0);
    ck_assert_int_eq(smtp_command_mail(&out, &c->transaction, &capabilities), c->result);
    if (c->line)
        buffer_consume(&out, strlen("RSET\r\n"));
    check_line(&out, c->line ?: "RSET\r\n");
}
END_TEST

typedef struct ChosenCase {
    SmtpTransaction transaction;
    unsigned flags, refused, chosen;
    const char *line;
} ChosenCase;

static const ChosenCase chosen_cases[] = {
    {{.sender = "a@b", .size = 1, .is_8bit = true, .wants_utf8 = true}, ALL_CAPABILITIES, 0,
        SMTP_CAP_SIZE | SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8,
        "MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME SMTPUTF8\r\n"},
    {{.sender = "a@b", .size = 1, .is_8bit = true, .wants_utf8 = true}, ALL_CAPABILITIES,
        ALL_CAPABILITIES, 0, "MAIL FROM:<a@b>\r\n"},
    {{.sender = "a@b", .size = 1, .is_8bit = true}, SMTP_CAP_8BITMIME, 0, SMTP_CAP_8BITMIME,
        "MAIL FROM:<a@b> BODY=8BITMIME\r\n"},
    {{.sender = "a@b"}, ALL_CAPABILITIES, 0, 0, "MAIL FROM:<a@b>\r\n"},
    /* what an address needs, and what is the sender's own, is no choice */
    {{.sender = "jos\u00e9@b", .wants_utf8 = true}, ALL_CAPABILITIES, SMTP_CAP_SMTPUTF8, 0,
        "MAIL FROM:<jos\u00e9@b> SMTPUTF8\r\n"},
    {{.sender = "a@b", .recipients = &utf8_recipient, .n_recipients = 1, .wants_utf8 = true},
        ALL_CAPABILITIES, 0, 0, "MAIL FROM:<a@b> SMTPUTF8\r\n"},
    {{.sender = "a@b", .sender_parameters = "RET=HDRS BODY=7BIT SMTPUTF8"}, ALL_CAPABILITIES,
        SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8, SMTP_CAP_DSN, "MAIL FROM:<a@b> RET=HDRS\r\n"},
    {{.sender = "a@b", .sender_parameters = "RET=HDRS BY=9;R MT-PRIORITY=3"}, ALL_CAPABILITIES,
        SMTP_CAP_DSN | SMTP_CAP_MT_PRIORITY, 0, "MAIL FROM:<a@b> BY=9;R\r\n"},
};

START_TEST(mail_goes_without_what_was_refused)
{
    const ChosenCase *c = &chosen_cases[_i];
    SmtpCapabilities capabilities = {.esmtp = true, .flags = c->flags, .refused = c->refused};
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_uint_eq(smtp_command_mail_chosen(&c->transaction, &capabilities), c->chosen);
    ck_assert_int_eq(smtp_command_mail(&out, &c->transaction, &capabilities), 0);
    check_line(&out, c->line);
}
END_TEST

typedef struct RcptCase {
    SmtpRecipient recipient;
    unsigned flags;
    const char *line;
    int result;
} RcptCase;

static const RcptCase rcpt_cases[] = {
    {{"a@b.example"}, ALL_CAPABILITIES, "RCPT TO:<a@b.example>\r\n"},
    {{"a@b", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b"}, SMTP_CAP_DSN,
        "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b\r\n"},
    {{"a@b", "NOTIFY=NEVER ORCPT=rfc822;a@b"}, 0, "RCPT TO:<a@b>\r\n"},
    {{"a@b", "NOTIFY=NEVER notify=FAILURE RET=HDRS"}, ALL_CAPABILITIES,
        "RCPT TO:<a@b> NOTIFY=NEVER\r\n"},
    {{"a@[192.0.2.1]", ""}, 0, "RCPT TO:<a@[192.0.2.1]>\r\n"},
    {{"Postmaster"}, 0, "RCPT TO:<Postmaster>\r\n"},
    {{"a@b\u00fccher.example"}, 0, "RCPT TO:<a@xn--bcher-kva.example>\r\n"},
    {{"a@b\u00fccher.example"}, SMTP_CAP_SMTPUTF8, "RCPT TO:<a@xn--bcher-kva.example>\r\n"},
    {{"jos\u00e9@b\u00fccher.example"}, SMTP_CAP_SMTPUTF8,
        "RCPT TO:<jos\u00e9@b\u00fccher.example>\r\n"},
    {{"jos\u00e9@b"}, SMTP_CAP_SMTPUTF8, "RCPT TO:<jos\u00e9@b>\r\n"},
    {{"jos\u00e9@b"}, 0, NULL, -EILSEQ},
    {{""}, 0, NULL, -EINVAL},
    {{"a@b\r\nDATA"}, 0, NULL, -EINVAL},
    {{"a@b> NOTIFY=NEVER"}, 0, NULL, -EINVAL},
    {{"a@b", "NOTIFY=NEVER\nDATA"}, 0, NULL, -EINVAL},
};

static const struct Dotted {
    const char *address, *line;
} dotted[] = {
    {"\"a..b\"@c", "RCPT TO:<a..b@c>\r\n"},
    {"\".a\"@c", "RCPT TO:<.a@c>\r\n"},
    {"\"a.\"@b\u00fccher.example", "RCPT TO:<a.@xn--bcher-kva.example>\r\n"},
    {"a.b@c", "RCPT TO:<a.b@c>\r\n"},
    {"\"a b\"@c", "RCPT TO:<\"a b\"@c>\r\n"},
    {"\"a..\\b\"@c", "RCPT TO:<\"a..\\b\"@c>\r\n"},
    {"\"a..>b\"@c", "RCPT TO:<\"a..>b\"@c>\r\n"},
    {"\"\"@c", "RCPT TO:<\"\"@c>\r\n"},
    {"\"a..b\"", "RCPT TO:<\"a..b\">\r\n"},
    {"\"a..b", ""},
};

START_TEST(quotes_for_dots_can_be_left_out)
{
    const SmtpRecipient recipient = {dotted[_i].address};
    SmtpCapabilities capabilities = {.esmtp = true};
    _cleanup_buffer_ Buffer quoted = {0}, bare = {0};
    int r = smtp_command_rcpt(&quoted, &recipient, &capabilities);

    if (r == 0 && text_is_ascii(recipient.address, strlen(recipient.address)))
        ck_assert_ptr_nonnull(memmem(buffer_data(&quoted), buffer_size(&quoted), recipient.address,
            strlen(recipient.address)));
    capabilities.bare_dots = true;
    ck_assert_int_eq(smtp_command_rcpt(&bare, &recipient, &capabilities), r);
    check_line(&bare, dotted[_i].line);
}
END_TEST

START_TEST(rcpt_has_what_is_offered)
{
    const RcptCase *c = &rcpt_cases[_i];
    SmtpCapabilities capabilities = {.esmtp = true, .flags = c->flags};
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(smtp_command_rcpt(&out, &c->recipient, &capabilities), c->result);
    check_line(&out, c->line ?: "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_command");
    TCase *t = tcase_create("all");

    tcase_add_test(t, simple_commands_are_formatted);
    tcase_add_test(t, simple_commands_cannot_be_broken);
    tcase_add_loop_test(t, mail_has_what_is_offered, 0, ELEMENTSOF(mail_cases));
    tcase_add_loop_test(t, mail_goes_without_what_was_refused, 0, ELEMENTSOF(chosen_cases));
    tcase_add_loop_test(t, rcpt_has_what_is_offered, 0, ELEMENTSOF(rcpt_cases));
    tcase_add_loop_test(t, quotes_for_dots_can_be_left_out, 0, ELEMENTSOF(dotted));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
