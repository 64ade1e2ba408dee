/* One file of a pickup directory. Must never wait at a pipe, follow a link, take a file that
 * somebody still writes to, or remove one that has not been copied. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/enqueue.h"
#include "spool/pickup_internal.h"
#include "spool/unstuff.h"

#define BLOCK_BYTES ((size_t)64 * 1024)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define NAME_TRIES 8
#define IN_MEMORY_MAX (1024 * 1024) /* bytes of a copy, where no directory takes it */

/* Who makes a second link and removes the first name, or opens the file to its reader, is given so
 * long. */
#define GRACE (10 * USEC_PER_SEC)

/* ---- looking ---- */

/* Since when it is as it is. */
static bool is_young(const PickupPass *pass, const struct stat *st, usec_t age)
{
    usec_t then = MAX(spool_file_time(&st->st_mtim), spool_file_time(&st->st_ctim));

    return then > pass->now ? then - pass->now < age : pass->now - then < age;
}

static int wait_for(PickupPass *pass, usec_t delay)
{
    pass->result->again = pass->result->again > 0 ? MIN(pass->result->again, delay) : delay;
    return PICKUP_NOT_YET;
}

static int refuse(Failure *f, const char *why)
{
    return failure_set(f, PICKUP_REFUSED, ERROR_FILE, "%s", why);
}

static int judge(PickupPass *pass, const struct stat *st, Failure *f)
{
    if (S_ISLNK(st->st_mode))
        return refuse(
            f, "it is a symbolic link, which is not followed; put the message itself here");
    if (!S_ISREG(st->st_mode))
        return refuse(f, "it is not a regular file; a message is one");
    if (st->st_nlink > 1 && is_young(pass, st, GRACE))
        return wait_for(pass, GRACE);
    if (st->st_nlink > 1)
        return refuse(f, "it has several names (hard links), and may be another user's file; copy "
                         "it instead");
    if (pass->pickup->max_bytes > 0 && (uint64_t)st->st_size > pass->pickup->max_bytes)
        return failure_set(f, PICKUP_REFUSED, ERROR_FILE,
            "it has %llu bytes, and a message may have %llu: spool.submit_max_size",
            (unsigned long long)st->st_size, (unsigned long long)pass->pickup->max_bytes);
    return PICKUP_STAGED;
}

/* Whether its writer is done: a lease tells, or else the time. */
static int judge_writer(PickupPass *pass, int fd, const struct stat *st, Failure *f)
{
    int r = spool_has_writer(fd);

    if (r > 0) /* its close is an event, but for one through another machine */
        return PICKUP_NOT_YET;
    if (r < 0 && is_young(pass, st, pass->pickup->settle))
        return wait_for(pass, pass->pickup->settle);
    if (st->st_size == 0)
        return refuse(f, "it is empty");
    return PICKUP_STAGED;
}

static int cannot_open(PickupPass *pass, const PickupFile *file, int error, Failure *f)
{
    if (error == -ENOENT)
        return PICKUP_NOT_YET;
    if (error == -EACCES && is_young(pass, &file->st, GRACE))
        return wait_for(pass, GRACE);
    if (error == -EACCES)
        return failure_set(f, PICKUP_REFUSED, ERROR_FILE,
            "user %u may not read it: it belongs to user %u, group %u, with mode %04o; let that "
            "user or its group read it",
            geteuid(), file->st.st_uid, file->st.st_gid, file->st.st_mode & 07777);
    if (error_is_common(error))
        return failure_set_errno(f, error, "%s/%s", pass->pickup->directory, file->name);
    return failure_set(f, PICKUP_REFUSED, ERROR_FILE, "it cannot be opened: %s",
        error == -ELOOP ? "it is a symbolic link" : strerrordesc_np(-error));
}

