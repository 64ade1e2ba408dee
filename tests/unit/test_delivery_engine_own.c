/* delivery/engine: failures of our own, stops, and large numbers. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

/* No file can grow over so many bytes any more: the disk is full. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static const char *refuse_bob(_unused_ void *user, const TestCommand *command)
{
    return strcasecmp(command->line, "RCPT TO:<bob@example.com>") == 0 ? "550 5.1.1 no such user"
                                                                       : NULL;
}

/* The disk is full once the message is under way: a line begins to be written. */
static const char *refuse_bob_and_fill(void *user, const TestCommand *command)
{
    const char *reply = refuse_bob(user, command);

    if (reply)
        limit_files(100);
    return reply;
}

START_TEST(a_record_that_cannot_be_written_keeps_the_message_until_it_can)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, refuse_bob_and_fill, NULL, "");
    put_message(&s, "A.queued", "ann@example.com bob@example.com");
    put_message(&s, "B.queued", "ann@example.com bob@example.com");
    s.unwatched = true;
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "problem:A:goes-on");
    run_until(&s, "problem:B:goes-on");
    ck_assert_uint_eq(figures(&s).in_flight, 2);
    ck_assert_uint_le(count_wakes(&s, 2 * USEC_PER_SEC), 10);
    limit_files(RLIM_INFINITY);
    run_until(&s, "idle");
    ck_assert_uint_eq(count_events(&s, "A:failed:9004"), 1);
    assert_names(&s.place, "A.failed A.status B.failed B.status ");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 2);
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(
        strstr(record, "\n{\"time\":")); /* the torn line is ended, the lines follow whole */
    ck_assert_ptr_nonnull(
        strstr(record, "\"event\":\"delivered\",\"recipient\":\"ann@example.com\""));
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"failed\",\"error\":9004,"));
}
END_TEST

static bool no_room; /* for a line of a record */

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    errno = ENOSPC;
    return no_room ? -1 : (ssize_t)syscall(SYS_writev, fd, parts, n);
}

static const char *refuse_bobs(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "RCPT TO:<bob", 12) == 0 ? "550 5.1.1 no such user" : NULL;
}

/* What is delivered needs no room and makes some, so that it goes on while others wait for it: a
 * few hundred, and no more. */
START_TEST(a_full_disk_does_not_stop_what_can_be_delivered)
{
    _cleanup_scene_ Scene s = {0};
    enum { REFUSED = 300, GOOD = 50 };
    char name[32];

    scene_init(&s);
    add_relay(&s, 0, refuse_bobs, NULL, "");
    for (unsigned i = 0; i < REFUSED; i++) {
        snprintf(name, sizeof(name), "b%u.queued", i);
        put_message(&s, name, "bob@example.com");
        snprintf(name, sizeof(name), "a%u.queued", i);
        if (i < GOOD)
            put_message(&s, name, "ann@example.com");
    }
    scene_open(&s, "");
    no_room = true;
    engine_start(s.engine);
    while (figures(&s).in_flight < 256)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    while (figures(&s).sent < 1)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    run_for(&s, USEC_PER_SEC / 2);
    ck_assert_uint_lt(figures(&s).in_flight, REFUSED);
    no_room = false;
    engine_flush(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, GOOD);
    ck_assert_uint_eq(figures(&s).failed, REFUSED);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), GOOD);
}
END_TEST

/* Nobody may change the directory: for root by being somebody else, for all others by its mode. */
static void close_directory(const char *path, bool closed)
{
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(closed ? 65534 : 0), 0);
    else
        ck_assert_int_eq(chmod(path, closed ? 0500 : 0700), 0);
}

static const char *close_directory_at_content(void *user, const TestCommand *command)
{
    const Scene *s = user;

    if (strcmp(command->line, ".") == 0)
        close_directory(s->place.path, true);
    return NULL;
}

START_TEST(a_delivered_file_that_cannot_be_deleted_is_not_sent_again)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_directory_at_content, &s, "");
    put_message(&s, "A.queued", "ann@example.com");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "problem:A:goes-on");
    close_directory(s.place.path, false);
    ck_assert_int_eq(spool_recover(s.place.spool, "A", false, NULL, NULL), 0); /* it is locked */
    run_until(&s, "A:sent");
    assert_names(&s.place, "");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 1);
}
END_TEST

