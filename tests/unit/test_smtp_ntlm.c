/* smtp/ntlm: the vectors of MS-NLMP, 4.2, and challenges that are none. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/ntlm.h"
#include "unit.h"

static const uint8_t server_challenge[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

/* MS-NLMP, 4.2.4.3; its pairs begin at 68. */
static const uint8_t challenge_2[] =
    "NTLMSSP\0\x02\x00\x00\x00\x0c\x00\x0c\x00\x38\x00\x00\x00\x33\x82\x8a\xe2"
    "\x01\x23\x45\x67\x89\xab\xcd\xef\0\0\0\0\0\0\0\0\x24\x00\x24\x00\x44\x00\x00\x00"
    "\x06\x00\x70\x17\x00\x00\x00\x0f"
    "S\0e\0r\0v\0e\0r\0"
    "\x02\x00\x0c\x00"
    "D\0o\0m\0a\0i\0n\0"
    "\x01\x00\x0c\x00"
    "S\0e\0r\0v\0e\0r\0"
    "\x00\x00\x00\x00";
#define CHALLENGE_2_SIZE (sizeof(challenge_2) - 1)

static const NtlmFresh fresh = {
    .challenge = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa}, .time = 0};

typedef struct Fixture {
    Secret *password;
    NtlmLogin login;
    Buffer out;
    Failure failure;
} Fixture;

static void fixture_init(Fixture *x, const char *user, const char *password)
{
    *x = (Fixture){.password = secret_new(password, strlen(password))};
    x->login = (NtlmLogin){.user = user, .password = x->password};
}

static void fixture_done(Fixture *x)
{
    secret_unref(x->password);
    buffer_done(&x->out);
    failure_done(&x->failure);
}

static int answer(Fixture *x, const void *challenge, size_t n)
{
    buffer_clear(&x->out);
    return ntlm_authenticate(&x->login, &fresh, challenge, n, &x->out, &x->failure);
}

/* What one of the message's fields points at. */
static const char *field(const Fixture *x, size_t at, size_t *ret_n)
{
    const uint8_t *data = (const uint8_t *)buffer_data(&x->out);
    size_t n = data[at] | (size_t)data[at + 1] << 8;
    size_t offset = data[at + 4] | (size_t)data[at + 5] << 8;

    ck_assert_uint_le(offset + n, buffer_size(&x->out));
    *ret_n = n;
    return (const char *)data + offset;
}

static void check_field(const Fixture *x, size_t at, const void *expected, size_t n)
{
    size_t size;
    const char *data = field(x, at, &size);

    ck_assert_uint_eq(size, n);
    ck_assert_mem_eq(data, expected, n);
}

#define LM_FIELD 12
#define NT_FIELD 20
#define DOMAIN_FIELD 28
#define USER_FIELD 36

START_TEST(md4_is_as_in_rfc_1320)
{
    static const struct {
        const char *text;
        const char *digest;
    } vectors[] = {
        {"", "\x31\xd6\xcf\xe0\xd1\x6a\xe9\x31\xb7\x3c\x59\xd7\xe0\xc0\x89\xc0"},
        {"abc", "\xa4\x48\x01\x7a\xaf\x21\xd8\x52\x5f\xc1\x0a\xe8\x7a\xa6\x72\x9d"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "\x04\x3f\x85\x82\xf2\x41\xdb\x35\x1c\xe6\x27\xe1\x53\xe7\xf0\xe4"},
        {"1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "90",
            "\xe3\x3b\x4d\xdc\x9c\x38\xf2\x19\x9c\x3e\x7b\x16\x4f\xcc\x05\x36"},
    };
    uint8_t digest[NTLM_HASH_SIZE];

    for (size_t i = 0; i < 3; i++) {
        ntlm_md4(vectors[i].text, strlen(vectors[i].text), digest);
        ck_assert_mem_eq(digest, vectors[i].digest, sizeof(digest));
    }
    ntlm_md4(vectors[3].text, 80, digest);
    ck_assert_mem_eq(digest, vectors[3].digest, sizeof(digest));
}
END_TEST

START_TEST(hashes_are_those_of_ms_nlmp)
{
    Fixture x;
    uint8_t hash[NTLM_HASH_SIZE];

    fixture_init(&x, "User", "Password");
    ck_assert_int_eq(ntlm_hash_password(x.password, hash), 0);
    ck_assert_mem_eq(hash, "\xa4\xf4\x9c\x40\x65\x10\xbd\xca\xb6\x82\x4e\xe7\xc3\x0f\xd8\x52", 16);
    ck_assert_int_eq(ntlm_hash_login(x.password, "User", 4, "Domain", 6, hash), 0);
    ck_assert_mem_eq(hash, "\x0c\x86\x8a\x40\x3b\xfd\x7a\x93\xa3\x00\x1e\xf2\x2e\xf0\x2e\x3f", 16);
    fixture_done(&x);
}
END_TEST

