/* message: what programs write that is not quite a message, and what goes out of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message/message.h"
#include "unit.h"

#define NOW 1767351845123456u

static const char *host = "box.example.org";

/* In the place of the system's. */
int __wrap_gethostname(char *name, size_t size);

int __wrap_gethostname(char *name, size_t size)
{
    snprintf(name, size, "%s", host);
    return 0;
}

/* The content of a message that can be sent; the envelope in `ret_message`. */
static void read_text(const char *text, InputMemory *input, Message **ret_message, Buffer *ret)
{
    _cleanup_failure_ Failure f = {0};

    input_memory_init(input, text, strlen(text));
    ck_assert_msg(message_open(&input->base, NOW, "id", ret_message, &f) == 0, "%s: %s", text,
        failure_text(&f));
    while (message_read(*ret_message, 65536, ret) > 0)
        continue;
    ck_assert_uint_eq(buffer_size(ret), message_size(*ret_message));
    ck_assert_int_eq(buffer_append(ret, "", 1), 0);
}

#define STAMPS "Date: x\nMessage-ID: <1@b>\n"
#define FROM_TO "From: a@b\nTo: c@d\n"
#define SENT FROM_TO STAMPS "\nHello.\n"

static const struct Mended {
    const char *text, *sent;
} mended[] = {
    /* What stands in front of a header. */
    {SENT, SENT},
    {"\n" SENT, SENT},
    {"\n\r\n\n" SENT, SENT},
    {"\xef\xbb\xbf" SENT, SENT},
    {"\xef\xbb\xbf\n" SENT, SENT},
    {"From a@b Mon Mar  2 10:20:30 2026\n" SENT, SENT},
    {">From a@b Mon Mar  2 10:20:30 2026\n" SENT, SENT},
    {">>From a@b\nFrom a@b\n\nFrom  a@b\n" SENT, SENT},
    {"X-Sender: a@b\nX-Receiver: c@d\n\n" SENT, SENT},
    {"X-Sender: a@b\nX-Receiver: c@d\nX-EndOfInjectedXHeaders: 1\n\n\n" SENT, SENT},
    {"\nX-Sender: a@b\nX-Receiver: c@d\n\n" SENT, SENT},
    /* What follows an empty line is no header: it is the text. */
    {"X-Sender: a@b\nX-Receiver: c@d\nX-EndOfInjectedXHeaders:\n" STAMPS "\nFrom: x\n\ny\n",
        STAMPS "\nFrom: x\n\ny\n"},
    {SENT "\nFrom: x\nTo: y\n\nz\n", SENT "\nFrom: x\nTo: y\n\nz\n"},
    {FROM_TO STAMPS "\n\nFrom a@b\n", FROM_TO STAMPS "\n\nFrom a@b\n"},
    {FROM_TO STAMPS "\n>From a@b\n", FROM_TO STAMPS "\n>From a@b\n"},
    /* Blanks before a colon. */
    {"From : a@b\nTo\t : c@d\nDate\t: x\nMessage-ID: <1@b>\nSubject  : x : y\n\nA : b\n",
        FROM_TO "Date: x\nMessage-ID: <1@b>\nSubject: x : y\n\nA : b\n"},
    {"X-Sender : a@b\nX-Receiver\t: c@d\nX-A :\n b\n" STAMPS "\n", "X-A:\n b\n" STAMPS "\n"},
    /* Fields that never go out, wherever they stand. */
    {"Return-Path: <e@f>\n" FROM_TO STAMPS "\n", FROM_TO STAMPS "\n"},
    {FROM_TO "return-path : <e@f>\nContent-length: 7\n" STAMPS "RETURN-PATH: g\n\nx",
        FROM_TO STAMPS "\nx"},
    {"Content-Length:\n 1\n" FROM_TO STAMPS "Bcc: e@f,\n g@h\n", FROM_TO STAMPS},
    {"Resent-From: a@b\nResent-To: c@d\nReturn-Path: <x@y>\n" STAMPS "\n",
        "Resent-From: a@b\nResent-To: c@d\n" STAMPS "\n"},
    {FROM_TO STAMPS "Content-Type: text/plain\nX-Return-Path: x\n\nReturn-Path: <e@f>\n",
        FROM_TO STAMPS "Content-Type: text/plain\nX-Return-Path: x\n\nReturn-Path: <e@f>\n"},
    /* Addresses stay as they are written. */
    {"From: a@b.\nTo: Lee <c..d@e.>; (x) f@g;\n" STAMPS "\n",
        "From: a@b.\nTo: Lee <c..d@e.>; (x) f@g;\n" STAMPS "\n"},
};

