/* message: a message that is written step by step, and how its header is written; encoded words are
 * judged by GMime. */
#include <errno.h>
#include <gmime/gmime.h>
#undef MIN /* GLib has the same two */
#undef MAX
#include <string.h>

#include "base/digest.h"
#include "base/errors.h"
#include "base/text.h"
#include "message/letter.h"
#include "unit.h"

#define NOW 1767351845123456u /* 2026-01-02 11:04:05 UTC */

static void set(Letter *l, const char *name, const char *value)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(letter_set(l, name, value, &f) == 0, "%s", failure_text(&f));
}

static Letter *new_letter(void)
{
    Letter *l = letter_new();

    ck_assert_ptr_nonnull(l);
    set(l, "From", "Shop <shop@lab.test>");
    set(l, "SendTo", "ann@lab.test");
    return l;
}

static Composed *open_letter(Letter *l)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_msg(letter_open(l, NOW, &composed, &f) == 0, "%s", failure_text(&f));
    return composed;
}

/* The value of a header field as it stands; NULL: there is none. */
static char *field_of(Letter *l, const char *name)
{
    _cleanup_(composed_free_p) Composed *composed = open_letter(l);
    const ComposeField *fields;
    size_t n;

    ck_assert_int_eq(composed_fields(composed, &fields, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return strdup(fields[i].value);
    return NULL;
}

static void assert_field(Letter *l, const char *name, const char *wanted)
{
    _cleanup_free_
    char *value = field_of(l, name);

    if (wanted)
        ck_assert_pstr_eq(value, wanted);
    else
        ck_assert_ptr_null(value);
}

static void assert_refused(Letter *l, int number, const char *why)
{
    _cleanup_failure_ Failure f = {0};
    Composed *composed = NULL;

    ck_assert_int_eq(letter_open(l, NOW, &composed, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_int_eq(f.number, number);
}

static void assert_unsettable(Letter *l, const char *name, const char *value, const char *why)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(letter_set(l, name, value, &f), -EINVAL);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
}

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

/* MessageIdAlgorithm: the length of its digest. */
START_TEST(ids_are_digests)
{
    static const struct {
        const char *algorithm;
        size_t digits;
    } cases[] = {{NULL, 64}, {"MD5", 32}, {"sha1", 40}, {"SHA256", 64}};
    _cleanup_(letter_free_p) Letter *l = new_letter();
    _cleanup_buffer_ Buffer known = {0};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_
        char *id = NULL;

        set(l, "MessageIdAlgorithm", cases[i].algorithm);
        id = field_of(l, "Message-ID");
        ck_assert_int_eq(id[0], '<');
        ck_assert_uint_eq(strspn(id + 1, "0123456789abcdef"), cases[i].digits);
        ck_assert_int_eq(id[1 + cases[i].digits], '@');
    }
    assert_unsettable(l, "message_id_algorithm", "crc32", "none of sha256, sha1 and md5");
    ck_assert_int_eq(digest_append_hex("sha256", "abc", 3, &known), 0); /* FIPS 180-4 */
    ck_assert_int_eq(buffer_append(&known, "", 1), 0);
    ck_assert_str_eq(
        buffer_data(&known), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_int_eq(digest_append_hex("no-such-digest", "abc", 3, &known), -EOPNOTSUPP);
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

/* ---- how the header is written ---- */

static char *decode_words(const char *value)
{
    char *text = g_mime_utils_header_decode_text(NULL, value), *copy = strdup(text);

    g_free(text);
    return copy;
}

/* Charset. */
START_TEST(encoded_words_are_in_the_character_set)
{
    static const struct {
        const char *charset, *text;
    } cases[] = {
        {"ISO-8859-1", "Grüße an alle, die sehr lange Betreffzeilen mögen, weil sie schön sind"},
        {"iso-8859-15", "100 € für größere Überraschungen und noch einiges mehr dazu, häufig"},
        {"windows-1251", "Здравствуйте, это довольно длинная строка, которую надо свернуть"},
        {"KOI8-R", "Привет"},
        {"ISO-2022-JP", "これはとても長い件名であり、折り返さなければなりません。そうでしょう"},
        {"Shift_JIS", "日本語のとても長い件名、折り返しが必要です。そうでしょう、たぶん"},
        {"GB18030", "这是一个非常长的主题，必须折叠起来，不是吗？我想是的，😀 当然是的"},
        {"utf-8", "Grüße 😀"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(letter_free_p) Letter *l = new_letter();
        _cleanup_free_
        char *value = NULL, *decoded = NULL, *mark = NULL, *name = NULL;
        _cleanup_(composed_free_p) Composed *composed = NULL;
        const char *line;

        set(l, "Charset", cases[i].charset);
        set(l, "Subject", cases[i].text);
        value = field_of(l, "Subject");
        decoded = decode_words(value);
        ck_assert_str_eq(decoded, cases[i].text);
        ck_assert_int_gt(
            asprintf(&mark, "=?%s?",
                text_equal_nocase(cases[i].charset, "utf-8") ? "UTF-8" : cases[i].charset),
            0);
        ck_assert_ptr_nonnull(strstr(value, mark));
        composed = open_letter(l);
        for (line = buffer_data(composed_header(composed)); *line != '\n';
             line += strcspn(line, "\n") + 1)
            ck_assert_msg(
                strcspn(line, "\n") <= 78 || text_starts_nocase(line, "Message-ID"), "%s", line);
        ck_assert_int_eq(
            letter_add_recipient(l, COMPOSE_TO, cases[i].text, "bob@lab.test", NULL), 0);
        name = field_of(l, "To");
        ck_assert_ptr_nonnull(strstr(name, mark));
    }
}
END_TEST

/* 434 names the character that the set lacks; nothing is put in its place. */
START_TEST(a_character_that_the_set_lacks_is_told)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();

    set(l, "Charset", "ISO-8859-1");
    set(l, "Subject", "Grüße für 5 €");
    assert_refused(l, ERROR_CHARSET, "subject: the character \"€\" (U+20AC) is not in ISO-8859-1");
    set(l, "Subject", NULL);
    set(l, "Cc", "\"日本\" <j@lab.test>");
    assert_refused(l, ERROR_CHARSET, "cc: the character \"日\" (U+65E5) is not in ISO-8859-1");
    set(l, "Cc", NULL);
    set(l, "OtherHeaders", "X-Mood: 😀");
    assert_refused(l, ERROR_CHARSET, "X-Mood: the character \"😀\" (U+1F600) is not in ISO-8859-1");
    set(l, "Charset", "us-ascii");
    set(l, "OtherHeaders", "X-Mood: ä");
    assert_refused(l, ERROR_CHARSET, "X-Mood: the character \"ä\" (U+00E4) is not in us-ascii");
    set(l, "OtherHeaders", "X-Mood: =?ISO-8859-1?Q?=E4?="); /* given as it is to be */
    assert_field(l, "X-Mood", "=?ISO-8859-1?Q?=E4?=");
    set(l, "OtherHeaders", NULL);
    set(l, "MessageText", "ä 😀\n"); /* of which nothing is said */
    assert_field(l, "Subject", NULL);
}
END_TEST

static size_t longest_line(Letter *l, const char *name)
{
    _cleanup_(composed_free_p) Composed *composed = open_letter(l);
    const char *line = buffer_data(composed_header(composed));
    size_t longest = 0;
    bool is_field = false;

    for (; *line != '\n'; line += strcspn(line, "\n") + 1) {
        is_field = *line == ' ' ? is_field : text_starts_nocase(line, name);
        if (is_field)
            longest = MAX(longest, strcspn(line, "\n"));
    }
    return longest;
}

/* FoldHeaders, MaxHeaderLength: of a line with its end of two characters. */
START_TEST(lines_are_folded_where_that_is_asked_for)
{
    static const size_t lengths[] = {60, 61, 80, 100, 200, 998};
    _cleanup_(letter_free_p) Letter *l = new_letter();
    char words[3000] = "", encoded[1500] = "";

    for (size_t i = 0; i < 700; i++)
        strcat(words, i % 3 ? "abc " : "de ");
    for (size_t i = 0; i < 120; i++)
        strcat(encoded, "Grüße");
    for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
        char length[8];
        _cleanup_free_
        char *value = NULL, *decoded = NULL;

        snprintf(length, sizeof(length), "%zu", lengths[i]);
        set(l, "MaxHeaderLength", length);
        set(l, "Subject", words);
        ck_assert_uint_le(longest_line(l, "Subject"), lengths[i] - 2);
        ck_assert_uint_ge(longest_line(l, "Subject"), lengths[i] - 6);
        set(l, "Subject", encoded);
        ck_assert_uint_le(longest_line(l, "Subject"), lengths[i] - 2);
        value = field_of(l, "Subject");
        decoded = decode_words(value);
        ck_assert_msg(strcmp(decoded, encoded) == 0, "%zu %s", lengths[i], value);
    }
    set(l, "MaxHeaderLength", NULL);
    words[990 - strlen("Subject: ")] = '\0';
    set(l, "Subject", words);
    ck_assert_uint_le(longest_line(l, "Subject"), 78);
    set(l, "FoldHeaders", "false");
    ck_assert_uint_ge(longest_line(l, "Subject"), 980);
    set(l, "Subject", encoded); /* and never longer than a line may be */
    ck_assert_uint_le(longest_line(l, "Subject"), 998);
    ck_assert_uint_gt(longest_line(l, "Subject"), 900);
}
END_TEST

/* A token is not broken, however short lines are to be. */
START_TEST(tokens_are_not_broken)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();

    set(l, "MaxHeaderLength", "60");
    set(l, "Cc", "a-very-long-local-part-of-an-address-that-goes-on@and-a-long-domain.lab.test");
    assert_field(l, "Cc", letter_get(l, "Cc"));
    set(l, "OtherHeaders",
        "References: <an-id-that-is-longer-than-a-line-is-to-be-1234567890@lab.test>");
    assert_field(
        l, "References", "<an-id-that-is-longer-than-a-line-is-to-be-1234567890@lab.test>");
}
END_TEST

/* OtherHeaders, of which an empty first line replaces what is computed. */
START_TEST(other_headers_replace_the_header)
{
    _cleanup_(letter_free_p) Letter *l = new_letter();
    _cleanup_(composed_free_p) Composed *composed = NULL;

    set(l, "Subject", "not this");
    set(l, "OtherHeaders", "\r\nFrom: x@lab.test\r\nX: a\r\n b\r\n");
    composed = open_letter(l);
    ck_assert_uint_eq(
        buffer_size(composed_header(composed)), strlen("From: x@lab.test\nX: a b\n\n"));
    ck_assert_mem_eq(buffer_data(composed_header(composed)), "From: x@lab.test\nX: a b\n\n",
        buffer_size(composed_header(composed)));
    ck_assert_str_eq(composed_envelope(composed)->sender, "shop@lab.test");
    set(l, "OtherHeaders", "\r\n");
    assert_refused(l, ERROR_MESSAGE, "no field in its place");
    set(l, "OtherHeaders", "no field");
    assert_refused(l, ERROR_MESSAGE, "not a header field");
    set(l, "OtherHeaders", "X: a\r\n\r\nY: b\r\n"); /* a gap is none */
    assert_field(l, "Y", "b");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/letter");
    TCase *tcase = tcase_create("letter");

    setenv("TZ", "UTC", 1);
    g_mime_init();
    tcase_add_test(tcase, each_property_has_its_place);
    tcase_add_test(tcase, the_header_is_a_list_of_fields);
    tcase_add_test(tcase, words_have_numbers);
    tcase_add_test(tcase, date_and_id_have_a_default);
    tcase_add_test(tcase, ids_are_digests);
    tcase_add_test(tcase, what_a_message_has_not_is_told);
    tcase_add_test(tcase, headers_are_reset);
    tcase_add_test(tcase, recipients_are_given_one_by_one);
    tcase_add_test(tcase, recipients_that_cannot_be_are_refused);
    tcase_add_test(tcase, to_may_be_empty_where_that_is_allowed);
    tcase_add_test(tcase, the_text_has_one_source);
    tcase_add_test(tcase, encoded_words_are_in_the_character_set);
    tcase_add_test(tcase, a_character_that_the_set_lacks_is_told);
    tcase_add_test(tcase, lines_are_folded_where_that_is_asked_for);
    tcase_add_test(tcase, tokens_are_not_broken);
    tcase_add_test(tcase, other_headers_replace_the_header);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