START_TEST(version_1_is_as_in_ms_nlmp)
{
    static const char expected[] =
        "\x67\xc4\x30\x11\xf3\x02\x98\xa2\xad\x35\xec\xe6\x4f\x16\x33\x1c"
        "\x44\xbd\xbe\xd9\x27\x84\x1f\x94";
    Fixture x;
    uint8_t hash[NTLM_HASH_SIZE], value[NTLM_ANSWER_1_SIZE];

    fixture_init(&x, "Domain\\User", "Password");
    ck_assert_int_eq(ntlm_hash_password(x.password, hash), 0);
    ck_assert_int_eq(ntlm_answer_1(hash, server_challenge, value), 0);
    ck_assert_mem_eq(value, expected, sizeof(value));
    /* The answer of LAN Manager, which is the weakest, is never given. */
    x.login.version_1 = true;
    ck_assert_int_eq(answer(&x, challenge_2, CHALLENGE_2_SIZE), 0);
    check_field(&x, NT_FIELD, expected, 24);
    check_field(&x, LM_FIELD, expected, 24);
    fixture_done(&x);
}
END_TEST

START_TEST(version_2_is_as_in_ms_nlmp)
{
    Fixture x;
    const char *data;
    size_t n;

    fixture_init(&x, "Domain\\User", "Password");
    ck_assert_int_eq(answer(&x, challenge_2, CHALLENGE_2_SIZE), 0);
    check_field(&x, LM_FIELD,
        "\x86\xc3\x50\x97\xac\x9c\xec\x10\x25\x54\x76\x4a\x57\xcc\xcc\x19"
        "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa",
        24);
    data = field(&x, NT_FIELD, &n);
    ck_assert_uint_eq(n, 84);
    ck_assert_mem_eq(data, "\x68\xcd\x0a\xb8\x51\xe5\x1c\x96\xaa\xbc\x92\x7b\xeb\xef\x6a\x1c", 16);
    ck_assert_mem_eq(data + 16 + 28, challenge_2 + 68, 36);
    check_field(&x, USER_FIELD, "U\0s\0e\0r\0", 8);
    check_field(&x, DOMAIN_FIELD, "D\0o\0m\0a\0i\0n\0", 12);
    fixture_done(&x);
}
END_TEST

/* A server that tells a time gets that one, a code over all messages, the hash of the channel, and
 * no older answer beside. */
START_TEST(a_server_s_time_calls_for_the_code)
{
    uint8_t challenge[CHALLENGE_2_SIZE + 12], key[16], proof[16], mic[16], said[16];
    Buffer all = {0};
    Fixture x;
    const char *nt;
    size_t n;

    memcpy(challenge, challenge_2, CHALLENGE_2_SIZE - 4);
    memcpy(challenge + CHALLENGE_2_SIZE - 4, "\x07\0\x08\0ABCDEFGH\0\0\0\0", 16);
    challenge[40] = challenge[42] = 0x30;
    fixture_init(&x, "Domain\\User", "Password");
    x.login.end_point = "the certificate's hash";
    x.login.end_point_size = strlen(x.login.end_point);
    ck_assert_int_eq(answer(&x, challenge, sizeof(challenge)), 0);
    check_field(&x, LM_FIELD, (uint8_t[24]){0}, 24);
    nt = field(&x, NT_FIELD, &n);
    ck_assert_mem_eq(nt + 16 + 8, "ABCDEFGH", 8);
    ck_assert_ptr_nonnull(memmem(nt, n, "\x06\0\x04\0\x02\0\0\0\x0a\0\x10\0", 12));
    ck_assert_ptr_null(memmem(nt, n, "\x0a\0\x10\0\0\0\0\0\0\0\0\0", 12));
    ck_assert_int_eq(ntlm_hash_login(x.password, "User", 4, "Domain", 6, key), 0);
    memcpy(proof, nt, 16);
    ck_assert_int_eq(ntlm_mac(key, proof, 16, NULL, 0, key), 0);
    memcpy(said, buffer_data(&x.out) + 72, 16);
    memset(x.out.memory + x.out.start + 72, 0, 16);
    ck_assert_int_eq(ntlm_negotiate(&x.login, &all), 0);
    ck_assert_int_eq(buffer_append(&all, challenge, sizeof(challenge)), 0);
    ck_assert_int_eq(ntlm_mac(key, buffer_data(&all), buffer_size(&all), buffer_data(&x.out),
                         buffer_size(&x.out), mic),
        0);
    ck_assert_mem_eq(said, mic, 16);
    buffer_done(&all);
    fixture_done(&x);
}
END_TEST

