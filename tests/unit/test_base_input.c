/* base/input: files and memory, read from any place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/file.h"
#include "base/input.h"
#include "unit.h"

#define TEXT "0123456789"

static int memory_file(void)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, TEXT, strlen(TEXT)), 0);
    return fd;
}

/* The whole text, its parts, what is behind its end. */
static void check_reading(Input *input)
{
    char got[100] = "";

    ck_assert_uint_eq(input->size, strlen(TEXT));
    ck_assert_int_eq(input_read_at(input, got, sizeof(got), 0), strlen(TEXT));
    ck_assert_str_eq(got, TEXT);
    ck_assert_int_eq(input_read_at(input, got, 2, 3), 2);
    ck_assert_mem_eq(got, "342", 3);
    ck_assert_int_eq(input_read_at(input, got, 5, 9), 1);
    ck_assert_int_eq(got[0], '9');
    ck_assert_int_eq(input_read_at(input, got, 5, 10), 0);
    ck_assert_int_eq(input_read_at(input, got, 5, 11), 0);
    ck_assert_int_eq(input_read_at(input, got, 5, INT64_MAX - 5), 0);
    ck_assert(!input->was_on_disk);
}

START_TEST(memory_is_read)
{
    InputMemory input;

    input_memory_init(&input, TEXT, strlen(TEXT));
    check_reading(&input.base);
}
END_TEST

START_TEST(a_file_is_read_and_its_offset_left_alone)
{
    _cleanup_close_ int fd = memory_file();
    InputFile input;

    ck_assert_int_eq(lseek(fd, 4, SEEK_SET), 4);
    input_file_init(&input, fd, strlen(TEXT));
    check_reading(&input.base);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 4);
}
END_TEST

START_TEST(failures_are_handed_up)
{
    _cleanup_close_ int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    InputFile input;
    char byte;

    input_file_init(&input, -1, 1);
    ck_assert_int_eq(input_read_at(&input.base, &byte, 1, 0), -EBADF);
    ck_assert(!input.base.was_on_disk);
    input_file_init(&input, directory, 1);
    ck_assert_int_eq(input_read_at(&input.base, &byte, 1, 0), -EISDIR);
}
END_TEST

/* A file that, where /tmp is not in memory, the disk has to be asked for. */
static int file_on_disk(void)
{
    char path[] = "/tmp/outbox-input-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(file_write_all(fd, TEXT, strlen(TEXT)), 0);
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    return fd;
}

/* Whether a look that does not wait finds nothing; the disk may be quick enough for it. */
static bool would_wait(int fd)
{
    char byte;
    const struct iovec part = {.iov_base = &byte, .iov_len = 1};

    return preadv2(fd, &part, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

static bool says_on_disk(int fd)
{
    char got[sizeof(TEXT)] = "";
    InputFile input;

    input_file_init(&input, fd, strlen(TEXT));
    ck_assert_int_eq(input_read_at(&input.base, got, strlen(TEXT), 0), strlen(TEXT));
    ck_assert_str_eq(got, TEXT);
    return input.base.was_on_disk;
}

/* Which of two files the disk is quick enough for is chance: where one in ten is waited for, some
 * of two hundred others are too. */
START_TEST(a_file_knows_whether_it_was_on_the_disk)
{
    unsigned waited = 0, said = 0;

    for (unsigned tries = 0; tries < 200 && said == 0; tries++) {
        _cleanup_close_ int asked = file_on_disk(), fd = file_on_disk();

        waited += would_wait(asked);
        said += says_on_disk(fd);
        ck_assert(!says_on_disk(fd));
    }
    ck_assert(said > 0 || waited < 20);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("base/input");
    TCase *tcase = tcase_create("input");

    tcase_add_test(tcase, memory_is_read);
    tcase_add_test(tcase, a_file_is_read_and_its_offset_left_alone);
    tcase_add_test(tcase, failures_are_handed_up);
    tcase_add_test(tcase, a_file_knows_whether_it_was_on_the_disk);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
