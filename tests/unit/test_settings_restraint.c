/* settings: rates and hours, as they are written. */
#include <stdlib.h>
#include <time.h>

#include "settings/hours.h"
#include "settings/rate.h"
#include "settings_files.h"

static const struct {
    const char *text;
    int n; /* 0: it is none */
    Rate rates[2];
} rates[] = {
    {"14/s", 1, {{14, USEC_PER_SEC}}},
    {"2000/d", 1, {{2000, USEC_PER_DAY}}},
    {"100/hour", 1, {{100, USEC_PER_HOUR}}},
    {" 100 / h ,2000/D ", 2, {{100, USEC_PER_HOUR}, {2000, USEC_PER_DAY}}},
    {"50/10m", 1, {{50, 10 * USEC_PER_MINUTE}}},
    {"1/90s,7/31d", 2, {{1, 90 * USEC_PER_SEC}, {7, 31 * USEC_PER_DAY}}},
    {"", 0, {{0}}},
    {"14", 0, {{0}}},
    {"/s", 0, {{0}}},
    {"0/s", 0, {{0}}},
    {"-1/s", 0, {{0}}},
    {"14/", 0, {{0}}},
    {"14/fortnight", 0, {{0}}},
    {"14/60", 0, {{0}}},
    {"14/0s", 0, {{0}}},
    {"14/32d", 0, {{0}}},
    {"99999999999/s", 0, {{0}}},
    {"14/s,", 0, {{0}}},
    {"1/s,2/s,3/s,4/s,5/s", 0, {{0}}},
};

START_TEST(a_rate_is_a_number_and_a_time)
{
    _cleanup_failure_ Failure f = {0};
    Rate found[RATES_MAX];
    int n = rates_parse(rates[_i].text, found, &f);

    if (rates[_i].n == 0) {
        ck_assert_int_eq(n, -EINVAL);
        ck_assert_ptr_nonnull(f.text);
        return;
    }
    ck_assert_msg(n == rates[_i].n, "%s: %s", rates[_i].text, failure_text(&f));
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(found[i].limit, rates[_i].rates[i].limit);
        ck_assert_uint_eq(found[i].per, rates[_i].rates[i].per);
    }
}
END_TEST

static const char *const no_hours[] = {"", "22:00", "22:00-", "22-06", "25:00-06:00", "22:60-06:00",
    "08:00-08:00", "Mon-", "Monday 08:00-09:00", "Mon-Fri 08:00-18:00,", "Sat Sun", "24:01-05:00",
    "00:00-24:00", "Mon-Sun", "08:00-09:00;", "noon-1:00"};

START_TEST(what_are_no_hours_is_said)
{
    _cleanup_failure_ Failure f = {0};
    Hours hours;

    ck_assert_msg(hours_parse(no_hours[_i], &hours, &f) == -EINVAL, "%s", no_hours[_i]);
    ck_assert_ptr_nonnull(f.text);
}
END_TEST

static void set_zone(const char *zone)
{
    ck_assert_int_eq(setenv("TZ", zone, 1), 0);
    tzset();
}

static usec_t local(const char *text)
{
    struct tm tm = {.tm_isdst = -1};

    ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M", &tm));
    tm.tm_isdst = -1;
    return (usec_t)mktime(&tm) * USEC_PER_SEC;
}

static const struct {
    const char *zone, *hours, *now;
    bool quiet;
    int minutes; /* until that changes */
} moments[] = {
    {"UTC", "22:00-06:00", "2026-11-27 21:59", false, 1},
    {"UTC", "22:00-06:00", "2026-11-27 22:00", true, 480},
    {"UTC", "22:00-06:00", "2026-11-28 05:59", true, 1},
    {"UTC", "22:00-06:00", "2026-11-28 06:00", false, 960},
    {"UTC", "Fri 22:00-06:00", "2026-11-28 05:00", true, 60}, /* the 27th is a Friday */
    {"UTC", "Fri 22:00-06:00", "2026-11-29 05:00", false, 5 * 1440 + 17 * 60},
    {"UTC", "Sat,Sun", "2026-11-28 00:00", true, 2880},
    {"UTC", "sat , SUN 00:00-24:00", "2026-11-29 23:59", true, 1},
    {"UTC", "Sat 22:00-24:00", "2026-11-28 22:30", true, 90},
    {"UTC", "Fri-Mon 12:00-13:00", "2026-11-30 12:30", true, 30},
    {"UTC", "Mon-Fri 08:00-18:00, Sat, Sun", "2026-11-27 18:00", false, 360},
    /* Clocks go forth on 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00. */
    {"Europe/Berlin", "22:00-06:00", "2026-03-28 22:00", true, 420},
    {"Europe/Berlin", "22:00-06:00", "2026-10-24 22:00", true, 540},
    {"Europe/Berlin", "02:15-02:45", "2026-03-29 01:00", false, 24 * 60 + 15},
    {"America/New_York", "22:00-06:00", "2026-11-27 23:00", true, 420},
};

