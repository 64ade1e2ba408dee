/* message: a message that is written step by step. */
#include "base/errors.h"
#include "base/text.h"
#include "letter.h"

/* ---- properties ---- */

/* From, SendTo, Cc, BCc, ReplyTo, ReturnPath, Subject, MessageDate, MessageId,
 * DeliveryNotificationTo, ReadReceiptTo, Importance, Priority, Sensitivity, OtherHeaders,
 * MessageText: each is set by the component's name, read back, and stands in MessageHeadersString;
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
    _cleanup_(letter_free_p) Letter *l = letter_new();
    _cleanup_(composed_free_p) Composed *composed = NULL;
    _cleanup_buffer_ Buffer file = {0};
    const Buffer *header, *body;

    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        set(l, values[i][0], values[i][1]);
    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        ck_assert_str_eq(letter_get(l, values[i][0]), values[i][1]);
    composed = open_letter(l);
    composed_keep_body(composed);
    ck_assert_int_eq(composed_read(composed, SIZE_MAX, &file, NULL), 0);
    header = composed_header(composed), body = composed_body(composed);
    ck_assert_int_eq(buffer_append(&file, "", 1), 0);
    ck_assert_str_eq(buffer_data(&file), "X-Sender: <bounces@lab.test>\n"
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
    _cleanup_(letter_free_p) Letter *l = new_letter();
    _cleanup_(composed_free_p) Composed *composed = NULL;
    const ComposeField *fields, *again;
    size_t n;

    set(l, "Subject",
        "a subject that is long enough to be folded, and to be put onto one line again");
    composed = open_letter(l);
    ck_assert_int_eq(composed_fields(composed, &fields, &n), 0);
    ck_assert_uint_eq(n, 8);
    ck_assert_str_eq(fields[0].name, "From");
    ck_assert_str_eq(fields[0].value, "Shop <shop@lab.test>");
    ck_assert_str_eq(fields[2].name, "Subject");
    ck_assert_str_eq(fields[2].value, letter_get(l, "Subject"));
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
    _cleanup_(letter_free_p) Letter *l = new_letter();

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        for (unsigned number = 0; number < 4; number++) {
            const char digit[] = {(char)('0' + number), '\0'};

            ck_assert_int_eq(letter_set_number(l, words[i].which, number, NULL), 0);
            ck_assert_uint_eq(letter_get_number(l, words[i].which), number);
            assert_field(l, words[i].name, words[i].header[number]);
            set(l, words[i].name, NULL);
            ck_assert_uint_eq(letter_get_number(l, words[i].which), 0);
            set(l, words[i].name, words[i].component[number]);
            ck_assert_uint_eq(letter_get_number(l, words[i].which), number);
            set(l, words[i].name, digit);
            ck_assert_str_eq(letter_get(l, words[i].name), words[i].header[number] ?: "");
        }
    ck_assert_int_eq(letter_set_number(l, WORD_PRIORITY, 4, NULL), -EINVAL);
    assert_unsettable(l, "importance", "extreme", "\"extreme\" is none of high, normal, low");
}
END_TEST

/* MessageDate and MessageId: "*" is the default, empty is none. */
START_TEST(date_and_id_have_a_default)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();
    _cleanup_free_
    char *one = NULL, *two = NULL;

    ck_assert_str_eq(letter_get(l, "MessageDate"), "*");
    ck_assert_str_eq(letter_get(l, "MessageId"), "*");
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

START_TEST(what_a_message_has_not_is_told)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();

    assert_unsettable(l, "Subjekt", "x", "no property \"Subjekt\"; did you mean \"subject\"?");
    assert_unsettable(l, "nothing like it", "x", "no property \"nothing like it\"");
    assert_unsettable(l, "fold_headers", "maybe", "\"maybe\" is neither true nor false");
    assert_unsettable(l, "MaxHeaderLength", "59", "is no number from 60 to 998");
    assert_unsettable(l, "MaxHeaderLength", "999", "is no number from 60 to 998");
    assert_unsettable(l, "MaxHeaderLength", "80x", "is no number from 60 to 998");
    assert_unsettable(l, "charset", "no-such-set", "cannot convert to \"no-such-set\"");
    assert_unsettable(l, "charset", "a b", "is made of letters, digits and hyphens");
    assert_unsettable(l, "charset", "UTF-16", "the letters of ASCII are not themselves");
    ck_assert_ptr_null(letter_get(l, "Subjekt"));
    ck_assert_str_eq(letter_get(l, "message-id-ALGORITHM"), "sha256");
}
END_TEST

