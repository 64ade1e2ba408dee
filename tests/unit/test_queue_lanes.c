/* queue/names: names of lanes, and what each lane keeps from others. */
#include "queue/names.h"
#include "settings/load.h"
#include "spool.h"
#include "unit.h"

#define RETRY_MAX (2 * USEC_PER_DAY)

static Place place;
static Names names_;
static Config *config;

static Config *load(const char *lanes)
{
    _cleanup_failure_ Failure f = {0};
    Config *loaded = NULL;
    char text[400];

    snprintf(text, sizeof(text),
        "relays = ( { host = \"127.0.0.1\"; tls = \"none\"; } );\nlanes = ( %s );\n", lanes);
    ck_assert_msg(config_load_text("test", text, strlen(text), NULL, &loaded, &f) >= 0, "%s",
        failure_text(&f));
    return loaded;
}

static void setup(void)
{
    place_init(&place);
    names_ = (Names){0};
    config = load("{ name = \"alerts\"; priority = 10; }, { name = \"bulk\"; priority = -10; }");
    ck_assert_int_eq(names_init(&names_, place.spool, RETRY_MAX), 0);
    ck_assert_int_eq(names_use_lanes(&names_, config), 0);
}

static void teardown(void)
{
    names_done(&names_);
    config = config_unref(config);
    place_done(&place);
}

static unsigned number(const char *lane)
{
    return config_find_lane(config, lane);
}

static void drop(const char *id, const char *lane)
{
    char name[SPOOL_NAME_MAX], text[200];

    snprintf(name, sizeof(name), "%s.queued", id);
    snprintf(text, sizeof(text),
        "X-Sender: <a@example.org>\n%s%s%sX-Receiver: <b@example.org>\n\nHi\n",
        lane ? "X-Outbox-Lane: " : "", lane ?: "", lane ? "\n" : "");
    put(&place, name, text);
}

static void open_lane(const char *lane)
{
    names_.tables.open = 1u << number(lane);
}

static void read_all(usec_t now)
{
    char id[SPOOL_NAME_MAX];

    while (names_is_unread(&names_, now))
        ck_assert_int_ge(names_read(&names_, now, id, NULL), 0);
}

static void expect(const char *wanted)
{
    char id[SPOOL_NAME_MAX] = "";
    NameKind kind;

    (void)names_take(&names_, NOW, id, &kind);
    ck_assert_str_eq(id, wanted);
}

START_TEST(a_name_comes_up_in_its_lane)
{
    drop("n", "Bulk");
    drop("a", "ALERTS");
    drop("o", NULL);
    drop("u", "unknown");
    read_all(NOW);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, number("bulk")), 1);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, LANE_NONE), 2);
    open_lane("alerts");
    expect("a");
    expect("");
    open_lane("bulk");
    expect("n");
    expect("");
    names_.tables.open = UINT32_MAX;
    ck_assert(names_any(&names_, NOW));
}
END_TEST

/* It is looked at at once, and told to be none: not when its lane may send. */
START_TEST(two_lanes_are_none)
{
    drop("t", "bulk\nX-Outbox-Lane: bulk");
    drop("n", "bulk");
    read_all(NOW);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, LANE_NONE), 1);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, number("bulk")), 1);
}
END_TEST

/* However many there are: more than are ready at a time in any other queue. */
START_TEST(many_of_a_lane_keep_none_of_another_unknown)
{
    char id[40];

    for (unsigned i = 0; i < 9000; i++) {
        snprintf(id, sizeof(id), "bulk-%u", i);
        drop(id, "bulk");
    }
    drop("a", "alerts");
    open_lane("alerts");
    names_rescan(&names_);
    read_all(NOW);
    expect("a");
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, number("bulk")), 9000);
    drop("b", "alerts");
    names_event(&names_, "b.queued", true, 0, NOW);
    expect("b");
    ck_assert(!names_is_unread(&names_, NOW)); /* those that wait are known, and not looked for */
}
END_TEST

