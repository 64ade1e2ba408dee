/* The pass-phrases of OpenSSH's keys: what a file may say of how a key is derived from one, at each
 * limit and past it. */
#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "certificate/limits.h"
#include "certificate/octets.h"
#include "certificate_files.h"

/* The key of OpenSSH's that is `file` with other bytes in the place of what follows the words
 * "bcrypt" and their options' length: the salt's length, the salt of 16 bytes and the rounds. */
static int result_of(const char *name, int offset, const char *bytes, size_t n_bytes)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    static const char end[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
    _cleanup_octets_ Octets file = {0}, blob = {0};
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_secret_ Secret *password = secret_new("sesame", strlen("sesame"));
    _cleanup_certificate_ Certificate *certificate = NULL;
    unsigned char *at;

    ck_assert_int_eq(octets_load(AT_FDCWD, data_file(name), 100000, &file), 0);
    ck_assert_int_eq(octets_from_base64((const char *)file.data + strlen(begin),
                         file.n - strlen(begin) - strlen(end), false, &blob),
        0);
    at = memmem(blob.data, blob.n, "bcrypt", strlen("bcrypt"));
    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen("bcrypt") + 4 + offset, bytes, n_bytes);
    ck_assert_int_eq(buffer_append_string(&text, begin), 0);
    ck_assert_int_eq(encode_base64_lines(blob.data, blob.n, &text), 0);
    ck_assert_int_eq(buffer_append_string(&text, end + 1), 0);
    return certificate_load(&(const CertificateSource){.type = CERTIFICATE_AUTO,
                                .store = buffer_data(&text),
                                .n_store = buffer_size(&text),
                                .password = password},
        &certificate, NULL);
}

START_TEST(bcrypt_has_limits)
{
    const char *one_block = "ed25519-aes128-ctr.ssh", *tagged = "ed25519-aes256-gcm.ssh";

    ck_assert_int_eq(result_of(one_block, 20, "\0\0\0\x01", 4), 0);
    ck_assert_int_eq(result_of(one_block, 20, "\0\0\0\x02", 4), -EKEYREJECTED);
    ck_assert_int_eq(result_of(one_block, 20, "\0\0\x01\xf4", 4), -EKEYREJECTED);
    ck_assert_int_eq(result_of(one_block, 20, "\0\0\x01\xf5", 4), -EOPNOTSUPP);
    ck_assert_int_eq(result_of(one_block, 20, "\xff\xff\xff\xff", 4), -EOPNOTSUPP);
    ck_assert_int_eq(result_of(one_block, 20, "\0\0\0\0", 4), -EBADMSG);
    ck_assert_int_eq(result_of(one_block, 0, "\0\0\0\0", 4), -EBADMSG);
    ck_assert_int_eq(result_of(one_block, 0, "\0\0\0\x0f", 4), -EBADMSG);
    ck_assert_int_eq(result_of(one_block, 0, "\xff\xff\xff\xff", 4), -EBADMSG);
    ck_assert_int_eq(result_of(tagged, 4, "other salt", 10), -EKEYREJECTED);
    ck_assert_int_eq(result_of(one_block, -10, "BCRYPT", 6), -EOPNOTSUPP);
    ck_assert_int_eq(result_of(one_block, -24, "seed", 4), -EOPNOTSUPP);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate openssh");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, bcrypt_has_limits);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
