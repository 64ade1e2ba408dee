/* message: how the header is written: its character set, its folds, its id. Encoded words are
 * judged by GMime. */
#include <gmime/gmime.h>
#undef MIN /* GLib has the same two */
#undef MAX

#include "base/charset.h"
#include "base/errors.h"
#include "base/text.h"
#include "letter.h"

/* MessageIdAlgorithm: the length of its digest. */
START_TEST(ids_are_digests)
{
    static const struct {
        const char *algorithm;
        size_t digits;
    } cases[] = {{NULL, 64}, {"MD5", 32}, {"sha1", 40}, {"SHA256", 64}};
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_
        char *id = NULL;

        set(l, "MessageIdAlgorithm", cases[i].algorithm);
        id = field_of(l, "Message-ID");
        ck_assert_int_eq(id[0], '<');
        ck_assert_uint_eq(strspn(id + 1, "0123456789abcdef"), cases[i].digits);
        ck_assert_int_eq(id[1 + cases[i].digits], '@');
    }
    set(l, "MessageIdAlgorithm", "crc32");
    assert_refused(l, ERROR_MESSAGE, "the algorithm is md5, sha1 or sha256, not \"crc32\"");
}
END_TEST

/* ---- how the header is written ---- */

static char *decode_words(const char *value)
{
    char *text = g_mime_utils_header_decode_text(NULL, value), *copy = strdup(text);

    g_free(text);
    return copy;
}

static bool is_known(const char *name)
{
    Charset charset;
    int r = charset_open(name, &charset, NULL);

    charset_close(&charset);
    return r >= 0;
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
    unsigned tested = 0;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_letter_ Letter letter = {0};
        Letter *l = begin_letter(&letter);
        _cleanup_free_
        char *value = NULL, *decoded = NULL, *mark = NULL, *name = NULL;
        _cleanup_(composed_free_p) Composed *composed = NULL;
        const char *line;

        if (!is_known(cases[i].charset))
            continue; /* some systems have a part of them only */
        set(l, "Charset", cases[i].charset);
        tested++;
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
        add_recipient(l, COMPOSE_TO, cases[i].text, "bob@lab.test", NULL);
        name = field_of(l, "To");
        ck_assert_ptr_nonnull(strstr(name, mark));
    }
    ck_assert_uint_ge(tested, 2);
}
END_TEST

/* 434 names the character that the set lacks; nothing is put in its place. */
START_TEST(a_character_that_the_set_lacks_is_told)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

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
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);
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
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

    set(l, "MaxHeaderLength", "60");
    set(l, "Cc", "a-very-long-local-part-of-an-address-that-goes-on@and-a-long-domain.lab.test");
    assert_field(l, "Cc", l->cc[0]);
    set(l, "OtherHeaders",
        "References: <an-id-that-is-longer-than-a-line-is-to-be-1234567890@lab.test>");
    assert_field(
        l, "References", "<an-id-that-is-longer-than-a-line-is-to-be-1234567890@lab.test>");
}
END_TEST

/* OtherHeaders, of which an empty first line replaces what is computed. */
START_TEST(other_headers_replace_the_header)
{
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);
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

/* At the limits and past them. */
START_TEST(styles_that_cannot_be_are_refused)
{
    static const char *const lengths[] = {"59", "999", "100000"};
    static const struct {
        const char *charset, *why;
    } charsets[] = {{"no-such-set", "charset: this system cannot convert to \"no-such-set\""},
        {"a b", "charset: the name of a character set is made of letters, digits and hyphens"},
        {"", "charset: the name of a character set is made of letters, digits and hyphens"},
        {"a-name-that-is-one-character-longer-than-40", "made of letters"},
        {"ISO-8859-1//TRANSLIT", "made of letters"},
        {"UTF-16", "charset: in \"UTF-16\" the letters of ASCII are not themselves"},
        {"UTF-7", "the letters of ASCII are not themselves"}};
    _cleanup_letter_ Letter letter = {0};
    Letter *l = begin_letter(&letter);

    for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
        set(l, "MaxHeaderLength", lengths[i]);
        assert_refused(l, ERROR_MESSAGE, "max_header_length: a line of the header is folded at 60");
    }
    set(l, "MaxHeaderLength", NULL);
    for (size_t i = 0; i < ELEMENTSOF(charsets); i++) {
        set(l, "Charset", charsets[i].charset);
        assert_refused(l, ERROR_CHARSET, charsets[i].why);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/style");
    TCase *tcase = tcase_create("style");

    setenv("TZ", "UTC", 1);
    g_mime_init();
    tcase_add_test(tcase, ids_are_digests);
    tcase_add_test(tcase, encoded_words_are_in_the_character_set);
    tcase_add_test(tcase, a_character_that_the_set_lacks_is_told);
    tcase_add_test(tcase, lines_are_folded_where_that_is_asked_for);
    tcase_add_test(tcase, tokens_are_not_broken);
    tcase_add_test(tcase, other_headers_replace_the_header);
    tcase_add_test(tcase, styles_that_cannot_be_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
