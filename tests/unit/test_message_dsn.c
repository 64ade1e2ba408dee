/* message: reports of what could not be delivered. */
#include <string.h>

#include "message/dsn.h"
#include "unit.h"

#define ORIGINAL "From: shop@example.org\nSubject: Your order\n\nHello.\n"

static const DsnRecipient ann = {
    .address = "ann@example.com",
    .parameters = "NOTIFY=FAILURE ORCPT=rfc822;ann+2Bx@example.com",
    .refused = true,
    .code = 550,
    .enhanced = "5.1.1",
    .text = "no such user",
    .host = "smtp.example.com",
    .last_attempt = 1772446831 * USEC_PER_SEC,
};

/* The report, NUL behind it. Of NULL it has no original. */
static char *format(const DsnRecipient *recipient, const char *original, Dsn dsn)
{
    static Buffer out;
    InputMemory input;

    buffer_clear(&out);
    dsn.recipients = recipient;
    dsn.n_recipients = 1;
    dsn.to = dsn.to ?: "shop@example.org";
    dsn.id = dsn.id ?: "order-42";
    if (original) {
        input_memory_init(&input, original, strlen(original));
        dsn.original = &input.base;
    }
    ck_assert_int_eq(dsn_format(&dsn, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    return out.memory + out.start;
}

/* Every line is one that a relay has to take, and none ends in another way. */
static void check_lines(const char *report)
{
    for (const char *at = report; *at; at += strcspn(at, "\n") + 1) {
        ck_assert_uint_le(strcspn(at, "\n"), 998);
        ck_assert_uint_ge(strcspn(at, "\r"), strcspn(at, "\n"));
        for (size_t i = 0; i < strcspn(at, "\n"); i++)
            ck_assert_uint_lt((unsigned char)at[i], 0x80);
    }
}

static void check_has(const char *report, const char *text)
{
    ck_assert_msg(strstr(report, text), "no \"%s\" in:\n%s", text, report);
}

START_TEST(tells_all_there_is)
{
    char *report = format(&ann, ORIGINAL,
        (Dsn){.sender_parameters = "RET=FULL ENVID=a+3Db",
            .arrival = 1772446830 * USEC_PER_SEC,
            .reason = "1 of 1 recipients refused",
            .hint = "look at the log",
            .original_size_max = 1024});

    check_has(report, "X-Sender: <>\nX-Receiver: <shop@example.org> NOTIFY=NEVER\nFrom: Mail ");
    check_has(report, "\nAuto-Submitted: auto-replied\n");
    check_has(report, "\nContent-Type: multipart/report; report-type=delivery-status;\n");
    check_has(
        report, "\n<ann@example.com>\n    smtp.example.com refused it: 550 5.1.1 no such user\n");
    check_has(report, "\nIn all: 1 of 1 recipients refused.\n");
    check_has(report, "\nWhat can be done: see whether the address is right, ");
    check_has(report, "\nOriginal-Envelope-Id: a=b\nReporting-MTA: dns; ");
    check_has(report, "\nArrival-Date: Mon, 02 Mar 2026 10:20:30 +0000\n");
    check_has(report,
        "\n\nOriginal-Recipient: rfc822; ann+x@example.com\n"
        "Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.1.1\n"
        "Remote-MTA: dns; smtp.example.com\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n"
        "Last-Attempt-Date: Mon, 02 Mar 2026 10:20:31 +0000\n");
    check_has(
        report, "\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n" ORIGINAL);
    check_lines(report);
}
END_TEST

START_TEST(has_the_header_alone_of_what_is_large_or_not_wanted)
{
    static const struct {
        const char *parameters;
        size_t max;
    } cases[] = {{NULL, strlen(ORIGINAL) - 1}, {"RET=HDRS", 1024}, {"ENVID=1 ret=hdrs", 1024}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char *report = format(&ann, ORIGINAL,
            (Dsn){.sender_parameters = cases[i].parameters, .original_size_max = cases[i].max});

        check_has(report, "\nContent-Type: text/rfc822-headers\n");
        check_has(report, "\n\nFrom: shop@example.org\nSubject: Your order\n\n--");
        ck_assert(!strstr(report, "Hello."));
    }
}
END_TEST

START_TEST(does_without_an_original)
{
    char *report = format(&ann, NULL, (Dsn){0});

    ck_assert(!strstr(report, "rfc822-headers"));
    ck_assert(!strstr(report, "message/rfc822"));
    check_has(report, "--\n");
}
END_TEST

START_TEST(a_long_header_is_cut_behind_a_line)
{
    size_t n = 200000;
    char *original = malloc(n + 1), *report;

    ck_assert_ptr_nonnull(original);
    for (size_t i = 0; i < n; i++)
        original[i] = i % 50 == 49 ? '\n' : i % 50 == 1 ? ':' : 'x';
    original[n] = '\0';
    report = format(&ann, original, (Dsn){.original_size_max = 100});
    ck_assert_uint_lt(strlen(report), 70000);
    check_has(report, "x:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\n--");
    check_lines(report);
    free(original);
}
END_TEST

/* Whatever a relay or a parameter says ends no line and begins no field. */
START_TEST(what_others_say_stays_on_its_line)
{
    static const char *const texts[] = {"no\r\nBcc: eve@example.org\r\n\r\n--x",
        "\xff\xfe \x01\x7f", "gr\xc3\xbc\xc3\x9f", "", " "};
    char text[9000];
    DsnRecipient recipient = ann;

    recipient.parameters = "ORCPT=rfc822;a+0D+0ABcc:+20eve@example.org";
    for (size_t i = 0; i <= ELEMENTSOF(texts); i++) {
        char *report;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        recipient.text = i < ELEMENTSOF(texts) ? texts[i] : text;
        report = format(&recipient, ORIGINAL, (Dsn){.reason = recipient.text, .id = "a\nb"});
        ck_assert(!strstr(report, "\nBcc:"));
        ck_assert(!strstr(report, "\n--x"));
        ck_assert(!strchr(report, '\xff'));
        check_lines(report);
    }
}
END_TEST

START_TEST(the_status_is_of_the_replys_class)
{
    DsnRecipient recipient = ann;

    recipient.enhanced = "";
    check_has(format(&recipient, NULL, (Dsn){0}), "\nStatus: 5.0.0\n");
    recipient.refused = false;
    recipient.code = 0;
    recipient.host = NULL;
    check_has(format(&recipient, NULL, (Dsn){.action = DSN_DELAYED}),
        "\nAction: delayed\nStatus: 4.0.0\nDiagnostic-Code: x-outbox; no such user\n");
}
END_TEST

/* RFC 6533, 3: beyond ASCII. */
START_TEST(an_international_address_is_written_in_ascii)
{
    static const struct {
        const char *address, *field;
    } cases[] = {{"j\xc3\xb6rg@b\xc3\xbc.example", "utf-8; j\\x{F6}rg@b\\x{FC}.example"},
        {"\xe2\x82\xac@x.example", "utf-8; \\x{20AC}@x.example"},
        {"\xf0\x9f\x93\xa7+a=b@x.example", "utf-8; \\x{1F4E7}\\x{2B}a\\x{3D}b@x.example"}};
    DsnRecipient recipient = ann;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char *report;

        recipient.address = cases[i].address;
        report = format(&recipient, NULL, (Dsn){0});
        check_has(report, cases[i].field);
        check_has(report, "Content-Type: text/plain; charset=utf-8\n"
                          "Content-Transfer-Encoding: quoted-printable\n");
    }
}
END_TEST

/* As it was given, in either form; what is no UTF-8 is nobody's address. */
START_TEST(an_original_address_that_is_international_is_written_in_ascii)
{
    static const struct {
        const char *parameters, *field;
    } cases[] = {{"ORCPT=utf-8;j\xc3\xb6rg@b.example", "Recipient: utf-8; j\\x{F6}rg@b.example\n"},
        {"ORCPT=UTF-8;j\\x{F6}rg\\x{2B}@b.example",
            "Recipient: UTF-8; j\\x{F6}rg\\x{2B}@b.example\n"},
        {"ORCPT=rfc822;a\\x+C3+B6@b.example", "Recipient: rfc822; a\\x?@b.example\n"},
        {"ORCPT=utf-8;j\xf6rg@b.example", "Recipient: utf-8; j?rg@b.example\n"}};
    DsnRecipient recipient = ann;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        recipient.parameters = cases[i].parameters;
        check_has(format(&recipient, NULL, (Dsn){0}), cases[i].field);
    }
}
END_TEST

