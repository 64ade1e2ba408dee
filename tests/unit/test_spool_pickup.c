/* spool: files of a pickup directory become messages, each once, whatever they are and whenever the
 * process dies. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "base/errors.h"
#include "killed.h"
#include "spool.h"
#include "spool/pickup.h"
#include "spool/unstuff.h"
#include "unit.h"

#define WHOLE "X-Sender: <a@lab.test>\r\nX-Receiver: <b@lab.test>\r\nSubject: x\r\n\r\n.x\r\n..\r\n"

static char source[64];
static int source_fd = -1;

static void source_init(void)
{
    strcpy(source, "/tmp/outbox-pickup-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(source));
    source_fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(source_fd, 0);
}

static Place source_place(void)
{
    Place p = {.fd = source_fd};

    strcpy(p.path, source);
    return p;
}

static void source_done(void)
{
    Place p = source_place();

    place_empty(&p);
    close(source_fd);
    ck_assert_int_eq(rmdir(source), 0);
}

static SpoolPickup pickup_of(const Place *p)
{
    return (SpoolPickup){.queue = p->path, .directory = source, .pattern = "*.eml"};
}

/* All that is there, with as many passes as that takes. Returns how many were taken. */
static size_t pass(const SpoolPickup *pickup, bool recovers)
{
    size_t taken = 0;
    bool more = true;

    while (more) {
        _cleanup_failure_ Failure f = {0};
        SpoolPickupResult result;
        int r = spool_pickup_pass(pickup, recovers, &result, &f);

        ck_assert_msg(r == 0, "%s", failure_text(&f));
        for (size_t i = 0; i < result.n; i++)
            taken += result.files[i].id != NULL;
        more = result.has_more;
        spool_pickup_result_done(&result);
    }
    return taken;
}

/* How many names of the directory end so; the last one's is kept. */
static size_t count(const char *directory, const char *suffix, char ret[static 256])
{
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(stream))) {
        size_t length = strlen(entry->d_name);

        if (length >= strlen(suffix) &&
            strcmp(entry->d_name + length - strlen(suffix), suffix) == 0) {
            snprintf(ret, 256, "%s", entry->d_name);
            n++;
        }
    }
    closedir(stream);
    return n;
}