START_TEST(hours_are_those_of_the_wall)
{
    _cleanup_failure_ Failure f = {0};
    Hours hours;
    usec_t now;

    set_zone(moments[_i].zone);
    now = local(moments[_i].now);
    ck_assert_msg(hours_parse(moments[_i].hours, &hours, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(hours_have(&hours, now), moments[_i].quiet);
    ck_assert_msg(
        hours_next(&hours, now + 17 * USEC_PER_SEC) == now + moments[_i].minutes * USEC_PER_MINUTE,
        "%s at %s: %lld min", moments[_i].hours, moments[_i].now,
        (long long)(hours_next(&hours, now) - now) / (long long)USEC_PER_MINUTE);
}
END_TEST

/* An hour that is there twice is quiet twice. */
START_TEST(an_hour_that_comes_twice_is_quiet_twice)
{
    Hours hours;
    usec_t now;

    set_zone("Europe/Berlin");
    now = local("2026-10-25 01:00");
    ck_assert_int_eq(hours_parse("02:00-02:30", &hours, NULL), 0);
    ck_assert_uint_eq(hours_next(&hours, now), now + USEC_PER_HOUR);
    ck_assert_uint_eq(hours_next(&hours, now + 60 * USEC_PER_MINUTE), now + 90 * USEC_PER_MINUTE);
    ck_assert_uint_eq(hours_next(&hours, now + 90 * USEC_PER_MINUTE), now + 120 * USEC_PER_MINUTE);
    ck_assert(hours_have(&hours, now + 125 * USEC_PER_MINUTE));
}
END_TEST

/* At whatever moment: what is said to come next is the first change, to the minute. */
/* These zones and these hours change at full and half hours alone: who looks once in each half of
 * an hour sees every change. */
#define HALF_AN_HOUR (30 * USEC_PER_MINUTE)

START_TEST(the_next_change_is_the_first)
{
    static const char *const zones[] = {
        "UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"};
    static const char *const texts[] = {
        "22:00-06:00", "Sun 01:00-04:00", "Mon-Fri 08:00-18:00, Sat, Sun", "02:00-02:30"};
    uint64_t random = 88172645463325252u;

    for (unsigned round = 0; round < 300; round++) {
        usec_t now, next;
        Hours hours;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        set_zone(zones[round % ELEMENTSOF(zones)]);
        ck_assert_int_eq(hours_parse(texts[round / 4 % ELEMENTSOF(texts)], &hours, NULL), 0);
        now = (1767225600 + random % (370 * 86400)) * USEC_PER_SEC;
        next = hours_next(&hours, now);
        ck_assert_uint_gt(next, now);
        ck_assert_int_ne(hours_have(&hours, next), hours_have(&hours, now));
        for (usec_t at = now; at < next; at += HALF_AN_HOUR)
            ck_assert_int_eq(hours_have(&hours, at), hours_have(&hours, now));
    }
}
END_TEST

START_TEST(a_relay_says_it)
{
    _cleanup_config_ Config *config =
        load("relays = ( { host = \"h\"; message_rate = \"14/s, 50000/d\"; recipient_rate = "
             "\"9/m\"; quiet = \"22:00-06:00\"; } );\n",
            NULL);

    ck_assert_str_eq(config->relays[0]->message_rate, "14/s, 50000/d");
    ck_assert_str_eq(config->relays[0]->recipient_rate, "9/m");
    ck_assert_str_eq(config->relays[0]->quiet, "22:00-06:00");
}
END_TEST

START_TEST(mistakes_say_what_is_right)
{
    expect_mistakes("relays = ( { host = \"h\"; message_rate = \"14 a second\"; } );\n",
        "outbox.conf:1: relays.h:25.message_rate: \"14 a second\": a number of messages or "
        "recipients "
        "and a time are wanted, with a / between them, as in \"14/s\" or \"100/h, 2000/d\"");
    expect_mistakes("relays = ( { host = \"h\"; recipient_rate = \"14/fortnight\"; } );\n",
        "outbox.conf:1: relays.h:25.recipient_rate: \"14/fortnight\": behind the / comes a time: "
        "s, "
        "m, "
        "h or d, or a number of them as in 10m");
    expect_mistakes("relays = ( { host = \"h\"; quiet = \"00:00-24:00\"; } );\n",
        "outbox.conf:1: relays.h:25.quiet: \"00:00-24:00\": leaves no hour of the week; leave "
        "out what is to send no mail at all");
}
END_TEST

START_TEST(lanes_are_found_by_name)
{
    _cleanup_config_ Config *config =
        load("relays = ( { host = \"h\"; } );\nlanes = ( { name = \"Alerts\"; priority = 10; }, "
             "{ name = \"bulk\"; priority = -10; connections = 2; quiet = \"22:00-06:00\"; } );\n",
            NULL);

    ck_assert_uint_eq(config_find_lane(config, "alerts"), 1);
    ck_assert_uint_eq(config_find_lane(config, "BULK"), 2);
    ck_assert_uint_eq(config_find_lane(config, "bul"), LANE_NONE);
    ck_assert_uint_eq(config_find_lane(config, NULL), LANE_NONE);
    ck_assert_int_eq(config->lanes[0]->priority, 10);
    ck_assert_uint_eq(config->lanes[0]->connections, 0);
    ck_assert_int_eq(config->lanes[1]->priority, -10);
    ck_assert_uint_eq(config->lanes[1]->connections, 2);
}
END_TEST

static const struct {
    const char *lanes, *mistake;
} wrong_lanes[] = {
    {"{ priority = 3; }",
        "outbox.conf:2: lanes.1.name: is not set; write the lane's name, as X-Outbox-Lane and "
        "--lane have it"},
    {"{ name = \"bulk\"; }, { name = \"Bulk\"; }",
        "outbox.conf:2: lanes.2.name: \"Bulk\" is lane 1 already; leave one of the two out"},
    {"{ name = \"-x\"; }",
        "outbox.conf:2: lanes.1.name: \"-x\" is not the name of a lane, which has up to 32 letters "
        "of ASCII, digits, \"-\", \"_\" and \".\", a letter or digit first"},
    {"{ name = \"a\"; priority = 1001; }",
        "outbox.conf:2: lanes.1.priority: 1001 is out of range; it takes a number from -1000 to "
        "1000"},
    {"{ name = \"a\"; priority = -99999999999999999999; }", "outbox.conf:2: "},
    {"{ name = \"a\"; priority = \"high\"; }",
        "outbox.conf:2: lanes.1.priority: \"high\" is not such a value; it takes a number from "
        "-1000 to 1000"},
    {"{ name = \"a\"; message_rate = \"9\"; }", "outbox.conf:2: lanes.1.message_rate: \"9\": "},
    {"{ name = \"a\"; quiet = \"00:00-24:00\"; }",
        "outbox.conf:2: lanes.1.quiet: \"00:00-24:00\": leaves no hour of the week"},
    {"\"bulk\"",
        "outbox.conf:2: lanes: holds something that is not a group; write lanes = ( { name = "
        "\"bulk\"; priority = -10; } );"},
    {"{ name = \"a1\"; }, { name = \"a2\"; }, { name = \"a3\"; }, { name = \"a4\"; }, { name = "
     "\"a5\"; }, { name = \"a6\"; }, { name = \"a7\"; }, { name = \"a8\"; }, { name = \"a9\"; }, "
     "{ name = \"b1\"; }, { name = \"b2\"; }, { name = \"b3\"; }, { name = \"b4\"; }, { name = "
     "\"b5\"; }, { name = \"b6\"; }, { name = \"b7\"; }",
        "outbox.conf:2: lanes.16.name: is lane 16, and there may be 15; put together some that are "
        "sent alike"},
};

START_TEST(a_lane_that_cannot_be_is_a_mistake)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;
    char text[1000], path[100];

    snprintf(text, sizeof(text), "relays = ( { host = \"h\"; } );\nlanes = ( %s );\n",
        wrong_lanes[_i].lanes);
    put("outbox.conf", text, 0600);
    ck_assert_int_eq(config_load(place("outbox.conf", path), NULL, &config, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), wrong_lanes[_i].mistake), "%s", failure_text(&f));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings_restraint");
    TCase *t = tcase_create("settings_restraint");

    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_loop_test(t, a_rate_is_a_number_and_a_time, 0, (int)ELEMENTSOF(rates));
    tcase_add_loop_test(t, what_are_no_hours_is_said, 0, (int)ELEMENTSOF(no_hours));
    tcase_add_loop_test(t, hours_are_those_of_the_wall, 0, (int)ELEMENTSOF(moments));
    tcase_add_test(t, an_hour_that_comes_twice_is_quiet_twice);
    tcase_add_test(t, the_next_change_is_the_first);
    tcase_add_test(t, a_relay_says_it);
    tcase_add_test(t, mistakes_say_what_is_right);
    tcase_add_test(t, lanes_are_found_by_name);
    tcase_add_loop_test(t, a_lane_that_cannot_be_is_a_mistake, 0, ELEMENTSOF(wrong_lanes));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
