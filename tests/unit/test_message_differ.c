/* message: where our reading of address lists differs from GMime's, over the corpus of the fuzzers.
 * doc/addresses.md says why; what is not in the table is read alike. */
#include <dirent.h>
#include <fcntl.h>
#include <gmime/gmime.h>
#undef MIN /* GLib has the same two */
#undef MAX
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "message/address.h"
#include "unit.h"

/* Where two readings may differ: the headings of the page. */
typedef enum Where {
    ALIKE,   /* nowhere */
    REFUSED, /* we refuse what GMime makes something of, or passes over */
    KEPT,    /* we find more than GMime does */
    NAME,    /* what is a name to us is an address to GMime */
    FORM,    /* the same mailboxes, one of them written in another way */
} Where;

static const struct Difference {
    const char *file;
    Where where;
} differences[] = {
    {"address-as-name", REFUSED},
    {"angles", REFUSED},
    {"at-in-name", REFUSED},
    {"colons", REFUSED},
    {"comments-open", REFUSED},
    {"dots-behind-domain", REFUSED},
    {"encoded-alone", REFUSED},
    {"encoded-local", REFUSED},
    {"encoded-whole", REFUSED},
    {"groups-deep", REFUSED},
    {"literals", REFUSED},
    {"no-comma", REFUSED},
    {"nobody", REFUSED},
    {"parenthesis-open", REFUSED},
    {"quoted-pairs", REFUSED},
    {"quotes", REFUSED},
    {"route-open", REFUSED},
    {"two-at", REFUSED},
    {"unclosed", REFUSED},
    {"words-behind", REFUSED},
    {"words-behind-address", REFUSED},
    {"backslash-in-name", KEPT},
    {"brackets-in-name", KEPT},
    {"commas-in-name", KEPT},
    {"dots", KEPT},
    {"dots-carrier", KEPT},
    {"encoded-half", KEPT},
    {"encoded-long", KEPT},
    {"route-bare", KEPT},
    {"semicolons-outlook", KEPT},
    {"encoded-semicolon", NAME},
    {"routes", FORM},
};

static Where expected(const char *file)
{
    for (size_t i = 0; i < ELEMENTSOF(differences); i++)
        if (strcmp(differences[i].file, file) == 0)
            return differences[i].where;
    return ALIKE;
}

static unsigned count(const char *addresses)
{
    unsigned n = 0;

    for (; *addresses; addresses++)
        n += *addresses == '|';
    return n;
}

static bool is_expected(Where where, const char *ours, const char *theirs)
{
    switch (where) {
    case ALIKE: return strcmp(ours, theirs) == 0;
    case REFUSED: return strcmp(ours, "refused") == 0;
    case KEPT: return count(ours) > count(theirs);
    case NAME: return count(ours) > 0 && strcmp(ours, theirs) != 0;
    case FORM: return count(ours) == count(theirs);
    }
    return false;
}

static int take(void *user, const AddressItem *item)
{
    return item->kind == ADDRESS_MAILBOX ? buffer_appendf(user, "%s|", item->address) : 0;
}

/* What a list says to us, "refused" for one that is. */
static void read_ours(const Buffer *text, Buffer *out)
{
    if (address_list_parse(
            buffer_data(text), buffer_size(text), ADDRESS_RECIPIENTS, take, out, NULL) < 0) {
        buffer_clear(out);
        ck_assert_int_eq(buffer_append_string(out, "refused"), 0);
    }
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
}

static void flatten(InternetAddressList *list, Buffer *out)
{
    int n = list ? internet_address_list_length(list) : 0;

    for (int i = 0; i < n; i++) {
        InternetAddress *element = internet_address_list_get_address(list, i);

        if (INTERNET_ADDRESS_IS_GROUP(element))
            flatten(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(element)), out);
        else
            ck_assert_int_eq(
                buffer_appendf(out, "%s|",
                    internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(element))),
                0);
    }
}

static void read_theirs(const Buffer *text, Buffer *out)
{
    _cleanup_free_
    char *copy = strndup(buffer_data(text), buffer_size(text));
    InternetAddressList *list = internet_address_list_parse(NULL, copy);

    flatten(list, out);
    if (list)
        g_object_unref(list);
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
}

static void closedir_p(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

START_TEST(lists_are_read_as_others_read_them_but_where_we_say)
{
    _cleanup_(closedir_p) DIR *directory = opendir(CORPUS_DIR);
    struct dirent *entry;
    unsigned found = 0;

    ck_assert_ptr_nonnull(directory);
    g_mime_init();
    while ((entry = readdir(directory))) {
        _cleanup_buffer_ Buffer text = {0}, ours = {0}, theirs = {0};

        if (entry->d_name[0] == '.')
            continue;
        ck_assert_int_eq(file_load(dirfd(directory), entry->d_name, 1 << 20, &text), 0);
        if (buffer_size(&text) == 0 || memchr(buffer_data(&text), '\0', buffer_size(&text)))
            continue;
        read_ours(&text, &ours);
        read_theirs(&text, &theirs);
        ck_assert_msg(
            is_expected(expected(entry->d_name), buffer_data(&ours), buffer_data(&theirs)),
            "%s: we read \"%s\", and GMime \"%s\"", entry->d_name, buffer_data(&ours),
            buffer_data(&theirs));
        found++;
    }
    ck_assert_uint_ge(found, 60);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message/differ");
    TCase *t = tcase_create("differ");

    tcase_add_test(t, lists_are_read_as_others_read_them_but_where_we_say);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
