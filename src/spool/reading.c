/* Marks of messages that are being read. Must never follow or use what a stranger has put there,
 * nor stand in a message's way. */
#include "spool/reading.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

#define READING_DIRECTORY ".reading"
#define READING_DIRECTORY_MODE 0700
#define READING_FILE_MODE 0600

void reading_marks_init(ReadingMarks *marks, const Spool *spool)
{
    *marks = (ReadingMarks){.spool = spool, .fd = -1};
}

void reading_marks_done(ReadingMarks *marks)
{
    close_p(&marks->fd);
}

static bool open_marks(ReadingMarks *marks)
{
    struct stat st;

    if (marks->fd >= 0)
        return true;
    marks->fd = spool_open_at(marks->spool, READING_DIRECTORY, O_RDONLY | O_DIRECTORY);
    if (marks->fd >= 0 && (fstat(marks->fd, &st) < 0 || !spool_is_own(marks->spool, &st)))
        reading_marks_done(marks);
    return marks->fd >= 0;
}

/* The owner of the queue can use what root has made; a default ACL may have taken rights away. */
static bool make_marks(ReadingMarks *marks)
{
    const Spool *spool = marks->spool;

    if (mkdirat(spool->fd, READING_DIRECTORY, READING_DIRECTORY_MODE) < 0 || !open_marks(marks))
        return false;
    if (geteuid() == 0 && spool->owner != 0)
        (void)!fchown(marks->fd, spool->owner, spool->group);
    return fchmod(marks->fd, READING_DIRECTORY_MODE) == 0;
}

/* ---- all of them ---- */

static bool is_there(const Spool *spool, const char *id)
{
    SpoolState state;

    return spool_find(spool, id, &state) != -ENOENT;
}

static bool prune(const ReadingMarks *marks, DIR *stream)
{
    const struct dirent *entry;
    bool any = false;

    while ((entry = readdir(stream))) {
        if (entry->d_name[0] == '.')
            continue;
        if (is_there(marks->spool, entry->d_name))
            any = true;
        else
            reading_marks_clear(marks, entry->d_name);
    }
    return any;
}

bool reading_marks_any(ReadingMarks *marks)
{
    bool any = false;
    DIR *stream;

    if (!open_marks(marks))
        return false;
    if (file_open_entries(marks->fd, &stream) == 0) {
        any = prune(marks, stream);
        (void)closedir(stream);
    }
    if (any)
        return true;
    reading_marks_done(marks);
    (void)unlinkat(marks->spool->fd, READING_DIRECTORY, AT_REMOVEDIR);
    return false;
}

/* ---- one of them ---- */

unsigned reading_marks_look(const ReadingMarks *marks, const char *id, usec_t *ret_last)
{
    struct stat st;

    *ret_last = 0;
    if (marks->fd < 0 || spool_stat_at(marks->fd, id, &st) < 0)
        return 0;
    *ret_last = spool_file_time(&st.st_mtim);
    return (unsigned)MAX(1, MIN(st.st_size, INT_MAX));
}

static int open_mark(const ReadingMarks *marks, const char *id)
{
    return openat(
        marks->fd, id, O_WRONLY | O_CREAT | O_APPEND | SPOOL_OPEN_FLAGS, READING_FILE_MODE);
}

void reading_marks_set(ReadingMarks *marks, const char *id)
{
    _cleanup_close_ int fd = -1;

    if (!open_marks(marks) && !make_marks(marks))
        return;
    fd = open_mark(marks, id);
    if (fd < 0 && errno == ENOENT) { /* another process has removed the directory */
        reading_marks_done(marks);
        if (open_marks(marks) || make_marks(marks))
            fd = open_mark(marks, id);
    }
    if (fd >= 0)
        (void)!write(fd, "\n", 1);
}

void reading_marks_clear(const ReadingMarks *marks, const char *id)
{
    if (marks->fd >= 0)
        (void)unlinkat(marks->fd, id, 0);
}