/* What is no regular file is not opened at all. */
int pickup_look(PickupPass *pass, PickupFile *file, int *ret_fd, Failure *f)
{
    int r = spool_stat_at(pass->place.fd, file->name, &file->st);

    if (r == -EXDEV)
        return refuse(f, "another file system is mounted there");
    if (r < 0)
        return cannot_open(pass, file, r, f);
    r = judge(pass, &file->st, f);
    if (r != PICKUP_STAGED)
        return r;
    *ret_fd = spool_open_at(&pass->place, file->name, O_RDONLY);
    if (*ret_fd < 0)
        return cannot_open(pass, file, *ret_fd, f);
    if (fstat(*ret_fd, &file->st) < 0)
        return failure_set_errno(f, -errno, "%s/%s", pass->pickup->directory, file->name);
    r = judge(pass, &file->st, f);
    return r != PICKUP_STAGED ? r : judge_writer(pass, *ret_fd, &file->st, f);
}

/* ---- copying ---- */

typedef struct Copy {
    PickupPass *pass;
    SpoolWriter *writer; /* NULL: into `fd` */
    int fd;
    Unstuff dots;
    Buffer unstuffed;
    bool begun;
} Copy;

static int write_out(Copy *copy, const char *data, size_t n, Failure *f)
{
    int r;

    if (copy->writer)
        return spool_writer_write(copy->writer, data, n, f);
    r = file_write_all(copy->fd, data, n);
    return r < 0 ? failure_set_errno(f, r, "cannot copy a message into a temporary file") : 0;
}

static int write_block(Copy *copy, const char *data, size_t n, Failure *f)
{
    int r;

    if (!copy->begun && n >= 3 && memcmp(data, BYTE_ORDER_MARK, 3) == 0)
        data += 3, n -= 3;
    copy->begun = true;
    if (!copy->pass->pickup->dot_stuffed)
        return write_out(copy, data, n, f);
    buffer_clear(&copy->unstuffed);
    r = unstuff(&copy->dots, data, n, &copy->unstuffed);
    if (r < 0)
        return failure_set_errno(f, r, "cannot copy a message");
    return write_out(copy, buffer_data(&copy->unstuffed), buffer_size(&copy->unstuffed), f);
}

