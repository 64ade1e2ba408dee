/* spool: who delivers from the directory, and what a stranger can do to that. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spool.h"
#include "spool/presence.h"
#include "unit.h"

static void check_says(const Place *p, unsigned n, const char *text, bool lives)
{
    _cleanup_buffer_ Buffer said = {0};
    bool found = !lives;

    ck_assert_int_eq(presence_look(p->spool, n, &said, &found), 0);
    ck_assert_uint_eq(buffer_size(&said), strlen(text));
    ck_assert_mem_eq(buffer_data(&said), text, strlen(text));
    ck_assert_int_eq(found, lives);
}

static void check_nobody(const Place *p, unsigned n)
{
    _cleanup_buffer_ Buffer said = {0};
    bool lives;

    ck_assert_int_eq(presence_look(p->spool, n, &said, &lives), -ENOENT);
}

static Presence *join(const Place *p, const char *text)
{
    Presence *presence;

    ck_assert_int_eq(presence_new(p->spool, &presence), 0);
    ck_assert_int_eq(presence_say(presence, text, strlen(text)), 0);
    return presence;
}

START_TEST(says_in_place_of_what_it_said)
{
    _cleanup_place_ Place p;
    Presence *presence;

    place_init(&p);
    check_nobody(&p, 0);
    presence = join(&p, "a long text to begin with");
    check_says(&p, 0, "a long text to begin with", true);
    ck_assert_int_eq(presence_say(presence, "short", 5), 0);
    check_says(&p, 0, "short", true);
    presence_free(presence);
    check_says(&p, 0, "short", false);
}
END_TEST

/* There is more to say when things go wrong, and no room to be had then. */
START_TEST(has_room_for_more_than_it_says)
{
    _cleanup_place_ Place p;
    Presence *presence;
    struct stat first, now;
    char text[4000];

    place_init(&p);
    memset(text, 'x', sizeof(text));
    presence = join(&p, "short");
    ck_assert_int_eq(fstatat(p.fd, ".state-1", &first, 0), 0);
    ck_assert_int_ge(first.st_size, 8192);
    ck_assert_int_ge(first.st_blocks * 512, 8192);
    ck_assert_int_eq(presence_say(presence, text, sizeof(text)), 0);
    ck_assert_int_eq(presence_say(presence, "short", 5), 0);
    check_says(&p, 0, "short", true);
    ck_assert_int_eq(fstatat(p.fd, ".state-1", &now, 0), 0);
    ck_assert_int_eq(now.st_size, first.st_size);
    presence_free(presence);
}
END_TEST

START_TEST(a_place_is_taken_again)
{
    _cleanup_place_ Place p;
    Presence *first, *second;

    place_init(&p);
    first = join(&p, "first");
    second = join(&p, "second");
    check_says(&p, 1, "second", true);
    presence_free(first);
    first = join(&p, "third");
    check_says(&p, 0, "third", true);
    check_nobody(&p, 2);
    presence_free(first);
    presence_free(second);
}
END_TEST

START_TEST(no_more_than_there_are_places)
{
    Presence *all[PRESENCE_MAX], *more = NULL;
    _cleanup_place_ Place p;

    place_init(&p);
    for (unsigned i = 0; i < PRESENCE_MAX; i++)
        all[i] = join(&p, "here");
    ck_assert_int_eq(presence_new(p.spool, &more), -EBUSY);
    ck_assert_ptr_null(more);
    for (unsigned i = 0; i < PRESENCE_MAX; i++)
        presence_free(all[i]);
}
END_TEST