#define SIGNED(BODY)                                                                            \
    "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b; protocol=x/y; micalg=z\n\n" \
    "--b\n\n" BODY "\n--b\nContent-Type: x/y\n\nseal\n--b--\n"
#define X200                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"                                                                                     \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"
#define X1000 X200 X200 X200 X200 X200

/* Whatever the message has in it, the report of it can be delivered to any relay. */
START_TEST(is_7_bit_whatever_the_message_is)
{
    static const struct {
        const char *original;
        size_t max;
        const char *has;
    } cases[] = {
        {"Subject: x\n\ngr\xc3\xbc\xc3\x9f\n", 9000,
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: x\n"},
        {"Subject: x\n\ngr\xc3\xbc\xc3\x9f\n", 9000, "\n\ngr=C3=BC=C3=9F\n"},
        {"Subject: x\r\n\r\ngr\xfc\xdf\r\n", 9000, "\n\ngr=FC=DF\n"},
        {"Subject: x\n\n" X1000 "\n", 9000, "Content-Type: message/rfc822\n"},
        {SIGNED("gr\xc3\xbc\xc3\x9f"), 9000,
            "Content-Type: message/global\nContent-Transfer-Encoding: quoted-printable\n\nMIME"},
        {SIGNED("gr\xfc\xdf"), 9000, "\n--b\n\ngr=FC=DF\n--b\n"},
        {SIGNED(X1000), 9000, "Content-Type: message/global\n"},
        {"Subject: gr\xc3\xbc\xc3\x9f\n\ngr\xfc\xdf\n", 9000,
            "\n\nSubject: gr=C3=BC=C3=9F\n\ngr=FC=DF\n"},
        {"Subject: gr\xfc\xdf\n\nHello.\n", 9000,
            "Content-Type: text/rfc822-headers; charset=unknown-8bit\n"
            "Content-Transfer-Encoding: quoted-printable\n\nSubject: gr=FC=DF\n\n--"},
        {"Subject: gr\xc3\xbc\xc3\x9f\n\nHello.\n", 1,
            "Content-Type: text/rfc822-headers; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\nSubject: gr=C3=BC=C3=9F\n\n--"},
        {"Subject: x\nX: " X1000 "\n\nHello.\n", 1,
            "Content-Type: text/rfc822-headers\nContent-Transfer-Encoding: quoted-printable\n"},
    };
    DsnRecipient recipient = ann;

    recipient.text = "gr\xc3\xbc\xc3\x9f";
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char *report =
            format(&recipient, cases[i].original, (Dsn){.original_size_max = cases[i].max});

        check_has(report, cases[i].has);
        check_has(report, "refused it: 550 5.1.1 gr=C3=BC=C3=9F\n");
        check_lines(report);
    }
}
END_TEST

