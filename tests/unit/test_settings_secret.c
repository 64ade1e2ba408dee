/* settings: secrets from files, commands and credentials. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "settings/command.h"
#include "settings/secret_source.h"
#include "unit.h"

static char directory[] = "/tmp/outbox-secret-XXXXXX";

static void make_directory(void)
{
    strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static char *put(const char *name, const void *text, size_t n, mode_t mode)
{
    char *path;
    _cleanup_close_ int fd = -1;

    ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(file_write_all(fd, text, n), 0);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    return path;
}

static void expect_secret(SecretSource source, const char *expected)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_secret_ Secret *secret = NULL;
    int r = secret_source_fetch(&source, NULL, &secret, &f);

    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_str_eq(secret_text(secret), expected);
    ck_assert(secret_source_is_set(&source));
}

static void expect_failure(SecretSource source, int result, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    Secret *secret = NULL;

    ck_assert_int_eq(secret_source_fetch(&source, NULL, &secret, &f), result);
    ck_assert_ptr_null(secret);
    ck_assert_msg(strstr(failure_text(&f), text) != NULL, "%s", failure_text(&f));
    ck_assert_ptr_null(strstr(failure_text(&f), "hunter2"));
}

START_TEST(values_are_shared)
{
    _cleanup_secret_ Secret *value = secret_new("v", 1), *fetched = NULL;
    SecretSource none = {0};

    expect_secret((SecretSource){.value = value}, "v");
    ck_assert_int_eq(secret_source_fetch(&none, NULL, &fetched, NULL), 0);
    ck_assert_ptr_null(fetched);
    ck_assert(!secret_source_is_set(&none));
}
END_TEST

START_TEST(files_give_their_first_line)
{
    static const struct {
        const char *content, *secret;
    } cases[] = {{"hunter2\n", "hunter2"}, {"hunter2", "hunter2"}, {"hunter2\r\nmore\n", "hunter2"},
        {" a b \n", " a b "}, {"\xef\xbb\xbfhunter2\r\n", "hunter2"}};
    _cleanup_free_
    char *path = NULL;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        free(path);
        path = put("p", cases[i].content, strlen(cases[i].content), 0640);
        expect_secret((SecretSource){.file = path}, cases[i].secret);
    }
}
END_TEST

START_TEST(files_must_be_private_and_hold_something)
{
    _cleanup_free_
    char *open_to_all = put("open", "hunter2\n", 8, 0604);
    _cleanup_free_
    char *empty = put("empty", "\nhunter2", 8, 0600);
    _cleanup_free_
    char *binary = put("binary", "hunt\0er2", 8, 0600);
    _cleanup_free_
    char *wide = put("wide", "\xff\xfeh\0u\0\n\0", 8, 0600);
    _cleanup_free_
    char *mark = put("mark", "\xef\xbb\xbf\n", 4, 0600);
    _cleanup_free_
    char *of_group = put("group", "hunter2\n", 8, 0640);
    _cleanup_buffer_ Buffer large = {0};
    _cleanup_free_
    char *large_path = NULL;
    struct stat st;

    if (geteuid() == 0)
        ck_assert_int_eq(chown(of_group, (uid_t)-1, 64013), 0);
    for (int i = 0; i < 70000; i++)
        ck_assert_int_eq(buffer_append(&large, "x", 1), 0);
    large_path = put("large", buffer_data(&large), buffer_size(&large), 0600);
    expect_failure((SecretSource){.file = open_to_all}, -EPERM, "run `chmod 600 ");
    ck_assert_int_eq(stat(of_group, &st), 0);
    if (st.st_gid != 0)
        expect_failure((SecretSource){.file = of_group, .queue = {geteuid(), st.st_gid}}, -EPERM,
            ", whose members may queue, can read the secret in ");
    expect_failure((SecretSource){.file = empty}, -ENODATA, "is empty, or not text");
    expect_failure((SecretSource){.file = binary}, -ENODATA, "or not text");
    expect_failure((SecretSource){.file = wide}, -ENODATA, "or not text");
    expect_failure((SecretSource){.file = mark}, -ENODATA, "is empty");
    expect_failure((SecretSource){.file = large_path}, -EFBIG, "cannot read the secret in ");
    expect_failure((SecretSource){.file = directory}, -EINVAL, "is not a regular file");
    expect_failure((SecretSource){.file = (char *)"/nonexistent/p"}, -ENOENT,
        "cannot read the secret in /nonexistent/p: No such file or directory");
}
END_TEST

START_TEST(commands_print_it)
{
    expect_secret((SecretSource){.command = (char *)"printf 'hunter2\\nmore'"}, "hunter2");
    expect_secret((SecretSource){.command = (char *)"cat; echo \"$((1 + 1))\""}, "2");
    expect_failure(
        (SecretSource){.command = (char *)"echo hunter$((1+1)); echo no key >&2; exit 3"}, -EPROTO,
        "failed with status 3 and said \"no key\"; try it in a shell");
    expect_failure(
        (SecretSource){.command = (char *)"/nonexistent"}, -EPROTO, "status 127 and said ");
    expect_failure(
        (SecretSource){.command = (char *)"kill -9 $$"}, -EPROTO, "was ended by signal 9; try");
    expect_failure((SecretSource){.command = (char *)"true"}, -ENODATA, "ASCII or UTF-8; try it");
    expect_failure((SecretSource){.command = (char *)"echo; printf 'no\\033key\\n' >&2"}, -ENODATA,
        "in ASCII or UTF-8 and said \"no\\x1bkey\"; try it");
    expect_failure((SecretSource){.command = (char *)"head -c 100000 /dev/zero"}, -EPROTO,
        "printed more than 65536 bytes");
}
END_TEST

static const CommandUse use = COMMAND_USE("the command", "print the secret and exit");

/* Who runs it says what it is, and what it must do; what is shown of it is one line. */
START_TEST(commands_are_named_by_their_use)
{
    static const struct {
        const char *command, *text;
    } cases[] = {
        {"sleep 20", "pager_command `first\\x0asecond` was not done after 0 s and was ended; it "
                     "must read and exit"},
        {"exit 3", "pager_command `first\\x0asecond` failed with status 3; try it in a shell as "
                   "the same user"},
        {"echo 12345; echo no >&2",
            "pager_command `first\\x0asecond` printed more than 5 bytes; it "
            "must read and exit"},
    };
    CommandUse pager = COMMAND_USE("pager_command", "read and exit");

    pager.shown = "first\nsecond";
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};
        _cleanup_buffer_ Buffer out = {0};

        ck_assert_int_lt(
            command_run(cases[i].command, &pager, USEC_PER_SEC / 5, 5, &out, NULL, NULL, &f), 0);
        ck_assert_str_eq(failure_text(&f), cases[i].text);
    }
}
END_TEST

