/* tool: the end of a message by a dot, wherever the pieces that are read begin and end; and the
 * From field of one that has none. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "message/mend.h"
#include "tool/local.h"
#include "tool/sendmail.h"
#include "unit.h"

#define READ_BYTES (64 * 1024) /* as sendmail_dot.c reads them */

static const struct Case {
    const char *text, *result; /* NULL: all of it */
} cases[] = {
    {"a\n.\nb\n", "a\n"},
    {"a\n.\r\nb\n", "a\n"},
    {"a\n.", "a\n"},
    {".\n", ""},
    {"", NULL},
    {"a\n..\nb\n", NULL},
    {"a\n.b\n", NULL},
    {"a\n.\rb\n", NULL},
    {"a\n.\r\rb\n", NULL},
    {"a.\n.b.\n", NULL},
    {"a\r.\r\nb", NULL},
};

static int new_file(const void *data, size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, data, n), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* With `before` bytes of a long first line in front. */
static void check_case(const struct Case *row, size_t before)
{
    const char *expected = row->result ?: row->text;
    _cleanup_buffer_ Buffer in = {0}, out = {0};
    SendmailInput input = {0};
    _cleanup_close_ int from = -1;
    int r = 1;

    memset(buffer_reserve(&in, before + 1), 'x', before);
    if (before > 0) {
        buffer_commit(&in, before);
        ck_assert_int_eq(buffer_append(&in, "\n", 1), 0);
    }
    before = buffer_size(&in);
    ck_assert_int_eq(buffer_append_string(&in, row->text), 0);
    from = new_file(buffer_data(&in), buffer_size(&in));
    ck_assert_int_eq(dup2(from, STDIN_FILENO), STDIN_FILENO);
    while (r > 0)
        r = sendmail_read(&input, &out, NULL);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(buffer_size(&out), before + strlen(expected));
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    if (before > 0)
        ck_assert_mem_eq(buffer_data(&out), buffer_data(&in), before);
    ck_assert_str_eq(buffer_data(&out) + before, expected);
}

START_TEST(a_dot_ends_the_message)
{
    check_case(&cases[_i], 0);
}
END_TEST

START_TEST(a_dot_ends_the_message_between_two_reads)
{
    for (size_t i = 1; i < 8; i++)
        check_case(&cases[_i], READ_BYTES - i);
}
END_TEST

static const struct Name {
    const char *name, *field;
} names[] = {
    {NULL, "From: a@b\n"},
    {"", "From: a@b\n"},
    {"Cron Daemon", "From: Cron Daemon <a@b>\n"},
    {"A \"B\\C\"", "From: \"A \\\"B\\\\C\\\"\" <a@b>\n"},
    {"Lee, Ann", "From: \"Lee, Ann\" <a@b>\n"},
    {"J\xc3\xb6rg", "From: =?UTF-8?Q?J=C3=B6rg?= <a@b>\n"},
    {"J\xf6rg", "From: =?UTF-8?Q?J=C3=B6rg?= <a@b>\n"},
    {"A\nTo: eve@b", "From: \"A To: eve@b\" <a@b>\n"},
    {"\tA\x7f \r\n", "From: A <a@b>\n"},
    {"\x80\n", "From: a@b\n"},
};

START_TEST(a_from_field_is_made)
{
    _cleanup_buffer_ Buffer field = {0};

    ck_assert_int_eq(message_append_originator("From", names[_i].name, "a@b", &field), 0);
    ck_assert_int_eq(buffer_append(&field, "", 1), 0);
    ck_assert_str_eq(buffer_data(&field), names[_i].field);
}
END_TEST

START_TEST(full_names_are_of_the_password_file)
{
    static const struct {
        const char *gecos, *login, *name;
    } users[] = {{"Ann Lee,Room 1,,", "ann", "Ann Lee"}, {"& Lee", "ann", "Ann Lee"},
        {"", "ann", ""}, {",,,", "ann", ""}, {"root", "root", ""}, {"&", "ann", ""},
        {"& &", "", " "}, {"J\xc3\xb6rg", "j", "J\xc3\xb6rg"}};

    for (size_t i = 0; i < ELEMENTSOF(users); i++) {
        _cleanup_free_
        char *name = local_full_name(users[i].gecos, users[i].login);

        ck_assert_str_eq(name, users[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool_sendmail");
    TCase *t = tcase_create("tool_sendmail");

    tcase_add_loop_test(t, a_dot_ends_the_message, 0, (int)ELEMENTSOF(cases));
    tcase_add_loop_test(t, a_dot_ends_the_message_between_two_reads, 0, (int)ELEMENTSOF(cases));
    tcase_add_test(t, full_names_are_of_the_password_file);
    tcase_add_loop_test(t, a_from_field_is_made, 0, (int)ELEMENTSOF(names));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