START_TEST(a_name_is_known_once)
{
    drop("a", "bulk");
    names_event(&names_, "a.queued", true, 0, NOW);
    drop("a", "alerts"); /* another file */
    names_event(&names_, "a.queued", true, 0, NOW);
    names_put(&names_, "a", NAME_QUEUED, NOW + USEC_PER_SEC);
    ck_assert_uint_eq(lane_tables_all_ready(&names_.tables), 1);
    names_.tables.open = UINT32_MAX;
    expect("a");
    expect("");
    ck_assert_uint_eq(names_next_due(&names_), USEC_NEVER);
}
END_TEST

/* Until then nobody has read it. */
START_TEST(what_waits_for_a_time_is_in_its_lane_when_that_has_come)
{
    char id[SPOOL_NAME_MAX];
    NameKind kind;

    drop("a", NULL);
    names_put(&names_, "a", NAME_UNSETTLED, NOW + USEC_PER_SEC);
    drop("a", "alerts");
    open_lane("alerts");
    expect("");
    ck_assert_uint_eq(names_next_due(&names_), NOW + USEC_PER_SEC);
    ck_assert_int_eq(names_take(&names_, NOW + USEC_PER_SEC, id, &kind), 1);
    ck_assert_str_eq(id, "a");
    ck_assert_int_eq(kind, NAME_UNSETTLED);
}
END_TEST

START_TEST(what_is_no_file_is_in_no_lane)
{
    ck_assert_int_eq(mkfifoat(place.fd, "f.queued", 0600), 0);
    ck_assert_int_eq(mkdirat(place.fd, "d.queued", 0700), 0);
    ck_assert_int_eq(symlinkat("d.queued", place.fd, "l.queued"), 0);
    put(&place, "e.queued", "");
    read_all(NOW);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, LANE_NONE), 4);
}
END_TEST

/* They have waited for the end of a pass, which a reload ends. */
START_TEST(what_was_put_last_is_in_the_lanes_that_there_are_then)
{
    char id[SPOOL_NAME_MAX];

    for (unsigned i = 0; i < 9000; i++) {
        snprintf(id, sizeof(id), "bulk-%u", i);
        drop(id, "bulk");
    }
    names_rescan(&names_);
    ck_assert_int_eq(names_read(&names_, NOW, id, NULL), 0);
    ck_assert_ptr_nonnull(names_.scan);
    names_put_last(&names_, "bulk-8999", NAME_QUEUED);
    ck_assert_uint_gt(buffer_size(&names_.last), 0);
    (void)config_unref(config);
    config = load("{ name = \"alerts\"; }");
    ck_assert_int_eq(names_use_lanes(&names_, config), 0);
    ck_assert_uint_eq(lane_tables_of_lane(&names_.tables, LANE_NONE), 1);
    open_lane("alerts");
    expect("");
}
END_TEST

START_TEST(other_lanes_find_all_anew)
{
    drop("a", "alerts");
    drop("n", "news");
    names_event(&names_, "a.queued", true, 0, NOW);
    names_event(&names_, "n.queued", true, 0, NOW);
    (void)config_unref(config);
    config = load("{ name = \"news\"; }");
    ck_assert_int_eq(names_use_lanes(&names_, config), 0);
    ck_assert(names_is_unread(&names_, NOW));
    read_all(NOW);
    open_lane("news");
    expect("n");
    expect("");
    (void)config_unref(config);
    config = load("");
    ck_assert_int_eq(names_use_lanes(&names_, config), 0);
    read_all(NOW);
    ck_assert_uint_eq(lane_tables_ready(&names_.tables), 2);
    ck_assert_int_eq(names_use_lanes(&names_, config), 0); /* the same: nothing is read again */
    ck_assert(!names_is_unread(&names_, NOW));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue/lanes");
    TCase *t = tcase_create("lanes");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_name_comes_up_in_its_lane);
    tcase_add_test(t, two_lanes_are_none);
    tcase_add_test(t, many_of_a_lane_keep_none_of_another_unknown);
    tcase_add_test(t, a_name_is_known_once);
    tcase_add_test(t, what_waits_for_a_time_is_in_its_lane_when_that_has_come);
    tcase_add_test(t, what_is_no_file_is_in_no_lane);
    tcase_add_test(t, what_was_put_last_is_in_the_lanes_that_there_are_then);
    tcase_add_test(t, other_lanes_find_all_anew);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