static void wait_until_gone(pid_t pid)
{
    for (int i = 0; i < 6000; i++) {
        char path[40], state = 'Z';
        FILE *stat_file;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        stat_file = fopen(path, "re");
        if (!stat_file)
            return;
        if (fscanf(stat_file, "%*d %*s %c", &state) != 1)
            state = 'Z';
        fclose(stat_file);
        if (state == 'Z')
            return;
        usleep(10000);
    }
    ck_abort_msg("the command's child lives on");
}

START_TEST(commands_end_in_time_with_all_they_started)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer out = {0};
    usec_t before = clock_monotonic();
    pid_t pid;

    ck_assert_int_eq(command_run("sleep 900 & echo $!; wait", &use, USEC_PER_SEC / 5, 1000, &out,
                         NULL, NULL, &f),
        -ETIMEDOUT);
    ck_assert_uint_lt(clock_monotonic() - before, 300 * USEC_PER_SEC);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "was not done after 0 s and was ended"));
    ck_assert_int_eq(buffer_append(&out, "", 1), 0);
    pid = atoi(buffer_data(&out));
    ck_assert_int_gt(pid, 1);
    wait_until_gone(pid);
}
END_TEST

/* An agent that it starts may keep its output open. */
START_TEST(commands_may_leave_something_behind)
{
    static const char *const commands[] = {
        "sleep 900 & echo $!", "sleep 900 >/dev/null & echo $!", "sleep 900 2>/dev/null & echo $!"};

    for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
        _cleanup_failure_ Failure f = {0};
        _cleanup_buffer_ Buffer out = {0};
        pid_t pid;

        ck_assert_int_eq(
            command_run(commands[i], &use, 600 * USEC_PER_SEC, 1000, &out, NULL, NULL, &f), 0);
        ck_assert_int_eq(buffer_append(&out, "", 1), 0);
        pid = atoi(buffer_data(&out));
        ck_assert_int_gt(pid, 1);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    }
}
END_TEST

