/* message: what programs hand to sendmail, and what becomes of it. */
#include <string.h>

#include "message/mend.h"
#include "unit.h"

static const struct Row {
    const char *text, *mended; /* NULL: it stays as it is */
} headers[] = {
    {"To: a@x\nSubject: s\n\ntext\n", NULL},
    {"To: a@x\r\n folded\r\n\r\ntext\r\n", NULL},
    {"\nText alone\n", NULL},
    /* The text begins without an empty line. */
    {"To: a@x\nSubject: s\nThe number of errors\nAgain: yes\n",
        "To: a@x\nSubject: s\n\nThe number of errors\nAgain: yes\n"},
    {"To: a@x\r\nSubject: s\r\nIt failed.\r\n", "To: a@x\r\nSubject: s\r\n\r\nIt failed.\r\n"},
    {"Subject: s\nThe result is: bad\n\nSee: there\n",
        "Subject: s\n\nThe result is: bad\n\nSee: there\n"},
    {"Subject: s\n: a colon alone\n", "Subject: s\n\n: a colon alone\n"},
    {"Subject: s\n http://x.test/ is folded\n\nhttp://x.test/ is text", NULL},
    {"To: a@x\nFrom \n", "To: a@x\n\nFrom \n"},
    /* It ends with its header. */
    {"Subject: s", "Subject: s\n\n"},
    {"Subject: s\n", "Subject: s\n\n"},
    /* No header at all. */
    {"", "\n"},
    {"Warning: disk full\nmore\n", "\nWarning: disk full\nmore\n"},
    {"12:30: load is high\n", "\n12:30: load is high\n"},
    {"Subject to change: the plan\n", "\nSubject to change: the plan\n"},
    {"Hello.\r\nTo: a@x\r\n", "\r\nHello.\r\nTo: a@x\r\n"},
    /* A name that has blanks. */
    {"To: a@x\nX Foo  Bar : 1\nSubject: s\n\ntext\n",
        "To: a@x\nX-Foo--Bar: 1\nSubject: s\n\ntext\n"},
    {"To: a@x\nX Foo: 1\nX Bar: 2\n\ntext\n", "To: a@x\n\nX Foo: 1\nX Bar: 2\n\ntext\n"},
    {"To : a@x\nSubject\t: s\n\ntext\n", NULL},
    {"To: a@x\nResent To: b@x\nX Sender: c@x\nSubject: s\n\n",
        "To: a@x\n\nResent To: b@x\nX Sender: c@x\nSubject: s\n\n"},
    /* Made CRLF more than once. */
    {"To: a@x\r\r\nSubject: s\r\r\r\n\r\r\ntext\r\r\n", "To: a@x\r\nSubject: s\r\n\r\ntext\r\n"},
    {"To: a@x\r\nX: a\rb\r\n\r\ntext\r\r\n", NULL},
    /* What would be an envelope in a file in the queue. */
    {"X-Sender: a@x\nX-Receiver: b@x\nTo: c@x\n\n",
        "X-EndOfInjectedXHeaders: 0\nX-Sender: a@x\nX-Receiver: b@x\nTo: c@x\n\n"},
    /* What stands in front of the header. */
    {"From ann Mon Jan  1 00:00:00 2026\nTo: a@x\ntext\n",
        "From ann Mon Jan  1 00:00:00 2026\nTo: a@x\n\ntext\n"},
};

START_TEST(a_header_is_made)
{
    const struct Row *row = &headers[_i];
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_mend(row->text, strlen(row->text), &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), row->mended ?: row->text);
}
END_TEST

START_TEST(nothing_is_an_empty_message)
{
    _cleanup_buffer_ Buffer nothing = {0}, out = {0};

    ck_assert_int_eq(message_mend(buffer_data(&nothing), 0, &out), 0);
    ck_assert_uint_eq(buffer_size(&out), 1);
    ck_assert_mem_eq(buffer_data(&out), "\n", 1);
}
END_TEST

