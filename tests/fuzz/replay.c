/* Runs a fuzz target without a fuzzer, so that `make check` sees every file that was once of
 * interest: over its corpus, and over long inputs that are made of it. Of those many are tried at a
 * moderate length, and the dearest of them at the full one. Must never pass when there is nothing
 * to run. Built with -fsanitize=fuzzer and -DFUZZER, the target is libFuzzer's instead
 * (scripts/prove fuzz).
 *
 * Usage: fuzz_X [-n LONG] [DIRECTORY...]; so many long inputs (60), and without a directory it is
 * tests/fuzz/corpus/X below $srcdir. */
#ifndef FUZZER

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "repeat.h"
#include "target.h"

#define TRIED 60
#define TRIED_BYTES (16 * 1024)
#define DEAREST 3

/* A file and what is repeated in it. */
typedef struct Made {
    size_t file;
    Repeat repeat;
    uint64_t steps;
} Made;

typedef struct Corpus {
    const char *path;
    struct dirent **entries; /* sorted, so that every run is the same */
    Buffer *files;           /* empty where the entry is no file */
    size_t n;
    size_t n_run;
    double per_byte_max; /* steps, of a long input */
    uint64_t steps_max;  /* of any of the corpus */
} Corpus;

static void corpus_done(Corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++) {
        free(corpus->entries[i]);
        buffer_done(&corpus->files[i]);
    }
    free(corpus->entries);
    free(corpus->files);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int corpus_load(Corpus *corpus)
{
    _cleanup_close_ int fd = open(corpus->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int n = fd < 0 ? -1 : scandirat(fd, ".", &corpus->entries, is_visible, alphasort), r = 0;

    if (n < 0)
        return -errno;
    corpus->n = (size_t)n;
    corpus->files = calloc(corpus->n + 1, sizeof(*corpus->files));
    if (!corpus->files)
        return -ENOMEM;
    for (size_t i = 0; i < corpus->n && r >= 0; i++)
        r = file_load(fd, corpus->entries[i]->d_name, FUZZ_INPUT_MAX, &corpus->files[i]);
    return r < 0 ? r : 0;
}

/* The input gets memory of exactly its size, so that a sanitizer sees a read behind it. */
static int run_input(const Buffer *content)
{
    size_t size = buffer_size(content);
    _cleanup_free_
    uint8_t *input = malloc(MAX(size, (size_t)1));

    if (!input)
        return -ENOMEM;
    if (size > 0)
        memcpy(input, buffer_data(content), size);
    LLVMFuzzerTestOneInput(input, size);
    return 0;
}

static int run_files(Corpus *corpus)
{
    int r = 0;

    for (size_t i = 0; i < corpus->n && r == 0; i++) {
        printf("%s\n", corpus->entries[i]->d_name);
        r = run_input(&corpus->files[i]);
        corpus->steps_max = MAX(corpus->steps_max, fuzz_steps());
        corpus->n_run++;
    }
    return r;
}

static int run_made(Corpus *corpus, Made *made, size_t max)
{
    const Buffer *file = &corpus->files[made->file];
    const Repeat *repeat = &made->repeat;
    _cleanup_buffer_ Buffer input = {0};
    int r = repeat_make(repeat, (const uint8_t *)buffer_data(file), buffer_size(file), max, &input);

    if (r < 0)
        return r;
    printf("%s, its bytes %zu to %zu and %zu to %zu repeated up to %zu bytes",
        corpus->entries[made->file]->d_name, repeat->first, repeat->first_end, repeat->second,
        repeat->second_end, max);
    r = run_input(&input);
    made->steps = fuzz_steps();
    printf(": %" PRIu64 " steps\n", made->steps);
    corpus->per_byte_max =
        MAX(corpus->per_byte_max, (double)made->steps / (double)buffer_size(&input));
    corpus->n_run++;
    return r;
}

static int by_steps(const void *a, const void *b)
{
    const Made *first = a, *second = b;

    return (first->steps < second->steps) - (first->steps > second->steps);
}

static int run_long(Corpus *corpus, size_t n)
{
    _cleanup_free_
    Made *tried = calloc(n, sizeof(*tried));
    uint64_t random = 1;
    int r = tried ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++) {
        const Buffer *file = &corpus->files[i * corpus->n / n];

        if (buffer_size(file) == 0)
            continue;
        random = random * 6364136223846793005u + 1442695040888963407u;
        tried[i].file = i * corpus->n / n;
        tried[i].repeat = repeat_choose((RepeatKind)(i % REPEAT_KIND_MAX),
            (const uint8_t *)buffer_data(file), buffer_size(file), random >> 16);
        r = run_made(corpus, &tried[i], TRIED_BYTES);
    }
    if (r == 0)
        qsort(tried, n, sizeof(*tried), by_steps);
    for (size_t i = 0; i < MIN(n, (size_t)DEAREST) && tried[i].steps > 0 && r == 0; i++)
        r = run_made(corpus, &tried[i], FUZZ_INPUT_MAX);
    return r;
}

static int run_directory(const char *path, size_t n_long)
{
    _cleanup_(corpus_done) Corpus corpus = {.path = path};
    int r = corpus_load(&corpus);

    if (r == 0 && corpus.n == 0)
        r = -ENODATA;
    if (r == 0)
        r = run_files(&corpus);
    if (r == 0)
        r = run_long(&corpus, n_long);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return EXIT_FAILURE;
    }
    printf("%s: %zu inputs, of %zu files; up to %" PRIu64
           " steps a file, %.0f a byte of long ones\n",
        path, corpus.n_run, corpus.n, corpus.steps_max, corpus.per_byte_max);
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    const char *target = strstr(program_invocation_short_name, "fuzz_");
    _cleanup_free_
    char *path = NULL;
    size_t n_long = TRIED;
    int c, status = EXIT_SUCCESS;

    while ((c = getopt(argc, argv, "n:")) == 'n')
        n_long = strtoul(optarg, NULL, 10);
    if (c >= 0 || !target)
        return EXIT_FAILURE;
    setvbuf(stdout, NULL, _IONBF, 0); /* what was run last is known when it aborts */
    for (int i = optind; i < argc; i++)
        status |= run_directory(argv[i], n_long);
    if (argc > optind)
        return status;
    if (asprintf(&path, "%s/tests/fuzz/corpus/%s", getenv("srcdir") ?: ".",
            target + strlen("fuzz_")) < 0)
        return EXIT_FAILURE;
    return run_directory(path, n_long);
}

#endif