START_TEST(a_file_is_taken)
{
    _cleanup_place_ Place p;
    Place from;
    SpoolPickup pickup;
    char name[256], expected[200];
    struct stat st;
    _cleanup_free_
    char *text = NULL;

    place_init(&p);
    source_init();
    from = source_place();
    pickup = pickup_of(&p);
    put(&from, "a.eml", "\xef\xbb\xbf" WHOLE);
    put(&from, "a.txt", WHOLE);
    put(&from, ".a.eml", WHOLE);
    ck_assert_uint_eq(pass(&pickup, true), 1);
    assert_names(&from, ".a.eml a.txt ");
    ck_assert_uint_eq(count(p.path, ".queued", name), 1);
    text = content(&p, name);
    snprintf(expected, sizeof(expected), "X-Outbox-Uid: %u\n" WHOLE, geteuid());
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(fstatat(p.fd, name, &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0400);
    ck_assert_uint_eq(pass(&pickup, false), 0);
    source_done();
}
END_TEST

START_TEST(very_many_files_are_taken_each_once)
{
    _cleanup_place_ Place p;
    Place from;
    SpoolPickup pickup;
    char name[256];

    place_init(&p);
    source_init();
    from = source_place();
    pickup = pickup_of(&p);
    for (int i = 0; i < 300; i++) {
        char file[32];

        snprintf(file, sizeof(file), "%d.eml", i);
        put(&from, file, WHOLE);
    }
    ck_assert_uint_eq(pass(&pickup, true), 300);
    ck_assert_uint_eq(count(p.path, ".queued", name), 300);
    assert_names(&from, "");
    source_done();
}
END_TEST

START_TEST(dots_are_taken_away_where_that_is_said)
{
    _cleanup_place_ Place p;
    Place from;
    SpoolPickup pickup;
    char name[256];
    _cleanup_free_
    char *text = NULL;

    place_init(&p);
    source_init();
    from = source_place();
    pickup = pickup_of(&p);
    pickup.dot_stuffed = true;
    put(&from, "a.eml", "Subject: x\r\n\r\n..x\r\n...\r\n.\r\n");
    put(&from, "b.eml", "Subject: x\r\n\r\n.\r\nand more\r\n");
    ck_assert_uint_eq(pass(&pickup, true), 1);
    assert_names(&from, "b.eml.bad b.eml.bad.reason ");
    ck_assert_uint_eq(count(p.path, ".queued", name), 1);
    text = content(&p, name);
    ck_assert_ptr_nonnull(strchr(text, '\n'));
    ck_assert_str_eq(strchr(text, '\n') + 1, "Subject: x\r\n\r\n.x\r\n..\r\n");
    source_done();
}
END_TEST

/* In one piece, and byte by byte. */
static void check_unstuffed(const char *stuffed, const char *expected, bool has_more)
{
    for (size_t step = 1; step <= strlen(stuffed); step += strlen(stuffed) - 1) {
        _cleanup_buffer_ Buffer out = {0};
        Unstuff u = {0};

        for (size_t at = 0; at < strlen(stuffed); at += step)
            ck_assert_int_eq(unstuff(&u, stuffed + at, step, &out), 0);
        ck_assert_int_eq(buffer_append(&out, "", 1), 0);
        ck_assert_str_eq(buffer_data(&out), expected);
        ck_assert_int_eq(u.has_more, has_more);
    }
}

START_TEST(dots)
{
    check_unstuffed("..a\n.b\nc.\n", ".a\nb\nc.\n", false);
    check_unstuffed("a\r\n.\r\n\r\n", "a\r\n", false);
    check_unstuffed("a\n.\nb", "a\n", true);
    check_unstuffed(".\rx\n..", "\rx\n.", false);
    check_unstuffed("a\n.", "a\n", false);
}
END_TEST

START_TEST(what_is_no_message_is_put_aside)
{
    _cleanup_place_ Place p;
    Place from;
    SpoolPickup pickup;
    SpoolPickupResult result;
    _cleanup_free_
    char *reason = NULL;
    char name[256];

    place_init(&p);
    source_init();
    from = source_place();
    pickup = pickup_of(&p);
    pickup.max_bytes = 100;
    ck_assert_int_eq(mkfifoat(source_fd, "fifo.eml", 0666), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", source_fd, "link.eml"), 0);
    ck_assert_int_eq(mkdirat(source_fd, "directory.eml", 0755), 0);
    put(&from, "empty.eml", "");
    put(&from, "huge.eml",
        "Subject: 12345678901234567890123456789012345678901234567890123456789012345678901234567890"
        "1234567890\n\nx\n");
    put(&from, "good.eml", "Subject: x\n\nx\n");
    ck_assert_int_eq(spool_pickup_pass(&pickup, true, &result, NULL), 0);
    ck_assert_uint_eq(result.n, 6);
    ck_assert_uint_eq(result.n_bad, 5);
    ck_assert_ptr_nonnull(result.bad);
    spool_pickup_result_done(&result);
    ck_assert_uint_eq(count(source, ".bad", name), 5);
    /* A name that is taken stays, and all are counted again by the next pass. */
    put(&from, "empty.eml", "");
    ck_assert_int_eq(spool_pickup_pass(&pickup, true, &result, NULL), 0);
    ck_assert_uint_eq(result.n, 1);
    ck_assert_uint_ge(result.n_bad, 6);
    spool_pickup_result_done(&result);
    ck_assert_uint_eq(count(source, ".bad", name), 6);
    ck_assert_uint_eq(count(source, ".eml", name), 0);
    ck_assert_uint_eq(count(p.path, ".queued", name), 1);
    reason = content(&from, "link.eml.bad.reason");
    ck_assert_ptr_nonnull(strstr(reason, "symbolic link, which is not followed"));
    source_done();
}
END_TEST

START_TEST(who_still_writes_is_waited_for)
{
    _cleanup_place_ Place p;
    SpoolPickup pickup;
    int fd;

    place_init(&p);
    source_init();
    pickup = pickup_of(&p);
    fd = openat(source_fd, "a.eml", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_eq(file_write_all(fd, "Subject: x\n", 11), 0);
    ck_assert_uint_eq(pass(&pickup, true), 0);
    ck_assert_int_eq(file_write_all(fd, "\nx\n", 3), 0);
    close(fd);
    ck_assert_uint_eq(pass(&pickup, false), 1);
    source_done();
}
END_TEST

START_TEST(a_second_link_is_waited_for)
{
    _cleanup_place_ Place p;
    Place from;
    SpoolPickup pickup;
    SpoolPickupResult result;

    place_init(&p);
    source_init();
    from = source_place();
    pickup = pickup_of(&p);
    put(&from, "a", WHOLE);
    ck_assert_int_eq(linkat(source_fd, "a", source_fd, "a.eml", 0), 0);
    ck_assert_int_eq(spool_pickup_pass(&pickup, true, &result, NULL), 0);
    ck_assert_uint_eq(result.n, 0);
    ck_assert_uint_gt(result.again, 0);
    spool_pickup_result_done(&result);
    ck_assert_int_eq(unlinkat(source_fd, "a", 0), 0);
    ck_assert_uint_eq(pass(&pickup, false), 1);
    source_done();
}
END_TEST

START_TEST(directories_that_cannot_be_used_are_told)
{
    _cleanup_place_ Place p;
    static const struct {
        const char *path, *said;
        mode_t mode;
        int result;
    } cases[] = {
        {"/nowhere/at/all", "there is no such pickup directory; make it", 0, -ENOENT},
        {"/etc/passwd", "cannot open the pickup directory", 0, -ENOTDIR},
        {NULL, "everybody may rename, replace and remove", 0777, 1},
        {NULL, "", 0700, 0},
        {NULL, "", 01777, 0},
    };

    place_init(&p);
    source_init();
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_failure_ Failure f = {0};

        if (cases[i].mode)
            ck_assert_int_eq(chmod(source, cases[i].mode), 0);
        ck_assert_int_eq(spool_pickup_check(p.path, cases[i].path ?: source, &f), cases[i].result);
        ck_assert_ptr_nonnull(strstr(f.text ?: "", cases[i].said));
    }
    {
        _cleanup_failure_ Failure f = {0};

        ck_assert_int_eq(spool_pickup_check(p.path, p.path, &f), -EINVAL);
        ck_assert_ptr_nonnull(strstr(f.text, "is the queue directory itself"));
    }
    source_done();
}
END_TEST

/* ---- deaths ---- */

static void take_once(const Place *p, int marks)
{
    SpoolPickup pickup = pickup_of(p);
    SpoolPickupResult result;

    (void)marks;
    if (spool_pickup_pass(&pickup, true, &result, NULL) < 0)
        _exit(10);
}

START_TEST(a_death_at_any_time_neither_loses_nor_doubles)
{
    bool killed = true;
    char name[256];

    for (int stop = 1; killed; stop++) {
        _cleanup_place_ Place p;
        Place from;
        SpoolPickup pickup;
        int marks;

        place_init(&p);
        source_init();
        from = source_place();
        pickup = pickup_of(&p);
        put(&from, "a.eml", WHOLE);
        killed = run_until(take_once, &p, stop, &marks);
        /* What is queued may have been sent by now. */
        if (count(p.path, ".queued", name) > 0)
            assert_names(&from, "");
        (void)pass(&pickup, true);
        ck_assert_msg(count(p.path, ".queued", name) == 1, "stop %d", stop);
        assert_names(&from, "");
        (void)pass(&pickup, true);
        ck_assert_uint_eq(count(p.path, ".queued", name), 1);
        source_done();
    }
}
END_TEST

START_TEST(what_a_former_directory_left_is_queued)
{
    bool staged = false;
    char name[256];

    for (int stop = 1; !staged; stop++) {
        _cleanup_place_ Place p;
        Place from;
        const char *same[1];
        bool waits;
        int marks;

        place_init(&p);
        source_init();
        from = source_place();
        put(&from, "a.eml", WHOLE);
        ck_assert(run_until(take_once, &p, stop, &marks));
        if (count(p.path, ".queued", name) == 0 && faccessat(source_fd, "a.eml", F_OK, 0) < 0) {
            staged = true;
            same[0] = source;
            ck_assert_int_eq(spool_pickup_recover_others(p.path, NULL, same, 1, &waits, NULL), 0);
            ck_assert_uint_eq(count(p.path, ".queued", name), 0);
            ck_assert_int_eq(spool_pickup_recover_others(p.path, NULL, NULL, 0, &waits, NULL), 0);
            ck_assert_uint_eq(count(p.path, ".queued", name), 1);
        }
        source_done();
    }
}
END_TEST

/* A database that plays a part. */
typedef struct Database {
    int errors[4], numbers[4]; /* of what is put, in turn */
    int ready_for;             /* it is away after so many were asked for */
    int asked, put;
} Database;

static int database_ready(void *user, Failure *f)
{
    Database *d = user;

    return d->asked++ < d->ready_for ? 0 : failure_set(f, -ECONNREFUSED, ERROR_DATABASE, "away");
}

static int database_put(void *user, _unused_ SpoolPickupMessage *message, Failure *f)
{
    Database *d = user;
    int i = d->put++;

    return d->errors[i] == 0 ? 0 : failure_set(f, d->errors[i], d->numbers[i], "put %d", i);
}

/* Three copies of a former directory's are put there. Returns how many are left. */
static size_t put_former(Database *d, int *ret, bool *ret_waits, Failure *f)
{
    const SpoolPickupSink sink = {.ready = database_ready, .put = database_put, .user = d};
    _cleanup_place_ Place p;
    char name[256];
    size_t left = 0;

    place_init(&p);
    put(&p, ".pickup-0-1-1", WHOLE);
    put(&p, ".pickup-0-1-2", WHOLE);
    put(&p, ".pickup-0-1-3", WHOLE);
    *ret = spool_pickup_recover_others(p.path, &sink, NULL, 0, ret_waits, f);
    for (int i = 1; i <= 3; i++) {
        snprintf(name, sizeof(name), ".pickup-0-1-%d", i);
        left += there(&p, name);
    }
    return left;
}

START_TEST(a_database_that_goes_away_is_asked_once)
{
    _cleanup_failure_ Failure f = {0};
    Database d = {.errors = {-ECONNRESET}, .numbers = {ERROR_DATABASE}, .ready_for = 1};
    bool waits;
    int r;

    ck_assert_uint_eq(put_former(&d, &r, &waits, &f), 3);
    ck_assert_int_eq(r, -ECONNREFUSED);
    ck_assert_int_eq(f.number, ERROR_DATABASE);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "waits: away"));
    ck_assert_int_eq(d.asked, 2);
    ck_assert_int_eq(d.put, 1);
    ck_assert(waits);
}
END_TEST