START_TEST(commands_that_close_their_output_and_stay_are_ended)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(
        command_run("exec >&- 2>&-; sleep 20", &use, USEC_PER_SEC / 5, 1000, &out, NULL, NULL, &f),
        -ETIMEDOUT);
}
END_TEST

static char *path_of(const char *name)
{
    char *path;

    ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
    return path;
}

static void wait_for_file(const char *name)
{
    _cleanup_free_
    char *path = path_of(name);

    while (access(path, F_OK) < 0)
        usleep(1000);
}

typedef struct Run {
    CommandStop stop;
    char command[300];
    Buffer out;
    int result;
} Run;

static void *run(void *user)
{
    Run *r = user;

    r->result = command_run(r->command, &use, USEC_PER_HOUR, 1000, &r->out, NULL, &r->stop, NULL);
    return NULL;
}

START_TEST(commands_can_be_stopped)
{
    Run r = {.result = 0};
    _cleanup_free_
    char *go = path_of("go");
    pthread_t thread;

    for (int early = 0; early < 2; early++) {
        command_stop_init(&r.stop);
        snprintf(r.command, sizeof(r.command), "sleep 900 & echo $!; >%s; wait", go);
        if (early)
            command_stop(&r.stop);
        ck_assert_int_eq(pthread_create(&thread, NULL, run, &r), 0);
        if (!early) {
            wait_for_file("go");
            command_stop(&r.stop);
        }
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(r.result, -ECANCELED);
        if (!early) {
            ck_assert_int_eq(buffer_append(&r.out, "", 1), 0);
            wait_until_gone(atoi(buffer_data(&r.out)));
        }
        command_stop(&r.stop); /* there is nothing to stop any more */
        command_stop_done(&r.stop);
    }
    ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    buffer_done(&r.out);
}
END_TEST

typedef struct Reaper {
    bool over, found; /* a child */
} Reaper;

static void *reap_all(void *user)
{
    Reaper *reaper = user;

    while (!__atomic_load_n(&reaper->over, __ATOMIC_ACQUIRE)) {
        reaper->found |= waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
        usleep(100);
    }
    return NULL;
}

