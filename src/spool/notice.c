/* Notices. Must never queue one before it is known for good what became of the message it is about,
 * nor take a stranger's file for one. */
#include "spool/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"

#define SUFFIX "-notice"
#define RANDOM_CHARACTERS 13
#define NAME_TRIES 8

static bool format_name(const char *id, char ret[static SPOOL_NAME_MAX])
{
    return snprintf(ret, SPOOL_NAME_MAX, SPOOL_NOTICE_PREFIX "%s", id) < SPOOL_NAME_MAX;
}

/* The daemon's, whoever writes it; in it is what the message says. */
static int create(const Spool *spool, const char *name)
{
    _cleanup_close_ int fd =
        openat(spool->fd, name, O_WRONLY | O_CREAT | O_EXCL | SPOOL_OPEN_FLAGS, 0600);

    if (fd < 0)
        return -errno;
    if (spool->owner == geteuid())
        return TAKE_FD(fd);
    if (fchown(fd, geteuid() == 0 ? spool->owner : (uid_t)-1, spool->group) < 0 && errno != EPERM)
        return -errno;
    return fchmod(fd, geteuid() == 0 ? 0600 : 0640) < 0 ? -errno : TAKE_FD(fd);
}

/* A whole file on disk, under a name by which nobody looks at it. */
static int write_file(const Spool *spool, const char *name, const Buffer *content)
{
    _cleanup_close_ int fd = create(spool, name);
    int r = fd < 0 ? fd : file_write_all(fd, buffer_data(content), buffer_size(content));

    return r < 0 ? r : file_sync(fd);
}

int spool_notice_prepare(const SpoolClaim *claim, const Buffer *content, Failure *f)
{
    char temporary[] = SPOOL_TEMPORARY_PREFIX "0123456789abc", name[SPOOL_NAME_MAX];
    const Spool *spool = claim->spool;
    int r = -ENAMETOOLONG;

    file_random_name(temporary + strlen(SPOOL_TEMPORARY_PREFIX), RANDOM_CHARACTERS);
    if (format_name(claim->id, name))
        r = write_file(spool, temporary, content);
    if (r >= 0)
        r = renameat(spool->fd, temporary, spool->fd, name) < 0 ? -errno : file_sync(spool->fd);
    if (r >= 0)
        return 0;
    (void)unlinkat(spool->fd, temporary, 0);
    spool_notice_drop(spool, claim->id);
    return failure_set(f, r, error_is_common(r) ? error_from_errno(r) : ERROR_SPOOL,
        "%s/%s: cannot write the notice that the message failed: %s", spool->path, name,
        strerrordesc_np(-r));
}

/* The message's id, with as much of it as a name has room for. */
static void make_id(const char *id, char ret[static SPOOL_NAME_MAX])
{
    char whole[SPOOL_NAME_MAX + sizeof(SUFFIX)];

    if (strlen(id) + strlen(SUFFIX) > SPOOL_ID_MAX) {
        spool_name_make_id(id, ret);
        return;
    }
    (void)snprintf(whole, sizeof(whole), "%s" SUFFIX, id);
    memccpy(ret, whole, '\0', SPOOL_NAME_MAX);
}

static int show(const Spool *spool, const char *name, const char *id)
{
    char queued[SPOOL_NAME_MAX];

    return spool_name_format(id, SPOOL_QUEUED, queued) ? spool_rename(spool->fd, name, queued)
                                                       : -ENAMETOOLONG;
}

int spool_notice_queue(const Spool *spool, const char *id, char ret_id[static SPOOL_NAME_MAX])
{
    char name[SPOOL_NAME_MAX], base[SPOOL_NAME_MAX];
    int r;

    if (!format_name(id, name))
        return -ENAMETOOLONG;
    make_id(id, base);
    memcpy(ret_id, base, sizeof(base));
    r = file_sync(spool->fd);
    if (r >= 0)
        r = show(spool, name, ret_id);
    for (int tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
        spool_name_make_id(base, ret_id);
        r = show(spool, name, ret_id);
    }
    return r;
}

void spool_notice_drop(const Spool *spool, const char *id)
{
    char name[SPOOL_NAME_MAX];

    if (format_name(id, name))
        (void)unlinkat(spool->fd, name, 0);
}

static bool is_own(const Spool *spool, const char *name)
{
    struct stat st;

    return spool_stat_at(spool->fd, name, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
           spool_is_own(spool, &st);
}

bool spool_notice_is_there(const Spool *spool, const char *id)
{
    char name[SPOOL_NAME_MAX];

    return format_name(id, name) && is_own(spool, name);
}

int spool_notice_recover(
    const Spool *spool, const char *file_name, char ret_id[static SPOOL_NAME_MAX])
{
    const char *id = file_name + strlen(SPOOL_NOTICE_PREFIX);
    struct stat st;

    if (spool_look_at(spool, id, SPOOL_SENDING, &st) != -ENOENT)
        return -EBUSY;
    return is_own(spool, file_name) ? spool_notice_queue(spool, id, ret_id) : -ENOENT;
}
