/* message: another envelope in front of a message. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "message/message.h"
#include "message/readdress.h"
#include "unit.h"

#define TEXT "From: a@b\nTo: c@d\nDate: x\nMessage-ID: <1@b>\n\nHello.\n"

static const struct Case {
    const char *message, *sender, *recipients[3], *result;
} cases[] = {
    {TEXT, NULL, {NULL}, TEXT},
    {TEXT, "s@x", {NULL}, "X-Sender: <s@x>\n" TEXT},
    {TEXT, "", {NULL}, "X-Sender: <>\n" TEXT},
    {TEXT, "s@x", {"r@x", "q@x"}, "X-Sender: <s@x>\nX-Receiver: <r@x>\nX-Receiver: <q@x>\n" TEXT},
    {"X-Sender: <o@p> RET=HDRS\nX-Receiver: p@q\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\nX-Sender: <o@p> RET=HDRS\n" TEXT},
    {"x-receiver: p@q\nX-SENDER: o@p\nX-Receiver: q@q\n" TEXT, "s@x", {NULL},
        "X-Sender: <s@x>\nx-receiver: p@q\nX-Receiver: q@q\n" TEXT},
    {"X-Sender: o@p\nX-Outbox-Order: 1\nX-Receiver: p@q\n" TEXT, "s@x", {"r@x"},
        "X-Sender: <s@x>\nX-Receiver: <r@x>\nX-Outbox-Order: 1\n" TEXT},
    /* folds go with their field */
    {"X-Receiver: P <p@q>\n NOTIFY=NEVER\nX-Sender:\n o@p\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\nX-Sender:\n o@p\n" TEXT},
    /* line ends as in the message */
    {"X-Receiver: p@q\r\nFrom: a@b\r\n\r\nHello.\r\n", NULL, {"r@x"},
        "X-Receiver: <r@x>\r\nFrom: a@b\r\n\r\nHello.\r\n"},
    /* what can only stand at the start of a file */
    {"\xef\xbb\xbf" TEXT, "s@x", {"r@x"}, "X-Sender: <s@x>\nX-Receiver: <r@x>\n" TEXT},
    {"From a@b Mon Mar  2 10:20:30 2026\nX-Receiver: p@q\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\n" TEXT},
    {"X-Sender: o@p\nFrom a@b Mon Mar  2 10:20:30 2026\n" TEXT, "s@x", {"r@x"},
        "X-Sender: <s@x>\nX-Receiver: <r@x>\n" TEXT},
    /* a header field with the name of one of Exchange's remains one */
    {"X-Source: /home\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\nX-EndOfInjectedXHeaders: 0\nX-Source: /home\n" TEXT},
    {"From a@b Mon Mar  2 10:20:30 2026\nX-Source: /home\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\nX-EndOfInjectedXHeaders: 0\nX-Source: /home\n" TEXT},
    {"X-Sender: o@p\nX-Source: /home\nX-EndOfInjectedXHeaders: 14\nX-Receiver: no@x\n" TEXT, "s@x",
        {"r@x"},
        "X-Sender: <s@x>\nX-Receiver: <r@x>\nX-Source: /home\nX-EndOfInjectedXHeaders: 14\n"
        "X-Receiver: no@x\n" TEXT},
    {"X-Sender: o@p\nFrom a@b Mon Mar  2 10:20:30 2026\nX-Receiver: no@x\n" TEXT, "s@x", {"r@x"},
        "X-Sender: <s@x>\nX-Receiver: <r@x>\nX-EndOfInjectedXHeaders: 0\nX-Receiver: no@x\n" TEXT},
    /* a block behind other fields is none */
    {"Subject: x\nX-Receiver: p@q\n" TEXT, NULL, {"r@x"},
        "X-Receiver: <r@x>\nSubject: x\nX-Receiver: p@q\n" TEXT},
};

static void read_message(InputMemory *input, const Buffer *text, Message **ret, Buffer *ret_content)
{
    _cleanup_failure_ Failure f = {0};

    input_memory_init(input, buffer_data(text), buffer_size(text));
    ck_assert_msg(message_open(&input->base, 1, "id", ret, &f) == 0, "%s", failure_text(&f));
    while (message_read(*ret, 65536, ret_content) > 0)
        continue;
}