START_TEST(a_message_that_waits_for_the_database_is_told)
{
    _cleanup_failure_ Failure f = {0};
    Database d = {
        .errors = {-ECONNRESET, 1, 0}, .numbers = {ERROR_DATABASE, ERROR_MESSAGE}, .ready_for = 3};
    bool waits;
    int r;

    ck_assert_uint_eq(put_former(&d, &r, &waits, &f), 2);
    ck_assert_int_eq(r, -ECONNRESET);
    ck_assert_int_eq(f.number, ERROR_DATABASE);
    ck_assert_int_eq(d.put, 3);
    ck_assert(waits);
}
END_TEST

START_TEST(what_is_no_message_does_not_wait_for_the_database)
{
    _cleanup_failure_ Failure f = {0};
    Database d = {.errors = {1}, .numbers = {ERROR_MESSAGE}, .ready_for = 3};
    bool waits;
    int r;

    ck_assert_uint_eq(put_former(&d, &r, &waits, &f), 1);
    ck_assert_int_eq(r, -EBADMSG);
    ck_assert(!waits);
}
END_TEST

START_TEST(what_a_database_does_not_have_is_no_copy_that_is_gone)
{
    _cleanup_failure_ Failure f = {0};
    Database d = {.errors = {-ENOENT}, .numbers = {ERROR_CONFIGURATION}, .ready_for = 3};
    bool waits;
    int r;

    ck_assert_uint_eq(put_former(&d, &r, &waits, &f), 1);
    ck_assert_int_eq(r, -ENOENT);
    ck_assert_int_eq(f.number, ERROR_CONFIGURATION);
    ck_assert(waits);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("spool/pickup");
    TCase *tcase = tcase_create("pickup");

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_file_is_taken);
    tcase_add_test(tcase, very_many_files_are_taken_each_once);
    tcase_add_test(tcase, dots_are_taken_away_where_that_is_said);
    tcase_add_test(tcase, dots);
    tcase_add_test(tcase, what_is_no_message_is_put_aside);
    tcase_add_test(tcase, who_still_writes_is_waited_for);
    tcase_add_test(tcase, a_second_link_is_waited_for);
    tcase_add_test(tcase, directories_that_cannot_be_used_are_told);
    tcase_add_test(tcase, a_death_at_any_time_neither_loses_nor_doubles);
    tcase_add_test(tcase, what_a_former_directory_left_is_queued);
    tcase_add_test(tcase, a_database_that_goes_away_is_asked_once);
    tcase_add_test(tcase, a_message_that_waits_for_the_database_is_told);
    tcase_add_test(tcase, what_is_no_message_does_not_wait_for_the_database);
    tcase_add_test(tcase, what_a_database_does_not_have_is_no_copy_that_is_gone);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
