/* base/hash: the function is the published one, and each key another function. */
#include <string.h>

#include "base/hash.h"
#include "base/macros.h"
#include "unit.h"

/* The first of the vectors that come with the reference code: the key is 00 01 .. 0f, the text 00
 * 01 .. */
static const struct Vector {
    size_t n;
    uint64_t want;
} vectors[] = {
    {0, 0x726fdb47dd0e0e31u},
    {1, 0x74f839c593dc67fdu},
    {2, 0x0d6c8009d9a94f5au},
    {3, 0x85676696d7fb7e2du},
    {15, 0xa129ca6149be45e5u},
};

START_TEST(published_vectors_come_out)
{
    const HashKey key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    const struct Vector *row = &vectors[_i];
    unsigned char text[16];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (unsigned char)i;
    ck_assert_uint_eq(hash_bytes(&key, text, row->n), row->want);
}
END_TEST

START_TEST(no_two_tables_have_the_same_key)
{
    HashKey one, other;

    hash_key_init(&one);
    hash_key_init(&other);
    ck_assert_mem_ne(&one, &other, sizeof(one));
    ck_assert_uint_eq(
        hash_bytes(&one, "ann@example.com", 15), hash_bytes(&one, "ann@example.com", 15));
    ck_assert_uint_ne(
        hash_bytes(&one, "ann@example.com", 15), hash_bytes(&other, "ann@example.com", 15));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base/hash");
    TCase *tcase = tcase_create("hash");

    tcase_add_loop_test(tcase, published_vectors_come_out, 0, (int)ELEMENTSOF(vectors));
    tcase_add_test(tcase, no_two_tables_have_the_same_key);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