/* A relay without SMTPUTF8 takes it wherever the address can be said in ASCII. */
START_TEST(goes_to_a_domain_in_ascii)
{
    char *report = format(&ann, ORIGINAL,
        (Dsn){.to = "ann@b\xc3\xbc"
                    "cher.example"});

    check_has(report, "X-Receiver: <ann@xn--bcher-kva.example> NOTIFY=NEVER\n");
    check_has(report, "\nTo: <ann@xn--bcher-kva.example>\n");
    check_lines(report);
}
END_TEST

/* A sender is told what a sender can do; who looks after the queue, what can be done there. */
START_TEST(says_what_its_reader_can_do)
{
    static const struct {
        int code;
        const char *enhanced, *has;
    } cases[] = {
        {550, "5.1.1", "see whether the address is right"},
        {550, "5.1.10", "see whether the address is right"},
        {450, "4.1.2", "see whether the address is right"},
        {550, "", "see whether the address is right"},
        {553, "", "see whether the address is right"},
        {550, "5.1.8", "see whether the address that the message was sent from is right"},
        {550, "5.2.1", "the mailbox takes no mail now"},
        {452, "4.2.2", "the mailbox is full"},
        {552, "5.2.3", "make the message smaller, as with"},
        {552, "5.3.4", "make the message smaller, as with"},
        {552, "", "make the message smaller, or send it again later"},
        {550, "5.7.1", NULL},
        {554, "", NULL},
        {451, "4.3.0", NULL},
        {0, "", NULL},
    };
    DsnRecipient recipient = ann;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        for (int to_sender = 0; to_sender < 2; to_sender++) {
            char *report;

            recipient.code = cases[i].code;
            recipient.enhanced = cases[i].enhanced;
            report = format(&recipient, NULL,
                (Dsn){.to_sender = to_sender, .hint = "the relay's log may help"});
            check_has(report, "\nWhat can be done: ");
            check_has(report, cases[i].has ? cases[i].has
                              : to_sender  ? "ask the administrator of this machine"
                                           : "the relay's log may help.\n");
            ck_assert(!to_sender || !strstr(report, "log may help"));
        }
}
END_TEST

