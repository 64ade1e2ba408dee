/* submit/protocol: what is said at the submission socket, whole and cut at each octet, and every
 * limit at it and past it. */
#include "base/buffer.h"
#include "base/errors.h"
#include "submit/protocol.h"
#include "unit.h"

static const char *const names[] = {
    "", "BEGIN", "KEY", "", "END", "ASK", "COLUMNS", "COLOR", "ARGUMENT", "RUN", "WRONG"};

/* What is told of the octets, in words: "BEGIN [text] END", and the number of a failure. */
static void feed(SubmitParser *parser, const char *data, size_t n, Buffer *told)
{
    for (;;) {
        _cleanup_failure_ Failure f = {0};
        SubmitPart part;
        SubmitEvent event = submit_parse(parser, &data, &n, &part, &f);

        if (event == SUBMIT_MORE)
            return;
        if (event == SUBMIT_DATA)
            (void)buffer_append(told, part.data, part.n);
        else
            (void)buffer_appendf(told, "<%s>", names[event]);
        if (event == SUBMIT_ARGUMENT || event == SUBMIT_KEY)
            (void)buffer_append(told, part.data, part.n);
        if (event == SUBMIT_COLUMNS)
            (void)buffer_appendf(told, "%zu", part.n);
        if (event == SUBMIT_WRONG) {
            (void)buffer_appendf(told, "%d", f.number);
            ck_assert_ptr_nonnull(f.text);
            return;
        }
    }
}

static void check_bytes(const char *data, size_t n, uint64_t max, const char *expected)
{
    for (size_t cut = 0; cut <= n; cut++) {
        _cleanup_buffer_ Buffer told = {0};
        SubmitParser parser;

        submit_parser_init(&parser, max);
        feed(&parser, data, cut, &told);
        if (parser.state != SUBMIT_BROKEN)
            feed(&parser, data + cut, n - cut, &told);
        (void)buffer_append(&told, "", 1);
        ck_assert_str_eq(buffer_data(&told), expected);
    }
}

static void check(const char *text, const char *expected)
{
    check_bytes(text, strlen(text), 0, expected);
}

START_TEST(test_messages)
{
    check("QUEUE\nDATA 5\nhelloEND\n", "<BEGIN>hello<END>");
    check("QUEUE\r\nDATA 2\r\nheDATA 3\r\nlloEND\r\n", "<BEGIN>hello<END>");
    check("QUEUE\nEND\nQUEUE\nDATA 1\n\nEND\n", "<BEGIN><END><BEGIN>\n<END>");
    check("QUEUE\nDATA 10\nEND\nDATA 3END\n", "<BEGIN>END\nDATA 3<END>");
    check_bytes("QUEUE\nDATA 3\n\1\r\2END\n", sizeof("QUEUE\nDATA 3\n\1\r\2END\n") - 1, 0,
        "<BEGIN>\1\r\2<END>");
}
END_TEST

START_TEST(test_questions)
{
    check("QUEUE\nKEY order 1\nDATA 3\nabcEND\n", "<BEGIN><KEY>order 1abc<END>");
    check("QUEUE\nKEY\n", "<BEGIN><WRONG>9001");
    check("QUEUE\nKEY \n", "<BEGIN><WRONG>9001");
    check("ASK\nARGUMENT list\nARGUMENT a b  c\nRUN\n", "<ASK><ARGUMENT>list<ARGUMENT>a b  c<RUN>");
    check("ASK\r\nCOLUMNS 80\r\nCOLOR\r\nARGUMENT \xc3\xa4\r\nRUN\r\nQUEUE\r\nEND\r\n",
        "<ASK><COLUMNS>80<COLOR><ARGUMENT>\xc3\xa4<RUN><BEGIN><END>");
    check("ASK\nRUN\nASK\nRUN\n", "<ASK><RUN><ASK><RUN>");
}
END_TEST

START_TEST(test_length_of_a_key)
{
    char said[SUBMIT_LINE_MAX], told[SUBMIT_LINE_MAX];

    snprintf(said, sizeof(said), "QUEUE\nKEY %0*d\n", SUBMIT_KEY_MAX, 1);
    snprintf(told, sizeof(told), "<BEGIN><KEY>%0*d", SUBMIT_KEY_MAX, 1);
    check(said, told);
    snprintf(said, sizeof(said), "QUEUE\nKEY %0*d\n", SUBMIT_KEY_MAX + 1, 1);
    check(said, "<BEGIN><WRONG>9001");
}
END_TEST

START_TEST(test_wrong_questions)
{
    static const char *const wrong[] = {"ARGUMENT\n", "ARGUMENT \n", "COLUMNS\n", "COLUMNS 0\n",
        "COLUMNS x\n", "COLOR 1\n", "RUN x\n", "QUEUE\n", "DATA 1\n", "END\n", "ASK\n"};
    _cleanup_buffer_ Buffer many = {0};
    char expected[32];

    snprintf(expected, sizeof(expected), "<ASK><WRONG>%d", ERROR_USAGE);
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char text[64];

        snprintf(text, sizeof(text), "ASK\n%s", wrong[i]);
        check(text, expected);
    }
    for (int i = 0; i <= SUBMIT_ARGUMENTS_MAX; i++)
        ck_assert_int_ge(
            buffer_append_string(&many, i == 0 ? "ASK\nARGUMENT x\n" : "ARGUMENT x\n"), 0);
    {
        _cleanup_buffer_ Buffer told = {0};
        SubmitParser parser;

        submit_parser_init(&parser, 0);
        feed(&parser, buffer_data(&many), buffer_size(&many), &told);
        ck_assert_int_eq(parser.state, SUBMIT_BROKEN);
    }
}
END_TEST

