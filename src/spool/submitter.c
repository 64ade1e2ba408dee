/* Who queued a message. Must never believe a file that another than the queue's own user made. */
#include "spool/submitter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"
#include "spool/internal.h"

#define FIELD "X-Outbox-Uid: "

size_t spool_submitter_format(uid_t user, char ret[static SPOOL_SUBMITTER_MAX])
{
    return (size_t)snprintf(ret, SPOOL_SUBMITTER_MAX, FIELD "%u\n", user);
}

bool spool_may_be_submitted(const Spool *spool, const struct stat *st)
{
    return (st->st_mode & 07777) == SPOOL_SUBMITTED_MODE && S_ISREG(st->st_mode) &&
           spool_is_own(spool, st);
}

/* The number of the line, to the letter as spool_submitter_format() writes it. */
static bool parse(const char *line, uid_t *ret)
{
    char again[SPOOL_SUBMITTER_MAX];
    unsigned user;
    size_t n;

    if (sscanf(line, FIELD "%10u", &user) != 1)
        return false;
    *ret = (uid_t)user;
    n = spool_submitter_format(*ret, again);
    return strncmp(line, again, n) == 0;
}

uid_t spool_submitter(const Spool *spool, int fd, const struct stat *st)
{
    char line[SPOOL_SUBMITTER_MAX];
    ssize_t n;
    uid_t user;

    if (!spool_may_be_submitted(spool, st))
        return st->st_uid;
    n = pread(fd, line, sizeof(line) - 1, 0);
    if (n <= 0)
        return st->st_uid;
    line[n] = '\0';
    return parse(line, &user) ? user : st->st_uid;
}

uid_t spool_submitter_at(const Spool *spool, const char *name, const struct stat *st)
{
    _cleanup_close_ int fd =
        spool_may_be_submitted(spool, st) ? spool_open_at(spool, name, O_RDONLY) : -1;

    return fd < 0 ? st->st_uid : spool_submitter(spool, fd, st);
}

bool spool_shows(const Spool *spool, const char *name, const struct stat *st)
{
    return !spool->shows_one || spool_submitter_at(spool, name, st) == spool->shown;
}
