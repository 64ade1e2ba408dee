/* What is wrong with a queue directory as a whole, in the same words whoever meets with it. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "spool/internal.h"

int spool_fail_open(const char *path, int r, Failure *f)
{
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: the queue directory does not exist; create it: mkdir -p %s && chmod 3730 %s && "
            "chown DAEMON-USER:DAEMON-GROUP %s; or name the directory that the daemon watches",
            path, path, path, path);
    if (r == -ENOTDIR)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: the queue directory is no directory; name the directory that holds the messages",
            path);
    return failure_set(f, r, error_is_common(r) || r == -EACCES ? error_from_errno(r) : ERROR_SPOOL,
        "%s: cannot open the queue directory: %s; name a directory that this user can open, on a "
        "file system that works",
        path, strerrordesc_np(-r));
}

int spool_check(const char *path, Failure *f)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    int r = spool_open(path, &spool, f);

    if (r >= 0 || f->number != error_from_errno(EACCES))
        return r;
    failure_done(f);
    return 0;
}