START_TEST(test_wrong)
{
    static const char *const wrong[] = {"\n", "queue\n", "QUEUE x\n", "END\n", "DATA 5\n",
        "QUEUE \n", "KEY x\n", "NOOP\n", "RUN\n", "ARGUMENT x\n", "COLOR\n", "ASK x\n", "\rLIST\n",
        "LI\rST\n", "LIST\r\r\n", "\x7f", "\t", "\x1b[2J"};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "<WRONG>%d", ERROR_USAGE);
        check(wrong[i], expected);
    }
    {
        char expected[32];

        snprintf(expected, sizeof(expected), "<WRONG>%d", ERROR_USAGE);
        check_bytes("LIST\0\n", sizeof("LIST\0\n") - 1, 0, expected);
    }
}
END_TEST

START_TEST(test_wrong_in_message)
{
    static const char *const wrong[] = {"DATA\n", "DATA 0\n", "DATA -1\n", "DATA +1\n", "DATA 01\n",
        "DATA 1x\n", "DATA 1 \n", "DATA 0x10\n", "DATA 1099511627777\n",
        "DATA 99999999999999999999999999999999\n", "QUEUE\n", "LIST\n", "SHOW x\n", "END x\n",
        "\n"};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        char text[128], expected[64];

        snprintf(text, sizeof(text), "QUEUE\n%s", wrong[i]);
        snprintf(expected, sizeof(expected), "<BEGIN><WRONG>%d", ERROR_USAGE);
        check(text, expected);
    }
    check("QUEUE\nDATA 1099511627776\n", "<BEGIN>");
}
END_TEST

START_TEST(test_size)
{
    char expected[64];

    check_bytes("QUEUE\nDATA 5\nhelloDATA 5\nworldEND\n",
        sizeof("QUEUE\nDATA 5\nhelloDATA 5\nworldEND\n") - 1, 10, "<BEGIN>helloworld<END>");
    snprintf(expected, sizeof(expected), "<BEGIN>hello<WRONG>%d", ERROR_MESSAGE);
    check_bytes("QUEUE\nDATA 5\nhelloDATA 6\nworld!END\n",
        sizeof("QUEUE\nDATA 5\nhelloDATA 6\nworld!END\n") - 1, 10, expected);
    snprintf(expected, sizeof(expected), "<BEGIN><WRONG>%d", ERROR_MESSAGE);
    check_bytes("QUEUE\nDATA 11\n", sizeof("QUEUE\nDATA 11\n") - 1, 10, expected);
    /* Each message has its own. */
    check_bytes("QUEUE\nDATA 5\nhelloEND\nQUEUE\nDATA 5\nworldEND\n",
        sizeof("QUEUE\nDATA 5\nhelloEND\nQUEUE\nDATA 5\nworldEND\n") - 1, 5,
        "<BEGIN>hello<END><BEGIN>world<END>");
}
END_TEST

START_TEST(test_line_length)
{
    char line[SUBMIT_LINE_MAX + 8], expected[64];

    memset(line, 'x', sizeof(line));
    line[SUBMIT_LINE_MAX - 1] = '\n';
    snprintf(expected, sizeof(expected), "<WRONG>%d", ERROR_USAGE);
    check_bytes(line, SUBMIT_LINE_MAX, 0, expected);
    {
        /* The whole line is taken, and judged as one. */
        const char *data = line;
        size_t n = SUBMIT_LINE_MAX;
        _cleanup_failure_ Failure f = {0};
        SubmitParser parser;
        SubmitPart part;

        submit_parser_init(&parser, 0);
        ck_assert_int_eq(submit_parse(&parser, &data, &n, &part, &f), SUBMIT_WRONG);
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_nonnull(strstr(f.text, "no such command"));
    }
    line[SUBMIT_LINE_MAX - 1] = 'x';
    line[SUBMIT_LINE_MAX] = '\n';
    snprintf(expected, sizeof(expected), "<WRONG>%d", ERROR_USAGE);
    check_bytes(line, SUBMIT_LINE_MAX + 1, 0, expected);
}
END_TEST

START_TEST(test_idle)
{
    static const char text[] = "QUEUE\nDATA 1\nxEND\n";

    for (size_t n = 0; n < sizeof(text); n++) {
        _cleanup_buffer_ Buffer told = {0};
        SubmitParser parser;

        submit_parser_init(&parser, 0);
        feed(&parser, text, n, &told);
        ck_assert_int_eq(submit_parser_is_idle(&parser), n == 0 || n == sizeof(text) - 1);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("submit_protocol");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_messages);
    tcase_add_test(tcase, test_questions);
    tcase_add_test(tcase, test_length_of_a_key);
    tcase_add_test(tcase, test_wrong_questions);
    tcase_add_test(tcase, test_wrong);
    tcase_add_test(tcase, test_wrong_in_message);
    tcase_add_test(tcase, test_size);
    tcase_add_test(tcase, test_line_length);
    tcase_add_test(tcase, test_idle);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