/* What the message layer makes of both: the same content, and the envelope asked for. */
static void compare(const struct Case *row, const Buffer *result)
{
    _cleanup_(message_free_p) Message *old = NULL, *new = NULL;
    _cleanup_buffer_ Buffer before = {0}, after = {0}, text = {0};
    const Envelope *envelope;
    InputMemory inputs[2];

    ck_assert_int_eq(buffer_append_string(&text, row->message), 0);
    read_message(&inputs[0], &text, &old, &before);
    read_message(&inputs[1], result, &new, &after);
    ck_assert_uint_eq(buffer_size(&before), buffer_size(&after));
    ck_assert_mem_eq(buffer_data(&before), buffer_data(&after), buffer_size(&before));
    envelope = message_envelope(row->recipients[0] ? new : old);
    for (size_t i = 0; row->recipients[i]; i++)
        ck_assert_str_eq(envelope->recipients[i].address, row->recipients[i]);
    ck_assert_uint_eq(message_envelope(new)->n_recipients, envelope->n_recipients);
    ck_assert_str_eq(message_envelope(new)->sender, row->sender ?: message_envelope(old)->sender);
}

START_TEST(the_envelope_is_replaced)
{
    const struct Case *row = &cases[_i];
    _cleanup_buffer_ Buffer result = {0};
    Envelope envelope = {0};

    if (row->sender)
        ck_assert_int_eq(envelope_set_sender(&envelope, row->sender, NULL, NULL), 0);
    for (size_t i = 0; row->recipients[i]; i++)
        ck_assert_int_eq(envelope_add_recipient(&envelope, row->recipients[i], NULL, NULL), 0);
    ck_assert_int_eq(
        message_readdress(row->message, strlen(row->message), &envelope, NULL, &result), 0);
    ck_assert_msg(buffer_size(&result) == strlen(row->result) &&
                      memcmp(buffer_data(&result), row->result, strlen(row->result)) == 0,
        "%.*s", (int)buffer_size(&result), buffer_data(&result));
    envelope_done(&envelope);
    compare(row, &result);
}
END_TEST

START_TEST(parameters_are_kept)
{
    _cleanup_buffer_ Buffer result = {0};
    Envelope envelope = {0};

    ck_assert_int_eq(envelope_set_sender(&envelope, "a@b", "RET=FULL", NULL), 0);
    ck_assert_int_eq(envelope_add_recipient(&envelope, "c@d", "NOTIFY=NEVER", NULL), 0);
    ck_assert_int_eq(message_readdress("A: b\n", 5, &envelope, NULL, &result), 0);
    ck_assert_int_eq(buffer_append(&result, "", 1), 0);
    ck_assert_str_eq(
        buffer_data(&result), "X-Sender: <a@b> RET=FULL\nX-Receiver: <c@d> NOTIFY=NEVER\nA: b\n");
    envelope_done(&envelope);
}
END_TEST

static const struct LaneCase {
    const char *lane, *text, *result;
} lanes[] = {
    {"Bulk", "A: b\n", "X-Outbox-Lane: bulk\nA: b\n"},
    {"bulk", "X-Outbox-Lane: other\nX-Receiver: c@d\nA: b\n",
        "X-Outbox-Lane: bulk\nX-Receiver: c@d\nA: b\n"},
    {NULL, "X-OUTBOX-Lane: other\nX-Receiver: c@d\nA: b\n",
        "X-Sender: <a@b>\nX-OUTBOX-Lane: other\nX-Receiver: c@d\nA: b\n"},
    {"bulk", "A: b\nX-Outbox-Lane: of the header\n",
        "X-Outbox-Lane: bulk\nA: b\nX-Outbox-Lane: of the header\n"},
};

START_TEST(a_lane_takes_the_place_of_another)
{
    const struct LaneCase *row = &lanes[_i];
    _cleanup_buffer_ Buffer result = {0};
    _cleanup_envelope_ Envelope envelope = {0};

    if (row->lane)
        ck_assert_int_eq(envelope_set_lane(&envelope, row->lane, strlen(row->lane), NULL), 0);
    else
        ck_assert_int_eq(envelope_set_sender(&envelope, "a@b", NULL, NULL), 0);
    ck_assert_int_eq(message_readdress(row->text, strlen(row->text), &envelope, NULL, &result), 0);
    ck_assert_int_eq(buffer_append(&result, "", 1), 0);
    ck_assert_str_eq(buffer_data(&result), row->result);
}
END_TEST

