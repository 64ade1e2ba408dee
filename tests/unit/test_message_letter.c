/* message: each property of a message, composed. */
#include "base/errors.h"
#include "base/text.h"
#include "letter.h"

/* ---- properties ---- */

/* From, SendTo, Cc, BCc, ReplyTo, ReturnPath, Subject, MessageDate, MessageId,
 * DeliveryNotificationTo, ReadReceiptTo, Importance, Priority, Sensitivity, OtherHeaders,
 * MessageText: each has its place in the envelope or in MessageHeadersString;
 * TransferText is what is behind it. */
START_TEST(each_property_has_its_place)
{
    static const char *const values[][2] = {{"From", "Shop <shop@lab.test>"},
        {"SendTo", "ann@lab.test"}, {"Cc", "bob@lab.test"}, {"BCc", "eve@lab.test"},
        {"ReplyTo", "help@lab.test"}, {"ReturnPath", "bounces@lab.test"}, {"Subject", "Order"},
        {"MessageDate", "Thu, 1 Jan 2026 00:00:00 +0000"}, {"MessageId", "<1@lab.test>"},
        {"DeliveryNotificationTo", "dsn@lab.test"}, {"ReadReceiptTo", "mdn@lab.test"},
        {"Importance", "high"}, {"Priority", "urgent"}, {"Sensitivity", "Private"},
        {"OtherHeaders", "X-One: 1\r\nX-Two: 2\r\n folded\r\n"}, {"MessageText", "Thank you.\r\n"}};
    _cleanup_letter_ Letter letter = {0};
    Letter *l = &letter;
    _cleanup_(composed_free_p) Composed *composed = NULL;
    _cleanup_buffer_ Buffer file = {0};
    const Buffer *header, *body;

    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        set(l, values[i][0], values[i][1]);
    composed = open_letter(l);
    composed_keep_body(composed);
    ck_assert_int_eq(composed_read(composed, SIZE_MAX, &file, NULL), 0);
    header = composed_header(composed), body = composed_body(composed);
    ck_assert_int_eq(buffer_append(&file, "", 1), 0);
    ck_assert_str_eq(buffer_data(&file), "X-Sender: <bounces@lab.test> MT-PRIORITY=4\n"
                                         "X-Receiver: <ann@lab.test>\n"
                                         "X-Receiver: <bob@lab.test>\n"
                                         "X-Receiver: <eve@lab.test>\n"
                                         "From: Shop <shop@lab.test>\n"
                                         "Reply-To: help@lab.test\n"
                                         "To: ann@lab.test\n"
                                         "Cc: bob@lab.test\n"
                                         "Subject: Order\n"
                                         "Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
                                         "Message-ID: <1@lab.test>\n"
                                         "Return-Receipt-To: dsn@lab.test\n"
                                         "Disposition-Notification-To: mdn@lab.test\n"
                                         "Importance: high\n"
                                         "Priority: urgent\n"
                                         "Sensitivity: Private\n"
                                         "X-One: 1\n"
                                         "X-Two: 2 folded\n"
                                         "MIME-Version: 1.0\n"
                                         "Content-Type: text/plain; charset=us-ascii\n"
                                         "Content-Transfer-Encoding: 7bit\n"
                                         "\n"
                                         "Thank you.\n");
    ck_assert_uint_eq(buffer_size(body), strlen("Thank you.\n"));
    ck_assert_mem_eq(buffer_data(body), "Thank you.\n", buffer_size(body));
    ck_assert_mem_eq(buffer_data(header), strstr(buffer_data(&file), "From:"), buffer_size(header));
    ck_assert_ptr_eq(strstr(buffer_data(&file), "From:") + buffer_size(header),
        strstr(buffer_data(&file), "Thank you."));
}
END_TEST