/* A program may ignore SIGCHLD, wait for all its children, and have no standard streams. */
START_TEST(commands_are_nothing_to_the_program_around)
{
    int streams[3];
    pthread_t thread;
    Reaper reaper = {0};

    for (int i = 0; i < 3; i++)
        streams[i] = dup(i);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    ck_assert_int_eq(pthread_create(&thread, NULL, reap_all, &reaper), 0);
    for (int i = 0; i < 20; i++) {
        expect_secret((SecretSource){.command = (char *)"echo hunter2"}, "hunter2");
        expect_failure((SecretSource){.command = (char *)"exit 3"}, -EPROTO, "status 3");
        expect_failure((SecretSource){.command = (char *)"kill $$"}, -EPROTO, "signal 15");
    }
    __atomic_store_n(&reaper.over, true, __ATOMIC_RELEASE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(!reaper.found);
    for (int i = 0; i < 3; i++)
        (void)close(i);
    expect_secret(
        (SecretSource){.command = (char *)"echo wrong >&2; cat; echo hunter2"}, "hunter2");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(dup2(streams[i], i), i);
    signal(SIGCHLD, SIG_DFL);
}
END_TEST

/* What was said in time counts, however late this process comes to look. */
START_TEST(commands_are_read_before_their_time_is_judged)
{
    _cleanup_free_
    char *ready = path_of("ready"), *go = path_of("go"), *done = path_of("done");
    char command[400];
    int status;
    pid_t pid;

    snprintf(command, sizeof(command),
        ">%s; while [ ! -e %s ]; do sleep 0.01; done; echo hunter2; >%s", ready, go, done);
    pid = fork();
    if (pid == 0) {
        Buffer out = {0};

        _exit(command_run(command, &use, 2 * USEC_PER_SEC, 1000, &out, NULL, NULL, NULL) != 0);
    }
    wait_for_file("ready");
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    wait_for_file("done");
    sleep(3);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static const int ends[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP};

/* With all it started: by the shell itself, and by what the shell waits for. */
START_TEST(commands_end_with_a_program_that_is_killed)
{
    _cleanup_free_
    char *ready = path_of("ready");
    char command[300];
    pid_t pid = fork(), own, shell, child;
    FILE *file;

    snprintf(command, sizeof(command),
        "trap '' TERM INT HUP; sleep 900 & echo $$ $! >%s.new; mv %s.new %s; sleep 900", ready,
        ready, ready);
    if (pid == 0) {
        Buffer out = {0};

        (void)signal(ends[_i], SIG_DFL);
        _exit(command_run(command, &use, USEC_PER_HOUR, 1000, &out, NULL, NULL, NULL) != 0);
    }
    wait_for_file("ready");
    file = fopen(ready, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%d %d", &shell, &child), 2);
    fclose(file);
    own = getpgid(shell);
    ck_assert_int_ne(own, getpgrp());
    ck_assert_int_eq(kill(pid, ends[_i]), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    wait_until_gone(shell);
    wait_until_gone(child);
    for (int i = 0; i < 1500 && kill(-own, 0) == 0; i++)
        usleep(10000);
    ck_assert_int_lt(kill(-own, 0), 0);
}
END_TEST

START_TEST(credentials_are_those_of_systemd)
{
    SecretSource source = {.credential = (char *)"smtp"};

    unsetenv("CREDENTIALS_DIRECTORY");
    expect_failure(source, -ENOENT, "CREDENTIALS_DIRECTORY is not set; add LoadCredential=smtp:");
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    expect_failure(source, -ENOENT, "cannot read the credential \"smtp\"");
    free(put("smtp", "hunter2\n", 8, 0444));
    expect_secret(source, "hunter2");
    expect_failure((SecretSource){.credential = (char *)"../smtp"}, -EINVAL, "is not a plain name");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings/secret");
    TCase *t = tcase_create("secret");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, values_are_shared);
    tcase_add_test(t, files_give_their_first_line);
    tcase_add_test(t, files_must_be_private_and_hold_something);
    tcase_add_test(t, commands_print_it);
    tcase_add_test(t, commands_are_named_by_their_use);
    tcase_add_test(t, commands_end_in_time_with_all_they_started);
    tcase_add_test(t, commands_that_close_their_output_and_stay_are_ended);
    tcase_add_test(t, commands_can_be_stopped);
    tcase_add_test(t, commands_may_leave_something_behind);
    tcase_add_test(t, commands_are_nothing_to_the_program_around);
    tcase_add_test(t, commands_are_read_before_their_time_is_judged);
    tcase_add_loop_test(t, commands_end_with_a_program_that_is_killed, 0, (int)ELEMENTSOF(ends));
    tcase_add_test(t, credentials_are_those_of_systemd);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