START_TEST(fields_are_added_to_the_header)
{
    static const char text[] = "X-Outbox-Order: 1\nX-Receiver: p@q\nSubject: x\n\n";
    _cleanup_buffer_ Buffer result = {0};
    Envelope envelope = {0};

    ck_assert_int_eq(envelope_set_sender(&envelope, "a@b", NULL, NULL), 0);
    ck_assert_int_eq(message_readdress(text, strlen(text), &envelope, "From: a@b\n", &result), 0);
    ck_assert_int_eq(buffer_append(&result, "", 1), 0);
    ck_assert_str_eq(buffer_data(&result), "X-Sender: <a@b>\nX-Outbox-Order: 1\nX-Receiver: p@q\n"
                                           "From: a@b\nSubject: x\n\n");
    envelope_done(&envelope);
}
END_TEST

/* What is replaced is not looked at; of the rest, lines are those of the file. */
static const struct Asked {
    const char *text, *sender, *recipient, *why; /* NULL: it is read */
} asked[] = {
    {"X-Receiver: <a@@b>\nFrom: a@b\n\n", "a@b", NULL, "line 1, X-Receiver"},
    {"X-Receiver: <a@@b>\nFrom: a@b\n\n", NULL, "c@d", NULL},
    {"X-Sender: <a@@b>\nX-Receiver: c@d\nFrom: a@b\n\n", "a@b", NULL, NULL},
    {"From: a@@b\nTo: c@@d\n\n", "a@b", "c@d", NULL},
    {"From: a@b\nTo: c@@d\n\n", "a@b", NULL, "line 2, To"},
    {"From: a@@b\nTo: c@d\n\n", NULL, "c@d", "line 1, From"},
    {"From x\n\nFrom: a@b\nTo: e@f,\n g@@h\n\n", "a@b", NULL, "line 4, To"},
    {"From: a@b\nTo: c@d\nno field\n\n", "a@b", "c@d", "line 3, "},
    {"\nHello.\n", "a@b", "c@d", NULL},
    {"\nHello.\n", "a@b", NULL, "no recipient"},
    {"X-Sender: <o@p> RET=SOME\nX-Receiver: c@d\nFrom: a@b\n\n", "a@b", NULL,
        "line 1, X-Sender: the parameter \"RET=SOME\" is malformed"},
    {"X-Receiver: c@d ENVID=1\nFrom: a@b\n\n", NULL, "c@d", "line 1, X-Receiver: the parameter"},
};