/* MessageHeaders: Header.Field and Header.Value, before anything is sent. */
START_TEST(the_header_is_a_list_of_fields)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);
    _cleanup_(composed_free_p) Composed *composed = NULL;
    const char *subject =
        "a subject that is long enough to be folded, and to be put onto one line again";
    const ComposeField *fields, *again;
    size_t n;

    set(l, "Subject", subject);
    composed = open_letter(l);
    ck_assert_int_eq(composed_fields(composed, &fields, &n), 0);
    ck_assert_uint_eq(n, 8);
    ck_assert_str_eq(fields[0].name, "From");
    ck_assert_str_eq(fields[0].value, "Shop <shop@lab.test>");
    ck_assert_str_eq(fields[2].name, "Subject");
    ck_assert_str_eq(fields[2].value, subject);
    ck_assert_str_eq(fields[3].value, "Fri, 02 Jan 2026 11:04:05 +0000");
    ck_assert_str_eq(fields[7].name, "Content-Transfer-Encoding");
    ck_assert_int_eq(composed_fields(composed, &again, &n), 0);
    ck_assert_ptr_eq(fields, again);
}
END_TEST

/* Importance, Priority, Sensitivity: 0 to 3 are the component's numbers. */
START_TEST(words_have_numbers)
{
    static const struct {
        ComposeWord which;
        const char *name, *component[4], *header[4];
    } words[] = {
        {WORD_IMPORTANCE, "Importance", {"miUnspecified", "miHigh", "miNormal", "miLow"},
            {NULL, "high", "normal", "low"}},
        {WORD_PRIORITY, "Priority", {"epUnspecified", "epNormal", "epUrgent", "epNonUrgent"},
            {NULL, "normal", "urgent", "non-urgent"}},
        {WORD_SENSITIVITY, "Sensitivity",
            {"esUnspecified", "esPersonal", "esPrivate", "esCompanyConfidential"},
            {NULL, "Personal", "Private", "Company-Confidential"}},
    };
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        for (int number = 0; number < 4; number++) {
            const char digit[] = {(char)('0' + number), '\0'};

            ck_assert_int_eq(compose_word_find(words[i].which, digit), number);
            ck_assert_int_eq(compose_word_find(words[i].which, words[i].component[number]), number);
            ck_assert_int_eq(
                compose_word_find(words[i].which, words[i].header[number] ?: ""), number);
            ck_assert_str_eq(
                compose_word_name(words[i].which, (unsigned)number), words[i].header[number] ?: "");
            set(l, words[i].name, digit);
            assert_field(l, words[i].name, words[i].header[number]);
        }
    ck_assert_int_eq(compose_word_find(WORD_PRIORITY, "high"), -1);
    ck_assert_int_eq(compose_word_find(WORD_PRIORITY, "4"), -1);
    ck_assert_ptr_null(compose_word_name(WORD_PRIORITY, 4));
}
END_TEST

/* MessageDate and MessageId: "*" is the default, empty is none. */
START_TEST(date_and_id_have_a_default)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);
    _cleanup_free_
    char *one = NULL, *two = NULL;

    assert_field(l, "Date", "Fri, 02 Jan 2026 11:04:05 +0000");
    one = field_of(l, "Message-ID"), two = field_of(l, "Message-ID");
    ck_assert_str_ne(one, two);
    set(l, "MessageDate", "");
    set(l, "MessageId", "");
    assert_field(l, "Date", NULL);
    assert_field(l, "Message-ID", NULL);
    set(l, "MessageDate", "31 Feb 2026 00:00 +0000");
    assert_refused(l, ERROR_MESSAGE, "date: February 2026 has 28 days");
    set(l, "MessageDate", NULL);
    set(l, "MessageId", "a b");
    assert_refused(l, ERROR_MESSAGE, "message id: this is no message id");
}
END_TEST

/* ---- recipients ---- */

/* MessageRecipients: MessageRecipient.Address, MessageRecipient.Name, MessageRecipient.Options and
 * MessageRecipient.RecipientType. */
