/* proxy/: SOCKS version 4, 4a and 5, byte by byte. */
#include "proxy_talk.h"

static const unsigned char v4[] = {192, 0, 2, 1};
static const unsigned char v6[] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

#define BASE .host = "mail.test", .port = 25
#define BY_NAME(kind_)      \
    {                       \
        .kind = kind_, BASE \
    }
#define BY_4(kind_)                                            \
    {                                                          \
        .kind = kind_, BASE, .address = v4, .address_bytes = 4 \
    }
#define BY_6(kind_)                                             \
    {                                                           \
        .kind = kind_, BASE, .address = v6, .address_bytes = 16 \
    }

#define GRANTED_5 "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"

START_TEST(version_5_takes_names_and_addresses)
{
    const ProxyOptions name = BY_NAME(PROXY_SOCKS5), four = BY_4(PROXY_SOCKS5),
                       six = BY_6(PROXY_SOCKS5);

    CHECK_STANDS(name, ANSWERS(A("\x05\x00"), A(GRANTED_5)),
        "\x05\x01\x00\x05\x01\x00\x03\x09mail.test\x00\x19", 0);
    CHECK_STANDS(four, ANSWERS(A("\x05\x00"), A(GRANTED_5)),
        "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19", 0);
    CHECK_STANDS(six, ANSWERS(A("\x05\x00"), A(GRANTED_5)),
        "\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x19", 0);
}
END_TEST

/* The address that it comes from is of any kind; an early greeting is not a part of it. */
START_TEST(version_5_ends_its_answer_by_its_type)
{
    const ProxyOptions name = BY_NAME(PROXY_SOCKS5);
    static const char said[] = "\x05\x01\x00\x05\x01\x00\x03\x09mail.test\x00\x19";

    CHECK_STANDS(name,
        ANSWERS(A("\x05\x00"), A("\x05\x00\x00\x04"
                                 "0123456789abcdef"
                                 "\x00\x01")),
        said, 0);
    CHECK_STANDS(name, ANSWERS(A("\x05\x00"), A("\x05\x00\x00\x03\x03tor\x00\x01")), said, 0);
    CHECK_STANDS(name, ANSWERS(A("\x05\x00"), A("\x05\x00\x00\x03\x00\x00\x01")), said, 0);
    CHECK_STANDS(name, ANSWERS(A("\x05\x00"), A(GRANTED_5 "220 hello\r\n")), said, 11);
    check_fails(&name, ANSWERS(A("\x05\x00"), A("\x05\x00\x00\x02\x00\x00")),
        REASON_PROXY_NOT_SPOKEN, "does not speak SOCKS version 5");
}
END_TEST

START_TEST(what_is_no_relay_is_set_elsewhere)
{
    static const Answer refused[] = {A("\x05\x00"), A("\x05\x05\x00\x01")};
    ProxyOptions options = BY_NAME(PROXY_SOCKS5);

    check_fails(&options, refused, 2, REASON_PROXY_TARGET,
        "connection refused): nothing listens there; check host and port, and that the proxy");
    options.host_setting = "tls_mta_sts_domain";
    check_fails(&options, refused, 2, REASON_PROXY_TARGET,
        "connection refused): nothing listens there; check tls_mta_sts_domain, and that the proxy");
    options.host_setting = "";
    check_fails(&options, refused, 2, REASON_PROXY_TARGET,
        "connection refused): nothing listens there; see that the proxy can get there");
}
END_TEST

