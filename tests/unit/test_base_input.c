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

/* Whether such a look is possible where this file is; asking may have its pages read. */
static bool looks_are_possible(int fd)
{
    char byte;
    const struct iovec part = {.iov_base = &byte, .iov_len = 1};

    return preadv2(fd, &part, 1, 0, RWF_NOWAIT) == 1 || errno == EAGAIN;
}

/* Says so without having anything read; the kernel need not have dropped what it was told to. */
static bool is_in_memory(int fd)
{
    unsigned char pages[1] = {0};
    void *map = mmap(NULL, strlen(TEXT), PROT_READ, MAP_SHARED, fd, 0);

    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mincore(map, strlen(TEXT), pages), 0);
    ck_assert_int_eq(munmap(map, strlen(TEXT)), 0);
    return pages[0] & 1;
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

START_TEST(a_file_knows_whether_it_was_on_the_disk)
{
    _cleanup_close_ int asked = file_on_disk(), fd = file_on_disk();
    bool on_disk = looks_are_possible(asked) && !is_in_memory(fd);

    ck_assert_int_eq(says_on_disk(fd), on_disk);
    ck_assert(!says_on_disk(fd));
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