START_TEST(recipients_are_given_one_by_one)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);
    _cleanup_(composed_free_p) Composed *composed = NULL;
    const Envelope *e;

    add_recipient(l, COMPOSE_TO, "Lee, Bob", "bob@lab.test",
        "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@lab.test");
    add_recipient(l, COMPOSE_CC, "Änne", "<aenne@lab.test>", "");
    add_recipient(l, COMPOSE_BCC, "not seen", "eve@lab.test",
        "NOTIFY SUCCESS,FAILURE,DELAY"); /* as the component has it */
    add_recipient(l, COMPOSE_CC, "=?utf-8?q?x?=", "x@lab.test", NULL);
    composed = open_letter(l);
    e = composed_envelope(composed);
    ck_assert_uint_eq(e->n_recipients, 5);
    ck_assert_str_eq(e->recipients[0].address, "ann@lab.test");
    ck_assert_str_eq(e->recipients[1].address, "bob@lab.test");
    ck_assert_str_eq(
        e->recipients[1].parameters, "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@lab.test");
    ck_assert_str_eq(e->recipients[2].address, "aenne@lab.test");
    ck_assert_ptr_null(e->recipients[2].parameters);
    ck_assert_str_eq(e->recipients[4].address, "eve@lab.test");
    ck_assert_str_eq(e->recipients[4].parameters, "NOTIFY=SUCCESS,FAILURE,DELAY");
    assert_field(l, "To", "ann@lab.test, \"Lee, Bob\" <bob@lab.test>");
    assert_field(l, "Cc",
        "=?UTF-8?Q?=C3=84nne?= <aenne@lab.test>, =?UTF-8?Q?=3D=3Futf-8=3Fq=3Fx=3F?= "
        "=?UTF-8?Q?=3D?= <x@lab.test>");
    set(l, "SendTo", "");
    l->compose.n_recipients = 0;
    add_recipient(l, COMPOSE_TO, NULL, "bob@lab.test", NULL);
    assert_field(l, "To", "bob@lab.test");
}
END_TEST

START_TEST(recipients_that_cannot_be_are_refused)
{
    static const struct {
        const char *name, *address, *options, *why;
    } cases[] = {
        {NULL, "", NULL, "cc: "},
        {NULL, NULL, NULL, "cc: "},
        {NULL, "bob", NULL, "cc: "},
        {NULL, "a@b, c@d", NULL, "cc: "},
        {NULL, "a@b>, <c@d", NULL, "cc: "},
        {"x\nBcc: y", "a@b.test", NULL, "cc: a line break"},
        {NULL, "a@b.test\nX: y", NULL, "cc: "},
        {NULL, "a@b.test", "NOTIFY=SOMETIMES", "cc: "},
        {NULL, "a@b.test", "NOTIFY=NEVER\nX-Receiver: <e@f.test>", "cc: "},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_letter_ Letter letter = {0};
        Letter *l = begin_letter(&letter);

        add_recipient(l, COMPOSE_CC, cases[i].name, cases[i].address, cases[i].options);
        assert_refused(l, ERROR_MESSAGE, cases[i].why);
    }
}
END_TEST

/* AllowEmptyTo: without it, 165. */
START_TEST(to_may_be_empty_where_that_is_allowed)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

    set(l, "SendTo", "");
    assert_refused(l, ERROR_NO_RECIPIENT, "there is no recipient; give at least one");
    set(l, "BCc", "bob@lab.test");
    assert_refused(
        l, ERROR_NO_RECIPIENT, "no recipient in to, and nothing allows that it is empty");
    set(l, "OtherHeaders", "To: a list <list@lab.test>");
    assert_field(l, "To", "a list <list@lab.test>");
    set(l, "OtherHeaders", NULL);
    set(l, "SendTo", "undisclosed-recipients:;");
    assert_field(l, "To", "undisclosed-recipients:;");
    set(l, "SendTo", NULL);
    set(l, "AllowEmptyTo", "true");
    assert_field(l, "To", NULL);
    set(l, "BCc", NULL);
    assert_refused(l, ERROR_NO_RECIPIENT, "there is no recipient; give at least one");
}
END_TEST

/* ---- text ---- */

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/letter");
    TCase *tcase = tcase_create("letter");

    setenv("TZ", "UTC", 1);
    tcase_add_test(tcase, each_property_has_its_place);
    tcase_add_test(tcase, the_header_is_a_list_of_fields);
    tcase_add_test(tcase, words_have_numbers);
    tcase_add_test(tcase, date_and_id_have_a_default);
    tcase_add_test(tcase, recipients_are_given_one_by_one);
    tcase_add_test(tcase, recipients_that_cannot_be_are_refused);
    tcase_add_test(tcase, to_may_be_empty_where_that_is_allowed);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
