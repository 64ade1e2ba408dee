/* receive/session: commands in every order and form, and every limit at it and past it. */
#include "receive/command.h"
#include "receive_talk.h"

START_TEST(test_message)
{
    talk_check(EHLO MAIL RCPT "DATA\r\nSubject: x\r\n\r\nHello.\r\n.\r\nQUIT\r\n",
        GREETED MAILED "354;Subject: x\r\n\r\nHello.\r\n<end>250 2.0.0;221 2.0.0;<close>");
    talk_check("HELO me\r\n" MAIL RCPT "DATA\r\n.\r\n", "220;250;" MAILED "354;<end>250 2.0.0;");
    talk_check_greeted(MAIL RCPT "DATA\r\n1\r\n.\r\n" MAIL RCPT "DATA\r\n2\r\n.\r\n",
        MAILED "354;1\r\n<end>250 2.0.0;" MAILED "354;2\r\n<end>250 2.0.0;");
    talk_check_greeted(
        "mail from: <a@b> \r\nrcpt to: <c@d>\r\ndata\r\n.\r\n", MAILED "354;<end>250 2.0.0;");
}
END_TEST

START_TEST(test_lmtp)
{
    talk_check("LHLO me\r\n" MAIL RCPT "RCPT TO:<no@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nx\r\n.\r\n",
        GREETED MAILED "<to no@d>550 5.1.1;<to e@f>250 2.1.5;354;x\r\n<end>250 2.0.0;250 2.0.0;");
    talk_check("LHLO me\r\n" MAIL RCPT "RCPT TO:<e@f>\r\nDATA\r\nx\ny\r\n.\r\n",
        GREETED MAILED "<to e@f>250 2.1.5;354;<drop>554 5.6.0;554 5.6.0;");
    talk_check("LHLO me\r\n" MAIL RCPT "RCPT TO:<e@f>\r\nBDAT 1\r\nxBDAT 2 LAST\r\n\r\n",
        GREETED MAILED "<to e@f>250 2.1.5;x250 2.0.0;\r\n<end>250 2.0.0;250 2.0.0;");
    talk_check("LHLO me\r\n" MAIL "RCPT TO:<no@d>\r\nDATA\r\n",
        GREETED "<from a@b>250 2.1.0;<to no@d>550 5.1.1;554 5.5.1;<cut>");
}
END_TEST

START_TEST(test_order)
{
    talk_check(MAIL, "220;503 5.5.1;");
    talk_check(RCPT "DATA\r\n", "220;503 5.5.1;503 5.5.1;");
    talk_check_greeted("DATA\r\n", "503 5.5.1;");
    talk_check_greeted(RCPT, "503 5.5.1;");
    talk_check_greeted(
        MAIL "DATA\r\n" RCPT, "<from a@b>250 2.1.0;503 5.5.1;<to c@d>250 2.1.5;<cut>");
    talk_check_greeted(MAIL MAIL, "<from a@b>250 2.1.0;503 5.5.1;<cut>");
    talk_check_greeted(MAIL "RCPT TO:<no@d>\r\nDATA\r\n",
        "<from a@b>250 2.1.0;<to no@d>550 5.1.1;554 5.5.1;<cut>");
    talk_check_greeted(
        "MAIL FROM:<no@b>\r\n" RCPT "DATA\r\n", "<from no@b>550 5.7.1;503 5.5.1;503 5.5.1;");
    talk_check_greeted(MAIL RCPT "BDAT 1\r\nxDATA\r\n" RCPT MAIL,
        MAILED "x250 2.0.0;503 5.5.1;503 5.5.1;503 5.5.1;<cut>");
}
END_TEST

START_TEST(test_reset)
{
    talk_check_greeted("RSET\r\n", "250 2.0.0;");
    talk_check_greeted(MAIL "RSET\r\n" MAIL, "<from a@b>250 2.1.0;250 2.0.0;<drop><from a@b>250 "
                                             "2.1.0;<cut>");
    talk_check_greeted(MAIL RCPT "HELO you\r\nDATA\r\n", MAILED "250;<drop>503 5.5.1;");
    talk_check_greeted(MAIL RCPT "BDAT 1\r\nxRSET\r\nBDAT 1 LAST\r\nx",
        MAILED "x250 2.0.0;250 2.0.0;<drop>503 "
               "5.5.1;");
    talk_check_greeted(MAIL "QUIT\r\n" RCPT, "<from a@b>250 2.1.0;221 2.0.0;<drop><close>");
}
END_TEST

