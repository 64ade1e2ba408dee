/* Replacing a record by a shorter one that says the same. Must never leave anything but one whole
 * record under its name, wherever it is cut off. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

/* A shorter record is read in a millisecond or two, and not worth two syncs. */
#define SMALL_BYTES ((uint64_t)256 * 1024)

#define WRITE_BYTES ((size_t)64 * 1024)

#define TEMPORARY_RANDOM 13

bool spool_record_is_wasteful(const RecordScan *scan)
{
    /* With half of it superseded, what is rewritten is less than what was appended. */
    return scan->bytes > SMALL_BYTES && scan->superseded > scan->bytes / 2;
}

static int copy_line(Buffer *out, const RecordScan *scan, const RecordLine *line)
{
    RecordEvent event;
    json_t *json;
    int r = record_line_parse(line->data, line->n, &event, &json);

    json_decref(json);
    if (r < 0 || !record_scan_keeps(scan, event, line->offset))
        return r;
    r = buffer_append(out, line->data, line->n);
    return r < 0 ? r : buffer_append(out, "\n", 1);
}

static int flush(Buffer *out, int fd)
{
    int r = file_write_all(fd, buffer_data(out), buffer_size(out));

    buffer_clear(out);
    return r;
}

/* The lines of `from` that still say something. */
static int copy_lines(int from, int to, const RecordScan *scan)
{
    _cleanup_(line_reader_done) LineReader reader = {.fd = from};
    _cleanup_buffer_ Buffer out = {0};
    RecordLine line;
    int r;

    while ((r = line_reader_next(&reader, &line)) > 0) {
        r = copy_line(&out, scan, &line);
        if (r >= 0 && buffer_size(&out) >= WRITE_BYTES)
            r = flush(&out, to);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : flush(&out, to);
}

/* The first line, of a record that has none yet. */
static int bind(SpoolClaim *claim, int to)
{
    _cleanup_buffer_ Buffer line = {0};
    int r = spool_claim_bind(claim, &line);

    return r < 0 ? r : flush(&line, to);
}

/* Fills the new file and brings it to disk, with the time of the old one, by which the message is
 * scheduled. */
static int fill(SpoolClaim *claim, int from, int to, const RecordScan *scan, const struct stat *old)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, old->st_mtim};
    int r = claim->bound ? 0 : bind(claim, to);

    if (r >= 0)
        r = copy_lines(from, to, scan);
    if (r >= 0)
        r = futimens(to, times) < 0 ? -errno : 0;
    return r < 0 ? r : file_sync(to);
}

/* The one rename in this program that overwrites: of the record that was read, by what was in it.
 */
static int replace(
    const Spool *spool, const char *temporary, const char *name, const struct stat *old)
{
    struct stat now;
    int r = spool_stat_at(spool->fd, name, &now);

    if (r < 0)
        return r;
    if (now.st_dev != old->st_dev || now.st_ino != old->st_ino)
        return -ESTALE;
    return renameat(spool->fd, temporary, spool->fd, name) < 0 ? -errno : file_sync(spool->fd);
}

int spool_record_rewrite(SpoolClaim *claim, int fd, const RecordScan *scan)
{
    char temporary[] = SPOOL_TEMPORARY_PREFIX "0123456789abc", name[SPOOL_NAME_MAX];
    _cleanup_close_ int to = -1;
    struct stat old, new;
    int r;

    if (!spool_name_format_record(claim->id, name))
        return -ENAMETOOLONG;
    if (fstat(fd, &old) < 0)
        return -errno;
    file_random_name(temporary + strlen(SPOOL_TEMPORARY_PREFIX), TEMPORARY_RANDOM);
    to = spool_record_create(claim->spool, temporary);
    if (to < 0)
        return to;
    r = fill(claim, fd, to, scan, &old);
    if (r >= 0)
        r = fstat(to, &new) < 0 ? -errno : replace(claim->spool, temporary, name, &old);
    if (r < 0) {
        (void)unlinkat(claim->spool->fd, temporary, 0);
        return r;
    }
    spool_claim_set_record(claim, &new);
    claim->bound = true;
    return 0;
}
