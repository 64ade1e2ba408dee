/* message: a domain for addresses without one. */
#include <string.h>

#include "message/qualify.h"
#include "unit.h"

static const struct Case {
    const char *text, *result; /* NULL: as it was */
} cases[] = {
    {"From: root (Cron Daemon)\nTo: root\n\nTo: me\n",
        "From: root@here (Cron Daemon)\nTo: root@here\n\nTo: me\n"},
    {"From: mdadm monitoring <root>\nTo: a@b, root,c@d , postmaster\n",
        "From: mdadm monitoring <root@here>\nTo: a@b, root@here,c@d , postmaster@here\n"},
    {"To: root\r\nCc: root,\r\n ann\r\n\r\n",
        "To: root@here\r\nCc: root@here,\r\n ann@here\r\n\r\n"},
    {"Reply-To: root\nresent-to: x\n", "Reply-To: root@here\nresent-to: x@here\n"},
    {"To: \"a,b\" <x>, (c, d) y (e)\n", "To: \"a,b\" <x@here>, (c, d) y@here (e)\n"},
    {"To: \"a b\", \"c@d\"\n", "To: \"a b\"@here, \"c@d\"@here\n"},
    {"To: Friends: ann, b@c, <d>;, eve\n", "To: Friends: ann@here, b@c, <d@here>;, eve@here\n"},
    {"To: root", "To: root@here"},
    {"From x Mon\nTo: root\n", "From x Mon\nTo: root@here\n"},
    {"To: a@b\nSubject: root\nX-Foo: root\n\n", NULL},
    {"To: undisclosed-recipients:;\n", NULL},
    {"To: <>\nSender:\nCc: ,\n", NULL},
    {"To: Ann Lee\n", NULL},
    {"To: <@a,@b:c@d>\n", NULL},
    {"To: (open\n", NULL},
    {"To: \"open\n", NULL},
    {"To: <open\n", NULL},
    {"no field\nTo: root\n", NULL},
    {"\nHello.\nTo: root\n", NULL},
    {"\nTo: root\n", "\nTo: root@here\n"},
    {">From x\r\n\r\nTo: root\r\n", ">From x\r\n\r\nTo: root@here\r\n"},
    {"X-Sender: <>\n\nTo : root\n\nTo: me\n", "X-Sender: <>\n\nTo : root@here\n\nTo: me\n"},
    {"To: =?utf-8?q?M=C3=BCller,_J=C3=B6rg?= <x@d.example>, root\n",
        "To: =?utf-8?q?M=C3=BCller,_J=C3=B6rg?= <x@d.example>, root@here\n"},
    {"From: =?UTF-8?B?Wm/DqyBB?=\n", NULL},
    {"From: Re: Shop <root> today\n", "From: Re: Shop <root@here> today\n"},
    {"From: Lee, Ann <ann@x>\nTo: Lee, Ann <ann@x>\n",
        "From: Lee, Ann <ann@x>\nTo: Lee@here, Ann <ann@x>\n"},
    {"To: root, Shop <x> today, y\n", "To: root@here, Shop <x> today, y\n"},
    {"To: a..b, \"a\" . b (c)\n", "To: a..b@here, \"a\" . b@here (c)\n"},
    {"Cc: (c) root (d); Friends: x@y. , z;\n", "Cc: (c) root@here (d); Friends: x@y. , z@here;\n"},
    {"", NULL},
};

START_TEST(domains_are_added)
{
    const struct Case *row = &cases[_i];
    const char *expected = row->result ?: row->text;
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_qualify(row->text, strlen(row->text), "here", &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&out), expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_qualify");
    TCase *t = tcase_create("message_qualify");

    tcase_add_loop_test(t, domains_are_added, 0, (int)ELEMENTSOF(cases));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