/* The lock goes with the process, however it ends. */
START_TEST(of_a_process_that_was_killed)
{
    _cleanup_place_ Place p;
    int ready[2];
    pid_t child;
    char byte;

    place_init(&p);
    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        (void)join(&p, "child");
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    check_says(&p, 0, "child", true);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    check_says(&p, 0, "child", false);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

START_TEST(what_is_too_long_is_not_said)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_place_ Place p;
    Presence *presence;

    place_init(&p);
    presence = join(&p, "before");
    ck_assert_ptr_nonnull(buffer_reserve(&text, PRESENCE_BYTES_MAX + 1));
    memset(buffer_reserve(&text, PRESENCE_BYTES_MAX + 1), 'x', PRESENCE_BYTES_MAX + 1);
    buffer_commit(&text, PRESENCE_BYTES_MAX + 1);
    ck_assert_int_eq(presence_say(presence, buffer_data(&text), PRESENCE_BYTES_MAX + 1), -EFBIG);
    check_says(&p, 0, "before", true);
    ck_assert_int_eq(presence_say(presence, buffer_data(&text), PRESENCE_BYTES_MAX), 0);
    presence_free(presence);
}
END_TEST

/* A text between two marks that differ is one that is being written. */
START_TEST(half_a_text_is_none)
{
    _cleanup_buffer_ Buffer said = {0};
    _cleanup_place_ Place p;
    bool lives;

    place_init(&p);
    put(&p, ".state-1", "00000000000000000002\nnew text, old end\n00000000000000000001\n");
    ck_assert_int_eq(presence_look(p.spool, 0, &said, &lives), -EAGAIN);
    put(&p, ".state-1", "");
    ck_assert_int_eq(presence_look(p.spool, 0, &said, &lives), -EAGAIN);
    put(&p, ".state-1", "00000000000000000002\n00000000000000000002\n");
    ck_assert_int_eq(presence_look(p.spool, 0, &said, &lives), 0);
    ck_assert_uint_eq(buffer_size(&said), 0);
}
END_TEST

#define FORGED "00000000000000000001\nforged\n00000000000000000001\n"

/* Where others may put files, such as a drop box: each thing is not believed, and makes way. */
static void check_makes_way(const Place *p)
{
    Presence *presence;

    check_nobody(p, 0);
    presence = join(p, "ours");
    check_says(p, 0, "ours", true);
    presence_free(presence);
    ck_assert_int_eq(unlinkat(p->fd, ".state-1", 0), 0);
}

START_TEST(strangers_files)
{
    _cleanup_place_ Place p;

    place_init(&p);
    put(&p, "elsewhere", FORGED);
    ck_assert_int_eq(symlinkat("elsewhere", p.fd, ".state-1"), 0);
    {
        _cleanup_buffer_ Buffer said = {0};
        bool lives;

        ck_assert_int_eq(presence_look(p.spool, 0, &said, &lives), -ELOOP);
        ck_assert_int_eq(unlinkat(p.fd, ".state-1", 0), 0);
    }
    ck_assert_int_eq(linkat(p.fd, "elsewhere", p.fd, ".state-1", 0), 0);
    check_makes_way(&p);
    ck_assert_int_eq(mkfifoat(p.fd, ".state-1", 0666), 0);
    check_makes_way(&p);
    put(&p, ".state-1", FORGED);
    ck_assert_int_eq(fchmodat(p.fd, ".state-1", 0666, 0), 0);
    check_makes_way(&p);
    if (geteuid() == 0) {
        put(&p, ".state-1", FORGED);
        ck_assert_int_eq(fchownat(p.fd, ".state-1", 65534, 65534, 0), 0);
        check_makes_way(&p);
    }
    ck_assert_int_eq(symlinkat("elsewhere", p.fd, ".state-1"), 0);
    presence_free(join(&p, "in the place of a link"));
    check_says(&p, 0, "in the place of a link", false);
}
END_TEST

/* Who reads and does not let go keeps no place, and is not taken for a life. */
START_TEST(a_reader_that_does_not_let_go)
{
    _cleanup_place_ Place p;
    _cleanup_close_ int fd = -1;
    Presence *presence;

    place_init(&p);
    presence_free(join(&p, "gone"));
    fd = openat(p.fd, ".state-1", O_RDONLY);
    ck_assert_int_eq(flock(fd, LOCK_SH), 0);
    check_says(&p, 0, "gone", false);
    presence = join(&p, "back");
    check_says(&p, 0, "back", true);
    presence_free(presence);
}
END_TEST

