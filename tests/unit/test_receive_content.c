/* receive/content: the end of a message is where RFC 5321 has it and nowhere else, however the
 * octets come. */
#include "receive_talk.h"

#define BEGUN EHLO MAIL RCPT "DATA\r\n"
#define REFUSED "<drop>554 5.6.0;"

static void check(const char *content, const char *expected)
{
    _cleanup_free_
    char *said = NULL, *wanted = NULL;

    ck_assert_int_ge(asprintf(&said, BEGUN "%s", content), 0);
    ck_assert_int_ge(asprintf(&wanted, GREETED MAILED "354;%s", expected), 0);
    talk_check(said, wanted);
}

START_TEST(test_dots)
{
    check("..\r\n.\r\n", ".\r\n<end>250 2.0.0;");
    check("...x\r\n.\r\n", "..x\r\n<end>250 2.0.0;");
    check(".x\r\n.\r\n", "x\r\n<end>250 2.0.0;");
    check("a.\r\n..a.\r\n.\r\n", "a.\r\n.a.\r\n<end>250 2.0.0;");
    check("a\r\n\r\n..\r\n\r\n.\r\n", "a\r\n\r\n.\r\n\r\n<end>250 2.0.0;");
    check("x.\r\n.\r\nNOOP\r\n", "x.\r\n<end>250 2.0.0;250 2.0.0;");
    check("x\r\n.", "x\r\n<cut>");
    check("x\r\n.\r", "x\r\n<cut>");
}
END_TEST

/* What some servers take for the end, and behind it another message: to this one all of it is
 * content, which is refused when its end has come. */
START_TEST(test_no_smuggling)
{
    static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r",
        "\r\n.\r\r\n", "\n.\r", "\r.\n", "\r\n\r.\r\n", "\r\n.\r.\r\n", "\r\r\n.\n"};

    for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
        char text[256], expected[64];
        const char *at;

        snprintf(text, sizeof(text), "%sMAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nbad\r\n.\r\n",
            ends[i]);
        {
            _cleanup_free_
            char *said = NULL, *told = NULL;

            ck_assert_int_ge(asprintf(&said, BEGUN "good%sNOOP\r\n", text), 0);
            for (size_t cut = 0; cut < strlen(said); cut++) {
                free(told);
                told = talk_bytes(said, strlen(said), cut, cut == 0 ? 1 : strlen(said), 0);
                at = strstr(told, "354;") + 4;
                ck_assert_ptr_null(strstr(at, "<from"));
                ck_assert_ptr_null(strstr(at, "<end>"));
                snprintf(expected, sizeof(expected), REFUSED "250 2.0.0;");
                ck_assert_str_eq(told + strlen(told) - strlen(expected), expected);
            }
        }
    }
}
END_TEST

START_TEST(test_stray)
{
    check("\n.\r\n.\r\n", REFUSED);
    check("\r.\r\n.\r\n", REFUSED);
    check(".\n.\r\n.\r\n", REFUSED);
    check(".\rx\r\n.\r\n", REFUSED);
    check(".\r.\r\n.\r\n", REFUSED);
}
END_TEST

START_TEST(test_any_octet)
{
    static const char data[] = BEGUN "\0\xff\x01\t\x7f\r\n.\r\n";
    static const char expected[] = GREETED MAILED "354;\0\xff\x01\t\x7f\r\n<end>250 2.0.0;";
    char *told = talk_bytes(data, sizeof(data) - 1, 5, 1, 0);

    ck_assert_mem_eq(told, expected, sizeof(expected) - 1);
    free(told);
}
END_TEST

START_TEST(test_chunks)
{
    talk_check_greeted(MAIL RCPT "BDAT 3\r\n.\r\nBDAT 0\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n",
        MAILED ".\r\n250 2.0.0;250 2.0.0;x\r\n<end>250 2.0.0;250 2.0.0;");
    talk_check_greeted(
        MAIL RCPT "bdat 3\r\na\r\nBDAT 0 last\r\n", MAILED "a\r\n250 2.0.0;<end>250 2.0.0;");
    /* Its end is a line of its own, which may be cut anywhere. */
    talk_check_greeted(
        MAIL RCPT "BDAT 2\r\na\rBDAT 1 LAST\r\n\n", MAILED "a\r250 2.0.0;\n<end>250 2.0.0;");
    talk_check_greeted(MAIL RCPT "BDAT 10\r\nx\r\n", MAILED "x\r\n<cut>");
    /* What may not come goes by, and is never taken for commands. */
    talk_check_greeted("BDAT 6\r\nNOOP\r\nNOOP\r\n", "503 5.5.1;250 2.0.0;");
    talk_check_greeted(MAIL "RCPT TO:<no@d>\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n",
        "<from a@b>250 2.1.0;<to no@d>550 5.1.1;<drop>554 5.5.1;250 2.0.0;");
    talk_check_greeted(MAIL RCPT "BDAT 4\r\na\nb\rBDAT 1 LAST\r\n\n", MAILED REFUSED "503 5.5.1;");
    talk_check_greeted(
        MAIL RCPT "BDAT 2\r\na\rBDAT 0 LAST\r\n", MAILED "a\r250 2.0.0;554 5.6.0;<drop>");
}
END_TEST

