/* Runs a fuzz target over its corpus without a fuzzer, so that `make check` sees every file that
 * was once of interest. Must never pass when there is nothing to run. Built with -fsanitize=fuzzer
 * and -DFUZZER, the target is libFuzzer's instead (scripts/prove fuzz).
 *
 * Usage: fuzz_X [DIRECTORY...]; without one it is tests/fuzz/corpus/X below $srcdir. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define INPUT_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef FUZZER

static void closedir_p(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* The input gets memory of exactly its size, so that a sanitizer sees a read behind it. */
static int run_file(int directory_fd, const char *name)
{
    _cleanup_buffer_ Buffer content = {0};
    _cleanup_free_
    uint8_t *input = NULL;
    size_t size;
    int r = file_load(directory_fd, name, INPUT_MAX, &content);

    if (r < 0)
        return r;
    size = buffer_size(&content);
    input = malloc(MAX(size, (size_t)1));
    if (!input)
        return -ENOMEM;
    if (size > 0)
        memcpy(input, buffer_data(&content), size);
    LLVMFuzzerTestOneInput(input, size);
    return 0;
}

/* How many files were run, or a negative errno. */
static int run_directory(const char *path)
{
    _cleanup_(closedir_p) DIR *directory = opendir(path);
    struct dirent *entry;
    int count = 0, r;

    if (!directory)
        return -errno;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        r = run_file(dirfd(directory), entry->d_name);
        if (r < 0)
            return r;
        count++;
    }
    return count;
}

static int report(const char *path, int count)
{
    if (count > 0)
        printf("%s: %d inputs\n", path, count);
    else
        fprintf(stderr, "%s: %s\n", path, count < 0 ? strerror(-count) : "no inputs");
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
    const char *target = strstr(program_invocation_short_name, "fuzz_");
    _cleanup_free_
    char *path = NULL;
    int status = EXIT_SUCCESS;

    for (int i = 1; i < argc; i++)
        status |= report(argv[i], run_directory(argv[i]));
    if (argc > 1 || !target)
        return argc > 1 ? status : EXIT_FAILURE;
    if (asprintf(&path, "%s/tests/fuzz/corpus/%s", getenv("srcdir") ?: ".",
            target + strlen("fuzz_")) < 0)
        return EXIT_FAILURE;
    return report(path, run_directory(path));
}

#endif