START_TEST(what_is_not_quite_a_message_is_mended)
{
    const struct Mended *row = &mended[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    InputMemory input;

    read_text(row->text, &input, &message, &content);
    ck_assert_str_eq(buffer_data(&content), row->sent);
}
END_TEST

static const struct Enveloped {
    const char *text, *sender, *recipients; /* with "|" behind each; why it is refused otherwise */
} enveloped[] = {
    {"From: =?UTF-8?B?Wm/DqyBB?=\nTo: c@d\n\n", NULL,
        "line 1, From: the address ends too early: the "
        "encoded word before it is a name"},
    {"From: a@b\nTo: =?utf-8?q?M=C3=BCller,_J=C3=B6rg?= <x@d.example>\n\n", "a@b", "x@d.example|"},
    {"From: John <j@x> Shop\nTo: a@x, b@x;\nCc: user@x.\n\n", "j@x", "a@x|b@x|user@x|"},
    {"From: Lee, Ann <a@b>\nTo: c@d\n\n", "a@b", "c@d|"},
    {"From: a@b\n\n\nTo: c@d\n\n", NULL, "no recipient"},
    {"From x\n\nFrom: a@b\nTo: c@d e@f\n\n", NULL, "line 4, To: "},
    {"From: a@b\nTo: a..b@docomo.example, a.@docomo.example, good@d\n\n", "a@b",
        "\"a..b\"@docomo.example|\"a.\"@docomo.example|good@d|"},
    {"From: a@b\nTo: a..b@d, \"a..b\"@D, \"a.\".b@d\n\n", "a@b", "\"a..b\"@d|"},
    {"Return-Path: a@b\nTo: c@d, C@d, c@D, (x) c@d.\n\n", "a@b", "c@d|C@d|"},
    {"From: a@b\nTo: undisclosed-recipients:;\nBcc: <@x,@y:c@d>, @z:e@f, "
     "g@[IPv6:2001:db8::1],,\n\n",
        "a@b", "c@d|e@f|g@[IPv6:2001:db8::1]|"},
    {"From: a@b\nTo: undisclosed-recipients:\nCc:\nBcc: ,\n\n", NULL, "no recipient"},
    {"From: a@b\nTo: J\xf6rg (M\xfcller (\xff)) <c@d>,\n \"\xfc \\\" \\\\\" <e@f>\n\n", "a@b",
        "c@d|e@f|"},
    {"From: a@b\nX-Receiver: x\nTo: c@d\n\n", "a@b", "c@d|"},
    {"X-Sender: a@b NOTIFY=NEVER\nX-Receiver: c@d\nA:\n\n", NULL,
        "line 1, X-Sender: the parameter \"NOTIFY=NEVER\" is said of a recipient, and this is the "
        "sender"},
    {"X-Sender: a@b\nX-Receiver: c@d NOTIFY=NEVER,SUCCESS\nA:\n\n", NULL,
        "line 2, X-Receiver: the parameter \"NOTIFY=NEVER,SUCCESS\" is malformed: its value is "
        "NEVER, "
        "or SUCCESS, FAILURE and DELAY with commas between them"},
};

START_TEST(envelopes_are_read_from_what_people_write)
{
    const struct Enveloped *row = &enveloped[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer recipients = {0};
    const Envelope *e;
    InputMemory input;
    int r;

    input_memory_init(&input, row->text, strlen(row->text));
    r = message_open(&input.base, NOW, "id", &message, &f);
    ck_assert_msg(r == (row->sender ? 0 : -EBADMSG), "%s: %s", row->text, failure_text(&f));
    if (!row->sender) {
        ck_assert_msg(strstr(f.text, row->recipients), "%s: %s", row->text, f.text);
        return;
    }
    e = message_envelope(message);
    ck_assert_str_eq(e->sender, row->sender);
    for (size_t i = 0; i < e->n_recipients; i++)
        ck_assert_int_eq(buffer_appendf(&recipients, "%s|", e->recipients[i].address), 0);
    ck_assert_int_eq(buffer_append(&recipients, "", 1), 0);
    ck_assert_str_eq(buffer_data(&recipients), row->recipients);
}
END_TEST

static const struct International {
    const char *text;
    bool wants_utf8;
} internationals[] = {
    {"From: J\xc3\xb6rg <a@b>\nTo: c@d\nSubject: Gr\xc3\xbc\xc3\x9f"
     "e\n\n",
        false},
    {"From: a@b\xc3\xbc"
     "cher.example\nTo: c@d\n\n",
        false},
    {"From: a@b\nTo: c@d, j\xc3\xb6rg@b\n\n", true},
    {"From: j\xc3\xb6rg@b\nTo: c@d\n\n", true},
    {"X-Sender: a@b\nX-Receiver: c@d ORCPT=utf-8;\xc3\xbc@d\nA:\n\n", false},
};

START_TEST(utf8_is_asked_for_when_an_address_needs_it)
{
    const struct International *row = &internationals[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    InputMemory input;

    read_text(row->text, &input, &message, &content);
    ck_assert_int_eq(message_envelope(message)->needs_utf8, row->wants_utf8);
}
END_TEST

static const struct Stamped {
    const char *host, *sender, *from, *domain;
} stamped[] = {
    {"box.example.org", "<a@shop.example>", "b@c.example", "@box.example.org>"},
    {"pi", "<a@shop.example>", "b@c.example", "@shop.example>"},
    {"localhost", "<a@shop.example>", "b@c.example", "@shop.example>"},
    {"localhost.localdomain", "<a@shop.example>", "b@c.example", "@shop.example>"},
    {"pi.localdomain", "<a@shop.example>", "b@c.example", "@shop.example>"},
    {"", "<a@shop.example>", "b@c.example", "@shop.example>"},
    {"a..b", "<\"@\"@shop.example>", "b@c.example", "@shop.example>"},
    {"pi.", "<>", "B <b@c.example>, d@e.example", "@c.example>"},
    {"pi", "<a@localhost>", "root@pi", "@d.example>"},
    {"pi", "<a@[192.0.2.1]>",
        "a@b\xc3\xbc"
        "cher.example",
        "@d.example>"},
};

START_TEST(a_message_id_has_a_full_domain)
{
    const struct Stamped *row = &stamped[_i];
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0}, text = {0};
    InputMemory input;
    const char *at;

    host = row->host;
    ck_assert_int_eq(buffer_appendf(&text, "X-Sender: %s\nFrom: %s\nTo: c@d.example\n\n%c",
                         row->sender, row->from, '\0'),
        0);
    read_text(buffer_data(&text), &input, &message, &content);
    at = strstr(buffer_data(&content), "Message-ID: <id.");
    ck_assert_ptr_nonnull(at);
    at = strchr(at, '@');
    ck_assert_mem_eq(at, row->domain, strlen(row->domain));
}
END_TEST

START_TEST(a_message_id_of_no_domain_is_nobody_elses)
{
    static const char text[] = "X-Sender: <>\nX-Receiver: postmaster\nSubject: x\n\n";
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    InputMemory input;

    host = "pi";
    read_text(text, &input, &message, &content);
    ck_assert_ptr_nonnull(strstr(buffer_data(&content), "@outbox.invalid>"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message/mend");
    TCase *t = tcase_create("mend");

    tcase_add_loop_test(t, what_is_not_quite_a_message_is_mended, 0, (int)ELEMENTSOF(mended));
    tcase_add_loop_test(
        t, envelopes_are_read_from_what_people_write, 0, (int)ELEMENTSOF(enveloped));
    tcase_add_loop_test(
        t, utf8_is_asked_for_when_an_address_needs_it, 0, (int)ELEMENTSOF(internationals));
    tcase_add_loop_test(t, a_message_id_has_a_full_domain, 0, (int)ELEMENTSOF(stamped));
    tcase_add_test(t, a_message_id_of_no_domain_is_nobody_elses);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