START_TEST(test_other_commands)
{
    talk_check("NOOP\r\nnoop x y\r\nHELP\r\nHELP DATA\r\nVRFY root\r\n",
        "220;250 2.0.0;250 2.0.0;214 2.0.0;214 2.0.0;252 2.5.0;");
    talk_check("VRFY\r\nEHLO\r\nHELO \r\nLHLO\r\n", "220;501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;");
    talk_check("EXPN a\r\nAUTH PLAIN\r\nSTARTTLS\r\nTURN\r\n",
        "220;502 5.5.1;502 5.5.1;502 5.5.1;502 5.5.1;");
    talk_check("GET / HTTP/1.1\r\n\r\nMAILFROM:<a@b>\r\n", "220;500 5.5.2;500 5.5.2;500 5.5.2;");
    talk_check_greeted("QUIT now\r\nRSET now\r\nDATA now\r\n", "501 5.5.4;501 5.5.4;501 5.5.4;");
    talk_check("NO\tOP\r\nNOOP \xff\r\nNOOP \x7f\r\n", "220;500 5.5.2;500 5.5.2;500 5.5.2;");
    talk_check_bytes("NOOP\0\r\n", 7, 0, "220;500 5.5.2;");
}
END_TEST

START_TEST(test_paths)
{
    static const char *const wrong[] = {"a@b", "<a@b", "a@b>", "<a @b>", "<a@b>x", "", "<@x,@y>"};

    talk_check_greeted("MAIL FROM:<>\r\n", "<from >250 2.1.0;<cut>");
    talk_check_greeted("MAIL FROM:<\"a> b\\\"\"@c>\r\n", "<from \"a> b\\\"\"@c>250 2.1.0;<cut>");
    talk_check_greeted("MAIL FROM:<@x,@y:a@b>\r\n", "<from a@b>250 2.1.0;<cut>");
    talk_check_greeted(MAIL "RCPT TO:<Postmaster>\r\nRCPT TO:<>\r\nRCPT FROM:<a@b>\r\n",
        "<from a@b>250 2.1.0;<to Postmaster>250 2.1.5;501 5.1.3;501 5.1.3;<cut>");
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char text[128];

        snprintf(text, sizeof(text), "MAIL FROM:%s\r\nMAIL TO:<a@b>\r\n", wrong[i]);
        talk_check_greeted(text, "501 5.1.7;501 5.1.7;");
        snprintf(text, sizeof(text), MAIL "RCPT TO:%s\r\n", wrong[i]);
        talk_check_greeted(text, "<from a@b>250 2.1.0;501 5.1.3;<cut>");
    }
}
END_TEST