START_TEST(who_waits_has_nothing_to_do)
{
    char *report = format(&ann, NULL,
        (Dsn){.action = DSN_DELAYED, .to_sender = true, .hint = "the relay's log may help"});

    ck_assert(!strstr(report, "What can be done"));
    ck_assert(!strstr(report, "the relay's log"));
}
END_TEST

/* Told once where it is the same for all, else of each. */
START_TEST(each_recipient_has_its_own_advice)
{
    DsnRecipient recipients[2] = {ann, ann};
    Dsn dsn = {.to = "shop@example.org",
        .id = "a",
        .to_sender = true,
        .recipients = recipients,
        .n_recipients = 2};

    for (int same = 0; same < 2; same++) {
        _cleanup_buffer_ Buffer out = {0};
        const char *first;

        recipients[1].enhanced = same ? "5.1.2" : "5.2.2";
        ck_assert_int_eq(dsn_format(&dsn, &out), 0);
        ck_assert_int_eq(buffer_append(&out, "", 1), 0);
        first = strstr(buffer_data(&out), "What can be done: see whether the address is right");
        ck_assert_ptr_nonnull(first);
        ck_assert(!strstr(first + 1, "What can be done: see"));
        ck_assert((strstr(first, "the mailbox is full") == NULL) == same);
        ck_assert((strstr(first, "\n    smtp.example.com refused") == NULL) == same);
    }
}
END_TEST

/* An original that has the boundary of its own report gets another one. */
START_TEST(the_boundary_is_in_no_part)
{
    char original[200], boundary[40], *report = format(&ann, ORIGINAL, (Dsn){0});
    const char *at = strstr(report, "boundary=\"");

    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "boundary=\"%39[^\"]", boundary), 1);
    snprintf(original, sizeof(original), "Subject: x\n\n--%s--\n", boundary);
    report = format(&ann, original, (Dsn){.original_size_max = 1024});
    at = strstr(report, "boundary=\"");
    ck_assert_ptr_nonnull(at);
    ck_assert(strncmp(at + strlen("boundary=\""), boundary, strlen(boundary)) != 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/dsn");
    TCase *tests = tcase_create("dsn");

    tcase_add_test(tests, tells_all_there_is);
    tcase_add_test(tests, has_the_header_alone_of_what_is_large_or_not_wanted);
    tcase_add_test(tests, does_without_an_original);
    tcase_add_test(tests, a_long_header_is_cut_behind_a_line);
    tcase_add_test(tests, what_others_say_stays_on_its_line);
    tcase_add_test(tests, the_status_is_of_the_replys_class);
    tcase_add_test(tests, an_international_address_is_written_in_ascii);
    tcase_add_test(tests, an_original_address_that_is_international_is_written_in_ascii);
    tcase_add_test(tests, is_7_bit_whatever_the_message_is);
    tcase_add_test(tests, goes_to_a_domain_in_ascii);
    tcase_add_test(tests, says_what_its_reader_can_do);
    tcase_add_test(tests, who_waits_has_nothing_to_do);
    tcase_add_test(tests, each_recipient_has_its_own_advice);
    tcase_add_test(tests, the_boundary_is_in_no_part);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