PATIENT_TEST(a_stop_lets_go_of_what_cannot_be_written)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, refuse_bob, NULL, "");
    put_message(&s, "A.queued", "ann@example.com bob@example.com");
    s.unwatched = true;
    scene_open(&s, "");
    limit_files(0);
    engine_start(s.engine);
    run_until(&s, "problem:A:goes-on");
    engine_stop(s.engine, clock_monotonic() + patience * USEC_PER_SEC);
    ck_assert_uint_le(count_wakes(&s, 900 * USEC_PER_MSEC), 10);
    ck_assert(!happened(&s, "idle"));
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).in_flight, 0);
    limit_files(RLIM_INFINITY);
    assert_names(&s.place, "A.sending A.status ");
    scene_close_engine(&s);

    /* As after a crash: nothing is known of the recipient that has had it. */
    forget_events(&s);
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert(happened(&s, "A:recovered"));
    ck_assert(happened(&s, "A:failed:9004"));
}

START_TEST(an_engine_freed_with_what_cannot_be_written_leaves_it_to_the_next)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, refuse_bob, NULL, "");
    put_message(&s, "A.queued", "ann@example.com bob@example.com");
    scene_open(&s, "");
    limit_files(0);
    engine_start(s.engine);
    run_until(&s, "problem:A:goes-on");
    scene_close_engine(&s);
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(spool_recover(s.place.spool, "A", false, NULL, NULL), SPOOL_REQUEUED);
    assert_names(&s.place, "A.queued A.status ");
}
END_TEST

START_TEST(one_message_that_nothing_can_be_done_with_does_not_stop_the_others)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put(&s.place, "bad.queued", ""); /* to be failed, which cannot be written down */
    for (unsigned i = 0; i < 30; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(&s, name, "ann@example.com");
    }
    scene_open(&s, "");
    limit_files(0);
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 30);
    ck_assert_uint_eq(count_events(&s, "problem:bad:goes-on"), 1);
    run_for(&s, USEC_PER_SEC / 2);
    ck_assert_uint_eq(count_events(&s, "problem:bad:goes-on"), 1);
    ck_assert(there(&s.place, "bad.queued"));
    limit_files(RLIM_INFINITY);
    engine_flush(s.engine); /* "everything now" */
    run_until(&s, "bad:failed:9003");
}
END_TEST

/* ---- stops ---- */

static const char *hang_at_content(_unused_ void *user, const TestCommand *command)
{
    return strcmp(command->line, ".") == 0 ? "HANG" : NULL;
}

START_TEST(a_stop_returns_what_is_not_answered_in_time)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, hang_at_content, NULL, "");
    put_message(&s, "A.queued", "ann@example.com");
    put_message(&s, "B.queued", "ann@example.com");
    s.unwatched = true;
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    while (figures(&s).in_flight < 2 || test_relay_mails(s.relays[0]) < 1)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    engine_stop(s.engine, clock_monotonic() + USEC_PER_SEC / 2);
    run_until(&s, "idle");
    ck_assert(happened(&s, "A:returned"));
    ck_assert(happened(&s, "B:returned"));
    assert_names(&s.place, "A.queued B.queued ");
    run_for(&s, USEC_PER_SEC / 5);
    ck_assert(sleeps(&s, USEC_PER_SEC)); /* and the deadline is over */
}
END_TEST

static const char *slow_content(_unused_ void *user, const TestCommand *command)
{
    if (strcmp(command->line, ".") == 0)
        (void)usleep(300000);
    return NULL;
}

START_TEST(a_stop_lets_what_is_in_flight_end)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, slow_content, NULL, "");
    scene_open(&s, "connections = 1;");
    for (unsigned i = 0; i < 10; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(&s, name, "ann@example.com");
    }
    engine_start(s.engine);
    while (figures(&s).in_flight < 2)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    engine_stop(s.engine, clock_monotonic() + USEC_PER_HOUR);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 2);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 2);
}
END_TEST

START_TEST(an_engine_freed_at_work_returns_its_messages)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, hang_at_content, NULL, "");
    put_message(&s, "A.queued", "ann@example.com bob@example.com");
    put_message(&s, "B.queued", "ann@example.com");
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    while (figures(&s).in_flight < 2)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    engine_free(TAKE_PTR(s.engine));
    assert_names(&s.place, "A.queued B.queued ");
}
END_TEST

/* ---- large numbers ---- */

static const char *defer_each_tenth(void *user, const TestCommand *command)
{
    const bool *later = user;
    const char *at = strchr(command->line, '@');

    if (*later || !at || at[-1] != '0' || strncasecmp(command->line, "RCPT", 4) != 0)
        return NULL;
    return "450 4.2.1 mailbox busy";
}