START_TEST(version_5_says_the_password_when_it_is_asked_alone)
{
    _cleanup_secret_ Secret *password = secret_new("secret", 6);
    ProxyOptions options = BY_NAME(PROXY_SOCKS5);
    Talk talk;

    options.user = "ann";
    options.password = password;
    CHECK_STANDS(options, ANSWERS(A("\x05\x02"), A("\x01\x00"), A(GRANTED_5)),
        "\x05\x02\x00\x02\x01\x03"
        "ann\x06secret\x05\x01\x00\x03\x09mail.test\x00\x19",
        0);
    /* As some do. */
    CHECK_STANDS(options, ANSWERS(A("\x05\x02"), A("\x05\x00"), A(GRANTED_5)),
        "\x05\x02\x00\x02\x01\x03"
        "ann\x06secret\x05\x01\x00\x03\x09mail.test\x00\x19",
        0);
    CHECK_STANDS(options, ANSWERS(A("\x05\x00"), A(GRANTED_5)),
        "\x05\x02\x00\x02\x05\x01\x00\x03\x09mail.test\x00\x19", 0);
    check_fails(&options, ANSWERS(A("\x05\x02"), A("\x01\x01")), REASON_PROXY_LOGIN,
        "does not take the login of ann");
    talk = talk_to(&options, ANSWERS(A("\x05\x02"), A("\x01\x01")), 0);
    ck_assert_ptr_nonnull(strstr(talk.trace, "user ann, password ***"));
    ck_assert_ptr_null(strstr(talk.trace, "secret"));
    ck_assert_ptr_null(strstr(failure_text(&talk.failure), "secret"));
    talk_done(&talk);
}
END_TEST

START_TEST(version_5_says_what_login_it_wants)
{
    ProxyOptions options = BY_NAME(PROXY_SOCKS5);

    check_fails(&options, ANSWERS(A("\x05\xff")), REASON_PROXY_LOGIN, "set proxy_user");
    check_fails(&options, ANSWERS(A("\x05\x02")), REASON_PROXY_LOGIN, "not offered");
    options.user = "ann";
    check_fails(&options, ANSWERS(A("\x05\xff")), REASON_PROXY_LOGIN, "neither user and password");
    check_fails(&options, ANSWERS(A("\x05\x01")), REASON_PROXY_LOGIN, "SOCKS5 method 1");
}
END_TEST

/* RFC 1929 has a byte for each length. */
START_TEST(version_5_has_limits_of_user_password_and_name)
{
    char most[256], more[257], name[257];
    _cleanup_secret_ Secret *good = NULL, *bad = NULL;
    ProxyOptions options = BY_NAME(PROXY_SOCKS5);

    memset(most, 'a', 255);
    memset(more, 'a', 256);
    memset(name, 'n', 256);
    most[255] = more[256] = name[256] = '\0';
    good = secret_new(most, 255);
    bad = secret_new(more, 256);
    options.user = most;
    options.password = good;
    check_fails(&options, ANSWERS(A("\x05\x02"), A("\x01\x01")), REASON_PROXY_LOGIN, "login");
    options.password = bad;
    check_fails(&options, ANSWERS(A("\x05\x02")), REASON_PROXY_LOGIN, "more than 255 bytes");
    options.password = good;
    options.user = more;
    check_fails(&options, ANSWERS(A("\x05\x02")), REASON_PROXY_LOGIN, "more than 255 bytes");
    options.user = NULL;
    options.host = name;
    check_fails(&options, ANSWERS(A("\x05\x00")), REASON_PROXY_REFUSED, "more than 255 bytes");
    name[255] = '\0';
    check_fails(&options, ANSWERS(A("\x05\x00"), A("\x05\x01")), REASON_PROXY_TARGET, "code 1");
}
END_TEST

/* RFC 1928, 6: the answer may end behind the code. */
START_TEST(version_5_codes_have_words)
{
    static const struct {
        Answer answer;
        FaultReason reason;
        const char *words;
    } cases[] = {
        {A("\x05\x01"), REASON_PROXY_TARGET, "SOCKS5 code 1, general failure): "},
        {A("\x05\x02"), REASON_PROXY_REFUSED, "SOCKS5 code 2, not allowed by its rules): "},
        {A("\x05\x03"), REASON_PROXY_TARGET, "network unreachable"},
        {A("\x05\x04"), REASON_PROXY_TARGET, "host unreachable"},
        {A("\x05\x05"), REASON_PROXY_TARGET, "connection refused"},
        {A("\x05\x06"), REASON_PROXY_TARGET, "time to live expired"},
        {A("\x05\x07"), REASON_PROXY_REFUSED, "command not supported"},
        {A("\x05\x08"), REASON_PROXY_TARGET, "address type not supported"},
        {A("\x05\x5b"), REASON_PROXY_TARGET, "SOCKS5 code 91"},
    };
    const ProxyOptions options = BY_NAME(PROXY_SOCKS5);

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        check_fails(
            &options, ANSWERS(A("\x05\x00"), cases[i].answer), cases[i].reason, cases[i].words);
}
END_TEST

