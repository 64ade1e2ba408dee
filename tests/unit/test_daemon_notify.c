/* daemon: what the service manager is told, by one that reads and by one that does not. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/notify.h"
#include "unit.h"

static char path[64];
static int manager;
static sd_event *loop;
static Notify *notify;
static unsigned others; /* datagrams that fill the manager's queue */

static void setup(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)unsetenv("WATCHDOG_USEC");
    strcpy(path, "/tmp/outbox-notify-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
    strcat(path, "/socket");
    strcpy(address.sun_path, path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_ge(sd_event_new(&loop), 0);
    others = 0;
}

static void teardown(void)
{
    notify_free(notify);
    notify = NULL;
    (void)sd_event_unref(loop);
    close(manager);
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

/* The next datagram that is not one of the others; "" when there is none. */
static const char *next(void)
{
    static char text[1024];
    ssize_t n;

    do {
        n = recv(manager, text, sizeof(text) - 1, 0);
        text[MAX(n, 0)] = '\0';
    } while (strcmp(text, "OTHER=1") == 0);
    return text;
}

static void fill_the_queue(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    while (sendto(fd, "OTHER=1", 7, 0, (struct sockaddr *)&address, sizeof(address)) == 7)
        others++;
    ck_assert_uint_gt(others, 0);
    close(fd);
}

static void new_notify(void)
{
    ck_assert_int_ge(notify_new(loop, path, &notify), 0);
}

START_TEST(changes_are_told_with_the_status)
{
    new_notify();
    notify_ready(notify, "idle");
    ck_assert_str_eq(next(), "READY=1\nSTATUS=idle");
    notify_status(notify, "idle");
    ck_assert_str_eq(next(), "");
    notify_status(notify, "busy");
    ck_assert_str_eq(next(), "STATUS=busy");
    notify_reloading(notify);
    ck_assert_int_eq(strncmp(next(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    notify_ready(notify, "busy");
    ck_assert_str_eq(next(), "READY=1\nSTATUS=busy");
    notify_stopping(notify, "busy", 5000000);
    ck_assert_str_eq(next(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\nSTATUS=busy");
    ck_assert_str_eq(next(), "");
}
END_TEST

/* Runs the loop until the manager gets something of ours. */
static const char *await(void)
{
    const char *text;

    while (text = next(), *text == '\0')
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    return text;
}

START_TEST(no_change_is_lost_with_a_manager_that_does_not_read)
{
    new_notify();
    fill_the_queue();
    notify_ready(notify, "one");
    notify_reloading(notify);
    notify_ready(notify, "two");
    ck_assert_int_eq(strncmp(await(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    ck_assert_str_eq(await(), "READY=1\nSTATUS=two");
    fill_the_queue();
    notify_reloading(notify);
    notify_stopping(notify, "three", 1);
    ck_assert_str_eq(await(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=1\nSTATUS=three");
    ck_assert_str_eq(next(), "");
}
END_TEST

START_TEST(a_status_goes_with_what_is_said_next)
{
    new_notify();
    fill_the_queue();
    notify_status(notify, "one");
    /* It armed no timer: nothing is waited for. */
    ck_assert_int_eq(sd_event_run(loop, 0), 0);
    ck_assert_str_eq(next(), "");
    notify_status(notify, "one");
    ck_assert_str_eq(next(), "STATUS=one");
}
END_TEST

START_TEST(a_manager_that_is_gone_is_tried_again)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    new_notify();
    close(manager);
    notify_ready(notify, "one");
    ck_assert_int_eq(unlink(path), 0);
    strcpy(address.sun_path, path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_str_eq(await(), "READY=1\nSTATUS=one");
}
END_TEST

START_TEST(the_watchdog_is_fed_and_never_waits)
{
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "50000", 1), 0);
    (void)unsetenv("WATCHDOG_PID");
    new_notify();
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(await(), "WATCHDOG=1");
    fill_the_queue();
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(sd_event_run(loop, UINT64_MAX), 0);
    ck_assert_str_eq(await(), "WATCHDOG=1");
}
END_TEST

START_TEST(without_a_manager_nothing_is_said)
{
    static const char *const addresses[] = {NULL, "", "/", "vsock:2:1", "relative"};

    for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
        ck_assert_int_ge(notify_new(loop, addresses[i], &notify), 0);
        notify_ready(notify, "one");
        notify_reloading(notify);
        notify_stopping(notify, "two", 1);
        ck_assert_int_eq(sd_event_run(loop, 0), 0);
        notify_free(notify);
    }
    notify = NULL;
}
END_TEST

START_TEST(an_abstract_address_is_taken)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int n = snprintf(name, sizeof(name), "@outbox-notify-%d", (int)getpid());

    close(manager);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
        0);
    ck_assert_int_ge(notify_new(loop, name, &notify), 0);
    notify_ready(notify, "one");
    ck_assert_str_eq(next(), "READY=1\nSTATUS=one");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon/notify");
    TCase *tc = tcase_create("notify");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, changes_are_told_with_the_status);
    tcase_add_test(tc, no_change_is_lost_with_a_manager_that_does_not_read);
    tcase_add_test(tc, a_status_goes_with_what_is_said_next);
    tcase_add_test(tc, a_manager_that_is_gone_is_tried_again);
    tcase_add_test(tc, the_watchdog_is_fed_and_never_waits);
    tcase_add_test(tc, without_a_manager_nothing_is_said);
    tcase_add_test(tc, an_abstract_address_is_taken);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
