/* The progress bar. */
#include "tool/progress.h"

#include <stdio.h>
#include <unistd.h>

#define TOTAL_MIN ((uint64_t)1024 * 1024) /* bytes; less is over before it can be read */
#define WIDTH 40
#define MIB (1024.0 * 1024.0)

void progress_start(Progress *p, uint64_t total)
{
    bool visible = total >= TOTAL_MIN && isatty(STDERR_FILENO);

    *p = (Progress){.total = visible ? total : 0, .shown = -1};
}

void progress_add(Progress *p, uint64_t n)
{
    static const char bar[WIDTH + 1] = "########################################";
    int percent;

    p->done += n;
    if (p->total == 0)
        return;
    percent = p->done >= p->total ? 100 : (int)(p->done * 100 / p->total);
    if (percent == p->shown)
        return;
    p->shown = percent;
    fprintf(stderr, "\r[%-*.*s] %3d %%  %.1f of %.1f MiB", WIDTH, percent * WIDTH / 100, bar,
        percent, (double)p->done / MIB, (double)p->total / MIB);
    fflush(stderr);
}

void progress_end(Progress *p)
{
    if (p->total > 0 && p->shown >= 0)
        fputc('\n', stderr);
    p->total = 0;
}
