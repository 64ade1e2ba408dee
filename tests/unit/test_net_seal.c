/* net/seal: what was sealed is opened by its key, and by no other; no change of it passes. */
#include <errno.h>
#include <string.h>

#include "net/seal.h"
#include "unit.h"

#define PURPOSE "a test"

static Secret *secret(const char *text)
{
    Secret *ret = secret_new(text, strlen(text));

    ck_assert_ptr_nonnull(ret);
    return ret;
}

static Secret *key, *other, *plain;

static void begin(void)
{
    key = secret("0123456789abcdef0123456789abcdef");
    other = secret("0123456789abcdef0123456789abcdeg");
    plain = secret("{\"refresh_token\":\"hush hush\"}");
}

static void end(void)
{
    key = secret_unref(key);
    other = secret_unref(other);
    plain = secret_unref(plain);
}

static char *seal(const Secret *what)
{
    char *line = NULL;

    ck_assert_int_eq(seal_close(key, PURPOSE, what, &line), 0);
    return line;
}

START_TEST(what_was_sealed_is_opened)
{
    _cleanup_secret_ Secret *empty = secret(""), *opened = NULL, *nothing = NULL;
    _cleanup_free_
    char *line = seal(plain), *again = seal(plain), *of_nothing = seal(empty);

    ck_assert(seal_is_sealed(line) && !seal_is_sealed(secret_text(plain)));
    ck_assert_ptr_null(strstr(line, "hush"));
    ck_assert_ptr_null(strchr(line, '\n'));
    ck_assert_str_ne(line, again);
    ck_assert_int_eq(seal_open(key, PURPOSE, line, &opened), 0);
    ck_assert_str_eq(secret_text(opened), secret_text(plain));
    ck_assert_int_eq(seal_open(key, PURPOSE, of_nothing, &nothing), 0);
    ck_assert_uint_eq(secret_size(nothing), 0);
}
END_TEST

START_TEST(another_key_or_purpose_opens_nothing)
{
    _cleanup_secret_ Secret *opened = NULL;
    _cleanup_free_
    char *line = seal(plain);

    ck_assert_int_eq(seal_open(other, PURPOSE, line, &opened), -EKEYREJECTED);
    ck_assert_int_eq(seal_open(key, "another", line, &opened), -EKEYREJECTED);
    ck_assert_ptr_null(opened);
}
END_TEST

/* The format that files on disks have, as another implementation of the two algorithms made it. */
START_TEST(the_format_stays)
{
    static const char line[] =
        "sealed:1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:"
        "cba604cdc122060f:"
        "6de35d66e879db83ce8a89f74cc9f3ff19fb2f36193329d549712a8f6e3efc618fc6d3b202dbcb372d8a31bed"
        "8";
    _cleanup_secret_ Secret *opened = NULL;

    ck_assert_int_eq(seal_open(key, PURPOSE, line, &opened), 0);
    ck_assert_str_eq(secret_text(opened), secret_text(plain));
}
END_TEST

START_TEST(every_change_is_found_out)
{
    _cleanup_secret_ Secret *opened = NULL;
    _cleanup_free_
    char *line = seal(plain);
    size_t n = strlen(line);

    for (size_t i = 0; i < n; i++) {
        char was = line[i];
        int r;

        line[i] = was == '0' ? '1' : '0';
        r = seal_open(key, PURPOSE, line, &opened);
        ck_assert_msg(
            r == -EBADMSG || r == -EKEYREJECTED || r == -EPROTONOSUPPORT, "%zu: %d", i, r);
        line[i] = '\0'; /* cut there */
        ck_assert_int_lt(seal_open(key, PURPOSE, line, &opened), 0);
        line[i] = was;
        ck_assert_ptr_null(opened);
    }
    ck_assert_int_eq(seal_open(key, PURPOSE, line, &opened), 0);
}
END_TEST

START_TEST(other_versions_and_weak_keys_are_told)
{
    _cleanup_secret_ Secret *opened = NULL, *weak = secret("0123456789abcdef0123456789abcde");
    char *line = NULL;

    ck_assert_int_eq(seal_open(key, PURPOSE, "sealed:2:anything", &opened), -EPROTONOSUPPORT);
    ck_assert_int_eq(seal_open(key, PURPOSE, "{\"origin\":\"x\"}", &opened), -EBADMSG);
    ck_assert_int_eq(seal_close(weak, PURPOSE, plain, &line), -EKEYREJECTED);
    ck_assert_ptr_null(line);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_seal");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, what_was_sealed_is_opened);
    tcase_add_test(t, another_key_or_purpose_opens_nothing);
    tcase_add_test(t, the_format_stays);
    tcase_add_test(t, every_change_is_found_out);
    tcase_add_test(t, other_versions_and_weak_keys_are_told);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
