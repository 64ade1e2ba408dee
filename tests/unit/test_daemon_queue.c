/* daemon: serving a directory with the real engine, its loss and its return. The relay's port is
 * closed: what matters here never leaves the machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/macros.h"
#include "daemon/queue.h"
#include "settings/load.h"
#include "unit.h"

#define PATIENCE (120 * USEC_PER_SEC)

static char base[64], directory[80];
static sd_event *loop;
static Log *log_;
static Config *config;
static Worker *worker;
static Queue *queue;
static Buffer events; /* " EVENT" for each entry */
static unsigned idle_calls;

static int capture(_unused_ void *user, const Entry *entry)
{
    for (size_t i = 0; i < entry->n_fields; i++) {
        const struct iovec *field = &entry->fields[i];
        static const char name[] = "OUTBOX_EVENT=";

        if (field->iov_len > strlen(name) && memcmp(field->iov_base, name, strlen(name)) == 0)
            ck_assert_int_eq(buffer_appendf(&events, " %.*s", (int)(field->iov_len - strlen(name)),
                                 (const char *)field->iov_base + strlen(name)),
                0);
    }
    return 0;
}

static void on_changed(_unused_ void *user)
{
}

static void on_health(_unused_ void *user)
{
}

static void on_idle(_unused_ void *user)
{
    idle_calls++;
}

static void on_message(_unused_ void *user, _unused_ const MessageReport *report)
{
}

static void on_outcome(_unused_ void *user, _unused_ const OutcomeReport *report)
{
}

static void on_relay(_unused_ void *user, _unused_ const RelayReport *report)
{
}

static void on_problem(_unused_ void *user, _unused_ const ProblemReport *report)
{
}

static const QueueHandlers handlers = {
    .changed = on_changed,
    .health = on_health,
    .idle = on_idle,
    .outcome = on_outcome,
    .message = on_message,
    .problem = on_problem,
    .relay = on_relay,
};

static const char *seen(void)
{
    ck_assert_ptr_nonnull(buffer_reserve(&events, 1));
    events.memory[events.end] = '\0';
    return buffer_data(&events);
}

static void run_until_event(const char *event)
{
    usec_t end = clock_monotonic() + PATIENCE;

    while (!strstr(seen(), event) && clock_monotonic() < end)
        ck_assert_int_ge(sd_event_run(loop, USEC_PER_SEC / 10), 0);
    ck_assert_msg(strstr(seen(), event), "no%s among%s", event, seen());
}

static void run_for(usec_t span)
{
    usec_t end = clock_monotonic() + span;

    while (clock_monotonic() < end)
        ck_assert_int_ge(sd_event_run(loop, USEC_PER_SEC / 20), 0);
}

static void run_until_idle(void)
{
    usec_t end = clock_monotonic() + PATIENCE;

    while (idle_calls == 0 && clock_monotonic() < end)
        ck_assert_int_ge(sd_event_run(loop, USEC_PER_SEC / 20), 0);
}

