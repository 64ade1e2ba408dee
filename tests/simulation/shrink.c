/* Takes decisions away as long as the failure stays. */
#include "shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define RUNS_MAX 2000

static unsigned n_runs;

static bool fails(const Decided *list, size_t n, Fault fault)
{
    Schedule schedule;
    const char *what;
    Fault found;

    n_runs++;
    schedule_init_list(&schedule, list, n);
    found = run_schedule(&schedule, false, &what);
    schedule_done(&schedule);
    return found == fault;
}

/* Without those from `from` on. True when that fails too: then they are gone. */
static bool try_without(Schedule *s, size_t from, size_t n, Fault fault)
{
    Decided *less = malloc(s->n * sizeof(Decided));
    size_t left = s->n - n;
    bool same;

    if (!less)
        abort();
    memcpy(less, s->list, from * sizeof(Decided));
    memcpy(less + from, s->list + from + n, (left - from) * sizeof(Decided));
    same = fails(less, left, fault);
    if (same) {
        memcpy(s->list, less, left * sizeof(Decided));
        s->n = left;
    }
    free(less);
    return same;
}

/* Chunks of a size, from the end. True when one went. */
static bool take_chunks(Schedule *s, size_t size, Fault fault)
{
    bool went = false;

    for (size_t end = s->n; end > 0 && n_runs<RUNS_MAX; end = end> size ? end - size : 0) {
        size_t from = end > size ? end - size : 0;

        if (end <= s->n)
            went |= try_without(s, from, end - from, fault);
    }
    return went;
}

static bool lower(Schedule *s, Fault fault)
{
    bool went = false;

    for (size_t i = 0; i < s->n && n_runs < RUNS_MAX; i++) {
        unsigned value = s->list[i].value;

        for (unsigned less = 1; less < value && n_runs < RUNS_MAX;
             less = less * 2 < value ? less * 2 : value) {
            s->list[i].value = less;
            if (fails(s->list, s->n, fault)) {
                went = true;
                break;
            }
            s->list[i].value = value;
        }
    }
    return went;
}

void shrink(Schedule *s, Fault fault)
{
    bool went;

    n_runs = 0;
    if (!fails(s->list, s->n, fault))
        return;
    do {
        went = false;
        for (size_t size = MAX(s->n / 2, (size_t)1);; size /= 2) {
            went |= take_chunks(s, size, fault);
            if (size <= 1)
                break;
        }
        went |= lower(s, fault);
    } while (went && n_runs < RUNS_MAX);
}
