/* spool: what tells one file from another. */
#include <errno.h>
#include <string.h>

#include "spool.h"
#include "unit.h"

START_TEST(identities_are_compared_by_what_both_know)
{
    static const FileIdentity all = {12, 1000, 2000, 5, "1-aa"};
    FileIdentity i = all;

    ck_assert(file_identity_is_same(&all, &i));
    i.mtime++; /* it may be touched */
    i.bytes++;
    ck_assert(file_identity_is_same(&all, &i));
    strcpy(i.handle, "1-ab"); /* its inode has been used again */
    ck_assert(!file_identity_is_same(&all, &i));
    strcpy(i.handle, "");
    ck_assert(file_identity_is_same(&all, &i));
    i.birth++;
    ck_assert(!file_identity_is_same(&all, &i));
    i.birth = 0;
    ck_assert(!file_identity_is_same(&all, &i));
    i.mtime--;
    i.bytes--;
    ck_assert(file_identity_is_same(&all, &i));
    i = all;
    i.inode++;
    ck_assert(!file_identity_is_same(&all, &i));
}
END_TEST

START_TEST(identities_are_read_back)
{
    static const char *const others[] = {
        "", "{}", "1/2/3/4", "1//x/2/3", "x/1/a/2/3", "1/2/a/3/99999999999999999999"};
    const FileIdentity big = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, "81-00ff"};
    _cleanup_place_ Place p;
    _cleanup_buffer_ Buffer b = {0};
    FileIdentity i;
    int fd;

    place_init(&p);
    ck_assert_int_eq(file_identity_append_line(&b, 0, &big), 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    put(&p, "x", buffer_data(&b));
    fd = openat(p.fd, "x", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(file_identity_of_record(fd, &i), 1);
    close(fd);
    ck_assert(i.inode == big.inode && i.birth == big.birth && i.mtime == big.mtime &&
              i.bytes == big.bytes && strcmp(i.handle, big.handle) == 0);
    for (size_t n = 0; n < ELEMENTSOF(others); n++) {
        char text[256];

        snprintf(text, sizeof(text), "{\"event\":\"message\",\"file\":\"%s\"}\n", others[n]);
        put(&p, "x", text);
        fd = openat(p.fd, "x", O_RDONLY | O_CLOEXEC);
        ck_assert_msg(file_identity_of_record(fd, &i) == 0, "%s", others[n]);
        close(fd);
    }
    ck_assert_int_eq(file_identity_of(p.spool, p.fd, "none", &i), -ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_identity");
    TCase *t = tcase_create("spool_identity");

    tcase_add_test(t, identities_are_compared_by_what_both_know);
    tcase_add_test(t, identities_are_read_back);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