static const struct Row people[] = {
    /* Others read the same in it. */
    {"From: Ann <a@x>\nSender: b@x (cron)\nTo: c@x\n\n", NULL},
    {"From: a@x, b@x\nTo: Team: c@x, d@x;, e@x\n\n", NULL},
    {"From: =?utf-8?q?=C3=B6?= <a@x>\nTo:\n\n", NULL},
    {"Subject: From: nobody; here\n\nFrom: nobody\n", NULL},
    /* An address can be found. */
    {"From: s@x Shop\n\n", "From: Shop <s@x>\n\n"},
    {"From: Shop, Inc. <s@x>\n\n", "From: \"Shop, Inc.\" <s@x>\n\n"},
    {"From: Shop, (Inc.) of s@x\n\n", "From: \"Shop Inc. of\" <s@x>\n\n"},
    {"From: \"Ann <a@x>\n\n", "From: Ann <a@x>\n\n"},
    {"Reply-To: write <r@x.test> or to me\n\n", "Reply-To: write <r@x.test>\n\n"},
    /* None can, and somebody is named instead. */
    {"From: My Site\nTo: c@x\n\n", "From: My Site <author@here>\nTo: c@x\n\n"},
    {"From: MAILER-DAEMON <>\n\n", "From: MAILER-DAEMON <author@here>\n\n"},
    {"From:\n\n", "From: author@here\n\n"},
    {"From: <>\r\nTo: c@x\r\n\r\n", "From: author@here\nTo: c@x\r\n\r\n"},
    {"From: user@\n\n", "From: \"user@\" <author@here>\n\n"},
    {"Sender: cron job\nFrom: a@x\n\n", "Sender: cron job <caller@here>\nFrom: a@x\n\n"},
    {"From: Caf\xe9 Nord\n\n", "From: =?UTF-8?Q?Caf=C3=A9_Nord?= <author@here>\n\n"},
    {"From: Foo; Bar <a@x>\n\n", "From: Foo Bar <a@x>\n\n"},
    {"From: Foo; Bar; Baz <a@x>\n\n", "From: Foo Bar Baz <a@x>\n\n"},
    {"From: Foo; <a@x> (y)\n\n", "From: Foo y <a@x>\n\n"},
    {"From: g: Foo; Bar <a@x>\nSender: Foo; a@x\n\n", NULL},
    {"From: a@x; Bar <b@x>\nReply-To: \"Foo; Bar\" <a@x>\n\n", NULL},
    /* Nobody is. */
    {"Reply-To: nobody at all\n\n", NULL},
    /* Recipients. */
    {"To: a@x; b@x\nCc: \"a;b\" <c@x>; d@x\n\n", "To: a@x, b@x\nCc: \"a;b\" <c@x>, d@x\n\n"},
    {"To: a@x;\n b@x;\n\n", "To: a@x,\n b@x;\n\n"},
    /* As Postfix finds them there. */
    {"To: \"a@x\"\n\n", "To: a@x\n\n"},
    {"To: \"a@x\", b@y\n\n", "To: a@x, b@y\n\n"},
    {"To: <\"a@x\">\n\n", NULL},
    {"Cc: a@x <b@x>, c@x\n\n", "Cc: \"a@x\" <b@x>, c@x\n\n"},
    {"To: <a@x> <b@x>\n\n", "To: a@x, b@x\n\n"},
    {"To: Ann <a@x>\n Bob B. <b@x>\n\n", "To: \"Ann\" <a@x>, \"Bob B.\" <b@x>\n\n"},
    {"To: \"Doe, J\" <a@x> <b@x>; c@x\n\n", "To: \"Doe, J\" <a@x>, b@x, c@x\n\n"},
    {"Bcc: <a@x>b@x\n\n", NULL},
    {"To: a@x b@x\n\n", "To: a@x, b@x\n\n"},
    {"To: a@x,<b@x> c@x, \"a@x\" \"b@x\"\n\n", "To: a@x,<b@x> c@x, a@x, b@x\n\n"},
    {"To: Sales @ Shop <a@x>\n\n", "To: \"Sales @ Shop\" <a@x>\n\n"},
    {"To: a@x <a@x>, \"a b\"@x, root, 'a@x'\n\n", NULL},
    {"To: \"a@x\\\"\"\n\n", NULL},
    {"To: g: \"a@x\", <b@x> <c@x>;\n\n", NULL},
    {"To: \"a@x\n\n", NULL},
    {"To: <a@x> <b@\n\n", NULL},
    {"To: bad@@x; Bob Smith\n\n", "To: bad@@x, Bob Smith\n\n"},
};

START_TEST(people_are_named)
{
    const MendPeople who = {.author = "author@here", .sender = "caller@here"};
    const struct Row *row = &people[_i];
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_mend_addresses(row->text, strlen(row->text), &who, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), row->mended ?: row->text);
}
END_TEST

START_TEST(nobody_is_named_who_is_not_known)
{
    static const char text[] = "From: My Site\nSender: cron job\nReply-To: s@x Shop\n\n";
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_mend_addresses(text, strlen(text), &(MendPeople){0}, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(
        buffer_data(&out), "From: My Site\nSender: cron job\nReply-To: Shop <s@x>\n\n");
}
END_TEST

static int note(void *user, const char *text, size_t n)
{
    Buffer *out = user;
    int r = buffer_append(out, text, n);

    return r < 0 ? r : buffer_append(out, "|", 1);
}

START_TEST(elements_are_found)
{
    static const char text[] =
        " a@x,, \"b, c\" <b@x> ;(d, e) d@x, <e,f@x>\n ,bad@@x; \"unclosed, g@x";
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(address_list_split(text, strlen(text), note, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(
        buffer_data(&out), "a@x|\"b, c\" <b@x>|(d, e) d@x|<e,f@x>|bad@@x|\"unclosed|g@x|");
}
END_TEST

static int note_field(void *user, const RecipientField *field)
{
    return buffer_appendf(user, "%zu %.*s|", field->line, (int)field->n_name, field->name);
}

START_TEST(recipients_are_of_this_sending)
{
    static const struct Row rows[] = {
        {"From: a@x\nTo: b@x\nCc: c@x\nX: y\nBcc: d@x\n\nTo: e@x\n", "2 To|3 Cc|5 Bcc|"},
        {"Resent-From: r@x\nResent-To: b@x\nTo: c@x\n\n", "2 Resent-To|"},
        {"Resent-From: r@x\nResent-Bcc:\nTo: c@x\n\n", "3 To|"},
        {"X-Receiver: b@x\nTo: c@x\n\n", "2 To|"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_buffer_ Buffer mended = {0}, out = {0};

        ck_assert_int_eq(message_mend(rows[i].text, strlen(rows[i].text), &mended), 0);
        ck_assert_int_eq(
            message_recipient_fields(buffer_data(&mended), buffer_size(&mended), note_field, &out),
            0);
        ck_assert_int_eq(buffer_append(&out, "", 1), 0);
        ck_assert_str_eq(buffer_data(&out), rows[i].mended);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_mended");
    TCase *t = tcase_create("message_mended");

    tcase_add_loop_test(t, a_header_is_made, 0, (int)ELEMENTSOF(headers));
    tcase_add_loop_test(t, people_are_named, 0, (int)ELEMENTSOF(people));
    tcase_add_test(t, nothing_is_an_empty_message);
    tcase_add_test(t, nobody_is_named_who_is_not_known);
    tcase_add_test(t, elements_are_found);
    tcase_add_test(t, recipients_are_of_this_sending);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