START_TEST(test_parameters)
{
    talk_check_greeted("MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x+2By\r\n"
                       "RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d\r\n",
        "<from a@b RET=HDRS ENVID=x+2By>250 2.1.0;"
        "<to c@d NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d>250 2.1.5;<cut>");
    talk_check_greeted(
        "MAIL FROM:<a@b> body=7bit smtputf8 size=0\r\n", "<from a@b smtputf8>250 2.1.0;<cut>");
    talk_check_greeted("MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "504 5.5.4;");
    talk_check_greeted("MAIL FROM:<a@b> BODY=x\r\nMAIL FROM:<a@b> BODY\r\nMAIL FROM:<a@b> SIZE\r\n"
                       "MAIL FROM:<a@b> SIZE=-1\r\nMAIL FROM:<a@b> SIZE=99999999999999999999\r\n"
                       "MAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> RET=\r\n"
                       "MAIL FROM:<a@b> A=B=C\r\nMAIL FROM:<a@b> =x\r\n",
        "501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;501 5.5.4;501 "
        "5.5.4;");
    talk_check_greeted("MAIL FROM:<a@b> AUTH=<>\r\nMAIL FROM:<a@b> NOTIFY=NEVER\r\n" MAIL
                       "RCPT TO:<c@d> SIZE=5\r\n",
        "555 5.5.4;555 5.5.4;<from a@b>250 2.1.0;555 5.5.4;<cut>");
}
END_TEST

START_TEST(test_utf8)
{
    talk_check_greeted("MAIL FROM:<\xc3\xa4@b>\r\n" MAIL "RCPT TO:<\xc3\xa4@b>\r\n",
        "553 5.6.7;<from a@b>250 2.1.0;553 5.6.7;<cut>");
    talk_check_greeted("MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\nRCPT TO:<\xc3\xb6@b>\r\n",
        "<from \xc3\xa4@b SMTPUTF8>250 2.1.0;<to \xc3\xb6@b>250 2.1.5;<cut>");
    /* What was asked for with a command that was refused does not stay. */
    talk_check_greeted("MAIL FROM:<no@b> SMTPUTF8\r\nMAIL FROM:<\xc3\xa4@b>\r\n"
                       "MAIL FROM:<a@b> SMTPUTF8 X\r\nMAIL FROM:<\xc3\xa4@b>\r\n",
        "<from no@b SMTPUTF8>550 5.7.1;553 5.6.7;555 5.5.4;553 5.6.7;");
}
END_TEST

START_TEST(test_lines_end_with_both)
{
    talk_check("EHLO me\n" MAIL, "220;500 5.5.2;<close>");
    talk_check("EHLO me\rMAIL FROM:<a@b>\r\n", "220;500 5.5.2;<close>");
    talk_check("EHLO me\r\r\n", "220;500 5.5.2;<close>");
    talk_check_greeted("MAIL FROM:<a@b\nRCPT TO:<x@y>>\r\n", "500 5.5.2;<close>");
    talk_check_greeted(MAIL "NOOP\n", "<from a@b>250 2.1.0;500 5.5.2;<drop><close>");
    talk_check("EHLO me", "220;<cut>500 5.5.2;");
    talk_check("EHLO me\r", "220;<cut>500 5.5.2;");
}
END_TEST

/* A line of so many octets, its end included. */
static void check_length(size_t n, const char *expected)
{
    char line[RECEIVE_LINE_MAX + 64];

    memset(line, 'x', sizeof(line));
    memcpy(line, "NOOP ", 5);
    memcpy(line + n - 2, "\r\n", 2);
    memcpy(line + n, "NOOP\r\n", 6);
    for (size_t cut = n - 5; cut < n + 6; cut++) {
        char *told = talk_bytes(line, n + 6, cut, n, 0);

        ck_assert_str_eq(told, expected);
        free(told);
    }
}

START_TEST(test_line_length)
{
    check_length(RECEIVE_LINE_MAX, "220;250 2.0.0;250 2.0.0;");
    check_length(RECEIVE_LINE_MAX + 1, "220;500 5.5.2;250 2.0.0;");
    check_length(RECEIVE_LINE_MAX + 50, "220;500 5.5.2;250 2.0.0;");
}
END_TEST

/* `n` times what a client says; how often what it is answered stands there. */
static unsigned count_answers(
    const char *before, const char *text, unsigned n, const char *answer, const char *end)
{
    _cleanup_buffer_ Buffer said = {0};
    unsigned found = 0;
    char *told;

    (void)buffer_append_string(&said, before);
    for (unsigned i = 0; i < n; i++)
        (void)buffer_append_string(&said, text);
    told = talk_bytes(buffer_data(&said), buffer_size(&said), buffer_size(&said), 1, 0);
    for (const char *at = told; (at = strstr(at, answer)); at++)
        found++;
    if (end)
        ck_assert_str_eq(told + strlen(told) - strlen(end), end);
    free(told);
    return found;
}

START_TEST(test_limits)
{
    const char *closed = "421 4.7.0;<close>";

    ck_assert_uint_eq(count_answers("", "x\r\n", RECEIVE_ERRORS_MAX - 1, "500 5.5.2;", NULL),
        RECEIVE_ERRORS_MAX - 1);
    ck_assert_uint_eq(count_answers("", "x\r\n", RECEIVE_ERRORS_MAX, "500 5.5.2;", closed),
        RECEIVE_ERRORS_MAX - 1);
    ck_assert_uint_eq(count_answers("", "BDAT 0\r\n", RECEIVE_ERRORS_MAX, "503 5.5.1;", closed),
        RECEIVE_ERRORS_MAX - 1);
    ck_assert_uint_eq(count_answers("", "NOOP\r\n", RECEIVE_COMMANDS_MAX, "250 2.0.0;", NULL),
        RECEIVE_COMMANDS_MAX);
    ck_assert_uint_eq(count_answers("", "NOOP\r\n", RECEIVE_COMMANDS_MAX + 1, "250 2.0.0;", closed),
        RECEIVE_COMMANDS_MAX);
    ck_assert_uint_eq(count_answers(EHLO MAIL, RCPT, RECEIVE_RECIPIENTS_MAX, "250 2.1.5;", "<cut>"),
        RECEIVE_RECIPIENTS_MAX);
    ck_assert_uint_eq(
        count_answers(EHLO MAIL, RCPT, RECEIVE_RECIPIENTS_MAX + 3, "452 4.5.3;", "<cut>"), 3);
    /* A message that was taken begins the count anew, and recipients that are refused are none. */
    ck_assert_uint_eq(
        count_answers(EHLO, MAIL RCPT "x\r\nDATA\r\n.\r\n", 100, "500 5.5.2;", NULL), 100);
    ck_assert_uint_eq(
        count_answers(EHLO MAIL, "RCPT TO:<no@d>\r\n", 200, "550 5.1.1;", "<cut>"), 200);
}
END_TEST

START_TEST(test_closed_by_us)
{
    ReceiveSession *s = receive_session_new("mx.test", 0);
    const char *data = EHLO;
    size_t n = strlen(EHLO);
    ReceivePart part;

    receive_session_close(s, 554, "5.7.1", "not from there");
    ck_assert_int_eq(strncmp(buffer_data(receive_session_replies(s)), "554 5.7.1 not", 13), 0);
    ck_assert_int_eq(receive_session_take(s, &data, &n, &part), RECEIVE_CLOSE);
    ck_assert_uint_eq(n, strlen(EHLO));
    receive_session_free(s);
    talk_check_greeted("MAIL FROM:<gone@b>\r\n" RCPT, "<from gone@b>421 4.3.2;<close>");
    talk_check_greeted(
        MAIL "RCPT TO:<gone@b>\r\n" RCPT, "<from a@b>250 2.1.0;<to gone@b>421 4.3.2;<drop><close>");
}
END_TEST

/* A long text takes several lines, cut at blanks, none too long, and holds nothing that a client
 * could take for another. */
START_TEST(test_long_reply)
{
    ReceiveSession *s = receive_session_new("mx.test", 0);
    Buffer *replies = receive_session_replies(s);
    char text[1201];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[400] = ' ';
    text[401] = '\n';
    text[402] = '\r';
    text[403] = (char)0xc3;
    buffer_clear(replies);
    receive_session_close(s, 421, "4.3.2", text);
    (void)buffer_append(replies, "", 1);
    ck_assert_int_eq(strncmp(buffer_data(replies), "421-4.3.2 xxx", 13), 0);
    ck_assert_ptr_nonnull(strstr(buffer_data(replies), "x\r\n421-4.3.2  ??x"));
    ck_assert_ptr_nonnull(strstr(buffer_data(replies), "x\r\n421 4.3.2 x"));
    ck_assert_uint_eq(buffer_size(replies), 1199 + 3 * (10 + 2) + 1);
    receive_session_free(s);
}
END_TEST

static void check_client(const char *said, const char *client, const char *protocol)
{
    ReceiveSession *s = receive_session_new("mx.test", 0);
    size_t n = strlen(said);
    ReceivePart part;

    (void)receive_session_take(s, &said, &n, &part);
    if (client)
        ck_assert_str_eq(receive_session_client(s), client);
    else
        ck_assert_ptr_null(receive_session_client(s));
    ck_assert_str_eq(receive_session_protocol(s), protocol);
    receive_session_free(s);
}

START_TEST(test_client)
{
    check_client("EHLO Me.test\r\n", "Me.test", "ESMTP");
    check_client("EHLO [127.0.0.1]\r\n", "[127.0.0.1]", "ESMTP");
    check_client("HELO me\r\n", "me", "SMTP");
    check_client("LHLO me\r\n", "me", "LMTP");
    check_client("EHLO me (by [1.2.3.4])\r\n", NULL, "ESMTP");
    check_client(EHLO "MAIL FROM:<a@b> SMTPUTF8\r\n", "me.test", "UTF8SMTP");
    check_client("LHLO me\r\nMAIL FROM:<a@b> SMTPUTF8\r\n", "me", "UTF8LMTP");
}
END_TEST

/* Silence, whatever was begun, is answered by 421 alone, and is no failure where nothing was. */
START_TEST(test_silence)
{
    static const struct {
        const char *said;
        bool whole;
    } cases[] = {{EHLO, true}, {EHLO "NOO", false}, {EHLO "NOOP\r", false}, {EHLO MAIL, false},
        {EHLO MAIL RCPT "DATA\r\nx", false}, {EHLO MAIL RCPT "BDAT 9\r\nx", false}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        ReceiveSession *s = receive_session_new("mx.test", 0);
        _cleanup_buffer_ Buffer told = {0}, all = {0};
        bool begins = false;

        ck_assert(talk_feed(s, cases[i].said, strlen(cases[i].said), &begins, &all));
        ck_assert_int_eq(receive_session_give_up(s, "nothing was heard"), cases[i].whole);
        talk_replies(s, &told);
        ck_assert_uint_eq(buffer_size(&told), strlen("421 4.4.2;"));
        ck_assert_mem_eq(buffer_data(&told), "421 4.4.2;", strlen("421 4.4.2;"));
        receive_session_free(s);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("receive_session");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_message);
    tcase_add_test(tcase, test_lmtp);
    tcase_add_test(tcase, test_order);
    tcase_add_test(tcase, test_reset);
    tcase_add_test(tcase, test_other_commands);
    tcase_add_test(tcase, test_paths);
    tcase_add_test(tcase, test_parameters);
    tcase_add_test(tcase, test_utf8);
    tcase_add_test(tcase, test_lines_end_with_both);
    tcase_add_test(tcase, test_line_length);
    tcase_add_test(tcase, test_limits);
    tcase_add_test(tcase, test_closed_by_us);
    tcase_add_test(tcase, test_long_reply);
    tcase_add_test(tcase, test_silence);
    tcase_add_test(tcase, test_client);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
