/* smtp/reply: forms, splits and limits. */
#include <stdio.h>
#include <string.h>

#include "smtp/reply.h"
#include "unit.h"

#define MAX_LINE 2048

DEFINE_CLEANUP(SmtpReply, smtp_reply_done);

static int parse(SmtpReply *reply, const char *text, size_t *ret_consumed)
{
    return smtp_reply_parse(reply, text, strlen(text), MAX_LINE, ret_consumed);
}

typedef struct Form {
    const char *bytes;
    int code;
    const char *enhanced, *text;
} Form;

static const Form forms[] = {
    {"250 OK\r\n", 250, "", "OK\n"},
    {"250 OK\n", 250, "", "OK\n"},
    {"250 OK\r\r\n", 250, "", "OK\n"},
    {"250\r\n", 250, "", "\n"},
    {"250 \r\n", 250, "", "\n"},
    {"250-a\r\n250-b\r\n250 c\r\n", 250, "", "a\nb\nc\n"},
    {"250-a\n250\n", 250, "", "a\n\n"},
    {"250 2.1.5 Ok\r\n", 250, "2.1.5", "Ok\n"},
    {"250 2.1.5\r\n", 250, "2.1.5", "\n"},
    {"550-5.7.1 No\r\n550 5.7.1 really not\r\n", 550, "5.7.1", "No\nreally not\n"},
    {"550-5.7.1 No\r\n550 5.7.2 other\r\n", 550, "5.7.1", "No\n5.7.2 other\n"},
    {"550-No\r\n550 5.7.1 late\r\n", 550, "", "No\n5.7.1 late\n"},
    {"450 4.123.999 x\r\n", 450, "4.123.999", "x\n"},
    {"450 4.1234.1 x\r\n", 450, "", "4.1234.1 x\n"},
    {"450 4.1 x\r\n", 450, "", "4.1 x\n"},
    {"450 4.1.\r\n", 450, "", "4.1.\n"},
    {"220 2.1.5.example.com\r\n", 220, "", "2.1.5.example.com\n"},
    {"250 3.1.5 x\r\n", 250, "", "3.1.5 x\n"},
    {"334 VXNlcm5hbWU6\r\n", 334, "", "VXNlcm5hbWU6\n"},
    {"599 \x01\xff\r\n", 599, "", "\x01\xff\n"},
};

static void check_form(const Form *form, const SmtpReply *reply)
{
    ck_assert_int_eq(reply->code, form->code);
    ck_assert_str_eq(reply->enhanced, form->enhanced);
    ck_assert_uint_eq(buffer_size(&reply->text), strlen(form->text));
    ck_assert_str_eq(buffer_data(&reply->text), form->text);
    ck_assert(reply->complete);
    ck_assert_uint_eq(reply->bytes, strlen(form->bytes));
}

START_TEST(replies_of_every_form_are_read)
{
    const Form *form = &forms[_i];
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    size_t consumed;

    ck_assert_int_eq(parse(reply, form->bytes, &consumed), SMTP_REPLY_COMPLETE);
    ck_assert_uint_eq(consumed, strlen(form->bytes));
    check_form(form, reply);
}
END_TEST

/* Input grows by one byte at a time, as a driver that keeps what is not consumed would see it. */
START_TEST(replies_may_come_byte_by_byte)
{
    const Form *form = &forms[_i];
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    size_t from = 0, consumed, n = strlen(form->bytes);

    for (size_t end = 0; end <= n; end++) {
        int r = smtp_reply_parse(reply, form->bytes + from, end - from, MAX_LINE, &consumed);

        ck_assert_int_eq(r, end == n ? SMTP_REPLY_COMPLETE : SMTP_REPLY_MORE);
        from += consumed;
    }
    ck_assert_uint_eq(from, n);
    check_form(form, reply);
}
END_TEST

START_TEST(the_next_reply_is_left_alone)
{
    const char *bytes = "250-a\r\n250 2.0.0 b\r\n354 go\r\n";
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    size_t consumed, second;
    const char *memory;

    ck_assert_int_eq(parse(reply, bytes, &consumed), SMTP_REPLY_COMPLETE);
    ck_assert_uint_eq(consumed, strlen("250-a\r\n250 2.0.0 b\r\n"));
    memory = buffer_data(&reply->text);
    ck_assert_int_eq(parse(reply, bytes + consumed, &second), SMTP_REPLY_COMPLETE);
    ck_assert_uint_eq(consumed + second, strlen(bytes));
    ck_assert_int_eq(reply->code, 354);
    ck_assert_str_eq(reply->enhanced, "");
    ck_assert_str_eq(buffer_data(&reply->text), "go\n");
    ck_assert_uint_eq(reply->lines, 1);
    ck_assert_ptr_eq(buffer_data(&reply->text), memory);
}
END_TEST