static char *at(const char *name)
{
    static char paths[2][160];
    static int turn;

    turn = !turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static void write_file(const char *name)
{
    static const char text[] = "From: a@example.org\nTo: b@example.org\n\nHello\n";
    _cleanup_close_ int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
}

static void setup(void)
{
    _cleanup_failure_ Failure f = {0};
    char text[256];
    int r;

    strcpy(base, "/tmp/outbox-queue-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(directory, sizeof(directory), "%s/queue", base);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    snprintf(text, sizeof(text),
        "spool = { directory = \"%s\"; };\n"
        "relays = ( { name = \"closed\"; host = \"127.0.0.1\"; port = 1; tls = \"none\"; } );\n",
        directory);
    r = config_load_text("test", text, strlen(text), NULL, &config, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_int_ge(sd_event_new(&loop), 0);
    ck_assert_int_eq(worker_new(&worker), 0);
    ck_assert_int_eq(log_new_sink(capture, capture, NULL, &log_), 0);
    idle_calls = 0;
}

static void open_queue(void)
{
    _cleanup_failure_ Failure f = {0};
    int r = queue_new(loop, log_, worker, config, &handlers, NULL, &queue, &f);

    ck_assert_msg(r == 0, "%s", failure_text(&f));
}

static void teardown(void)
{
    char command[128];

    queue_free(TAKE_PTR(queue));
    config_unref(config);
    (void)worker_unref(worker);
    sd_event_unref(loop);
    log_free(log_);
    buffer_done(&events);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(an_empty_directory_makes_idle_and_no_wake_ups)
{
    EngineStatistics statistics;

    open_queue();
    run_until_idle();
    run_for(USEC_PER_SEC / 5);
    ck_assert_uint_eq(idle_calls, 1);
    ck_assert(queue_statistics(queue, &statistics));
    ck_assert_uint_eq(statistics.relays, 1);
    /* A second without a wake-up; a mount somewhere on this machine may spoil one. */
    for (int tries = 0; sd_event_run(loop, USEC_PER_SEC) != 0; tries++)
        ck_assert_int_lt(tries, 20);
    ck_assert_str_eq(seen(), "");
}
END_TEST

START_TEST(a_directory_that_is_missing_is_refused)
{
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_int_lt(queue_new(loop, log_, worker, config, &handlers, NULL, &queue, &f), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), directory));
}
END_TEST

START_TEST(a_directory_that_vanishes_is_served_again_when_it_is_back)
{
    EngineStatistics statistics;
    char moved[96];

    open_queue();
    snprintf(moved, sizeof(moved), "%s/moved", base);
    ck_assert_int_eq(rename(directory, moved), 0);
    run_until_event(" directory-lost");
    ck_assert(!queue_statistics(queue, &statistics));
    run_for(4 * USEC_PER_SEC); /* it tries, and does not say so */
    ck_assert_str_eq(seen(), " directory-lost");
    ck_assert_int_eq(rename(moved, directory), 0);
    queue_flush(queue);
    run_until_event(" directory-back");
    ck_assert(queue_statistics(queue, &statistics));
    write_file("A.queued");
    run_until_event(" relay-held");
}
END_TEST

START_TEST(a_directory_that_is_replaced_is_noticed)
{
    char moved[96];

    open_queue();
    snprintf(moved, sizeof(moved), "%s/moved", base);
    ck_assert_int_eq(rename(directory, moved), 0);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    run_until_event(" directory-lost directory-back");
    write_file("A.queued");
    run_until_event(" relay-held");
}
END_TEST

START_TEST(a_sending_file_without_a_process_is_taken_over)
{
    int fd;

    open_queue();
    run_for(USEC_PER_SEC / 5);
    write_file(".A");
    fd = open(at(".A"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(rename(at(".A"), at("A.sending")), 0);
    run_for(USEC_PER_SEC / 5);
    close(fd);
    run_until_event(" recovered");
}
END_TEST

START_TEST(a_stop_ends_in_idle)
{
    open_queue();
    write_file("A.queued");
    run_until_event(" relay-held");
    queue_stop(queue, clock_monotonic() + USEC_PER_SEC);
    idle_calls = 0;
    run_until_idle();
    run_for(USEC_PER_SEC / 5);
    ck_assert_uint_eq(idle_calls, 1);
    ck_assert_int_eq(access(at("A.queued"), F_OK), 0);
}
END_TEST

START_TEST(a_stop_without_a_directory_is_over_at_once)
{
    open_queue();
    ck_assert_int_eq(rmdir(directory), 0);
    run_until_event(" directory-lost");
    idle_calls = 0;
    queue_stop(queue, clock_monotonic() + USEC_PER_HOUR);
    run_until_idle();
    ck_assert_uint_eq(idle_calls, 1);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/queue");
    TCase *tc = tcase_create("queue");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_empty_directory_makes_idle_and_no_wake_ups);
    tcase_add_test(tc, a_directory_that_is_missing_is_refused);
    tcase_add_test(tc, a_directory_that_vanishes_is_served_again_when_it_is_back);
    tcase_add_test(tc, a_directory_that_is_replaced_is_noticed);
    tcase_add_test(tc, a_sending_file_without_a_process_is_taken_over);
    tcase_add_test(tc, a_stop_ends_in_idle);
    tcase_add_test(tc, a_stop_without_a_directory_is_over_at_once);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
