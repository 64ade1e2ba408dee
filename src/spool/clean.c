/* What crashes have left. Must never take away what somebody may still be writing, nor a message
 * that is kept, nor one that may not have been sent, nor what is known of one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

#define LEFT_AFTER USEC_PER_DAY

/* Written to, renamed and read again by nobody for a day. What a wrong clock says is no age. */
static bool is_old(const struct stat *st, usec_t now)
{
    usec_t changed = spool_file_time(&st->st_ctim), written = spool_file_time(&st->st_mtim);

    return clock_age(MAX(changed, written), now) > LEFT_AFTER;
}

static bool look(const Spool *spool, const char *name, usec_t now, struct stat *ret)
{
    return spool_stat_at(spool->fd, name, ret) == 0 && S_ISREG(ret->st_mode) && is_old(ret, now);
}

/* Locked, or open for writing. What may not be opened is another user's, of whom nothing but the
 * time can be told. */
static bool is_in_use(const Spool *spool, const char *name)
{
    _cleanup_close_ int fd = spool_open_at(spool, name, O_RDONLY);

    if (fd < 0)
        return fd != -EACCES;
    return flock(fd, LOCK_EX | LOCK_NB) < 0 || spool_has_writer(fd) > 0;
}

int spool_clean_temporary(const Spool *spool, const char *name, usec_t now)
{
    struct stat st;

    if (!look(spool, name, now, &st))
        return 0;
    if (!is_in_use(spool, name))
        (void)unlinkat(spool->fd, name, 0);
    return 1;
}

void spool_clean_temporaries(const Spool *spool, usec_t now)
{
    DIR *stream;
    const struct dirent *entry;

    if (file_open_entries(spool->fd, &stream) < 0)
        return;
    while ((entry = readdir(stream)))
        if (strncmp(entry->d_name, SPOOL_TEMPORARY_PREFIX, strlen(SPOOL_TEMPORARY_PREFIX)) == 0)
            (void)spool_clean_temporary(spool, entry->d_name, now);
    (void)closedir(stream);
}

/* The record of a message that is kept ends with `sent`: it is somebody's archive. Without one, or
 * without that line, a former version had begun to take it away. */
static bool is_kept(const Spool *spool, const char *id)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    RecordEvent last;
    usec_t next;
    int r = spool_record_view(spool, id, &view);

    if (r == RECORD_NONE)
        return false;
    return r != RECORD_OWN || spool_record_last(view.fd, &last, &next) < 0 || last == RECORD_SENT;
}

/* It says whose it is, and is no archive. */
static bool is_orphan(const Spool *spool, const char *id)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    RecordEvent last;
    SpoolState state;
    usec_t next;

    return spool_record_view(spool, id, &view) == RECORD_OWN && view.bound &&
           spool_record_last(view.fd, &last, &next) >= 0 && last != RECORD_SENT &&
           spool_find(spool, id, &state) == -ENOENT;
}

int spool_clean_record(const Spool *spool, const char *id, usec_t now)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (!spool_name_format_record(id, name) || !look(spool, name, now, &st))
        return 0;
    if (is_orphan(spool, id))
        (void)unlinkat(spool->fd, name, 0);
    return 1;
}

int spool_clean_sent(const Spool *spool, const char *id, usec_t now)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (!spool_name_format(id, SPOOL_SENT, name) || !look(spool, name, now, &st))
        return 0;
    if (!is_kept(spool, id))
        (void)spool_delete_message(spool, id, SPOOL_SENT, NULL);
    return 1;
}
