/* message/not_before: times before which a message is not sent, and how the envelope has them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/input.h"
#include "message/message.h"
#include "message/not_before.h"
#include "message/readdress.h"
#include "unit.h"

#define NOW (1795780800 * USEC_PER_SEC) /* 2026-11-27T12:00:00Z */

static void set_zone(const char *zone)
{
    ck_assert_int_eq(setenv("TZ", zone, 1), 0);
    tzset();
}

static const struct {
    const char *text;
    int64_t seconds; /* behind NOW; -1: it is none */
} dates[] = {
    {"2026-11-27T13:00:00Z", 3600},
    {"2026-11-27T13:00:00+01:00", 0},
    {"2026-11-27 07:00:00-05:00", 0},
    {"2026-11-27T12:00:01.75Z", 1},
    {" \tFri, 27 Nov 2026 13:00:00 +0100\r\n", 0},
    {"27 Nov 2026 12:00 GMT (noon)", 0},
    {"27 Nov 2026 07:00:05 EST", 5},
    {"27 Nov 2026 06:00:05 CDT", 3605 - 3600 - 3600},
    {"27 Nov 2026 12:00 PST", 8 * 3600},
    {"27 Nov 2026 17:30 +0530", 0},
    {"1970-01-01T00:00:00Z", -1},
    {"2025-12-31T23:59:59Z", -1},
    {"tomorrow", -1},
    {"2026-02-30T00:00:00Z", -1},
    {"2026-11-27T13:00:00", -1},
    {"Thu, 27 Nov 2026 13:00:00 +0100", -1},
    {"", -1},
};

START_TEST(a_field_is_a_date_of_mail)
{
    const char *text = dates[_i].text;
    _cleanup_failure_ Failure f = {0};
    usec_t time = 0;
    int r = not_before_parse_field(text, strlen(text), &time, &f);

    if (dates[_i].seconds == -1) {
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_ptr_nonnull(f.text);
        return;
    }
    ck_assert_msg(r == 0, "%s: %s", text, failure_text(&f));
    ck_assert_int_eq((int64_t)(time - NOW), dates[_i].seconds * (int64_t)USEC_PER_SEC);
}
END_TEST

static const struct {
    const char *zone, *text;
    int64_t seconds;  /* behind NOW */
    const char *says; /* what is wrong; NULL: nothing */
} words[] = {
    {"UTC", "2h", 7200, NULL},
    {"UTC", "90", 90, NULL},
    {"UTC", "1.5h", 5400, NULL},
    {"UTC", "2026-11-27 13:00", 3600, NULL},
    {"UTC", "2026-11-27T13:00:30", 3630, NULL},
    {"UTC", "2026-11-28", 43200, NULL},
    {"Europe/Berlin", "2026-11-27 14:00", 3600, NULL},
    {"Europe/Berlin", "2027-06-01 02:00", 185 * 86400 + 43200, NULL},
    {"Asia/Kolkata", "2026-11-27 18:30", 3600, NULL},
    {"Europe/Berlin", "2026-11-27T14:00:00Z", 7200, NULL},
    {"UTC", "Fri, 27 Nov 2026 15:00:00 +0100", 7200, NULL},
    {"UTC", "2026-11-27 11:00", 0, "is past"},
    {"UTC", "0", 0, "is past"},
    {"UTC", "2126-12-01 09:00", 0, "more than 3 years ahead"},
    {"UTC", "2000d", 0, "more than 3 years ahead"},
    {"UTC", "2026-11-31 09:00", 0, "is no time"},
    {"UTC", "tomorrow", 0, "is no time"},
    {"UTC", "", 0, "is no time"},
    {"UTC", "2026-12-01 25:00", 0, "is no time"},
    {"UTC", "2026-12-01 09:00 CET!", 0, "is no time"},
};

START_TEST(a_person_says_it_shortly)
{
    _cleanup_failure_ Failure f = {0};
    usec_t time = 0;
    int r;

    set_zone(words[_i].zone);
    r = not_before_parse(words[_i].text, NOW, &time, &f);
    if (words[_i].says) {
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_msg(strstr(f.text, words[_i].says), "%s: %s", words[_i].text, f.text);
        return;
    }
    ck_assert_msg(r == 0, "%s: %s", words[_i].text, failure_text(&f));
    ck_assert_int_eq((int64_t)(time - NOW), words[_i].seconds * (int64_t)USEC_PER_SEC);
}
END_TEST

/* A clock that has not been set judges nothing. */
START_TEST(the_wrong_century_is_no_time_to_wait_for)
{
    ck_assert_int_eq(not_before_check(NOW + USEC_PER_DAY, NOW, NULL), 0);
    ck_assert_int_eq(not_before_check(NOW + NOT_BEFORE_MAX, NOW, NULL), 0);
    ck_assert_int_eq(not_before_check(NOW + NOT_BEFORE_MAX + 1, NOW, NULL), -EBADMSG);
    ck_assert_int_eq(not_before_check(NOW, 3600 * USEC_PER_SEC, NULL), 0);
}
END_TEST

static int open_text(const char *text, InputMemory *input, Message **ret, Failure *f)
{
    input_memory_init(input, text, strlen(text));
    return message_open(&input->base, NOW, "id", ret, f);
}

#define HEADER "From: a@example.org\nTo: b@example.com\n\ntext\n"

START_TEST(the_envelope_has_it_once)
{
    _cleanup_(message_free_p) Message *message = NULL, *other = NULL;
    _cleanup_failure_ Failure f = {0};
    InputMemory input;

    ck_assert_int_eq(
        open_text("x-outbox-not-before: 27 Nov 2026\n 12:00 GMT\n" HEADER, &input, &message, &f),
        0);
    ck_assert_uint_eq(message_envelope(message)->not_before, NOW);
    ck_assert_int_eq(open_text("X-Outbox-Not-Before: 2026-11-27T12:00:00Z\n"
                               "X-Outbox-Not-Before: 2026-11-28T12:00:00Z\n" HEADER,
                         &input, &other, &f),
        -EBADMSG);
    ck_assert_str_eq(
        f.text, "line 2: there is more than one X-Outbox-Not-Before field; leave only one");
}
END_TEST

START_TEST(what_is_no_date_names_its_line)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    InputMemory input;

    ck_assert_int_eq(
        open_text("X-Outbox-Not-Before: soon\n" HEADER, &input, &message, &f), -EBADMSG);
    ck_assert_msg(
        strncmp(f.text, "line 1, X-Outbox-Not-Before: this is no date", 44) == 0, "%s", f.text);
}
END_TEST

/* Who names another time names the only one. */
START_TEST(another_time_takes_its_place)
{
    static const char text[] = "X-Outbox-Not-Before: 2026-12-01T00:00:00Z\n" HEADER;
    const Envelope envelope = {.not_before = NOW};
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_readdress(text, strlen(text), &envelope, NULL, &out), 0);
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    ck_assert_str_eq(
        buffer_data(&out), "X-Outbox-Not-Before: 2026-11-27T12:00:00.000000Z\n" HEADER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_not_before");
    TCase *t = tcase_create("message_not_before");

    tcase_add_loop_test(t, a_field_is_a_date_of_mail, 0, (int)ELEMENTSOF(dates));
    tcase_add_loop_test(t, a_person_says_it_shortly, 0, (int)ELEMENTSOF(words));
    tcase_add_test(t, the_wrong_century_is_no_time_to_wait_for);
    tcase_add_test(t, the_envelope_has_it_once);
    tcase_add_test(t, what_is_no_date_names_its_line);
    tcase_add_test(t, another_time_takes_its_place);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
