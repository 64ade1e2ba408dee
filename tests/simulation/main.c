/* Runs schedules: those that are named in a file, and those of seeds. A seed that fails is shrunk
 * and printed as a line for that file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "process.h"
#include "run.h"
#include "settings.h"
#include "shrink.h"

#define PROGRESS 100000 /* seeds */

typedef struct Options {
    const char *file, *schedule;
    unsigned long long from, seeds;
    unsigned seconds; /* of processor time; 0: any */
    bool shows;
} Options;

static double processor_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static bool run_text(const char *name, const char *text, bool shows)
{
    Schedule schedule;
    const char *what = "no schedule";
    Fault fault = FAULT_WRONG;

    if (schedule_parse(&schedule, text))
        fault = run_schedule(&schedule, shows, &what);
    if (fault != FAULT_NONE)
        printf("FAIL %s: %s: %s\n", name, fault_name(fault), what);
    schedule_done(&schedule);
    return fault == FAULT_NONE;
}

/* A line each, "NAME: SCHEDULE"; '#' begins a remark. */
static bool run_file(const char *path, unsigned *ret_n)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool ok = file != NULL;

    if (!file)
        printf("FAIL %s: %s\n", path, strerror(errno));
    while (file && getline(&line, &size, file) > 0) {
        char *colon = strchr(line, ':');

        if (line[0] == '#' || !colon)
            continue;
        *colon = '\0';
        ok &= run_text(line, colon + 1, false);
        ++*ret_n;
    }
    free(line);
    if (file)
        (void)fclose(file);
    return ok;
}

/* Finds out which decisions it was, and which of them matter. */
static void explain(unsigned long long seed, Fault fault)
{
    Schedule schedule;
    const char *what;

    schedule_init_seed(&schedule, seed);
    schedule.records = true;
    (void)run_schedule(&schedule, false, &what);
    schedule.listed = true;
    schedule.seed = 0;
    shrink(&schedule, fault);
    printf("%s-%llu: ", fault_name(fault), seed);
    schedule_print(&schedule);
    schedule_done(&schedule);
}

static bool run_seed(unsigned long long seed, bool shows)
{
    Schedule schedule;
    const char *what;
    Fault fault;

    schedule_init_seed(&schedule, seed);
    fault = run_schedule(&schedule, shows, &what);
    if (fault == FAULT_NONE)
        return true;
    printf("FAIL seed %llu: %s: %s\n", seed, fault_name(fault), what);
    (void)fflush(stdout);
    if (!shows)
        explain(seed, fault);
    return false;
}

/* True when none failed. */
static bool run_seeds(const Options *options, unsigned long long *ret_n)
{
    double begin = processor_seconds();
    unsigned failed = 0;

    for (*ret_n = 0; *ret_n < options->seeds && failed < 5; ++*ret_n) {
        if (options->seconds > 0 && processor_seconds() - begin > options->seconds)
            break;
        failed += !run_seed(options->from + *ret_n, options->shows);
        if ((*ret_n + 1) % PROGRESS == 0)
            printf("# %llu seeds\n", *ret_n + 1), (void)fflush(stdout);
    }
    return failed == 0;
}

static void print_figures(unsigned named, unsigned long long n, double seconds)
{
    const Figures *f = &figures_of_runs;

    printf(
        "simulation: %u named schedules and %llu seeds in %.1f s (%.0f a second); %llu processes, "
        "%llu outcomes, %llu rounds; all had ended %.1f h after the last fault\n",
        named, n, seconds, (double)n / MAX(seconds, 0.001), f->processes, f->outcomes, f->rounds,
        (double)f->slowest / (double)USEC_PER_HOUR);
}

static int usage(void)
{
    fprintf(stderr, "simulation [--named FILE] [--seeds N] [--from SEED] [--seconds N] "
                    "[--schedule TEXT] [--show]\n");
    return 64;
}

static bool parse(Options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--show") == 0) {
            o->shows = true;
            continue;
        }
        if (!value)
            return false;
        if (strcmp(argv[i], "--named") == 0)
            o->file = value;
        else if (strcmp(argv[i], "--schedule") == 0)
            o->schedule = value;
        else if (strcmp(argv[i], "--seeds") == 0)
            o->seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            o->from = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            o->seconds = (unsigned)strtoul(value, NULL, 10);
        else
            return false;
        i++;
    }
    return true;
}

/* Without arguments it is a test of `make check`: so many seeds, or what a slow machine can do. */
static void set_test(Options *o, char *path, size_t size)
{
    const char *source = getenv("srcdir");

    snprintf(path, size, "%s/tests/simulation/schedules", source ? source : ".");
    *o = (Options){.file = path, .from = 1, .seeds = 4000, .seconds = 15};
}

int main(int argc, char **argv)
{
    char path[4096];
    Options options = {.from = 1};
    unsigned long long n = 0;
    unsigned named = 0;
    double begin = processor_seconds();
    bool ok;

    if (argc == 1)
        set_test(&options, path, sizeof(path));
    else if (!parse(&options, argc, argv))
        return usage();
    ok = !options.schedule || run_text("this schedule", options.schedule, options.shows);
    ok &= !options.file || run_file(options.file, &named);
    ok &= run_seeds(&options, &n);
    if (!options.schedule)
        print_figures(named, n, processor_seconds() - begin);
    settings_end();
    return ok ? 0 : 1;
}