/* Holds a lock as another user, until it is let go. */
static pid_t lock_as_stranger(int fd, int way, int let_go)
{
    int ready[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0 || flock(fd, way | LOCK_NB) < 0)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        close(ready[1]);
        (void)!read(let_go, &byte, 1);
        _exit(0);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

/* Whoever may open a file may lock it: that makes nobody a daemon, and keeps no place from one. */
START_TEST(a_lock_of_another_user)
{
    _cleanup_place_ Place p;
    _cleanup_close_ int file = -1, directory = -1;
    Presence *presence;
    pid_t children[2];
    int let_go[2];

    if (geteuid() != 0)
        return;
    place_init(&p);
    ck_assert_int_eq(pipe(let_go), 0);
    directory = openat(p.fd, ".", O_RDONLY | O_DIRECTORY);
    children[1] = lock_as_stranger(directory, LOCK_SH, let_go[0]);
    ck_assert(!presence_is_anybody(p.spool));
    presence_free(join(&p, "gone"));
    file = openat(p.fd, ".state-1", O_RDONLY);
    children[0] = lock_as_stranger(file, LOCK_EX, let_go[0]);
    check_says(&p, 0, "gone", false);
    presence = join(&p, "back");
    check_says(&p, 0, "back", true);
    presence_free(presence);
    ck_assert_int_eq(write(let_go[1], "xx", 2), 2);
    close(let_go[0]);
    close(let_go[1]);
    for (size_t i = 0; i < ELEMENTSOF(children); i++) {
        int status;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

static void set_age(const Place *p, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

    ck_assert_int_eq(utimensat(p->fd, ".state-1", times, 0), 0);
}

/* Silence counts from the last sign of life, whenever and however often somebody asks. */
static void wait_in_vain(const Place *p, usec_t seconds)
{
    _cleanup_buffer_ Buffer out = {0};
    bool lives;

    ck_assert_int_eq(presence_look(p->spool, 0, &out, &lives), 0);
    ck_assert_uint_ge(
        clock_age(presence_await_answer(p->spool, 0, clock_monotonic()), clock_realtime()),
        seconds * USEC_PER_SEC);
}

/* The same again, where it was this one's file, and not more than once a second. */
START_TEST(an_answer)
{
    _cleanup_place_ Place p;
    Presence *presence;

    place_init(&p);
    presence = join(&p, "here");
    set_age(&p, 100);
    presence_answer(presence, ".state-2", USEC_PER_MINUTE);
    wait_in_vain(&p, 100);
    presence_answer(presence, ".state-1", USEC_PER_MINUTE);
    ck_assert_uint_eq(presence_await_answer(p.spool, 0, clock_monotonic()), 0);
    check_says(&p, 0, "here", true);
    set_age(&p, 100);
    presence_answer(presence, ".state-1", USEC_PER_MINUTE + USEC_PER_SEC - 1);
    ck_assert_uint_gt(presence_await_answer(p.spool, 0, clock_monotonic()), 0);
    presence_answer(presence, ".state-1", USEC_PER_MINUTE + USEC_PER_SEC);
    ck_assert_uint_eq(presence_await_answer(p.spool, 0, clock_monotonic()), 0);
    check_says(&p, 0, "here", true);
    presence_free(presence);
}
END_TEST

START_TEST(a_file_that_was_taken_away)
{
    _cleanup_place_ Place p;
    Presence *presence;

    place_init(&p);
    presence = join(&p, "here");
    ck_assert_int_eq(unlinkat(p.fd, ".state-1", 0), 0);
    ck_assert_int_eq(presence_say(presence, "x", 1), -ENOENT);
    put(&p, ".state-1", FORGED);
    ck_assert_int_eq(presence_say(presence, "x", 1), -ESTALE);
    check_says(&p, 0, "forged\n", false);
    presence_free(presence);
}
END_TEST

/* Read by those who may list the directory, and by nobody else. */
START_TEST(who_may_read)
{
    static const mode_t modes[][2] = {{0700, 0600}, {03730, 0600}, {0750, 0640}, {0755, 0644}};
    _cleanup_place_ Place p;
    struct stat st;

    place_init(&p);
    for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
        ck_assert_int_eq(fchmod(p.fd, modes[i][0]), 0);
        presence_free(join(&p, "here"));
        ck_assert_int_eq(fstatat(p.fd, ".state-1", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, modes[i][1]);
        ck_assert_int_eq(unlinkat(p.fd, ".state-1", 0), 0);
    }
}
END_TEST

/* Also where no file can be made: told by the directory itself, as long as it is open. */
START_TEST(that_somebody_is_there)
{
    _cleanup_failure_ Failure f = {0};
    Spool *other = NULL;
    _cleanup_place_ Place p;

    place_init(&p);
    ck_assert_int_eq(spool_open(p.path, &other, &f), 0);
    ck_assert_int_eq(presence_is_anybody(p.spool), false);
    {
        _cleanup_(presence_free_p) Presence *presence = NULL;

        ck_assert_int_eq(presence_new(other, &presence), 0);
    }
    ck_assert_int_eq(presence_is_anybody(p.spool), true);
    spool_free(other);
    ck_assert_int_eq(presence_is_anybody(p.spool), false);
}
END_TEST

/* What holds the name and cannot be taken away costs that place, and no more. */
START_TEST(a_directory_in_its_place)
{
    _cleanup_place_ Place p;
    Presence *presence;

    place_init(&p);
    ck_assert_int_eq(mkdirat(p.fd, ".state-1", 0755), 0);
    presence = join(&p, "second");
    check_says(&p, 1, "second", true);
    ck_assert(!presence_has_no_place(p.spool));
    presence_free(presence);
}
END_TEST

START_TEST(directories_in_all_places)
{
    _cleanup_place_ Place p;
    Presence *presence = NULL;

    place_init(&p);
    for (unsigned n = 1; n <= PRESENCE_MAX; n++) {
        char name[16];

        snprintf(name, sizeof(name), ".state-%u", n);
        ck_assert_int_eq(mkdirat(p.fd, name, 0755), 0);
    }
    ck_assert_int_eq(presence_new(p.spool, &presence), -EBUSY);
    ck_assert(presence_has_no_place(p.spool));
    ck_assert_int_eq(presence_find_process(p.spool), getpid());
}
END_TEST

START_TEST(who_passes_leaves_nothing)
{
    _cleanup_place_ Place p;
    Presence *presence = NULL;

    place_init(&p);
    presence_free(join(&p, "a daemon that has ended"));
    ck_assert_int_eq(presence_new_passing(p.spool, &presence), 0);
    ck_assert_int_eq(presence_say(presence, "passing", 7), 0);
    check_says(&p, PRESENCE_MAX - 1, "passing", true);
    presence_free(presence);
    check_nobody(&p, PRESENCE_MAX - 1);
    check_says(&p, 0, "a daemon that has ended", false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool presence");
    TCase *tests = tcase_create("all"), *waiting = tcase_create("waits for seconds");

    tcase_add_test(tests, says_in_place_of_what_it_said);
    tcase_add_test(tests, has_room_for_more_than_it_says);
    tcase_add_test(tests, a_place_is_taken_again);
    tcase_add_test(tests, who_passes_leaves_nothing);
    tcase_add_test(tests, no_more_than_there_are_places);
    tcase_add_test(tests, of_a_process_that_was_killed);
    tcase_add_test(tests, what_is_too_long_is_not_said);
    tcase_add_test(tests, half_a_text_is_none);
    tcase_add_test(tests, strangers_files);
    tcase_add_test(tests, a_reader_that_does_not_let_go);
    tcase_add_test(tests, a_lock_of_another_user);
    tcase_add_test(tests, a_file_that_was_taken_away);
    tcase_add_test(tests, who_may_read);
    tcase_add_test(tests, that_somebody_is_there);
    tcase_add_test(tests, a_directory_in_its_place);
    tcase_add_test(tests, directories_in_all_places);
    tcase_set_timeout(waiting, 120);
    tcase_add_test(waiting, an_answer);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, waiting);
    return unit_run(suite);
}
