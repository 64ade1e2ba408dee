/* net/mta_sts: what is a policy and what is none, which hosts it names, and which record says that
 * there is one. */
#include <errno.h>
#include <string.h>

#include "net/mta_sts.h"
#include "unit.h"

#define VERSION "version: STSv1\n"
#define MODE "mode: enforce\n"
#define AGE "max_age: 86400\n"
#define MX "mx: mail.example.com\n"

static int parse(const char *text, MtaStsPolicy *ret)
{
    return mta_sts_parse(text, strlen(text), ret);
}

START_TEST(policies_say_what_they_are)
{
    static const struct {
        const char *text;
        MtaStsMode mode;
        usec_t max_age;
        const char *list;
    } rows[] = {
        {VERSION MODE MX AGE, MTA_STS_ENFORCE, USEC_PER_DAY, "mail.example.com"},
        {"version: STSv1\r\nmode: testing\r\nmx: *.Example.COM\r\nmx: b.\r\nmax_age: 1",
            MTA_STS_TESTING, USEC_PER_SEC, "*.example.com, b"},
        {"version:STSv1\nmode:none\nmax_age:0\n", MTA_STS_NONE, 0, ""},
        {" version :\tSTSv1 \n\n" AGE "a: b\nmode: none\nx\xc3\xa4: y\n", MTA_STS_NONE,
            USEC_PER_DAY, ""},
        {VERSION MODE "mode: none\n" MX AGE "max_age: x\nversion: STSv2\n", MTA_STS_ENFORCE,
            USEC_PER_DAY, "mail.example.com"},
        {VERSION MODE MX "max_age: 9999999999\n", MTA_STS_ENFORCE, MTA_STS_AGE_MAX,
            "mail.example.com"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        MtaStsPolicy policy;
        char list[MTA_STS_LIST_MAX];

        ck_assert_int_eq(parse(rows[i].text, &policy), 0);
        ck_assert_int_eq(policy.mode, rows[i].mode);
        ck_assert_uint_eq(policy.max_age, rows[i].max_age);
        mta_sts_list(&policy, list);
        ck_assert_str_eq(list, rows[i].list);
        mta_sts_policy_done(&policy);
    }
}
END_TEST

START_TEST(what_is_none_is_told)
{
    static const char *const texts[] = {
        "",
        "\n",
        "version: STSv2\n" MODE MX AGE,
        MODE VERSION MX AGE,
        VERSION MX AGE,
        VERSION MODE AGE,
        VERSION MODE MX,
        VERSION "mode: Enforce\n" MX AGE,
        VERSION "mode:\n" MX AGE,
        VERSION MODE MX "max_age: -1\n",
        VERSION MODE MX "max_age: 1d\n",
        VERSION MODE MX "max_age:\n",
        VERSION MODE MX "max_age: 12345678901\n",
        VERSION MODE "mx:\n" AGE,
        VERSION MODE "mx: .\n" AGE,
        VERSION MODE "mx: *\n" AGE,
        VERSION MODE "mx: *.\n" AGE,
        VERSION MODE "mx: a.*.example.com\n" AGE,
        VERSION MODE "mx: a..example.com\n" AGE,
        VERSION MODE "mx: a b\n" AGE,
        VERSION MODE "mx: a/b\n" AGE,
        VERSION MODE MX AGE "no field\n",
        "<html>\n" VERSION MODE MX AGE,
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        MtaStsPolicy policy;

        ck_assert_msg(parse(texts[i], &policy) == -EBADMSG, "%s", texts[i]);
        ck_assert_uint_eq(buffer_size(&policy.patterns), 0);
    }
}
END_TEST

/* At the limit, and past it. */
START_TEST(a_policy_has_so_many_bytes)
{
    static const char start[] = VERSION MODE MX AGE;
    _cleanup_buffer_ Buffer text = {0};
    MtaStsPolicy policy;

    ck_assert_int_eq(buffer_append_string(&text, start), 0);
    while (buffer_size(&text) < MTA_STS_POLICY_MAX)
        ck_assert_int_eq(buffer_append(&text, "\n", 1), 0);
    ck_assert_int_eq(mta_sts_parse(buffer_data(&text), buffer_size(&text), &policy), 0);
    mta_sts_policy_done(&policy);
    ck_assert_int_eq(buffer_append(&text, "\n", 1), 0);
    ck_assert_int_eq(mta_sts_parse(buffer_data(&text), buffer_size(&text), &policy), -EBADMSG);
}
END_TEST

START_TEST(a_long_list_is_cut_in_words)
{
    _cleanup_buffer_ Buffer text = {0};
    char list[MTA_STS_LIST_MAX];
    MtaStsPolicy policy;

    ck_assert_int_eq(buffer_append_string(&text, VERSION MODE AGE), 0);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(buffer_appendf(&text, "mx: host-%d.example.com\n", i), 0);
    ck_assert_int_eq(mta_sts_parse(buffer_data(&text), buffer_size(&text), &policy), 0);
    mta_sts_list(&policy, list);
    ck_assert_int_eq(strncmp(list, "host-0.example.com, host-1.example.com, ", 40), 0);
    ck_assert_str_eq(list + strlen(list) - 5, ", ...");
    ck_assert(mta_sts_matches(&policy, "host-199.example.com"));
    mta_sts_policy_done(&policy);
}
END_TEST

START_TEST(hosts_are_named_or_not)
{
    static const struct {
        const char *pattern, *host;
        bool matches;
    } rows[] = {
        {"mail.example.com", "mail.example.com", true},
        {"mail.example.com", "MAIL.example.COM.", true},
        {"mail.example.com", "amail.example.com", false},
        {"mail.example.com", "example.com", false},
        {"*.example.com", "mail.example.com", true},
        {"*.example.com", "a.mail.example.com", false},
        {"*.example.com", "example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "mail.example.com.evil.test", false},
        {"*.example.com", "mailexample.com", false},
        {"*.example.com", "", false},
        {"mail.example.com", "", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_buffer_ Buffer text = {0};
        MtaStsPolicy policy;

        ck_assert_int_eq(
            buffer_appendf(&text, VERSION MODE AGE "mx: other.test\nmx: %s\n", rows[i].pattern), 0);
        ck_assert_int_eq(mta_sts_parse(buffer_data(&text), buffer_size(&text), &policy), 0);
        ck_assert_msg(mta_sts_matches(&policy, rows[i].host) == rows[i].matches, "%s %s",
            rows[i].pattern, rows[i].host);
        mta_sts_policy_done(&policy);
    }
}
END_TEST

/* ---- records ---- */

static size_t put16(unsigned char *at, size_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
    return 2;
}

/* Each text in pieces of seven bytes. */
static size_t make_message(const char *const *texts, unsigned type, unsigned char *out)
{
    size_t n = 12, count = 0;

    memset(out, 0, 12);
    for (; texts[count]; count++) {
        size_t size = strlen(texts[count]), at = n + 11;

        out[n++] = 0;
        n += put16(out + n, type);
        n += put16(out + n, 1);
        n += put16(out + n, 0) + put16(out + n + 2, 300);
        for (size_t i = 0; i < size; i += 7) {
            size_t piece = MIN(size - i, (size_t)7);

            out[at++] = (unsigned char)piece;
            memcpy(out + at, texts[count] + i, piece);
            at += piece;
        }
        n += put16(out + n, at - n - 2);
        n = at;
    }
    put16(out + 6, count);
    return n;
}

START_TEST(records_have_ids)
{
    static const struct {
        const char *texts[4];
        unsigned type;
        const char *id; /* NULL: there is none */
    } rows[] = {
        {{"v=STSv1; id=20160831085700Z;"}, 16, "20160831085700Z"},
        {{"v=spf1 -all", "v=STSv1;id=1", "v=STSv10; id=2"}, 16, "1"},
        {{"v=STSv1 ; x=y ; id = abc ; id=def"}, 16, "abc"},
        {{"v=STSv1; id=01234567890123456789012345678901"}, 16, "01234567890123456789012345678901"},
        {{"v=STSv1; id=012345678901234567890123456789012"}, 16, NULL},
        {{"v=STSv1; id=1", "v=STSv1; id=1"}, 16, NULL},
        {{"v=STSv1;"}, 16, NULL},
        {{"v=STSv1; id="}, 16, NULL},
        {{"v=STSv1; id=a b"}, 16, NULL},
        {{"V=STSv1; id=1"}, 16, NULL},
        {{"id=1; v=STSv1"}, 16, NULL},
        {{"v=STSv1; id=1"}, 5, NULL},
        {{""}, 16, NULL},
        {{NULL}, 16, NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        unsigned char message[600];
        size_t n = make_message(rows[i].texts, rows[i].type, message);
        char id[MTA_STS_ID_MAX];

        ck_assert_int_eq(mta_sts_record(message, n, id), rows[i].id != NULL);
        ck_assert_str_eq(id, rows[i].id ?: "");
    }
}
END_TEST

START_TEST(a_message_that_is_cut_has_none)
{
    static const char *const texts[] = {"v=STSv1; id=20160831085700Z;", NULL};
    unsigned char message[600];
    size_t n = make_message(texts, 16, message);
    char id[MTA_STS_ID_MAX];

    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(mta_sts_record(message, i, id), -EBADMSG);
        ck_assert_str_eq(id, "");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_mta_sts");
    TCase *t = tcase_create("all");

    tcase_add_test(t, policies_say_what_they_are);
    tcase_add_test(t, what_is_none_is_told);
    tcase_add_test(t, a_policy_has_so_many_bytes);
    tcase_add_test(t, a_long_list_is_cut_in_words);
    tcase_add_test(t, hosts_are_named_or_not);
    tcase_add_test(t, records_have_ids);
    tcase_add_test(t, a_message_that_is_cut_has_none);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