static const char *const malformed[] = {
    "hello\r\n",
    "HTTP/1.1 400 Bad Request\r\n",
    "\x15\x03\x01", /* a TLS alert: no line end will ever come */
    "SSH-",
    "25\r\n",
    "2500 x\r\n",
    "150 early\r\n",
    "600 late\r\n",
    "050 x\r\n",
    " 250 x\r\n",
    "250_x\r\n",
    "250-a\r\n251 b\r\n",
    "250-a\r\nfree text\r\n250 b\r\n",
    "-50",
};

START_TEST(what_is_no_reply_is_malformed)
{
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    size_t consumed;

    ck_assert_int_eq(parse(reply, malformed[_i], &consumed), SMTP_REPLY_MALFORMED);
}
END_TEST

/* "250 xxx...CRLF" of `n` bytes in all. */
static void fill_line(Buffer *b, size_t n, char separator)
{
    char *to = buffer_reserve(b, n);

    ck_assert_ptr_nonnull(to);
    memset(to, 'x', n);
    memcpy(to, "250", 3);
    to[3] = separator;
    memcpy(to + n - 2, "\r\n", 2);
    buffer_commit(b, n);
}

START_TEST(lines_have_a_limit)
{
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    _cleanup_buffer_ Buffer b = {0};
    size_t consumed;

    fill_line(&b, 100, ' ');
    ck_assert_int_eq(
        smtp_reply_parse(reply, buffer_data(&b), 100, 99, &consumed), SMTP_REPLY_TOO_LONG);
    ck_assert_int_eq(
        smtp_reply_parse(reply, buffer_data(&b), 99, 99, &consumed), SMTP_REPLY_TOO_LONG);
    ck_assert_int_eq(smtp_reply_parse(reply, buffer_data(&b), 98, 99, &consumed), SMTP_REPLY_MORE);
    ck_assert_int_eq(
        smtp_reply_parse(reply, buffer_data(&b), 100, 100, &consumed), SMTP_REPLY_COMPLETE);
}
END_TEST

START_TEST(replies_have_a_limit_of_lines)
{
    for (unsigned extra = 0; extra < 2; extra++) {
        _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
        _cleanup_buffer_ Buffer b = {0};
        size_t consumed;

        for (unsigned i = 1; i < SMTP_REPLY_LINES_MAX + extra; i++)
            fill_line(&b, 10, '-');
        fill_line(&b, 10, ' ');
        ck_assert_int_eq(
            smtp_reply_parse(reply, buffer_data(&b), buffer_size(&b), MAX_LINE, &consumed),
            extra ? SMTP_REPLY_TOO_LONG : SMTP_REPLY_COMPLETE);
    }
}
END_TEST

START_TEST(replies_have_a_limit_of_bytes)
{
    for (unsigned extra = 0; extra < 2; extra++) {
        _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
        _cleanup_buffer_ Buffer b = {0};
        size_t consumed;

        while (buffer_size(&b) < SMTP_REPLY_BYTES_MAX - 1024)
            fill_line(&b, 1024, '-');
        fill_line(&b, 1024 + extra, ' ');
        ck_assert_int_eq(
            smtp_reply_parse(reply, buffer_data(&b), buffer_size(&b), MAX_LINE, &consumed),
            extra ? SMTP_REPLY_TOO_LONG : SMTP_REPLY_COMPLETE);
    }
}
END_TEST

START_TEST(a_nul_is_kept_in_the_text)
{
    static const char bytes[] = "250 a\0b\r\n";
    _cleanup_(smtp_reply_done_p) SmtpReply *reply = &(SmtpReply){0};
    size_t consumed;

    ck_assert_int_eq(smtp_reply_parse(reply, bytes, sizeof(bytes) - 1, MAX_LINE, &consumed),
        SMTP_REPLY_COMPLETE);
    ck_assert_uint_eq(buffer_size(&reply->text), 4);
    ck_assert_mem_eq(buffer_data(&reply->text), "a\0b\n", 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_reply");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, replies_of_every_form_are_read, 0, ELEMENTSOF(forms));
    tcase_add_loop_test(t, replies_may_come_byte_by_byte, 0, ELEMENTSOF(forms));
    tcase_add_test(t, the_next_reply_is_left_alone);
    tcase_add_loop_test(t, what_is_no_reply_is_malformed, 0, ELEMENTSOF(malformed));
    tcase_add_test(t, lines_have_a_limit);
    tcase_add_test(t, replies_have_a_limit_of_lines);
    tcase_add_test(t, replies_have_a_limit_of_bytes);
    tcase_add_test(t, a_nul_is_kept_in_the_text);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