START_TEST(version_4_takes_addresses_and_4a_names)
{
    ProxyOptions four = BY_4(PROXY_SOCKS4), name = BY_NAME(PROXY_SOCKS4A);
    const ProxyOptions address = BY_4(PROXY_SOCKS4A);
    static const char granted[] = "\x00\x5a\x00\x00\x00\x00\x00\x00";

    CHECK_STANDS(
        four, ANSWERS(A("\x00\x5a\0\0\0\0\0\0")), "\x04\x01\x00\x19\xc0\x00\x02\x01\x00", 0);
    CHECK_STANDS(
        address, ANSWERS(((Answer){granted, 8})), "\x04\x01\x00\x19\xc0\x00\x02\x01\x00", 0);
    CHECK_STANDS(name, ANSWERS(((Answer){granted, 8})),
        "\x04\x01\x00\x19\x00\x00\x00\x01\x00mail.test\x00", 0);
    name.user = "ann";
    CHECK_STANDS(name, ANSWERS(A("\x00\x5a\0\0\0\0\0\0more")),
        "\x04\x01\x00\x19\x00\x00\x00\x01"
        "ann\x00mail.test\x00",
        4);
}
END_TEST

START_TEST(version_4_codes_have_words)
{
    const ProxyOptions four = BY_4(PROXY_SOCKS4), six = BY_6(PROXY_SOCKS4);
    const ProxyOptions name = BY_NAME(PROXY_SOCKS4), six_a = BY_6(PROXY_SOCKS4A);

    check_fails(&four, ANSWERS(A("\x00\x5b")), REASON_PROXY_TARGET, "rejected or failed");
    check_fails(&four, ANSWERS(A("\x00\x5c")), REASON_PROXY_LOGIN, "identd");
    check_fails(&four, ANSWERS(A("\x00\x5d")), REASON_PROXY_LOGIN, "identd");
    check_fails(&four, ANSWERS(A("\x00\x01")), REASON_PROXY_TARGET, "SOCKS4 code 1,");
    check_fails(&six, ANSWERS(A("\x00\x5a")), REASON_PROXY_TARGET, "IPv6");
    check_fails(&six_a, ANSWERS(A("\x00\x5a")), REASON_PROXY_TARGET, "IPv6");
    check_fails(&name, ANSWERS(A("\x00\x5a")), REASON_PROXY_REFUSED, "socks4a");
}
END_TEST

START_TEST(other_protocols_are_told_by_name)
{
    const ProxyOptions five = BY_NAME(PROXY_SOCKS5), four = BY_4(PROXY_SOCKS4);

    check_fails(&five, ANSWERS(A("HTTP/1.1 400 Bad Request\r\n\r\n")), REASON_PROXY_NOT_SPOKEN,
        "does not speak SOCKS version 5 (\"H");
    check_fails(&five, ANSWERS(A("\x00\x5b")), REASON_PROXY_NOT_SPOKEN, "version 5");
    check_fails(&five, ANSWERS(A("\x05\x00"), A("\x01\x00")), REASON_PROXY_NOT_SPOKEN, "version");
    check_fails(&four, ANSWERS(A("\x05\xff")), REASON_PROXY_NOT_SPOKEN, "(\"\\x05");
    check_fails(&four, ANSWERS(CLOSES), REASON_PROXY_CLOSED, "without a word about 192.0.2.1:25");
    check_fails(&five, ANSWERS(A("\x05\x00"), CLOSES), REASON_PROXY_CLOSED, "mail.test:25");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy socks");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, version_5_takes_names_and_addresses);
    tcase_add_test(tests, version_5_ends_its_answer_by_its_type);
    tcase_add_test(tests, what_is_no_relay_is_set_elsewhere);
    tcase_add_test(tests, version_5_says_the_password_when_it_is_asked_alone);
    tcase_add_test(tests, version_5_says_what_login_it_wants);
    tcase_add_test(tests, version_5_has_limits_of_user_password_and_name);
    tcase_add_test(tests, version_5_codes_have_words);
    tcase_add_test(tests, version_4_takes_addresses_and_4a_names);
    tcase_add_test(tests, version_4_codes_have_words);
    tcase_add_test(tests, other_protocols_are_told_by_name);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