/* ResetHeaders leaves what is no header; Reset nothing. */
START_TEST(headers_are_reset)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();
    const ComposePart part = {.source = compose_bytes("data", 4), .name = "a.bin"};
    _cleanup_free_
    char *type = NULL;
    size_t n;

    set(l, "Subject", "before");
    set(l, "Priority", "urgent");
    set(l, "OtherHeaders", "X-Before: 1");
    set(l, "MessageId", "");
    set(l, "MessageText", "text");
    set(l, "MessageIdAlgorithm", "md5");
    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_BCC, NULL, "eve@lab.test", NULL), 0);
    ck_assert_int_eq(letter_attach(l, &part), 0);
    letter_reset_headers(l);
    ck_assert_str_eq(letter_get(l, "Subject"), "");
    ck_assert_str_eq(letter_get(l, "From"), "");
    ck_assert_str_eq(letter_get(l, "MessageId"), "*");
    ck_assert_str_eq(letter_get(l, "MessageText"), "text");
    ck_assert_str_eq(letter_get(l, "MessageIdAlgorithm"), "md5");
    ck_assert_ptr_null(letter_recipients(l, &n));
    ck_assert_uint_eq(n, 0);
    assert_refused(l, ERROR_NO_SENDER, "from: there is no sender");
    set(l, "From", "a@lab.test");
    assert_refused(l, ERROR_NO_RECIPIENT, "there is no recipient");
    set(l, "SendTo", "b@lab.test");
    assert_field(l, "X-Before", NULL);
    assert_field(l, "Priority", NULL);
    type = field_of(l, "Content-Type");
    ck_assert(text_starts_nocase(type, "multipart/mixed"));
    letter_reset(l);
    ck_assert_str_eq(letter_get(l, "MessageText"), "");
    ck_assert_str_eq(letter_get(l, "MessageIdAlgorithm"), "sha256");
    set(l, "From", "a@lab.test");
    set(l, "SendTo", "b@lab.test");
    assert_field(l, "Content-Type", "text/plain; charset=us-ascii");
}
END_TEST

/* ---- recipients ---- */

/* MessageRecipients: MessageRecipient.Address, MessageRecipient.Name, MessageRecipient.Options and
 * MessageRecipient.RecipientType. */
START_TEST(recipients_are_given_one_by_one)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();
    _cleanup_(composed_free_p) Composed *composed = NULL;
    const ComposeRecipient *people;
    const Envelope *e;
    size_t n;

    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_TO, "Lee, Bob", "bob@lab.test",
                         "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@lab.test"),
        0);
    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_CC, "Änne", "<aenne@lab.test>", ""), 0);
    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_BCC, "not seen", "eve@lab.test",
                         "NOTIFY SUCCESS,FAILURE,DELAY"), /* as the component has it */
        0);
    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_CC, "=?utf-8?q?x?=", "x@lab.test", NULL), 0);
    people = letter_recipients(l, &n);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(people[0].name, "Lee, Bob");
    ck_assert_int_eq(people[2].kind, COMPOSE_BCC);
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
    letter_clear_recipients(l);
    ck_assert_int_eq(letter_add_recipient(l, COMPOSE_TO, NULL, "bob@lab.test", NULL), 0);
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
        _cleanup_(letter_free_p) Letter *l = new_letter();

        ck_assert_int_eq(
            letter_add_recipient(l, COMPOSE_CC, cases[i].name, cases[i].address, cases[i].options),
            0);
        assert_refused(l, ERROR_MESSAGE, cases[i].why);
    }
}
END_TEST

/* AllowEmptyTo: without it, 165. */
START_TEST(to_may_be_empty_where_that_is_allowed)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();

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
    set(l, "AllowEmptyTo", "True");
    assert_field(l, "To", NULL);
    set(l, "BCc", NULL);
    assert_refused(l, ERROR_NO_RECIPIENT, "there is no recipient; give at least one");
}
END_TEST

/* ---- text ---- */

/* Message, MessageText and the stream are one or the other. */
START_TEST(the_text_has_one_source)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();
    const ComposeSource stream = compose_text("streamed\n");
    static const char *const wanted[] = {
        "text\n", "Subject: raw\n\nraw\n", "streamed\n", "again\n"};

    set(l, "MessageId", "");
    for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
        _cleanup_(composed_free_p) Composed *composed = NULL;
        _cleanup_buffer_ Buffer out = {0};

        if (i == 0 || i == 3)
            set(l, "MessageText", wanted[i]);
        if (i == 1)
            set(l, "Message", wanted[i]);
        if (i == 2)
            ck_assert_int_eq(letter_set_stream(l, &stream), 0);
        ck_assert_str_eq(letter_get(l, "MessageText"), i == 0 || i == 3 ? wanted[i] : "");
        ck_assert_str_eq(letter_get(l, "Message"), i == 1 ? wanted[i] : "");
        composed = open_letter(l);
        ck_assert_int_eq(composed_read(composed, SIZE_MAX, &out, NULL), 0);
        ck_assert_uint_ge(buffer_size(&out), strlen(wanted[i]));
        ck_assert_mem_eq(
            buffer_at(&out, buffer_size(&out) - strlen(wanted[i])), wanted[i], strlen(wanted[i]));
        ck_assert_uint_eq(buffer_size(composed_header(composed)) == 0, i == 1);
    }
    ck_assert_int_eq(letter_set_stream(l, &(ComposeSource){0}), 0);
    ck_assert_str_eq(letter_get(l, "MessageText"), "again\n");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/letter");
    TCase *tcase = tcase_create("letter");

    setenv("TZ", "UTC", 1);
    tcase_add_test(tcase, each_property_has_its_place);
    tcase_add_test(tcase, the_header_is_a_list_of_fields);
    tcase_add_test(tcase, words_have_numbers);
    tcase_add_test(tcase, date_and_id_have_a_default);
    tcase_add_test(tcase, what_a_message_has_not_is_told);
    tcase_add_test(tcase, headers_are_reset);
    tcase_add_test(tcase, recipients_are_given_one_by_one);
    tcase_add_test(tcase, recipients_that_cannot_be_are_refused);
    tcase_add_test(tcase, to_may_be_empty_where_that_is_allowed);
    tcase_add_test(tcase, the_text_has_one_source);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