START_TEST(a_message_is_read_with_another_envelope)
{
    const struct Asked *row = &asked[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_envelope_ Envelope envelope = {0};
    _cleanup_failure_ Failure f = {0};
    InputMemory input;
    int r;

    if (row->sender)
        ck_assert_int_eq(envelope_set_sender(&envelope, row->sender, NULL, NULL), 0);
    if (row->recipient)
        ck_assert_int_eq(envelope_add_recipient(&envelope, row->recipient, NULL, NULL), 0);
    input_memory_init(&input, row->text, strlen(row->text));
    r = message_open_as(&input.base, &envelope, 1, "id", &message, &f);
    ck_assert_msg(r == (row->why ? -EBADMSG : 0), "%s: %s", row->text, failure_text(&f));
    if (row->why) {
        ck_assert_msg(strstr(f.text, row->why), "%s: %s", row->text, f.text);
        return;
    }
    ck_assert_str_eq(message_envelope(message)->sender, "a@b");
    ck_assert_uint_eq(message_envelope(message)->n_recipients, 1);
    ck_assert_str_eq(message_envelope(message)->recipients[0].address, "c@d");
}
END_TEST

/* Parameters that stand beside an address which another takes the place of. */
static const struct Inherited {
    const char *text;
    const char *asked_sender, *asked_recipient; /* parameters of those that are asked for */
    const char *sender, *recipient;             /* what is said of them in the end */
} inherited[] = {
    {"X-Sender: <o@p> RET=HDRS ENVID=42\nX-Receiver: <c@D> NOTIFY=NEVER\n", NULL, NULL,
        "RET=HDRS ENVID=42", "NOTIFY=NEVER"},
    {"X-Sender: <a@b> ret=HDRS HOLDFOR=60 REQUIRETLS\n", "RET=FULL", NULL,
        "RET=FULL HOLDFOR=60 REQUIRETLS", NULL},
    {"X-Receiver: <c@d> NOTIFY=NEVER ORCPT=rfc822;x@y\nX-Receiver: <e@f> NOTIFY=DELAY\n", NULL,
        "NOTIFY=SUCCESS", NULL, "NOTIFY=SUCCESS ORCPT=rfc822;x@y"},
    {"X-Receiver: <e@f> NOTIFY=DELAY\nX-Sender: <a@@b> RET=FULL\n", NULL, NULL, NULL, NULL},
    {"X-Sender: <o@p>\nX-Receiver: <c@d>\n", "BY=60;R", NULL, "BY=60;R", NULL},
};

static void check_parameters(const char *parameters, const char *expected, const char *text)
{
    ck_assert_msg(
        text_equal(parameters, expected), "%s: %s", text, parameters ?: "no parameters are left");
}

START_TEST(parameters_stay_with_another_envelope)
{
    const struct Inherited *row = &inherited[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_envelope_ Envelope envelope = {0};
    _cleanup_buffer_ Buffer text = {0};
    InputMemory input;

    ck_assert_int_eq(envelope_set_sender(&envelope, "a@b", row->asked_sender, NULL), 0);
    ck_assert_int_eq(envelope_add_recipient(&envelope, "c@d", row->asked_recipient, NULL), 0);
    ck_assert_int_eq(buffer_appendf(&text, "%sFrom: a@b\n\n", row->text), 0);
    input_memory_init(&input, buffer_data(&text), buffer_size(&text));
    ck_assert_int_eq(message_open_as(&input.base, &envelope, 1, "id", &message, NULL), 0);
    check_parameters(message_envelope(message)->sender_parameters, row->sender, row->text);
    check_parameters(
        message_envelope(message)->recipients[0].parameters, row->recipient, row->text);
}
END_TEST

static const struct Shape {
    const char *text;
    bool has_header, has_from;
} shapes[] = {
    {"From: a\n\n", true, true},
    {"To: b\r\nfrom : a\r\n\r\n", true, true},
    {"FROM:", true, true},
    {"From a Mon Mar 2\nTo: b\n\n", true, false},
    {">From a Mon Mar 2\nFrom x\n\nFrom: b\n\n", true, true},
    {"To: b\n\nFrom: a\n", true, false},
    {"To: b\r\n\r\nFrom: a\r\n", true, false},
    {"Fromage: a\nResent-From: a\nSender: a\n\n", true, false},
    {"To: b\n From: a\n", true, false},
    {"From", false, false},
    {"Hello, world.\n", false, false},
    {"\nFrom: a\n", true, true},
    {"\nNote: From me\nto you\n", true, false},
    {"\nNote: From me", true, false},
    {"\nHello", true, false},
    {"Subject : x\n\n", true, false},
    {"X-Sender: a@b\n\nHello.", true, false},
    {"X-Sender: a@b\n\nFrom: a\n\nHello.", true, true},
    {"", true, false},
};

START_TEST(the_shape_of_a_message_is_seen)
{
    const struct Shape *row = &shapes[_i];
    MessageShape shape = message_shape(row->text, strlen(row->text));

    ck_assert_msg(shape.has_header == row->has_header, "%s", row->text);
    ck_assert_msg(shape.has_from == row->has_from, "%s", row->text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_readdress");
    TCase *t = tcase_create("message_readdress");

    tcase_add_loop_test(t, the_envelope_is_replaced, 0, (int)ELEMENTSOF(cases));
    tcase_add_test(t, parameters_are_kept);
    tcase_add_loop_test(t, a_lane_takes_the_place_of_another, 0, (int)ELEMENTSOF(lanes));
    tcase_add_test(t, fields_are_added_to_the_header);
    tcase_add_loop_test(t, a_message_is_read_with_another_envelope, 0, (int)ELEMENTSOF(asked));
    tcase_add_loop_test(t, parameters_stay_with_another_envelope, 0, (int)ELEMENTSOF(inherited));
    tcase_add_loop_test(t, the_shape_of_a_message_is_seen, 0, (int)ELEMENTSOF(shapes));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
