/* What is known of a message's earlier attempts. Must never let a recipient that was delivered to
 * be forgotten: what cannot be read is a failure. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "spool/internal.h"
#include "spool/scan.h"

/* ---- addresses ---- */

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Domains are compared without case: a copy of the address with its domain in small letters. */
static char *normalize(const char *address)
{
    char *copy = strdup(address);

    for (char *c = copy ? strrchr(copy, '@') : NULL; c && *c; c++)
        *c = fold(*c);
    return copy;
}

/* strcmp() of the address, as if normalized, and one that is. */
static int compare_address(const char *address, const char *normalized)
{
    const char *at = strrchr(address, '@');

    for (; *address; address++, normalized++) {
        char c = at && address >= at ? fold(*address) : *address;

        if (c != *normalized)
            return (unsigned char)c - (unsigned char)*normalized;
    }
    return *normalized ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_address(char ***list, size_t *n, const char *address)
{
    /* Room is doubled whenever the number reaches a power of two. */
    if ((*n & (*n - 1)) == 0) {
        char **more = reallocarray(*list, *n > 0 ? *n * 2 : 1, sizeof(*more));

        if (!more)
            return -ENOMEM;
        *list = more;
    }
    (*list)[*n] = normalize(address);
    if (!(*list)[*n])
        return -ENOMEM;
    (*n)++;
    return 0;
}

static void sort_addresses(char **list, size_t n)
{
    if (n > 0)
        qsort(list, n, sizeof(*list), compare);
}

static void free_addresses(char ***list, size_t *n)
{
    while (*n > 0)
        free((*list)[--*n]);
    free(*list);
    *list = NULL;
}

static bool has_address(char *const *list, size_t n, const char *address)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_address(address, list[middle]);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

int spool_history_add_delivered(SpoolHistory *h, const char *recipient)
{
    return recipient ? add_address(&h->delivered, &h->n_delivered, recipient) : 0;
}

int spool_history_add_refused(SpoolHistory *h, const char *recipient)
{
    return recipient ? add_address(&h->refused, &h->n_refused, recipient) : 0;
}

void spool_history_forget_refused(SpoolHistory *h)
{
    free_addresses(&h->refused, &h->n_refused);
}

void spool_history_sort(SpoolHistory *h)
{
    sort_addresses(h->delivered, h->n_delivered);
    sort_addresses(h->refused, h->n_refused);
}

/* ---- reading ---- */

int spool_history_parse(const char *data, size_t n, SpoolHistory *ret)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};

    for (size_t at = 0; at < n;) {
        const char *newline = memchr(data + at, '\n', n - at);
        size_t end = newline ? (size_t)(newline - data) : n;
        RecordLine line = {data + at, end - at, at, MIN(end + 1, n) - at};
        int r = record_scan_add(&scan, &line);

        if (r < 0)
            return r;
        at = end + 1;
    }
    record_scan_end(&scan);
    *ret = scan.history;
    scan.history = (SpoolHistory){0};
    return 0;
}

static int cannot_read(const Spool *spool, const char *id, int error, Failure *f)
{
    return failure_set_errno(
        f, error, "%s/%s.status: cannot read the delivery record", spool->path, id);
}

int spool_history_load_id(const Spool *spool, const char *id, SpoolHistory *ret, Failure *f)
{
    _cleanup_close_ int fd = spool_record_open(spool, id, O_RDONLY, f);
    _cleanup_(record_scan_done) RecordScan scan = {0};
    int r;

    *ret = (SpoolHistory){0};
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = record_scan_file(&scan, fd);
    if (r < 0)
        return cannot_read(spool, id, r, f);
    *ret = scan.history;
    scan.history = (SpoolHistory){0};
    return 0;
}

int spool_history_load(SpoolClaim *claim, Failure *f)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    _cleanup_close_ int fd = -1;
    int r;

    if (claim->loaded)
        return 0;
    fd = spool_record_open(claim->spool, claim->id, O_RDONLY, f);
    if (fd < 0 && fd != -ENOENT)
        return fd;
    r = fd >= 0 ? record_scan_file(&scan, fd) : 0;
    if (r < 0)
        return cannot_read(claim->spool, claim->id, r, f);
    if (fd >= 0 && spool_record_is_wasteful(&scan))
        (void)spool_record_rewrite(claim, fd, &scan); /* it is as good as it was */
    claim->history = scan.history;
    scan.history = (SpoolHistory){0};
    claim->loaded = true;
    return 0;
}

const SpoolHistory *spool_claim_history(const SpoolClaim *claim)
{
    return claim->loaded ? &claim->history : NULL;
}

int spool_record_read(
    const Spool *spool, const char *id, SpoolLineHandler handler, void *user, Failure *f)
{
    _cleanup_close_ int fd = spool_record_open(spool, id, O_RDONLY, f);
    _cleanup_(line_reader_done) LineReader reader = {.fd = fd};
    RecordLine line;
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    while ((r = line_reader_next(&reader, &line)) > 0) {
        r = line.n > 0 ? handler(user, line.data, line.n) : 0;
        if (r != 0)
            return r;
    }
    return r < 0 ? cannot_read(spool, id, r, f) : 0;
}

/* ---- asking ---- */

void spool_history_done(SpoolHistory *history)
{
    free_addresses(&history->delivered, &history->n_delivered);
    free_addresses(&history->refused, &history->n_refused);
    *history = (SpoolHistory){0};
}

bool spool_history_has(const SpoolHistory *history, const char *address)
{
    return has_address(history->delivered, history->n_delivered, address);
}

bool spool_history_has_refused(const SpoolHistory *history, const char *address)
{
    return has_address(history->refused, history->n_refused, address);
}