START_TEST(test_malformed_chunks)
{
    static const char *const wrong[] = {"BDAT", "BDAT x", "BDAT -1", "BDAT 1x", "BDAT LAST",
        "BDAT 1 FIRST", "BDAT 1 LAST x", "BDAT 99999999999999999999"};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char text[128];

        snprintf(text, sizeof(text), MAIL RCPT "%s\r\nQUIT\r\n", wrong[i]);
        talk_check_greeted(text, MAILED "501 5.5.4;<drop><close>");
    }
}
END_TEST

static void check_size(const char *data, const char *expected)
{
    talk_check_bytes(data, strlen(data), 10, expected);
}

START_TEST(test_size)
{
    check_size(EHLO "MAIL FROM:<a@b> SIZE=10\r\n", GREETED "<from a@b>250 2.1.0;<cut>");
    check_size(EHLO "MAIL FROM:<a@b> SIZE=11\r\n", GREETED "552 5.3.4;");
    check_size(BEGUN "12345678\r\n.\r\n", GREETED MAILED "354;12345678\r\n<end>250 2.0.0;");
    check_size(EHLO MAIL RCPT "BDAT 10 LAST\r\n12345678\r\n",
        GREETED MAILED "12345678\r\n<end>250 2.0.0;");
    /* Dots that were added are not counted. */
    check_size(BEGUN "..2345678\r\n.\r\n", GREETED MAILED "354;.2345678\r\n<end>250 2.0.0;");
}
END_TEST

/* How much was passed on before it was known depends on how the octets came. */
START_TEST(test_too_large)
{
    static const char *const said[] = {
        BEGUN "123456789\r\n.\r\nNOOP\r\n", EHLO MAIL RCPT "BDAT 11\r\n123456789\r\nNOOP\r\n"};

    for (size_t i = 0; i < ELEMENTSOF(said); i++)
        for (size_t cut = 0; cut < strlen(said[i]); cut++) {
            char *told =
                talk_bytes(said[i], strlen(said[i]), cut, cut == 0 ? 1 : strlen(said[i]), 10);

            ck_assert_ptr_nonnull(strstr(told, "<drop>552 5.3.4;250 2.0.0;"));
            ck_assert_ptr_null(strstr(told, "<end>"));
            free(told);
        }
}
END_TEST

START_TEST(test_refused_within)
{
    _cleanup_free_
    char *whole = talk_bytes(BEGUN "!full\r\nmore\r\n.\r\n" MAIL,
        strlen(BEGUN "!full\r\nmore\r\n.\r\n" MAIL), 1000, 1, 0);
    _cleanup_free_
    char *bytes = talk_bytes(
        BEGUN "!full\r\nmore\r\n.\r\n" MAIL, strlen(BEGUN "!full\r\nmore\r\n.\r\n" MAIL), 1, 1, 0);

    ck_assert_str_eq(
        whole, GREETED MAILED "354;!full\r\nmore\r\n452 4.3.1;<from a@b>250 2.1.0;<cut>");
    ck_assert_str_eq(bytes, GREETED MAILED "354;!452 4.3.1;<from a@b>250 2.1.0;<cut>");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("receive_content");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_dots);
    tcase_add_test(tcase, test_no_smuggling);
    tcase_add_test(tcase, test_stray);
    tcase_add_test(tcase, test_any_octet);
    tcase_add_test(tcase, test_chunks);
    tcase_add_test(tcase, test_malformed_chunks);
    tcase_add_test(tcase, test_size);
    tcase_add_test(tcase, test_too_large);
    tcase_add_test(tcase, test_refused_within);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