/* As pickup_stage(). */
static int copy_content(Copy *copy, int fd, Failure *f)
{
    _cleanup_free_
    char *block = malloc(BLOCK_BYTES);
    ssize_t n = 1;
    int r = 0;

    if (!block)
        return failure_set_errno(f, -ENOMEM, "cannot copy a message");
    while (r >= 0 && n > 0) {
        n = read(fd, block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return failure_set(
                f, PICKUP_REFUSED, ERROR_FILE, "it cannot be read: %s", strerrordesc_np(errno));
        else if (n > 0)
            r = write_block(copy, block, (size_t)n, f);
    }
    if (r >= 0 && copy->dots.has_more)
        return refuse(f, "text stands behind a line with a dot alone, which ends a dot-stuffed "
                         "message: it is no dot-stuffed one, or is several");
    return MIN(r, 0);
}

/* Whether nobody has begun to write to it since. */
static bool is_as_it_was(int fd, const struct stat *was)
{
    struct stat st;

    return spool_has_writer(fd) <= 0 && fstat(fd, &st) == 0 && st.st_size == was->st_size &&
           st.st_mtim.tv_sec == was->st_mtim.tv_sec && st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/* What is written to meanwhile is waited for. */
static int copy_whole(Copy *copy, const PickupFile *file, int fd, Failure *f)
{
    PickupPass *pass = copy->pass;
    int r = copy_content(copy, fd, f);

    buffer_done(&copy->unstuffed);
    if (r == PICKUP_STAGED && !is_as_it_was(fd, &file->st))
        r = wait_for(pass, MAX(pass->pickup->settle, USEC_PER_SEC));
    return r;
}

int pickup_copy_aside(PickupPass *pass, PickupFile *file, int fd, int *ret_fd, Failure *f)
{
    bool small = file->st.st_size <= IN_MEMORY_MAX;
    Copy copy = {.pass = pass, .fd = small ? file_scratch() : file_scratch_on_disk()};

    if (copy.fd < 0)
        return failure_set_errno(f, copy.fd,
            "cannot keep a message in a temporary file; TMPDIR of outboxd names another directory");
    *ret_fd = copy.fd;
    return copy_whole(&copy, file, fd, f);
}

static int copy(PickupPass *pass, PickupFile *file, int fd, Failure *f)
{
    Copy copy = {.pass = pass};
    int r = spool_writer_new(pass->pickup->queue, &copy.writer, f);

    if (r >= 0)
        r = spool_writer_submit(copy.writer, file->st.st_uid, f);
    if (r >= 0)
        r = copy_whole(&copy, file, fd, f);
    if (r == PICKUP_STAGED)
        r = spool_writer_stage(TAKE_PTR(copy.writer), file->staged, f);
    spool_writer_free(copy.writer);
    return r;
}

int pickup_stage(PickupPass *pass, PickupFile *file, Failure *f)
{
    _cleanup_close_ int fd = -1;
    FileIdentity identity;
    int r = pickup_look(pass, file, &fd, f);

    if (r != PICKUP_STAGED)
        return r;
    r = file_identity_of(&pass->place, fd, "", &identity);
    if (r < 0)
        return failure_set_errno(f, r, "%s/%s", pass->pickup->directory, file->name);
    staged_name(pass->pickup->directory, &identity, file->staged);
    return copy(pass, file, fd, f);
}

/* ---- taking away ---- */

int pickup_move(PickupPass *pass, const PickupFile *file, const char *to)
{
    int directory = pass->place.fd, r = spool_rename(directory, file->name, to);
    struct stat st;

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (spool_stat_at(directory, to, &st) == 0 && st.st_ino == file->st.st_ino &&
        st.st_dev == file->st.st_dev)
        return 1;
    (void)spool_rename(directory, to, file->name);
    return 0;
}

void pickup_name_taken(char ret[static PICKUP_TAKEN_MAX])
{
    strcpy(ret, PICKUP_TAKEN_PREFIX);
    file_random_name(ret + strlen(ret), 13);
}

int pickup_remove(PickupPass *pass, const PickupFile *file, Failure *f)
{
    char taken[PICKUP_TAKEN_MAX];
    int r;

    pickup_name_taken(taken);
    r = pickup_move(pass, file, taken);
    if (r > 0 && unlinkat(pass->place.fd, taken, 0) < 0)
        r = -errno;
    return r < 0 ? failure_set_errno(f, r,
                       "%s/%s cannot be removed, and is not queued for that reason",
                       pass->pickup->directory, file->name)
                 : r;
}

/* For whoever looks after the directory. */
static void write_reason(const PickupPass *pass, const char *name, const Failure *why)
{
    _cleanup_close_ int fd = openat(pass->place.fd, name,
        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0644);
    const char *text = failure_text(why);

    if (fd < 0 || fchmod(fd, 0644) < 0 || file_write_all(fd, text, strlen(text)) < 0 ||
        file_write_all(fd, "\n", 1) < 0)
        return; /* the log has it */
}

/* A name for it of which its reason has room for one, too. */
static void name_bad(const char *name, bool taken, char *ret, size_t size)
{
    char random[8] = "";
    int room;

    if (taken) {
        random[0] = '-';
        file_random_name(random + 1, 6);
    }
    room = NAME_MAX - (int)(strlen(SPOOL_PICKUP_REASON) + strlen(random));
    (void)snprintf(ret, size, "%.*s%s" SPOOL_PICKUP_BAD, room, name, random);
}

int pickup_refuse(PickupPass *pass, const PickupFile *file, const Failure *why, Failure *f)
{
    const char *name = file->name[0] == '.' ? file->name + 1 : file->name;
    char bad[NAME_MAX + 1], reason[NAME_MAX + 32];
    int r = -EEXIST;

    for (int i = 0; r == -EEXIST && i < NAME_TRIES; i++) {
        name_bad(name, i > 0, bad, sizeof(bad));
        r = pickup_move(pass, file, bad);
    }
    if (r < 0)
        return failure_set_errno(f, r, "%s/%s cannot be taken (%s), nor called %s",
            pass->pickup->directory, file->name, failure_text(why), bad);
    if (r == 0)
        return 0;
    (void)snprintf(
        reason, sizeof(reason), "%s%s", bad, &SPOOL_PICKUP_REASON[strlen(SPOOL_PICKUP_BAD)]);
    write_reason(pass, reason, why);
    pickup_count_bad(pass->result, bad);
    r = pickup_tell(pass->result, file, NULL, bad, why);
    return r < 0 ? failure_set_errno(f, r, "%s", pass->pickup->directory) : 0;
}