START_TEST(a_message_to_many_recipients)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_buffer_ Buffer text = {0};
    bool later = false;

    scene_init(&s);
    add_relay(&s, 0, defer_each_tenth, &later, "");
    ck_assert_int_eq(buffer_append_string(&text, "X-Sender: <shop@example.org>\n"), 0);
    for (unsigned i = 0; i < 20000; i++)
        ck_assert_int_eq(buffer_appendf(&text, "X-Receiver: <u%05u@example.com>\n", i), 0);
    ck_assert_int_eq(buffer_append(&text, "Subject: x\n\nHello\n", 19), 0);
    put(&s.place, "A.queued", buffer_data(&text));
    scene_open(&s, "recipients_per_transaction = 1000;");
    engine_start(s.engine);
    run_until(&s, "A:deferred");
    later = true;
    engine_flush(s.engine);
    run_until(&s, "A:sent");
    ck_assert_uint_ge(
        test_relay_taken(s.relays[0], ""), 20); /* and as many as postponed ones take */
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "u00010@example.com"), 1);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "u19999@example.com"), 1);
    ck_assert_uint_eq(count_events(&s, "A:delivered:u00001@example.com"), 1);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(many_messages_of_many_recipients)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_buffer_ Buffer text = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    ck_assert_int_eq(buffer_append_string(&text, "X-Sender: <shop@example.org>\n"), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(buffer_appendf(&text, "X-Receiver: <u%02u@example.com>\n", i), 0);
    ck_assert_int_eq(buffer_append(&text, "Subject: x\n\nHello\n", 19), 0);
    for (unsigned i = 0; i < 500; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put(&s.place, name, buffer_data(&text));
    }
    scene_open(&s, "connections = 5;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 500);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 500);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "u99@example.com"), 500);
    assert_names(&s.place, "");
}
END_TEST

/* More names than the backlog holds, and twice as many are gone by the time they come up. */
START_TEST(a_queue_larger_than_the_backlog)
{
    _cleanup_scene_ Scene s = {0};
    unsigned left = 0;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    drop_relay(&s, 0);
    for (unsigned i = 0; i < 9000; i++) {
        char name[256];

        memset(name, 'x', sizeof(name));
        snprintf(name + 190, sizeof(name) - 190, "%05u.queued", i);
        put_message(&s, name, "ann@example.com");
    }
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "held:one:connect");
    for (unsigned i = 0; i < 9000; i++) {
        char name[256];

        memset(name, 'x', sizeof(name));
        snprintf(name + 190, sizeof(name) - 190, "%05u.queued", i);
        if (i % 3 == 0 || unlinkat(s.place.fd, name, 0) < 0) /* some are claimed already */
            left++;
    }
    add_relay(&s, 0, NULL, NULL, "");
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, left);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(names_that_come_to_nothing_do_not_stop_those_behind_them)
{
    _cleanup_scene_ Scene s = {0};
    clock_t started;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_message(&s, "A.queued", "ann@example.com");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "A:sent");
    for (unsigned i = 0; i < 5000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "gone-%u.queued", i);
        put(&s.place, name, "x");
        ck_assert_int_eq(unlinkat(s.place.fd, name, 0), 0);
    }
    put_message(&s, "B.queued", "ann@example.com");
    run_until(&s, "B:sent");
    started = clock(); /* of this process: mounts on the machine wake a watch */
    run_for(&s, USEC_PER_SEC);
    ck_assert_int_lt(clock() - started, CLOCKS_PER_SEC / 2);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/engine: own failures, stops, large numbers");
    TCase *own = tcase_create("own"), *many = tcase_create("many");

    tcase_set_timeout(own, 60);
    tcase_add_test(own, a_record_that_cannot_be_written_keeps_the_message_until_it_can);
    tcase_add_test(own, a_full_disk_does_not_stop_what_can_be_delivered);
    tcase_add_test(own, a_delivered_file_that_cannot_be_deleted_is_not_sent_again);
    tcase_add_test(own, names_that_come_to_nothing_do_not_stop_those_behind_them);
    tcase_add_test(own, a_stop_lets_go_of_what_cannot_be_written);
    tcase_add_test(own, an_engine_freed_with_what_cannot_be_written_leaves_it_to_the_next);
    tcase_add_test(own, one_message_that_nothing_can_be_done_with_does_not_stop_the_others);
    tcase_add_test(own, a_stop_returns_what_is_not_answered_in_time);
    tcase_add_test(own, a_stop_lets_what_is_in_flight_end);
    tcase_add_test(own, an_engine_freed_at_work_returns_its_messages);
    tcase_set_timeout(many, 120);
    tcase_add_test(many, a_message_to_many_recipients);
    tcase_add_test(many, many_messages_of_many_recipients);
    tcase_add_test(many, a_queue_larger_than_the_backlog);
    suite_add_tcase(suite, own);
    suite_add_tcase(suite, many);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