START_TEST(names_are_said_as_they_are_written)
{
    Fixture x;

    fixture_init(&x, "user@example.com", "Password");
    ck_assert_int_eq(answer(&x, challenge_2, CHALLENGE_2_SIZE), 0);
    check_field(&x, USER_FIELD, "u\0s\0e\0r\0@\0e\0x\0a\0m\0p\0l\0e\0.\0c\0o\0m\0", 32);
    check_field(&x, DOMAIN_FIELD, "", 0);
    x.login.user = "D\\\xc3\xa4\xf0\x9f\x98\x80";
    ck_assert_int_eq(answer(&x, challenge_2, CHALLENGE_2_SIZE), 0);
    check_field(&x, USER_FIELD, "\xe4\x00\x3d\xd8\x00\xde", 6);
    fixture_done(&x);
}
END_TEST

START_TEST(capitals_go_beyond_ascii)
{
    Buffer out = {0};

    ck_assert_int_eq(ntlm_append_utf16(&out, "a\xc3\xa4\xd0\xb6", 5, true), 0);
    ck_assert_uint_eq(buffer_size(&out), 6);
    ck_assert_mem_eq(buffer_data(&out), "A\0\xc4\0\x16\x04", 6);
    ck_assert_int_eq(ntlm_append_utf16(&out, "\xff", 1, false), -EBADMSG);
    buffer_done(&out);
}
END_TEST

/* A server without Unicode: names of ASCII in bytes, and no others. */
START_TEST(a_server_without_unicode_gets_bytes)
{
    uint8_t challenge[CHALLENGE_2_SIZE];
    Fixture x;

    memcpy(challenge, challenge_2, sizeof(challenge));
    challenge[20] = 0x32;
    fixture_init(&x, "Domain\\User", "Password");
    ck_assert_int_eq(answer(&x, challenge, sizeof(challenge)), 0);
    check_field(&x, USER_FIELD, "User", 4);
    x.login.user = "\xc3\xa4";
    ck_assert_int_eq(answer(&x, challenge, sizeof(challenge)), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(failure_text(&x.failure), "ASCII"));
    fixture_done(&x);
}
END_TEST

static void check_refused(const uint8_t *challenge, size_t n, const char *words)
{
    Fixture x;

    fixture_init(&x, "User", "Password");
    ck_assert_int_eq(answer(&x, challenge, n), -EBADMSG);
    ck_assert_int_eq(x.failure.number, ERROR_AUTHENTICATION);
    ck_assert_msg(strstr(failure_text(&x.failure), words), "%s", failure_text(&x.failure));
    ck_assert_uint_eq(buffer_size(&x.out), 0);
    fixture_done(&x);
}

START_TEST(a_challenge_that_is_none_is_refused)
{
    uint8_t challenge[CHALLENGE_2_SIZE];

    for (size_t n = 0; n < 32; n++)
        check_refused(challenge_2, n, "no CHALLENGE");
    memcpy(challenge, challenge_2, sizeof(challenge));
    challenge[8] = 3;
    check_refused(challenge, sizeof(challenge), "no CHALLENGE");
    challenge[8] = 2;
    challenge[0] = 'n';
    check_refused(challenge, sizeof(challenge), "no CHALLENGE");
}
END_TEST

/* Whatever is cut off, pointed elsewhere or claimed to be longer. */
START_TEST(offsets_and_lengths_are_not_believed)
{
    uint8_t challenge[CHALLENGE_2_SIZE];

    for (size_t n = 48; n < CHALLENGE_2_SIZE; n++)
        check_refused(challenge_2, n, "outside");
    memcpy(challenge, challenge_2, sizeof(challenge));
    for (size_t i = 44; i < 48; i++) {
        challenge[i] = 0xff;
        check_refused(challenge, sizeof(challenge), "outside");
        challenge[i] = challenge_2[i];
    }
    challenge[41] = 0xff;
    check_refused(challenge, sizeof(challenge), "outside");
    memcpy(challenge, challenge_2, sizeof(challenge));
    challenge[71] = 0xff; /* the first pair's length */
    check_refused(challenge, sizeof(challenge), "malformed");
    challenge[71] = 0;
    challenge[CHALLENGE_2_SIZE - 4] = 9; /* no pair ends them */
    check_refused(challenge, sizeof(challenge), "malformed");
    challenge[CHALLENGE_2_SIZE - 4] = 7; /* a time of no bytes */
    check_refused(challenge, sizeof(challenge), "malformed");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_ntlm");
    TCase *t = tcase_create("all");

    tcase_add_test(t, md4_is_as_in_rfc_1320);
    tcase_add_test(t, hashes_are_those_of_ms_nlmp);
    tcase_add_test(t, version_1_is_as_in_ms_nlmp);
    tcase_add_test(t, version_2_is_as_in_ms_nlmp);
    tcase_add_test(t, a_server_s_time_calls_for_the_code);
    tcase_add_test(t, names_are_said_as_they_are_written);
    tcase_add_test(t, capitals_go_beyond_ascii);
    tcase_add_test(t, a_server_without_unicode_gets_bytes);
    tcase_add_test(t, a_challenge_that_is_none_is_refused);
    tcase_add_test(t, offsets_and_lengths_are_not_believed);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
